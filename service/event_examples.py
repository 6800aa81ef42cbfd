"""Examples and schemas of a policy's events, made of their declarations."""

from __future__ import annotations

from typing import Any, Final

from tidegate.dsl.program import EventType, Field, Program
from tidegate.dsl.types import Kind
from tidegate.engine.values import format_money, format_time

_AT_US: Final = 1_795_600_800_000_000  # 2026-11-25T10:00:00Z
_EXAMPLES: Final = {
    Kind.FLAG: True,
    Kind.COUNT: 3,
    Kind.NUMBER: "0.5",
    Kind.TIME: format_time(_AT_US),
    Kind.DURATION: "10m",
    Kind.TEXT: "example",
    Kind.COUNTRY: "FR",
    Kind.IP: "192.0.2.7",
}
_SCHEMAS: Final[dict[Kind, dict[str, Any]]] = {
    Kind.FLAG: {"type": "boolean"},
    Kind.COUNT: {"type": "integer", "format": "int64"},
    Kind.NUMBER: {
        "anyOf": [{"type": "string", "pattern": r"^-?\d+(\.\d{1,6})?$"}, {"type": "number"}]
    },
    Kind.TIME: {"type": "string", "format": "date-time"},
    Kind.DURATION: {"type": "string", "pattern": "^[0-9]+(us|ms|s|m|h|d|w)$"},
    Kind.TEXT: {"type": "string"},
    Kind.TOKEN: {"type": "string", "minLength": 1, "description": "a token, never a card number"},
    Kind.COUNTRY: {"type": "string", "pattern": "^[A-Z]{2}$"},
    Kind.IP: {"type": "string", "description": "an IPv4 or IPv6 address"},
    Kind.MONEY: {
        "anyOf": [
            {"type": "string", "pattern": r"^-?\d+(\.\d+)? [A-Z]{3}$"},
            {
                "type": "object",
                "properties": {
                    "minor": {"type": "integer", "format": "int64"},
                    "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
                },
                "required": ["minor", "currency"],
                "additionalProperties": False,
            },
        ]
    },
}


def example_of(program: Program, event: EventType) -> dict[str, object]:
    """An event that the door takes in, as it comes over the wire; without its time."""
    return {
        field.name: _example(program, event, field)
        for field in event.fields
        if field.name != event.at
    }


def _example(program: Program, event: EventType, field: Field) -> object:
    kind = field.type.kind
    if field.name == event.key:
        return f"{event.name.replace('_', '-')}-1" if kind is Kind.TEXT else "tok_example_1"
    if kind is Kind.WORD:
        return field.type.words[0]
    if kind is Kind.TOKEN:
        return f"tok_{field.name}_1"
    value = _EXAMPLES.get(kind, "")
    if field.minimum is None and field.maximum is None:
        return format_money(1234, program.currency) if kind is Kind.MONEY else value
    bounded = _bounded(field)
    if kind is Kind.MONEY:
        return format_money(bounded, program.currency)
    if kind is Kind.NUMBER:
        return f"{bounded // 10**6}"
    return bounded if kind is Kind.COUNT else value


def _bounded(field: Field) -> int:
    """A value within the bounds, in the scale of the type, and whole where that fits."""
    low = field.minimum if field.minimum is not None else 0
    high = field.maximum if field.maximum is not None else max(low, 1234) + 1234
    wanted = {Kind.NUMBER: 10**6, Kind.MONEY: 1234}.get(field.type.kind, 3)
    return min(max(wanted, low), high)


def schema_of(event: EventType) -> dict[str, Any]:
    """The JSON schema of an event. Its time is stamped by the service."""
    return {
        "type": "object",
        "description": event.text,
        "properties": {field.name: _schema(field) for field in event.fields},
        "required": [f.name for f in event.fields if not f.optional and f.name != event.at],
        "additionalProperties": False,
    }


def _schema(field: Field) -> dict[str, Any]:
    if field.type.kind is Kind.WORD:
        return {"type": "string", "enum": list(field.type.words)}
    return dict(_SCHEMAS[field.type.kind])
