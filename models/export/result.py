"""What each family's export gives, before it is put together to a model."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.models.portable import Family, Link, Term, Tree


@dataclass(frozen=True, slots=True)
class Exported:
    """The parts of a model.

    `missing_refused` and `unknown_refused` are the inputs for which the library has no answer where
    they are missing, or texts that it does not know.
    """

    family: Family
    link: Link
    base: int
    terms: tuple[Term, ...] = ()
    trees: tuple[Tree, ...] = ()
    divisor: int = 1
    missing_refused: frozenset[int] = frozenset()
    unknown_refused: frozenset[int] = frozenset()
