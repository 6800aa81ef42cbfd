"""What a mapping leaves out, seen from its constants and from the first rows of its files.

A slip in the mapping is one error here, and not one bad row after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from tidegate.dsl.program import Program
from tidegate.dsl.rates import Rates
from tidegate.dsl.types import Kind
from tidegate.engine.decision import Policy
from tidegate.simulation.checked_mapping import Column
from tidegate.simulation.door import FINE, ColumnReader
from tidegate.simulation.files import SourceFiles
from tidegate.simulation.mapping import Problem
from tidegate.simulation.rows import texts_of

ROWS = 1000
_COMMA = r"^-?\d+(?:\.\d{3})*,\d+$"
_LOCAL_TIME = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?$"
_WITH_DECIMALS = (Kind.MONEY, Kind.NUMBER, Kind.DURATION)
_CONSTANTS = {
    "unknown_country": ("is no country code", "two capital letters, such as FR"),
    "above_maximum": ("is above the field's maximum", ""),
    "below_minimum": ("is below the field's minimum", ""),
    "card_number": ("looks like a card number", "history and mapping hold tokens only"),
}


def first_look(mapping: str, files: Iterable[SourceFiles], policy: Policy) -> Iterator[Problem]:
    """What can be told before any row is judged."""
    for file in files:
        event = file.source.event.name
        frame = next((raw.frame for raw in file.frames(ROWS)), pl.DataFrame())
        for column in file.source.columns:
            key = f"{event}.{column.field.name}"
            found = [
                *_in_constant(column, policy.program, column not in file.source.fields),
                *_in_currency(column, policy),
            ]
            found += _in_texts(column, frame) if column.origin.column in frame.columns else []
            yield from (
                Problem(mapping, f"{key}.{part}", what, help_) for part, what, help_ in found
            )


def _in_constant(column: Column, program: Program, rounds: bool) -> Iterator[tuple[str, str, str]]:
    if column.origin.constant is None:
        return
    cells = ColumnReader(column, program, rounds=rounds).read(
        pl.DataFrame({"": [0]}), np.zeros(1, int)
    )
    code = cells.codes[int(cells.faults[0])]
    if cells.faults[0] == FINE or code == "no_rate":
        return
    type_ = column.field.type
    words = ("is not one of the field's words", f"one of {', '.join(type_.words)}")
    what, help_ = _CONSTANTS.get(
        code, words if type_.kind is Kind.WORD else (f"cannot be read as {type_.kind.value}", "")
    )
    yield "constant", what, help_


def _in_currency(column: Column, policy: Policy) -> Iterator[tuple[str, str, str]]:
    currency, own = column.currency, policy.program.currency
    if currency and currency != own and not _has_rates(policy.rates, currency):
        what = f"the policy has no rates to turn {currency} into {own}"
        yield "currency", what, 'give the policy `rates "…"`, or map amounts in its own currency'


def _has_rates(rates: Rates | None, currency: str) -> bool:
    return rates is not None and (
        currency == rates.base or any(currency in quotes for quotes in rates.quotes.values())
    )


def _in_texts(column: Column, frame: pl.DataFrame) -> Iterator[tuple[str, str, str]]:
    """What most of the first texts need; a single odd one is a bad row."""
    if frame[column.origin.column].dtype != pl.String:
        return
    kind, name = column.field.type.kind, column.origin.column
    texts = texts_of(frame, column)
    if kind is Kind.TIME and not (column.zone or column.origin.unit) and _most(texts, _LOCAL_TIME):
        what = f"`{name}` holds local times without a zone"
        yield "zone", what, "name it, such as `zone: UTC` or `zone: Europe/Paris`"
    if kind in _WITH_DECIMALS and column.decimal == "." and _most(texts, _COMMA):
        what = f"`{name}` holds commas, and decimals stand behind a point"
        yield "decimal", what, 'write `decimal: ","` for the source, or export without commas'


def _most(texts: pl.Series, pattern: str) -> bool:
    present = texts.drop_nulls()
    return 2 * int(present.str.contains(pattern).sum()) > present.len()
