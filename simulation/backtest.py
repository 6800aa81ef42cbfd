"""The dry run: what a policy would have decided over a history. It changes no state.

A slice of the history at a time: features as they were at each decision, all rules in columns,
counts added up. Nothing is carried from slice to slice but the contributions that windows may
still see and the tallies, and cutting the history otherwise gives the same result.

The dry run is *open loop*: the history shows the payments that happened under the policy of the
time, and their customers' reactions to its outcomes, not to this policy's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tidegate.dsl.program import EventType
from tidegate.engine.column_batch import Batch, Column
from tidegate.engine.column_outcome import OutcomeColumns
from tidegate.engine.decision import Policy
from tidegate.engine.event import HashToken, keep_token
from tidegate.simulation.advice import fault_counts
from tidegate.simulation.assessment import Assessment
from tidegate.simulation.checked_mapping import load_mapping
from tidegate.simulation.features import FeatureColumns
from tidegate.simulation.history import CHUNK_ROWS, NOTHING_ELSE, History, Slice
from tidegate.simulation.history_settler import HistorySettler
from tidegate.simulation.lookups import looked_up
from tidegate.simulation.mapping import MappingError, Problem
from tidegate.simulation.measures import Tally, tally_up
from tidegate.simulation.model_scores import EventModels
from tidegate.simulation.result import BacktestResult
from tidegate.simulation.rows import Rows
from tidegate.simulation.summary import summarise
from tidegate.simulation.times import Flags

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
        tally = tallies[batch.rows.event.name]
        tally_up(tally, run.decided(batch.rows, batch.outcomes))
        run.count_missing(tally, batch.rows, run.facts[batch.rows.event.name].inputs)
        if progress is not None:
            read = sum(intake.rows for intake in run.history.intakes.values())
            progress(read, run.history.span.rows)
    if not any(intake.accepted for name, intake in run.history.intakes.items() if name in tallies):
        raise MappingError(nothing_decided(run))
    return summarise(run.history, tallies, run.facts, run.notes(), run.ties)


def nothing_decided(run: DryRun) -> Iterator[Problem]:
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
    """Consecutive decisions of one event: the rows with every input, and what came out."""

    rows: Rows
    outcomes: OutcomeColumns

    @property
    def columns(self) -> Mapping[str, Column]:
        """Every input by name."""
        return self.rows.columns


class DryRun(Assessment):
    """One dry run; what it reads, it reads once."""

    def __init__(
        self,
        policy: Policy,
        mapping_path: Path | str,
        *,
        hash_token: HashToken = keep_token,
        also: Mapping[str, frozenset[str]] = NOTHING_ELSE,
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        """`also`: by event, fields to read that no decision reads."""
        mapping = load_mapping(Path(mapping_path), policy.program)
        self.history = History(
            mapping, policy, hash_token=hash_token, also=also, chunk_rows=chunk_rows
        )
        super().__init__(policy, self.history)
        self._features = {event.name: self._feature_columns(event) for event in self.events}
        self._models = {event.name: EventModels(policy, event) for event in self.events}
        self._settlers = {e.name: HistorySettler(policy, e) for e in self.events}

    @property
    def ties(self) -> dict[str, int]:
        """By event, decisions so far that share their time and a window's key with another."""
        return {name: features.tied for name, features in self._features.items()}

    def batches(self, limit: int | None = None) -> Iterator[DecidedBatch]:
        """Every decision of the history, slice by slice, the first `limit` of each event."""
        left = dict.fromkeys(self.facts, limit)
        for part in self.slices():
            for rows in part:
                room = left[rows.event.name]
                kept = rows if room is None or rows.count <= room else rows.first(room)
                if room is not None:
                    left[rows.event.name] = room - kept.count
                yield DecidedBatch(kept, self.settle(kept))
            if all(room == 0 for room in left.values()):
                return

    def slices(self) -> Iterator[tuple[Rows, ...]]:
        """Every slice of the history: the rows of each decided event with all of their inputs."""
        for part, next_us in zip(self.history.slices(), self.history.span.cuts_us, strict=True):
            yield tuple(self._with_inputs(part, event, next_us) for event in self.events)

    def ties_of(self, event: str) -> Mapping[str, Flags]:
        """Of the last slice, by key, the decisions that share their time and this key."""
        return self._features[event].ties

    # deciding

    def _feature_columns(self, event: EventType) -> FeatureColumns:
        source = self.history.mapping.source_of(event.name)
        given = [column.field.name for column in source.features] if source else []
        return FeatureColumns(self.policy.program, event, self.policy.lists, given)

    def _with_inputs(self, part: Slice, event: EventType, next_us: int) -> Rows:
        """The rows of an event with features, what is read in tables, and scores."""
        rows = part[event.name]
        found = self._features[event.name].advance(part, next_us)
        found |= dict(looked_up(event, self.policy.tables, rows.columns))
        rows = replace(rows, columns={**rows.columns, **found})
        return self._models[event.name].score(rows)

    def settle(self, rows: Rows) -> OutcomeColumns:
        """The outcomes of rows of a slice, or of some of them."""
        batch = Batch(rows.count, rows.columns, self.policy.lists, rows.statuses)
        return self._settlers[rows.event.name].settle(batch, rows.at_us)
