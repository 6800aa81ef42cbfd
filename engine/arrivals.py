"""Arrivals of one policy, worked out ahead: what `features.arrival_of` says, in less time.

What a feature does with an event is looked up once. The usual feature reads no label, has no
calendar period, and its operand is a field or nothing: then a contribution is two sums. Any other
is left to `contributions_of`, which is the definition.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.dsl.lists import Lists
from tidegate.dsl.program import Feature, Input, Program
from tidegate.dsl.types import Kind
from tidegate.engine.features import Counted, as_key, as_operand, contributions_of
from tidegate.engine.interpreter import Reader, truth
from tidegate.engine.windows import INT64_MAX, Arrival, Contribution, Entry


@dataclass(frozen=True, slots=True)
class _Counting:
    """How one feature counts an event. `operand` is a field's name, empty where there is none."""

    index: int
    feature: Feature
    keys: tuple[str, ...]
    simple: bool
    operand: str
    kind: Kind


class Arrivals:
    """Makes the arrivals of one policy's events."""

    __slots__ = ("_by_event",)

    def __init__(self, program: Program) -> None:
        self._by_event: dict[str, tuple[_Counting, ...]] = {
            event.name: tuple(
                _counting(index, feature)
                for index, feature in enumerate(program.features)
                if feature.event == event.name
            )
            for event in program.events
        }

    def of(self, counted: Counted, lists: Lists) -> Arrival:
        """The event as the windows take it, as `arrival_of` says."""
        values, entries = counted.values, []
        for counting in self._by_event.get(counted.event, ()):
            key = tuple([as_key(values.get(name)) for name in counting.keys])
            shares = (
                _simple(counting, counted, lists)
                if counting.simple
                else tuple(contributions_of(counting.feature, counted, lists))
            )
            entries.append(Entry(counting.index, key, shares))
        return Arrival(
            counted.event, counted.key, counted.at_us, counted.received_us, tuple(entries)
        )


def _counting(index: int, feature: Feature) -> _Counting:
    operand = feature.operand
    field = isinstance(operand, Input) and operand.source == "field"
    simple = not feature.labels and feature.period is None and (operand is None or field)
    return _Counting(
        index,
        feature,
        tuple(theirs for _, theirs in feature.keys),
        simple,
        operand.name if isinstance(operand, Input) else "",
        Kind.COUNT if operand is None else operand.type.kind,
    )


def _simple(counting: _Counting, counted: Counted, lists: Lists) -> tuple[Contribution, ...]:
    feature, at_us = counting.feature, counted.at_us
    delayed_us = at_us + feature.delay_us
    enter_us = max(min(delayed_us, INT64_MAX), counted.received_us)
    leave_us = min(delayed_us + feature.window_us, INT64_MAX)
    if enter_us >= leave_us:
        return ()
    if (
        feature.where is not None
        and truth(feature.where, Reader(counted.values, lists)) is not True
    ):
        return ()
    operand = None
    if counting.operand:
        operand = as_operand(counted.values.get(counting.operand), counting.kind)
    return (Contribution(enter_us, leave_us, operand, counted.key),)
