"""A condition as a disjunction of conjunctions of tests, where that stays small.

Strong Kleene logic is a distributive lattice (`and` is the minimum, `or` the maximum), so spreading
`and` over `or` changes neither where a condition is true nor where it is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tidegate.dsl.program import And, Expression, LetRef, Not, Or
from tidegate.engine.formulas import All, Formula, Literal, Some, negate


class Atom(NamedTuple):
    """One test with what has to be there for it.

    Unknown where one of `presence` fails; else true where `literal` holds, which is a constant
    where bounds decide the test: `amount >= 0 EUR` is true wherever there is an amount. `models`
    are those whose scores it reads: it holds nowhere while one of them is masked.
    """

    presence: tuple[Literal, ...]
    literal: Literal | bool
    models: frozenset[str] = frozenset()


Conjunction = tuple[Atom, ...]
"""All of these; empty for what always holds."""
TwoValued = Callable[[Expression], tuple[tuple[Literal, ...], Formula]]
"""An atom of a condition as what has to be there and what holds then (`Lowering.two_valued`)."""


def conjunctions(
    condition: Expression, two_valued: TwoValued, limit: int, positive: bool = True
) -> tuple[Conjunction, ...] | None:
    """The condition, or where not `positive` its negation; None where it has more than `limit`."""
    match condition:
        case And(items=items) | Or(items=items):
            parts = [conjunctions(item, two_valued, limit, positive) for item in items]
            return _joined(parts, isinstance(condition, And) == positive, limit)
        case Not(operand=operand):
            return conjunctions(operand, two_valued, limit, not positive)
        case LetRef(body=body):
            return conjunctions(body, two_valued, limit, positive)
    presence, holds = two_valued(condition)
    formula = holds if positive else negate(holds)
    return _of_formula(Atom(presence, True, condition.models), formula, limit)


def _of_formula(atom: Atom, formula: Formula, limit: int) -> tuple[Conjunction, ...] | None:
    if isinstance(formula, All | Some):
        parts = [_of_formula(atom, item, limit) for item in formula.items]
        return _joined(parts, isinstance(formula, All), limit)
    if formula is False and not atom.presence:
        return ()
    if formula is True and not atom.presence and not atom.models:
        return ((),)
    return ((atom._replace(literal=formula),),)


def _joined(
    parts: Iterable[tuple[Conjunction, ...] | None], every: bool, limit: int
) -> tuple[Conjunction, ...] | None:
    found: tuple[Conjunction, ...] = ((),) if every else ()
    for part in parts:
        if part is None or (every and len(found) * len(part) > limit):
            return None
        if every:
            found = tuple(_merged(one, other) for one in found for other in part)
        else:
            found = tuple(dict.fromkeys((*found, *part)))
        if len(found) > limit:
            return None
    return found


def _merged(one: Conjunction, other: Conjunction) -> Conjunction:
    return tuple(dict.fromkeys((*one, *other)))
