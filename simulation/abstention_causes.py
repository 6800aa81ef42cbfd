"""Why a model gave no score, counted: the sentence of each decision, and the new words by name.

A country and a word of the policy's own list are no personal data and are named. A free text may be
anything that a customer wrote: it is never shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from tidegate.dsl.types import Kind
from tidegate.engine.column_batch import Batch, CodedColumn
from tidegate.models.portable import Input
from tidegate.simulation.model_scores import HistoryScorer, input_columns
from tidegate.simulation.times import Int64s

Cause: TypeAlias = tuple[str, str, str]
"""An input, the reason as a decision says it, and the value where it may be named."""
_NAMED = frozenset({Kind.COUNTRY, Kind.WORD})


def causes_of(scorer: HistoryScorer, batch: Batch, places: Int64s) -> Iterator[tuple[Cause, int]]:
    """Each cause with its rows, of rows in which the model abstains."""
    columns = dict(input_columns(scorer.model, batch))
    for index, reason, rows in scorer.abstentions(batch, places):
        entry = scorer.inputs[index]
        column = columns[entry.name]
        if isinstance(column, CodedColumn) and entry.type.kind in _NAMED:
            yield from _by_value(entry, reason, column, rows)
        else:
            yield (entry.name, reason, ""), len(rows)


def _by_value(
    entry: Input, reason: str, column: CodedColumn, rows: Int64s
) -> Iterator[tuple[Cause, int]]:
    counts = np.bincount(column.codes[rows].astype(np.int64) + 1)
    for code in np.flatnonzero(counts).tolist():
        value = str(column.dictionary[code - 1]) if code else ""
        yield (entry.name, reason, value), int(counts[code])
