"""Exact integer arithmetic: what every scalar evaluator adds, multiplies and rounds with.

Python's integers never overflow, so an operator is exact on its operands, rounded once, half to
even, and judged afterwards: a result that its type cannot hold is missing, `None` here.
"""

from __future__ import annotations

from tidegate.dsl.types import INT64_MAX, INT64_MIN, TIME_MAX_US, TIME_MIN_US, Kind


def divide_half_even(numerator: int, denominator: int) -> int:
    """The whole number nearest to the quotient; the even one of two equally near."""
    quotient, rest = divmod(numerator, denominator)
    # divmod floors, so `rest` has the sign of the denominator and lies within it.
    twice, whole = 2 * abs(rest), abs(denominator)
    if twice > whole or (twice == whole and quotient % 2 == 1):
        return quotient + 1
    return quotient


def multiply(left: int, right: int, down: int = 1) -> int:
    """`left * right / down`, rounded once."""
    return left * right if down == 1 else divide_half_even(left * right, down)


def divide(left: int, right: int, up: int = 1) -> int | None:
    """`left * up / right`, rounded once; missing where `right` is zero."""
    return None if right == 0 else divide_half_even(left * up, right)


def fit_int64(value: int) -> int | None:
    """`value`, or missing where 64 bits cannot hold it."""
    return value if INT64_MIN <= value <= INT64_MAX else None


def fit_time(value_us: int) -> int | None:
    """`value_us`, or missing outside the span of times."""
    return value_us if TIME_MIN_US <= value_us <= TIME_MAX_US else None


def fit(value: int, kind: Kind) -> int | None:
    """`value`, or missing where a value of `kind` cannot be it."""
    return fit_time(value) if kind is Kind.TIME else fit_int64(value)
