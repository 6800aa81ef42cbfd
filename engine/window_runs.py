"""Which decisions see which contributions: the runs behind `tidegate.engine.window_columns`.

Sort the decisions by (key, time). A contribution is visible iff ``enter < t <= leave``, so it is
seen by one contiguous *run* ``[start, stop)`` of the sorted decisions of its key, whatever delays,
late arrivals or labels made of its two bounds. Both ends are found by merging sorted arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tidegate.engine.windows import INT64_MAX, INT64_MIN

Int64s: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

NEVER_US: Final = INT64_MAX
"""As a reported time: the label was never reported as true."""


# --- contributions ------------------------------------------------------------------------------


def times(
    at_us: Int64s, received_us: Int64s | None, window_us: int, delay_us: int
) -> tuple[Int64s, Int64s]:
    """When events enter and leave a window, as `windows.contributions` has it.

    `received_us` None means that every event was received at its own time. The pair that comes
    back is (enter, leave); rows with ``leave <= enter`` are allowed everywhere and never seen.
    """
    if window_us < 0 or delay_us < 0:
        raise ValueError("a window and its delay cannot be negative")
    enter = _later(at_us, delay_us)
    if received_us is not None:
        np.maximum(enter, received_us, out=enter)
    return enter, _later(at_us, delay_us + window_us)


def split_by_label(
    enter_us: Int64s, leave_us: Int64s, reported_us: Int64s
) -> tuple[Int64s, Int64s, Int64s, Flags]:
    """Each event as a half without and a half with its label: (row, enter, leave, label).

    `reported_us` is `NEVER_US` where the label was not reported as true. The caller keeps the
    halves for which ``where`` holds, and takes keys, operands and ids by `row`.
    """
    turn = np.minimum(np.maximum(reported_us, enter_us), leave_us)
    rows = np.arange(len(enter_us), dtype=np.int64)
    parts = ((enter_us < turn, enter_us, turn, False), (turn < leave_us, turn, leave_us, True))
    return (
        np.concatenate([rows[kept] for kept, *_ in parts]),
        np.concatenate([enter[kept] for kept, enter, *_ in parts]),
        np.concatenate([leave[kept] for kept, _, leave, _ in parts]),
        np.concatenate([np.full(int(kept.sum()), label) for kept, *_, label in parts]),
    )


def first_copies(event_id: Int64s) -> Flags:
    """Which rows, in order of arrival, are the first with their event id; others never count."""
    first = np.zeros(len(event_id), dtype=np.bool_)
    first[np.unique(event_id, return_index=True)[1]] = True
    return first


def _later(at_us: Int64s, by_us: int) -> Int64s:
    return np.minimum(at_us, INT64_MAX - by_us) + by_us


# --- sorting ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """Rows sorted by (key, time), rows without a key left out.

    `rows` says where they stood; `length` is how many there were. `key` and `time_us` are sorted.
    """

    rows: Int64s
    key: Int64s
    time_us: Int64s
    length: int


def sort_by_key(key: Int64s, time_us: Int64s) -> KeyOrder:
    """Sort decisions by (key, t) or contributions by (key, enter); ties keep their order.

    Raises ValueError for columns of different length.
    """
    if key.shape != time_us.shape or key.ndim != 1:
        raise ValueError("keys and times must be columns of one length")
    length = len(key)
    rows = np.flatnonzero(key >= 0)
    if len(rows) < length:
        key, time_us = key[rows], time_us[rows]
    if _ascends(time_us):
        order = stable_order(key)
    else:
        order = np.argsort(time_us, kind="stable")
        order = order[stable_order(key[order])]
    in_place = len(rows) == length
    return KeyOrder(order if in_place else rows[order], key[order], time_us[order], length)


def stable_order(codes: Int64s) -> Int64s:
    """A stable argsort of codes >= 0, by 16 bits at a time (where numpy has a radix sort)."""
    largest = int(codes.max(initial=0))
    if largest >= 2**48:
        return np.argsort(codes, kind="stable")
    order = np.argsort((codes & 0xFFFF).astype(np.uint16), kind="stable")
    for shift in (16, 32):
        if largest >> shift:
            digit = ((codes >> shift) & 0xFFFF).astype(np.uint16)
            order = order[np.argsort(digit[order], kind="stable")]
    return order


def _ascends(values: Int64s) -> bool:
    return bool(np.all(values[1:] >= values[:-1]))


def dense(codes: Int64s) -> Int64s:
    """The ranks of the codes among their distinct values."""
    return np.unique(codes, return_inverse=True)[1].astype(np.int64, copy=False)


# --- runs ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Join:
    """Contributions and decisions brought together, for all windows over the same entering times.

    `starts` gives for every sorted contribution the first sorted decision of its key after it
    enters. `own` lists the sorted decisions after the entering of their own event, rare as a rule;
    where it is empty, the ids (dense codes, in sorted order) are not needed and may be empty too.
    """

    entries: KeyOrder
    queries: KeyOrder
    scale: Scale
    asked: Int64s
    starts: Int64s
    entry_ids: Int64s
    query_ids: Int64s
    own: Int64s


@dataclass(frozen=True, slots=True)
class Window:
    """The runs of one window: contribution i is seen by the sorted decisions [start, stop)."""

    join: Join
    stops: Int64s

    @property
    def starts(self) -> Int64s:
        """The runs' first decisions, shared with every window of the join."""
        return self.join.starts

    @property
    def size(self) -> int:
        """How many decisions have a key."""
        return len(self.join.queries.rows)


def join(
    entries: KeyOrder,
    queries: KeyOrder,
    entry_ids: Int64s | None = None,
    query_ids: Int64s | None = None,
) -> Join:
    """Bring contributions, sorted by (key, enter), together with decisions, sorted by (key, t).

    Both may be the same `KeyOrder`. The ids, in the order of the *unsorted* rows, keep an event out
    of its own window; leave them out where the deciding event is never of the counted type.
    """
    scale = _scale(entries, queries)
    asked = scale.codes(queries.key, queries.time_us)
    starts = _runs_begin(scale.codes(entries.key, entries.time_us, after=True), asked)
    if entry_ids is None or query_ids is None or not len(entries.rows):
        nothing = np.empty(0, dtype=np.int64)
        return Join(entries, queries, scale, asked, starts, nothing, nothing, nothing)
    ids = _dense_ids(entry_ids[entries.rows], query_ids[queries.rows])
    return Join(entries, queries, scale, asked, starts, *ids, _own(*ids, starts))


def window(joined: Join, leave_us: Int64s) -> Window:
    """The runs of the window that contributions leave at `leave_us`, by unsorted rows."""
    codes = joined.scale.codes(joined.entries.key, leave_us[joined.entries.rows], after=True)
    stops = _runs_begin(codes, joined.asked)
    return Window(joined, np.maximum(stops, joined.starts, out=stops))


@dataclass(frozen=True, slots=True)
class Scale:
    """How (key, time) becomes one int64 that keeps order: even for decisions, odd for bounds.

    A bound is odd, so that it lies after a decision of the same time: ``bound < t`` is strict.
    `ticks`, if given, are the decisions' distinct times: times are then ranked among them, for
    spans too long to be multiplied. Times outside the decisions' span compare alike when clipped.
    """

    low: int
    width: int
    keys: Int64s | None
    ticks: Int64s | None

    def codes(self, key: Int64s, time_us: Int64s, *, after: bool = False) -> Int64s:
        """One code a row; `after` for the bounds of contributions."""
        if self.keys is not None:
            key = np.searchsorted(self.keys, key)
        if self.ticks is not None:
            place = np.searchsorted(self.ticks, time_us, side="right")
        else:
            place = np.clip(time_us, self.low, self.low + self.width - 1)
            place -= self.low
        codes = key * (2 * self.width)
        codes += place
        codes += place
        if after:
            codes |= 1
        return codes


def _scale(entries: KeyOrder, queries: KeyOrder) -> Scale:
    low = int(queries.time_us.min(initial=INT64_MAX)) - 1
    width = max(int(queries.time_us.max(initial=INT64_MIN)) - low + 1, 1)
    keys = 1 + max(int(order.key[-1]) if len(order.key) else 0 for order in (entries, queries))
    if low >= INT64_MIN and keys * width < 2**61:
        return Scale(low, width, None, None)
    ticks = np.unique(queries.time_us)
    names = np.unique(np.concatenate((entries.key, queries.key)))
    return Scale(0, len(ticks) + 1, names, ticks)


def _runs_begin(bounds: Int64s, asked: Int64s) -> Int64s:
    """For every bound, how many decisions lie at or before it; `asked` ascends."""
    if len(bounds) > 8 * len(asked) or not _ascends(bounds):
        return np.searchsorted(asked, bounds)
    merged = np.concatenate((asked, bounds))
    merged.sort(kind="stable")  # two ascending runs: one merge, half the price of a search
    is_bound = merged.astype(np.uint8)  # the lowest byte holds the lowest bit
    is_bound &= 1
    places = np.flatnonzero(is_bound.view(np.bool_))
    places -= np.arange(len(bounds))
    return places


def total(starts: Int64s, stops: Int64s, values: Int64s, size: int) -> Int64s:
    """What the runs that cover each decision sum to, modulo 2**64."""
    steps = np.zeros(size + 1, dtype=np.int64)
    np.add.at(steps, starts, values)
    np.subtract.at(steps, stops, values)
    return np.cumsum(steps[:size])


def _dense_ids(entry_ids: Int64s, query_ids: Int64s) -> tuple[Int64s, Int64s]:
    """The same ids as codes that an array can be indexed with; ids without an entry are -1."""
    largest = int(entry_ids.max())
    if int(entry_ids.min()) < 0:
        raise ValueError("a contribution's event id is a code from 0")
    if largest >= 4 * (len(entry_ids) + len(query_ids)):
        names, dense = np.unique(entry_ids, return_inverse=True)
        place = np.minimum(np.searchsorted(names, query_ids), len(names) - 1)
        return dense, np.where(names[place] == query_ids, place, -1)
    return entry_ids, np.where(query_ids <= largest, query_ids, -1)


def _own(entry_ids: Int64s, query_ids: Int64s, starts: Int64s) -> Int64s:
    """The decisions at or after the start of a run of their own event."""
    first = np.full(int(entry_ids.max()) + 2, len(query_ids), dtype=np.int64)
    np.minimum.at(first, entry_ids, starts)  # the last place stays empty, and -1 points to it
    return np.flatnonzero(first[query_ids] <= np.arange(len(query_ids)))
