"""Exact integer arithmetic on columns: what `arithmetic.py` does to one value, for many.

Numpy wraps silently at int64, so nothing is computed before it is known to fit. Every vector
carries the interval its stored values lie in; where that proves a result to fit, the plain
operation runs. Where it does not, rows that may leave int64 on the way (a product before its
division, say) are worked out one by one in Python integers, and the rest goes the plain way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from tidegate.dsl.types import ANY_INT64, INT64_MAX, INT64_MIN, Bounds
from tidegate.dsl.zones import DAY_US
from tidegate.engine.arithmetic import divide_half_even
from tidegate.engine.column_batch import Bits, Flags, Integers, Wide
from tidegate.engine.great_circle import (
    ARC_TANGENTS,
    COSINES,
    FARTHEST,
    LATITUDE,
    LONGITUDE,
    METRE,
    SINES,
    Kit,
    metres,
)
from tidegate.engine.whole_roots import whole_root

_SAFE_PRODUCT = 2.0**62
"""Below this, a product in floating point proves the exact one to be inside int64."""


@dataclass(slots=True)
class Vector:
    """Integers of a run of rows. `valid` None: none is missing. A constant has one row.

    Every stored value, a missing row's too, lies between `low` and `high`. `valid_bits` is the
    packed validity, where it is known already.
    """

    values: Integers
    valid: Flags | None
    low: int
    high: int
    valid_bits: Bits | None = None

    @property
    def wide(self) -> Wide:
        """The values as int64."""
        return self.values.astype(np.int64, copy=False)


LIMITS: dict[np.dtype[Any], tuple[int, int]] = {
    np.dtype(of): (int(np.iinfo(of).min), int(np.iinfo(of).max))
    for of in (np.int8, np.int16, np.int32, np.int64)
}
"""The least and the greatest integer of each type that columns are held in."""
_GREAT_CIRCLE = Kit(
    np.array(SINES, np.int64),
    np.array(COSINES, np.int64),
    np.array(ARC_TANGENTS, np.int64),
    whole_root,
    np.where,
)


def constant(value: int) -> Vector:
    """One value for every row."""
    # One row and not a numpy scalar: scalars warn where arrays wrap.
    return Vector(np.array([value], np.int64), None, value, value)


def both(left: Flags | None, right: Flags | None) -> Flags | None:
    """Rows valid on both sides."""
    if left is None or right is None:
        return right if left is None else left
    return left & right


def add(left: Vector, right: Vector, span: Bounds) -> Vector:
    """The sum; missing outside `span`."""
    low, high = left.low + right.low, left.high + right.high
    total = left.wide + right.wide
    valid = both(left.valid, right.valid)
    if Bounds(low, high).fits():
        return _within(total, valid, low, high, span)
    wrapped = ((left.wide ^ total) & (right.wide ^ total)) < 0
    return _dropping(total, valid, wrapped, span)


def subtract(left: Vector, right: Vector, span: Bounds) -> Vector:
    """The difference; missing outside `span`."""
    low, high = left.low - right.high, left.high - right.low
    total = left.wide - right.wide
    valid = both(left.valid, right.valid)
    if Bounds(low, high).fits():
        return _within(total, valid, low, high, span)
    wrapped = ((left.wide ^ right.wide) & (left.wide ^ total)) < 0
    return _dropping(total, valid, wrapped, span)


def multiply(left: Vector, right: Vector, down: int, span: Bounds) -> Vector:
    """`left * right / down`, half to even; missing outside `span`."""
    valid = both(left.valid, right.valid)
    corners = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
    if max(map(abs, corners)) <= INT64_MAX:
        product = left.wide * right.wide
        low, high = (divide_half_even(edge, down) for edge in (min(corners), max(corners)))
        return _within(_quotient(product, down, down), valid, low, high, span)
    a, b = np.broadcast_arrays(left.wide, right.wide)
    hard = np.abs(a.astype(np.float64)) * np.abs(b.astype(np.float64)) >= _SAFE_PRODUCT
    plain = _quotient(np.where(hard, 0, a) * b, down, down)

    def quotient(row: int) -> int:
        return divide_half_even(int(a[row]) * int(b[row]), down)

    return _patch(plain, valid, hard, span, quotient)


def divide(left: Vector, up: int, right: Vector, span: Bounds) -> Vector:
    """`left * up / right`, half to even; missing where `right` is zero and outside `span`."""
    valid = both(left.valid, right.valid)
    divisor = right.wide
    if right.low <= 0 <= right.high:
        zero = divisor == 0
        if zero.any():
            valid = both(valid, ~zero)
            divisor = np.where(zero, 1, divisor)
    edge = INT64_MAX // up
    if -edge <= left.low and left.high <= edge and right.low > INT64_MIN:
        reach = max(abs(left.low), abs(left.high)) * up
        exact = _signed_quotient(left.wide * up, divisor, right)
        return _within(exact, valid, -reach, reach, span)
    a, b = np.broadcast_arrays(left.wide, divisor)
    hard = (a > edge) | (a < -edge) | (b == INT64_MIN)
    plain = _signed_quotient(np.where(hard, 0, a) * up, np.where(b == INT64_MIN, 1, b), right)

    def quotient(row: int) -> int:
        return divide_half_even(int(a[row]) * up, int(b[row]))

    return _patch(plain, valid, hard, span, quotient)


def negate(operand: Vector, span: Bounds) -> Vector:
    """-operand; missing outside `span`."""
    return subtract(constant(0), operand, span)


def absolute(operand: Vector) -> Vector:
    """The distance from 0; missing for the smallest int64."""
    if operand.low >= 0:
        return operand
    high = max(abs(operand.low), abs(operand.high))
    if high <= INT64_MAX:
        return Vector(np.abs(operand.wide), operand.valid, 0, high)
    return _dropping(np.abs(operand.wide), operand.valid, operand.wide == INT64_MIN, ANY_INT64)


def round_to(function: str, operand: Vector, step: int) -> Vector:
    """The nearest multiple of `step`, half to even, or that below (`floor`) or above (`ceiling`);
    missing where it cannot be held."""
    if step == 1:
        return operand
    ends, values = (operand.low, operand.high), operand.wide
    if function == "round":
        low, high = (divide_half_even(end, step) for end in ends)
        steps = Vector(_quotient(values, step, step), operand.valid, low, high)
    elif function == "floor":
        low, high = (end // step for end in ends)
        steps = Vector(values // step, operand.valid, low, high)
    else:
        low, high = (-(-end // step) for end in ends)
        steps = Vector(values // step + (values % step != 0), operand.valid, low, high)
    return multiply(steps, constant(step), 1, ANY_INT64)


def modulo(operand: Vector, divisor: Vector) -> Vector:
    """What is left beyond whole divisors, with the divisor's sign; missing where that is zero."""
    valid, by = both(operand.valid, divisor.valid), divisor.wide
    zero = by == 0
    if zero.any():
        valid, by = both(valid, ~zero), np.where(zero, 1, by)
    low, high = min(divisor.low + 1, 0), max(divisor.high - 1, 0)
    return Vector(operand.wide % by, valid, low, high)


def distances(
    latitude: Vector, longitude: Vector, latitude_2: Vector, longitude_2: Vector
) -> Vector:
    """Kilometres between places, as numbers; missing where one is no place."""
    valid: Flags | None = None
    held: list[Wide] = []
    for degrees, most in (
        (latitude, LATITUDE), (longitude, LONGITUDE),
        (latitude_2, LATITUDE), (longitude_2, LONGITUDE),
    ):  # fmt: skip
        valid = both(valid, degrees.valid)
        values = degrees.wide
        if degrees.low < -most or degrees.high > most:
            valid = both(valid, (values >= -most) & (values <= most))
            values = np.clip(values, -most, most)
        held.append(values)
    up, out, up_2, out_2 = held
    found: Wide = METRE * metres(up, out, up_2, out_2, _GREAT_CIRCLE)
    if valid is not None:
        valid = np.broadcast_to(valid, found.shape)
    return Vector(found, valid, 0, FARTHEST)


def extreme(function: Literal["min", "max"], left: Vector, right: Vector) -> Vector:
    """The smaller or the greater of the two."""
    pick = np.minimum if function == "min" else np.maximum
    edge = min if function == "min" else max
    return Vector(
        pick(left.wide, right.wide),
        both(left.valid, right.valid),
        edge(left.low, right.low),
        edge(left.high, right.high),
    )


def whole_days(start: Vector, end: Vector) -> Vector:
    """Whole days from one time to another; a part of a day ahead is -1."""
    low, high = (end.low - start.high) // DAY_US, (end.high - start.low) // DAY_US
    days = (end.wide - start.wide) // DAY_US
    return Vector(days, both(start.valid, end.valid), low, high)


def choose(flags: Flags, left: Vector, right: Vector) -> Vector:
    """`left` where `flags` holds, else `right`, validity included."""
    values = np.where(flags, left.wide, right.wide)
    valid = None
    if left.valid is not None or right.valid is not None:
        valid = np.where(flags, _valid(left), _valid(right))
    return Vector(values, valid, min(left.low, right.low), max(left.high, right.high))


def otherwise(left: Vector, right: Vector) -> Vector:
    """`left` where it is present, else `right`."""
    if left.valid is None:
        return left
    values = np.where(left.valid, left.wide, right.wide)
    valid = None if right.valid is None else left.valid | right.valid
    return Vector(values, valid, min(left.low, right.low), max(left.high, right.high))


def missing() -> Vector:
    """A value that is missing in every row."""
    return Vector(np.zeros(1, np.int64), np.zeros(1, np.bool_), 0, 0)


def _valid(vector: Vector) -> Flags:
    return np.ones(1, np.bool_) if vector.valid is None else vector.valid


def _quotient(numerator: Wide, divisor: int | Wide, divisor_max: int) -> Wide:
    """The quotient, half to even, for divisors above 0."""
    if divisor_max == 1:
        return numerator
    quotient = numerator // divisor
    rest = numerator - quotient * divisor
    # Ties are rare, so what lies above the half is rounded up at once and ties are looked at apart.
    if divisor_max < 2**62:
        rest += rest
        half = divisor
    else:
        half = divisor - rest
    quotient += rest > half
    tie = rest == half
    if tie.any():
        quotient += tie & (quotient & 1 == 1)
    return cast("Wide", quotient)


def _signed_quotient(numerator: Wide, divisor: Wide, bounds: Vector) -> Wide:
    largest = max(abs(bounds.low), abs(bounds.high), 2)
    if bounds.low < 0:
        negative = divisor < 0
        numerator = np.where(negative, -numerator, numerator)
        divisor = np.where(negative, -divisor, divisor)
    return _quotient(numerator, divisor, largest)


def _within(values: Wide, valid: Flags | None, low: int, high: int, span: Bounds) -> Vector:
    """A vector of values between `low` and `high`; those outside `span` are dropped."""
    if span.low <= low and high <= span.high:
        return Vector(values, valid, low, high)
    return _dropping(values, valid, np.zeros(1, np.bool_), span)


def _dropping(values: Wide, valid: Flags | None, bad: Flags, span: Bounds) -> Vector:
    if span.low > INT64_MIN:
        bad = bad | (values < span.low)
    if span.high < INT64_MAX:
        bad = bad | (values > span.high)
    low, high = min(span.low, 0), max(span.high, 0)
    if not bad.any():
        return Vector(values, valid, low, high)
    return Vector(np.where(bad, 0, values), both(valid, ~bad), low, high)


def _patch(
    plain: Wide, valid: Flags | None, hard: Flags, span: Bounds, exact: Callable[[int], int]
) -> Vector:
    """`plain` with its hard rows worked out one by one."""
    values = np.array(plain)
    bad = np.zeros(values.shape, np.bool_)
    for row in np.flatnonzero(hard).tolist():
        result = exact(row)
        bad[row] = not INT64_MIN <= result <= INT64_MAX
        values[row] = 0 if bad[row] else result
    return _dropping(values, valid, bad, span)
