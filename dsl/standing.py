"""Which names stand where in a file: what each declares, and what each uses.

Names of values (fields, features, lets, params, labels and scores) are one sort, `value`, since an
expression does not say which of them it means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from tidegate.dsl import tree
from tidegate.dsl.source import Span

_DECLARED: dict[type[tree.Node], tuple[str, str]] = {
    tree.PolicyDeclaration: ("policy", "policy"),
    tree.EventDeclaration: ("event", "event"),
    tree.FieldDeclaration: ("value", "field"),
    tree.FeatureDeclaration: ("value", "feature"),
    tree.LetDeclaration: ("value", "let"),
    tree.ParamDeclaration: ("value", "param"),
    tree.LabelDeclaration: ("value", "label"),
    tree.ListDeclarationNode: ("list", "list"),
    tree.TableDeclaration: ("table", "table"),
    tree.ModelDeclaration: ("model", "model"),
    tree.ReasonDeclaration: ("reason", "reason"),
    tree.StepUpDeclaration: ("step_up", "step_up"),
    tree.GroupDeclaration: ("group", "group"),
    tree.RuleDeclaration: ("rule", "rule"),
    tree.DecisionDeclaration: ("rule", "decision"),
    tree.GuaranteeDeclaration: ("guarantee", "guarantee"),
    tree.GrantDeclaration: ("grant", "grant"),
    tree.LibraryDeclaration: ("library", "library"),
    tree.TemplateDeclaration: ("template", "template"),
    tree.ApplyDeclaration: ("apply", "apply"),
}
_USED = {
    "event": "event", "counting": "event", "use": "event", "operand": "value", "keys": "value",
    "source": "event", "matching": "value", "reads": "value", "group": "group", "field": "value",
    "list": "list", "table": "table", "key": "value", "because": "reason", "library": "library",
    "template": "template",
}  # fmt: skip
"""The sort of what a name in a slot of this name means; in other slots it names nothing here."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A name in the text. `node` is what it declares, or None where it is used.

    `word` says in the language's words what is declared, such as `field`.
    """

    sort: str
    name: str
    span: Span
    node: tree.Node | None = None
    word: str = ""


def standings(file: tree.File) -> tuple[Standing, ...]:
    """Every name of a file, in the order of the text."""
    found = [one for d in file.declarations for one in _of(d)]
    return tuple(sorted(found, key=lambda one: (one.span.start, one.span.end)))


def standing_at(all_of_file: Sequence[Standing], offset: int) -> Standing | None:
    """The name at `offset` or ending there; None where none stands."""
    touching = [s for s in all_of_file if s.span.start <= offset <= s.span.end]
    return max(touching, key=lambda s: s.span.start, default=None)


def declarations_of(wanted: Standing, every: Iterable[Standing]) -> tuple[Standing, ...]:
    """Where what `wanted` names is declared; several where events have a field of one name."""
    return tuple(s for s in every if s.node is not None and _same(s, wanted))


def uses_of(wanted: Standing, every: Iterable[Standing]) -> tuple[Standing, ...]:
    """Where what `wanted` names is used; its declarations are left out."""
    return tuple(s for s in every if s.node is None and _same(s, wanted))


def _same(one: Standing, other: Standing) -> bool:
    return (one.sort, one.name) == (other.sort, other.name)


def _of(node: tree.Node) -> Iterator[Standing]:
    if isinstance(node, tree.Reference):
        yield Standing("value", node.name, node.span)
    elif isinstance(node, tree.Member):
        end = node.span.start + len(node.base)
        yield Standing("value", node.base, Span(node.span.path, node.span.start, end))
    else:
        for slot in fields(node):
            yield from _in_slot(node, slot.name, getattr(node, slot.name))


def _in_slot(node: tree.Node, slot: str, value: Any) -> Iterator[Standing]:
    if isinstance(value, tuple):
        for item in value:
            yield from _in_slot(node, slot, item)
    elif isinstance(value, tree.Name):
        yield from _named(node, slot, value)
    elif isinstance(value, tree.Node):
        yield from _of(value)


def _named(node: tree.Node, slot: str, name: tree.Name) -> Iterator[Standing]:
    if slot == "name" and type(node) in _DECLARED:
        sort, word = _DECLARED[type(node)]
        yield Standing(sort, name.text, name.span, node, word)
    elif isinstance(node, tree.ModelDeclaration) and slot == "score":
        yield Standing("value", name.text, name.span, node, "score")
    elif isinstance(node, tree.Action) and slot == "name" and node.verb in ("step_up", "prefer"):
        yield Standing("step_up", name.text, name.span)
    elif slot in _USED:
        yield Standing(_USED[slot], name.text, name.span)
