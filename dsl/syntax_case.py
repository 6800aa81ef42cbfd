"""A place where the parser stopped, and what is said about it."""

from __future__ import annotations

from typing import NamedTuple

from tidegate.dsl.currencies import example, written_in
from tidegate.dsl.pieces import Piece, Stop
from tidegate.dsl.scanner import Chunk
from tidegate.dsl.source import Source, Span


class Case(NamedTuple):
    """The place and its surroundings, as the sentences need them."""

    source: Source
    stop: Stop
    chunk: Chunk
    span: Span

    @property
    def after(self) -> str:
        """The rest of the declaration."""
        return self.source.text[self.stop.end : self.chunk.end]

    @property
    def amount(self) -> str:
        """An amount such as the file writes them."""
        return example(written_in(self.source.text))


class Said(NamedTuple):
    """The sentence, the way out, the code and further places."""

    message: str
    help: str = ""
    code: str = "TG101"
    related: tuple[tuple[Span, str], ...] = ()


def at(case: Case, piece: Piece) -> Span:
    """Where `piece` stands in the file."""
    return Span(case.span.path, piece.start, piece.end)


def short(text: str) -> str:
    """`text` as a message can show it."""
    return text if len(text) <= 40 else f"{text[:37]}…"
