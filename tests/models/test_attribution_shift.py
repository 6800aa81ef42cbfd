"""Attribution: its variance is the true one, and a term that takes over is seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tidegate.models.attribution_shift import AttributionSums, attribution_shift
from tidegate.models.discoveries import discoveries

UNIT = 10**9
Contributions = npt.NDArray[np.int64]


def drawn(seed: int, rows: int, sizes: tuple[float, ...]) -> Contributions:
    """Contributions with heavy tails, of these sizes."""
    rng = np.random.default_rng(seed)
    found: Contributions = np.round(
        rng.standard_t(4, (rows, len(sizes))) * np.array(sizes) * UNIT
    ).astype(np.int64)
    return found


def summed(contributions: npt.NDArray[np.int64], parts: int = 1) -> AttributionSums:
    """All of them, in so many batches."""
    sums = AttributionSums(contributions.shape[1])
    for part in np.array_split(contributions, parts):
        sums.add(part, UNIT)
    return sums


def test_by_hand() -> None:
    """|1|, |-3| and |2|, |2|: the first term makes 3 of 8."""
    sums = summed(np.array([[1, -3], [2, 2]]) * UNIT)
    assert sums.shares == (0.375, 0.625)
    assert sums.means == (1.5, 2.5)
    # Residuals |c| - share * t: 1 - 1.5 = -0.5 and 2 - 1.5 = 0.5; 0.5 / 8**2 in all.
    assert sums.variances == pytest.approx((0.0078125, 0.0078125))


def test_the_variance_is_that_of_many_draws() -> None:
    """A variance that is too small cries about luck."""
    found = [summed(drawn(seed, 400, (1.0, 0.5, 0.2))) for seed in range(400)]
    shares = np.array([sums.shares for sums in found])
    told = np.mean([sums.variances for sums in found], axis=0)
    assert told == pytest.approx(shares.var(axis=0), rel=0.2)


def test_batches_add_up() -> None:
    """The way that the history was cut shows in the shares."""
    contributions = drawn(1, 1000, (1.0, 0.3))
    assert summed(contributions, 7).shares == pytest.approx(summed(contributions).shares)
    assert summed(contributions, 7).variances == pytest.approx(summed(contributions).variances)


def test_a_term_that_takes_over() -> None:
    """C42: one feature takes over while the score keeps its size."""
    before = summed(drawn(1, 2000, (1.0, 1.0, 1.0)))
    now = summed(drawn(2, 2000, (0.2, 2.5, 0.3)))
    found = attribution_shift(before, now)
    assert found[1].before == pytest.approx(1 / 3, abs=0.02)
    assert found[1].now == pytest.approx(2.5 / 3, abs=0.02)
    assert found[1].low > 0.4
    assert found[1].chance < 1e-9


def test_false_alarms_stay_within_the_rate() -> None:
    """200 seeds in which nothing changes."""
    alarms = 0
    for seed in range(200):
        sums = (summed(drawn(2 * seed + i, 500, (1.0, 0.5, 0.2, 0.1))) for i in (0, 1))
        alarms += any(discoveries([t.chance for t in attribution_shift(*sums)], 0.05))
    assert alarms <= 10 + 3 * 9.5**0.5


def test_nothing_to_compare() -> None:
    """A period without rows is no shift, and terms that say nothing share nothing."""
    none = AttributionSums(2)
    some = summed(np.zeros((5, 2), np.int64))
    assert attribution_shift(none, some) == ()
    assert attribution_shift(some, none) == ()
    assert sum(some.shares) == 0
    assert [t.chance for t in attribution_shift(some, some)] == [1, 1]
