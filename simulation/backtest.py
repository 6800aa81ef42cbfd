"""The dry run: what a policy would have decided over a history. It changes no state.

A slice of the history at a time: features as they were at each decision, all rules in columns,
counts added up. Nothing is carried from slice to slice but the contributions that windows may
still see and the tallies, and cutting the history otherwise gives the same result.

The dry run is *open loop*: the history shows the payments that happened under the policy of the
time, and their customers' reactions to its outcomes, not to this policy's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidegate.dsl.program import (
    Actions,
    Authentication,
    Disposition,
    EventType,
    Ladder,
    Review,
    Rule,
)
from tidegate.engine.column_batch import ABSENT, Batch, CodedColumn, Column, IntegerColumn
from tidegate.engine.column_outcome import OutcomeColumns, compile_settler
from tidegate.engine.decision import Policy
from tidegate.engine.event import HashToken, keep_token
from tidegate.simulation.advice import fault_counts
from tidegate.simulation.checked_mapping import CheckedSource, load_mapping
from tidegate.simulation.features import FeatureColumns
from tidegate.simulation.history import CHUNK_ROWS, History, Slice
from tidegate.simulation.mapping import WORDS, MappingError, Problem
from tidegate.simulation.measures import (
    FRAUD,
    GOOD,
    MAX_OVERLAP_RULES,
    NOT_YET_KNOWN,
    PAST_DECLINED,
    UNLABELLED,
    WARM_UP,
    Decided,
    Small,
    Tally,
    tally_up,
)
from tidegate.simulation.needs import features_read
from tidegate.simulation.result import BacktestResult
from tidegate.simulation.rows import Rows, first_rows
from tidegate.simulation.summary import WEEK_US, EventFacts, summarise
from tidegate.simulation.times import Flags, Int64s, days_of
from tidegate.simulation.warm_up import warm_up

_DECLINE = WORDS.index("decline")
_STOPS: dict[Ladder, int] = {
    "disposition": Disposition.HOLD,
    "authentication": Authentication.PREFERRED,
    "review": Review.BEFORE,
}

Progress = Callable[[int, int], None]
"""Called with the rows read so far and all of them."""


def run_backtest(
    policy: Policy,
    mapping_path: Path | str,
    *,
    progress: Progress | None = None,
    limit: int | None = None,
    hash_token: HashToken = keep_token,
    chunk_rows: int = CHUNK_ROWS,
) -> BacktestResult:
    """Replay the history that the mapping names under `policy` and measure the outcomes.

    `limit` decides only the first so many rows of each event. MappingError says what is wrong with
    the mapping or with the files, or that nothing could be decided.
    """
    run = DryRun(policy, mapping_path, hash_token=hash_token, chunk_rows=chunk_rows)
    tallies = {event.name: Tally.of(len(event.rules)) for event in run.events}
    for batch in run.batches(limit):
        tally_up(tallies[batch.rows.event.name], run.decided(batch))
        run.count_missing(tallies[batch.rows.event.name], batch)
        if progress is not None:
            read = sum(intake.rows for intake in run.history.intakes.values())
            progress(read, run.history.span.rows)
    if not any(intake.accepted for name, intake in run.history.intakes.items() if name in tallies):
        raise MappingError(_nothing_decided(run))
    return summarise(run.history, tallies, run.facts, run.notes(), run.ties)


def _nothing_decided(run: DryRun) -> Iterator[Problem]:
    """Why there was nothing to decide, for each event that could have been."""
    mapping = run.history.mapping
    for event in run.events:
        intake, source = run.history.intakes[event.name], mapping.source_of(event.name)
        assert source is not None
        reasons = [f"{intake.bad:,} bad"] if intake.bad else []
        reasons += [f"{intake.after_end:,} after `end`"] if intake.after_end else []
        message = ", ".join((f"no row was taken in, of {intake.rows:,}", *reasons))
        yield Problem(str(mapping.path), event.name, message)
        for fault in fault_counts(source, intake):
            message = f"{fault.said} in {fault.rows:,} of {intake.rows:,}"
            yield Problem(str(mapping.path), event.name, message, fault.help)
    if not run.events:
        decided = ", ".join(
            f"`{event.name}`" for event in run.policy.program.events if event.decided
        )
        message = "hold no event that the policy decides"
        yield Problem(str(mapping.path), "sources", message, f"add a source of {decided}")


@dataclass(frozen=True, eq=False)
class DecidedBatch:
    """Consecutive decisions of one event: the rows, every input by name, and what came out."""

    rows: Rows
    columns: Mapping[str, Column]
    outcomes: OutcomeColumns


class DryRun:
    """One dry run; what it reads, it reads once."""

    def __init__(
        self,
        policy: Policy,
        mapping_path: Path | str,
        *,
        hash_token: HashToken = keep_token,
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        self.policy = policy
        mapping = load_mapping(Path(mapping_path), policy.program)
        self.history = History(mapping, policy, hash_token=hash_token, chunk_rows=chunk_rows)
        self.events = tuple(event for event in mapping.events if event.decided)
        self.facts = {event.name: self._facts(event) for event in self.events}
        self._features = {event.name: self._feature_columns(event) for event in self.events}
        self._settlers = {e.name: compile_settler(policy.program, e) for e in self.events}

    @property
    def ties(self) -> dict[str, int]:
        """By event, decisions so far that share their time and a window's key with another."""
        return {name: features.tied for name, features in self._features.items()}

    def batches(self, limit: int | None = None) -> Iterator[DecidedBatch]:
        """Every decision of the history, slice by slice, the first `limit` of each event."""
        left = dict.fromkeys(self.facts, limit)
        for part, next_us in zip(self.history.slices(), self.history.span.cuts_us, strict=True):
            for event in self.events:
                batch = self._decide(part, event, next_us)
                room = left[event.name]
                if room is not None and batch.rows.count > room:
                    batch = self._first(batch, room)
                if room is not None:
                    left[event.name] = room - batch.rows.count
                yield batch
            if all(room == 0 for room in left.values()):
                return

    def decided(self, batch: DecidedBatch) -> Decided:
        """The batch with what is known about its decisions."""
        facts, rows = self.facts[batch.rows.event.name], batch.rows
        start_us = facts.warm_up.until_us
        return Decided(
            outcomes=batch.outcomes,
            classes=self._classes(facts, rows),
            money=self._money(facts, rows),
            past=rows.past,
            at_us=rows.at_us,
            day=days_of(rows.at_us, self.policy.program.zone),
            week=(rows.at_us - start_us) // WEEK_US,
            stops=facts.stops,
        )

    def count_missing(self, tally: Tally, batch: DecidedBatch) -> None:
        """Count, outside the warm-up, inputs without a value and payments without an amount."""
        facts = self.facts[batch.rows.event.name]
        counted = batch.rows.at_us >= facts.warm_up.until_us
        for name in facts.inputs:
            for reason, count in _missing(batch.columns[name], counted):
                key = name, reason
                tally.missing[key] = tally.missing.get(key, 0) + count
        money = batch.columns.get(facts.money)
        if isinstance(money, IntegerColumn) and money.valid is not None:
            tally.without_money += int((counted & ~money.valid).sum())

    # deciding

    def _feature_columns(self, event: EventType) -> FeatureColumns:
        source = self.history.mapping.source_of(event.name)
        given = [column.field.name for column in source.features] if source else []
        return FeatureColumns(self.policy.program, event, self.policy.lists, given)

    def _decide(self, part: Slice, event: EventType, next_us: int) -> DecidedBatch:
        rows = part[event.name]
        columns = {**rows.columns, **self._features[event.name].advance(part, next_us)}
        batch = Batch(rows.count, columns, self.policy.lists, rows.statuses)
        return DecidedBatch(rows, columns, self._settlers[event.name].settle(batch))

    def _first(self, batch: DecidedBatch, room: int) -> DecidedBatch:
        rows = batch.rows.first(room)
        columns = {name: first_rows(column, room) for name, column in batch.columns.items()}
        settler = self._settlers[rows.event.name]
        outcomes = settler.settle(Batch(room, columns, self.policy.lists, rows.statuses))
        return DecidedBatch(rows, columns, outcomes)

    # what is known

    def _facts(self, event: EventType) -> EventFacts:
        program, mapping = self.policy.program, self.history.mapping
        source = mapping.source_of(event.name)
        assert source is not None
        given = {column.field.name for column in source.features}
        worked_out = tuple(f for f in features_read(program, event) if f.name not in given)
        label = next(
            (x for x in program.labels if x.name == mapping.label and x.event == event.name), None
        )
        return EventFacts(
            event=event,
            warm_up=warm_up(self.history, event, worked_out),
            label=label if label and label.name in self.history.labels else None,
            money=source.money,
            stops=tuple(_stops(rule) for rule in event.rules),
            inputs=tuple(item.name for item in event.inputs if item.source != "field"),
        )

    def _classes(self, facts: EventFacts, rows: Rows) -> Small:
        end_us = self.history.span.end_us
        if facts.label is None:
            classes = np.full(rows.count, UNLABELLED, np.int8)
        else:
            reported = rows.reported_us[facts.label.name]
            due = rows.at_us + facts.label.after_us <= end_us
            true = np.where(reported <= end_us, FRAUD, GOOD)
            classes = np.where(due, true, NOT_YET_KNOWN).astype(np.int8)
        if rows.past is not None:
            classes[rows.past == _DECLINE] = PAST_DECLINED
        classes[rows.at_us < facts.warm_up.until_us] = WARM_UP
        return classes

    def _money(self, facts: EventFacts, rows: Rows) -> Int64s:
        column = rows.columns.get(facts.money)
        if not isinstance(column, IntegerColumn):
            return np.zeros(rows.count, np.int64)
        return column.values.astype(np.int64)

    # what has to be said

    def notes(self) -> tuple[str, ...]:
        """What a reader has to know to read the figures right."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        program, history = self.policy.program, self.history
        yield "open loop: customers' reactions to this policy's outcomes are not in the history"
        if program.lists:
            yield "lists are read as they are today: the history does not hold theirs"
        for name in history.unordered:
            yield f"the files of `{name}` are not in order of time: read once for every slice"
        for event in self.events:
            source = history.mapping.source_of(event.name)
            assert source is not None
            yield from self._notes_on_labels(source)
            yield from self._notes_on_features(event)
            yield from self._notes_on_models(source)
            yield from _notes_on_fields(source)
            if len(event.rules) > MAX_OVERLAP_RULES:
                yield (
                    f"`{event.name}` has more than {MAX_OVERLAP_RULES} rules: which of them fire"
                    " together is not counted"
                )

    def _notes_on_labels(self, source: CheckedSource) -> Iterator[str]:
        for label in self.policy.program.labels:
            if label.event != source.event.name:
                continue
            if label.name not in self.history.labels:
                yield f"the history tells no `{label.name}`: it counts as never reported"
            elif any(c.name == label.name and c.reported is None for c in source.labels):
                yield (
                    f"the history does not say when `{label.name}` was reported: it counts as known"
                    " when it is due"
                )

    def _notes_on_features(self, event: EventType) -> Iterator[str]:
        source = self.history.mapping.source_of(event.name)
        given = {column.field.name for column in source.features} if source else set()
        for feature in features_read(self.policy.program, event):
            if feature.name in given:
                yield f"`{feature.name}` is taken from the history, not worked out"
            elif self.history.mapping.source_of(feature.event) is None:
                yield f"`{feature.name}` counts `{feature.event}`, which the history does not hold"

    def _notes_on_models(self, source: CheckedSource) -> Iterator[str]:
        given = {score.model for score in source.scores}
        for name in source.event.models:
            if name not in given:
                yield f"no recorded scores of `{name}`: it counts as unavailable"


def _notes_on_fields(source: CheckedSource) -> Iterator[str]:
    mapped = {column.field.name for column in source.fields}
    absent = [declared.name for declared in source.event.fields if declared.name not in mapped]
    if absent:
        listed = ", ".join(f"`{name}`" for name in absent)
        yield f"missing in every `{source.event.name}` of the history: {listed}"


def _stops(rule: Rule) -> tuple[bool, bool]:
    return _asks_stop(rule.then), rule.unknown is not None and _asks_stop(rule.unknown)


def _asks_stop(actions: Actions) -> bool:
    """Whether it asks for a payment not to pass as it is: a review after it is no stop."""
    return any(ask.rung >= _STOPS[ask.ladder] for ask in actions.asks)


def _missing(column: Column, counted: Flags) -> Iterator[tuple[str, int]]:
    if isinstance(column, CodedColumn):
        gone = counted & (column.codes < 0)
    elif column.valid is None:
        return
    else:
        gone = counted & ~column.valid
    if column.reasons is None:
        yield ABSENT, int(gone.sum())
        return
    for place, count in enumerate(np.bincount(column.reasons[gone]).tolist()):
        if count:
            yield column.reason_names[place], count
