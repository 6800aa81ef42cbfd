"""The contents of reference tables, and what is read in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tidegate.dsl.program import Lookup
from tidegate.dsl.types import Value

NO_ROW = "no_row"
"""Why a value is missing whose key no row of the table has."""
EMPTY_CELL = "empty_cell"
"""Why a value is missing whose row leaves the column empty."""

Row = tuple[Value | None, ...]
Found = tuple[Value | None, str | None]
"""A value, or None and why it is missing (None: the key was)."""


@dataclass(frozen=True)
class TableContent:
    """What a table holds: by key one value a column, None where the cell is empty."""

    columns: tuple[str, ...]
    rows: Mapping[str, Row]

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of the content; the order of the rows is left out."""
        plain = [list(self.columns), sorted([key, list(row)] for key, row in self.rows.items())]
        text = json.dumps(plain, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def read(self, lookup: Lookup, key: Value | None) -> Found:
        """What `lookup` finds for `key`."""
        if key is None:
            return None, None
        row = self.rows.get(str(key))
        if row is None:
            return lookup.default, (NO_ROW if lookup.default is None else None)
        value = row[self.columns.index(lookup.column)]
        return value, (EMPTY_CELL if value is None else None)


Tables = Mapping[str, TableContent]
"""By table name."""
