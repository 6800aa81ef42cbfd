"""Generated rules as one DuckDB query: per rule how often it fires and how often it is unknown.

SQL's logic is three-valued as ours is, so a rule is its condition and unknown where that is NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from bench.rule_sets import FACTOR_SCALE, LISTS, Rule, Test
from tidegate.dsl.lists import Lists

UP_TO = 50
"""More rules in one query take DuckDB minutes: its time grows much faster than their number."""

Counts = list[tuple[int, int]]


def duckdb_counts(rules: Sequence[Rule], frame: pl.DataFrame, lists: Lists) -> Callable[[], Counts]:
    """What counts every rule in one query on one core; the table is loaded beforehand."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    connection.register("arrow", frame.to_arrow())
    connection.execute("CREATE TABLE payments AS SELECT * FROM arrow")
    for name in LISTS.values():
        content = lists[name]
        values = sorted(map(str, content.values)) if content is not None else []
        connection.register(f"{name}_frame", pl.DataFrame({"value": values}).to_arrow())
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_frame")
    query = f"SELECT {', '.join(map(_counted, rules))} FROM payments"

    def count() -> Counts:
        row = connection.execute(query).fetchone() or ()
        return list(zip(row[::2], row[1::2], strict=True))

    return count


def _counted(rule: Rule) -> str:
    condition = " AND ".join(map(_condition, rule.tests))
    return f"count(*) FILTER (WHERE {condition}), count(*) FILTER (WHERE ({condition}) IS NULL)"


def _condition(test: Test) -> str:
    match test.op:
        case "in":
            assert isinstance(test.value, tuple)
            return f"{test.field} IN ({', '.join(map(_quoted, test.value))})"
        case "in list":
            return f"{test.field} IN (SELECT value FROM {LISTS[test.field]})"
        case "differs":
            return f"{test.field} <> {test.other}"
        case "times":
            return f"{test.field} * {FACTOR_SCALE} >= {test.other} * {test.value}"
    literal = _quoted(test.value) if isinstance(test.value, str) else str(test.value)
    return f"{test.field} {test.op} {literal}"


def _quoted(text: str) -> str:
    return f"'{text}'"
