"""What a cut of the score would have done on the test rows, and what that would have cost."""

from __future__ import annotations

import numpy as np

from tidegate.models.cards import ROUND_THRESHOLDS, ThresholdRow, UnitCosts
from tidegate.simulation.measures import MILLION, rate
from tidegate.simulation.score_measures import ScoredRows
from tidegate.simulation.times import Int64s


def threshold_table(
    scored: ScoredRows, money: Int64s, costs: UnitCosts
) -> tuple[ThresholdRow, ...]:
    """A row for each round threshold and for the cheapest of all, from the lowest up."""
    thresholds = {*ROUND_THRESHOLDS, cheapest(scored, money, costs)}
    return tuple(_row(scored, money, costs, threshold) for threshold in sorted(thresholds))


def cheapest(scored: ScoredRows, money: Int64s, costs: UnitCosts) -> int:
    """The score from which on flagging costs least; the highest of several.

    Only scores that occur part the rows differently; above all of them nothing is flagged.
    """
    order = np.argsort(-scored.scores, kind="stable")
    ranked, labels = scored.scores[order], scored.labels[order]
    missed = _missed_minor(money[order], costs)
    change = np.where(labels, -missed, costs.false_alarm_minor) + costs.review_minor
    total = np.cumsum(change)
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    best = int(ends[np.argmin(total[ends])])
    if total[best] >= 0:
        return MILLION
    return int(ranked[best])


def _row(scored: ScoredRows, money: Int64s, costs: UnitCosts, threshold: int) -> ThresholdRow:
    flagged = scored.scores >= threshold
    caught = flagged & scored.labels
    hits, reached = int(caught.sum()), int(flagged.sum())
    precision, recall = rate(hits, reached), rate(hits, scored.positives)
    missed = scored.labels & ~flagged
    return ThresholdRow(
        threshold=threshold,
        flagged=reached,
        caught=hits,
        precision=precision.millionths,
        precision_low=precision.low_millionths,
        precision_high=precision.high_millionths,
        recall=recall.millionths,
        recall_low=recall.low_millionths,
        recall_high=recall.high_millionths,
        caught_minor=int(money[caught].sum()),
        cost_minor=int(_missed_minor(money[missed], costs).sum())
        + (reached - hits) * costs.false_alarm_minor
        + reached * costs.review_minor,
    )


def _missed_minor(money: Int64s, costs: UnitCosts) -> Int64s:
    """What each row costs where it is a positive that nobody stops, rounded down."""
    return money * costs.missed_share // MILLION + costs.missed_minor
