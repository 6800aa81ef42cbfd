"""From when on a dry run measures: from where every window that its decisions read is full.

A window is full once the history of what it counts has run for as long as the window reaches back.
Only events that windows count say when that is; an event that reports labels alone does not.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.dsl.program import EventType, Feature
from tidegate.simulation.history import History


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Until when windows fill; `event` is the type of event that takes longest."""

    until_us: int
    event: str


def warm_up(history: History, event: EventType, features: tuple[Feature, ...]) -> WarmUp:
    """The warm-up of decisions that read these features, which the history does not bring."""
    begins_us = history.begins_us
    given_us = history.mapping.warm_up_us
    found = [WarmUp(begins_us.get(event.name, 0) + (given_us or 0), event.name)]
    for feature in features:
        if feature.event in begins_us:
            length_us = feature.window_us + feature.delay_us if given_us is None else given_us
            found.append(WarmUp(begins_us[feature.event] + length_us, feature.event))
    return max(found, key=_until)


def _until(found: WarmUp) -> int:
    return found.until_us
