"""How deep a condition nests and how long its chains are, judged word by word before any parsing.

A level is an open parenthesis or `case`, or a `not`, a unary minus or an `otherwise` whose operand
is not finished. Each of them is taken back by the first word that binds looser. So the deepest
place of a text is known in one pass, and nothing that recurses ever sees a text that is too deep.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tidegate.dsl.words import FUNCTIONS, RESERVED

MAX_NESTING = 32
MAX_TERMS = 1_000
"""How many conditions one chain of `and` or `or` may join."""
MAX_CHAIN = 64
"""How many terms one chain of `+ -` or of `* /` may have."""

OR, AND, NOT, COMPARISON, OTHERWISE, SUM, PRODUCT, MINUS, ATOM = range(1, 10)
"""How tightly the operators bind, loosest first."""

BINDING = {
    "or": OR, "and": AND, "not": NOT, "otherwise": OTHERWISE, "+": SUM, "-": SUM, "*": PRODUCT,
    "/": PRODUCT, "between": COMPARISON, "in": COMPARISON, "is": COMPARISON, "starts": COMPARISON,
    "ends": COMPARISON, "contains": COMPARISON, "like": COMPARISON, "matches": COMPARISON,
    "=": COMPARISON, "!=": COMPARISON, "<": COMPARISON, "<=": COMPARISON, ">": COMPARISON,
    ">=": COMPARISON,
}  # fmt: skip
VALUE_WORDS = frozenset({"end", "points", "true", "false", "missing", "present"})
"""Words of the language after which a value is complete."""
_BARRIER = 0


class Excess(NamedTuple):
    """What is too much, as a sentence and a way out."""

    message: str
    help: str


_TOO_DEEP = Excess(f"this nests deeper than {MAX_NESTING} levels", "name a part of it with `let`")
_TOO_LONG = Excess(f"this chain has more than {MAX_CHAIN} terms", "name parts of it with `let`")
_TOO_MANY = Excess(
    f"this chain joins more than {MAX_TERMS} conditions",
    "compare with a set or a list, or name parts of it with `let`",
)


@dataclass(slots=True)
class _Level:
    """The chains of one bracket, counted up to the word at hand."""

    ors: int = 0
    ands: int = 0
    sums: int = 0
    products: int = 0
    betweens: int = 0


@dataclass(slots=True)
class Nesting:
    """The open levels of one declaration."""

    marks: list[int] = field(default_factory=list)
    levels: list[_Level] = field(default_factory=lambda: [_Level()])
    complete: bool = False
    member: bool = False
    key: bool = False

    @property
    def brackets(self) -> int:
        """How many parentheses and `case` stand open."""
        return len(self.levels) - 1

    def take(self, text: str, *, value: bool) -> Excess | None:
        """Take the next word; `value` says that it is a name or a literal."""
        if text == "." or self.member:
            self.member = text == "."  # what follows a point belongs to the name before it
            return None
        if text == "[" or self.key:
            self.key = text == "["  # the key of a table is one name
            return None
        if text == "]":
            return None
        complete, self.complete = self.complete, value
        if text in ("(", "case"):
            self._open()
        elif text in (")", "end"):
            self._close()
            self.complete = True
        elif text == "not" and complete:
            self.complete = True  # the `not` of `not in`: the operator comes next
        elif text == "not" or (text == "-" and not complete):
            self.marks.append(NOT if text == "not" else MINUS)
        elif text in BINDING:
            return self._join(text)
        elif not value:
            self._release(_BARRIER + 1)
            self.levels[-1] = _Level()
        return _TOO_DEEP if len(self.marks) > MAX_NESTING else None

    def _open(self) -> None:
        self.marks.append(_BARRIER)
        self.levels.append(_Level())

    def _close(self) -> None:
        self._release(_BARRIER + 1)
        if self.marks:
            self.marks.pop()
            self.levels.pop()

    def _release(self, binding: int) -> None:
        """Take back the levels that bind at least as tightly as `binding`."""
        while self.marks and self.marks[-1] >= binding:
            self.marks.pop()

    def _join(self, text: str) -> Excess | None:
        binding, level = BINDING[text], self.levels[-1]
        if text == "and" and level.betweens:
            level.betweens -= 1
            self._release(OTHERWISE)
            level.sums = level.products = 0
            return None
        self._release(binding + (binding == OTHERWISE))
        if binding == OTHERWISE:
            self.marks.append(OTHERWISE)
        return _count(level, text, binding) or (
            _TOO_DEEP if len(self.marks) > MAX_NESTING else None
        )


def _count(level: _Level, text: str, binding: int) -> Excess | None:
    """Count the chain that `text` goes on with; a looser operator ends the tighter chains."""
    if binding <= OR:
        level.ors, level.ands = level.ors + 1, 0
    if binding == AND:
        level.ands += 1
    if binding < OTHERWISE:
        level.betweens = int(text == "between")
    if binding < SUM:
        level.sums = 0
    if binding == SUM:
        level.sums += 1
    level.products = level.products + 1 if binding == PRODUCT else 0
    if max(level.ors, level.ands) >= MAX_TERMS:
        return _TOO_MANY
    return _TOO_LONG if max(level.sums, level.products) >= MAX_CHAIN else None


def is_value(sort: str, text: str) -> bool:
    """Whether a word of the given sort is a name or a literal, so that an operator may follow."""
    if sort == "word":
        return text not in RESERVED or text in VALUE_WORDS or text in FUNCTIONS
    return sort in ("text", "number", "instant", "network", "percent")
