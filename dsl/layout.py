"""Lines out of documents: texts with the places where a long line may break.

A document is laid out in one line where it fits and breaks at its outer places first. Comments are
not known here; `Line.start` and `Line.end` count the characters that formatting never changes, so
that comments can be put back at the right line.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

WIDTH = 100
_UNCOUNTED = str.maketrans("", "", ' \t\r\n()"')


@dataclass(frozen=True, slots=True)
class Break:
    """A place where its group may go on in a new line, `back` columns further left."""

    flat: str = " "
    back: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Breaks at all its places or at none; where it `fill`s, only where a line is full."""

    items: tuple[Doc, ...]
    indent: int
    fill: bool
    width: int
    ink: int


Doc: TypeAlias = str | Break | Group


class Line(NamedTuple):
    """A finished line and the characters of its unit that it holds, `[start, end)`."""

    text: str
    start: int
    end: int


def ink(doc: Doc) -> int:
    """How many characters there are that formatting never adds, drops or moves about."""
    if isinstance(doc, Group):
        return doc.ink
    return len(doc.translate(_UNCOUNTED)) if isinstance(doc, str) else 0


def lay_out(prefix: str, doc: Doc, marks: Sequence[int]) -> list[Line]:
    """The lines of a unit that begins with `prefix`; a group with a mark inside breaks."""
    indent = len(prefix) - len(prefix.lstrip())
    layout = _Layout(sorted(marks), prefix)
    layout.put(doc, indent, 0)
    layout.end_line(0)
    return layout.lines


class _Layout:
    """The line at hand and the lines before it."""

    def __init__(self, marks: Sequence[int], prefix: str) -> None:
        self.marks, self.text = marks, prefix
        self.ink, self.start = ink(prefix), 0
        self.lines: list[Line] = []

    def put(self, doc: Doc, indent: int, tail: int) -> None:
        """Write `doc`; `tail` columns follow it before the next place to break."""
        if isinstance(doc, Group):
            self._group(doc, indent + doc.indent, tail)
        elif isinstance(doc, str):
            self.text += doc
            self.ink += ink(doc)

    def end_line(self, indent: int) -> None:
        self.lines.append(Line(self.text.rstrip(), self.start, self.ink))
        self.text, self.start = " " * indent, self.ink

    def _group(self, group: Group, indent: int, tail: int) -> None:
        broken = self._marked(group) or len(self.text) + group.width + tail > WIDTH
        tails = _tails(group.items, tail)
        for item, after in zip(group.items, tails, strict=True):
            if not isinstance(item, Break):
                self.put(item, indent, after)
            elif broken and (not group.fill or self._full(item, after)):
                self.end_line(indent - item.back)
            else:
                self.text += item.flat

    def _marked(self, group: Group) -> bool:
        following = bisect_right(self.marks, self.ink)
        return following < len(self.marks) and self.marks[following] < self.ink + group.ink

    def _mark_here(self) -> bool:
        following = bisect_right(self.marks, self.ink)
        return following > 0 and self.marks[following - 1] == self.ink

    def _full(self, item: Break, after: int) -> bool:
        return self._mark_here() or len(self.text) + len(item.flat) + after > WIDTH


def _tails(items: Sequence[Doc], tail: int) -> list[int]:
    """For each item the columns from its end to the next place to break."""
    tails = []
    for item in reversed(items):
        tails.append(tail)
        tail = 0 if isinstance(item, Break) else tail + _width(item)
    return tails[::-1]


def _width(doc: Doc) -> int:
    if isinstance(doc, Group):
        return doc.width
    return len(doc) if isinstance(doc, str) else len(doc.flat)


def group(*items: Doc, indent: int = 2, fill: bool = False) -> Group:
    width, count = sum(map(_width, items)), sum(map(ink, items))
    return Group(items, indent, fill, width, count)


def in_line(doc: Doc) -> str:
    """The document in one line, whatever its width."""
    if isinstance(doc, Group):
        return "".join(map(in_line, doc.items))
    return doc if isinstance(doc, str) else doc.flat


def row(*items: Doc) -> Doc:
    """`items` one after the other, with no place to break between them."""
    return group(*items, indent=0)


def listed(items: Iterable[Doc], *, fill: bool = True) -> Doc:
    parts: list[Doc] = []
    for item in items:
        parts += (",", Break(), item) if parts else (item,)
    return group(*parts, fill=fill)


def joined(word: str, items: Iterable[Doc]) -> Doc:
    parts: list[Doc] = []
    for item in items:
        parts += (Break(), word, item) if parts else (item,)
    return group(*parts)
