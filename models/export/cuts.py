"""Thresholds of a library, folded into whole numbers of the policy.

A library compares floats that it made of an integer: divided by a scale, shifted, cast to float32.
Each of these steps never falls as the integer grows, so a threshold parts the integers in two, and
the last integer before it says all that the float said. It is searched for, never worked out
backwards: rounding has no inverse.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tidegate.dsl.types import INT64_MAX, INT64_MIN
from tidegate.models.export.columns import Float64s, Int64s, Number

Holds = Callable[[Int64s], npt.NDArray[np.bool_]]


def last_where(holds: Holds, count: int) -> Int64s:
    """The largest int64 for which each of `count` statements holds.

    Each holds up to some integer and not beyond; INT64_MIN where it holds for none.
    """
    low = np.full(count, INT64_MIN, np.int64)
    high = np.full(count, INT64_MAX, np.int64)
    while np.any(low < high):
        # Half of the way up, rounded up, without overflow.
        middle = (low | high) - ((low ^ high) >> 1)
        held = holds(middle)
        low = np.where(held, middle, low)
        high = np.where(held, high, np.maximum(middle, INT64_MIN + 1) - 1)
    return low


def last_at_most(column: Number, thresholds: Float64s, *, float32: bool) -> Int64s:
    """For each threshold the largest x whose value is at most it, as the library compares."""

    def holds(x: Int64s) -> npt.NDArray[np.bool_]:
        return as_seen(column.at(x), float32=float32) <= thresholds

    return last_where(holds, len(thresholds))


def last_below(column: Number, cuts: Float64s) -> Int64s:
    """For each cut the largest x whose value is below it."""
    return last_where(lambda x: column.at(x) < cuts, len(cuts))


def as_seen(values: Float64s, *, float32: bool) -> Float64s:
    """Values as a splitter compares them: forests see float32, held here as float64 again."""
    return values.astype(np.float32).astype(np.float64) if float32 else values
