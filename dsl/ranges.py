"""Interval arithmetic: what the checker knows about the size of an integer.

Each function takes closed intervals and gives the closed interval of the operator's exact result,
rounded half to even where the operator rounds. Intervals may be wider than int64: whether a result
can overflow is asked with `Bounds.fits`.
"""

from __future__ import annotations

from tidegate.dsl.types import ANY_INT64, Bounds


def add(a: Bounds, b: Bounds) -> Bounds:
    """Of a + b."""
    return Bounds(a.low + b.low, a.high + b.high)


def subtract(a: Bounds, b: Bounds) -> Bounds:
    """Of a - b."""
    return Bounds(a.low - b.high, a.high - b.low)


def multiply(a: Bounds, b: Bounds, down: int) -> Bounds:
    """Of a * b / down, a little wider than exact."""
    corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return Bounds(min(corners) // down, -(-max(corners) // down))


def divide(a: Bounds, b: Bounds, up: int) -> Bounds:
    """Of a * up / b for every b but zero, a little wider than exact."""
    divisors = [d for d in (b.low, b.high, -1, 1) if d and b.low <= d <= b.high]
    if not divisors:
        return Bounds(0, 0)
    corners = [(x * up, d) for x in (a.low, a.high) for d in divisors]
    return Bounds(min(x // d for x, d in corners), max(-(-x // d) for x, d in corners))


def negate(a: Bounds) -> Bounds:
    """Of -a."""
    return Bounds(-a.high, -a.low)


def absolute(a: Bounds) -> Bounds:
    """Of abs(a)."""
    low = 0 if a.low <= 0 <= a.high else min(abs(a.low), abs(a.high))
    return Bounds(low, max(abs(a.low), abs(a.high)))


def modulo(a: Bounds, b: Bounds) -> Bounds:
    """Of a modulo b, which has the sign of b: what is left lies between zero and b."""
    if a.low >= 0 and a.high < b.low:
        return a
    return Bounds(min(b.low + 1, 0), max(b.high - 1, 0))


def join(*parts: Bounds | None) -> Bounds:
    """The smallest interval that holds them all."""
    known = [part or ANY_INT64 for part in parts]
    return Bounds(min(p.low for p in known), max(p.high for p in known))


def clip(a: Bounds, limit: Bounds = ANY_INT64) -> Bounds:
    """What is left of `a` once a result outside `limit` has become missing."""
    low, high = max(a.low, limit.low), min(a.high, limit.high)
    return Bounds(low, high) if low <= high else limit
