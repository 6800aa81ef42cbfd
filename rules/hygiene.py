"""What is right by the letter and surely not meant, seen with the contents of the lists at hand."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.dsl.diagnostics import Diagnostic, Severity
from tidegate.dsl.lists import Lists
from tidegate.dsl.program import EventType, Expression, InList, Input, Program
from tidegate.dsl.unknowns import walk


def unmatched_values(program: Program, lists: Lists) -> Iterator[Diagnostic]:
    """Warnings for values with capitals on lists that a folded field is looked up in."""
    for event, condition in _conditions(program):
        for node in walk(condition):
            if isinstance(node, InList) and isinstance(node.operand, Input):
                yield from _unmatched(event, node, node.operand.name, lists)


def _conditions(program: Program) -> Iterator[tuple[EventType, Expression]]:
    for event in program.events:
        for rule in event.rules:
            yield from ((event, part) for part in (rule.when, *rule.exceptions))
    for feature in program.features:
        if feature.where is not None:
            yield program.event(feature.event), feature.where


def _unmatched(event: EventType, node: InList, name: str, lists: Lists) -> Iterator[Diagnostic]:
    content = lists.get(node.list)
    if content is None or not any(f.name == name and f.folded for f in event.fields):
        return
    number = sum(value != value.casefold() for value in content.values if isinstance(value, str))
    if number:
        yield Diagnostic(
            "TG708",
            f"{number:,} of the values of list `{node.list}` never match `{name}`, which is folded",
            node.span,
            "write the list in lower case",
            Severity.WARNING,
        )
