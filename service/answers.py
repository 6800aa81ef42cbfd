"""What a caller is answered, limited to what its grants let it see.

The same function makes the answer to a decision and to whoever reads it later, from the recorded
decision alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from tidegate.dsl.program import EventType, Program
from tidegate.dsl.types import Kind
from tidegate.engine.expression_text import short_token
from tidegate.engine.record import Record, plain

Cause = Literal["", "deadline", "overload", "engine_failed", "no_features"]
"""Why an event got its `silent` answer; empty where it was decided."""

_WORDS: Final = {"approve": "approve", "review": "review", "hold": "review", "decline": "decline"}
_DISPOSITIONS: Final = {"approve": "approve", "decline": "decline"}


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as it is recorded: what every answer about it is made from.

    `record` is None where the event got its `silent` answer, and `cause` says why.
    """

    id: str
    event: str
    key: str
    at: str
    policy: str
    cause: Cause
    record: Record | None

    @property
    def mode(self) -> str:
        """`normal` where the policy decided, else `silent`."""
        return "silent" if self.record is None else "normal"


def word_of(event: EventType, record: Record | None) -> str:
    """The one word for simple callers."""
    return _WORDS[event.silent] if record is None else record.outcome.word


def answer_of(program: Program, decided: Decided, sees: frozenset[str]) -> dict[str, Any]:
    """The members of an answer, in their order."""
    event = program.event(decided.event)
    record = decided.record
    members: dict[str, Any] = {
        "decision_id": decided.id,
        "event": decided.event,
        "key": decided.key,
        "at": decided.at,
        "mode": decided.mode,
    }
    if decided.cause:
        members["cause"] = decided.cause
    if "outcome" in sees:
        members["outcome"] = _silent(event) if record is None else _outcome(program, record)
    if "reasons" in sees:
        members["reasons"] = [] if record is None else _reasons(program, record)
    if record is not None:
        members |= _details(program, record, sees)
    members["policy"] = decided.policy
    return members


def to_bytes(members: Mapping[str, Any]) -> bytes:
    """The body of an answer."""
    return _ENCODER.encode(members).encode()


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _silent(event: EventType) -> dict[str, Any]:
    """What `silent` means on the three ladders."""
    return {
        "word": _WORDS[event.silent],
        "disposition": _DISPOSITIONS.get(event.silent, "hold"),
        "authentication": "none",
        "review": "before" if event.silent == "review" else "none",
        "step_up": None,
        "tags": [],
        "advice": {},
    }


def _outcome(program: Program, record: Record) -> dict[str, Any]:
    outcome = record.outcome
    return {
        "word": outcome.word,
        "disposition": outcome.disposition,
        "authentication": outcome.authentication,
        "review": outcome.review,
        "step_up": _step_up(program, outcome.step_up),
        "tags": list(outcome.tags),
        "advice": dict(sorted(outcome.advice.items())),
    }


def _step_up(program: Program, name: str) -> dict[str, Any] | None:
    for step_up in program.step_ups:
        if step_up.name == name:
            return {
                "name": name,
                "methods": list(step_up.methods),
                "within_s": step_up.within_us // 1_000_000,
            }
    return None


def _reasons(program: Program, record: Record) -> list[dict[str, str]]:
    known = {reason.name: reason for reason in program.reasons}
    return [
        {"code": name, "message": known[name].message, "retry": known[name].retry}
        for name in record.outcome.reasons
        if name in known
    ]


def _details(program: Program, record: Record, sees: frozenset[str]) -> dict[str, Any]:
    """What only insiders may see; tokens are shortened but in the whole record."""
    found: dict[str, Any] = {}
    if not sees & {"rules", "features", "scores", "record"}:
        return found
    event, whole = program.event(record.event.type), _in_order(plain(record))
    if "rules" in sees:
        rules = whole["rules"]
        found["rules"] = {name: rules[name] for name in ("fired", "unknown", "silenced", "shadow")}
        found["points"] = record.outcome.points
    if "features" in sees:
        found["fields"] = _inputs(event, record, "field")
        found["features"] = _inputs(event, record, "feature") | _inputs(event, record, "lookup")
    if "scores" in sees:
        found["scores"] = {
            name: {"status": status, "score": _score(program, record, name)}
            for name, status in whole["scores"].items()
        }
    if "record" in sees:
        found["record"] = whole
    return found


def _inputs(event: EventType, record: Record, source: str) -> dict[str, str | None]:
    """The inputs that come from there, as texts."""
    return {
        entry.name: _shown(entry.type.kind, record.inputs[entry.name])
        for entry in event.inputs
        if entry.source == source and entry.name in record.inputs
    }


def _shown(kind: Kind, text: str | None) -> str | None:
    return short_token(text) if kind is Kind.TOKEN and text is not None else text


def _score(program: Program, record: Record, model: str) -> str | None:
    """What the model said, as a text; None where it said nothing."""
    return record.inputs.get(program.model(model).score)


def _in_order(value: Any) -> Any:
    """The same with sorted keys: a record that was read back has no other order."""
    if isinstance(value, dict):
        return {name: _in_order(value[name]) for name in sorted(value)}
    return [_in_order(item) for item in value] if isinstance(value, list) else value
