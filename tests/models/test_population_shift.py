"""Population shift: right by hand, quiet where nothing moves, awake where much was counted."""

from __future__ import annotations

from math import log

import numpy as np
import numpy.typing as npt
import pytest

from tidegate.models.discoveries import discoveries
from tidegate.models.population_shift import (
    FEWEST,
    Shift,
    index,
    quantile_cuts,
    shift_of,
)
from tidegate.models.reference import count_bins

SEEDS = 200
RATE = 0.05


def test_by_hand() -> None:
    """50/50 becomes 60/40: 0.1 ln 1.2 + (-0.1) ln 0.8 = 0.018232 + 0.022314."""
    assert index([100, 100], [120, 80]) == pytest.approx(0.0405465, abs=1e-7)
    found = shift_of([100, 100], [120, 80], 0.05)
    assert found is not None
    # One degree of freedom: 3.841459 * (1/200 + 1/200) = 0.0384146, so this is just an alarm.
    assert found.critical == pytest.approx(0.0384146, abs=1e-7)
    assert found.chance == pytest.approx(0.0440, abs=1e-4)
    assert (found.bins, found.before, found.now) == (2, 200, 200)


def test_the_rule_of_thumb_is_wrong_on_both_sides() -> None:
    """0.10 cries at 200 rows and sleeps at 50,000; what the design measured is what comes out."""
    few, many = [20] * 10, [5000] * 10
    small, large = shift_of(few, few, 0.05), shift_of(many, many, 0.05)
    assert small is not None
    assert large is not None
    assert small.critical == pytest.approx(0.169, abs=0.001)
    assert large.critical == pytest.approx(0.00068, abs=0.00001)


def test_an_empty_bin_is_no_end() -> None:
    """Ln 0 would be an index without end."""
    assert index([0, 100], [10, 90]) == pytest.approx(
        (0.1 - 0.005) * log(0.1 / 0.005) + (0.9 - 1) * log(0.9), abs=1e-9
    )
    assert index([0, 10**6], [10**5, 9 * 10**5], epsilon=0.001) == pytest.approx(
        (0.1 - 0.001) * log(0.1 / 0.001) + (0.9 - 1) * log(0.9), abs=1e-9
    )
    assert index([0, 5], [0, 5]) == 0


def test_thin_bins_count_together() -> None:
    """Three bins with two rows each say more than they know."""
    found = shift_of([2, 3, 2, 93], [3, 2, 3, 92], 0.05)
    assert found is not None
    assert found.bins == 2
    assert shift_of([1, 0, 99], [1, 1, 98], 0.05) is None
    assert FEWEST == 5


@pytest.mark.parametrize(("before", "now"), [([0, 0], [5, 5]), ([5, 5], [0, 0]), ([50], [60])])
def test_nothing_to_say(before: list[int], now: list[int]) -> None:
    """A period without a row is no shift."""
    assert shift_of(before, now, 0.05) is None


def drawn(rng: np.random.Generator, rows: int, move: float = 0.0) -> list[npt.NDArray[np.int64]]:
    """Twenty inputs as models have them: amounts, counts, flags, in the policy's integers."""
    amounts = [rng.lognormal(7 + move, 1.2, rows).astype(np.int64) for _ in range(10)]
    counts = [rng.poisson(1.3, rows) for _ in range(8)]
    return [*amounts, *counts, *((rng.random(rows) < 0.1).astype(np.int64) for _ in range(2))]


def shifts(seed: int, before: int, now: int, move: float = 0.0) -> list[Shift]:
    """Twenty inputs, held against a reference of their own."""
    rng = np.random.default_rng(seed)
    found = []
    for was, is_now in zip(drawn(rng, before), drawn(rng, now, move), strict=True):
        cuts = quantile_cuts(was.astype(np.int64))
        shift = shift_of(count_bins(cuts, was), count_bins(cuts, is_now), RATE)
        assert shift is not None
        found.append(shift)
    return found


@pytest.mark.parametrize(("before", "now"), [(200, 200), (2_000, 500), (5_000, 5_000)])
def test_false_alarms_stay_within_the_rate(before: int, now: int) -> None:
    """An alarm every week about nothing is switched off before the one that counts.

    200 seeds with 20 inputs each: any alarm at all in at most 5 %, and three deviations of luck.
    """
    alarms = sum(
        any(discoveries([s.chance for s in shifts(seed, before, now)], RATE))
        for seed in range(SEEDS)
    )
    assert alarms <= SEEDS * RATE + 3 * (SEEDS * RATE * (1 - RATE)) ** 0.5


def test_awake_where_much_was_counted() -> None:
    """A shift of a tenth of a deviation has an index of 0.01: the rule of 0.10 never sees it.

    Of all that is found among inputs of which half have moved, at most 5 % have not.
    """
    right = wrong = 0
    for seed in range(20):
        found = shifts(seed, 20_000, 20_000, move=0.12)
        standing = discoveries([s.chance for s in found], RATE)
        assert all(0.005 < s.psi < 0.03 for s in found[:10])
        assert all(s.psi < 0.005 for s in found[10:])
        assert all(standing[:10])
        right, wrong = right + sum(standing[:10]), wrong + sum(standing[10:])
    assert wrong <= RATE * (right + wrong) + 3 * (right * RATE) ** 0.5


def test_cuts() -> None:
    """What nearly always stands hides all that is larger in its bin."""
    assert quantile_cuts(np.arange(100)) == tuple(range(10, 100, 10))
    heavy = np.array([0] * 95 + [1] * 3 + [2] * 2)
    assert quantile_cuts(heavy) == (1,)
    assert quantile_cuts(np.array([3] * 50)) == ()
    assert quantile_cuts(np.empty(0, np.int64)) == ()
