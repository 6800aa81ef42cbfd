"""How good scores are: area, average precision, cards found a day, calibration; each by weights.

Scores are integers of millionths, so that ties are ties. Every measure takes a weight a row, which
is how an interval is found: cards are drawn with replacement, all rows of a card together, and the
measure is taken again with the weights that came out (the cluster bootstrap).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tidegate.simulation.times import Flags, Int64s

MILLION: Final = 10**6
BINS: Final = 10
"""Of equal width, in which mean score and share of positives are compared."""

Float64s = npt.NDArray[np.float64]
Measure = Callable[[Float64s], float | None]
"""A figure of weighted rows; None where they do not tell."""


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Rows of a test with scores in millionths, labels, and codes of card and local day.

    Where the card is missing (-1) a row is a card of its own.
    """

    scores: Int64s
    labels: Flags
    cards: Int64s
    days: Int64s

    def at(self, rows: Flags) -> ScoredRows:
        """Some rows."""
        return ScoredRows(self.scores[rows], self.labels[rows], self.cards[rows], self.days[rows])

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.scores)

    @property
    def positives(self) -> int:
        """How many are labelled as true."""
        return int(self.labels.sum())


class Figure(NamedTuple):
    """A figure with its interval of 95 %, in millionths; None where there is none."""

    value: int | None
    low: int | None
    high: int | None


# --- single figures ----------------------------------------------------------------------------


class Ranking:
    """Rows from the highest score down, sorted once for all weights."""

    def __init__(self, scored: ScoredRows) -> None:
        self._order = np.argsort(-scored.scores, kind="stable")
        ranked = scored.scores[self._order]
        self._ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
        self._labels = scored.labels[self._order]

    def _counts(self, weights: Float64s) -> tuple[Float64s, Float64s]:
        """Positives and others at or above each distinct score."""
        ranked = weights[self._order]
        true = np.cumsum(np.where(self._labels, ranked, 0.0))[self._ends]
        false = np.cumsum(np.where(self._labels, 0.0, ranked))[self._ends]
        return true, false

    def area(self, weights: Float64s) -> float | None:
        """The chance that a positive scores higher than another row; ties count half."""
        true, false = self._counts(weights)
        if not true[-1] or not false[-1]:
            return None
        steps = np.diff(false, prepend=0.0)
        middle = (true + np.append(0.0, true[:-1])) / 2
        return float((steps * middle).sum() / (true[-1] * false[-1]))

    def average_precision(self, weights: Float64s) -> float | None:
        """Precision at each distinct score, weighted by the recall that it adds."""
        true, false = self._counts(weights)
        if not true[-1]:
            return None
        gained = np.diff(true, prepend=0.0) / true[-1]
        flagged = true + false
        precision = np.divide(true, flagged, out=np.zeros_like(true), where=flagged > 0)
        return float((gained * precision).sum())


class CardRanking:
    """The cards of each day by their highest score, sorted once for all weights."""

    def __init__(self, scored: ScoredRows, alerts: int) -> None:
        self.alerts = alerts
        cards = _own_cards(scored.cards)
        self._size = int(cards.max(initial=-1)) + 1
        self._days = [
            _cards_of_day(cards[rows], scored.scores[rows], scored.labels[rows])
            for day in np.unique(scored.days)
            for rows in [scored.days == day]
        ]
        self.first_rows = np.unique(cards, return_index=True)

    def precision(self, weights: Float64s) -> float | None:
        """Of the `alerts` cards with the highest scores of a day, the share with a positive that
        day; a card that was found leaves the days after. The mean over days.
        """
        if not self._days:
            return None
        cards, rows = self.first_rows
        copies = np.zeros(self._size)
        copies[cards] = weights[rows]
        found = np.zeros(self._size, np.bool_)
        shares = []
        for day_cards, positive in self._days:
            drawn = np.where(found[day_cards], 0.0, copies[day_cards])
            before = np.cumsum(drawn) - drawn
            alerted = np.clip(self.alerts - before, 0.0, drawn)
            shares.append(float(alerted[positive].sum()) / self.alerts)
            found[day_cards[positive & (alerted > 0)]] = True
        return sum(shares) / len(shares)


def _cards_of_day(cards: Int64s, scores: Int64s, labels: Flags) -> tuple[Int64s, Flags]:
    """Cards by their highest score, the smaller code first in a tie, and whether each has a
    positive.
    """
    own, places = np.unique(cards, return_inverse=True)
    best = np.full(len(own), -1, np.int64)
    np.maximum.at(best, places, scores)
    positive = np.zeros(len(own), np.bool_)
    np.logical_or.at(positive, places, labels)
    order = np.argsort(-best, kind="stable")
    return own[order], positive[order]


def _own_cards(cards: Int64s) -> Int64s:
    """The codes, with a new one for each row without a card."""
    missing = cards < 0
    first = int(cards.max(initial=-1)) + 1
    return np.where(missing, first + np.cumsum(missing) - 1, cards)


class Calibration:
    """Mean scores against shares of positives, in bins of equal width."""

    def __init__(self, scored: ScoredRows) -> None:
        self._bins = bins_of(scored.scores)
        self._scores = scored.scores / MILLION
        self._labels = scored.labels

    def error(self, weights: Float64s) -> float | None:
        """The mean distance of both over the bins, by their rows (ECE)."""
        total = float(weights.sum())
        if not total:
            return None
        said = np.bincount(self._bins, weights * self._scores, BINS)
        true = np.bincount(self._bins, weights * self._labels, BINS)
        return float(np.abs(said - true).sum()) / total


def bins_of(scores: Int64s) -> Int64s:
    """The bin of each score: 0 for scores below 0.1, 9 for 0.9 and more."""
    return np.minimum(scores * BINS // MILLION, BINS - 1)


# --- intervals ---------------------------------------------------------------------------------


def draw_weights(cards: Int64s, replicates: int, seed: int) -> Iterator[Float64s]:
    """For each replicate how often each row's card was drawn."""
    names, places = np.unique(_own_cards(cards), return_inverse=True)
    generator = np.random.default_rng(seed)
    for _ in range(replicates):
        drawn = generator.integers(0, len(names), len(names))
        yield np.bincount(drawn, minlength=len(names)).astype(np.float64)[places]


def measure_all(
    scored: ScoredRows, measures: Sequence[Measure], replicates: int, seed: int
) -> list[Figure]:
    """Each measure with its interval: between the 2.5th and the 97.5th of 100 replicates."""
    ones = np.ones(scored.rows)
    values = [measure(ones) for measure in measures]
    drawn: list[list[float]] = [[] for _ in measures]
    for weights in draw_weights(scored.cards, replicates, seed):
        for found, measure in zip(drawn, measures, strict=True):
            value = measure(weights)
            if value is not None:
                found.append(value)
    return [_figure(value, found) for value, found in zip(values, drawn, strict=True)]


def _figure(value: float | None, drawn: list[float]) -> Figure:
    if value is None or not drawn:
        return Figure(None, None, None)
    drawn.sort()
    left = int(0.025 * len(drawn))
    return Figure(*(round(MILLION * v) for v in (value, drawn[left], drawn[-1 - left])))
