"""A snapshot of a history: the encoded inputs of every decision in a folder of files.

It is written beside its place and moved there when it is whole. Its manifest says what the inputs
depend on and how long every file is, so that a snapshot which does not fit any more, or of which
something is missing, is found out before anything is read from it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidegate.dsl.program import EventType
from tidegate.engine.column_batch import CODED_KINDS
from tidegate.engine.decision import Policy
from tidegate.simulation import told_plain
from tidegate.simulation.backtest import DryRun, Progress, nothing_decided
from tidegate.simulation.checked_mapping import CheckedMapping
from tidegate.simulation.history import NOTHING_ELSE
from tidegate.simulation.mapping import MappingError
from tidegate.simulation.rows import Rows
from tidegate.simulation.snapshot_parts import Parts, fields_kept, why_stale
from tidegate.simulation.stored_rows import RowWriter, StoredRows
from tidegate.simulation.told import KeptHistory, Told

MANIFEST = "tidegate-snapshot.json"
INPUTS, PREDICATES = "inputs", "predicates"


class StaleError(Exception):
    """A snapshot cannot be used; says why in a few words."""


class Snapshot:
    """An open snapshot."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.folder = folder
        self.parts: Parts = manifest["parts"]
        self._told = manifest["told"]
        self._events = manifest["events"]

    def told(self, mapping: CheckedMapping, policy: Policy) -> KeptHistory:
        """What the history told."""
        return told_plain.from_plain(self._told, mapping, policy)

    def rows_of(self, event: EventType) -> StoredRows:
        """The decisions of one event."""
        place = list(self._events).index(event.name)
        return StoredRows(self.folder / INPUTS / str(place), event, self._events[event.name])

    def predicates_of(self, event: EventType) -> Path:
        """Where conditions of one event are kept."""
        return self.folder / PREDICATES / str(list(self._events).index(event.name))

    @property
    def bytes(self) -> int:
        """How much room it takes on disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


# --- reading -----------------------------------------------------------------------------------


def open_snapshot(folder: Path, needed: Parts) -> Snapshot:
    """The snapshot in `folder`; StaleError where it is not one that serves."""
    manifest = _read_manifest(folder)
    if said := why_stale(needed, manifest["parts"]):
        raise StaleError(said)
    for name, size in manifest["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            raise StaleError(f"{name} is damaged")
    return Snapshot(folder, manifest)


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        kept, text = (folder / MANIFEST).read_text(encoding="ascii").split("\n", 1)
        if hashlib.sha256(text.encode()).hexdigest() != kept:
            raise StaleError("its manifest is damaged")
        manifest: dict[str, Any] = json.loads(text)
    except FileNotFoundError:
        raise StaleError("there is none yet") from None
    except ValueError:
        raise StaleError("its manifest is damaged") from None
    return manifest


# --- writing -----------------------------------------------------------------------------------


def is_snapshot(folder: Path) -> bool:
    """Whether the folder holds a snapshot, whatever its state, or nothing at all."""
    if not folder.exists() or (folder / MANIFEST).exists():
        return True
    return folder.is_dir() and not any(folder.iterdir())


def build_snapshot(
    folder: Path,
    policy: Policy,
    mapping_path: Path,
    parts: Parts,
    *,
    chunk_rows: int,
    also: Mapping[str, frozenset[str]] = NOTHING_ELSE,
    progress: Progress | None = None,
) -> Snapshot:
    """Read the whole history once and put its encoded inputs where `folder` is.

    `parts` were hashed before: what changes while it is read makes the snapshot stale. `also` are
    fields, by event, that are kept though no decision reads them.
    """
    run = DryRun(policy, mapping_path, also=also, chunk_rows=chunk_rows)
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    writers = {
        event.name: RowWriter(building / INPUTS / str(place))
        for place, event in enumerate(run.events)
    }
    for part in run.slices():
        for rows in part:
            kept = _columns_kept(policy, rows) | also.get(rows.event.name, frozenset())
            writers[rows.event.name].write(rows, kept, run.ties_of(rows.event.name))
        if progress is not None:
            progress(sum(i.rows for i in run.history.intakes.values()), run.history.span.rows)
    if not any(sum(writer.rows) for writer in writers.values()):
        shutil.rmtree(building)
        raise MappingError(nothing_decided(run))
    return finish(folder, building, parts, run.history, writers)


def finish(
    folder: Path, building: Path, parts: Parts, told: Told, writers: Mapping[str, RowWriter]
) -> Snapshot:
    """Write the manifest of what was written to `building` and move it to `folder`."""
    events = {name: writer.close() for name, writer in writers.items()}
    held = {f"{name}.{column}": "" for name, event in events.items() for column in event["reasons"]}
    files = [path for path in sorted(building.rglob("*")) if path.is_file()]
    manifest = {
        "parts": held | dict(parts),
        "told": told_plain.to_plain(told),
        "events": events,
        "files": {str(path.relative_to(building)): path.stat().st_size for path in files},
    }
    text = json.dumps(manifest, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    (building / MANIFEST).write_text(f"{digest}\n{text}", encoding="ascii")
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    building.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return Snapshot(folder, manifest)


def _columns_kept(policy: Policy, rows: Rows) -> frozenset[str]:
    """The columns whose values were read: texts only where somebody asks for them."""
    kinds = {declared.name: declared.type.kind for declared in rows.event.fields}
    asked = fields_kept(policy, rows.event)

    def is_kept(name: str) -> bool:
        if name in kinds or "." in name:
            return name in asked or ("." not in name and kinds[name] not in CODED_KINDS)
        return True

    return frozenset(filter(is_kept, rows.columns))
