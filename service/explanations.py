"""Why a decision fell, for whoever asks: the person, the merchant, an analyst, an auditor.

Persons and merchants hear the policy's own messages, the kinds of data that were looked at and what
they can do; never a rule, a threshold, a score or a value. Analysts read the engine's explanation,
auditors the whole record with its place in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

from tidegate.dsl.program import EventType, Expression, Input, Program
from tidegate.dsl.types import Kind
from tidegate.dsl.unknowns import walk
from tidegate.engine.explanation import CustomerExplanation, explain
from tidegate.engine.record import Record, plain
from tidegate.service.answers import Decided, word_of
from tidegate.store.entries import Leaf

Audience = Literal["subject", "merchant", "analyst", "auditor"]
AUDIENCES: Final[tuple[Audience, ...]] = get_args(Audience)

NEEDED: Final[Mapping[Audience, frozenset[str]]] = {
    "subject": frozenset({"reasons", "explanation"}),
    "merchant": frozenset({"reasons", "explanation"}),
    "analyst": frozenset({"rules"}),
    "auditor": frozenset({"record"}),
}
"""Of these parts of an answer a caller has to see one, to read what this audience is told."""

_RESULTS: Final = {
    "approve": "The payment was accepted.",
    "review": "The payment is being checked before it goes on.",
    "step_up": "The payment needs a confirmation by you before it goes on.",
    "decline": "The payment was not accepted.",
}
_SILENT: Final = "It could not be assessed in time, so the answer for that case was given."
_MERCHANT_RETRY: Final = {
    "never": "do_not_retry",
    "after": "retry_later",
    "with_step_up": "retry_with_step_up",
    "with_new_data": "retry_with_new_data",
}
_ABOUT: Final = {
    Kind.MONEY: "the amount of the payment",
    Kind.TOKEN: "earlier payments of the same card, account or device",
    Kind.COUNTRY: "the countries that the payment is connected with",
    Kind.IP: "the network that the payment came from",
    Kind.TIME: "the time of the payment",
}
_CONTEST: Final = (
    "You can have this decision looked at by a person, say your view and contest it: "
    "tell the merchant, or send the number of the decision to POST /v1/decisions/{id}/contest."
)


@dataclass(frozen=True, slots=True)
class Explained:
    """A decision with its place in the ledger, as an explanation needs it."""

    decided: Decided
    leaf: Leaf
    program: Program


def explanation_for(audience: Audience, explained: Explained) -> dict[str, Any]:
    """The members of the answer for this audience."""
    members: dict[str, Any] = {"decision_id": explained.decided.id, "audience": audience}
    return members | _MAKERS[audience](explained)


def _for_subject(explained: Explained) -> dict[str, Any]:
    decided, program = explained.decided, explained.program
    event, record = program.event(decided.event), decided.record
    told = _customer(program, record)
    return {
        "result": _RESULTS[word_of(event, record)],
        "reasons": list(told.messages) if record is not None else [_SILENT],
        "try_again": told.retry != "never",
        "decided_by": "automatic rules",
        "models_used": record is not None and any(s == "ok" for s in record.scores.values()),
        "data_used": [] if record is None else list(dict.fromkeys(_data_used(event, record))),
        "contest": _CONTEST.format(id=decided.id),
    }


def _for_merchant(explained: Explained) -> dict[str, Any]:
    decided, program = explained.decided, explained.program
    told = _customer(program, decided.record)
    return {
        "event": decided.event,
        "key": decided.key,
        "outcome": word_of(program.event(decided.event), decided.record),
        "mode": decided.mode,
        "messages": list(told.messages),
        "retry_advice": _MERCHANT_RETRY.get(told.retry, "no_advice"),
    }


def _for_analyst(explained: Explained) -> dict[str, Any]:
    decided, program = explained.decided, explained.program
    if decided.record is None:
        event = program.event(decided.event)
        return {
            "event": decided.event,
            "key": decided.key,
            "word": word_of(event, None),
            "mode": decided.mode,
            "cause": decided.cause,
        }
    found = explain(program, decided.record, "analyst")
    return {"mode": decided.mode, **asdict(found), "text": str(found)}


def _for_auditor(explained: Explained) -> dict[str, Any]:
    leaf = explained.leaf
    return {
        **_for_analyst(explained),
        "record": None if explained.decided.record is None else plain(explained.decided.record),
        "policy": explained.decided.policy,
        "ledger": {
            "seq": leaf.seq,
            "at": leaf.at,
            "facts": dict(leaf.facts),
            "payload": None if leaf.payload is None else asdict(leaf.payload),
        },
    }


_MAKERS: Final = {
    "subject": _for_subject,
    "merchant": _for_merchant,
    "analyst": _for_analyst,
    "auditor": _for_auditor,
}


def _customer(program: Program, record: Record | None) -> CustomerExplanation:
    return CustomerExplanation((), "") if record is None else explain(program, record, "customer")


def _data_used(event: EventType, record: Record) -> Iterator[str]:
    """The kinds of data that the rules behind the outcome read."""
    rules = {rule.id: rule for rule in event.rules}
    behind = [name for found in record.determining.values() for name in found.rules]
    for rule in (rules[name] for name in behind if name in rules):
        yield from _kinds(rule.when)


def _kinds(condition: Expression) -> Iterator[str]:
    for node in walk(condition):
        if not isinstance(node, Input):
            continue
        if node.source == "feature":
            yield _ABOUT[Kind.TOKEN]
        elif node.source == "score":
            yield "a statistical comparison with other payments"
        elif node.type.kind in _ABOUT:
            yield _ABOUT[node.type.kind]
        else:
            yield "other data that were sent with the payment"
