"""A history as the engine takes it: in order of time, slice by slice.

Two passes. The first reads times and keys only: it finds the history's span, whether each file is
in order of time, how many rows each minute has and which keys may occur twice. The second reads
everything in *slices* of consecutive time, every source its rows of the slice, so that whatever a
decision of the slice may see was read with it or before it.

Memory holds one slice (`chunk_rows` rows, more only where one minute has more), 8 bytes a row while
copies are looked for, the distinct texts of fields that are kept, and the keys that label events
report as true. A file that is not in order of time is read once for every slice; a slice then holds
at least a sixteenth of the history, so that there are no more than sixteen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.dsl.program import EventType, Label
from tidegate.dsl.types import TIME_MAX_US
from tidegate.engine.column_batch import Batch
from tidegate.engine.columns import evaluate_condition
from tidegate.engine.decision import Policy
from tidegate.engine.event import HashToken, keep_token
from tidegate.engine.values import format_time
from tidegate.engine.window_columns import NEVER_US
from tidegate.simulation.checked_mapping import CheckedMapping, CheckedSource, Column
from tidegate.simulation.door import ColumnReader
from tidegate.simulation.files import RawFrame, SourceFiles, concat_frames
from tidegate.simulation.first_look import first_look
from tidegate.simulation.mapping import MappingError, Problem
from tidegate.simulation.needs import features_read, kept_inputs
from tidegate.simulation.rows import Intake, RowReader, Rows, texts_of
from tidegate.simulation.times import Int64s

CHUNK_ROWS = 1 << 18
NOTHING_ELSE: Mapping[str, frozenset[str]] = {}
"""No fields but those that decisions read."""
SLICES_UNORDERED = 16
MINUTE_US = 60 * 10**6

Hashes = npt.NDArray[np.uint64]
Slice = Mapping[str, Rows]
"""By event type, the rows of one stretch of time."""


@dataclass(frozen=True, slots=True)
class Span:
    """What the first pass found: rows begin at `start_us` and are cut at `cuts_us`.

    `end_us` is the time up to which the history is complete: what was not reported by then is
    taken as not reported at all.
    """

    rows: int
    start_us: int
    end_us: int
    cuts_us: tuple[int, ...]


class History:
    """A mapped history, ready to be read; nothing of it is written anywhere.

    `keep_all` keeps the values of every field, whether the policy reads it or not.
    """

    def __init__(
        self,
        mapping: CheckedMapping,
        policy: Policy,
        *,
        hash_token: HashToken = keep_token,
        keep_all: bool = False,
        also: Mapping[str, frozenset[str]] = NOTHING_ELSE,
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        self.mapping = mapping
        self.policy = policy
        self.hash_token = hash_token
        self.chunk_rows = chunk_rows
        self._kept = None if keep_all else self._fields_kept(also)
        self._files = {s.event.name: SourceFiles(s, mapping.path) for s in mapping.sources}
        if problems := tuple(first_look(str(mapping.path), self._files.values(), policy)):
            raise MappingError(problems)
        self._readers = {s.event.name: self._row_reader(s) for s in mapping.sources}
        self._scans = {name: self._scan(reader) for name, reader in self._readers.items()}
        for name, reader in self._readers.items():
            reader.later_copies = self._later_copies(reader, self._scans[name])
            self._judge(reader, self._scans[name])
        self.span = self._span()
        self._reported = {
            label.name: self._reports(label)
            for label in policy.program.labels
            if label.source_event in self._readers and self._is_labelled_by_events(label)
        }

    @property
    def intakes(self) -> Mapping[str, Intake]:
        """By event type, what became of the rows read so far."""
        return {name: reader.intake for name, reader in self._readers.items()}

    @property
    def unordered(self) -> tuple[str, ...]:
        """The event types whose files are not in order of time."""
        return tuple(name for name, scan in self._scans.items() if not scan.in_order)

    @property
    def begins_us(self) -> Mapping[str, int]:
        """By event type, the time from which the history is complete, as far as it tells."""
        given_us = self.mapping.start_us
        return {
            name: scan.begin_us if given_us is None else given_us
            for name, scan in self._scans.items()
            if scan.has_times
        }

    @property
    def labels(self) -> frozenset[str]:
        """The labels that this history tells."""
        columns = {label.name for s in self.mapping.sources for label in s.labels}
        return frozenset(columns | set(self._reported))

    def slices(self) -> Iterator[Slice]:
        """The whole history, stretch after stretch; it may be read once."""
        streams = {
            name: self._stream(reader, self._scans[name]) for name, reader in self._readers.items()
        }
        for _ in self.span.cuts_us:
            yield {
                name: self._labelled(self._readers[name].take(next(stream)))
                for name, stream in streams.items()
            }

    # readers

    def _fields_kept(self, also: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
        program = self.policy.program
        decided = [event for event in self.mapping.events if event.decided]
        features = {f.name: f for event in decided for f in features_read(program, event)}.values()
        return {
            e.name: kept_inputs(program, e, features) | also.get(e.name, frozenset())
            for e in self.mapping.events
        }

    def _row_reader(self, source: CheckedSource) -> RowReader:
        files, program = self._files[source.event.name], self.policy.program
        return RowReader(source, files, program, self._reader, self.mapping.end_us)

    def _reader(
        self, column: Column, event: EventType, *, is_key: bool = False, rounds: bool = False
    ) -> ColumnReader:
        kept = self._kept is None or column.field.name in self._kept[event.name]
        return ColumnReader(
            column,
            self.policy.program,
            rates=self.policy.rates,
            hash_token=self.hash_token,
            keep=kept or rounds,
            is_key=is_key,
            rounds=rounds,
        )

    # the first pass

    def _scan(self, reader: RowReader) -> _Scan:
        scan = _Scan()
        for raw in reader.files.frames(CHUNK_ROWS, reader.scanned_columns):
            keys = reader.keys_of(raw)
            scan.take(reader.at_of(raw), keys.hash().to_numpy(), reader.known_of(raw), raw.rows)
        return scan

    def _judge(self, reader: RowReader, scan: _Scan) -> None:
        """Let no refused row say where the source begins and ends: a slip of the year is common.

        Only the outermost rows are looked at, and all of them where none of those is taken in.
        """
        taken = self._judge_rows(reader, scan, scan.outermost_rows())
        if not scan.is_bounded_by(taken):
            self._judge_rows(reader, scan, None)

    def _judge_rows(self, reader: RowReader, scan: _Scan, wanted: Int64s | None) -> Int64s:
        """The numbers of those rows that are taken in; the scan's bounds are theirs."""
        first_us, last_us, found = TIME_MAX_US, -1, [np.empty(0, np.int64)]
        for raw in reader.files.frames(CHUNK_ROWS):
            rows = raw if wanted is None else raw.filter(np.isin(raw.rows, wanted))
            if len(rows.rows):
                taken = reader.accepted(rows)
                at_us, known_us = reader.at_of(rows)[taken], reader.known_of(rows)[taken]
                first_us = min(first_us, int(at_us.min(initial=first_us)))
                last_us = max(last_us, int(np.maximum(at_us, known_us).max(initial=last_us)))
                found.append(rows.rows[taken])
        if last_us >= 0:
            scan.begin_us, scan.end_us = first_us, last_us
        return np.concatenate(found)

    def _later_copies(self, reader: RowReader, scan: _Scan) -> Int64s:
        """Rows with a key that an earlier arrival brought; the first that passes the door counts.

        Equal hashes only make a suspicion: the keys themselves are compared.
        """
        twice = scan.repeated_hashes()
        arrivals = []
        for raw in reader.files.frames(CHUNK_ROWS) if len(twice) else ():
            suspects = raw.filter(np.isin(reader.keys_of(raw).hash().to_numpy(), twice))
            if len(suspects.rows):
                arrivals.append(reader.arrivals(suspects))
        if not arrivals:
            return np.empty(0, np.int64)
        seen = pl.concat(arrivals).sort("received", "order", "row")
        later = seen.filter(~pl.col("key").is_first_distinct())
        return np.sort(later["row"].to_numpy())

    def _span(self) -> Span:
        scans = self._scans.values()
        rows = sum(scan.rows for scan in scans)
        last_us = max((scan.end_us for scan in scans), default=0)
        end_us = last_us if self.mapping.end_us is None else self.mapping.end_us
        self._refuse_an_early_end(end_us)
        return Span(
            rows=rows,
            start_us=min((scan.begin_us for scan in scans if scan.has_times), default=0),
            end_us=end_us,
            cuts_us=tuple(self._cuts_us(rows)),
        )

    def _refuse_an_early_end(self, end_us: int) -> None:
        firsts = [
            (scan.begin_us, name)
            for name, scan in self._scans.items()
            if scan.has_times and self.policy.program.event(name).decided
        ]
        if firsts and end_us < min(firsts)[0]:
            first_us, name = min(firsts)
            message = f"is before the first row of `{name}`, which is of {format_time(first_us)}"
            help_ = "write the time up to which the history is complete, or leave `end` out"
            raise MappingError([Problem(str(self.mapping.path), "end", message, help_)])

    def _cuts_us(self, rows: int) -> Iterator[int]:
        """Between minutes, after as many rows as a slice holds."""
        size = self.chunk_rows
        if self.unordered:
            size = max(size, -(-rows // SLICES_UNORDERED))
        minutes, counts = _merged([scan.minutes for scan in self._scans.values()])
        held = 0
        for minute, count in zip(minutes.tolist(), counts.tolist(), strict=True):
            if held and held + count > size:
                yield minute * MINUTE_US
                held = 0
            held += count
        yield TIME_MAX_US + 1

    # the second pass

    def _stream(self, reader: RowReader, scan: _Scan) -> Iterator[RawFrame]:
        return self._in_order(reader, scan) if scan.in_order else self._by_filter(reader)

    def _in_order(self, reader: RowReader, scan: _Scan) -> Iterator[RawFrame]:
        frames = reader.files.frames(self.chunk_rows)
        last_us = scan.first_us
        held: list[tuple[RawFrame, Int64s]] = []
        for cut_us in self.span.cuts_us:
            while last_us < cut_us and (raw := next(frames, None)) is not None:
                times = _filled(reader.at_of(raw), last_us)
                last_us = int(times[-1]) if len(times) else last_us
                held.append((raw, times))
            parts = [(raw, times, int(np.searchsorted(times, cut_us))) for raw, times in held]
            yield _joined(reader, [raw.take(slice(0, stop)) for raw, _, stop in parts])
            held = [
                (raw.take(slice(stop, len(times))), times[stop:])
                for raw, times, stop in parts
                if stop < len(times)
            ]

    def _by_filter(self, reader: RowReader) -> Iterator[RawFrame]:
        start_us = -1  # rows without a time are read, and refused, with the first slice
        for cut_us in self.span.cuts_us:
            parts = []
            for raw in reader.files.frames(CHUNK_ROWS):
                times = reader.at_of(raw)
                parts.append(raw.filter((times >= start_us) & (times < cut_us)))
            yield _joined(reader, parts)
            start_us = cut_us

    # labels that events report

    def _is_labelled_by_events(self, label: Label) -> bool:
        source = self.mapping.source_of(label.event)
        return source is not None and all(column.name != label.name for column in source.labels)

    def _reports(self, label: Label) -> pl.DataFrame:
        """The keys of events that are labelled as true, and since when that is known."""
        source = self.mapping.source_of(label.source_event)
        assert source is not None
        reader = self._row_reader(source)
        reader.later_copies = self._readers[label.source_event].later_copies
        parts = [
            _true_reports(label, source, reader.take(raw), raw, self.policy)
            for raw in reader.files.frames(CHUNK_ROWS)
        ]
        none = pl.DataFrame(schema={"key": pl.String, "reported": pl.Int64})
        return pl.concat([none, *parts]).group_by("key").agg(pl.col("reported").min())

    def _labelled(self, rows: Rows) -> Rows:
        reported = dict(rows.reported_us)
        for label in self.policy.program.labels:
            if label.event == rows.event.name and label.name in self._reported:
                found = rows.keys.to_frame("key").join(
                    self._reported[label.name], on="key", how="left", maintain_order="left"
                )
                reported[label.name] = found["reported"].fill_null(NEVER_US).to_numpy()
        return replace(rows, reported_us=reported)


def _true_reports(
    label: Label, source: CheckedSource, rows: Rows, raw: RawFrame, policy: Policy
) -> pl.DataFrame:
    true = np.ones(rows.count, np.bool_)
    if label.where is not None:
        batch = Batch(rows.count, rows.columns, policy.lists)
        true, _ = evaluate_condition(label.where, batch)
    reported = rows.at_us if rows.received_us is None else rows.received_us
    matching = texts_of(raw.frame, source.column_of(label.matching))[rows.picked]
    found = pl.DataFrame({"key": matching, "reported": reported})
    return found.filter(true).drop_nulls("key")


# --- the first pass over one source ------------------------------------------------------------


OUTERMOST = 64
_NO_ROWS: tuple[Int64s, Int64s] = (np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(slots=True)
class _Scan:
    """Times and keys of one source, as they come by.

    `begin_us` and `end_us` are set once it is known which rows are taken in: the first time, and
    the last at which anything happened, was received or reported. The others are of all rows.
    """

    rows: int = 0
    first_us: int = 0
    last_us: int = 0
    begin_us: int = 0
    end_us: int = 0
    in_order: bool = True
    minutes: tuple[Int64s, Int64s] = field(
        default_factory=lambda: (np.empty(0, np.int64), np.empty(0, np.int64))
    )
    hashes: list[Hashes] = field(default_factory=list)
    _earliest: tuple[Int64s, Int64s] = field(default_factory=lambda: _NO_ROWS)
    _latest: tuple[Int64s, Int64s] = field(default_factory=lambda: _NO_ROWS)

    def take(self, at_us: Int64s, hashes: Hashes, known_us: Int64s, rows: Int64s) -> None:
        """One frame's times (-1: none), hashed keys, latest times known, and row numbers."""
        self.rows += len(at_us)
        self.hashes.append(hashes)
        timed = at_us >= 0
        times = at_us[timed]
        if not len(times):
            return
        self._earliest = _least(self._earliest, times, rows[timed])
        self._latest = _least(self._latest, -np.maximum(times, known_us[timed]), rows[timed])
        if not self.has_times:
            self.first_us = int(times[0])
        self.in_order &= bool(times[0] >= self.last_us and np.all(times[1:] >= times[:-1]))
        self.first_us = min(self.first_us, int(times.min()))
        self.last_us = max(self.last_us, int(times.max()))
        minutes, counts = np.unique(times // MINUTE_US, return_counts=True)
        self.minutes = _merged([self.minutes, (minutes, counts.astype(np.int64))])

    def is_bounded_by(self, rows: Int64s) -> bool:
        """Whether some of these rows are among the first ones and some among the last."""
        sides = self._earliest[1], self._latest[1]
        return all(bool(np.isin(side, rows).any()) for side in sides)

    def outermost_rows(self) -> Int64s:
        """The rows that come first, and those after which nothing is known."""
        return np.union1d(self._earliest[1], self._latest[1])

    @property
    def has_times(self) -> bool:
        """Whether any row has a time."""
        return len(self.minutes[0]) > 0

    def repeated_hashes(self) -> Hashes:
        """The hashes that occur more than once; the others are let go."""
        ordered = np.sort(np.concatenate([np.empty(0, np.uint64), *self.hashes]))
        self.hashes = []
        return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _least(kept: tuple[Int64s, Int64s], values: Int64s, rows: Int64s) -> tuple[Int64s, Int64s]:
    """The rows with the least values, of those kept and the new ones."""
    values, rows = np.concatenate((kept[0], values)), np.concatenate((kept[1], rows))
    if len(values) > OUTERMOST:
        least = np.argpartition(values, OUTERMOST)[:OUTERMOST]
        values, rows = values[least], rows[least]
    return values, rows


def _merged(parts: list[tuple[Int64s, Int64s]]) -> tuple[Int64s, Int64s]:
    """Counts by minute, added up; the minutes ascend."""
    minutes, places = np.unique(np.concatenate([m for m, _ in parts]), return_inverse=True)
    counts = np.zeros(len(minutes), np.int64)
    np.add.at(counts, places, np.concatenate([c for _, c in parts]))
    return minutes, counts


def _filled(at_us: Int64s, last_us: int) -> Int64s:
    """Rows without a time stand where they are: at the last time before them."""
    return np.maximum.accumulate(np.concatenate(([last_us], at_us)))[1:]


def _joined(reader: RowReader, parts: list[RawFrame]) -> RawFrame:
    filled = [part for part in parts if len(part.rows)]
    if filled:
        return concat_frames(filled)
    if parts:
        return parts[0]
    frame = pl.DataFrame(schema=dict.fromkeys(reader.source.column_names, pl.String))
    return RawFrame(frame, np.empty(0, np.int64), np.empty(0, np.uint8))
