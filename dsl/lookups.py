"""Typing of what is read in a table, `limits[merchant].cut`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.dsl import tree
from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.program import Column, Field, Input, Lookup, Table
from tidegate.dsl.types import NATURAL_BOUNDS, Bounds

if TYPE_CHECKING:
    from tidegate.dsl.expressions import Typer


def typed_lookup(typer: Typer, node: tree.Lookup, event: str) -> Input | None:
    """An input of `event` with the type of the column; None with what is wrong reported."""
    table, field = _table(typer, node), _key(typer, node, event)
    if table is None or field is None:
        return None
    column = next((c for c in table.columns if c.name == node.column.text), None)
    if column is None:
        near = nearest(node.column.text, [c.name for c in table.columns])
        typer.error(
            "TG204", f"table `{table.name}` has no column `{node.column.text}`", node.column.span,
            near, ((table.span, "the table is here"),),
        )  # fmt: skip
        return None
    if field.type != table.key:
        typer.error(
            "TG227",
            f"table `{table.name}` is looked up by a {table.key}; `{field.name}` is a {field.type}",
            node.key.span,
            related=((table.span, "the table is here"),),
        )
        return None
    return _input(node, table, field, column)


def _table(typer: Typer, node: tree.Lookup) -> Table | None:
    name = node.table.text
    table = typer.tables.get(name)
    if table is None and not typer.names.is_lost(name, "table"):
        typer.error(
            "TG204", f"no table is called `{name}`", node.table.span, nearest(name, typer.tables)
        )
    return table


def _key(typer: Typer, node: tree.Lookup, event: str) -> Field | None:
    name, fields = node.key.text, typer.fields.get(event, {})
    field = fields.get(name)
    if field is not None or typer.names.is_lost(name, "field"):
        return field
    known = typer.names.is_value(name)
    typer.error(
        "TG227",
        f"a table is looked up by a field of the event, and `{name}` is no field of `{event}`",
        node.key.span,
        "" if known else nearest(name, fields),
    )
    return None


def _input(node: tree.Lookup, table: Table, field: Field, column: Column) -> Input:
    natural = NATURAL_BOUNDS.get(column.type.kind)
    bounds = None
    if natural is not None:
        low = natural.low if column.minimum is None else column.minimum
        high = natural.high if column.maximum is None else column.maximum
        bounds = Bounds(low, high)
    missing = field.optional or column.optional or column.default is None
    return Input(
        name=f"{table.name}[{field.name}].{column.name}",
        source="lookup",
        type=column.type,
        span=node.span,
        bounds=bounds,
        can_be_missing=missing,
        can_fail=missing,
        lookup=Lookup(
            table.name, field.name, column.name, table.key, column.optional, column.minimum,
            column.maximum, column.default,
        ),
    )  # fmt: skip
