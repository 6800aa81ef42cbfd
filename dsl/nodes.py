"""Building typed nodes: what each carries of bounds, models and possible absence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from tidegate.dsl import ranges, tree
from tidegate.dsl.currencies import example
from tidegate.dsl.program import (
    Compare,
    Constant,
    Expression,
    Feature,
    Field,
    Input,
    Not,
    PointsAtLeast,
)
from tidegate.dsl.source import Span
from tidegate.dsl.types import (
    ANY_INT64,
    COUNT,
    DURATION,
    FLAG,
    INTEGER_KINDS,
    MAX_EVENTS_IN_WINDOW,
    MONEY,
    NATURAL_BOUNDS,
    NUMBER,
    NUMBER_SCALE,
    SCORE_BOUNDS,
    TIME,
    TIME_MAX_US,
    TIME_MIN_US,
    Bounds,
    Kind,
    Type,
    Value,
)

_TIME_BOUNDS = Bounds(TIME_MIN_US, TIME_MAX_US)


def constant(
    kind: Type, value: Value, span: Span, param: str = "", bounds: Bounds | None = None
) -> Constant:
    """A literal, or a param; a param's bounds hold for every value a release may give it."""
    if bounds is None and kind.kind in INTEGER_KINDS and isinstance(value, int):
        bounds = Bounds(value, value)
    return Constant(value=value, type=kind, span=span, param=param, bounds=bounds)


def field_input(field: Field, span: Span) -> Input:
    """A field of the event, read."""
    natural = NATURAL_BOUNDS.get(field.type.kind)
    bounds = None
    if natural is not None:
        low = natural.low if field.minimum is None else field.minimum
        high = natural.high if field.maximum is None else field.maximum
        bounds = Bounds(low, high)
    return Input(
        name=field.name,
        source="field",
        type=field.type,
        span=span,
        bounds=bounds,
        can_be_missing=field.optional,
        can_fail=field.optional,
        coarse=field.coarse,
        folded=field.folded,
    )


def score_input(name: str, model: str, span: Span, bounds: Bounds = SCORE_BOUNDS) -> Input:
    """A model's score: a number from 0 to 1, or within the bounds of one that comes with events."""
    return Input(
        name=name,
        source="score",
        type=NUMBER,
        span=span,
        bounds=bounds,
        models=frozenset({model}),
    )


def negated(operand: Expression, span: Span) -> Not:
    """`not operand`."""
    return Not(
        operand=operand,
        type=FLAG,
        span=span,
        models=operand.models,
        can_be_missing=operand.can_be_missing,
    )


def points_at_least(value: Constant, above: int, span: Span) -> PointsAtLeast:
    """`points >= value`, or with `above` 1 `points > value`."""
    threshold = cast("int", value.value) + above
    if not value.param:
        return PointsAtLeast(threshold=threshold, type=FLAG, span=span)
    return PointsAtLeast(threshold=threshold, type=FLAG, span=span, param=value, above=above)


def integer_node(
    kind: Any, result: Type, span: Span, bounds: Bounds, below: tuple[Expression, ...],
    *, fails: bool = False, **parts: Any,
) -> Expression:  # fmt: skip
    """A node of an integer type: missing where an operand is, or where it overflows."""
    limit = _TIME_BOUNDS if result == TIME else ANY_INT64
    overflows = bounds.low < limit.low or bounds.high > limit.high
    can_fail = fails or overflows
    return cast(
        "Expression",
        kind(
            type=result,
            span=span,
            models=models_of(below),
            bounds=ranges.clip(bounds, limit),
            can_be_missing=can_fail or any(e.can_be_missing for e in below),
            can_fail=can_fail,
            **parts,
        ),
    )


def compare(op: Any, left: Expression, right: Expression, span: Span) -> Compare:
    """A comparison of two values of one type."""
    return Compare(
        op=op,
        left=left,
        right=right,
        type=FLAG,
        span=span,
        models=left.models | right.models,
        can_be_missing=left.can_be_missing or right.can_be_missing,
    )


def unary_test(
    kind: Any, operand: Expression, node: Any, *, fails: bool = False, **parts: Any
) -> Expression:
    """A test of one operand, negated where the tree says so."""
    test = kind(
        operand=operand,
        type=FLAG,
        span=node.span,
        models=operand.models,
        can_be_missing=operand.can_be_missing or fails,
        can_fail=fails,
        **parts,
    )
    return negated(test, node.span) if node.negated else cast("Expression", test)


def models_of(parts: Any) -> frozenset[str]:
    """The models that any of the parts depends on."""
    return frozenset().union(*(part.models for part in parts))


def bounds_of(node: Expression) -> Bounds:
    """The bounds of an integer expression."""
    return node.bounds or ANY_INT64


def joined_bounds(*parts: Expression) -> Bounds | None:
    """Bounds that hold all parts; None where they are no integers."""
    if parts[0].type.kind not in INTEGER_KINDS:
        return None
    return ranges.join(*(part.bounds for part in parts))


def feature_bounds(feature: Feature) -> Bounds | None:
    """What is known of the size of a feature, from its operand."""
    if feature.aggregate in ("count", "distinct"):
        return Bounds(0, MAX_EVENTS_IN_WINDOW)
    if feature.aggregate in ("since_first", "since_last"):
        return Bounds(feature.delay_us + 1, feature.delay_us + feature.window_us)
    if feature.operand is None or feature.operand.bounds is None:
        return None
    one = feature.operand.bounds
    if feature.aggregate == "deviation":
        return Bounds(0, min(one.high - one.low, ANY_INT64.high))
    if feature.aggregate != "sum":
        return one
    total = Bounds(min(one.low, 0) * MAX_EVENTS_IN_WINDOW, max(one.high, 0) * MAX_EVENTS_IN_WINDOW)
    return total if total.fits() else ANY_INT64


def is_whole(node: tree.Expr) -> bool:
    """Whether this is a whole literal, which takes the type of its place."""
    return isinstance(node, tree.Literal) and node.kind == "whole"


def arithmetic_bounds(op: str, a: Bounds, b: Bounds, up: int, down: int) -> Bounds:
    """The bounds of the operator's exact result."""
    if op == "+":
        return ranges.add(a, b)
    if op == "-":
        return ranges.subtract(a, b)
    return ranges.multiply(a, b, down) if op == "*" else ranges.divide(a, b, up)


def _operators() -> Mapping[tuple[str, Kind, Kind], tuple[Type, int, int]]:
    """(op, left, right) to (result, up, down), as LANGUAGE.md 3 lists them."""
    c, n, m, t, d = Kind.COUNT, Kind.NUMBER, Kind.MONEY, Kind.TIME, Kind.DURATION
    one, scale = 1, NUMBER_SCALE
    table: dict[tuple[str, Kind, Kind], tuple[Type, int, int]] = {}
    for kind in (c, n, m, d):
        table["+", kind, kind] = table["-", kind, kind] = (Type(kind), one, one)
    table["-", t, t] = (DURATION, one, one)
    table["+", t, d] = table["-", t, d] = table["+", d, t] = (TIME, one, one)
    table["*", c, c] = (COUNT, one, one)
    table["*", c, n] = table["*", n, c] = (NUMBER, one, one)
    table["*", n, n] = (NUMBER, one, scale)
    table["/", c, c] = (NUMBER, scale, one)
    table["/", c, n] = (NUMBER, scale * scale, one)
    table["/", n, c] = (NUMBER, one, one)
    table["/", n, n] = (NUMBER, scale, one)
    table["*", m, c] = table["*", c, m] = (MONEY, one, one)
    table["*", m, n] = table["*", n, m] = (MONEY, one, scale)
    table["/", m, c] = (MONEY, one, one)
    table["/", m, n] = (MONEY, scale, one)
    table["/", m, m] = (NUMBER, scale, one)
    table["*", d, c] = table["*", c, d] = (DURATION, one, one)
    table["/", d, d] = (NUMBER, scale, one)
    return table


OPERATORS = _operators()


def arithmetic_help(op: str, left: Type, right: Type, currency: str) -> str:
    """A way out where an operator does not fit its operands."""
    if {left.kind, right.kind} == {Kind.COUNT, Kind.NUMBER} and op in "+-":
        return "a count and a number do not add up; multiply the count by `1.0` first"
    if MONEY in (left, right) and op in "+-":
        return f"an amount needs its currency, as in `{example(currency)}`"
    if left == right == MONEY and op == "*":
        return "amounts are multiplied by a count or a number"
    return ""


def comparison_help(left: Type, right: Type, currency: str) -> str:
    """A way out where two types cannot be compared."""
    kinds = {left.kind, right.kind}
    if Kind.MONEY in kinds and kinds & {Kind.COUNT, Kind.NUMBER}:
        return f"an amount needs its currency, as in `{example(currency)}`"
    if Kind.DURATION in kinds and kinds & {Kind.COUNT, Kind.NUMBER}:
        return "a duration needs its unit, as in `10m`"
    if Kind.TIME in kinds and kinds & {Kind.COUNT, Kind.NUMBER}:
        return "a day is written as in `2026-02-01`; a time of day is tested as `hour(at) >= 22`"
    if Kind.TIME in kinds and Kind.DURATION in kinds:
        return "subtract two times to get a duration"
    if kinds == {Kind.COUNT, Kind.NUMBER}:
        return "multiply the count by `1.0` to make it a number"
    if Kind.TEXT in kinds:
        return "only a text is compared with a text"
    return ""


def listed(words: tuple[str, ...]) -> str:
    """Words as a message lists them."""
    return ", ".join(f'`"{word}"`' for word in words)
