"""Whether scores say how often it happens: what they expect beside what came.

Scores are millionths from 0 to 10**6, and come as two counts of each: of rows in which it
happened, and of rows in which it did not.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from tidegate.models.chi_square import two_sided
from tidegate.models.proportions import Z_95

Int64s = npt.NDArray[np.int64]
BINS = 10
MILLION = 10**6


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows with scores from `low` to `high` (both inclusive, millionths), their mean score (of 1),
    and in how many of them it happened."""

    low: int
    high: int
    rows: int
    mean: float
    hits: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration over all rows.

    ece: the expected calibration error, the mean over rows of |mean score - share| of their bin;
    expected: the sum of scores, with the interval of 95 % in which as many would come if the
    scores were right; hits: how many came; chance: of a gap as large if they were right.
    """

    bins: tuple[ReliabilityBin, ...]
    ece: float
    rows: int
    hits: int
    expected: float
    low: float
    high: float
    chance: float


def calibration_of(hits: Int64s, misses: Int64s, bins: int = BINS) -> Calibration | None:
    """Of counts by score (index 0 to 10**6); None of no rows. Bins hold about equally many rows."""
    counts = hits + misses
    rows = int(counts.sum())
    if not rows:
        return None
    scores = np.flatnonzero(counts)
    found = tuple(_bins(scores, hits, counts, rows, bins))
    shares = scores / MILLION
    expected = float(shares @ counts[scores])
    spread = sqrt(float((shares * (1 - shares)) @ counts[scores]))
    happened = int(hits.sum())
    gap = happened - expected
    return Calibration(
        bins=found,
        ece=sum(abs(b.mean - b.hits / b.rows) * b.rows for b in found) / rows,
        rows=rows,
        hits=happened,
        expected=expected,
        low=max(expected - Z_95 * spread, 0.0),
        high=min(expected + Z_95 * spread, float(rows)),
        chance=two_sided(gap / spread) if spread else float(gap == 0),
    )


def _bins(
    scores: Int64s, hits: Int64s, counts: Int64s, rows: int, bins: int
) -> list[ReliabilityBin]:
    """Consecutive scores with about equally many rows; one score is never in two bins."""
    # The middle row of each score says which part of all rows it is in.
    ends = np.cumsum(counts[scores])
    middles = ends - counts[scores] / 2
    places = np.minimum((middles * bins / rows).astype(np.int64), bins - 1)
    found = []
    for place in np.unique(places).tolist():
        inside = scores[places == place]
        held = int(counts[inside].sum())
        mean = float(inside @ counts[inside]) / MILLION / held
        low, high = int(inside[0]), int(inside[-1])
        found.append(ReliabilityBin(low, high, held, mean, int(hits[inside].sum())))
    return found
