"""Outcomes of a history's rows where models lose authority on the way.

From when on a model's validation has ended it may cause less (`engine.lowered`). Rows before and
after are decided by settlers of their own, each made when it is first needed.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.dsl.program import EventType, Program
from tidegate.engine.column_batch import Batch, Bits, pack
from tidegate.engine.column_outcome import ColumnSettler, OutcomeColumns, compile_settler
from tidegate.engine.columns import RuleMasks
from tidegate.engine.decision import Policy
from tidegate.engine.lowered import lowered_at, lowered_program, validations_of
from tidegate.simulation.times import Flags, Int64s


class HistorySettler:
    """Decides the rows of one event."""

    def __init__(self, policy: Policy, event: EventType, program: Program | None = None) -> None:
        """`program` stands instead of the policy's own."""
        self._program = policy.program if program is None else program
        self._event = event
        validations = validations_of(policy.models)
        self._validations = {n: us for n, us in validations.items() if n in event.models}
        self._settlers: dict[tuple[str, ...], ColumnSettler] = {}

    def settle(self, batch: Batch, at_us: Int64s) -> OutcomeColumns:
        """The decision of every row; `at_us` are the times of the events."""
        ends_us = np.array(sorted(set(self._validations.values())), np.int64)
        periods = np.searchsorted(ends_us, at_us, side="right")
        found: OutcomeColumns | None = None
        for period in np.unique(periods).tolist():
            last_us = int(ends_us[period - 1]) if period else -1
            settled = self._settler(lowered_at(self._validations, last_us)).settle(batch)
            found = settled if found is None else merged(found, settled, periods == period)
        return self._settler(()).settle(batch) if found is None else found

    def _settler(self, lowered: tuple[str, ...]) -> ColumnSettler:
        known = self._settlers.get(lowered)
        if known is None:
            program = lowered_program(self._program, lowered)
            known = self._settlers[lowered] = compile_settler(program, self._event)
        return known


def merged(first: OutcomeColumns, second: OutcomeColumns, rows: Flags) -> OutcomeColumns:
    """`second` in these rows and `first` in all others; both are of the same batch and rules."""
    bits = pack(rows)
    made: dict[str, Any] = {
        f.name: _merged(getattr(first, f.name), getattr(second, f.name), rows, bits)
        for f in fields(OutcomeColumns)
        if f.name not in {"plan", "rows"}
    }
    return replace(first, **made)


def _merged(first: Any, second: Any, rows: Flags, bits: Bits) -> Any:
    if isinstance(first, RuleMasks):
        parts = {
            f.name: _merged(getattr(first, f.name), getattr(second, f.name), rows, bits)
            for f in fields(RuleMasks)
            if f.name != "rows"
        }
        return replace(first, **parts)
    if isinstance(first, dict):
        return {key: _merged(value, second[key], rows, bits) for key, value in first.items()}
    return _of_arrays(first, second, rows, bits)


def _of_arrays(
    first: npt.NDArray[Any], second: npt.NDArray[Any], rows: Flags, bits: Bits
) -> npt.NDArray[Any]:
    # Masks of many rules, reasons or tags are packed and have two axes; all else has one.
    if first.ndim == 2:
        return (first & ~bits) | (second & bits)
    return np.where(rows, second, first)
