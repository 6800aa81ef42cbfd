"""The files of reference tables: CSV into typed rows, every bad line named.

key,cut,tier
books_r_us,500 EUR,gold
tea_time,80 EUR,plain
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from unicodedata import normalize

from tidegate.dsl import tree
from tidegate.dsl.countries import COUNTRIES
from tidegate.dsl.currencies import example
from tidegate.dsl.literals import Wrong, read_literal
from tidegate.dsl.program import Column, Table
from tidegate.dsl.source import Span
from tidegate.dsl.table_checks import within
from tidegate.dsl.tables import Row, TableContent
from tidegate.dsl.types import Kind, Value
from tidegate.dsl.zones import load_zone
from tidegate.rules.tables import (
    Line,
    Problems,
    bad_line,
    capped,
    csv_lines,
    empty_file,
    wrong_value,
)

KEY = "key"
MAX_ROWS = 100_000
"""How many rows a table may have."""
_CODE = "TG711"

_WHOLE = r"(?:0|[1-9][0-9]{0,18})"
_DECIMAL = rf"{_WHOLE}(?:\.[0-9]{{1,6}})?"
_FORMS: dict[Kind, tuple[tuple[str, tree.LiteralKind], ...]] = {
    Kind.MONEY: ((rf"{_DECIMAL} ?[A-Z]{{3}}", "money"),),
    Kind.NUMBER: (
        (_WHOLE, "whole"), (rf"{_WHOLE}\.[0-9]{{1,6}}", "decimal"), (rf"{_DECIMAL}%", "percent"),
    ),
    Kind.COUNT: ((_WHOLE, "whole"),),
    Kind.DURATION: ((rf"{_WHOLE}(?:us|ms|s|m|h|d|w)", "duration"),),
    Kind.FLAG: (("true|false", "flag"),),
}  # fmt: skip
_SHOWN = {
    Kind.NUMBER: "`0.85` or `12%`", Kind.COUNT: "`5`", Kind.DURATION: "`10m`",
    Kind.FLAG: "`true` or `false`",
}  # fmt: skip


def read_table(path: Path, table: Table, currency: str) -> tuple[TableContent | None, Problems]:
    """The contents of a table's file; None where its heading cannot be read.

    A bad line, a key that comes twice and more than `MAX_ROWS` rows are errors. No message repeats
    a key or a cell.
    """
    problems: Problems = []
    lines = csv_lines(path, table.path, problems)
    order = _order(next(lines, None), table, problems)
    if order is None:
        return None, problems
    reader = _Reader(table, order, currency, problems)
    for line in lines:
        if len(reader.rows) == MAX_ROWS:
            problems.append(
                bad_line(table.path, line[0], f"a table has at most {MAX_ROWS:,} rows", "TG712")
            )
            break
        reader.take(line)
    if not (reader.rows or problems):
        problems.append(empty_file(table.path, "rows", "what is read there is missing"))
    content = TableContent(tuple(column.name for column in table.columns), reader.rows)
    return content, capped(problems, table.path)


def _order(head: Line | None, table: Table, problems: Problems) -> tuple[int, ...] | None:
    """Where each column of the table stands in a line; the key is in front."""
    names = [KEY, *(column.name for column in table.columns)]
    number, cells = head or (1, [])
    found = [cell.strip() for cell in cells]
    if problems:  # the file could not be read
        return None
    if found[:1] != [KEY] or sorted(found) != sorted(names):
        problems.append(
            bad_line(table.path, number, f"the heading is `{','.join(names)}`", _CODE)
        )  # fmt: skip
        return None
    return tuple(found.index(column.name) for column in table.columns)


class _Reader:
    """Reads line after line into `rows`."""

    def __init__(
        self, table: Table, order: Sequence[int], currency: str, problems: Problems
    ) -> None:
        self.table = table
        self.columns = tuple(zip(order, table.columns, strict=True))
        self.currency = currency
        self.problems = problems
        self.rows: dict[str, Row] = {}
        self._lines: dict[str, int] = {}

    def take(self, line: Line) -> None:
        """Read one line, or say what is wrong with it."""
        number, cells = line
        wrong = list(self._wrong(cells))
        key = normalize("NFC", cells[0].strip())
        if not wrong and key in self._lines:
            wrong = [f"this key has a row already, in line {self._lines[key]}"]
        if wrong:
            self.problems += [bad_line(self.table.path, number, what, _CODE) for what in wrong]
            return
        self._lines[key] = number
        self.rows[key] = tuple(self._value(cells[place], column) for place, column in self.columns)

    def _wrong(self, cells: list[str]) -> Iterator[str]:
        if len(cells) != len(self.columns) + 1:
            yield f"this line has {len(cells)} cells, the heading {len(self.columns) + 1}"
            return
        if wrong := wrong_value(cells[0].strip(), self.table.key.kind, "tables"):
            yield f"the key: {wrong}"
        for place, column in self.columns:
            if wrong := self._wrong_cell(cells[place].strip(), column):
                yield f"`{column.name}`: {wrong}"

    def _wrong_cell(self, cell: str, column: Column) -> str:
        if not cell:
            return "" if column.optional else f"an empty cell; write `{column.type.kind.value}?`"
        if column.type.kind not in _FORMS:
            return _wrong_text(cell, column)
        value = self._parsed(cell, column)
        if isinstance(value, str):
            return value
        return "" if within(column, value) else "this lies outside the column's bounds"

    def _value(self, cell: str, column: Column) -> Value | None:
        text = cell.strip()
        if not text:
            return None
        if column.type.kind not in _FORMS:
            return normalize("NFC", text)
        value = self._parsed(text, column)
        assert not isinstance(value, str)  # `_wrong` has looked
        return value

    def _parsed(self, cell: str, column: Column) -> int | str:
        """The value of a cell, or in words what is wrong with it."""
        kind, sign = column.type.kind, cell.startswith("-")
        bare = cell.removeprefix("-")
        form = next((name for pattern, name in _FORMS[kind] if re.fullmatch(pattern, bare)), None)
        if form is None or (sign and kind is Kind.FLAG):
            shown = _SHOWN.get(kind) or f"`{example(self.currency)}`"
            return f"a {kind.value} is written as in {shown}"
        spelling = f"{bare[:-3].rstrip()} {bare[-3:]}" if form == "money" else bare
        zone = load_zone("UTC")
        assert zone is not None  # it is in every zone database
        literal = tree.Literal(Span("", 0, 0), form, spelling, negative=sign)
        read = read_literal(literal, kind, self.currency, zone)
        if isinstance(read, Wrong):
            return _without_cell(read)
        assert not isinstance(read.value, str)  # none of these kinds is held as a text
        return read.value


def _without_cell(wrong: Wrong) -> str:
    """What is wrong with an amount or a number, without repeating it."""
    if wrong.code == "TG302":
        return "this amount is not in the policy's currency"
    return "this cannot be held exactly, or not at all"


def _wrong_text(cell: str, column: Column) -> str:
    if column.type.kind is Kind.WORD:
        words = ", ".join(column.type.words)
        return "" if normalize("NFC", cell) in column.type.words else f"this is none of {words}"
    if column.type.kind is Kind.COUNTRY and cell not in COUNTRIES:
        return "this is no country code of ISO 3166-1"
    return wrong_value(cell, Kind.TEXT, "tables")
