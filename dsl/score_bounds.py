"""The bounds of a score: 0 to 1, or what an external one declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from tidegate.dsl import tree
from tidegate.dsl.literals import Wrong, read_literal
from tidegate.dsl.source import Span
from tidegate.dsl.types import NUMBER, SCORE_BOUNDS, Bounds, Kind
from tidegate.dsl.zones import Zone


@dataclass(frozen=True, slots=True)
class BadBounds:
    """Why the bounds are none, and where."""

    code: str
    message: str
    span: Span
    help: str = ""


def score_bounds(declared: tree.ModelDeclaration, currency: str, zone: Zone) -> Bounds | BadBounds:
    """The bounds of the score, in millionths."""
    if declared.bounds is None:
        return SCORE_BOUNDS
    ends: list[int] = []
    for literal in declared.bounds:
        read = read_literal(literal, Kind.NUMBER, currency, zone)
        if isinstance(read, Wrong):
            return BadBounds(read.code, read.message, literal.span, read.help)
        if read.type != NUMBER:
            return BadBounds("TG507", f"a score is a number, not a {read.type}", literal.span)
        ends.append(cast("int", read.value))
    low, high = ends
    if low >= high:
        return BadBounds(
            "TG507",
            "the bounds of a score run from a lower number to a higher one",
            declared.bounds[0].span,
        )
    return Bounds(low, high)
