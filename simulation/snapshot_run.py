"""A dry run over a snapshot: it reads the history only where the snapshot does not serve."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from tidegate.engine.decision import Policy
from tidegate.engine.lowered import validations_of
from tidegate.simulation.backtest import Progress
from tidegate.simulation.baseline import RuleTexts, load_baseline, save_baseline
from tidegate.simulation.checked_mapping import load_mapping
from tidegate.simulation.history import CHUNK_ROWS
from tidegate.simulation.mapping import MappingError, Problem
from tidegate.simulation.result import BacktestResult
from tidegate.simulation.snapshot import (
    StaleError,
    build_snapshot,
    is_snapshot,
    open_snapshot,
)
from tidegate.simulation.snapshot_parts import parts_of
from tidegate.simulation.snapshot_replay import EventEdit, SnapshotReplay


@dataclass(frozen=True, slots=True)
class SnapshotRun:
    """A result with what became of the snapshot.

    `built` says why it was built, and is empty where the one that was there served.
    """

    result: BacktestResult
    built: str
    build_seconds: float
    seconds: float
    bytes: int
    edits: tuple[EventEdit, ...]


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
    if validations_of(policy.models):
        message = "knows no validations that end, and that of a model of this policy does"
        raise MappingError([Problem(str(folder), "--snapshot", message, "leave it out")])
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
    opened = perf_counter()
    told = snapshot.told(mapping, policy)
    rules = RuleTexts(policy.program)
    replay = SnapshotReplay(policy, snapshot, told, load_baseline(folder, rules))
    edits = replay.run()
    result = replay.result(edits)
    save_baseline(folder, replay.as_baseline(edits), rules)
    return SnapshotRun(
        result=result,
        built=built,
        build_seconds=opened - began if built else 0.0,
        seconds=perf_counter() - opened,
        bytes=snapshot.bytes,
        edits=tuple(edits.values()),
    )
