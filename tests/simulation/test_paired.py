"""The interval of a paired difference holds the difference as often as it says."""

from __future__ import annotations

from math import comb

import pytest

from tidegate.simulation.effects import day_load
from tidegate.simulation.measures import load
from tidegate.simulation.paired import paired_interval, rate_change


def probability(counts: tuple[int, int], of: int, shares: tuple[float, float]) -> float:
    """How probable it is that so many lose and gain an outcome, of so many payments."""
    (lost, gained), (loses, gains) = counts, shares
    ways = comb(of, lost) * comb(of - lost, gained)
    return float(ways * loses**lost * gains**gained * (1 - loses - gains) ** (of - lost - gained))


@pytest.mark.parametrize("of", [20, 60])
@pytest.mark.parametrize(
    "shares", [(0.02, 0.02), (0.1, 0.05), (0.3, 0.1), (0.0, 0.05), (0.25, 0.25)]
)
def test_it_holds_the_difference_in_95_of_100(of: int, shares: tuple[float, float]) -> None:
    """A change of nothing would be shown as one of something, or the other way round."""
    difference, held = shares[1] - shares[0], 0.0
    for lost in range(of + 1):
        for gained in range(of - lost + 1):
            low, high = paired_interval(lost, gained, of)
            if low <= difference <= high:
                held += probability((lost, gained), of, shares)
    assert held >= 0.93


def test_known_values() -> None:
    """Agresti and Min, 2005: 1,600 asked twice, 150 and 86 of them changed their mind."""
    change = rate_change("approve", 944, 880, 150, 1600)
    assert (change.lost, change.gained) == (150, 86)
    assert change.difference_millionths == -40_000
    assert change.low_millionths == pytest.approx(-58_700, abs=200)
    assert change.high_millionths == pytest.approx(-21_200, abs=200)


def test_nothing_measured_has_no_interval() -> None:
    """A division by zero ends the report."""
    change = rate_change("approve", 0, 0, 0, 0)
    assert (change.difference_millionths, change.low_millionths) == (None, None)


@pytest.mark.parametrize(
    ("by_day", "days", "median"),
    [
        ({}, 0, 0),
        ({5: 9}, 3, 0),
        ({5: 4, 6: 2}, 3, 2000),
        ({5: 4, 6: 3}, 2, 3500),
        ({5: 7}, 1, 7000),
    ],
)
def test_the_median_counts_days_without_any(by_day: dict[int, int], days: int, median: int) -> None:
    """A queue that is empty on most days would look busy on all of them."""
    assert day_load(by_day, load(by_day, days)).median_thousandths == median
