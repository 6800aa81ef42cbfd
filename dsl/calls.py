"""Typing of function calls: each function's arguments, result and bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from tidegate.dsl import ranges, tree
from tidegate.dsl.currencies import minor_digits
from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.nodes import integer_node
from tidegate.dsl.program import Call, Constant, Expression, Function
from tidegate.dsl.shapes import folded_alike
from tidegate.dsl.source import Span
from tidegate.dsl.types import (
    ANY_INT64,
    COUNT,
    INTEGER_KINDS,
    MONEY,
    NUMBER,
    NUMBER_SCALE,
    TEXT,
    TIME,
    TIME_MAX_US,
    TIME_MIN_US,
    Bounds,
    Kind,
)
from tidegate.dsl.words import FUNCTIONS
from tidegate.dsl.zones import DAY_US, load_zone

if TYPE_CHECKING:
    from tidegate.dsl.expressions import Typer

MAX_TEXT_LENGTH = 2**20
_LATITUDES = Bounds(-90 * NUMBER_SCALE, 90 * NUMBER_SCALE)
_LONGITUDES = Bounds(-180 * NUMBER_SCALE, 180 * NUMBER_SCALE)
_DEGREES = (_LATITUDES, _LONGITUDES) * 2
_FARTHEST = 20_016 * NUMBER_SCALE
"""Half the way around the earth, in kilometres."""
_CALENDAR = {
    "hour": Bounds(0, 23),
    "minute": Bounds(0, 59),
    "weekday": Bounds(1, 7),
    "day": Bounds(1, 31),
    "month": Bounds(1, 12),
}


def typed_call(typer: Typer, node: tree.Apply, event: str) -> Expression | None:
    """Type a call; None where it is wrong, with the problem reported."""
    name = node.function.text
    if name not in FUNCTIONS:
        typer.error(
            "TG209", f"no function is called `{name}`", node.function.span, nearest(name, FUNCTIONS)
        )
        return None
    return _FUNCTIONS[name](typer, node, event)


def _wrong(typer: Typer, node: tree.Apply, usage: str) -> Expression | None:
    """Report how the function is written; always None, so that a caller can return it."""
    typer.error("TG308", f"`{node.function.text}` is written `{usage}`", node.span)
    return None


def _calendar(typer: Typer, node: tree.Apply, event: str) -> Expression | None:
    usage = f'{node.function.text}(TIME) or {node.function.text}(TIME, "Zone/Name")'
    if len(node.arguments) not in (1, 2):
        return _wrong(typer, node, usage)
    moment = typer.value(node.arguments[0], event)
    zone = _zone(typer, node)
    if moment is None or zone is None:
        return None
    if moment.type != TIME:
        return _wrong(typer, node, usage)
    name = node.function.text
    result = TIME if name == "date" else COUNT
    return Call(
        function=cast("Function", name),
        arguments=(moment,),
        zone=zone,
        type=result,
        span=node.span,
        models=moment.models,
        bounds=_CALENDAR.get(name, Bounds(TIME_MIN_US, TIME_MAX_US)),
        can_be_missing=moment.can_be_missing,
    )


def _zone(typer: Typer, node: tree.Apply) -> str | None:
    if len(node.arguments) == 1:
        return typer.zone.name
    literal = node.arguments[1]
    if not isinstance(literal, tree.Literal) or literal.kind != "text":
        _wrong(typer, node, f'{node.function.text}(TIME, "Zone/Name")')
        return None
    return zone_of(typer, tree.Text(literal.span, literal.spelling))


def zone_of(typer: Typer, named: tree.Text | None) -> str | None:
    """The zone that is named, else the policy's; None where there is no such zone."""
    if named is None:
        return typer.zone.name
    if load_zone(named.value) is None:
        typer.error(
            "TG322",
            f'`"{named.value}"` is no time zone',
            named.span,
            'zones are named as in `"Europe/Paris"`',
        )
        return None
    return named.value


def _days_since(typer: Typer, node: tree.Apply, event: str) -> Expression | None:
    if len(node.arguments) != 1:
        return _wrong(typer, node, "days_since(TIME)")
    moment = typer.value(node.arguments[0], event)
    now = typer.value(tree.Reference(node.span, "at"), event)
    if moment is None or now is None:
        return None
    if moment.type != TIME:
        return _wrong(typer, node, "days_since(TIME)")
    days = (TIME_MAX_US - TIME_MIN_US) // DAY_US + 1
    return Call(
        function="days_since",
        arguments=(moment, now),
        type=COUNT,
        span=node.span,
        models=moment.models,
        bounds=Bounds(-days, days),
        can_be_missing=moment.can_be_missing,
    )


def _absolute(typer: Typer, node: tree.Apply, event: str) -> Expression | None:
    operand = typer.value(node.arguments[0], event) if len(node.arguments) == 1 else None
    if len(node.arguments) != 1 or (
        operand is not None and (operand.type.kind not in INTEGER_KINDS or operand.type == TIME)
    ):
        return _wrong(typer, node, "abs(VALUE)")
    if operand is None:
        return None
    bounds = ranges.absolute(operand.bounds or ANY_INT64)
    return integer_node(
        Call, operand.type, node.span, bounds, (operand,), function="abs", arguments=(operand,)
    )


def _extreme(typer: Typer, node: tree.Apply, event: str) -> Expression | None:
    usage = f"{node.function.text}(VALUE, VALUE, …) with values of one type"
    lead = next((a for a in node.arguments if not isinstance(a, tree.Literal)), node.arguments[0])
    first = typer.value(lead, event)
    wanted = first.type if first else None
    typed = [first if a is lead else typer.value(a, event, wanted) for a in node.arguments]
    if any(t is None for t in typed):
        return None
    values = tuple(t for t in typed if t is not None)
    if (
        len(values) < 2
        or any(v.type != values[0].type for v in values)
        or (values[0].type.kind not in INTEGER_KINDS)
    ):
        return _wrong(typer, node, usage)
    parts = [v.bounds or ANY_INT64 for v in values]
    pick = min if node.function.text == "min" else max
    bounds = Bounds(pick(p.low for p in parts), pick(p.high for p in parts))
    return Call(
        function=cast("Function", node.function.text),
        arguments=values,
        type=values[0].type,
        span=node.span,
        models=frozenset().union(*(v.models for v in values)),
        bounds=bounds,
        can_be_missing=any(v.can_be_missing for v in values),
    )


def _round(typer: Typer, node: tree.Apply, event: str) -> Expression | None:
    name = node.function.text
    usage = f"{name}(NUMBER, PLACES) with a whole literal"
    if len(node.arguments) != 2:
        return _wrong(typer, node, usage)
    operand, places = typer.value(node.arguments[0], event), node.arguments[1]
    if operand is None:
        return None
    decimals = minor_digits(typer.currency) if operand.type == MONEY else 6
    whole = isinstance(places, tree.Literal) and places.kind == "whole" and not places.negative
    if operand.type not in (NUMBER, MONEY) or not isinstance(places, tree.Literal) or not whole:
        return _wrong(typer, node, usage)
    if int(places.spelling) > decimals:
        typer.error("TG308", f"a {operand.type} has {decimals} decimals", places.span)
        return None
    kept = int(places.spelling) + 6 - decimals
    step = 10 ** (6 - kept)
    bounds = operand.bounds or ANY_INT64
    wide = Bounds(bounds.low // step * step, -(-bounds.high // step) * step)
    return integer_node(
        Call,
        operand.type,
        node.span,
        wide,
        (operand,),
        function=cast("Function", name),
        arguments=(operand,),
        places=kept,
    )


def _modulo(typer: Typer, node: tree.Apply, event: str) -> Expression | None:
    usage = "modulo(VALUE, DIVISOR) of one type, such as modulo(amount, 50 EUR)"
    if len(node.arguments) != 2:
        return _wrong(typer, node, usage)
    operand = typer.value(node.arguments[0], event)
    divisor = typer.value(node.arguments[1], event, operand.type if operand else None)
    if operand is None or divisor is None:
        return None
    if operand.type != divisor.type or operand.type.kind not in INTEGER_KINDS - {Kind.TIME}:
        return _wrong(typer, node, usage)
    span = divisor.bounds or ANY_INT64
    if span == Bounds(0, 0):
        typer.error("TG311", "this divides by zero", node.span)
        return None
    return integer_node(
        Call,
        operand.type,
        node.span,
        ranges.modulo(operand.bounds or ANY_INT64, span),
        (operand, divisor),
        fails=span.low <= 0 <= span.high,
        function="modulo",
        arguments=(operand, divisor),
    )


def _distance(typer: Typer, node: tree.Apply, event: str) -> Expression | None:
    usage = "distance(LATITUDE, LONGITUDE, LATITUDE, LONGITUDE), numbers of degrees"
    if len(node.arguments) != 4:
        return _wrong(typer, node, usage)
    found = [typer.value(argument, event, NUMBER) for argument in node.arguments]
    if any(value is None for value in found):
        return None
    values = tuple(value for value in found if value is not None)
    if any(value.type != NUMBER for value in values):
        return _wrong(typer, node, usage)
    spans = [value.bounds or ANY_INT64 for value in values]
    for argument, span, degrees in zip(node.arguments, spans, _DEGREES, strict=True):
        if span.low > degrees.high or span.high < degrees.low:
            _no_place(typer, argument.span, degrees)
            return None
    return integer_node(
        Call,
        NUMBER,
        node.span,
        Bounds(0, _FARTHEST),
        values,
        fails=any(
            span.low < degrees.low or span.high > degrees.high
            for span, degrees in zip(spans, _DEGREES, strict=True)
        ),
        function="distance",
        arguments=values,
    )


def _no_place(typer: Typer, span: Span, degrees: Bounds) -> None:
    most = degrees.high // NUMBER_SCALE
    word = "latitude" if most == 90 else "longitude"
    typer.error(
        "TG332",
        f"this is no {word}: it is never from -{most} to {most}",
        span,
        "the order is latitude, longitude, twice; both are degrees",
    )


def _length(typer: Typer, node: tree.Apply, event: str) -> Expression | None:
    operand = _text_argument(typer, node, event, "length(TEXT)", 1)
    return (
        None
        if operand is None
        else Call(
            function="length",
            arguments=(operand,),
            type=COUNT,
            span=node.span,
            models=operand.models,
            bounds=Bounds(0, MAX_TEXT_LENGTH),
            can_be_missing=operand.can_be_missing,
        )
    )


def _cased(typer: Typer, node: tree.Apply, event: str) -> Expression | None:
    name = node.function.text
    operand = _text_argument(typer, node, event, f"{name}(TEXT)", 1)
    return (
        None
        if operand is None
        else Call(
            function=cast("Function", name),
            arguments=(operand,),
            type=TEXT,
            span=node.span,
            models=operand.models,
            can_be_missing=operand.can_be_missing,
        )
    )


def _part(typer: Typer, node: tree.Apply, event: str) -> Expression | None:
    usage = f'{node.function.text}(TEXT, "@")'
    operand = _text_argument(typer, node, event, usage, 2)
    if operand is None:
        return None
    mark = typer.value(node.arguments[1], event)
    if not isinstance(mark, Constant) or mark.param or not mark.value or mark.type != TEXT:
        return _wrong(typer, node, usage)
    return Call(
        function=cast("Function", node.function.text),
        arguments=folded_alike(operand, mark),
        type=TEXT,
        span=node.span,
        models=operand.models,
        can_be_missing=True,
        can_fail=True,
    )


def _text_argument(
    typer: Typer, node: tree.Apply, event: str, usage: str, count: int
) -> Expression | None:
    if len(node.arguments) != count:
        return _wrong(typer, node, usage)
    operand = typer.value(node.arguments[0], event)
    if operand is not None and operand.type != TEXT:
        return _wrong(typer, node, usage)
    return operand


_FUNCTIONS: dict[str, Callable[[Typer, tree.Apply, str], Expression | None]] = {
    **dict.fromkeys(("hour", "minute", "weekday", "day", "month", "date"), _calendar),
    "days_since": _days_since,
    "abs": _absolute,
    "min": _extreme,
    "max": _extreme,
    **dict.fromkeys(("round", "floor", "ceiling"), _round),
    "modulo": _modulo,
    "distance": _distance,
    "length": _length,
    **dict.fromkeys(("lower", "upper"), _cased),
    "before": _part,
    "after": _part,
}
