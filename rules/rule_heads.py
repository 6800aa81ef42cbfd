"""Where the version of a rule is written: at the rule, or at what it is a part of.

A row of a decision table and a rule of a template have the version of the table, or of the `apply`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.dsl import tree
from tidegate.dsl.parser import parse
from tidegate.dsl.program import Program, Rule
from tidegate.dsl.source import Source, Span


@dataclass(frozen=True, slots=True)
class Head:
    """A name behind which a version stands, and the rules that have it."""

    name: Span
    rules: tuple[Rule, ...]


def heads_of(sources: Mapping[str, Source], program: Program) -> dict[str, Head]:
    """By the id of each rule, where its version is written in the policy's own texts."""
    declared = [d for source in sources.values() for d in parse(source).file.declarations]
    alone = {d.name.text for d in declared if isinstance(d, tree.RuleDeclaration) and d.version}
    several = {
        d.name.text: d.name.span
        for d in declared
        if isinstance(d, tree.ApplyDeclaration | tree.DecisionDeclaration)
    }
    found: dict[Span, list[Rule]] = {}
    for rule in (rule for event in program.events for rule in event.rules):
        name = "" if rule.name in alone else _whole(rule.name, several)
        found.setdefault(several.get(name, rule.span), []).append(rule)
    heads = (Head(span, tuple(rules)) for span, rules in found.items())
    return {rule.id: head for head in heads for rule in head.rules}


def _whole(rule: str, names: Mapping[str, Span]) -> str:
    """The longest of the names that the rule's own begins with."""
    fitting = (name for name in names if rule == name or rule.startswith(f"{name}_"))
    return max(fitting, key=len, default="")
