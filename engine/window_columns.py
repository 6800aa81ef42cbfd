"""Exact sliding windows over whole histories: `tidegate.engine.windows` in columns.

The one idea. Sort the decisions by (key, time). A contribution is visible iff
``enter < t <= leave``, so it is seen by one contiguous *run* ``[start, stop)`` of the sorted
decisions of its key, whatever delays, late arrivals or labels made of its two bounds. Both ends are
found by merging sorted arrays, and then no aggregate looks at times again:

- count, sum: add at ``start``, take away at ``stop``, and accumulate. int64 wraps modulo 2**64, so
  the result is right whenever it fits; where it might not, the operands are summed in two halves of
  32 bits, which cannot overflow below 2**31 contributions;
- deviation: the same for the squares (`window_deviation`);
- distinct: cut each run at the start of the next one with the same key and operand, so that a value
  covers a decision at most once, and count;
- minimum, maximum (and first at, last at, since first, since last, whose operand is the event's own
  time): a run is two overlapping pieces of 2**k decisions; pieces are pushed down level by level.

So nothing is assumed of the lengths of windows. Decisions that would see their own event (copies,
decisions repeated later) are rare; they are found in columns and answered by `windows.aggregate_of`
one by one, in time of their key's contributions.

A window over n contributions and q decisions takes O((n + q) log q) time and, apart from its input,
at most 10 int64 arrays of length n + q (7 were measured), however long the window. Decisions may
come in chunks against the same sorted contributions: then q is the chunk's length, and each chunk
takes O(n) again.

Columns are int64: keys and event ids as codes from 0 (-1: missing key, or a deciding event of
another type than the counted one), times in microseconds. The order of use is `sort_by_key` (one
for each key and time column), `join` (shared by all windows over them), `window` (shared by all
aggregates over it), `measure`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tidegate.engine.window_deviation import deviations
from tidegate.engine.window_runs import (
    NEVER_US,
    Flags,
    Int64s,
    Join,
    KeyOrder,
    Window,
    dense,
    first_copies,
    join,
    sort_by_key,
    split_by_label,
    stable_order,
    times,
    total,
    window,
)
from tidegate.engine.windows import (
    INT64_MAX,
    INT64_MIN,
    SINCE,
    Aggregate,
    aggregate_of,
    half_even,
)

__all__ = [
    "NEVER_US",
    "REASONS",
    "Join",
    "KeyOrder",
    "Operands",
    "Window",
    "WindowColumn",
    "first_copies",
    "join",
    "measure",
    "sort_by_key",
    "split_by_label",
    "times",
    "window",
]

Int8s: TypeAlias = npt.NDArray[np.int8]

REASONS: Final = (None, "empty_window", "missing_key", "overflow", "one_event")
"""What a reason code stands for."""
_EMPTY_WINDOW, _MISSING_KEY, _OVERFLOW, _ONE_EVENT = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Operands:
    """What contributions bring, in the order of their rows; `valid` None means all of them do.

    Text, for ``distinct``, is given as dictionary codes. For ``first at``, ``last at`` and what is
    since them the operand is the event's ``at``. Values where `valid` is false are never read.
    """

    values: Int64s
    valid: Flags | None = None


@dataclass(frozen=True, slots=True)
class WindowColumn:
    """A feature's values, one a decision, in the order of the decisions' rows.

    `value` is 0 where `valid` is false; `reason` indexes `REASONS`.
    """

    value: Int64s
    valid: Flags
    reason: Int8s


def measure(aggregate: Aggregate, seen: Window, operands: Operands | None = None) -> WindowColumn:
    """One aggregate over one window, equal to `windows.value` on every row.

    `operands` are in the order of the contributions' unsorted rows; only ``count`` does without.
    Raises ValueError if they are not given or not one a contribution.
    """
    brought = _brought(aggregate, seen.join.entries, operands)
    value, reason = _measure(aggregate, seen, brought)
    _measure_own(aggregate, seen, brought, value, reason)
    return _by_row(seen.join.queries, value, reason)


def _brought(aggregate: Aggregate, entries: KeyOrder, operands: Operands | None) -> Operands:
    """The operands in sorted order."""
    if operands is None:
        if aggregate is not Aggregate.COUNT:
            raise ValueError(f"`{aggregate}` needs operands")
        return Operands(np.zeros(len(entries.rows), dtype=np.int64))
    valid = operands.valid
    if len(operands.values) != entries.length or (
        valid is not None and len(valid) != entries.length
    ):
        raise ValueError("operands must be one a contribution")
    if valid is None or valid.all():
        return Operands(operands.values[entries.rows])
    return Operands(operands.values[entries.rows], valid[entries.rows])


def _measure(aggregate: Aggregate, seen: Window, brought: Operands) -> tuple[Int64s, Int8s]:
    if aggregate is Aggregate.COUNT:
        return _count(seen.starts, seen.stops, seen.size), np.zeros(seen.size, dtype=np.int8)
    key, starts, stops = seen.join.entries.key, seen.starts, seen.stops
    values, valid = brought.values, brought.valid
    if valid is not None:
        key, starts, stops, values = key[valid], starts[valid], stops[valid], values[valid]
    if aggregate is Aggregate.DISTINCT:
        return _distinct(key, values, starts, stops, seen.size)
    counts = _count(starts, stops, seen.size)
    if aggregate in (Aggregate.SUM, Aggregate.AVERAGE):
        return _sum(aggregate, counts, values, starts, stops)
    if aggregate is Aggregate.DEVIATION:
        return deviations(counts, values, starts, stops)
    least = aggregate in (Aggregate.MINIMUM, Aggregate.FIRST_AT, Aggregate.SINCE_FIRST)
    best, reason = _extreme(np.minimum if least else np.maximum, counts, values, starts, stops)
    if aggregate in SINCE:
        return _since(seen.join.queries.time_us, best, reason)
    return best, reason


def _since(time_us: Int64s, edge_us: Int64s, reason: Int8s) -> tuple[Int64s, Int8s]:
    """How long before each decision the edge lies; what int64 cannot hold is missing."""
    since = time_us - edge_us
    over = (((time_us ^ edge_us) & (time_us ^ since)) < 0) & (reason == 0)
    reason[over] = _OVERFLOW
    return np.where(reason == 0, since, 0), reason


def _count(starts: Int64s, stops: Int64s, size: int) -> Int64s:
    steps = np.bincount(starts, minlength=size + 1) - np.bincount(stops, minlength=size + 1)
    return np.cumsum(steps[:size], dtype=np.int64)


def _distinct(
    key: Int64s, values: Int64s, starts: Int64s, stops: Int64s, size: int
) -> tuple[Int64s, Int8s]:
    group = _pairs(key, values)
    order = stable_order(group)
    group, starts, stops = group[order], starts[order], stops[order]
    same = group[1:] == group[:-1]
    if not np.all((stops[1:] >= stops[:-1]) | ~same):
        # A run inside an earlier one of its group: let it reach as far, the union stays the same.
        floor = np.concatenate(([0], np.cumsum(~same))) * (size + 1)
        stops = np.maximum.accumulate(stops + floor) - floor
    stops[:-1] = np.where(same, np.minimum(stops[:-1], starts[1:]), stops[:-1])
    return _count(starts, stops, size), np.zeros(size, dtype=np.int8)


def _pairs(key: Int64s, values: Int64s) -> Int64s:
    """One code >= 0 for each (key, value)."""
    if not len(values):
        return values
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= 2**31 or (int(key[-1]) + 1) * (high + 1) >= 2**63:
        key, values = dense(key), dense(values)
        high = int(values.max())
    return key * (high + 1) + values


def _sum(
    aggregate: Aggregate, counts: Int64s, values: Int64s, starts: Int64s, stops: Int64s
) -> tuple[Int64s, Int8s]:
    sums = total(starts, stops, values, len(counts))
    reason = np.zeros(len(counts), dtype=np.int8)
    average = aggregate is Aggregate.AVERAGE
    if average:
        reason[counts == 0] = _EMPTY_WINDOW
    value = _half_even(sums, np.maximum(counts, 1)) if average else sums
    most = max(abs(int(values.max(initial=0))), abs(int(values.min(initial=0))))
    if int(counts.max(initial=0)) * most > INT64_MAX:
        low = total(starts, stops, values & 0xFFFFFFFF, len(counts))
        high = total(starts, stops, values >> 32, len(counts)) + (low >> 32)
        over = np.flatnonzero((high < -(2**31)) | (high >= 2**31))
        if not average:
            value[over], reason[over] = 0, _OVERFLOW
        for row in over if average else ():
            exact = (int(high[row]) << 32) + (int(low[row]) & 0xFFFFFFFF)
            value[row] = half_even(exact, int(counts[row]))
    return value, reason


def _half_even(sums: Int64s, counts: Int64s) -> Int64s:
    quotient, remainder = np.divmod(sums, counts)
    excess = 2 * remainder - counts
    quotient += (excess > 0) | ((excess == 0) & (quotient & 1 == 1))
    return quotient


def _extreme(
    better: np.ufunc, counts: Int64s, values: Int64s, starts: Int64s, stops: Int64s
) -> tuple[Int64s, Int8s]:
    """A run of 2**k to 2**(k+1) - 1 decisions is two pieces of 2**k; each level halves them."""
    best = np.full(len(counts), INT64_MAX if better is np.minimum else INT64_MIN, dtype=np.int64)
    lengths = stops - starts
    for level in range(int(lengths.max(initial=0)).bit_length() - 1, -1, -1):
        piece = 1 << level
        here = np.flatnonzero((lengths >= piece) & (lengths < 2 * piece))
        better.at(best, starts[here], values[here])
        better.at(best, stops[here] - piece, values[here])
        if half := piece >> 1:
            best[half:] = better(best[half:], best[:-half])
    reason = np.where(counts == 0, _EMPTY_WINDOW, 0).astype(np.int8)
    best[counts == 0] = 0
    return best, reason


def _measure_own(
    aggregate: Aggregate, seen: Window, brought: Operands, value: Int64s, reason: Int8s
) -> None:
    """Answer anew, in place, the decisions that see their own event."""
    entry_ids, query_ids = seen.join.entry_ids, seen.join.query_ids
    if not len(seen.join.own):
        return
    last = np.zeros(int(entry_ids.max()) + 2, dtype=np.int64)
    np.maximum.at(last, entry_ids, seen.stops)
    rows = seen.join.own[last[query_ids[seen.join.own]] > seen.join.own]
    keys = seen.join.queries.key[rows]
    segments = zip(
        rows,
        np.searchsorted(seen.join.entries.key, keys),
        np.searchsorted(seen.join.entries.key, keys, side="right"),
        strict=True,
    )
    for row, low, high in segments:
        sees = (seen.starts[low:high] <= row) & (row < seen.stops[low:high])
        sees &= entry_ids[low:high] != query_ids[row]
        present = sees if brought.valid is None else sees & brought.valid[low:high]
        missing = [None] * int(sees.sum() - present.sum())
        operands = brought.values[low:high][present].tolist() + missing
        answer = aggregate_of(aggregate, operands, int(seen.join.queries.time_us[row]))
        value[row], reason[row] = answer.value or 0, REASONS.index(answer.reason)


def _by_row(queries: KeyOrder, value: Int64s, reason: Int8s) -> WindowColumn:
    values = np.zeros(queries.length, dtype=np.int64)
    reasons = np.full(queries.length, _MISSING_KEY, dtype=np.int8)
    values[queries.rows] = value
    reasons[queries.rows] = reason
    return WindowColumn(values, reasons == 0, reasons)
