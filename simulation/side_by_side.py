"""Models that score the same payments, side by side: how well each finds fraud, where they agree.

Labels are matured ones of the watched time. Intervals draw cards with all of their payments, and a
difference is taken within each draw, so that what both models have in common cancels out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegate.dsl.program import EventType, Model
from tidegate.dsl.types import Kind
from tidegate.engine.column_batch import CodedColumn, Column, IntegerColumn
from tidegate.simulation.measures import FRAUD, GOOD, MILLION, Rate, Small, rate
from tidegate.simulation.model_watch import keeping
from tidegate.simulation.monitoring_result import (
    Agreement,
    Discrimination,
    Interval,
    SideBySide,
)
from tidegate.simulation.paired import paired_interval
from tidegate.simulation.score_measures import Ranking, ScoredRows, draw_weights
from tidegate.simulation.score_thresholds import thresholds_of
from tidegate.simulation.times import Flags, Int64s

FEWEST = 5
"""Of fewer frauds, or fewer others, no figure is given."""
REPLICATES = 200
SEED = 1
DRAWN_ROWS = 200_000
"""Of more rows, intervals are drawn from all frauds and evenly so many of the others, which stand
for the rest; the figures themselves are of all rows."""
NO_INTERVAL = Interval(None, None, None)


def card_of(event: EventType) -> list[str]:
    """The field by which intervals draw, the event's first token; nothing where it has none."""
    return [one.name for one in event.fields if one.type.kind is Kind.TOKEN][:1]


class ScoreBoard:
    """The scores of every watched model of one event, row by row."""

    def __init__(self, event: EventType, models: Sequence[Model], draws: int) -> None:
        self.event = event
        self.draws = draws
        self.models = tuple(models)
        self.card = next(iter(card_of(event)), "")
        self._cards: dict[object, int] = {}
        self._kept: list[_Kept] = []

    def add(
        self, columns: Mapping[str, Column], scored: Sequence[Flags], classes: Small, now: Flags
    ) -> None:
        """A batch; `scored` says of each model in which rows it gave a score."""
        there = np.stack(scored, axis=1)
        rows = np.flatnonzero(now & there.any(axis=1))
        values = []
        for model in self.models:
            column = columns[model.score]
            assert isinstance(column, IntegerColumn)
            values.append(column.values[rows].astype(np.int64))
        cards = self._codes(columns.get(self.card), rows)
        self._kept.append(_Kept(np.stack(values, axis=1), there[rows], classes[rows], cards))

    def _codes(self, column: Column | None, rows: Int64s) -> Int64s:
        """One number a card over all batches; -1 where there is none."""
        if not isinstance(column, CodedColumn):
            return np.full(len(rows), -1, np.int64)
        own = [self._cards.setdefault(name, len(self._cards)) for name in column.dictionary]
        return np.array([*own, -1], np.int64)[column.codes[rows]]

    def discriminations(self) -> dict[str, Discrimination]:
        """How well each model tells fraud from the rest, by its name, over all that it scored."""
        kept = self._joined()
        scores, there, classes, cards = kept.scores, kept.there, kept.classes, kept.cards
        found = {}
        for place, model in enumerate(self.models):
            rows = there[:, place] & _matured(classes)
            labels = classes[rows] == FRAUD
            ((auc, precision),), _ = _figures(
                [scores[rows, place]], labels, cards[rows], self.draws
            )
            found[model.name] = Discrimination(len(labels), int(labels.sum()), auc, precision)
        return found

    def pairs(self) -> Iterator[SideBySide]:
        """The champion beside each other model; the champion is the first that is not a shadow."""
        if len(self.models) < 2:
            return
        kept = self._joined()
        live = [place for place, model in enumerate(self.models) if not model.shadow]
        first = live[0] if live else 0
        for place in range(len(self.models)):
            if place != first:
                yield self._pair(first, place, kept)

    def _joined(self) -> _Kept:
        none = np.zeros((0, len(self.models)), np.int64)
        empty = _Kept(none, none.astype(np.bool_), np.zeros(0, np.int8), np.zeros(0, np.int64))
        kept = [empty, *self._kept]
        return _Kept(
            np.concatenate([one.scores for one in kept]),
            np.concatenate([one.there for one in kept]),
            np.concatenate([one.classes for one in kept]),
            np.concatenate([one.cards for one in kept]),
        )

    def _pair(self, first: int, second: int, kept: _Kept) -> SideBySide:
        scores, there, classes, cards = kept.scores, kept.there, kept.classes, kept.cards
        champion, challenger = self.models[first], self.models[second]
        both = there[:, first] & there[:, second]
        known = both & _matured(classes)
        labels = classes[known] == FRAUD
        own, difference = _figures(
            [scores[known, first], scores[known, second]], labels, cards[known], self.draws
        )
        joint = _Joint(scores[both][:, [first, second]], classes[both])
        return SideBySide(
            event=self.event.name,
            champion=champion.name,
            champion_version=champion.version,
            challenger=challenger.name,
            challenger_version=challenger.version,
            shadow=challenger.shadow,
            rows=int(both.sum()),
            only_champion=int((there[:, first] & ~there[:, second]).sum()),
            only_challenger=int((there[:, second] & ~there[:, first]).sum()),
            labelled=len(labels),
            fraud=int(labels.sum()),
            auc=(own[0][0], own[1][0]),
            auc_difference=difference[0],
            average_precision=(own[0][1], own[1][1]),
            average_precision_difference=difference[1],
            agreements=tuple(self._agreements(champion, challenger, joint)),
        )

    def _agreements(self, champion: Model, challenger: Model, joint: _Joint) -> Iterator[Agreement]:
        """At each threshold of the champion: the same score, and the score that picks as many."""
        if not len(joint.scores):
            return
        ordered = np.sort(joint.scores[:, 1])
        for at, rules in thresholds_of(self.event, champion.score).items():
            picked = int((joint.scores[:, 0] >= at).sum())
            if champion.bounds == challenger.bounds:
                yield joint.agreement(rules, at, at, same_score=True)
            if picked:
                as_many = keeping(ordered, (picked, len(ordered)))
                yield joint.agreement(rules, at, as_many, same_score=False)


@dataclass(frozen=True, eq=False)
class _Kept:
    """Rows that any model scored: scores and whether there is one (rows, models), class, card."""

    scores: npt.NDArray[np.int64]
    there: npt.NDArray[np.bool_]
    classes: Small
    cards: Int64s


@dataclass(frozen=True, eq=False)
class _Joint:
    """Rows that both models scored: the champion's scores, then the challenger's."""

    scores: npt.NDArray[np.int64]
    classes: Small

    def agreement(
        self, rules: tuple[str, ...], at: int, challenger_at: int, *, same_score: bool
    ) -> Agreement:
        """Who picks what at two thresholds."""
        ours, theirs = self.scores[:, 0] >= at, self.scores[:, 1] >= challenger_at
        fraud, good = self.classes == FRAUD, self.classes == GOOD
        gained, lost = (int((a & ~b & fraud).sum()) for a, b in ((theirs, ours), (ours, theirs)))
        frauds = int(fraud.sum())
        difference = NO_INTERVAL
        if frauds:
            low, high = paired_interval(lost, gained, frauds)
            value = (gained - lost) / frauds
            difference = Interval(*(round(MILLION * one) for one in (value, low, high)))
        return Agreement(
            rules=rules,
            at=at,
            challenger_at=challenger_at,
            same_score=same_score,
            both=int((ours & theirs).sum()),
            only_champion=int((ours & ~theirs).sum()),
            only_challenger=int((theirs & ~ours).sum()),
            neither=int((~ours & ~theirs).sum()),
            precision=(_precision(ours, fraud, good), _precision(theirs, fraud, good)),
            recall=(_recall(ours, fraud), _recall(theirs, fraud)),
            recall_difference=difference,
        )


def _precision(picked: Flags, fraud: Flags, good: Flags) -> Rate:
    return rate(int((picked & fraud).sum()), int((picked & (fraud | good)).sum()))


def _recall(picked: Flags, fraud: Flags) -> Rate:
    return rate(int((picked & fraud).sum()), int(fraud.sum()))


def _matured(classes: Small) -> Flags:
    known: Flags = (classes == FRAUD) | (classes == GOOD)
    return known


# --- area and average precision ----------------------------------------------------------------

_Pair = tuple[Interval, Interval]


def _figures(
    scores: Sequence[Int64s], labels: Flags, cards: Int64s, draws: int
) -> tuple[list[_Pair], _Pair]:
    """Of each model the area and the average precision, and how far the last is above the first."""
    frauds = int(labels.sum())
    if min(frauds, len(labels) - frauds) < FEWEST:
        return [(NO_INTERVAL, NO_INTERVAL) for _ in scores], (NO_INTERVAL, NO_INTERVAL)
    values = _measured(_rankings(scores, labels), np.ones(len(labels)))
    step = max((len(labels) - frauds) // DRAWN_ROWS, 1)
    drawn_from = labels | (np.cumsum(~labels) % step == 0)
    stands_for = np.where(labels[drawn_from], 1.0, float(step))
    rankings = _rankings([one[drawn_from] for one in scores], labels[drawn_from])
    measured = [
        _measured(rankings, weights * stands_for)
        for weights in draw_weights(cards[drawn_from], draws, SEED)
    ]
    drawn = np.array([one for one in measured if not np.isnan(one).any()])
    own = [(_interval(v[0], drawn[:, i, 0]), _interval(v[1], drawn[:, i, 1]))
           for i, v in enumerate(values)]  # fmt: skip
    gap, gaps = values[-1] - values[0], drawn[:, -1] - drawn[:, 0]
    return own, (_interval(gap[0], gaps[:, 0]), _interval(gap[1], gaps[:, 1]))


def _rankings(scores: Sequence[Int64s], labels: Flags) -> list[Ranking]:
    nothing = np.zeros(len(labels), np.int64)
    return [Ranking(ScoredRows(one, labels, nothing, nothing)) for one in scores]


def _measured(
    rankings: Sequence[Ranking], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(models, 2): area and average precision, not a number where they cannot be told."""
    found = [(one.area(weights), one.average_precision(weights)) for one in rankings]
    return np.array(found, np.float64)


def _interval(value: float, drawn: npt.NDArray[np.float64]) -> Interval:
    if not len(drawn):
        return Interval(round(MILLION * value), None, None)
    ordered = np.sort(drawn)
    left = int(0.025 * len(ordered))
    ends = (value, float(ordered[left]), float(ordered[-1 - left]))
    return Interval(*(round(MILLION * one) for one in ends))
