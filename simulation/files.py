"""Files of a history as a stream of frames: Parquet by Polars' streaming engine, CSV row by row.

A CSV file is read as texts, so that no library guesses what a value is; a row with too many or too
few fields, or with bytes that are not UTF-8, comes through marked as broken.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PolarsError

from tidegate.dsl.diagnostics import nearest
from tidegate.simulation.checked_mapping import CheckedSource, Column
from tidegate.simulation.mapping import MappingError, Problem
from tidegate.simulation.times import Flags, Int64s
from tidegate.simulation.unreadable import why_unreadable

_NOT_UTF8 = "\ufffd"
_LARGEST_FIELD = 1 << 20
WRONG_FIELD_COUNT, NOT_UTF8 = "wrong_field_count", "not_utf8"
Codes = npt.NDArray[np.uint8]
_DELIMITERS = {",": '","', ";": '";"', "\t": '"\\t"', "|": '"|"'}
BROKEN_CODES = ("", WRONG_FIELD_COUNT, NOT_UTF8)


@dataclass(frozen=True, eq=False)
class RawFrame:
    """Rows as the file has them. `rows` are their numbers in the source, from 0.

    `broken` are positions in `BROKEN_CODES`.
    """

    frame: pl.DataFrame
    rows: Int64s
    broken: Codes

    def filter(self, kept: Flags) -> RawFrame:
        """Some of its rows."""
        if kept.all():
            return self
        return RawFrame(self.frame.filter(kept), self.rows[kept], self.broken[kept])

    def take(self, rows: slice) -> RawFrame:
        """A run of its rows."""
        return RawFrame(self.frame[rows], self.rows[rows], self.broken[rows])


def concat_frames(frames: list[RawFrame]) -> RawFrame:
    """One frame of several."""
    if len(frames) == 1:
        return frames[0]
    return RawFrame(
        pl.concat([part.frame for part in frames], rechunk=True),
        np.concatenate([part.rows for part in frames]),
        np.concatenate([part.broken for part in frames]),
    )


class SourceFiles:
    """The files of one source, one after another."""

    def __init__(self, source: CheckedSource, mapping: Path) -> None:
        self.source = source
        problems = [p for path in source.files for p in self._problems(path, str(mapping))]
        if problems:
            raise MappingError(problems)
        self._starts: list[tuple[int, Path]] = []

    def frames(self, chunk_rows: int, columns: Iterable[str] | None = None) -> Iterator[RawFrame]:
        """The rows in the files' order, at most `chunk_rows` at a time."""
        names = list(self.source.column_names if columns is None else dict.fromkeys(columns))
        self._starts, row = [], 0
        for path in self.source.files:
            self._starts.append((row, path))
            for frame, broken in self._frames_of(path, names, chunk_rows):
                yield RawFrame(frame, np.arange(row, row + frame.height), broken)
                row += frame.height

    def place(self, row: int) -> tuple[str, int]:
        """The file of a row that was read, and its number there, from 1 without the heading."""
        start, path = max((entry for entry in self._starts if entry[0] <= row), key=_start)
        return path.name, row - start + 1

    def _frames_of(
        self, path: Path, names: list[str], chunk_rows: int
    ) -> Iterator[tuple[pl.DataFrame, Codes]]:
        if self.source.format == "csv":
            yield from self._csv_frames(path, names, chunk_rows)
            return
        scan = pl.scan_parquet(path, glob=False).select(names)
        for frame in scan.collect_batches(chunk_size=chunk_rows, maintain_order=True):
            yield frame, np.zeros(frame.height, np.uint8)

    def _csv_frames(
        self, path: Path, names: list[str], chunk_rows: int
    ) -> Iterator[tuple[pl.DataFrame, Codes]]:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            reader = _reader(stream, self.source.delimiter)
            heading = next(reader)
            places = [heading.index(name) for name in names]
            lines = _records(reader, len(heading))
            try:
                while chunk := list(islice(lines, chunk_rows)):
                    yield _csv_frame(chunk, len(heading), names, places)
            except csv.Error:
                message = (
                    f"`{path.name}` has a cell of more than 1 MiB, up to line {reader.line_num}"
                )
                help_ = "look for a quote that is never closed"
                raise MappingError([Problem(str(path), "", message, help_)]) from None

    # what does not fit

    def _problems(self, path: Path, mapping: str) -> Iterator[Problem]:
        event = self.source.event.name
        if cause := why_unreadable(path, self.source.format):
            yield Problem(mapping, event, f"`{path}` {cause.what}", cause.help)
            return
        try:
            schema = self._schema(path)
        except (PolarsError, OSError, csv.Error):
            message = f"`{path}` cannot be read as {self.source.format}: it is damaged or cut off"
            yield Problem(mapping, event, message, "export it again")
            return
        absent = [name for name in self.source.column_names if name not in schema]
        if absent and len(schema) == 1:
            yield Problem(mapping, f"{event}.delimiter", *_one_column(path, next(iter(schema))))
            return
        for name in absent:
            message = f"`{path.name}` has no column `{name}`"
            yield Problem(mapping, event, message, nearest(name, schema))
        for column in self.source.columns:
            if column.origin.column in schema:
                yield from _dtype_problems(mapping, self.source, column, schema)

    def _schema(self, path: Path) -> dict[str, pl.DataType]:
        if self.source.format == "csv":
            return {name: pl.String() for name in _heading(path, self.source.delimiter)}
        return dict(pl.read_parquet_schema(path))


def _start(entry: tuple[int, Path]) -> int:
    return entry[0]


def _dtype_problems(
    mapping: str, source: CheckedSource, column: Column, schema: dict[str, pl.DataType]
) -> Iterator[Problem]:
    """What the column's type in the file needs and the mapping does not say."""
    dtype, name = schema[column.origin.column], column.field.name
    key = f"{source.event.name}.{name}"
    if dtype.is_nested():
        yield Problem(mapping, key, f"`{column.origin.column}` holds more than one value a row")
    if column.field.type.kind.value != "time" or column.origin.values or column.origin.missing:
        return
    if dtype.is_integer() and not column.origin.unit:
        yield Problem(mapping, f"{key}.unit", "has to say what its numbers count", "s, ms or us")
    naive = isinstance(dtype, pl.Datetime) and dtype.time_zone is None
    if (naive or dtype == pl.Date) and not column.zone:
        message = f"`{column.origin.column}` holds local times without a zone"
        yield Problem(mapping, f"{key}.zone", message, "name it, such as UTC or Europe/Paris")
    if not (dtype.is_integer() or dtype.is_temporal() or dtype == pl.String):
        yield Problem(mapping, key, f"`{column.origin.column}` holds no times")


# --- CSV ---------------------------------------------------------------------------------------


def _reader(stream: TextIO, delimiter: str) -> Any:
    csv.field_size_limit(_LARGEST_FIELD)
    return csv.reader(stream, delimiter=delimiter)


def _heading(path: Path, delimiter: str) -> list[str]:
    # A byte that is not UTF-8 costs its row, however early it stands.
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        return next(_reader(stream, delimiter), [])


def _records(reader: Any, width: int) -> Iterator[list[str]]:
    """The records that hold anything.

    One of another width counts once for every line that it swallowed: a stray quote takes the rows
    behind it into a cell.
    """
    line = reader.line_num
    for cells in reader:
        if len(cells) == width:
            yield cells
        elif cells:
            yield from repeat(cells, reader.line_num - line)
        line = reader.line_num


def _one_column(path: Path, heading: str) -> tuple[str, str]:
    """What to say where a heading is in one piece."""
    message = f"does not part the heading of `{path.name}`: it is one column"
    found = [(heading.count(mark), name) for mark, name in _DELIMITERS.items() if mark in heading]
    return message, f"write `delimiter: {max(found)[1]}`" if found else ""


def _csv_frame(
    lines: list[list[str]], width: int, names: list[str], places: list[int]
) -> tuple[pl.DataFrame, Codes]:
    broken = np.array([len(line) != width for line in lines], np.uint8)
    for index in np.flatnonzero(broken).tolist():
        lines[index] = [""] * width
    data = {
        name: pl.Series([line[place] or None for line in lines], dtype=pl.String)
        for name, place in zip(names, places, strict=True)
    }
    frame = pl.DataFrame(data, height=len(lines))
    damaged = frame.select(
        pl.any_horizontal(pl.all().str.contains(_NOT_UTF8, literal=True).fill_null(False))
    ).to_series()
    broken[damaged.to_numpy()] = BROKEN_CODES.index(NOT_UTF8)
    return frame, broken
