"""Rows of a source that pass the door, as columns, and an account of those that do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.dsl.card_numbers import holds_card_number
from tidegate.dsl.diagnostics import visible
from tidegate.dsl.program import EventType, Program
from tidegate.dsl.types import TIME_MAX_US, Kind
from tidegate.engine.column_batch import (
    CODED_KINDS,
    STATUSES,
    CodedColumn,
    Column,
    IntegerColumn,
)
from tidegate.engine.window_columns import NEVER_US
from tidegate.simulation import checked_mapping
from tidegate.simulation.checked_mapping import CheckedSource, LabelColumn
from tidegate.simulation.door import FINE, Cells, ColumnReader, by_distinct, text_of
from tidegate.simulation.files import BROKEN_CODES, RawFrame, SourceFiles
from tidegate.simulation.mapping import WORDS
from tidegate.simulation.times import Flags, Int64s

NAMED_BAD_ROWS = 20
_KEY_SHOWN = 60
UNKNOWN_WORD = "unknown_word"
LABEL_COLUMN = "label "
"""Before the label's name, what a fault calls the column of a label."""
_NOT_SAID, _UNKNOWN = -1, -2
_FALSE, _TRUE = 0, 1

Small = npt.NDArray[np.int8]
MakeReader = Callable[..., ColumnReader]


class Fault(NamedTuple):
    """Why a row was refused: the field (empty for the row as a whole) and the door's code."""

    field: str
    code: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """One refused row by its file, number (from 1) and key, with everything that is wrong.

    The key is empty where it may not be shown: a token, or what looks like a card number.
    """

    file: str
    row: int
    key: str
    faults: tuple[Fault, ...]


@dataclass(slots=True)
class Intake:
    """What became of the rows of one source; grows while the history is read.

    `copies` are later rows with a key that was there before, `ties` rows that share their time
    with another, `after_end` rows later than the history's end. `invalid` counts, by field, bad
    values that a lenient field let pass as missing.
    """

    rows: int = 0
    bad: int = 0
    after_end: int = 0
    copies: int = 0
    ties: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    invalid: Counter[str] = field(default_factory=Counter)
    named: list[BadRow] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """How many rows were taken in."""
        return self.rows - self.bad - self.after_end - self.copies


@dataclass(frozen=True, eq=False)
class Rows:
    """Events of one type that passed the door, in order of time.

    `reported_us` gives for each label that the source holds the time since when it is known as
    true, `NEVER_US` where it is not. `past` holds positions in `WORDS`, -1 where the history does
    not say. `keys` are the events' keys, `picked` their places in the
    frame that was taken.
    """

    event: EventType
    at_us: Int64s
    received_us: Int64s | None
    columns: Mapping[str, Column]
    statuses: Mapping[str, Small]
    reported_us: Mapping[str, Int64s]
    past: Small | None
    keys: pl.Series
    picked: Int64s

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.at_us)

    def first(self, rows: int) -> Rows:
        """The first rows."""
        return replace(
            self,
            at_us=self.at_us[:rows],
            received_us=None if self.received_us is None else self.received_us[:rows],
            columns={name: some_rows(column, slice(rows)) for name, column in self.columns.items()},
            statuses={name: statuses[:rows] for name, statuses in self.statuses.items()},
            reported_us={name: times[:rows] for name, times in self.reported_us.items()},
            past=None if self.past is None else self.past[:rows],
            keys=self.keys[:rows],
            picked=self.picked[:rows],
        )

    def at(self, rows: Int64s) -> Rows:
        """Some rows, by their places."""
        return replace(
            self,
            at_us=self.at_us[rows],
            received_us=None if self.received_us is None else self.received_us[rows],
            columns={name: some_rows(column, rows) for name, column in self.columns.items()},
            statuses={name: statuses[rows] for name, statuses in self.statuses.items()},
            reported_us={name: times[rows] for name, times in self.reported_us.items()},
            past=None if self.past is None else self.past[rows],
            keys=self.keys[rows],
            picked=self.picked[rows],
        )


def some_rows(column: Column, rows: Int64s | slice) -> Column:
    """Some rows of a column, by their places."""
    reasons = None if column.reasons is None else column.reasons[rows]
    if isinstance(column, CodedColumn):
        return CodedColumn(column.codes[rows], column.dictionary, reasons, column.reason_names)
    valid = None if column.valid is None else column.valid[rows]
    return IntegerColumn(column.values[rows], valid, reasons, column.reason_names)


class RowReader:
    """Reads the rows of one source; `intake` tells what became of them."""

    def __init__(
        self,
        source: CheckedSource,
        files: SourceFiles,
        program: Program,
        make: MakeReader,
        end_us: int | None = None,
    ) -> None:
        self.source = source
        self.files = files
        self.event = source.event
        self.end_us = TIME_MAX_US if end_us is None else end_us
        self.intake = Intake()
        self.later_copies: Int64s = np.empty(0, np.int64)
        models = (program.model(name) for name in source.event.models)
        self._models = tuple(model for model in models if model.external)
        self._readers = {
            column.field.name: make(
                column, source.event, is_key=column.field.name == self.event.key
            )
            for column in source.fields
        }
        self._features = {c.field.name: make(c, self.event, rounds=True) for c in source.features}
        self._scores = {s.model: make(s.column, self.event, rounds=True) for s in source.scores}
        self._received = make(source.received, self.event) if source.received else None
        self._order = make(source.order, self.event) if source.order else None
        self._reported = {
            label.name: make(label.reported, self.event)
            for label in source.labels
            if label.reported
        }
        self._label_codes = {label.name: _truth(label) for label in source.labels}

    # times and keys alone

    @property
    def scanned_columns(self) -> tuple[str, ...]:
        """The file's columns that times and keys come from."""
        columns = [self.source.column_of(self.event.at), self.source.column_of(self.event.key)]
        columns += filter(None, [self.source.received])
        columns += [label.reported for label in self.source.labels if label.reported]
        return tuple(name for column in columns for name in column.names)

    def at_of(self, raw: RawFrame) -> Int64s:
        """The rows' times, -1 where there is none."""
        cells = self._readers[self.event.at].read(raw.frame)
        return np.where(cells.refused | (raw.broken != 0), -1, cells.values)

    def known_of(self, raw: RawFrame) -> Int64s:
        """Per row, the latest time at which something was received or reported; 0 for never."""
        known = np.zeros(len(raw.rows), np.int64)
        for reader in (*self._reported.values(), *([self._received] if self._received else [])):
            known = np.maximum(known, reader.read(raw.frame).values)
        return known

    def accepted(self, raw: RawFrame) -> Flags:
        """Which rows pass the door."""
        flags: Flags = ~self._read(raw).refused
        return flags

    def keys_of(self, raw: RawFrame) -> pl.Series:
        """The rows' keys; null where there is none."""
        return texts_of(raw.frame, self.source.column_of(self.event.key))

    def arrivals(self, raw: RawFrame) -> pl.DataFrame:
        """Key, time of arrival, order and number of the rows that may be taken in."""
        read = self._read(raw)
        fine = np.flatnonzero(~read.refused & ~self._after_end(read))
        received = read.at_us if read.received_us is None else read.received_us
        return pl.DataFrame(
            {
                "key": self.keys_of(raw)[fine],
                "received": received[fine],
                "order": read.order[fine],
                "row": raw.rows[fine],
            }
        )

    # everything

    def take(self, raw: RawFrame) -> Rows:
        """The rows that are taken in, in order of time; the others go into the intake."""
        read = self._read(raw)
        self.intake.rows += len(raw.rows)
        self._note(raw, read)
        after_end = ~read.refused & self._after_end(read)
        self.intake.after_end += int(after_end.sum())
        copies = ~read.refused & ~after_end & np.isin(raw.rows, self.later_copies)
        self.intake.copies += int(copies.sum())
        rows = np.flatnonzero(~read.refused & ~after_end & ~copies)
        rows = rows[np.lexsort((read.order[rows], read.at_us[rows]))]
        self.intake.ties += _ties(read.at_us[rows])
        return self._rows(raw, read, rows)

    def _read(self, raw: RawFrame) -> _Read:
        frame = raw.frame
        at = self._readers[self.event.at].read(frame)
        cells = {
            name: at if name == self.event.at else reader.read(frame, at.values)
            for name, reader in self._readers.items()
        }
        cells |= {name: reader.read(frame) for name, reader in self._features.items()}
        cells |= {_score(name): reader.read(frame) for name, reader in self._scores.items()}
        cells |= {_label(name): reader.read(frame) for name, reader in self._reported.items()}
        if self._received is not None:
            cells[_RECEIVED] = self._received.read(frame)
        if self._order is not None:
            cells[_ORDER] = self._order.read(frame)
        return _Read(
            raw,
            at.values,
            cells,
            self._words(frame),
            self._given_statuses(frame),
            self._labels(frame),
        )

    def _after_end(self, read: _Read) -> Flags:
        after: Flags = read.at_us > self.end_us
        return after

    def _words(self, frame: pl.DataFrame) -> Small | None:
        outcome = self.source.outcome
        if outcome is None:
            return None
        codes = {text: WORDS.index(word) for text, word in outcome.values.items()}
        return _codes(frame[outcome.column], codes)

    def _labels(self, frame: pl.DataFrame) -> dict[str, Small]:
        return {
            label.name: _codes(frame[label.origin.column], self._label_codes[label.name])
            for label in self.source.labels
        }

    def _given_statuses(self, frame: pl.DataFrame) -> dict[str, Small]:
        return {
            score.model: _codes(
                frame[score.status.column],
                {text: STATUSES.index(status) for text, status in score.status.values.items()},
            )
            for score in self.source.scores
            if score.status is not None
        }

    def _note(self, raw: RawFrame, read: _Read) -> None:
        refused = np.flatnonzero(read.refused)
        self.intake.bad += len(refused)
        for fault, flags in read.faults():
            self.intake.faults[fault] += int(flags.sum())
        for name, cells in read.cells.items():
            self.intake.invalid[name] += int((cells.invalid & ~read.refused).sum())
        rows = refused[: max(NAMED_BAD_ROWS - len(self.intake.named), 0)]
        if not len(rows):
            return
        keys = self.keys_of(raw)
        for row in rows.tolist():
            file, number = self.files.place(int(raw.rows[row]))
            faults = tuple(fault for fault, flags in read.faults() if flags[row])
            self.intake.named.append(BadRow(file, number, self._shown(keys[row]), faults))

    def _shown(self, key: str | None) -> str:
        secret = self.event.field(self.event.key).type.kind is Kind.TOKEN
        if key is None or secret or holds_card_number(key):
            return ""
        return visible(key[:_KEY_SHOWN])

    # from cells to columns

    def _rows(self, raw: RawFrame, read: _Read, rows: Int64s) -> Rows:
        at_us = read.at_us[rows]
        columns = dict(self._columns(read, rows))
        statuses = dict(self._statuses(columns, read, rows, at_us))
        return Rows(
            event=self.event,
            at_us=at_us,
            received_us=None if read.received_us is None else read.received_us[rows],
            columns=columns,
            statuses=statuses,
            reported_us={
                label.name: self._label(label, read)[rows] for label in self.source.labels
            },
            past=None if read.past is None else read.past[rows],
            keys=self.keys_of(raw)[rows],
            picked=rows,
        )

    def _columns(self, read: _Read, rows: Int64s) -> Iterator[tuple[str, Column]]:
        for name in (*self._readers, *self._features):
            yield name, read.cells[name].column(rows)
            yield from read.cells[name].originals(name, rows)
        for declared in self.event.fields:
            if declared.name not in self._readers:
                kind = declared.type.kind
                yield declared.name, nothing(kind, len(rows))
                if kind is Kind.MONEY:
                    yield f"{declared.name}.original", nothing(Kind.NUMBER, len(rows))
                    yield f"{declared.name}.currency", nothing(Kind.TEXT, len(rows))

    def _statuses(
        self, columns: dict[str, Column], read: _Read, rows: Int64s, at_us: Int64s
    ) -> Iterator[tuple[str, Small]]:
        """How each external model answered; the columns get its scores, where it did."""
        ok, unavailable = STATUSES.index("ok"), STATUSES.index("unavailable")
        for model in self._models:
            if model.name not in self._scores:
                columns[model.score] = nothing(Kind.NUMBER, len(rows))
                yield model.name, np.full(len(rows), unavailable, np.int8)
                continue
            column = read.cells[_score(model.name)].column(rows)
            assert isinstance(column, IntegerColumn)
            given = np.ones(len(rows), np.bool_) if column.valid is None else column.valid
            status = read.statuses.get(model.name, np.full(len(given), ok, np.int8))
            status = status[rows] if model.name in read.statuses else status
            silent = (status < 0) | ((status == ok) & ~given)
            ended = np.zeros(len(rows), np.bool_)
            if model.until_us is not None:
                ended = at_us >= model.until_us
            silent |= ended
            # Whoever sends a score that is none did not fail to be asked.
            bad = read.cells[_score(model.name)].invalid[rows] & (status == ok)
            status = np.where(silent, unavailable, status).astype(np.int8)
            status[bad & ~ended] = STATUSES.index("failed")
            columns[model.score] = IntegerColumn.of(column.values, status == ok)
            yield model.name, status

    def _label(self, label: LabelColumn, read: _Read) -> Int64s:
        true = read.labels[label.name] == _TRUE
        reported = read.at_us + label.after_us
        if label.reported is not None:
            cells = read.cells[_label(label.name)]
            reported = np.where(cells.faults == FINE, cells.values, reported)
        return np.where(true, reported, NEVER_US)


# No name of the language has a blank.
_RECEIVED, _ORDER = "time received", "order column"


def _score(model: str) -> str:
    return f"score of {model}"


def _label(name: str) -> str:
    return f"{name} reported"


@dataclass(frozen=True, eq=False)
class _Read:
    """A raw frame with all of its cells."""

    raw: RawFrame
    at_us: Int64s
    cells: Mapping[str, Cells]
    past: Small | None
    statuses: Mapping[str, Small]
    labels: Mapping[str, Small]

    @property
    def words(self) -> Iterator[tuple[str, Small]]:
        """Columns of which every text has to be known, by the name that a fault gives them."""
        if self.past is not None:
            yield "outcome", self.past
        yield from ((f"status of {model}", codes) for model, codes in self.statuses.items())
        yield from ((f"{LABEL_COLUMN}{name}", codes) for name, codes in self.labels.items())

    @property
    def refused(self) -> Flags:
        refused: Flags = self.raw.broken != 0
        for cells in self.cells.values():
            refused = refused | cells.refused
        for _, codes in self.words:
            refused = refused | (codes == _UNKNOWN)
        return refused

    @property
    def received_us(self) -> Int64s | None:
        """When the rows were received; at their own time where the history does not say."""
        cells = self.cells.get(_RECEIVED)
        return None if cells is None else np.where(cells.faults == FINE, cells.values, self.at_us)

    @property
    def order(self) -> Int64s:
        """What settles which of two rows of one time came first; else their place in the file."""
        cells = self.cells.get(_ORDER)
        return self.raw.rows if cells is None else cells.values

    def faults(self) -> Iterator[tuple[Fault, Flags]]:
        """Everything that is wrong, each with its rows. A broken row has only that fault."""
        whole = self.raw.broken == 0
        for code in range(1, len(BROKEN_CODES)):
            if (flags := self.raw.broken == code).any():
                yield Fault("", BROKEN_CODES[code]), flags
        for name, cells in self.cells.items():
            for code in np.unique(cells.faults[cells.refused & whole]).tolist():
                yield Fault(name, cells.codes[code]), (cells.faults == code) & whole
        for name, codes in self.words:
            if (flags := (codes == _UNKNOWN) & whole).any():
                yield Fault(name, UNKNOWN_WORD), flags


def _truth(label: LabelColumn) -> dict[str, int]:
    """The code of each text of a label's column."""
    return dict.fromkeys(label.origin.false_values, _FALSE) | dict.fromkeys(
        label.origin.true_values, _TRUE
    )


def nothing(kind: Kind, rows: int) -> Column:
    """A column in which every row is missing."""
    if kind in CODED_KINDS:
        return CodedColumn(np.full(rows, -1, np.int8), ())
    return IntegerColumn(np.zeros(rows, np.int8), np.zeros(rows, np.bool_))


def texts_of(frame: pl.DataFrame, column: checked_mapping.Column) -> pl.Series:
    """The column as the texts that the mapping and the door make of it."""
    origin = column.origin
    if origin.constant is not None:
        return pl.Series([origin.constant], dtype=pl.String).new_from_index(0, frame.height)
    texts = frame[origin.column].cast(pl.String)
    if origin.missing:
        texts = texts.set(texts.is_in(origin.missing), None)
    if origin.values:
        texts = texts.replace(origin.values)
    if frame[origin.column].dtype == pl.String:
        texts = texts.str.normalize("NFC")
    if column.field.folded:
        texts = by_distinct(texts, lambda text: None if text is None else text.casefold())
    return texts


def _codes(series: pl.Series, codes: Mapping[str, int]) -> Small:
    """The code of each row's text: -1 where there is none, -2 where it is not in `codes`."""

    def code(raw: object) -> int:
        return _NOT_SAID if raw is None else codes.get(text_of(raw) or "", _UNKNOWN)

    return by_distinct(series, code).cast(pl.Int8).to_numpy()


def _ties(at_us: Int64s) -> int:
    """How many rows share their time with another; `at_us` ascends."""
    same = at_us[1:] == at_us[:-1]
    if not same.any():
        return 0
    tied = np.zeros(len(at_us), np.bool_)
    tied[1:] |= same
    tied[:-1] |= same
    return int(tied.sum())
