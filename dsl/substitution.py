"""A copy of tree nodes with other names, as a use of a template has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from tidegate.dsl import tree
from tidegate.dsl.source import Span


@dataclass(frozen=True, slots=True)
class Substitution:
    """What the names of a template are called by the use `use`, and how long its windows are."""

    use: str
    names: Mapping[str, str]
    windows: Mapping[str, tree.Literal]

    def of(self, node: Any) -> Any:
        """The node as the use has it; each place knows the use."""
        match node:
            case Span():
                return replace(node, use=self.use)
            case tuple():
                return tuple(map(self.of, node))
            case tree.Name():
                return tree.Name(self.of(node.span), self._name(node.text))
            case tree.Reference():
                return tree.Reference(self.of(node.span), self._name(node.name))
            case tree.Member():
                return tree.Member(self.of(node.span), self._name(node.base), node.name)
            case tree.Lookup():
                return self._parts(node, table=node.table, column=node.column)
            case tree.Apply():
                return self._parts(node, function=node.function)
            case tree.FeatureDeclaration(window_name=tree.Name(text=name)) if name in self.windows:
                return self._parts(node, window=self.windows[name], window_name=None)
        return self._parts(node) if isinstance(node, tree.Node) else node

    def _parts(self, node: Any, **kept: Any) -> Any:
        """The node with its parts substituted, but for those that are `kept`."""
        parts = {f.name: self.of(getattr(node, f.name)) for f in fields(node) if f.name not in kept}
        return replace(node, **parts, **kept)

    def _name(self, name: str) -> str:
        return self.names.get(name, name)


def names_read(node: Any) -> Iterator[tuple[str, Span]]:
    """The names of values that a declaration reads, each with its place."""
    match node:
        case tree.Reference():
            yield node.name, node.span
        case tree.Member():
            yield node.base, node.span
        case tree.Lookup():
            yield node.key.text, node.key.span
        case tree.FeatureDeclaration():
            named = [node.operand, node.window_name, *(n for key in node.keys for n in key)]
            yield from ((name.text, name.span) for name in named if name is not None)
            yield from names_read(node.where)
        case tuple():
            for part in node:
                yield from names_read(part)
        case _ if isinstance(node, tree.Node) and is_dataclass(node):
            for field in fields(node):
                yield from names_read(getattr(node, field.name))
