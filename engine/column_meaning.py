"""What a condition means, as a hash: equal in every policy and every run that asks the same.

A condition of a rule is made of *atoms*: what stands below `and`, `or`, `not`. Only `points` has no
rows of its own. An atom that reads a list means the list's content, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from tidegate.dsl.lists import Lists
from tidegate.engine.column_chunk import Node, TruthNode
from tidegate.engine.column_nodes import AllOf, AnyOf, Inverse, NotOf, OneOfList, PointsReach
from tidegate.engine.column_texts import TextInList
from tidegate.engine.columns import EventPlan

ListHashes = Mapping[str, str | None]
"""By name, the hash of a list's content; None where it cannot be read."""


def hashes_of(lists: Lists) -> ListHashes:
    """The hash of each list's content."""
    return {name: None if content is None else content.hash for name, content in lists.items()}


def atoms_of(plan: EventPlan, lists: ListHashes) -> dict[TruthNode, str]:
    """Every atom that deciding an event may read, with the hash of its meaning."""
    meanings = _Meanings(lists)
    conditions = [c for rule in plan.rules for c in (rule.when, *rule.exceptions)]
    conditions += [model.use for model in plan.models if model.use is not None]
    return {atom: meanings.of(atom) for condition in conditions for atom in _atoms(condition)}


def _atoms(node: TruthNode) -> Iterator[TruthNode]:
    match node:
        case AllOf(items=items) | AnyOf(items=items):
            for item in items:
                yield from _atoms(item)
        case NotOf(operand=operand) | Inverse(operand=operand):
            yield from _atoms(operand)
        case PointsReach():
            return
        case _:
            yield node


class _Meanings:
    """The hashes of nodes, each worked out once."""

    def __init__(self, lists: ListHashes) -> None:
        self.lists = lists
        self._known: dict[Node, str] = {}

    def of(self, node: Node) -> str:
        """The hash (hex) of what `node` means."""
        known = self._known.get(node)
        if known is None:
            text = f"{type(node).__name__}({','.join(map(self._text, node.parts))})"
            if isinstance(node, OneOfList | TextInList):
                text += self.lists.get(node.name) or "unread"
            known = self._known[node] = hashlib.sha256(text.encode()).hexdigest()
        return known

    def _text(self, part: object) -> str:
        if isinstance(part, Node):
            return self.of(part)
        if isinstance(part, tuple):
            return f"({','.join(map(self._text, part))})"
        if isinstance(part, frozenset):
            return f"{{{','.join(sorted(map(repr, part)))}}}"
        return repr(part)
