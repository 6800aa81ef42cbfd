"""Exact sliding windows, one event at a time: state and event in, values and changes out.

The one idea. Every counted event yields zero, one or two *contributions* to a feature, and a
contribution is visible to a decision at time ``t`` iff ``enter_us < t <= leave_us`` and it does not
stem from the deciding event itself. All of LANGUAGE.md section 4 is in the two bounds:

- the window is ``[t - WINDOW - D, t - D)``: an event at ``at`` lies before its end iff
  ``at + D < t`` and at or after its start iff ``t <= at + WINDOW + D``;
- an event is seen only if it was received before ``t``, so it enters at the later of ``at + D`` and
  ``received``;
- a label reported at ``r`` is seen iff ``r < t``: the event counts as unlabelled on ``(enter, r]``
  and as labelled on ``(max(enter, r), leave]``, each half only where ``where`` holds for it.

Late events, events out of order and ties need no case of their own: a contribution is put where it
belongs whenever it comes, and equal times do not see each other because ``enter < t`` is strict.

All times are int64 microseconds UTC, operands int64 (or text, for ``distinct`` only). Nothing here
reads a clock; `tidegate.engine.window_columns` computes the same over whole histories.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, MutableMapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from itertools import pairwise
from math import isqrt
from operator import itemgetter
from typing import Final, Literal, NamedTuple, TypeAlias, cast

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1

Operand: TypeAlias = int | str
MissingReason: TypeAlias = Literal["empty_window", "missing_key", "overflow", "one_event"]
Key: TypeAlias = tuple[int | str | None, ...]
"""The values of a feature's ``by`` columns; ``()`` for ``by all``; None where one is missing."""


class Aggregate(StrEnum):
    """What a feature computes over its window; the values are the words of the language."""

    COUNT = "count"
    SUM = "sum"
    AVERAGE = "average"
    DEVIATION = "deviation"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    DISTINCT = "distinct"
    FIRST_AT = "first at"
    LAST_AT = "last at"
    SINCE_FIRST = "since first"
    SINCE_LAST = "since last"


class NotCounted(Enum):
    """The type of `NOT_COUNTED`: ``where`` is not true, so there is no contribution."""

    NOT_COUNTED = "not counted"


NOT_COUNTED: Final = NotCounted.NOT_COUNTED


class WindowValue(NamedTuple):
    """A feature's value, or why it is missing: exactly one of the two is None."""

    value: int | None
    reason: MissingReason | None


MISSING_KEY: Final = WindowValue(None, "missing_key")
_EMPTY_WINDOW: Final = WindowValue(None, "empty_window")
_OVERFLOW: Final = WindowValue(None, "overflow")
_ONE_EVENT: Final = WindowValue(None, "one_event")
SINCE: Final = {
    Aggregate.SINCE_FIRST: Aggregate.FIRST_AT,
    Aggregate.SINCE_LAST: Aggregate.LAST_AT,
}
"""Of which event's time they tell the distance from the decision."""


class Contribution(NamedTuple):
    """One event's share in one feature, visible iff ``enter_us < t <= leave_us``.

    A named tuple rather than a dataclass: a busy key has thousands and decodes them all at once.
    `operand` is None where the event has none: it is counted, and skipped by everything else.
    """

    enter_us: int
    leave_us: int
    operand: Operand | None
    event_id: str


def contributions(
    *,
    event_id: str,
    at_us: int,
    received_us: int,
    reported_us: int | None,
    window_us: int,
    delay_us: int,
    when_false: Operand | NotCounted | None,
    when_true: Operand | NotCounted | None,
) -> tuple[Contribution, ...]:
    """The contributions of one event to one feature: none, one or two, in order of time.

    `reported_us` is when the event's label became known as true, None if it has not (yet).
    `when_false` and `when_true` are the operand under either label, or `NOT_COUNTED`; pass the
    same thing twice for a feature that reads no label. Times saturate at the ends of int64, which
    changes no answer because no decision lies beyond them.

    Raises ValueError for a window or delay below zero.
    """
    if window_us < 0 or delay_us < 0:
        raise ValueError("a window and its delay cannot be negative")
    enter_us = max(min(at_us + delay_us, INT64_MAX), received_us)
    leave_us = min(at_us + delay_us + window_us, INT64_MAX)
    turn_us = leave_us if reported_us is None else min(max(reported_us, enter_us), leave_us)
    if when_false == when_true:
        turn_us = leave_us  # one whole does for two equal halves
    halves = ((enter_us, turn_us, when_false), (turn_us, leave_us, when_true))
    return tuple(
        Contribution(enter, leave, operand, event_id)
        for enter, leave, operand in halves
        if enter < leave and not isinstance(operand, NotCounted)
    )


@dataclass(frozen=True, slots=True)
class Bucket:
    """The state of one feature for one key: its contributions, by (enter, leave, event, operand).

    The order is total, so the bucket depends on what came, never on the order in which it came.
    `leaves_in_order` says that the leaves ascend too: then a window is one contiguous run.
    """

    contributions: tuple[Contribution, ...] = ()
    leaves_in_order: bool = True


_enter = itemgetter(0)  # twice as fast as by name, and bisecting calls it often
_leave = itemgetter(1)


def _rank(item: Contribution) -> tuple[int, int, str, int, Operand]:
    """A sort key that also orders operands which Python would not compare."""
    operand = item.operand
    kind = 0 if operand is None else 1 if isinstance(operand, int) else 2
    return (item.enter_us, item.leave_us, item.event_id, kind, 0 if operand is None else operand)


def bucket_of(items: Collection[Contribution]) -> Bucket:
    """The bucket that holds exactly `items`, given in any order."""
    return bucket_in_order(tuple(sorted(items, key=_rank)))


def bucket_in_order(items: tuple[Contribution, ...]) -> Bucket:
    """The bucket that holds `items`; raises ValueError if they are not in a bucket's order."""
    leaves_in_order = True
    for one, next_one in pairwise(items):
        if one[:2] >= next_one[:2] and _rank(one) > _rank(next_one):
            raise ValueError("the contributions are not in order")
        leaves_in_order &= one[1] <= next_one[1]
    return Bucket(items, leaves_in_order)


def advance(bucket: Bucket | None, contribution: Contribution) -> Bucket:
    """The bucket with one contribution more; None stands for an empty bucket. O(length) copy."""
    if bucket is None:
        return Bucket((contribution,))
    items = bucket.contributions
    place = bisect_right(items, _rank(contribution), key=_rank)
    fits = bucket.leaves_in_order and (
        (place == 0 or items[place - 1].leave_us <= contribution.leave_us)
        and (place == len(items) or contribution.leave_us <= items[place].leave_us)
    )
    return Bucket((*items[:place], contribution, *items[place:]), fits)


def without(bucket: Bucket, event_id: str) -> Bucket:
    """The bucket without the contributions of one event; itself if it has none."""
    kept = [item for item in bucket.contributions if item.event_id != event_id]
    return bucket if len(kept) == len(bucket.contributions) else bucket_of(kept)


def prune(bucket: Bucket, before_us: int) -> Bucket:
    """The bucket without what no decision at or after `before_us` can see; itself if unchanged."""
    items = bucket.contributions
    if bucket.leaves_in_order:
        start = bisect_left(items, before_us, key=_leave)
        return Bucket(items[start:]) if start else bucket
    kept = [item for item in items if item.leave_us >= before_us]
    return bucket if len(kept) == len(items) else bucket_of(kept)


def value(
    aggregate: Aggregate, bucket: Bucket | None, t_us: int, deciding_id: str | None
) -> WindowValue:
    """What a decision at `t_us` sees; O(log n + visible) while leaves are in order, else O(n).

    `deciding_id` is the deciding event's id if it is of the counted type, else None.
    """
    return aggregate_of(aggregate, visible(bucket or Bucket(), t_us, deciding_id), t_us)


def visible(bucket: Bucket, t_us: int, deciding_id: str | None) -> list[Operand | None]:
    """The operands of the contributions that a decision at `t_us` sees, None where missing."""
    items = bucket.contributions
    stop = bisect_left(items, t_us, key=_enter)
    start = bisect_left(items, t_us, 0, stop, key=_leave) if bucket.leaves_in_order else 0
    return [
        operand
        for _, leave_us, operand, event_id in items[start:stop]
        if leave_us >= t_us and event_id != deciding_id
    ]


def aggregate_of(
    aggregate: Aggregate, operands: Collection[Operand | None], t_us: int
) -> WindowValue:
    """One aggregate over what a decision at `t_us` sees: the meaning that evaluators must meet.

    Operands of all but ``distinct`` and ``count`` are integers (the checker proves it).
    """
    if aggregate is Aggregate.COUNT:
        return WindowValue(len(operands), None)
    present = [operand for operand in operands if operand is not None]
    if aggregate is Aggregate.DISTINCT:
        return WindowValue(len(set(present)), None)
    numbers = cast("list[int]", present)
    if aggregate in SINCE and numbers:
        edge = min(numbers) if aggregate is Aggregate.SINCE_FIRST else max(numbers)
        return _fitting(t_us - edge)
    return _aggregate_numbers(aggregate, numbers)


def _fitting(number: int) -> WindowValue:
    return WindowValue(number, None) if INT64_MIN <= number <= INT64_MAX else _OVERFLOW


def _aggregate_numbers(aggregate: Aggregate, numbers: list[int]) -> WindowValue:
    if aggregate is Aggregate.SUM:
        return _fitting(sum(numbers))
    if not numbers:
        return _EMPTY_WINDOW
    if aggregate is Aggregate.AVERAGE:
        return WindowValue(half_even(sum(numbers), len(numbers)), None)
    if aggregate is Aggregate.DEVIATION:
        if len(numbers) == 1:
            return _ONE_EVENT
        return _fitting(deviation(len(numbers), sum(numbers), sum(n * n for n in numbers)))
    least = aggregate in (Aggregate.MINIMUM, Aggregate.FIRST_AT)
    return WindowValue(min(numbers) if least else max(numbers), None)


def half_even(total: int, count: int) -> int:
    """``total / count`` rounded once, half to even; `count` is above zero."""
    quotient, remainder = divmod(total, count)
    excess = 2 * remainder - count
    return quotient + (excess > 0 or (excess == 0 and quotient % 2 == 1))


def deviation(count: int, total: int, squares: int) -> int:
    """The standard deviation of a sample from its sums, rounded once, half to even.

    `count` is above one; `squares` is the sum of the squares. The variance is a quotient of
    integers, ``(count * squares - total**2) / (count * (count - 1))``, and whether its root lies
    above a half is asked of the integers, so nothing drifts however large they are.
    """
    spread, divisor = count * squares - total * total, count * (count - 1)
    root = isqrt(spread // divisor)
    above = 4 * spread - (2 * root + 1) ** 2 * divisor
    return root + (above > 0 or (above == 0 and root % 2 == 1))


# --- the windows of all features --------------------------------------------------------------

BucketName: TypeAlias = tuple[int, Key]
"""(feature index, key)."""
EventName: TypeAlias = tuple[str, str]
"""(event type, event id)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one event contributes to one feature under one key."""

    feature: int
    key: Key
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A counted event as it reached us, with what it contributes to every feature that counts it.

    Each feature stands in `entries` at most once.
    """

    event_type: str
    event_id: str
    at_us: int
    received_us: int
    entries: tuple[Entry, ...]

    @property
    def name(self) -> EventName:
        """What makes two arrivals copies of each other."""
        return (self.event_type, self.event_id)


@dataclass(frozen=True, slots=True)
class Changes:
    """What one step alters, as whole new values; None deletes. Empty for a copy of an event.

    `seen` gives for an event's name the time until which it has to be remembered.
    """

    buckets: tuple[tuple[BucketName, Bucket | None], ...] = ()
    seen: tuple[tuple[EventName, int | None], ...] = ()


@dataclass(slots=True)
class WindowState:
    """Every feature's buckets and the event ids seen; only `apply` alters it.

    `horizon_us` is the longest WINDOW + D of the policy: an id is remembered that long after its
    event. The mappings may be a store's own, as long as they answer as dictionaries do.
    """

    horizon_us: int
    buckets: MutableMapping[BucketName, Bucket] = field(default_factory=dict)
    seen: MutableMapping[EventName, int] = field(default_factory=dict)

    def read(
        self, feature: int, aggregate: Aggregate, key: Key, t_us: int, deciding_id: str | None
    ) -> WindowValue:
        """What a decision at `t_us` sees of one feature; ``missing_key`` if a key part is None."""
        if None in key:
            return MISSING_KEY
        return value(aggregate, self.buckets.get((feature, key)), t_us, deciding_id)

    def step(self, arrival: Arrival, before_us: int = INT64_MIN) -> Changes:
        """What the arrival would change; nothing if its id was seen (an id counts once per type).

        Buckets that it touches are pruned on the way to what decisions from `before_us` on can see.
        """
        if arrival.name in self.seen:
            return Changes()
        keep_us = max(arrival.at_us, arrival.received_us) + self.horizon_us
        buckets = self._with_entries(arrival, before_us, drop_old=False)
        return Changes(tuple(buckets), ((arrival.name, keep_us),))

    def revise(self, arrival: Arrival, before_us: int = INT64_MIN) -> Changes:
        """What changes when an event that was seen is understood anew: its label was reported.

        `arrival` holds the event's contributions as they stand now, with every feature it may have
        contributed to (`entries` may be empty there). Nothing if the event was never seen or is
        forgotten: an event whose label came first is stepped with the label known.
        """
        if arrival.name not in self.seen:
            return Changes()
        return Changes(tuple(self._with_entries(arrival, before_us, drop_old=True)))

    def forget(self, before_us: int) -> Changes:
        """What may be dropped once no decision before `before_us` will be asked again; O(state)."""
        pruned = ((name, old, prune(old, before_us)) for name, old in self.buckets.items())
        return Changes(
            tuple(
                (name, new if new.contributions else None)
                for name, old, new in pruned
                if new is not old
            ),
            tuple((name, None) for name, keep_us in self.seen.items() if keep_us < before_us),
        )

    def apply(self, changes: Changes) -> None:
        """Take over changes that `step`, `revise` or `forget` computed on this very state."""
        for bucket_name, bucket in changes.buckets:
            if bucket is None:
                self.buckets.pop(bucket_name, None)
            else:
                self.buckets[bucket_name] = bucket
        for event_name, keep_us in changes.seen:
            if keep_us is None:
                self.seen.pop(event_name, None)
            else:
                self.seen[event_name] = keep_us

    def _with_entries(
        self, arrival: Arrival, before_us: int, *, drop_old: bool
    ) -> Iterator[tuple[BucketName, Bucket | None]]:
        for entry in arrival.entries:
            if None in entry.key:
                continue
            name = (entry.feature, entry.key)
            old = self.buckets.get(name)
            new = without(old, arrival.event_id) if old and drop_old else old
            for contribution in entry.contributions:
                new = advance(new, contribution)
            new = new and prune(new, before_us)
            if new is not None and new is not old:
                yield name, new if new.contributions else None
