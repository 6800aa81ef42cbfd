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
from tidegate.engine.column_batch import Batch, IntegerColumn
from tidegate.engine.column_outcome import OUTSIDE_USE
from tidegate.engine.decision import Policy
from tidegate.models.attribution_shift import AttributionSums
from tidegate.models.reference import Reference
from tidegate.rules.gate import SEGMENTED
from tidegate.simulation.backtest import DecidedBatch, DryRun, Progress, nothing_decided
from tidegate.simulation.history import CHUNK_ROWS
from tidegate.simulation.history_settler import HistorySettler
from tidegate.simulation.mapping import MappingError, Problem
from tidegate.simulation.measures import WARM_UP
from tidegate.simulation.model_alarms import alarms_of
from tidegate.simulation.model_scores import HistoryScorer, input_columns, model_hash, portable_of
from tidegate.simulation.model_watch import Levels, ModelWatch, Times, WatchedBatch, words_of
from tidegate.simulation.monitoring_result import ModelMonitoring, Monitoring, Period
from tidegate.simulation.parity import SegmentCounts
from tidegate.simulation.summary import WEEK_US
from tidegate.simulation.times import Flags, days_of

ATTRIBUTED_ROWS = 200_000
"""Contributions are worked out for about so many rows, evenly spread over the history."""
FLAGGED = "flagged"
_PARITY = ("decline", "step_up", "review")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to watch: models (all where none is named), times in microseconds, fields of segments.

    None: the reference week is the first after the warm-up, and what is watched begins after it
    and ends with the history.
    """

    models: tuple[str, ...] = ()
    before_from_us: int | None = None
    before_to_us: int | None = None
    from_us: int | None = None
    to_us: int | None = None
    segments: tuple[str, ...] = ()
    levels: Levels = field(default_factory=Levels)


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
        also = {event.name: self._segments(event) for event in self._events(models)}
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

    def _segments(self, event: EventType) -> frozenset[str]:
        fields = {declared.name: declared for declared in event.fields}
        problems = []
        for name in self.wanted.segments:
            kind = fields[name].type.kind if name in fields else None
            if kind is None:
                message, help_ = f"`{event.name}` has no field `{name}`", nearest(name, fields)
                problems.append(Problem(self.policy.program.name, "segment", message, help_))
            elif kind not in SEGMENTED:
                message = f"`{name}` is a {fields[name].type}"
                help_ = "segments are made by a text, a country, a flag or words"
                problems.append(Problem(self.policy.program.name, "segment", message, help_))
        if problems:
            raise MappingError(problems)
        return frozenset(self.wanted.segments)

    def run(self, progress: Progress | None) -> Monitoring:
        """The whole history."""
        run = self.run_
        for batch in run.batches():
            for watch in self.watches:
                if watch.event.name == batch.rows.event.name:
                    watch.add(batch)
            if progress is not None:
                read = sum(intake.rows for intake in run.history.intakes.values())
                progress(read, run.history.span.rows)
        if not any(i.accepted for name, i in run.history.intakes.items() if name in run.facts):
            raise MappingError(nothing_decided(run))
        program, span = self.policy.program, run.history.span
        return Monitoring(
            policy=program.name,
            policy_hash=self.policy.hash,
            mapping_hash=run.history.mapping.hash,
            history=run.history.mapping.name,
            zone=program.zone,
            start_us=span.start_us,
            end_us=span.end_us,
            false_discoveries=round(1_000_000 * self.wanted.levels.false_discoveries),
            models=tuple(watch.result() for watch in self.watches),
            notes=run.notes(),
        )


class _Watch:
    """One model over one event, and who counts what about it."""

    def __init__(self, monitor: _Monitor, run: DryRun, event: EventType, model: Model) -> None:
        self.monitor = monitor
        self.run = run
        self.event = event
        self.model = model
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
            SegmentCounts(name, [*_PARITY, *flagged]) for name in monitor.wanted.segments
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
        from_us = last if wanted.from_us is None else wanted.from_us
        to_us = span.end_us + 1 if wanted.to_us is None else wanted.to_us
        if not first < last <= from_us < to_us:
            message = f"is too short to watch `{self.model.name}`"
            if not (first < last and from_us < to_us):
                help_ = "it needs a reference week after its warm-up, and a time after that"
            else:
                help_ = "what is watched begins after the reference week: name both"
            raise MappingError([Problem(str(self.monitor.path), self.event.name, message, help_)])
        return Times((first, last), (from_us, to_us))

    def _day_of(self, at_us: int) -> int:
        return int(days_of(np.array([at_us]), self.run.policy.program.zone)[0])

    def add(self, batch: DecidedBatch) -> None:
        """The decisions of one batch."""
        rows, outcomes = batch.rows, batch.outcomes
        classes = self.run.classes(rows)
        measured = classes != WARM_UP
        before, now = (
            measured & (rows.at_us >= first) & (rows.at_us < last)
            for first, last in (self.times.before_us, self.times.now_us)
        )
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
            segments.add(rows.columns[segments.field], now & used, classes, found)
        self._attribute(inputs, (before, now), outcomes.absent[self.model.name] == 0)
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

    def result(self) -> ModelMonitoring:
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
            event=self.event.name,
            label=label.name if label is not None else "",
            before=Period(*self.times.before_us, rows_before),
            now=Period(*self.times.now_us, rows_now),
            answers_before=answers_before,
            answers=answers,
            shifts=watch.shifts(levels),
            thresholds=watch.drifts(levels),
            maturity=watch.maturity(),
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


def _without(program: Program, model: Model) -> Program:
    """The program in which the model is used nowhere."""
    never = Constant(span=model.span, type=Type(Kind.FLAG), value=False)
    models = tuple(
        replace(one, use_when=never) if one.name == model.name else one for one in program.models
    )
    return replace(program, models=models)
