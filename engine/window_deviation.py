"""The standard deviation of every window of a history: `windows.deviation` in columns.

It does not change when all values are moved alike, so they are counted from the least of them.
Where the sums of their squares fit 63 bits with room to spare, integers of numpy decide; the other
rows, rare with amounts, are worked out with Python's from sums in two halves of 32 bits.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tidegate.engine.whole_roots import whole_root
from tidegate.engine.window_runs import Int64s, total
from tidegate.engine.windows import INT64_MAX, deviation

Int8s: TypeAlias = npt.NDArray[np.int8]
_EMPTY_WINDOW, _OVERFLOW, _ONE_EVENT = 1, 3, 4
"""Places in `window_columns.REASONS`."""
_NARROW: Final = 2**31
"""Below it a square fits int64, and so does the sum of as many values as a history has."""
_ROOM: Final = 2**60
_HALF: Final = 0xFFFFFFFF


def deviations(
    counts: Int64s, values: Int64s, starts: Int64s, stops: Int64s
) -> tuple[Int64s, Int8s]:
    """The deviation of the values that each decision sees, and why there is none."""
    value = np.zeros(len(counts), dtype=np.int64)
    reason = np.where(counts == 0, _EMPTY_WINDOW, np.where(counts == 1, _ONE_EVENT, 0))
    reason = reason.astype(np.int8)
    if not len(values):
        return value, reason
    least = int(values.min())
    width = int(values.max()) - least
    if width >= _NARROW:
        _wide(counts, values, (starts, stops), value, reason)
        return value, reason
    moved = values - least
    sums = total(starts, stops, moved, len(counts))
    squares = moved * moved
    low = total(starts, stops, squares & _HALF, len(counts))
    high = total(starts, stops, squares >> 32, len(counts))
    some = counts > 1
    fits = counts * (width + 1) < 2**30  # its square is below `_ROOM`
    rows = np.flatnonzero(some & fits)
    value[rows] = _narrow(counts[rows], sums[rows], (high[rows] << 32) + low[rows])
    for row in np.flatnonzero(some & ~fits).tolist():
        exact = (int(high[row]) << 32) + int(low[row])
        value[row] = deviation(int(counts[row]), int(sums[row]), exact)
    return value, reason


def _narrow(counts: Int64s, sums: Int64s, squares: Int64s) -> Int64s:
    """`windows.deviation` where ``counts * values`` is below 2**30: nothing here leaves int64."""
    spread, divisor = counts * squares - sums * sums, counts * (counts - 1)
    root = whole_root(spread // divisor)
    above = 4 * spread - (2 * root + 1) ** 2 * divisor
    up: Int64s = root + ((above > 0) | ((above == 0) & (root & 1 == 1)))
    return up


def _wide(
    counts: Int64s, values: Int64s, runs: tuple[Int64s, Int64s], value: Int64s, reason: Int8s
) -> None:
    """Values too far from each other: sums of Python's integers, change by change."""
    steps: list[list[int]] = [[0, 0] for _ in range(len(counts) + 1)]
    for brought, start, stop in zip(
        values.tolist(), runs[0].tolist(), runs[1].tolist(), strict=True
    ):
        for place, sign in ((start, 1), (stop, -1)):
            steps[place][0] += sign * brought
            steps[place][1] += sign * brought * brought
    sums = squares = 0
    for row, count in enumerate(counts.tolist()):
        sums, squares = sums + steps[row][0], squares + steps[row][1]
        if count > 1:
            found = deviation(count, sums, squares)
            value[row], reason[row] = (found, 0) if found <= INT64_MAX else (0, _OVERFLOW)
