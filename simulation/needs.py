"""What a dry run has to read of each event, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass

from tidegate.dsl.program import EventType, Expression, Feature, Input, Label, Program


def names_in(expressions: Iterable[Expression | None]) -> frozenset[str]:
    """The inputs that the expressions read, straight or through lets."""
    return frozenset(name for expression in expressions for name in _inputs(expression))


def _inputs(part: object) -> Iterator[str]:
    if isinstance(part, Input):
        yield part.name
        if part.lookup is not None:
            yield part.lookup.key
    elif isinstance(part, tuple):
        for item in part:
            yield from _inputs(item)
    elif isinstance(part, Expression) and is_dataclass(part):
        for declared in fields(part):
            yield from _inputs(getattr(part, declared.name))


def features_read(program: Program, event: EventType) -> tuple[Feature, ...]:
    """The features that decisions of this event read."""
    names = {item.name for item in event.inputs if item.source == "feature"}
    return tuple(feature for feature in program.features if feature.name in names)


def fields_read(program: Program, event: EventType) -> frozenset[str]:
    """The fields of `event` that its decisions read."""
    fields = {declared.name for declared in event.fields}
    read = _read_by_rules(program, event) | {event.at}
    return frozenset(name for name in read if name.split(".")[0] in fields)


def kept_inputs(program: Program, event: EventType, features: Iterable[Feature]) -> frozenset[str]:
    """The fields of `event` whose values are needed: by its rules, by `features`, by labels."""
    kept = {event.at} | _read_by_rules(program, event)
    for feature in features:
        if event.decided:
            kept |= {mine for mine, _ in feature.keys}
        if feature.event == event.name:
            kept |= {theirs for _, theirs in feature.keys}
            kept |= names_in((feature.operand, feature.where))
    for label in labels_reported_by(program, event.name):
        kept |= {label.matching} | names_in((label.where,))
    return frozenset(kept)


def labels_reported_by(program: Program, event: str) -> tuple[Label, ...]:
    """The labels that events of this type report."""
    return tuple(label for label in program.labels if label.source_event == event)


def _read_by_rules(program: Program, event: EventType) -> set[str]:
    models = [program.model(name) for name in event.models]
    read = set(names_in(rule.when for rule in event.rules))
    read |= names_in(exception for rule in event.rules for exception in rule.exceptions)
    read |= names_in(model.use_when for model in models)
    read |= names_in(expression for model in models for expression in model.reads)
    return read | {rule.rollout.field for rule in event.rules if rule.rollout}
