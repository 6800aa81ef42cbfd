"""Picked rows of several slices, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tidegate.engine.column_batch import CodedColumn, Column, IntegerColumn
from tidegate.simulation.rows import Rows
from tidegate.simulation.stored_arrays import Array
from tidegate.simulation.stored_rows import LazyColumns, StoredRows
from tidegate.simulation.times import Int64s


def join_rows(stored: StoredRows, places: Sequence[tuple[int, Int64s]]) -> Rows:
    """These rows of these slices as one batch; a column is put together when it is asked for.

    Why values are missing is not kept: no decision reads it.
    """
    parts = [stored.slice(run, picked) for run, picked in places]

    first = parts[0]
    return replace(
        first,
        at_us=np.concatenate([part.at_us for part in parts]),
        columns=LazyColumns(
            stored.columns, lambda name: join_columns([part.columns[name] for part in parts])
        ),
        statuses=_by_name([part.statuses for part in parts]),
        reported_us=_by_name([part.reported_us for part in parts]),
        past=None if first.past is None else np.concatenate(list(map(_past, parts))),
    )


def _by_name(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _past(rows: Rows) -> Array:
    assert rows.past is not None
    return rows.past


def join_columns(columns: Sequence[Column]) -> Column:
    """One column after another; coded ones share their dictionary."""
    first = columns[0]
    if isinstance(first, CodedColumn):
        codes: list[Any] = [c.codes for c in columns if isinstance(c, CodedColumn)]
        return CodedColumn(np.concatenate(codes), first.dictionary)
    integers = [column for column in columns if isinstance(column, IntegerColumn)]
    values = np.concatenate([column.values for column in integers])
    if all(column.valid is None for column in integers):
        return IntegerColumn(values)
    return IntegerColumn(values, np.concatenate([_valid(column) for column in integers]))


def _valid(column: IntegerColumn) -> Array:
    return np.ones(len(column.values), np.bool_) if column.valid is None else column.valid
