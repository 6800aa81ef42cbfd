"""Decides again from a record alone, and says whether and where the result differs.

Nothing but the record and the program is read: no list, no rate, no model, no clock. The same
policy, engine and zone data give the same bytes, on every platform.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.dsl.lists import ListContent
from tidegate.dsl.program import EventType, Input, Program
from tidegate.dsl.types import Value
from tidegate.engine.authority import Evaluate, authority
from tidegate.engine.interpreter import evaluate
from tidegate.engine.lowered import lowered_program
from tidegate.engine.record import Record, RecordError, plain
from tidegate.engine.recorder import Provenance, Recorder, recorder
from tidegate.engine.situation import Situation
from tidegate.engine.values import NotHeldError, parse_value

NOT_RECORDED = "not_recorded"
"""Why an input is missing that another policy reads and the record does not hold."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the replayed record differs: its path and both values as people read them.

    `none` is an empty value, `absent` one that the other record alone has.
    """

    path: str
    recorded: str
    replayed: str


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The replayed record beside the recorded one.

    `identical`: the bytes are equal. `same_outcome`: what was answered is equal, though, say, the
    engine's version is not.
    """

    identical: bool
    same_outcome: bool
    differences: tuple[Difference, ...]
    record: Record


def replay(
    program: Program, policy_hash: str, record: Record, evaluate: Evaluate = evaluate
) -> ReplayResult:
    """Decide again what `record` decided. `policy_hash` is that of `program`.

    `RecordError` where the record does not fit the policy it names, or another policy has no such
    event.
    """
    same_policy = policy_hash == record.policy.hash
    program = lowered_program(program, record.lowered)
    event = _event(program, record.event.type)
    writer = recorder(authority(program, event))
    situation = situation_of(program, event, record, strict=same_policy)
    settled = writer.authority.settle(situation, evaluate)
    again = writer.record(situation, settled, _provenance(writer, policy_hash, record), evaluate)
    return ReplayResult(
        identical=again.to_bytes() == record.to_bytes(),
        same_outcome=again.outcome == record.outcome,
        differences=tuple(_differences("", plain(record), plain(again))),
        record=again,
    )


def _event(program: Program, name: str) -> EventType:
    for event in program.events:
        if event.name == name and event.decided:
            return event
    raise RecordError(f"the policy decides no event `{name}`")


def situation_of(
    program: Program, event: EventType, record: Record, *, strict: bool = True
) -> Situation:
    """What the decision was made from. Where not `strict`, what is not recorded is missing."""
    values: list[Value | None] = []
    reasons = dict(record.missing)
    for entry in event.inputs:
        value = _value(program, entry, record, strict)
        values.append(value)
        if value is None:
            reasons.setdefault(entry.name, NOT_RECORDED)
    return Situation(
        event=event,
        values=tuple(values),
        lists=_lists(program, record),
        statuses=dict(record.scores),
        reasons=reasons,
        snoozed=sum(1 << i for i, r in enumerate(event.rules) if r.id in record.rules.snoozed),
    )


def _value(program: Program, entry: Input, record: Record, strict: bool) -> Value | None:
    if strict and entry.name not in record.inputs:
        raise RecordError(f"the record lacks the input `{entry.name}`")
    text = record.inputs.get(entry.name)
    if text is None:
        return None
    try:
        return parse_value(text, entry.type, program.currency)
    except NotHeldError as cause:
        if strict:
            raise RecordError(f"the input `{entry.name}` is not of its type") from cause
        return None


def _lists(program: Program, record: Record) -> dict[str, ListContent | None]:
    """By list, the tested values that were on it: all that a replay asks of a list."""
    types = {declared.name: declared.type for declared in program.lists}
    return {
        name: None
        if facts.hash is None
        else ListContent(
            frozenset(parse_value(m, types[name], program.currency) for m in facts.members)
        )
        for name, facts in record.lists.items()
        if name in types
    }


def _provenance(writer: Recorder, policy_hash: str, record: Record) -> Provenance:
    hashes = {name: facts.hash for name, facts in record.lists.items()}
    known = {name: hashes.get(name) for name in writer.tested_lists}
    return Provenance(
        policy_hash,
        record.event.key,
        record.rates,
        known,
        record.scored,
        record.lowered,
        record.rules.snoozed,
        record.schema,
    )


_ABSENT = object()


def _differences(path: str, recorded: Any, replayed: Any) -> Iterator[Difference]:
    if isinstance(recorded, Mapping) or isinstance(replayed, Mapping):
        left, right = _fields(recorded), _fields(replayed)
        for name in sorted({*left, *right}):
            below = f"{path}.{name}" if path else name
            yield from _differences(below, left.get(name, _ABSENT), right.get(name, _ABSENT))
    elif recorded != replayed:
        yield Difference(path, _shown(recorded), _shown(replayed))


def _fields(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _shown(value: object) -> str:
    if value is _ABSENT:
        return "absent"
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    return "none" if value is None or value == "" else str(value)
