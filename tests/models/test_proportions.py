"""Two shares held against each other, by published examples and by scipy."""

from __future__ import annotations

from math import exp, log

import pytest
from scipy import stats

from tidegate.models.proportions import Z_95, difference, log_ratio, wilson


def test_newcombe() -> None:
    """Newcombe (1998), table II: 56/70 against 48/80 is 0.2, from 0.0524 to 0.3339."""
    found = difference((48, 80), (56, 70))
    assert found is not None
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_the_chance_is_that_of_the_pooled_test() -> None:
    """The chi-square of the two by two table is the square of this test's value."""
    found = difference((48, 80), (56, 70))
    assert found is not None
    table = [[48, 32], [56, 14]]
    assert found.chance == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)


def test_nothing_to_compare() -> None:
    """Where either has no rows there is no difference; where nothing happened there is none."""
    assert difference((0, 0), (1, 2)) is None
    found = difference((0, 50), (0, 70))
    assert found is not None
    assert (found.value, found.chance) == (0, 1)
    assert found.low < 0 < found.high


def test_wilson() -> None:
    """As the design page has it: 12 of 20 are 39 to 78 %."""
    assert wilson(12, 20) == pytest.approx((0.3866, 0.7812), abs=1e-4)
    assert wilson(0, 20)[0] == 0
    assert wilson(20, 20)[1] == 1


def test_ratios() -> None:
    """Twice as often, with the interval of a logarithm."""
    found = log_ratio((100, 1000), (200, 1000))
    assert found.ratio == pytest.approx(200.5 / 100.5)
    spread = (1 / 100.5 + 1 / 200.5 - 2 / 1000.5) ** 0.5
    assert found.low == pytest.approx(exp(log(found.ratio) - Z_95 * spread))
    assert found.high == pytest.approx(exp(log(found.ratio) + Z_95 * spread))
    assert found.minus(found).ratio == 1
    assert found.minus(found).variance == 2 * found.variance
    assert log_ratio((0, 10), (0, 10)).ratio == 1
