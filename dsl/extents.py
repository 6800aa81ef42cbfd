"""How large a let grows once the lets it reads are written out, known before anything recurses.

Every let is measured once, the ones it reads before it, so a chain of any length costs no more
than its text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import NamedTuple

from tidegate.dsl import tree

MAX_DEPTH = 100
"""How deep a let may nest once the lets that it reads are written out."""
MAX_SIZE = 10_000
"""How many parts a let may have once the lets that it reads are written out."""


class Extent(NamedTuple):
    """How many parts an expression has, and how deep it nests."""

    size: int
    depth: int


class Excess(NamedTuple):
    """The innermost let that grows too large, and how large it is in words."""

    name: str
    much: str


_NOTHING = Extent(0, 0)


class Extents:
    """The extents of the lets of one policy. A let that reads itself counts as nothing inside."""

    def __init__(self, lets: Mapping[str, tree.LetDeclaration]) -> None:
        self._bodies = {name: let.value for name, let in lets.items() if let.value is not None}
        self._known: dict[str, Extent] = {}
        self._excess: dict[str, Excess] = {}

    def excess(self, name: str) -> Excess | None:
        """What is too large about the let called `name` or a let below it."""
        waiting = dict.fromkeys([name] if name in self._bodies else [])
        while waiting:
            last = next(reversed(waiting))
            reads = [n for n in _names(self._bodies[last]) if n in self._bodies]
            ahead = [n for n in reads if n not in self._known and n not in waiting]
            waiting.update(dict.fromkeys(ahead))
            if not ahead:
                del waiting[last]
                self._measure(last, reads)
        return self._excess.get(name)

    def _measure(self, name: str, reads: list[str]) -> None:
        size, depth = self._known[name] = self._measured(self._bodies[name])
        inner = next((self._excess[n] for n in reads if n in self._excess), None)
        if inner is not None:
            self._excess[name] = inner
        elif size > MAX_SIZE:
            self._excess[name] = Excess(name, f"more than {MAX_SIZE:,} parts")
        elif depth > MAX_DEPTH:
            self._excess[name] = Excess(name, f"{depth} levels")

    def _measured(self, node: tree.Expr) -> Extent:
        """`node` written out; recurses into its own text alone, which the parser bounds."""
        if isinstance(node, tree.Reference):
            inside = self._known.get(node.name, _NOTHING)
            return Extent(1 + inside.size, 1 + inside.depth)
        below = [self._measured(part) for part in _parts(node)]
        size = 1 + sum(part.size for part in below)
        return Extent(size, 1 + max((part.depth for part in below), default=0))


def _names(node: tree.Expr) -> Iterator[str]:
    """The names that `node` reads."""
    stack = [node]
    while stack:
        found = stack.pop()
        if isinstance(found, tree.Reference):
            yield found.name
        stack += _parts(found)


def _parts(node: tree.Expr) -> Iterator[tree.Expr]:
    """The expressions right below `node`, as often as they are worked out."""
    if isinstance(node, tree.Between):
        yield node.operand  # compared with each end
    for field in fields(node):
        yield from _expressions(getattr(node, field.name))


def _expressions(value: object) -> Iterator[tree.Expr]:
    if isinstance(value, tree.Expr):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _expressions(item)
