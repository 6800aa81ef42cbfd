"""Which parentheses of a declaration say nothing, by precedence alone.

Works on words that the parser has accepted. A pair goes where what it holds binds at least as
tightly as its neighbours ask. Three kinds stay although they say nothing to the machine, for a
reader would have to think: around an `otherwise` that is compared, around a comparison after `not`,
and around a sign after a sign. A pair with a comment at it stays too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.dsl.layout import Item, is_complete
from tidegate.dsl.nesting import (
    AND,
    ATOM,
    BINDING,
    COMPARISON,
    MINUS,
    NOT,
    OR,
    OTHERWISE,
    PRODUCT,
    SUM,
)

_LEFT_OF = {OR: AND, AND: NOT, COMPARISON: OTHERWISE, OTHERWISE: SUM, SUM: SUM, PRODUCT: PRODUCT}
"""What an operator asks of its left operand."""
_RIGHT_OF = {
    OR: AND, AND: NOT, NOT: NOT, COMPARISON: OTHERWISE, OTHERWISE: OTHERWISE, SUM: PRODUCT,
    PRODUCT: MINUS, MINUS: MINUS,
}  # fmt: skip
"""What an operator asks of its right operand."""


@dataclass(slots=True)
class _Open:
    """An open bracket: what binds loosest in it so far, and its unfinished `between`s."""

    place: int
    droppable: bool
    loosest: int = ATOM
    betweens: int = 0


def redundant(items: Sequence[Item]) -> set[int]:
    """The places of the parentheses that can go."""
    drop: set[int] = set()
    stack = [_Open(-1, droppable=False)]
    inner: list[int] = []  # for each item, how its operator binds; ATOM for other words
    for place, item in enumerate(items):
        inner.append(ATOM)
        if item.text == "(" or item.sort == "CASE":
            stack.append(_Open(place, _groups(items, place)))
        elif item.text == ")" or item.sort == "END":
            opened = stack.pop()
            if opened.droppable and _can_go(items, opened, place, inner, stack[-1]):
                drop |= {opened.place, place}
                stack[-1].loosest = min(stack[-1].loosest, opened.loosest)
        elif item.sort != "STRING" and item.text in BINDING:
            inner[-1] = _binding(items, place, stack[-1])
            stack[-1].loosest = min(stack[-1].loosest, inner[-1])
        elif item.sort in ("WHEN", "THEN", "ELSE"):
            stack[-1].loosest, stack[-1].betweens = ATOM, 0
    return drop


def _groups(items: Sequence[Item], place: int) -> bool:
    """Whether a parenthesis groups, rather than holding a set, words or arguments."""
    if items[place].text != "(" or place == 0:
        return False
    return items[place - 1].sort not in ("WORD", "IN", "OF")


def _binding(items: Sequence[Item], place: int, opened: _Open) -> int:
    text = items[place].text
    if items[place].sort == "SIGN" and not is_complete(items[place - 1]):
        return MINUS
    if text == "between":
        opened.betweens += 1
    elif text == "and" and opened.betweens:
        opened.betweens -= 1
        return COMPARISON
    if text == "not" and is_complete(items[place - 1]):
        return COMPARISON
    return BINDING[text]


def _can_go(
    items: Sequence[Item], opened: _Open, close: int, inner: Sequence[int], outside: _Open
) -> bool:
    before, after = opened.place - 1, close + 1
    commented = any(items[i].before or items[i].after for i in (opened.place, close))
    left = inner[before]
    right = _right_binding(items, after, outside)
    if commented or opened.loosest < _RIGHT_OF.get(left, OR):
        return False
    if items[before].sort == "ADD" and opened.loosest < SUM:
        return False
    if opened.loosest < _LEFT_OF.get(right, OR):
        return False
    return not _helps(items, opened, left, right)


def _right_binding(items: Sequence[Item], place: int, outside: _Open) -> int:
    """How the operator after a closed parenthesis binds; ATOM where there is none."""
    if place >= len(items) or items[place].sort == "STRING":
        return ATOM
    text = items[place].text
    if text == "not" or (text == "and" and outside.betweens):
        return COMPARISON
    return BINDING.get(text, ATOM)


def _helps(items: Sequence[Item], opened: _Open, left: int, right: int) -> bool:
    """Whether a pair that the grammar does not need helps a reader."""
    if opened.loosest == OTHERWISE and COMPARISON in (left, right):
        return True
    if opened.loosest == COMPARISON and left == NOT:
        return True
    signed = items[opened.place + 1].sort == "SIGN"
    return signed and items[opened.place - 1].sort == "SIGN"
