"""The words of a declaration as the parser read them, and the place where it stopped."""

from __future__ import annotations

from typing import NamedTuple


class Piece(NamedTuple):
    """A word or sign as the parser read it; `sort` is a terminal of the grammar."""

    sort: str
    text: str
    start: int
    end: int


class Stop(NamedTuple):
    """Where the parser stopped: what it `found` (nothing at the end) and would have taken."""

    start: int
    end: int
    found: str
    expected: frozenset[str]
    before: tuple[Piece, ...]

    @property
    def last(self) -> str:
        """The word or sign before."""
        return self.before[-1].text if self.before else ""

    def read(self, word: str) -> bool:
        """Whether `word` stands in what was read of the declaration."""
        return any(piece.text == word for piece in self.before)
