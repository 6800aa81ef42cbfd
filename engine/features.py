"""From events to features, one event at a time: the glue between a policy and its windows.

A service calls `read` for the event it decides and `admit` for every event that reached it, the
decided one included; `relabel` when another event reports a label. All state stands in the
`WindowState`, every change is a value that the caller applies, and nothing reads a clock.

A label that was reported at r counts as true for decisions after r and as false before. An event
with k labels so means up to 2**k things, one after the other: `contributions_of` gives each its
time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from tidegate.dsl.lists import Lists
from tidegate.dsl.periods import period_end_us
from tidegate.dsl.program import EventType, Feature, Program
from tidegate.dsl.types import Kind, Value
from tidegate.engine.functions import zone_named
from tidegate.engine.interpreter import Reader, truth, value_of
from tidegate.engine.windows import (
    INT64_MAX,
    INT64_MIN,
    Aggregate,
    Arrival,
    Changes,
    Contribution,
    Entry,
    Operand,
    WindowState,
    WindowValue,
)

NO_LABELS: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Counted:
    """An event as the windows take it in.

    `values` are its fields by name, None where missing. `reported_us` says since when each label
    that was reported as true is known; a label that is not named counts as false.
    """

    event: str
    key: str
    at_us: int
    received_us: int
    values: Mapping[str, Value | None]
    reported_us: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """A label that an event reports: `label` of the event of type `event` with `key` is true."""

    label: str
    event: str
    key: str


def new_state(program: Program) -> WindowState:
    """Windows without any event, for this policy."""
    return WindowState(horizon_us(program))


def horizon_us(program: Program) -> int:
    """The longest window with its delay: what lies further back changes no decision."""
    return max((f.window_us + f.delay_us for f in program.features), default=0)


def aggregate_named(feature: Feature) -> Aggregate:
    """What the feature computes, as the windows call it."""
    return Aggregate(feature.aggregate.replace("_", " "))


# --- reading -----------------------------------------------------------------------------------


def read(
    program: Program,
    state: WindowState,
    event: EventType,
    values: Mapping[str, Value | None],
) -> dict[str, WindowValue]:
    """Every feature that a decision of this event reads, as its own time sees it."""
    wanted = {item.name for item in event.inputs if item.source == "feature"}
    t_us, own = values[event.at], values[event.key]
    assert isinstance(t_us, int)
    return {
        feature.name: state.read(
            index,
            aggregate_named(feature),
            tuple(as_key(values.get(mine)) for mine, _ in feature.keys),
            t_us,
            str(own) if feature.event == event.name else None,
        )
        for index, feature in enumerate(program.features)
        if feature.name in wanted
    }


# --- taking in ---------------------------------------------------------------------------------


def admit(
    program: Program,
    state: WindowState,
    counted: Counted,
    lists: Lists,
    before_us: int = INT64_MIN,
) -> Changes:
    """What the event changes; nothing if its key was seen before, once per event type.

    `lists` are read as they are now. Buckets that the event touches forget what no decision from
    `before_us` on can see.
    """
    return state.step(arrival_of(program, counted, lists), before_us)


def relabel(
    program: Program,
    state: WindowState,
    counted: Counted,
    lists: Lists,
    before_us: int = INT64_MIN,
) -> Changes:
    """What changes once a label of an event that was admitted is reported.

    `counted` is the event as it was admitted, with all labels known by now in `reported_us`, and
    `lists` are those of its arrival.
    """
    return state.revise(arrival_of(program, counted, lists), before_us)


def reports(
    program: Program, event: str, values: Mapping[str, Value | None], lists: Lists
) -> tuple[Report, ...]:
    """The labels that this event reports about other events."""
    reader = Reader(values, lists)
    found = (
        (label, values.get(label.matching))
        for label in program.labels
        if label.source_event == event
        and (label.where is None or truth(label.where, reader) is True)
    )
    return tuple(
        Report(label.name, label.event, str(key)) for label, key in found if key is not None
    )


def arrival_of(program: Program, counted: Counted, lists: Lists) -> Arrival:
    """The event as the windows take it: its entry under every feature that counts such events."""
    entries = (
        Entry(
            index,
            tuple(as_key(counted.values.get(theirs)) for _, theirs in feature.keys),
            tuple(contributions_of(feature, counted, lists)),
        )
        for index, feature in enumerate(program.features)
        if feature.event == counted.event
    )
    return Arrival(counted.event, counted.key, counted.at_us, counted.received_us, tuple(entries))


def contributions_of(feature: Feature, counted: Counted, lists: Lists) -> Iterator[Contribution]:
    """The event's contributions to one feature: one for each understanding of its labels.

    An understanding, the labels in `known` true and the others false, is seen by decisions after
    each known label was reported and not after any other was.
    """
    delayed_us = counted.at_us + feature.delay_us
    enter_us = max(min(delayed_us, INT64_MAX), counted.received_us)
    leave_us = min(_last_us(feature, counted.at_us) + feature.delay_us, INT64_MAX)
    for known in label_combinations(feature.labels):
        turns = {name: counted.reported_us.get(name, INT64_MAX) for name in feature.labels}
        enter = max([enter_us, *(turns[name] for name in known)])
        leave = min([leave_us, *(turn for name, turn in turns.items() if name not in known)])
        if enter < leave and (share := _share(feature, counted, known, lists)):
            yield Contribution(enter, leave, share[0], counted.key)


def _last_us(feature: Feature, at_us: int) -> int:
    """The last decision, were it not delayed, whose window holds an event of this time."""
    if feature.period is None:
        return at_us + feature.window_us
    return period_end_us(at_us, feature.period, zone_named(feature.zone)) - 1


def label_combinations(labels: Iterable[str]) -> Iterator[frozenset[str]]:
    """Every set of labels that may be true, none first."""
    for picked in product(*(((), (name,)) for name in labels)):
        yield frozenset(name for names in picked for name in names)


def _share(
    feature: Feature, counted: Counted, known: frozenset[str], lists: Lists
) -> tuple[Operand | None] | None:
    """The operand, None where it is missing; nothing at all where `where` is not true."""
    labels = {name: name in known for name in feature.labels}
    reader = Reader({**counted.values, **labels}, lists)
    if feature.where is not None and truth(feature.where, reader) is not True:
        return None
    if feature.operand is None:
        return (None,)
    return (as_operand(value_of(feature.operand, reader), feature.operand.type.kind),)


def as_operand(value: Value | None, kind: Kind) -> Operand | None:
    """A value as the windows hold it: addresses are wider than int64 and go as text."""
    if value is None or isinstance(value, str):
        return value
    return f"{value:032x}" if kind is Kind.IP else int(value)


def as_key(value: Value | None) -> int | str | None:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return value if INT64_MIN <= value <= INT64_MAX else f"{value:032x}"
