"""Expressions built by hand as the checker would: with type, models, bounds and missingness.

Each function makes one node of `tidegate.dsl.program` and works out what the node carries, soundly
and no more cleverly than interval arithmetic. Tests of evaluators build their programs with it.
"""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.dsl.program import (
    And,
    Arithmetic,
    Call,
    Case,
    Compare,
    Constant,
    Expression,
    Function,
    InList,
    InNetworks,
    Input,
    InSet,
    IsMissing,
    LetRef,
    Negate,
    Not,
    Or,
    Otherwise,
    PointsAtLeast,
    Relation,
    TextTest,
)
from tidegate.dsl.source import NOWHERE
from tidegate.dsl.types import (
    ANY_INT64,
    COUNT,
    DURATION,
    FLAG,
    INT64_MAX,
    INTEGER_KINDS,
    MONEY,
    NATURAL_BOUNDS,
    NUMBER,
    NUMBER_SCALE,
    TEXT,
    TIME,
    TIME_MAX_US,
    TIME_MIN_US,
    Bounds,
    Kind,
    Type,
    Value,
)

C, N, M, T, D = Kind.COUNT, Kind.NUMBER, Kind.MONEY, Kind.TIME, Kind.DURATION

SUMS: dict[tuple[str, Kind, Kind], Type] = {
    ("+", C, C): COUNT, ("+", N, N): NUMBER, ("+", M, M): MONEY, ("+", D, D): DURATION,
    ("-", C, C): COUNT, ("-", N, N): NUMBER, ("-", M, M): MONEY, ("-", D, D): DURATION,
    ("+", T, D): TIME, ("-", T, D): TIME, ("-", T, T): DURATION,
}  # fmt: skip
PRODUCTS: dict[tuple[Kind, Kind], tuple[Type, int]] = {
    (C, C): (COUNT, 1), (C, N): (NUMBER, 1), (N, C): (NUMBER, 1), (N, N): (NUMBER, NUMBER_SCALE),
    (M, C): (MONEY, 1), (M, N): (MONEY, NUMBER_SCALE), (D, C): (DURATION, 1),
}  # fmt: skip
"""Type of a product and what it is divided by."""
QUOTIENTS: dict[tuple[Kind, Kind], tuple[Type, int]] = {
    (C, C): (NUMBER, NUMBER_SCALE), (N, N): (NUMBER, NUMBER_SCALE), (N, C): (NUMBER, 1),
    (C, N): (NUMBER, NUMBER_SCALE**2), (M, C): (MONEY, 1), (M, N): (MONEY, NUMBER_SCALE),
    (M, M): (NUMBER, NUMBER_SCALE), (D, D): (NUMBER, NUMBER_SCALE),
}  # fmt: skip
"""Type of a quotient and what its dividend is multiplied by."""

CALENDAR_BOUNDS: dict[Function, Bounds] = {
    "hour": Bounds(0, 23),
    "minute": Bounds(0, 59),
    "weekday": Bounds(1, 7),
    "day": Bounds(1, 31),
    "month": Bounds(1, 12),
}
TIME_SPAN = Bounds(TIME_MIN_US, TIME_MAX_US)
DAY_US = 86_400 * 10**6


def natural_bounds(of: Type) -> Bounds | None:
    """The interval of a kind that is held as an integer and ordered."""
    return NATURAL_BOUNDS.get(of.kind)


def bounds_of(expression: Expression) -> Bounds:
    """The interval of an integer expression."""
    assert expression.type.kind in INTEGER_KINDS
    return expression.bounds or ANY_INT64


def models_of(*expressions: Expression) -> frozenset[str]:
    """All models that any of the expressions depends on."""
    return frozenset().union(*(e.models for e in expressions))


def missing(*expressions: Expression) -> bool:
    """Whether any of the expressions can be missing."""
    return any(e.can_be_missing for e in expressions)


def half_even(dividend: int, divisor: int) -> int:
    """An exact quotient rounded to the nearest integer, ties to the even one."""
    if divisor < 0:
        dividend, divisor = -dividend, -divisor
    quotient, rest = divmod(dividend, divisor)
    if 2 * rest > divisor or (2 * rest == divisor and quotient % 2 == 1):
        return quotient + 1
    return quotient


# --- values ------------------------------------------------------------------------------------


def constant(of: Type, value: Value, param: str = "") -> Constant:
    """A literal of type `of`."""
    bounds = None
    if of.kind in INTEGER_KINDS:
        assert isinstance(value, int)
        bounds = Bounds(value, value)
    return Constant(type=of, span=NOWHERE, bounds=bounds, value=value, param=param)


def field_input(name: str, of: Type, optional: bool = False, bounds: Bounds | None = None) -> Input:
    """A field of the event itself."""
    interval = bounds or natural_bounds(of)
    return Input(
        type=of, span=NOWHERE, bounds=interval, can_be_missing=optional, name=name, source="field"
    )


def feature_input(
    name: str, of: Type, optional: bool = False, bounds: Bounds | None = None
) -> Input:
    """A feature, worked out before the evaluation."""
    interval = bounds or natural_bounds(of)
    return Input(
        type=of, span=NOWHERE, bounds=interval, can_be_missing=optional, name=name, source="feature"
    )


def score_input(name: str, model: str) -> Input:
    """The score of `model`, from 0 to 1; never missing where it is not masked."""
    return Input(
        type=NUMBER,
        span=NOWHERE,
        models=frozenset({model}),
        bounds=Bounds(0, NUMBER_SCALE),
        name=name,
        source="score",
    )


def let(name: str, body: Expression) -> LetRef:
    """A reference to the let `name`."""
    return LetRef(
        type=body.type,
        span=NOWHERE,
        models=body.models,
        bounds=body.bounds,
        can_be_missing=body.can_be_missing,
        name=name,
        body=body,
    )


def _held(of: Type, low: int, high: int) -> tuple[Bounds, bool]:
    """The interval that is left of [low, high] and whether anything was cut off."""
    span = TIME_SPAN if of.kind is T else ANY_INT64
    kept = Bounds(min(max(low, span.low), span.high), max(min(high, span.high), span.low))
    return kept, (low, high) != (kept.low, kept.high)


def arithmetic(op: str, left: Expression, right: Expression) -> Arithmetic:
    """`left op right` by the table of LANGUAGE.md; KeyError where it has no such row."""
    a, b = bounds_of(left), bounds_of(right)
    up = down = 1
    if op in ("+", "-"):
        of = SUMS[op, left.type.kind, right.type.kind]
        corners = (
            [a.low + b.low, a.high + b.high] if op == "+" else [a.low - b.high, a.high - b.low]
        )
        zero = False
    elif op == "*":
        of, down = PRODUCTS[left.type.kind, right.type.kind]
        corners = [half_even(x * y, down) for x in (a.low, a.high) for y in (b.low, b.high)]
        zero = False
    else:
        of, up = QUOTIENTS[left.type.kind, right.type.kind]
        zero = b.low <= 0 <= b.high
        divisors = [y for y in (b.low, b.high, *((-1, 1) if zero else ())) if y]
        divisors = [y for y in divisors if b.low <= y <= b.high]
        corners = [half_even(x * up, y) for x in (a.low, a.high) for y in divisors] or [0]
    bounds, cut = _held(of, min(corners), max(corners))
    return Arithmetic(
        type=of,
        span=NOWHERE,
        models=models_of(left, right),
        bounds=bounds,
        can_be_missing=missing(left, right) or cut or zero,
        op=op,  # type: ignore[arg-type]
        left=left,
        right=right,
        up=up,
        down=down,
    )


def negate(operand: Expression) -> Negate:
    """Unary minus."""
    interval = bounds_of(operand)
    bounds, cut = _held(operand.type, -interval.high, -interval.low)
    return Negate(
        type=operand.type,
        span=NOWHERE,
        models=operand.models,
        bounds=bounds,
        can_be_missing=operand.can_be_missing or cut,
        operand=operand,
    )


def _call(
    function: Function,
    of: Type,
    arguments: tuple[Expression, ...],
    bounds: Bounds | None,
    *,
    can_fail: bool = False,
    zone: str = "",
    places: int = 0,
) -> Call:
    return Call(
        type=of,
        span=NOWHERE,
        models=models_of(*arguments),
        bounds=bounds,
        can_be_missing=missing(*arguments) or can_fail,
        function=function,
        arguments=arguments,
        zone=zone,
        places=places,
    )


def calendar(function: Function, time: Expression, zone: str = "UTC") -> Call:
    """`hour minute weekday day month date` of a time in a zone."""
    if function == "date":
        return _call(function, TIME, (time,), TIME_SPAN, can_fail=True, zone=zone)
    return _call(function, COUNT, (time,), CALENDAR_BOUNDS[function], zone=zone)


def days_since(time: Expression, now: Expression) -> Call:
    """Whole days from `time` to the event's own time."""
    low, high = bounds_of(now).low - bounds_of(time).high, bounds_of(now).high - bounds_of(time).low
    return _call("days_since", COUNT, (time, now), Bounds(low // DAY_US, -(-high // DAY_US)))


def absolute(operand: Expression) -> Call:
    """`abs`; it overflows for the smallest int64."""
    interval = bounds_of(operand)
    high = max(abs(interval.low), abs(interval.high))
    low = 0 if interval.low <= 0 <= interval.high else min(abs(interval.low), abs(interval.high))
    bounds = Bounds(low, min(high, INT64_MAX))
    return _call("abs", operand.type, (operand,), bounds, can_fail=high > INT64_MAX)


def extreme(function: Function, *arguments: Expression) -> Call:
    """`min` or `max` of values of one type."""
    pick = min if function == "min" else max
    intervals = [bounds_of(a) for a in arguments]
    bounds = Bounds(pick(i.low for i in intervals), pick(i.high for i in intervals))
    return _call(function, arguments[0].type, arguments, bounds)


def rounded(operand: Expression, places: int) -> Call:
    """`round(x, places)` of a number."""
    step = 10 ** (6 - places)
    interval = bounds_of(operand)
    low, high = half_even(interval.low, step) * step, half_even(interval.high, step) * step
    bounds, cut = _held(NUMBER, low, high)
    return _call("round", NUMBER, (operand,), bounds, can_fail=cut, places=places)


def length(text: Expression) -> Call:
    """How many characters a text has."""
    return _call("length", COUNT, (text,), Bounds(0, INT64_MAX))


def part(function: Function, text: Expression, mark: str) -> Call:
    """`before` or `after` the first occurrence of `mark`."""
    return _call(function, TEXT, (text, constant(TEXT, mark)), None, can_fail=True)


def lower(text: Expression) -> Call:
    """The text in lower case."""
    return _call("lower", TEXT, (text,), None)


def otherwise(left: Expression, right: Expression) -> Otherwise:
    """`left otherwise right`."""
    return Otherwise(
        type=left.type,
        span=NOWHERE,
        models=models_of(left, right),
        bounds=_hull(left, right),
        can_be_missing=left.can_be_missing and right.can_be_missing,
        left=left,
        right=right,
    )


def case(branches: Iterable[tuple[Expression, Expression]], default: Expression) -> Case:
    """`case when … then … else … end`."""
    pairs = tuple(branches)
    results = [value for _, value in pairs] + [default]
    everything = [e for pair in pairs for e in pair] + [default]
    return Case(
        type=default.type,
        span=NOWHERE,
        models=models_of(*everything),
        bounds=_hull(*results),
        can_be_missing=missing(*everything),
        branches=pairs,
        default=default,
    )


def _hull(*expressions: Expression) -> Bounds | None:
    if expressions[0].type.kind not in INTEGER_KINDS:
        return None
    intervals = [bounds_of(e) for e in expressions]
    return Bounds(min(i.low for i in intervals), max(i.high for i in intervals))


# --- conditions --------------------------------------------------------------------------------


def both(*items: Expression) -> Expression:
    """`a and b and …`; one item stands for itself."""
    if len(items) == 1:
        return items[0]
    return And(
        type=FLAG,
        span=NOWHERE,
        models=models_of(*items),
        can_be_missing=missing(*items),
        items=items,
    )


def either(*items: Expression) -> Expression:
    """`a or b or …`; one item stands for itself."""
    if len(items) == 1:
        return items[0]
    return Or(
        type=FLAG,
        span=NOWHERE,
        models=models_of(*items),
        can_be_missing=missing(*items),
        items=items,
    )


def negation(operand: Expression) -> Not:
    """`not a`."""
    return Not(
        type=FLAG,
        span=NOWHERE,
        models=operand.models,
        can_be_missing=operand.can_be_missing,
        operand=operand,
    )


def compare(op: Relation, left: Expression, right: Expression) -> Compare:
    """`left op right`."""
    return Compare(
        type=FLAG,
        span=NOWHERE,
        models=models_of(left, right),
        can_be_missing=missing(left, right),
        op=op,
        left=left,
        right=right,
    )


def in_set(operand: Expression, values: Iterable[Value]) -> InSet:
    """`operand in (…)`."""
    return InSet(
        type=FLAG,
        span=NOWHERE,
        models=operand.models,
        can_be_missing=operand.can_be_missing,
        operand=operand,
        values=frozenset(values),
    )


def in_list(operand: Expression, name: str, managed: bool = False) -> InList:
    """`operand in name`; a managed list may be unreadable."""
    return InList(
        type=FLAG,
        span=NOWHERE,
        models=operand.models,
        can_be_missing=operand.can_be_missing or managed,
        operand=operand,
        list=name,
    )


def in_networks(operand: Expression, ranges: Iterable[tuple[int, int]]) -> InNetworks:
    """`operand in network …`."""
    return InNetworks(
        type=FLAG,
        span=NOWHERE,
        models=operand.models,
        can_be_missing=operand.can_be_missing,
        operand=operand,
        ranges=tuple(ranges),
    )


def text_test(op: str, operand: Expression, pattern: str) -> TextTest:
    """`starts with`, `ends with`, `contains`, `like`."""
    return TextTest(
        type=FLAG,
        span=NOWHERE,
        models=operand.models,
        can_be_missing=operand.can_be_missing,
        op=op,  # type: ignore[arg-type]
        operand=operand,
        pattern=pattern,
    )


def is_missing(operand: Expression) -> IsMissing:
    """`operand is missing`."""
    return IsMissing(type=FLAG, span=NOWHERE, models=operand.models, operand=operand)


def points_at_least(threshold: int) -> PointsAtLeast:
    """`points >= threshold`."""
    return PointsAtLeast(type=FLAG, span=NOWHERE, threshold=threshold)
