"""What a condition can be at all, as far as bounds and types show; wider than the truth at most."""

from __future__ import annotations

from collections.abc import Collection

from tidegate.dsl.program import (
    And,
    Compare,
    Constant,
    EventType,
    Expression,
    InSet,
    IsMissing,
    LetRef,
    Not,
    Or,
    PointsAtLeast,
    Program,
)
from tidegate.dsl.types import Bounds, Kind
from tidegate.dsl.unknowns import can_be_unknown

MAX_SUMS = 4_096
"""Of so many sums of points at most is known which can come about."""


def possible_truths(
    condition: Expression, points: Collection[int] | None
) -> tuple[bool | None, ...]:
    """True, False and None (unknown), as far as each is possible. `points`: sums that can be."""
    held = _held(condition, points)
    found: list[bool | None] = [truth for truth in (True, False) if truth in held]
    if can_be_unknown(condition):
        found.append(None)
    return tuple(found)


def _held(node: Expression, points: Collection[int] | None) -> frozenset[bool]:
    """The truth values that `node` can have where it has one; atoms are taken one by one."""
    match node:
        case And(items=items):
            return _joined([_held(item, points) for item in items], absorbing=False)
        case Or(items=items):
            return _joined([_held(item, points) for item in items], absorbing=True)
        case Not(operand=operand):
            return frozenset(not truth for truth in _held(operand, points))
        case LetRef(body=body):
            return _held(body, points)
        case Constant(value=value):
            return frozenset({bool(value)})
        case IsMissing(operand=operand) if not (operand.can_be_missing or operand.models):
            return frozenset({False})
        case PointsAtLeast(threshold=threshold):
            if points is None:
                return frozenset({True, False})
            return frozenset(total >= threshold for total in points)
        case Compare(op=op, left=left, right=right) if left.bounds and right.bounds:
            return _compared(op, left.bounds, right.bounds)
        case InSet(operand=operand, values=values) if operand.type.kind is Kind.WORD:
            return frozenset(word in values for word in operand.type.words)
    return frozenset({True, False})


def _joined(parts: list[frozenset[bool]], *, absorbing: bool) -> frozenset[bool]:
    found = set()
    if any(absorbing in part for part in parts):
        found.add(absorbing)
    if all((not absorbing) in part for part in parts):
        found.add(not absorbing)
    return frozenset(found)


def _compared(op: str, a: Bounds, b: Bounds) -> frozenset[bool]:
    below, above = a.low < b.high, a.high > b.low
    equal = a.low <= b.high and b.low <= a.high
    only_equal = a.low == a.high == b.low == b.high
    if only_equal:
        below = above = False
    orders = {-1} if below else set()
    orders |= {0} if equal else set()
    orders |= {1} if above else set()
    holds = {
        "=": lambda o: o == 0,
        "!=": lambda o: o != 0,
        "<": lambda o: o < 0,
        "<=": lambda o: o <= 0,
        ">": lambda o: o > 0,
        ">=": lambda o: o >= 0,
    }[op]
    return frozenset(map(holds, orders))


def reachable_points(program: Program, event: EventType) -> frozenset[int] | None:
    """All sums of points that rules and silent models can make up; None where there are many."""
    sums = {0}
    terms = [(rule.then.points, rule.unknown.points if rule.unknown else 0) for rule in event.rules]
    terms += [(program.model(name).unavailable.points, 0) for name in event.models]
    for then, unknown in terms:
        sums |= {total + more for total in sums for more in {then, unknown}}
        if len(sums) > MAX_SUMS:
            return None
    return frozenset(sums)
