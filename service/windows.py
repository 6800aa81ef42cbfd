"""The windows of a running service: what every event that was taken in adds up to.

Events enter in the order in which they are recorded, each once. The state is a function of the set
of events: copies and other orders of the same events lead to the same state, so it can be rebuilt
from the ledger (`window_recovery.py`) and may be saved at any moment (`window_snapshot.py`). What
was taken in and could not be recorded is taken out again.

For one thread. Times are UTC microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from tidegate.dsl.lists import Lists
from tidegate.dsl.program import EventType, Program
from tidegate.dsl.types import Value
from tidegate.engine.arrivals import Arrivals
from tidegate.engine.features import (
    Counted,
    Report,
    aggregate_named,
    arrival_of,
    as_key,
    new_state,
    relabel,
    reports,
)
from tidegate.engine.windows import (
    Aggregate,
    BucketName,
    Changes,
    EventName,
    WindowState,
    WindowValue,
    prune,
    without,
)

FindCounted = Callable[[EventName], Counted | None]
"""Gives an event that was taken in before, as it was, or None where it cannot be read any more."""


def nothing_found(_name: EventName) -> Counted | None:
    """For events that report no label."""
    return None


@dataclass(frozen=True, slots=True)
class Labelled:
    """A label that an event reported, and since when it was known before, if it was."""

    report: Report
    before_us: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """An event that was taken in, with what takes it out again. `new`: it was not seen before."""

    counted: Counted
    new: bool
    labelled: tuple[Labelled, ...] = ()


class Windows:
    """Window state with the labels that were reported.

    `latest_us` is the time of the latest arrival: no later decision looks back further than the
    longest window from there.
    """

    __slots__ = (
        "_arrivals",
        "_labelled_events",
        "_sources",
        "_wanted",
        "latest_us",
        "program",
        "reported",
        "state",
    )

    def __init__(
        self,
        program: Program,
        state: WindowState | None = None,
        reported: dict[EventName, dict[str, int]] | None = None,
        latest_us: int = 0,
    ) -> None:
        self.program = program
        self._arrivals = Arrivals(program)
        self._wanted = {event.name: _wanted(program, event) for event in program.events}
        self.state = state or new_state(program)
        self.reported = reported if reported is not None else {}
        self.latest_us = latest_us
        self._sources = frozenset(label.source_event for label in program.labels)
        self._labelled_events = frozenset(f.event for f in program.features if f.labels)

    def read(self, event: EventType, values: Mapping[str, Value | None]) -> dict[str, WindowValue]:
        """Every feature that a decision of this event reads; the event itself is in none."""
        t_us, own = values[event.at], str(values[event.key])
        assert isinstance(t_us, int)
        read = self.state.read
        return {
            name: read(
                index,
                aggregate,
                tuple([as_key(values.get(mine)) for mine in keys]),
                t_us,
                own if counts_own else None,
            )
            for index, name, aggregate, keys, counts_own in self._wanted[event.name]
        }

    def reports(self, counted: Counted, lists: Lists) -> tuple[EventName, ...]:
        """The events whose labels this one reports: what `take` may ask `find` for."""
        if counted.event not in self._sources or (counted.event, counted.key) in self.state.seen:
            return ()
        found = reports(self.program, counted.event, counted.values, lists)
        return tuple(
            (report.event, report.key)
            for report in found
            if report.event in self._labelled_events
            and (report.event, report.key) in self.state.seen
        )

    def take(self, counted: Counted, lists: Lists, find: FindCounted = nothing_found) -> Taken:
        """Take an event in, once per type and key, with the labels that it reports."""
        name = (counted.event, counted.key)
        if name in self.state.seen:
            return Taken(counted, new=False)
        known = self.reported.get(name)
        if known:
            counted = replace(counted, reported_us=dict(known))
        self.state.apply(self.state.step(self._arrivals.of(counted, lists), self.latest_us))
        if counted.event not in self._sources:
            return Taken(counted, new=True)
        found = reports(self.program, counted.event, counted.values, lists)
        labelled = tuple(self._label(report, counted.received_us, lists, find) for report in found)
        return Taken(counted, new=True, labelled=labelled)

    def revert(self, taken: Taken, lists: Lists, find: FindCounted = nothing_found) -> None:
        """Take an event out again that was not recorded, with the labels that it reported."""
        if not taken.new:
            return
        for labelled in reversed(taken.labelled):
            self._set_label(labelled.report, labelled.before_us, lists, find)
        counted, state = taken.counted, self.state
        buckets = []
        for entry in arrival_of(self.program, counted, lists).entries:
            bucket = state.buckets.get((entry.feature, entry.key))
            if bucket is not None:
                left = without(bucket, counted.key)
                buckets.append(((entry.feature, entry.key), left if left.contributions else None))
        seen = (((counted.event, counted.key), None),)
        state.apply(Changes(tuple(buckets), seen))

    def report(
        self, report: Report, at_us: int, lists: Lists, find: FindCounted = nothing_found
    ) -> Labelled:
        """Take a label in that no event reported: true of the event since `at_us`."""
        return self._label(report, at_us, lists, find)

    def take_back(
        self, labelled: Labelled, lists: Lists, find: FindCounted = nothing_found
    ) -> None:
        """Take a label out again that was not recorded."""
        self._set_label(labelled.report, labelled.before_us, lists, find)

    def prune(self, names: Iterable[BucketName]) -> None:
        """Forget in these buckets what no decision can see any more."""
        state = self.state
        found = ((name, state.buckets.get(name)) for name in names)
        pruned = [(name, prune(old, self.latest_us)) for name, old in found if old is not None]
        state.apply(Changes(tuple((n, b if b.contributions else None) for n, b in pruned)))

    def _label(self, report: Report, at_us: int, lists: Lists, find: FindCounted) -> Labelled:
        before_us = self.reported.get((report.event, report.key), {}).get(report.label)
        # Of several reports the first counts, whichever comes first.
        if before_us is None or at_us < before_us:
            self._set_label(report, at_us, lists, find)
        return Labelled(report, before_us)

    def _set_label(
        self, report: Report, at_us: int | None, lists: Lists, find: FindCounted
    ) -> None:
        name = (report.event, report.key)
        known = dict(self.reported.get(name, {}))
        known.pop(report.label, None)
        if at_us is not None:
            known[report.label] = at_us
        if known:
            self.reported[name] = known
        else:
            self.reported.pop(name, None)
        if report.event not in self._labelled_events or name not in self.state.seen:
            return
        counted = find(name)
        if counted is not None:
            counted = replace(counted, reported_us=known)
            changes = relabel(self.program, self.state, counted, lists, self.latest_us)
            self.state.apply(changes)


def _wanted(
    program: Program, event: EventType
) -> tuple[tuple[int, str, Aggregate, tuple[str, ...], bool], ...]:
    """The features that a decision of this event reads, each as `read` needs it."""
    names = {entry.name for entry in event.inputs if entry.source == "feature"}
    return tuple(
        (
            index,
            feature.name,
            aggregate_named(feature),
            tuple(mine for mine, _ in feature.keys),
            feature.event == event.name,
        )
        for index, feature in enumerate(program.features)
        if feature.name in names
    )
