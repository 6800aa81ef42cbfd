"""One model under watch: counts while a history is decided, and findings at its end.

Every score is kept until the end, so that no quantile and no rate depends on how the history was
cut into slices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidegate.dsl.program import Ask, Authentication, Disposition, EventType, Model, Review
from tidegate.dsl.types import Bounds, Kind, Type
from tidegate.engine.column_batch import Column, IntegerColumn, Integers, unpack
from tidegate.engine.column_outcome import (
    ABSTAINED,
    OUTSIDE_USE,
    UNAVAILABLE,
    WORDS,
    OutcomeColumns,
)
from tidegate.models.attribution_shift import AttributionSums, attribution_shift
from tidegate.models.calibration import calibration_of
from tidegate.models.discoveries import discoveries
from tidegate.models.proportions import difference
from tidegate.models.reference import Reference
from tidegate.simulation.abstention_causes import Cause
from tidegate.simulation.measures import (
    FRAUD,
    GOOD,
    MEASURED,
    MILLION,
    NOT_YET_KNOWN,
    PAST_DECLINED,
    UNLABELLED,
    Rate,
    Small,
    rate,
)
from tidegate.simulation.monitoring_result import (
    Abstention,
    Answers,
    CalibrationResult,
    FollowResult,
    InputShift,
    Maturity,
    Reliability,
    TermResult,
    ThresholdDrift,
    WeekShare,
)
from tidegate.simulation.score_thresholds import thresholds_of
from tidegate.simulation.summary import WEEK_US
from tidegate.simulation.times import Flags, Int64s
from tidegate.simulation.watched_values import WATCHED, WatchedInput, joined

SMALLEST_SHIFT = 10_000
"""An index below 0.01 alarms nobody, however certain it is: rows of one customer are alike, which
makes large samples look surer than they are."""
SMALLEST_TERM = 50_000
"""Nor does a term whose share of the contributions moves by less than 5 points."""
SMALLEST_DRIFT = 0.1
"""Nor a threshold whose share moves by less than a tenth, or a calibration that is off by less."""
MOST_SILENT = 10_000
"""A model that surely gives no score to more than 1 % of what it is used for alarms."""
FOLLOWED_TOO_OFTEN = 990_000
_STEP_UP, _DECLINE, _REVIEW = (WORDS.index(word) for word in ("step_up", "decline", "review"))


@dataclass(frozen=True, slots=True)
class Times:
    """The reference week and the watched time, each from and to before, microseconds."""

    before_us: tuple[int, int]
    now_us: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Levels:
    """When something alarms: the rate of false discoveries, and the rows a follow rate needs."""

    false_discoveries: float = 0.05
    follow_rows: int = 1_000


@dataclass(frozen=True, eq=False)
class WatchedBatch:
    """A batch as one model sees it.

    without: the outcome of each row if the model were used nowhere. `before` and `now` are the
    rows of the reference week and of the watched time, outside the warm-up.
    """

    columns: dict[str, Column]
    at_us: Int64s
    classes: Small
    past: Small | None
    outcomes: OutcomeColumns
    without: Small
    before: Flags
    now: Flags


class ModelWatch:
    """Counts of one model over one event."""

    def __init__(
        self,
        event: EventType,
        model: Model,
        times: Times,
        *,
        currency: str,
        reference: Reference | None,
        day_of: Callable[[int], int],
    ) -> None:
        self.event = event
        self.model = model
        self.times = times
        self.reference = reference
        self._day_of = day_of
        trained = {d.name: d for d in reference.inputs} if reference is not None else {}
        epsilon = reference.epsilon / MILLION if reference is not None else 0.0
        self.inputs = [
            WatchedInput(name, read.type, currency, trained.get(name), epsilon)
            for name, read in zip(model.read_names, model.reads, strict=True)
            if read.type.kind in WATCHED
        ]
        score = reference.score if reference is not None else None
        self._score = WatchedInput(model.score, _SCORE, currency, score, epsilon)
        self.thresholds = thresholds_of(event, model.score)
        self._answers = np.zeros((2, 4), np.int64)
        self._abstained: tuple[Counter[Cause], Counter[Cause]] = Counter(), Counter()
        self._before: list[Integers] = []
        self._now: dict[int, list[Integers]] = {kind: [] for kind in MEASURED}
        self._weeks: dict[int, Int64s] = {}
        self._follow = np.zeros(5, np.int64)
        self._tells_past = False
        self.attribution: tuple[AttributionSums, AttributionSums] | None = None

    # counting

    def add(self, batch: WatchedBatch) -> None:
        """The rows of one batch."""
        absent = batch.outcomes.absent[self.model.name]
        for place, rows in enumerate((batch.before, batch.now)):
            self._answers[place] += np.bincount(absent[rows], minlength=4)
        used = absent != OUTSIDE_USE
        for watched in self.inputs:
            watched.add(batch.columns[watched.name], batch.before & used, batch.now & used)
        scored = absent == 0
        column = batch.columns[self.model.score]
        self._score.add(column, batch.before & scored, batch.now & scored)
        assert isinstance(column, IntegerColumn)
        self._add_scores(batch, column.values, scored)
        self._add_asks(batch)

    def _add_scores(self, batch: WatchedBatch, scores: Integers, scored: Flags) -> None:
        before, now = batch.before & scored, batch.now & scored
        self._before.append(scores[before])
        for kind, kept in self._now.items():
            kept.append(scores[now & (batch.classes == kind)])
        cuts = np.array([*self.thresholds], np.int64)
        weeks = (batch.at_us - self.times.now_us[0]) // WEEK_US
        for week in np.unique(weeks[now]).tolist():
            found = scores[now & (weeks == week)]
            above = [int((found >= cut).sum()) for cut in cuts]
            held = self._weeks.setdefault(week, np.zeros(len(cuts) + 1, np.int64))
            held += np.array([len(found), *above])

    def _add_asks(self, batch: WatchedBatch) -> None:
        """What the model's rules ask for, and what came of it."""
        asked = self._asked(batch.outcomes, _word_of)
        rows = batch.now & (asked > 0)
        after = batch.now & (asked == 0) & (self._asked(batch.outcomes, _after) > 0)
        word = batch.outcomes.word
        then = np.zeros(len(rows), np.bool_)
        if batch.past is not None:
            # What people made of a review was either to stop the payment or to let it pass.
            then = np.where(asked == _REVIEW, batch.past > 0, batch.past == asked)
        self._tells_past |= batch.past is not None
        found = (rows, rows & (word == asked), rows & (word != batch.without), rows & then, after)
        self._follow += [int(flags.sum()) for flags in found]

    def _asked(self, outcomes: OutcomeColumns, means: Callable[[Ask], int]) -> Small:
        """Per row the strongest of what a live rule which reads the score asks for."""
        asked = np.zeros(outcomes.rows, np.int8)
        for slot in outcomes.plan.slots:
            if slot.rule < 0 or slot.when_unknown:
                continue
            word = means(slot.item)
            if not word or self.model.name not in outcomes.plan.plan.rules[slot.rule].depends:
                continue
            bits = outcomes.rules.fired[slot.rule] & outcomes.live[slot.rule]
            np.maximum(asked, unpack(bits, outcomes.rows) * np.int8(word), out=asked)
        return asked

    # findings

    @property
    def rows(self) -> tuple[int, int]:
        """How many rows the model was used for, in the reference week and in the watched time."""
        used = self._answers.sum(axis=1) - self._answers[:, OUTSIDE_USE]
        return int(used[0]), int(used[1])

    def answers(self) -> tuple[Answers, Answers]:
        """How the model answered, then and now."""
        first, second = (_answers(counts.tolist()) for counts in self._answers)
        return first, second

    def add_abstentions(self, causes: Iterable[tuple[Cause, int]], *, now: bool) -> None:
        """Why the model abstained in so many rows."""
        for cause, rows in causes:
            self._abstained[now][cause] += rows

    def abstentions(self) -> tuple[Abstention, ...]:
        """Why the model abstained, what causes most first."""
        before, now = self._abstained
        causes = sorted({*before, *now}, key=lambda cause: (-now[cause], -before[cause], cause))
        return tuple(Abstention(*cause, before[cause], now[cause]) for cause in causes)

    def shifts(self, levels: Levels) -> tuple[InputShift, ...]:
        """The score's shift, then those of its inputs."""
        found = [w.shift(levels.false_discoveries) for w in (self._score, *self.inputs)]
        known = [shift for shift in found if shift.chance is not None]
        stand = discoveries([_of_one(shift.chance) for shift in known], levels.false_discoveries)
        alarming = {
            shift.name
            for shift, stands in zip(known, stand, strict=True)
            if stands and (shift.psi or 0) >= SMALLEST_SHIFT
        }
        return tuple(replace(shift, alarm=shift.name in alarming) for shift in found)

    def drifts(self, levels: Levels) -> tuple[ThresholdDrift, ...]:
        """The drift of each threshold."""
        scores = np.sort(joined(self._before)), np.sort(self._scores(*MEASURED))
        weeks = sorted(self._weeks.items())
        found, chances = [], []
        for place, (at, rules) in enumerate(self.thresholds.items()):
            shares = [
                WeekShare(
                    self._day_of(self.times.now_us[0] + week * WEEK_US),
                    self.times.now_us[0] + (week + 1) * WEEK_US <= self.times.now_us[1],
                    rate(int(counts[place + 1]), int(counts[0])),
                )
                for week, counts in weeks
            ]
            drift, chance = self._drift(at, rules, scores, tuple(shares))
            found.append(drift)
            chances.append(chance)
        stand = discoveries(chances, levels.false_discoveries)
        return tuple(
            replace(drift, alarm=stands and _moved(drift.before, drift.now))
            for drift, stands in zip(found, stand, strict=True)
        )

    def _drift(
        self,
        at: int,
        rules: tuple[str, ...],
        scores: tuple[Int64s, Int64s],
        weeks: tuple[WeekShare, ...],
    ) -> tuple[ThresholdDrift, float]:
        before, now = ((_above(ordered, at), len(ordered)) for ordered in scores)
        moved = difference(before, now)
        fraud, good = (self._picked(kind, at) for kind in (FRAUD, GOOD))
        drift = ThresholdDrift(
            rules=rules,
            at=at,
            before=rate(*before),
            now=rate(*now),
            low=None if moved is None else round(MILLION * moved.low),
            high=None if moved is None else round(MILLION * moved.high),
            keeps=keeping(scores[1], before) if before[1] and now[1] else None,
            weeks=weeks,
            fraud=fraud,
            good=good,
            open=self._picked(NOT_YET_KNOWN, at),
            unlabelled=self._picked(PAST_DECLINED, at) + self._picked(UNLABELLED, at),
            precision=rate(fraud, fraud + good),
            recall=rate(fraud, self._picked(FRAUD)),
            alarm=False,
        )
        return drift, 1.0 if moved is None else moved.chance

    def _scores(self, *kinds: int) -> Int64s:
        """The scores of the watched time in these classes."""
        return joined([part for kind in kinds for part in self._now[kind]])

    def _picked(self, kind: int, at: int | None = None) -> int:
        found = self._scores(kind)
        return len(found) if at is None else int((found >= at).sum())

    def maturity(self) -> Maturity:
        """What is known about the scored rows."""
        kinds = FRAUD, GOOD, NOT_YET_KNOWN, PAST_DECLINED, UNLABELLED
        return Maturity(*(self._picked(kind) for kind in kinds))

    def calibration(self, levels: Levels, *, alarms: bool) -> CalibrationResult | None:
        """Calibration on matured labels; None where none has, or where scores are no chances."""
        if self.model.bounds != Bounds(0, MILLION):
            return None
        found = calibration_of(self._scores(FRAUD), self._scores(GOOD))
        if found is None:
            return None
        off = abs(found.hits - found.expected) > SMALLEST_DRIFT * max(found.expected, 1.0)
        return CalibrationResult(
            bins=tuple(
                Reliability(b.low, b.high, round(MILLION * b.mean), rate(b.hits, b.rows))
                for b in found.bins
            ),
            ece=round(MILLION * found.ece),
            rows=found.rows,
            fraud=found.hits,
            expected=round(1000 * found.expected),
            low=round(1000 * found.low),
            high=round(1000 * found.high),
            chance=round(MILLION * found.chance),
            alarm=alarms and off and found.chance <= levels.false_discoveries,
        )

    def terms(self, names: Sequence[tuple[str, ...]], levels: Levels) -> tuple[TermResult, ...]:
        """The shift of each term's share; nothing where no contributions are known."""
        if self.attribution is None:
            return ()
        found = attribution_shift(*self.attribution)
        stand = discoveries([term.chance for term in found], levels.false_discoveries)
        return tuple(
            TermResult(
                inputs=inputs,
                before=round(MILLION * term.before),
                now=round(MILLION * term.now),
                low=round(MILLION * term.low),
                high=round(MILLION * term.high),
                chance=round(MILLION * term.chance),
                alarm=stands and abs(term.now - term.before) * MILLION >= SMALLEST_TERM,
            )
            for inputs, term, stands in zip(names, found, stand, strict=False)
        )

    def follow(self, levels: Levels) -> FollowResult:
        """What became of what the model's rules asked for."""
        asked, followed, determined, then, after = self._follow.tolist()
        at_the_time = rate(then, asked)
        often = (at_the_time.millionths or 0) > FOLLOWED_TOO_OFTEN
        return FollowResult(
            asked=asked,
            asked_after=after,
            followed=rate(followed, asked),
            determined=rate(determined, asked),
            followed_then=at_the_time if self._tells_past else None,
            alarm=self._tells_past and often and asked >= levels.follow_rows,
        )


_SCORE = Type(Kind.NUMBER)


def _answers(counts: Sequence[int]) -> Answers:
    scored, outside = counts[0], counts[OUTSIDE_USE]
    unavailable, abstained = counts[UNAVAILABLE], counts[ABSTAINED]
    silent = unavailable + abstained
    return Answers(outside, scored, abstained, unavailable, rate(silent, scored + silent))


def _of_one(millionths: int | None) -> float:
    return (millionths or 0) / MILLION


def _word_of(ask: Ask) -> int:
    """The outcome that an ask means by itself; 0 where it stops nothing."""
    if ask.ladder == "authentication":
        return _STEP_UP if ask.rung >= Authentication.PREFERRED else 0
    if ask.ladder == "review":
        return _REVIEW if ask.rung >= Review.BEFORE else 0
    if ask.rung >= Disposition.DECLINE:
        return _DECLINE
    return _REVIEW if ask.rung >= Disposition.HOLD else 0


def _after(ask: Ask) -> int:
    """Whether an ask means a review after the payment, which stops nothing."""
    return int(ask.ladder == "review" and ask.rung == Review.AFTER)


def _above(ordered: Int64s, at: int) -> int:
    return len(ordered) - int(np.searchsorted(ordered, at))


def _moved(before: Rate, now: Rate) -> bool:
    """Whether a share has moved by a tenth of what it was."""
    was, is_now = before.millionths or 0, now.millionths or 0
    return abs(is_now - was) > SMALLEST_DRIFT * was


def keeping(ordered: Int64s, before: tuple[int, int]) -> int:
    """The threshold that picks, of these scores (ascending, one at least), the share nearest to
    that of so many out of so many (above 0); of two as near the one that picks more."""
    wanted = before[0] / before[1] * len(ordered)
    place = min(round(len(ordered) - wanted), len(ordered) - 1)
    more = int(ordered[place])
    rest = ordered[np.searchsorted(ordered, more, side="right") :]
    fewer = int(rest[0]) if len(rest) else more + 1
    return min((more, fewer), key=lambda at: abs(_above(ordered, at) - wanted))


def words_of(outcomes: OutcomeColumns) -> Iterator[tuple[str, Flags]]:
    """By name, the rows of each outcome that stops a payment."""
    for place in (_DECLINE, _STEP_UP, _REVIEW):
        yield WORDS[place], outcomes.word == place
