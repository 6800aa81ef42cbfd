"""What is right by the letter and surely not meant, seen with what lists and tables hold."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.dsl.diagnostics import Diagnostic, Severity
from tidegate.dsl.lists import ListContent, Lists
from tidegate.dsl.program import Expression, InList, Input, LetRef, Lookup, Program
from tidegate.dsl.shapes import coarseness, finer, fold, folding
from tidegate.dsl.tables import Tables
from tidegate.dsl.unknowns import walk


def unmatched_values(program: Program, lists: Lists) -> Iterator[Diagnostic]:
    """Warnings for values of lists that what is looked up in them never equals."""
    for condition in _conditions(program):
        for node in walk(condition):
            content = lists.get(node.list) if isinstance(node, InList) else None
            if isinstance(node, InList) and content is not None:
                yield from (*_unfolded(node, content), *_finer(node, content))


def unmatched_keys(program: Program, tables: Tables) -> Iterator[Diagnostic]:
    """Warnings for keys of tables that the folded field they are looked up by never equals."""
    said: set[str] = set()
    for condition in _conditions(program):
        for node in walk(condition):
            if isinstance(node, Input) and node.lookup is not None and node.name not in said:
                said.add(node.name)
                yield from _unfolded_keys(node, node.lookup, program, tables)


def _unfolded_keys(
    node: Input, lookup: Lookup, program: Program, tables: Tables
) -> Iterator[Diagnostic]:
    folded = any(f.folded for e in program.events for f in e.fields if f.name == lookup.key)
    keys = tables[lookup.table].rows if folded else ()
    number = sum(key != fold(key) for key in keys)
    if number:
        yield Diagnostic(
            "TG708",
            f"{number:,} of the keys of table `{lookup.table}` never match `{lookup.key}`, which "
            "is folded",
            node.span,
            "write the keys in lower case",
            Severity.WARNING,
        )


def _conditions(program: Program) -> Iterator[Expression]:
    for event in program.events:
        for rule in event.rules:
            yield from (rule.when, *rule.exceptions)
    for feature in program.features:
        if feature.where is not None:
            yield feature.where


def _unfolded(node: InList, content: ListContent) -> Iterator[Diagnostic]:
    how = folding(node.operand)
    number = sum(value != how.apply(value) for value in content.values if isinstance(value, str))
    if number:
        yield Diagnostic(
            "TG708",
            f"{number:,} of the values of list `{node.list}` never match {_named(node.operand)}, "
            "which is folded",
            node.span,
            "write the list in lower case",
            Severity.WARNING,
        )


def _finer(node: InList, content: ListContent) -> Iterator[Diagnostic]:
    kept = coarseness(node.operand)
    if kept is None:
        return
    number = sum(finer(covered, kept) is not None for covered in content.ranges)
    if number:
        yield Diagnostic(
            "TG710",
            f"{number:,} of the networks of list `{node.list}` are smaller than what "
            f"{_named(node.operand)} is rounded to",
            node.span,
            f"list networks of /{kept[0]} (IPv4) and /{kept[1]} (IPv6) or wider",
            Severity.WARNING,
        )


def _named(operand: Expression) -> str:
    return f"`{operand.name}`" if isinstance(operand, Input | LetRef) else "this"
