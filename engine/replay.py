"""Decides again from a record alone, and says whether and where the result differs.

Nothing but the record and the program is read: no list, no rate, no model, no clock. The same
policy, engine and zone data give the same bytes, on every platform.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.dsl.lists import ListContent
from tidegate.dsl.program import EventType, Input, Program
from tidegate.dsl.types import Value
from tidegate.engine.authority import Evaluate, authority
from tidegate.engine.differences_of_records import Difference, differences
from tidegate.engine.interpreter import evaluate
from tidegate.engine.lowered import lowered_program
from tidegate.engine.record import Record, RecordError, plain
from tidegate.engine.recorder import Provenance, Recorder, recorder
from tidegate.engine.score_checks import check_scores
from tidegate.engine.situation import Situation
from tidegate.engine.values import NotHeldError, parse_value

NOT_RECORDED = "not_recorded"
"""Why an input is missing that another policy reads and the record does not hold."""


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The replayed record beside the recorded one.

    `identical`: the bytes are equal and the record does not contradict itself. `same_outcome`: what
    was answered is equal, though, say, the engine's version is not. `contradictions` are places at
    which the record tells of another score, or of other inputs of a model, than elsewhere.
    """

    identical: bool
    same_outcome: bool
    differences: tuple[Difference, ...]
    record: Record
    contradictions: tuple[Difference, ...] = ()


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
    contradictions = tuple(check_scores(program, situation, record, same_policy=same_policy))
    return ReplayResult(
        identical=again.to_bytes() == record.to_bytes() and not contradictions,
        same_outcome=again.outcome == record.outcome,
        differences=tuple(differences("", plain(record), plain(again))),
        record=again,
        contradictions=contradictions,
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
        policy_hash, record.event.key, record.rates, known, record.scored, record.lowered
    )
