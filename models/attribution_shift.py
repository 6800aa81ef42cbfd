"""Whether the same inputs still make the scores: each term's share of all |contribution|.

A score can keep its distribution while another input has taken over. A term's share is the mean
of its |contribution| out of that of all terms. Its variance comes from rows by linearisation: of
|c| - share * t, where t is the row's sum of |contribution|.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from tidegate.models.chi_square import two_sided
from tidegate.models.proportions import Z_95

Floats = npt.NDArray[np.float64]


class AttributionSums:
    """What a period's contributions add up to; grows with every batch."""

    def __init__(self, terms: int) -> None:
        self.rows = 0
        self._sums: Floats = np.zeros(terms)
        self._squares: Floats = np.zeros(terms)
        self._with_total: Floats = np.zeros(terms)
        self._total_squares = 0.0

    def add(self, contributions: npt.NDArray[np.int64], unit: int) -> None:
        """Contributions of shape (rows, terms), in 1/unit of the link."""
        sizes: Floats = np.abs(contributions.astype(np.float64)) / unit
        totals: Floats = sizes.sum(axis=1)
        self.rows += len(sizes)
        self._sums += sizes.sum(axis=0)
        self._squares += (sizes * sizes).sum(axis=0)
        self._with_total += totals @ sizes
        self._total_squares += float(totals @ totals)

    @property
    def shares(self) -> tuple[float, ...]:
        """Each term's share; 0 for all where no row has any contribution."""
        whole = float(self._sums.sum())
        return tuple((self._sums / whole).tolist()) if whole else (0.0,) * len(self._sums)

    @property
    def means(self) -> tuple[float, ...]:
        """The mean |contribution| of each term."""
        return tuple((self._sums / max(self.rows, 1)).tolist())

    @property
    def variances(self) -> tuple[float, ...]:
        """Of each share."""
        whole = float(self._sums.sum())
        if not whole:
            return (0.0,) * len(self._sums)
        share = self._sums / whole
        spread = self._squares - 2 * share * self._with_total + share**2 * self._total_squares
        return tuple((np.maximum(spread, 0.0) / whole**2).tolist())


@dataclass(frozen=True, slots=True)
class TermShift:
    """One term's share then and now, the interval of 95 % of the difference, and its chance where
    nothing has changed."""

    before: float
    now: float
    low: float
    high: float
    chance: float


def attribution_shift(before: AttributionSums, now: AttributionSums) -> tuple[TermShift, ...]:
    """Term by term; nothing where either period has no rows."""
    if not before.rows or not now.rows:
        return ()
    found = []
    for p, q, p_var, q_var in zip(
        before.shares, now.shares, before.variances, now.variances, strict=True
    ):
        spread = sqrt(p_var + q_var)
        moved = q - p
        chance = two_sided(moved / spread) if spread else float(moved == 0)
        found.append(TermShift(p, q, moved - Z_95 * spread, moved + Z_95 * spread, chance))
    return tuple(found)
