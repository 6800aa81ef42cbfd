"""What making tree nodes needs: places, problems, depths, and clauses put into their slots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from unicodedata import normalize

from tidegate.dsl import tree
from tidegate.dsl.diagnostics import Diagnostic
from tidegate.dsl.pieces import Piece
from tidegate.dsl.source import Span

MAX_DEPTH = 160
"""How many nodes deep an expression may be; 32 levels of what people write stay far below."""

Children = list[Any]
"""What a grammar rule is made of: pieces of text and what the rules below it gave."""


class Clause(NamedTuple):
    """A clause on its way to the declaration it belongs to."""

    slot: str
    value: Any
    span: Span
    many: bool = False


def one(slot: str, span: Span, value: Any) -> Clause:
    """A clause that may be given once."""
    return Clause(slot, value, span)


def many(slot: str, span: Span, values: tuple[Any, ...]) -> Clause:
    """A clause that may be repeated; its values are joined."""
    return Clause(slot, values, span, many=True)


class Builder:
    """Makes the nodes of the file at `path`, from the leaves upwards."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.begin()

    def begin(self) -> None:
        """Begin a declaration, with nothing left of the one before."""
        self.problems: list[Diagnostic] = []
        self._depths: dict[int, int] = {}
        self._kept: list[tree.Expr] = []

    def place(self, piece: Piece) -> Span:
        """Where `piece` stands."""
        return Span(self.path, piece.start, piece.end)

    def problem(self, code: str, message: str, span: Span, help_text: str = "") -> None:
        """Report what the grammar lets through and the language does not."""
        self.problems.append(Diagnostic(code, message, span, help_text))

    def nest(self, node: tree.Expr, *children: tree.Expr) -> tree.Expr:
        """Keep the depth of `node`; refuse what is too deep before anything recurses."""
        depth = 1 + max((self._depths.get(id(c), 0) for c in children), default=0)
        self._depths[id(node)] = depth
        self._kept.append(node)  # an id is only as good as the object is alive
        if depth > MAX_DEPTH and not self.problems:
            self.problem(
                "TG106", "this is too deep: long chains stand within each other", node.span,
                "name a part of it with `let`",
            )  # fmt: skip
        return node

    def declare(
        self, kind: Callable[..., tree.Declaration], span: Span, children: Children, **extra: Any
    ) -> tree.Declaration:
        """Put clauses into their slots; one that is given twice is an error."""
        name, *rest = children
        slots: dict[str, Any] = dict(extra)
        repeated: dict[str, list[Any]] = {}
        for clause in rest:
            if clause.many:
                repeated.setdefault(clause.slot, []).extend(clause.value)
            elif clause.slot in slots:
                self.problem(
                    "TG109", f"`{_clause_word(clause.slot)}` is given twice", clause.span,
                    "keep one of them",
                )  # fmt: skip
            else:
                slots[clause.slot] = clause.value
        slots.update({slot: tuple(values) for slot, values in repeated.items()})
        return kind(span, name, **slots)


def unescape(text: str) -> str:
    """The text that a quoted one holds, composed as the door composes what comes in."""
    return normalize("NFC", text[1:-1].replace('\\"', '"').replace("\\\\", "\\"))


def _clause_word(slot: str) -> str:
    words = {
        "text": "the description", "from_date": "from", "until_date": "until", "event": "on",
        "group": "in", "maximum": "max", "minimum": "min", "path": "from", "methods": "try",
        "unknown": "if unknown", "settings": "with", "unavailable": "if unavailable",
        "bounds": "from … to",
    }  # fmt: skip
    return words.get(slot, slot)
