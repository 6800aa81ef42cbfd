"""A place where the parser stopped, and what is said about it."""

from __future__ import annotations

from typing import NamedTuple

from tidegate.dsl.pieces import Piece, Stop
from tidegate.dsl.scanner import Chunk
from tidegate.dsl.source import Span


class Case(NamedTuple):
    """The place and its surroundings, as the sentences need them."""

    stop: Stop
    chunk: Chunk
    after: str
    span: Span


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
