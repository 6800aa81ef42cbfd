"""What a history's decisions read in tables, in columns: each key is looked up once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import numpy as np

from tidegate.dsl.program import EventType, Input, Lookup
from tidegate.dsl.tables import EMPTY_CELL, NO_ROW, TableContent, Tables
from tidegate.dsl.types import Value
from tidegate.engine.column_batch import (
    ABSENT,
    CODED_KINDS,
    CodedColumn,
    Column,
    IntegerColumn,
)

_REASONS = (ABSENT, NO_ROW, EMPTY_CELL)


def lookups_of(event: EventType) -> tuple[tuple[Input, Lookup], ...]:
    """What decisions of this event read in tables."""
    return tuple((item, item.lookup) for item in event.inputs if item.lookup is not None)


def looked_up(
    event: EventType, tables: Tables, columns: Mapping[str, Column]
) -> Iterator[tuple[str, Column]]:
    """By input, its column over the same rows as `columns`, the event's fields."""
    for item, lookup in lookups_of(event):
        keys = columns[lookup.key]
        assert isinstance(keys, CodedColumn)  # a text, a token or a country
        yield item.name, _column(item, lookup, tables[lookup.table], keys)


def _column(item: Input, lookup: Lookup, table: TableContent, keys: CodedColumn) -> Column:
    """One entry a key of the dictionary and, at the end, one for a missing key."""
    found = [table.read(lookup, key) for key in (*keys.dictionary, None)]
    values = [value for value, _ in found]
    rows = keys.codes.astype(np.int64)
    why = np.array([_REASONS.index(reason or ABSENT) for _, reason in found], np.uint8)
    reasons = why[rows]
    if item.type.kind in CODED_KINDS:
        known: dict[Value, int] = {}
        codes = [-1 if v is None else known.setdefault(v, len(known)) for v in values]
        return CodedColumn(np.array(codes, np.int64)[rows], tuple(known), reasons, _REASONS)
    there = np.array([value is not None for value in values], np.bool_)[rows]
    held = np.array([int(cast("int", value or 0)) for value in values], np.int64)[rows]
    narrowed = IntegerColumn.of(held, there)
    return IntegerColumn(narrowed.values, narrowed.valid, reasons, _REASONS)
