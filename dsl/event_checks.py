"""Checking of events and their fields.

As in all files of checks, a function takes the typer and a declaration and gives the checked value,
or None with the problem reported.
"""

from __future__ import annotations

from tidegate.dsl import tree
from tidegate.dsl.expressions import Typer
from tidegate.dsl.program import (
    Disposition,
    EventType,
    Field,
)
from tidegate.dsl.shared_checks import limit, text_of, value_type
from tidegate.dsl.types import (
    TEXT,
    TIME,
    Type,
)


def check_fields(typer: Typer, event: tree.EventDeclaration) -> dict[str, Field]:
    """The fields of `event` by name, with the key and the time it must have."""
    found: dict[str, Field] = {}
    for declared in event.fields:
        name = declared.name.text
        if name in found:
            typer.error(
                "TG201",
                f"field `{name}` is declared twice",
                declared.name.span,
                "delete one of them",
                ((found[name].span, "first declared here"),),
            )
            continue
        kind = value_type(typer, declared.type)
        if kind is None:
            typer.names.lost.add(("field", name))
        else:
            found[name] = _field(typer, declared, kind)
    _check_key(typer, event)
    at = found.get("at")
    if at is None or at.type != TIME or at.optional:
        typer.error(
            "TG211",
            f"event `{event.name.text}` needs its time as a field `at time`",
            at.span if at else event.name.span,
        )
        typer.names.lost.add(("field", "at"))
    return found


def _check_key(typer: Typer, event: tree.EventDeclaration) -> None:
    keys = [f for f in event.fields if f.key]
    if len(keys) != 1:
        typer.error(
            "TG211",
            f"event `{event.name.text}` needs one field marked `key`, it has {len(keys)}",
            keys[1].span if keys else event.name.span,
            "the key tells one event from another",
        )
    elif keys[0].type.word not in ("text", "token") or keys[0].type.optional:
        typer.error("TG211", "a key is a text or a token and never missing", keys[0].span)


def _field(typer: Typer, declared: tree.FieldDeclaration, kind: Type) -> Field:
    minimum = limit(typer, declared.minimum, kind)
    maximum = limit(typer, declared.maximum, kind)
    if minimum is None and maximum is not None and maximum > 0 and kind != TIME:
        minimum = -maximum  # `max` alone bounds the size, so that the overflow proofs go through
    if minimum is not None and maximum is not None and minimum > maximum:
        typer.error("TG212", "`min` is larger than `max`", declared.span)
    _check_modifiers(typer, declared, kind)
    coarse = _coarse(typer, declared)
    return Field(
        name=declared.name.text,
        type=kind,
        span=declared.name.span,
        optional=declared.type.optional,
        minimum=minimum,
        maximum=maximum,
        coarse=coarse,
        folded=declared.folded,
        lenient=declared.lenient,
    )


def _check_modifiers(typer: Typer, declared: tree.FieldDeclaration, kind: Type) -> None:
    if declared.folded and kind != TEXT:
        typer.error("TG212", "only a text is `folded`", declared.span)
    if declared.lenient and not declared.type.optional:
        typer.error(
            "TG212",
            "only an optional field is `lenient`: a bad value becomes missing",
            declared.span,
            f"write `{declared.type.word}?`",
        )


def _coarse(typer: Typer, declared: tree.FieldDeclaration) -> tuple[int, int] | None:
    if not declared.coarse:
        return None
    if declared.type.word != "ip":
        typer.error("TG212", "only an address is `coarse`", declared.span)
        return None
    first, second, *more = (*declared.coarse, 48)
    if len(more) > 1 or not (0 < first <= 32 and 0 < second <= 128):
        typer.error(
            "TG212",
            "`coarse` takes the prefix for IPv4 and, after it, the one for IPv6",
            declared.span,
            "as in `coarse /24 /48`",
        )
        return None
    return first, second


def check_event(typer: Typer, event: tree.EventDeclaration) -> EventType:
    """The event without its rules."""
    decided = event.default is not None
    if decided and event.silent is None:
        typer.error(
            "TG213",
            f"event `{event.name.text}` does not say what a client does when the engine "
            "does not answer",
            event.name.span,
            "add `silent review` (or approve, hold, decline)",
        )
    if not decided and event.silent is not None:
        typer.error("TG213", "only a decided event has a `silent` answer", event.name.span)
    key = next((f.name.text for f in event.fields if f.key), "")
    return EventType(
        name=event.name.text,
        fields=tuple(typer.fields[event.name.text].values()),
        key=key,
        at="at",
        span=event.name.span,
        text=text_of(event.text),
        silent=event.silent or "",
        default=Disposition[event.default.upper()] if event.default else None,
    )
