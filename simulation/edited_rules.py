"""Which rules differ between two policies over one event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tidegate.dsl.program import EventType, Program, Rule
from tidegate.engine.column_edit import Pair
from tidegate.engine.column_meaning import ListHashes
from tidegate.simulation.plain_program import lists_in


def changed_lists(old: ListHashes, new: ListHashes) -> frozenset[str]:
    """The lists that do not hold what they held."""
    return frozenset(name for name in {*old, *new} if old.get(name) != new.get(name))


def pairs_of(old: EventType, new: EventType, lists: frozenset[str]) -> tuple[Pair, ...]:
    """The rules that differ, by their place in each; `lists` are those whose contents do.

    Versions of one name stand or fall together: one may put another in the shadow.
    """
    before, after = _by_name(old), _by_name(new)
    return tuple(
        pair
        for name in sorted({*before, *after})
        if _differ(before.get(name, {}), after.get(name, {}), lists)
        for pair in _pairs(before.get(name, {}), after.get(name, {}))
    )


Versions = dict[int, tuple[int, Rule]]
"""Of one rule: by version, its place and what counts about it."""


def _by_name(event: EventType) -> dict[str, Versions]:
    found: dict[str, Versions] = {}
    for place, rule in enumerate(event.rules):
        found.setdefault(rule.name, {})[rule.version] = place, _essence(rule)
    return found


def _essence(rule: Rule) -> Rule:
    """The rule without what is only read by people."""
    return replace(rule, text="", owner="", group="", expires_us=None, meaning="")


def _differ(old: Versions, new: Versions, lists: frozenset[str]) -> bool:
    if [rule for _, rule in old.values()] != [rule for _, rule in new.values()]:
        return True
    return bool(lists) and any(lists & set(lists_in(rule)) for _, rule in new.values())


def _pairs(old: Versions, new: Versions) -> Iterator[Pair]:
    for version in sorted({*old, *new}):
        if version in old and version in new:
            (before, was), (after, now) = old[version], new[version]
            alike = (was.then, was.unknown) == (now.then, now.unknown)
            yield Pair(before, after, alike)
        elif version in old:
            yield Pair(old[version][0], None)
        else:
            yield Pair(None, new[version][0])


def places_before(old: EventType, new: EventType) -> list[int | None]:
    """Per rule of `new`, its place among those of `old`."""
    places = {rule.id: place for place, rule in enumerate(old.rules)}
    return [places.get(rule.id) for rule in new.rules]


def same_models(old: Program, new: Program, event: EventType, lists: frozenset[str]) -> bool:
    """Whether the event's models may do the same and are used in the same rows."""
    models = [new.model(name) for name in event.models]
    before = old.event(event.name).models
    return (
        before == event.models
        and models == [old.model(name) for name in before]
        and not lists & {name for model in models for name in lists_in(model.use_when)}
    )
