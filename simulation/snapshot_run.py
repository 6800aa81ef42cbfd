"""A dry run over a snapshot: it reads the history only where the snapshot does not serve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from tidegate.dsl.program import EventType
from tidegate.engine.column_batch import Batch
from tidegate.engine.column_outcome import compile_settler
from tidegate.engine.decision import Policy
from tidegate.simulation.assessment import Assessment
from tidegate.simulation.backtest import Progress
from tidegate.simulation.checked_mapping import load_mapping
from tidegate.simulation.features import keys_name
from tidegate.simulation.history import CHUNK_ROWS
from tidegate.simulation.mapping import MappingError, Problem
from tidegate.simulation.measures import Tally, tally_up
from tidegate.simulation.needs import features_read
from tidegate.simulation.result import BacktestResult
from tidegate.simulation.rows import Rows
from tidegate.simulation.snapshot import (
    Snapshot,
    StaleError,
    build_snapshot,
    is_snapshot,
    open_snapshot,
)
from tidegate.simulation.snapshot_parts import parts_of
from tidegate.simulation.stored_rows import StoredRows
from tidegate.simulation.summary import summarise
from tidegate.simulation.told import Told


@dataclass(frozen=True, slots=True)
class SnapshotRun:
    """A result with what became of the snapshot.

    `built` says why it was built, and is empty where the one that was there served.
    """

    result: BacktestResult
    built: str
    build_seconds: float
    bytes: int


def run_with_snapshot(
    policy: Policy,
    mapping_path: Path | str,
    folder: Path,
    *,
    progress: Progress | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> SnapshotRun:
    """The dry run of `run_backtest`, from the snapshot in `folder`, which is made where it has to.

    MappingError as there, and where `folder` holds something else.
    """
    if not is_snapshot(folder):
        message, help_ = "is no snapshot and not empty", "name an empty folder, or a new one"
        raise MappingError([Problem(str(folder), "--snapshot", message, help_)])
    began, built = perf_counter(), ""
    mapping = load_mapping(Path(mapping_path), policy.program)
    parts = parts_of(policy, mapping)
    try:
        snapshot = open_snapshot(folder, parts)
    except StaleError as stale:
        built = str(stale)
        snapshot = build_snapshot(
            folder, policy, Path(mapping_path), parts, chunk_rows=chunk_rows, progress=progress
        )
    seconds = perf_counter() - began if built else 0.0
    result = SnapshotReplay(policy, snapshot, snapshot.told(mapping, policy)).result()
    return SnapshotRun(result, built, seconds, snapshot.bytes)


class SnapshotReplay(Assessment):
    """One policy over the decisions of a snapshot."""

    def __init__(self, policy: Policy, snapshot: Snapshot, told: Told) -> None:
        super().__init__(policy, told)
        self.snapshot = snapshot
        self.stored = {event.name: snapshot.rows_of(event) for event in self.events}

    def result(self) -> BacktestResult:
        """What the policy would have decided."""
        tallies = {event.name: self._tally(event) for event in self.events}
        ties = {event.name: self._ties(event) for event in self.events}
        return summarise(self.told, tallies, self.facts, self.notes(), ties)

    def _tally(self, event: EventType) -> Tally:
        tally, settler = Tally.of(len(event.rules)), compile_settler(self.policy.program, event)
        for rows in _slices(self.stored[event.name]):
            batch = Batch(rows.count, rows.columns, self.policy.lists, rows.statuses)
            tally_up(tally, self.decided(rows, settler.settle(batch)))
            self.count_missing(tally, rows, self.facts[event.name].inputs)
        return tally

    def _ties(self, event: EventType) -> int:
        source = self.told.mapping.source_of(event.name)
        given = {column.field.name for column in source.features} if source else set()
        read = [f for f in features_read(self.policy.program, event) if f.name not in given]
        return self.stored[event.name].tied(frozenset(map(keys_name, read)))


def _slices(stored: StoredRows) -> Iterator[Rows]:
    for run in range(len(stored.rows)):
        yield stored.slice(run)
