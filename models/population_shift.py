"""How far a population has moved: the population stability index, with a threshold that knows
the sample size.

    PSI = sum over bins of (q - p) * ln(q / p)

for shares p then and q now. The bands of 0.10 and 0.25 that are often quoted ignore how much was
counted: with ten bins of 200 rows each, chance alone passes 0.17 in one case of twenty, and with
50,000 rows a real shift stays far below 0.10. Where nothing has changed, PSI / (1/n + 1/m) follows
the chi-square distribution of B - 1 degrees of freedom (Yurdakul and Naranjo, 2020); from that
come the critical value and the chance of each index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt

from tidegate.models.chi_square import critical, tail

Int64s = npt.NDArray[np.int64]
BINS = 10
EPSILON = 1e-4
FEWEST = 5
"""A bin that expects fewer rows on either side is counted together with others."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A population then and now.

    psi: the index; critical: what it exceeds with chance `level` where nothing has changed;
    chance: the p-value; bins: how many were compared; before, now: rows.
    """

    psi: float
    critical: float
    chance: float
    bins: int
    before: int
    now: int


def index(before: Sequence[int], now: Sequence[int], epsilon: float = EPSILON) -> float:
    """The index of two counts of the same bins, each of one row at least.

    A bin that is empty on one side counts there as half a row, and as `epsilon` of all at least.
    """
    n, m = sum(before), sum(now)
    least = max(epsilon, 0.5 / n), max(epsilon, 0.5 / m)
    total = 0.0
    for was, is_now in zip(before, now, strict=True):
        if was or is_now:
            p, q = was / n or least[0], is_now / m or least[1]
            total += (q - p) * log(q / p)
    return total


def shift_of(
    before: Sequence[int], now: Sequence[int], level: float, epsilon: float = EPSILON
) -> Shift | None:
    """The shift from `before` to `now`, counts of the same bins; None where nothing can be said.

    That is where either is empty, or where fewer than two bins are left after those that expect
    less than `FEWEST` rows were put together.
    """
    n, m = sum(before), sum(now)
    if not n or not m:
        return None
    before, now = _pooled(before, now)
    if len(before) < 2:
        return None
    freedom, unit = len(before) - 1, 1 / n + 1 / m
    psi = index(before, now, epsilon)
    chance = tail(psi / unit, freedom)
    return Shift(psi, critical(level, freedom) * unit, chance, len(before), n, m)


def _pooled(before: Sequence[int], now: Sequence[int]) -> tuple[list[int], list[int]]:
    """The counts with all thin bins as one, and that with the next one while it is thin."""
    n, m = sum(before), sum(now)
    smaller = min(n, m) / (n + m)
    pairs = sorted(zip(before, now, strict=True), key=sum)
    pool = [0, 0]
    while pairs and (sum(pairs[0]) * smaller < FEWEST or 0 < sum(pool) * smaller < FEWEST):
        pair = pairs.pop(0)
        pool = [pool[0] + pair[0], pool[1] + pair[1]]
    kept = [*pairs, tuple(pool)] if sum(pool) else pairs
    return [pair[0] for pair in kept], [pair[1] for pair in kept]


def quantile_cuts(values: Int64s, bins: int = BINS) -> tuple[int, ...]:
    """Where a population is cut into about equal parts: ascending, distinct, above its least.

    A value that is more than a part of all stands alone; there are then fewer parts.
    """
    if not len(values):
        return ()
    ordered = np.sort(values)
    cuts = np.unique(ordered[(np.arange(1, bins) * len(ordered)) // bins])
    # What is heavy is cut off above as well, else all that is larger hides in its bin.
    starts, ends = (np.searchsorted(ordered, cuts, side=side) for side in ("left", "right"))
    heavy = ends[((ends - starts) * bins > len(ordered)) & (ends < len(ordered))]
    found = np.unique(np.concatenate([cuts, ordered[heavy]]))
    return tuple(found[found > ordered[0]].tolist())
