"""A column of an estimator's X, as a function of one input of the policy.

Preparation (imputing, scaling, encoding) makes new columns of old ones, and never mixes inputs.
Values are what the estimator sees: float64, or texts before an encoder. NaN is missing in its
eyes, None says that the library gives no answer there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Step = tuple[Literal["subtract", "divide", "multiply", "add"], float]

UNKNOWN: Final = object()
"""Stands for a text that is not among the categories, on its way to an encoder."""


@dataclass(frozen=True, slots=True)
class Number:
    """`x / scale` and then the steps, in float64 and in this order; it never falls as x grows."""

    input: int
    scale: float
    steps: tuple[Step, ...] = ()
    missing: float | None = math.nan
    is_flag: bool = False

    def at(self, x: Int64s) -> Float64s:
        """What the estimator sees for policy integers."""
        value = x.astype(np.float64) / self.scale
        for step in self.steps:
            value = _stepped(value, step)
        return value

    def then(self, step: Step) -> Number:
        """The column after one more step."""
        missing = self.missing
        if missing is not None:
            missing = float(_stepped(np.float64(missing), step))
        return replace(self, steps=(*self.steps, step), missing=missing)


@dataclass(frozen=True, slots=True)
class Steps:
    """A function of an integer that has a value at some integers and another one elsewhere."""

    input: int
    values: dict[int, float]
    elsewhere: float
    missing: float | None
    is_flag: bool = False

    def mapped(self, change: Callable[[float], float]) -> Steps:
        """The column after a change of every value."""
        return replace(
            self,
            values={x: change(value) for x, value in self.values.items()},
            elsewhere=change(self.elsewhere),
            missing=None if self.missing is None else change(self.missing),
        )


@dataclass(frozen=True, slots=True)
class Levels:
    """A function of a text: the value of each category, of an unknown text, of a missing one."""

    input: int
    values: tuple[Any, ...]
    unknown: Any
    missing: Any = math.nan

    def mapped(self, change: Callable[[Any], Any]) -> Levels:
        """The column after a change of every value."""
        return replace(
            self,
            values=tuple(map(change, self.values)),
            unknown=None if self.unknown is None else change(self.unknown),
            missing=None if self.missing is None else change(self.missing),
        )

    @property
    def is_numeric(self) -> bool:
        """Whether it holds numbers by now, and no texts."""
        return not any(
            isinstance(value, str) or value is UNKNOWN
            for value in (*self.values, self.unknown, self.missing)
        )


Column = Number | Steps | Levels


def _stepped(value: Any, step: Step) -> Any:
    name, by = step
    match name:
        case "subtract":
            return value - by
        case "divide":
            return value / by
        case "multiply":
            return value * by
        case "add":
            return value + by


def apply_step(column: Column, step: Step) -> Column:
    """The column after one step, which is the same for every value."""
    if isinstance(column, Number):
        return column.then(step)
    return column.mapped(lambda value: float(_stepped(np.float64(value), step)))


def is_missing(value: Any) -> bool:
    """Whether an estimator's own value stands for a missing one: NaN or None."""
    return value is None or (isinstance(value, float | np.floating) and math.isnan(value))
