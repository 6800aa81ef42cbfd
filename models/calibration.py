"""Whether scores say how often it happens: what they expect beside what came.

Scores are millionths from 0 to 10**6.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    """Of the scores of rows in which it happened and in which it did not, in any order.

    None of no rows. Bins hold about equally many rows, and one score is never in two of them.
    """
    scores, places = np.unique(np.concatenate([hits, misses]), return_inverse=True)
    rows = len(places)
    if not rows:
        return None
    counts = np.bincount(places)
    happened = np.bincount(places[: len(hits)], minlength=len(scores))
    found = tuple(_bins(scores, happened, counts, bins))
    shares = scores / MILLION
    expected = float(shares @ counts)
    spread = sqrt(float((shares * (1 - shares)) @ counts))
    gap = len(hits) - expected
    return Calibration(
        bins=found,
        ece=sum(abs(b.mean - b.hits / b.rows) * b.rows for b in found) / rows,
        rows=rows,
        hits=len(hits),
        expected=expected,
        low=max(expected - Z_95 * spread, 0.0),
        high=min(expected + Z_95 * spread, float(rows)),
        chance=two_sided(gap / spread) if spread else float(gap == 0),
    )


def _bins(scores: Int64s, happened: Int64s, counts: Int64s, bins: int) -> Iterator[ReliabilityBin]:
    ends = np.cumsum(counts)
    # The middle row of each score says which part of all rows it is in.
    middles = ends - counts / 2
    parts = np.minimum((middles * bins / ends[-1]).astype(np.int64), bins - 1)
    for part in np.unique(parts).tolist():
        inside = parts == part
        rows = int(counts[inside].sum())
        mean = float(scores[inside] @ counts[inside]) / MILLION / rows
        low, high = int(scores[inside][0]), int(scores[inside][-1])
        yield ReliabilityBin(low, high, rows, mean, int(happened[inside].sum()))
