"""A history as the engine takes it: rows that pass the door, in order of time, slice by slice.

Two passes. The first reads times and keys only: it finds the history's span, whether each file is
in order, how many rows each minute has and which keys may occur twice. The second reads everything,
in *slices* of consecutive time: every source gives its rows of the slice, so that whatever a
decision of the slice may see has been read with it or before.

Memory holds one slice (`chunk_rows` rows, more only where one minute has more), 8 bytes a row for
keys while copies are looked for, the distinct texts of fields that are kept, and the labels that
events report as true. A file that is not in order of time is read once for every slice; slices are
then a sixteenth of the history where that is more, so that this stays within sixteen times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.dsl.program import EventType
from tidegate.dsl.types import Kind
from tidegate.engine.card_numbers import holds_card_number
from tidegate.engine.column_batch import (
    Column,
)
from tidegate.simulation.checked_mapping import CheckedSource
from tidegate.simulation.files import RawFrame, SourceFiles, concat_frames
from tidegate.simulation.times import Int64s

CHUNK_ROWS = 1 << 18
SLICES_UNORDERED = 16
MINUTE_US = 60 * 10**6
NAMED_BAD_ROWS = 20
UNREADABLE_LABEL = "unreadable_label"
UNKNOWN_OUTCOME = "unknown_word"

Small = npt.NDArray[np.int8]


# --- what was refused --------------------------------------------------------------------------


class Fault(NamedTuple):
    """Why rows were refused: the field (empty for the row as a whole) and the door's code."""

    field: str
    code: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """One refused row by its file, number (from 1) and key, with everything wrong about it.

    The key is empty where it cannot be shown.
    """

    file: str
    row: int
    key: str
    faults: tuple[Fault, ...]


@dataclass(slots=True)
class Intake:
    """What became of the rows of one source; grows while the history is read."""

    rows: int = 0
    bad: int = 0
    copies: int = 0
    ties: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    named: list[BadRow] = field(default_factory=list)


# --- rows --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Rows:
    """Events of one type that passed the door, in order of time.

    `reported_us` gives for each label the time since when it is known as true, `NEVER_US` where it
    is not. `past` holds positions in `WORDS`, -1 where the history does not say.
    """

    event: EventType
    places: Int64s
    at_us: Int64s
    received_us: Int64s | None
    columns: Mapping[str, Column]
    statuses: Mapping[str, Small]
    reported_us: Mapping[str, Int64s]
    past: Small | None
    keys: pl.Series

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.at_us)


Slice = Mapping[str, Rows]
"""By event type, the rows of one stretch of time."""


@dataclass(frozen=True, slots=True)
class Span:
    """What the first pass found: the times between which everything lies, and where to cut."""

    start_us: int
    end_us: int
    cuts_us: tuple[int, ...]


# --- one source --------------------------------------------------------------------------------


class SourceReader:
    """Reads the rows of one source; `intake` tells what became of them."""

    def __init__(self, source: CheckedSource, files: SourceFiles, history: History) -> None:
        self.source = source
        self.files = files
        self.history = history
        self.intake = Intake()
        self.in_order = True
        self.first_us = 0
        self.later_copies: Int64s = np.empty(0, np.int64)
        self._readers = {
            column.field.name: history.reader(column, source.event) for column in source.fields
        }
        self._features = {
            column.field.name: history.reader(column, source.event, rounds=True)
            for column in source.features
        }
        self._scores = {
            score.model: history.reader(score.column, source.event, rounds=True)
            for score in source.scores
        }
        self._times = {
            column.field.name: history.reader(column, source.event)
            for column in (source.received, source.order)
            if column
        }
        self._reported = {
            label.name: history.reader(label.reported, source.event)
            for label in source.labels
            if label.reported
        }

    # the first pass

    def scan(self) -> _Scan:
        """The source's times and keys."""
        event, found = self.source.event, _Scan()
        at, key = self.source.column_of(event.at), self.source.column_of(event.key)
        names = [*at.names, *key.names]
        for reader in (self.source.received, *(label.reported for label in self.source.labels)):
            names += reader.names if reader else ()
        for raw in self.files.frames(CHUNK_ROWS, names):
            times = self._at_of(raw)
            found.take(times, _hashes(raw.frame, key.origin.column))
            for reader in (*self._times.values(), *self._reported.values()):
                if reader.field.type.kind is Kind.TIME:
                    found.last_us = max(
                        found.last_us, int(reader.read(raw.frame).values.max(initial=0))
                    )
        self.in_order, self.first_us = found.in_order, found.first_us
        return found

    def _at_of(self, raw: RawFrame) -> Int64s:
        """The rows' times, -1 where there is none."""
        cells = self._readers[self.source.event.at].read(raw.frame)
        return np.where(cells.refused, -1, cells.values)

    def find_copies(self, hashes: npt.NDArray[np.uint64]) -> None:
        """Which rows repeat a key that an earlier row brought; the first that passes counts."""
        ordered = np.sort(hashes)
        twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        if not len(twice):
            return
        key = self.source.column_of(self.source.event.key).origin.column
        arrivals: list[pl.DataFrame] = []
        for raw in self.files.frames(CHUNK_ROWS):
            suspects = raw.filter(np.isin(_hashes(raw.frame, key), twice))
            if len(suspects.rows):
                arrivals.append(self._arrivals(suspects))
        if arrivals:
            seen = pl.concat(arrivals).sort("received", "order", "row")
            self.later_copies = np.sort(
                seen.filter(pl.col("key").is_duplicated() & ~pl.col("key").is_first_distinct())[
                    "row"
                ].to_numpy()
            )

    def _arrivals(self, raw: RawFrame) -> pl.DataFrame:
        read = self._read(raw)
        fine = np.flatnonzero(~read.refused)
        received = read.received if read.received is not None else read.at_us
        order = read.order if read.order is not None else np.zeros(len(received), np.int64)
        return pl.DataFrame(
            {
                "key": self._keys(raw)[fine],
                "received": received[fine],
                "order": order[fine],
                "row": raw.rows[fine],
            }
        )

    # the second pass

    def slices(self, cuts_us: tuple[int, ...], chunk_rows: int) -> Iterator[Rows]:
        """The rows before each cut and after the one before it."""
        frames = self._in_order(cuts_us, chunk_rows) if self.in_order else self._by_filter(cuts_us)
        for raw in frames:
            yield self.take(raw)

    def _in_order(self, cuts_us: tuple[int, ...], chunk_rows: int) -> Iterator[RawFrame]:
        frames = self.files.frames(chunk_rows)
        held: list[tuple[RawFrame, Int64s]] = []
        ended = False
        for cut_us in cuts_us:
            while not ended and not (held and held[-1][1][-1] >= cut_us):
                raw = next(frames, None)
                if raw is None:
                    ended = True
                elif len(raw.rows):
                    last_us = int(held[-1][1][-1]) if held else self.first_us
                    held.append((raw, _filled(self._at_of(raw), last_us)))
            parts = [(raw, times, int(np.searchsorted(times, cut_us))) for raw, times in held]
            yield self._joined([raw.take(np.arange(stop)) for raw, _, stop in parts])
            held = [
                (raw.take(np.arange(stop, len(times))), times[stop:])
                for raw, times, stop in parts
                if stop < len(times)
            ]

    def _by_filter(self, cuts_us: tuple[int, ...]) -> Iterator[RawFrame]:
        for start_us, stop_us in zip((-1, *cuts_us), cuts_us, strict=False):
            parts = []
            for raw in self.files.frames(CHUNK_ROWS):
                times = self._at_of(raw)
                parts.append(raw.filter((times >= start_us) & (times < stop_us)))
            yield self._joined(parts)

    def _joined(self, parts: list[RawFrame]) -> RawFrame:
        filled = [part for part in parts if len(part.rows)]
        if filled:
            return concat_frames(filled)
        names = self.source.column_names
        empty = pl.DataFrame({name: pl.Series([], dtype=pl.String) for name in names})
        return RawFrame(empty, np.empty(0, np.int64), np.empty(0, np.uint8))

    def take(self, raw: RawFrame) -> Rows:
        """The rows that pass, in order of time; the others go into the intake."""
        read = self._read(raw)
        self.intake.rows += len(raw.rows)
        self._note_refused(raw, read)
        copies = ~read.refused & np.isin(raw.rows, self.later_copies)
        self.intake.copies += int(copies.sum())
        rows = np.flatnonzero(~read.refused & ~copies)
        order = read.order if read.order is not None else raw.rows
        rows = rows[np.lexsort((order[rows], read.at_us[rows]))]
        self.intake.ties += _ties(read.at_us[rows])
        return self._rows(raw, read, rows)

    def _read(self, raw: RawFrame) -> _Read:
        event, frame = self.source.event, raw.frame
        at = self._readers[event.at].read(frame)
        cells = {
            name: at if name == event.at else reader.read(frame, at.values)
            for name, reader in self._readers.items()
        }
        cells |= {name: reader.read(frame) for name, reader in self._features.items()}
        others = {name: reader.read(frame) for name, reader in self._times.items()}
        reported = {name: reader.read(frame) for name, reader in self._reported.items()}
        return _Read(raw, cells, others, reported, at.values)

    def _note_refused(self, raw: RawFrame, read: _Read) -> None:
        refused = np.flatnonzero(read.refused)
        self.intake.bad += len(refused)
        self.intake.faults.update(read.faults())
        room = NAMED_BAD_ROWS - len(self.intake.named)
        for row in refused[: max(room, 0)].tolist():
            file, number = self.files.place(int(raw.rows[row]))
            self.intake.named.append(
                BadRow(file, number, self._shown_key(raw, row), read.faults_of(row))
            )

    def _shown_key(self, raw: RawFrame, row: int) -> str:
        """The key of a refused row, where it may be shown: a token and a card number may not."""
        event = self.source.event
        key = self._keys(raw[row] if False else raw)[row]
        hidden = event.field(event.key).type.kind is Kind.TOKEN
        if hidden or key is None or holds_card_number(key):
            return ""
        return str(key)

    def _keys(self, raw: RawFrame) -> pl.Series:
        return raw.frame[self.source.column_of(self.source.event.key).origin.column].cast(pl.String)

    def _rows(self, raw: RawFrame, read: _Read, rows: Int64s) -> Rows:
        event = self.source.event
        columns = {name: cells.column(rows) for name, cells in read.cells.items()}
        for declared in event.fields:
            if declared.name not in columns:
                columns[declared.name] = _nothing(declared.type.kind, len(rows))
        at_us = read.at_us[rows]
        scores, statuses = self._answers(raw, rows, at_us)
        return Rows(
            event=event,
            places=raw.rows[rows],
            at_us=at_us,
            received_us=None if read.received is None else read.received[rows],
            columns=columns | scores,
            statuses=statuses,
            reported_us={
                label.name: self._label(label, raw, read, rows) for label in self.source.labels
            },
            past=self._past(raw, rows),
            keys=self._keys(raw)[rows],
        )
