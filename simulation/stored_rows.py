"""Decisions with all of their inputs, encoded and kept slice by slice.

A coded column has one dictionary for the whole history, so that rows of several slices can be put
together. Keys are kept for those who ask which payments those are; times of receipt are not: no
decision reads them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tidegate.dsl.program import EventType
from tidegate.dsl.types import Value
from tidegate.engine.column_batch import Bits, CodedColumn, Column, IntegerColumn, narrow, unpack
from tidegate.simulation.features import Interner
from tidegate.simulation.rows import Rows
from tidegate.simulation.stored_arrays import Array, ArrayWriter, StoredArrays
from tidegate.simulation.times import Flags, Int64s

_TIME, _PAST = "at", "past"
_KEYS, _KEY_ENDS = "key bytes", "key ends"


class RowWriter:
    """Writes the decisions of one event."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[int] = []
        self._arrays = ArrayWriter(folder)
        self._interners: dict[str, Interner] = {}
        self._reasons: dict[str, list[list[str]]] = {}

    def write(self, rows: Rows, kept: frozenset[str], ties: Mapping[str, Flags]) -> None:
        """The next slice; of its columns, those in `kept`."""
        arrays: dict[str, Array] = {_TIME: rows.at_us}
        if rows.past is not None:
            arrays[_PAST] = rows.past
        if len(rows.keys) == rows.count:
            arrays |= _encoded_keys(rows.keys)
        arrays |= {f"reported {name}": times for name, times in rows.reported_us.items()}
        arrays |= {f"status {model}": codes for model, codes in rows.statuses.items()}
        arrays |= {f"tied {key}": np.packbits(flags) for key, flags in ties.items()}
        for name, column in rows.columns.items():
            if name in kept:
                arrays |= self._column(name, column)
        self._arrays.write(arrays)
        self.rows.append(rows.count)

    def _column(self, name: str, column: Column) -> dict[str, Array]:
        arrays: dict[str, Array] = {}
        if isinstance(column, CodedColumn):
            interner = self._interners.setdefault(name, Interner())
            # The currencies of amounts are numbered anew in each slice.
            codes = interner.of_coded(column, grows="." not in name)
            arrays[f"codes {name}"] = narrow(codes)
        else:
            arrays[f"values {name}"] = column.values
            if column.valid is not None:
                arrays[f"valid {name}"] = np.packbits(column.valid)
        if column.reasons is not None:
            arrays[f"reasons {name}"] = column.reasons
        self._reasons.setdefault(name, []).append(list(column.reason_names))
        return arrays

    def close(self) -> dict[str, Any]:
        """Write the dictionaries; returns what it takes to read it all."""
        self._arrays.close()
        for place, interner in enumerate(self._interners.values()):
            path = _dictionary(self.folder, place)
            path.write_text(json.dumps(list(interner.known), ensure_ascii=True))
        return {
            "rows": self.rows,
            "arrays": self._arrays.index,
            "reasons": self._reasons,
            "dictionaries": list(self._interners),
        }


class StoredRows:
    """The decisions of one event as they were kept."""

    def __init__(self, folder: Path, event: EventType, index: Mapping[str, Any]) -> None:
        self.event = event
        self.rows: tuple[int, ...] = tuple(index["rows"])
        self.columns: frozenset[str] = frozenset(index["reasons"])
        self._folder = folder
        self._reasons = index["reasons"]
        self._dictionaries = {name: place for place, name in enumerate(index["dictionaries"])}
        self._arrays = StoredArrays(folder, index["arrays"])
        self._loaded: dict[str, tuple[Value, ...]] = {}

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(self.rows)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where each slice begins, in bytes, in a packed mask over all slices, and its end."""
        widths = [(rows + 7) // 8 for rows in self.rows]
        return tuple(int(start) for start in np.concatenate(([0], np.cumsum(widths))))

    def slice(self, run: int, picked: Int64s | None = None) -> Rows:
        """A slice, or some of its rows; a column is read when it is asked for."""

        def read(name: str) -> Array | None:
            array = self._arrays.get(name, run)
            return array if array is None or picked is None else array[picked]

        at_us = read(_TIME)
        assert at_us is not None
        return Rows(
            event=self.event,
            at_us=at_us,
            received_us=None,
            columns=LazyColumns(self.columns, lambda name: self._column(name, run, picked)),
            statuses=dict(self._named("status ", read)),
            reported_us=dict(self._named("reported ", read)),
            past=read(_PAST),
            keys=pl.Series([], dtype=pl.String),
            picked=np.empty(0, np.int64),
        )

    def keys(self, run: int, places: Int64s) -> list[str]:
        """The keys of some rows of a slice; KeyError where none were kept."""
        ends, content = self._arrays.get(_KEY_ENDS, run), self._arrays.get(_KEYS, run)
        if ends is None or content is None:
            raise KeyError(f"slice {run} has no keys")
        starts = np.concatenate(([0], ends[:-1]))
        return [content[starts[place] : ends[place]].tobytes().decode() for place in places]

    def tied(self, keys: frozenset[str]) -> int:
        """How many rows share their time and one of these keys with another."""
        found = 0
        for run in range(len(self.rows)):
            ties = [self._arrays.get(f"tied {key}", run) for key in keys]
            known: list[Bits] = [bits for bits in ties if bits is not None]
            if known:
                found += int(np.bitwise_count(np.bitwise_or.reduce(known)).sum(dtype=np.int64))
        return found

    def _named(
        self, prefix: str, read: Callable[[str], Array | None]
    ) -> Iterator[tuple[str, Array]]:
        for name in self._arrays.index:
            if name.startswith(prefix) and (array := read(name)) is not None:
                yield name.removeprefix(prefix), array

    def _column(self, name: str, run: int, picked: Int64s | None) -> Column:
        def of(what: str) -> Array | None:
            array = self._arrays.get(f"{what} {name}", run)
            if array is not None and what == "valid":
                array = unpack(array, self.rows[run])
            return array if array is None or picked is None else array[picked]

        reasons, names = of("reasons"), tuple(self._reasons[name][run])
        if name in self._dictionaries:
            codes = of("codes")
            assert codes is not None
            return CodedColumn(codes, self._dictionary(name), reasons, names)
        values = of("values")
        assert values is not None
        return IntegerColumn(values, of("valid"), reasons, names)

    def _dictionary(self, name: str) -> tuple[Value, ...]:
        if name not in self._loaded:
            path = _dictionary(self._folder, self._dictionaries[name])
            self._loaded[name] = tuple(json.loads(path.read_text()))
        return self._loaded[name]


def _encoded_keys(keys: pl.Series) -> dict[str, Array]:
    """The texts one behind another, and where each ends."""
    ends = np.cumsum(keys.str.len_bytes().to_numpy().astype(np.int64))
    content = "".join(keys.to_list()).encode()
    return {_KEYS: np.frombuffer(content, np.uint8), _KEY_ENDS: narrow(ends)}


class LazyColumns(Mapping[str, Column]):
    """Columns by name, each made when it is first asked for."""

    def __init__(self, names: frozenset[str], make: Callable[[str], Column]) -> None:
        self._names = names
        self._make = make
        self._made: dict[str, Column] = {}

    def __getitem__(self, name: str) -> Column:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _dictionary(folder: Path, place: int) -> Path:
    return folder / f"{place}.json"
