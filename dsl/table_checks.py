"""Checking of reference tables: what they are looked up by, and what their columns hold."""

from __future__ import annotations

from typing import cast

from tidegate.dsl import tree
from tidegate.dsl.expressions import Typer
from tidegate.dsl.program import Column, Table
from tidegate.dsl.shared_checks import limit, text_of, value_type
from tidegate.dsl.types import INTEGER_KINDS, Kind, Type, Value

KEY_KINDS = (Kind.TEXT, Kind.TOKEN, Kind.COUNTRY)
COLUMN_KINDS = (
    Kind.MONEY, Kind.NUMBER, Kind.COUNT, Kind.DURATION, Kind.FLAG, Kind.TEXT, Kind.COUNTRY,
    Kind.WORD,
)  # fmt: skip


def check_table(typer: Typer, declared: tree.TableDeclaration) -> Table | None:
    """A table with its columns."""
    assert declared.type is not None
    assert declared.path is not None
    before = len(typer.problems)
    key = Kind(declared.type.word)
    if key not in KEY_KINDS:
        typer.error(
            "TG226",
            f"a table is looked up by a text, a token or a country, not by a {key.value}",
            declared.type.span,
        )
    if not declared.columns:
        typer.error(
            "TG226",
            f"table `{declared.name.text}` has no columns",
            declared.name.span,
            "name them with their types below it, as in `cut money`",
        )
    columns: dict[str, Column] = {}
    for each in declared.columns:
        first = columns.get(each.name.text)
        if first is not None:
            typer.error(
                "TG201",
                f"column `{first.name}` is declared twice",
                each.name.span,
                "delete one of them",
                ((first.span, "first declared here"),),
            )
        elif (column := _column(typer, each)) is not None:
            columns[column.name] = column
    if len(typer.problems) > before:
        return None
    return Table(
        name=declared.name.text,
        key=Type(key),
        path=declared.path.value,
        columns=tuple(columns.values()),
        span=declared.name.span,
        text=text_of(declared.text),
    )


def _column(typer: Typer, declared: tree.ColumnDeclaration) -> Column | None:
    kind = value_type(typer, declared.type)
    if kind is None:
        return None
    if kind.kind not in COLUMN_KINDS:
        typer.error(
            "TG226",
            f"a column cannot be a {declared.type.word}",
            declared.type.span,
            f"it can be a {', '.join(k.value for k in COLUMN_KINDS)}",
        )
        return None
    minimum, maximum = limit(typer, declared.minimum, kind), limit(typer, declared.maximum, kind)
    if minimum is None and maximum is not None and maximum > 0:
        minimum = -maximum  # as for a field: `max` alone bounds the size
    if minimum is not None and maximum is not None and minimum > maximum:
        typer.error("TG212", "`min` is larger than `max`", declared.span)
        return None
    column = Column(
        declared.name.text, kind, declared.name.span, declared.type.optional, minimum, maximum
    )
    default = None
    if declared.default is not None:
        default = _default(typer, declared.default, column)
    return Column(
        column.name, kind, column.span, column.optional, minimum, maximum, default
    )  # fmt: skip


def _default(typer: Typer, literal: tree.Literal, column: Column) -> Value | None:
    typed = typer.value(literal, "", column.type)
    if typed is None:
        return None
    value = cast("Value", getattr(typed, "value", 0))
    if typed.type != column.type:
        typer.error(
            "TG226", f"this is a {typed.type}, the column a {column.type}", literal.span
        )  # fmt: skip
    elif not within(column, value):
        typer.error(
            "TG226", f"the default of `{column.name}` lies outside its bounds", literal.span
        )
    return value


def within(column: Column, value: Value) -> bool:
    """Whether a value of the column's type lies within the column's bounds."""
    if column.type.kind not in INTEGER_KINDS:
        return True
    number = int(value)
    above = column.minimum is None or number >= column.minimum
    return above and (column.maximum is None or number <= column.maximum)
