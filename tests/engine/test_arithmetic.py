"""Exact integers, rounded once and judged after rounding."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.dsl.types import INT64_MAX, INT64_MIN, TIME_MAX_US, TIME_MIN_US, Kind
from tidegate.engine.arithmetic import (
    divide,
    divide_half_even,
    fit,
    fit_int64,
    fit_time,
    multiply,
)

WIDE = st.integers(-(2**130), 2**130)


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [
        (1, 2, 0),
        (3, 2, 2),
        (5, 2, 2),
        (-1, 2, 0),
        (-3, 2, -2),
        (-5, 2, -2),
        (5, -2, -2),
        (-5, -2, 2),
        (7, -2, -4),
        (2, 3, 1),
        (1, 3, 0),
        (-2, 3, -1),
        (2**127 + 2**63, 2**64, 2**63),
        (3 * 2**63, 2**64, 2),
    ],
)
def test_ties_go_to_even(numerator: int, denominator: int, expected: int) -> None:
    """An average of 0.5 cents would drift upwards if ties were not rounded to even."""
    assert divide_half_even(numerator, denominator) == expected


@given(WIDE, WIDE.filter(bool))
def test_division_is_that_of_exact_fractions(numerator: int, denominator: int) -> None:
    """A quotient of 128-bit intermediates would be off by one with floats or double rounding."""
    assert divide_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(WIDE, WIDE, st.sampled_from([1, 10**6, 10**12]))
def test_a_product_is_rounded_once(left: int, right: int, down: int) -> None:
    """Scaling a product down before it is complete would lose its last digit."""
    assert multiply(left, right, down) == round(Fraction(left * right, down))


def test_division_by_zero_is_missing() -> None:
    """A zero divisor would raise in the middle of a payment."""
    assert divide(5, 0, 10**6) is None
    assert divide(0, 0) is None
    assert divide(1, 3, 10**6) == 333_333


def test_range_is_judged_after_rounding() -> None:
    """A product that only its intermediate overflows would be lost."""
    assert fit_int64(multiply(INT64_MAX, 10**6, 10**6)) == INT64_MAX
    assert fit_int64(multiply(INT64_MAX, 10**6 + 1, 10**6)) is None


def test_edges_of_int64_are_held() -> None:
    """The largest and the smallest value would be thrown away."""
    assert [fit_int64(v) for v in (INT64_MIN - 1, INT64_MIN, INT64_MAX, INT64_MAX + 1)] == [
        None, INT64_MIN, INT64_MAX, None,
    ]  # fmt: skip


def test_times_have_their_own_span() -> None:
    """A time outside the zone tables would read a clock that nobody compiled."""
    assert [fit_time(v) for v in (TIME_MIN_US - 1, TIME_MIN_US, TIME_MAX_US, TIME_MAX_US + 1)] == [
        None, TIME_MIN_US, TIME_MAX_US, None,
    ]  # fmt: skip
    assert fit(TIME_MAX_US + 1, Kind.TIME) is None
    assert fit(TIME_MAX_US + 1, Kind.DURATION) == TIME_MAX_US + 1
