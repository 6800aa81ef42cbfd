"""Watching the models of a policy over a history: what has moved, what is off, what falls unevenly.

The history is decided once, as in a dry run. Its *reference week* is the first after the warm-up
unless another is named; what a model was trained on stands beside its version (`reference.json`)
and is what its inputs and its score are held against, where it is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.program import Constant, EventType, Model, Program
from tidegate.dsl.types import Kind, Type
from tidegate.dsl.zones import SECOND_US
from tidegate.engine.column_batch import Batch, IntegerColumn
from tidegate.engine.column_outcome import ABSTAINED, OUTSIDE_USE
from tidegate.engine.decision import Policy
from tidegate.engine.values import format_time
from tidegate.models.attribution_shift import AttributionSums
from tidegate.models.reference import Reference
from tidegate.rules.gate import SEGMENTED, Segments
from tidegate.simulation.abstention_causes import causes_of
from tidegate.simulation.backtest import DecidedBatch, DryRun, Progress, nothing_decided
from tidegate.simulation.history import CHUNK_ROWS
from tidegate.simulation.history_settler import HistorySettler
from tidegate.simulation.learnt import known_until_us
from tidegate.simulation.mapping import MappingError, Problem
from tidegate.simulation.measures import WARM_UP, Small
from tidegate.simulation.model_alarms import alarms_of
from tidegate.simulation.model_scores import HistoryScorer, input_columns, model_hash, portable_of
from tidegate.simulation.model_watch import Levels, ModelWatch, Times, WatchedBatch, words_of
from tidegate.simulation.monitoring_result import (
    Discrimination,
    ModelMonitoring,
    Monitoring,
    Period,
)
from tidegate.simulation.parity import SegmentCounts
from tidegate.simulation.rows import Rows
from tidegate.simulation.side_by_side import REPLICATES, ScoreBoard, card_of
from tidegate.simulation.summary import WEEK_US
from tidegate.simulation.times import Flags, days_of

ATTRIBUTED_ROWS = 200_000
"""Contributions are worked out for about so many rows, evenly spread over the history."""
FLAGGED = "flagged"
_PARITY = ("decline", "step_up", "review")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to watch: models (all where none is named), times in microseconds, segments.

    A segment's field is looked at in each event that has it; amounts have bands. So many `draws`
    of the bootstrap give the intervals of area and average precision. None: the reference week is
    the first after the warm-up, and what is watched begins after it and after the test of the
    model's card, and ends with the history.
    """

    models: tuple[str, ...] = ()
    before_from_us: int | None = None
    before_to_us: int | None = None
    from_us: int | None = None
    to_us: int | None = None
    segments: tuple[Segments, ...] = ()
    levels: Levels = field(default_factory=Levels)
    draws: int = REPLICATES


def monitor(
    policy: Policy,
    mapping_path: Path | str,
    wanted: Wanted | None = None,
    *,
    references: Mapping[str, Reference] | None = None,
    progress: Progress | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> Monitoring:
    """Decide the history and watch the models.

    references: by model, what it was trained on. MappingError says what is wrong with the mapping,
    the history or with what is wanted.
    """
    return _Monitor(
        policy, Path(mapping_path), wanted or Wanted(), references or {}, chunk_rows
    ).run(progress)


class _Monitor:
    """One run."""

    def __init__(
        self,
        policy: Policy,
        mapping_path: Path,
        wanted: Wanted,
        references: Mapping[str, Reference],
        chunk_rows: int,
    ) -> None:
        self.policy = policy
        self.wanted = wanted
        self.references = references
        self.path = mapping_path
        models = self._models()
        events = self._events(models)
        self._segments(events)
        also = {
            e.name: frozenset({*(b.field for b in self.segments_of(e)), *card_of(e)})
            for e in events
        }
        self.run_ = DryRun(policy, mapping_path, also=also, chunk_rows=chunk_rows)
        self.stride = max(self.run_.history.span.rows // ATTRIBUTED_ROWS, 1)
        self.watches = [
            _Watch(self, self.run_, event, model)
            for event in self.run_.events
            for model in models
            if model.use_event == event.name
        ]
        if not self.watches:
            names = ", ".join(f"`{model.use_event}`" for model in models)
            message = f"hold no event that the models are used for: {names}"
            raise MappingError([Problem(str(mapping_path), "sources", message)])
        self.boards = self._boards()

    def _boards(self) -> dict[str, ScoreBoard]:
        models: dict[str, list[Model]] = {}
        for watch in self.watches:
            models.setdefault(watch.event.name, []).append(watch.model)
        events = {watch.event.name: watch.event for watch in self.watches}
        return {
            name: ScoreBoard(events[name], found, self.wanted.draws)
            for name, found in models.items()
        }

    def _models(self) -> list[Model]:
        program = self.policy.program
        known = {model.name: model for model in program.models}
        if not known:
            message, help_ = "declares no model", "there is nothing to watch"
            raise MappingError([Problem(program.name, "model", message, help_)])
        unknown = [name for name in self.wanted.models if name not in known]
        if unknown:
            raise MappingError(
                Problem(program.name, "model", f"`{name}` is no model of it", nearest(name, known))
                for name in unknown
            )
        return [known[name] for name in self.wanted.models or known]

    def _events(self, models: Sequence[Model]) -> list[EventType]:
        names = {model.use_event for model in models}
        return [event for event in self.policy.program.events if event.name in names]

    def _segments(self, events: Sequence[EventType]) -> None:
        """Stop where a segment is of a field that no event has, or that makes none."""
        problems = []
        for by in self.wanted.segments:
            found = [one.type for event in events for one in event.fields if one.name == by.field]
            message, help_ = "", ""
            if not found:
                known = [one.name for event in events for one in event.fields]
                message = f"{_listed(events)} has no field `{by.field}`"
                help_ = nearest(by.field, known)
            for type_ in found:
                kind = type_.kind
                if kind is Kind.MONEY and not by.bands:
                    message = f"`{by.field}` is an amount: its segments are made by bands"
                    help_ = f'write `--segment "{by.field}: 50, 250"`'
                elif kind is not Kind.MONEY and (by.bands or kind not in SEGMENTED):
                    message = f"`{by.field}` is a {type_}"
                    help_ = "segments are made by a text, a country, a flag, words or an amount"
            if message:
                problems.append(Problem(self.policy.program.name, "segment", message, help_))
        if problems:
            raise MappingError(problems)

    def segments_of(self, event: EventType) -> tuple[Segments, ...]:
        """The segments of an event: of those that are wanted, the ones whose field it has."""
        names = {one.name for one in event.fields}
        return tuple(by for by in self.wanted.segments if by.field in names)

    def run(self, progress: Progress | None) -> Monitoring:
        """The whole history."""
        run = self.run_
        for batch in run.batches():
            for watch in self.watches:
                if watch.event.name == batch.rows.event.name:
                    watch.add(batch)
            self._compare(batch)
            if progress is not None:
                read = sum(intake.rows for intake in run.history.intakes.values())
                progress(read, run.history.span.rows)
        if not any(i.accepted for name, i in run.history.intakes.items() if name in run.facts):
            raise MappingError(nothing_decided(run))
        program, span = self.policy.program, run.history.span
        told: dict[str, Discrimination] = {}
        for board in self.boards.values():
            told |= board.discriminations()
        return Monitoring(
            policy=program.name,
            policy_hash=self.policy.hash,
            mapping_hash=run.history.mapping.hash,
            history=run.history.mapping.name,
            zone=program.zone,
            start_us=span.start_us,
            end_us=span.end_us,
            false_discoveries=round(1_000_000 * self.wanted.levels.false_discoveries),
            models=tuple(watch.result(told[watch.model.name]) for watch in self.watches),
            side_by_side=tuple(one for board in self.boards.values() for one in board.pairs()),
            notes=run.notes(),
        )

    def _compare(self, batch: DecidedBatch) -> None:
        """Keep the scores of all models of the batch's event beside each other."""
        board = self.boards.get(batch.rows.event.name)
        if board is None:
            return
        first = next(watch for watch in self.watches if watch.event.name == board.event.name)
        classes = self.run_.classes(batch.rows)
        absent = batch.outcomes.absent
        scored = [absent[model.name] == 0 for model in board.models]
        board.add(batch.rows.columns, scored, classes, first.times_of(batch.rows, classes)[1])


class _Watch:
    """One model over one event, and who counts what about it."""

    def __init__(self, monitor: _Monitor, run: DryRun, event: EventType, model: Model) -> None:
        self.monitor = monitor
        self.run = run
        self.event = event
        self.model = model
        self.known_us = known_until_us(run.policy, model.name)
        self.times = self._times()
        reference = monitor.references.get(model.name)
        program = run.policy.program
        self.watch = ModelWatch(
            event,
            model,
            self.times,
            currency=program.currency,
            reference=reference,
            day_of=self._day_of,
        )
        self.without = HistorySettler(run.policy, event, _without(program, model))
        flagged = [FLAGGED] if self.watch.thresholds else []
        self.segments = [
            SegmentCounts(by, [*_PARITY, *flagged], program.currency)
            for by in monitor.segments_of(event)
        ]
        self.loaded = portable_of(run.policy, model)
        self.scorer = HistoryScorer(model, self.loaded)
        if self.loaded is not None:
            terms = len(self.loaded.contribution_names)
            self.watch.attribution = AttributionSums(terms), AttributionSums(terms)
        self.seen = 0

    def _times(self) -> Times:
        wanted, span = self.monitor.wanted, self.run.history.span
        begins_us = self.run.facts[self.event.name].warm_up.until_us
        first = begins_us if wanted.before_from_us is None else wanted.before_from_us
        last = first + WEEK_US if wanted.before_to_us is None else wanted.before_to_us
        to_us = span.end_us + 1 if wanted.to_us is None else wanted.to_us
        from_us = wanted.from_us
        if from_us is None:
            known_us = self.known_us
            from_us = last if known_us is None or known_us >= to_us else max(last, known_us)
        if not first < last <= from_us < to_us:
            raise MappingError(self._wrong_times(first, last, from_us, to_us))
        return Times((first, last), (from_us, to_us))

    def _wrong_times(self, first: int, last: int, from_us: int, to_us: int) -> Iterator[Problem]:
        """What is wrong with the times, and how far the history reaches."""
        wanted, span = self.monitor.wanted, self.run.history.span
        path, event = str(self.monitor.path), self.event.name
        covered = f"it covers {_moment(span.start_us)} to {_moment(span.end_us)}"
        said = list(self._named(wanted.from_us, wanted.to_us, "--"))
        said += self._named(wanted.before_from_us, wanted.before_to_us, "--reference-")
        if said:
            for message in said:
                yield Problem(path, event, message, covered)
            return
        message = f"is too short to watch `{self.model.name}`: {covered}"
        if first < last and from_us < to_us:
            help_ = "what is watched begins after the reference week: name both"
        else:
            help_ = "it needs a reference week after its warm-up, and a time after that"
        yield Problem(path, event, message, help_)

    def _named(self, from_us: int | None, to_us: int | None, option: str) -> Iterator[str]:
        """What is wrong with two ends that were named; `to_us` is not in the time any more."""
        span = self.run.history.span
        if from_us is not None and to_us is not None and from_us >= to_us:
            yield f"has the days swapped: `{option}from` lies after `{option}to`"
        elif from_us is not None and from_us > span.end_us:
            yield f"ends before the day of `{option}from`: nothing of it is left to look at"
        elif to_us is not None and to_us <= span.start_us:
            yield f"begins after the day of `{option}to`: nothing of it is left to look at"

    def _day_of(self, at_us: int) -> int:
        return int(days_of(np.array([at_us]), self.run.policy.program.zone)[0])

    def times_of(self, rows: Rows, classes: Small) -> tuple[Flags, Flags]:
        """The rows of the reference week and of the watched time, outside the warm-up."""
        before, now = (
            (classes != WARM_UP) & (rows.at_us >= first) & (rows.at_us < last)
            for first, last in (self.times.before_us, self.times.now_us)
        )
        return before, now

    def add(self, batch: DecidedBatch) -> None:
        """The decisions of one batch."""
        rows, outcomes = batch.rows, batch.outcomes
        classes = self.run.classes(rows)
        before, now = self.times_of(rows, classes)
        inputs = Batch(rows.count, rows.columns, self.run.policy.lists, rows.statuses)
        columns = dict(rows.columns)
        columns |= dict(input_columns(self.model, inputs))
        without = self.without.settle(inputs, rows.at_us).word
        self.watch.add(
            WatchedBatch(columns, rows.at_us, classes, rows.past, outcomes, without, before, now)
        )
        used = outcomes.absent[self.model.name] != OUTSIDE_USE
        found = dict(words_of(outcomes))
        if self.watch.thresholds:
            scores = rows.columns[self.model.score]
            assert isinstance(scores, IntegerColumn)
            lowest = next(iter(self.watch.thresholds))
            found[FLAGGED] = (outcomes.absent[self.model.name] == 0) & (scores.values >= lowest)
        for segments in self.segments:
            segments.add(rows.columns[segments.by.field], now & used, classes, found)
        self._attribute(inputs, (before, now), outcomes.absent[self.model.name] == 0)
        for is_now, time in ((False, before), (True, now)):
            abstained = np.flatnonzero(time & (outcomes.absent[self.model.name] == ABSTAINED))
            if len(abstained):
                causes = causes_of(self.scorer, inputs, abstained)
                self.watch.add_abstentions(causes, now=is_now)
        self.seen += rows.count

    def _attribute(self, inputs: Batch, times: tuple[Flags, Flags], scored: Flags) -> None:
        """Contributions of some rows: every so many, counted over the whole history."""
        if self.loaded is None or self.watch.attribution is None:
            return
        chosen = np.zeros(inputs.rows, np.bool_)
        chosen[-self.seen % self.monitor.stride :: self.monitor.stride] = True
        for sums, rows in zip(self.watch.attribution, times, strict=True):
            picked = np.flatnonzero(rows & scored & chosen)
            if len(picked):
                found = self.scorer.contributions(inputs, picked)
                sums.add(found, self.loaded.unit)

    def result(self, told: Discrimination) -> ModelMonitoring:
        """What was found."""
        watch, levels = self.watch, self.monitor.wanted.levels
        names = () if self.loaded is None else self.loaded.contribution_names
        answers_before, answers = watch.answers()
        rows_before, rows_now = watch.rows
        label = self.run.facts[self.event.name].label
        attributed = watch.attribution[1].rows if watch.attribution is not None else 0
        found = ModelMonitoring(
            model=self.model.name,
            version=self.model.version,
            hash=model_hash(self.run.policy, self.model),
            external=self.model.external,
            shadow=self.model.shadow,
            event=self.event.name,
            label=label.name if label is not None else "",
            before=Period(*self.times.before_us, rows_before),
            now=Period(*self.times.now_us, rows_now),
            answers_before=answers_before,
            answers=answers,
            abstentions=watch.abstentions(),
            shifts=watch.shifts(levels),
            thresholds=watch.drifts(levels),
            maturity=watch.maturity(),
            discrimination=told,
            calibration=watch.calibration(levels, alarms=not self.model.external),
            attribution=watch.terms(names, levels),
            attributed_rows=attributed,
            parity=tuple(one for s in self.segments for one in s.parity(levels.false_discoveries)),
            follow=watch.follow(levels),
            alarms=(),
            notes=tuple(self._notes()),
        )
        return replace(found, alarms=tuple(alarms_of(found)))

    def _notes(self) -> Iterator[str]:
        name = self.model.name
        begins_us = self.times.now_us[0]
        if self.known_us is not None and begins_us < self.known_us:
            yield (
                f"`{name}` was trained and tested until {format_time(self.known_us)}: what is"
                " watched before looks better than new payments"
            )
        elif self.known_us == begins_us:
            yield f"watched from {format_time(begins_us)}, where the test of its card ends"
        if self.watch.follow(self.monitor.wanted.levels).followed_then is None:
            yield "the history tells no outcomes at the time: whether people followed is not known"
        if not self.watch.thresholds:
            yield f"no rule compares the score of `{name}` with a literal: it has no threshold"
        if self.model.external:
            yield f"`{name}` is external: its inputs and contributions are not known here"
        elif self.watch.reference is None:
            yield (
                f"`{name}` has no `reference.json` beside its version: its inputs are held against"
                " the reference week"
            )


def _listed(events: Sequence[EventType]) -> str:
    return ", ".join(f"`{event.name}`" for event in events)


def _moment(time_us: int) -> str:
    return format_time(time_us - time_us % SECOND_US)


def _without(program: Program, model: Model) -> Program:
    """The program in which the model is used nowhere."""
    never = Constant(span=model.span, type=Type(Kind.FLAG), value=False)
    models = tuple(
        replace(one, use_when=never) if one.name == model.name else one for one in program.models
    )
    return replace(program, models=models)
