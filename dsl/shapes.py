"""What the door makes of a value, followed through expressions: addresses rounded, texts folded.

A rounded address says nothing about anything finer, and a folded text equals nothing that has a
capital. Both stay true behind a let, an `otherwise` or a `case`, so whoever compares asks here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple
from unicodedata import normalize

from tidegate.dsl.literals import is_ipv4
from tidegate.dsl.program import Call, Case, Constant, Expression, Input, LetRef, Otherwise
from tidegate.dsl.types import TEXT

Prefixes = tuple[int, int]
"""The IPv4 and the IPv6 prefix length that an address is rounded to."""


def fold(text: str) -> str:
    """Without upper and lower case, composed again: a folded text need not be composed."""
    return normalize("NFC", text.casefold())


def lower(text: str) -> str:
    """Lower case, composed again: the lower case of a composed text need not be composed."""
    return normalize("NFC", text.lower())


def upper(text: str) -> str:
    """Upper case, composed again."""
    return normalize("NFC", text.upper())


class Folding(NamedTuple):
    """What has been done to every text that comes from one place; a literal beside it follows."""

    folded: bool = False
    lowered: bool = False

    def apply(self, text: str) -> str:
        """The text as the place would hold it."""
        text = fold(text) if self.folded else text
        return lower(text) if self.lowered else text


_AS_IT_IS = Folding()


def folding(*parts: Expression) -> Folding:
    """What is done to every text that one of the parts may be; nothing where that differs."""
    leaves = list(_leaves(parts))
    found = {_folding(leaf) for leaf in leaves if not isinstance(leaf, Constant)}
    how = found.pop() if len(found) == 1 else _AS_IT_IS
    literals = {str(leaf.value) for leaf in leaves if isinstance(leaf, Constant)}
    return how if all(how.apply(text) == text for text in literals) else _AS_IT_IS


def _folding(leaf: Expression) -> Folding:
    match leaf:
        case Input(folded=folded):
            return Folding(folded=folded)
        case Call(function="lower", arguments=(text,)):
            return folding(text)._replace(lowered=True)
        case Call(function="before" | "after", arguments=(text, _)):
            return folding(text)
    return _AS_IT_IS


def folded_alike(*parts: Expression) -> tuple[Expression, ...]:
    """What is compared or chosen among, literals folded as the texts beside them are."""
    if parts[0].type != TEXT:
        return parts
    how = folding(*(part for part in parts if _literal(part) is None))
    return tuple(_folded(part, how) for part in parts)


def _literal(part: Expression) -> Constant | None:
    """The literal or param that `part` is, straight or by the name of a let."""
    while isinstance(part, LetRef):
        part = part.body
    return part if isinstance(part, Constant) else None


def _folded(part: Expression, how: Folding) -> Expression:
    literal = _literal(part)
    value = how.apply(str(literal.value)) if literal else ""
    if literal is None or value == literal.value:
        return part
    return replace(literal, value=value, span=part.span)


def coarseness(node: Expression) -> Prefixes | None:
    """What an address is rounded to: the coarsest of the fields that it may come from."""
    found = [leaf.coarse for leaf in _leaves([node]) if isinstance(leaf, Input) and leaf.coarse]
    return (min(p for p, _ in found), min(p for _, p in found)) if found else None


def finer(covered: tuple[int, int], kept: Prefixes) -> int | None:
    """The prefix that addresses are rounded to, where the range `covered` is smaller than that."""
    low, high = covered
    prefix, bits = (kept[0], 32) if is_ipv4(low) else (kept[1], 128)
    return prefix if high - low + 1 < 1 << (bits - prefix) else None


def _leaves(parts: Iterable[Expression]) -> Iterator[Expression]:
    """What the value of one of the parts may be, looked up through lets and choices."""
    stack = list(parts)
    while stack:
        match stack.pop():
            case LetRef(body=body):
                stack.append(body)
            case Otherwise(left=left, right=right):
                stack += (left, right)
            case Case(branches=branches, default=default):
                stack += (default, *(value for _, value in branches))
            case leaf:
                yield leaf
