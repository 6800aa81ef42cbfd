"""The distributions that alarms rest on agree with scipy, which nobody needs in order to watch."""

from __future__ import annotations

import pytest
from scipy import stats

from tidegate.models.chi_square import (
    critical,
    normal_critical,
    normal_tail,
    tail,
    two_sided,
)

FREEDOMS = (1, 2, 3, 9, 19, 100, 500)
LEVELS = (1e-9, 1e-4, 0.01, 0.05, 0.5, 0.95, 0.999)


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_tails(freedom: int) -> None:
    """A wrong tail makes every p-value wrong by the same factor, and nobody sees it."""
    for part in (1e-6, 0.01, 0.2, 0.7, 1.0, 1.3, 2.0, 5.0, 20.0):
        value = part * freedom
        expected = stats.chi2.sf(value, freedom)
        assert tail(value, freedom) == pytest.approx(expected, rel=1e-10, abs=1e-300)


def test_a_tail_of_nothing_is_everything() -> None:
    """An index of 0 gets a chance of 0."""
    assert tail(0.0, 9) == tail(-1.0, 9) == 1.0
    assert tail(1e6, 9) == 0.0


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_critical_values(freedom: int) -> None:
    """The threshold shown beside an index is another one than that which alarms."""
    for level in LEVELS:
        assert critical(level, freedom) == pytest.approx(stats.chi2.isf(level, freedom), rel=1e-9)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 2.0])
def test_no_critical_value(level: float) -> None:
    """The search for a value that there is not never ends."""
    with pytest.raises(ValueError, match="above 0"):
        critical(level, 9)


def test_normal() -> None:
    """Intervals and p-values of shares rest on it."""
    for value in (-3.0, -0.5, 0.0, 1.96, 5.0):
        assert normal_tail(value) == pytest.approx(stats.norm.sf(value), rel=1e-10)
        assert two_sided(value) == pytest.approx(2 * stats.norm.sf(abs(value)), rel=1e-10)
    for level in LEVELS:
        assert normal_critical(level) == pytest.approx(stats.norm.isf(level), abs=1e-9)
    assert two_sided(float("inf")) == 0.0
