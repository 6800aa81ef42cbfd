"""What the service puts into the ledger's payloads, and how it is read again.

A payload is two lines of JSON. The first says what the service knows: the answer as it was sent,
the caller, and the event as the windows count it. The second is the engine's record, byte for byte;
it is empty where nothing was evaluated: an event that was only counted, or a decision that gave the
event's `silent` answer.

Of a decision with a record the event is read from the record, and the first line holds only those
values that the windows need and the record lacks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.dsl.program import Expression, Input, Program
from tidegate.dsl.types import Type, Value
from tidegate.dsl.unknowns import walk
from tidegate.engine.features import Counted
from tidegate.engine.values import NotHeldError, format_value, parse_time, parse_value

FORM = 1
"""Raised with every change of the first line; older ones stay readable."""


class PayloadError(ValueError):
    """A payload is not of a form that this release reads."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload in its two parts: the first line as an object, and the record's bytes, or none."""

    head: Mapping[str, Any]
    record: bytes

    @property
    def answer(self) -> str:
        """The body that was answered; empty where nothing was."""
        return str(self.head.get("answer", ""))


def write_payload(head: Mapping[str, object], record: bytes = b"") -> bytes:
    """The bytes of a payload; `record` is canonical and so has no line break."""
    return _ENCODER.encode(head).encode() + b"\n" + record


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def read_payload(content: bytes) -> Payload:
    """A payload in its parts; `PayloadError` where it is of another form."""
    first, _, record = content.partition(b"\n")
    try:
        head = json.loads(first)
    except ValueError:
        head = None
    if not isinstance(head, dict) or head.get("form") != FORM:
        raise PayloadError(f"a payload begins with an object of form {FORM}")
    return Payload(head, record)


class EventForms:
    """Events of one policy as texts and back, in the one canonical form of each type."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._types: dict[str, dict[str, Type]] = {}
        self._beside: dict[str, tuple[str, ...]] = {}
        for event in program.events:
            types = {field.name: field.type for field in event.fields}
            for name, type_ in _read_by_windows(program, event.name):
                types.setdefault(name, type_)
            self._types[event.name] = types
            kept = {entry.name for entry in event.inputs}
            self._beside[event.name] = tuple(name for name in types if name not in kept)

    def full(self, counted: Counted) -> dict[str, object]:
        """The whole event, for a payload without a record."""
        return {
            "type": counted.event,
            "key": counted.key,
            "at": counted.at_us,
            "received": counted.received_us,
            "values": self._texts(counted, self._types[counted.event]),
        }

    def beside(self, counted: Counted) -> dict[str, object]:
        """What the windows need of the event and its record does not hold."""
        names = self._beside[counted.event]
        return {"values": self._texts(counted, names)} if names else {}

    def counted(self, payload: Payload) -> Counted | None:
        """The event of a payload; None where it has none, or one that the policy has no more.

        A value that a field cannot hold any more is missing.
        """
        event = payload.head.get("event")
        if not isinstance(event, dict):
            return None
        texts = dict(event.get("values", {}))
        if payload.record:
            record = json.loads(payload.record)
            facts = record["event"]
            kind, key, at_us = facts["type"], facts["key"], parse_time(facts["at"])
            received_us = at_us
            texts = {**record["inputs"], **texts}
        else:
            kind, key = event["type"], event["key"]
            at_us, received_us = event["at"], event["received"]
        types = self._types.get(kind)
        if types is None:
            return None
        values = {name: self._value(texts.get(name), type_) for name, type_ in types.items()}
        values[self._program.event(kind).at] = at_us
        return Counted(kind, key, at_us, received_us, values)

    def _texts(self, counted: Counted, names: Iterable[str]) -> dict[str, str]:
        types, currency = self._types[counted.event], self._program.currency
        return {
            name: format_value(value, types[name], currency)
            for name in names
            if (value := counted.values.get(name)) is not None
        }

    def _value(self, text: str | None, type_: Type) -> Value | None:
        if text is None:
            return None
        try:
            return parse_value(text, type_, self._program.currency)
        except NotHeldError:
            return None


def _read_by_windows(program: Program, event: str) -> Iterable[tuple[str, Type]]:
    """What features and labels read of an event that they count, besides its plain fields."""
    features: list[Expression | None] = []
    for feature in program.features:
        if feature.event == event:
            features += (feature.operand, feature.where)
    features += (label.where for label in program.labels if label.source_event == event)
    for root in features:
        for node in () if root is None else walk(root):
            if isinstance(node, Input) and node.source == "field":
                yield node.name, node.type
