"""Whether two conditions can never hold together, as far as simple comparisons show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.dsl.program import And, Compare, Constant, Expression, InSet, LetRef, Not
from tidegate.dsl.types import INT64_MAX, INT64_MIN, Value


@dataclass(frozen=True, slots=True)
class _Demand:
    """What a conjunct demands of one expression: a value of a set, or an interval."""

    subject: Expression
    values: frozenset[Value] | None
    low: int = INT64_MIN
    high: int = INT64_MAX


def exclusive(one: Expression, other: Expression, *, though_unknown: bool = False) -> bool:
    """True only where no event can make both true; False is "cannot say".

    `though_unknown`: where no event can make each of them true or unknown.
    """
    demands = [
        demand for demand in _demands(one) if not (though_unknown and demand.subject.can_be_missing)
    ]
    return any(a.subject == b.subject and _disjoint(a, b) for b in _demands(other) for a in demands)


def _demands(node: Expression) -> Iterator[_Demand]:
    if isinstance(node, And):
        for item in node.items:
            yield from _demands(item)
    elif isinstance(node, LetRef):
        yield from _demands(node.body)
    elif isinstance(node, InSet):
        yield _Demand(node.operand, node.values)
    elif isinstance(node, Compare) and isinstance(node.right, Constant) and not node.right.param:
        yield from _comparison(node.left, node.op, node.right.value)
    elif not isinstance(node, Not):
        yield _Demand(node, frozenset({True}))
    else:
        yield _Demand(node.operand, frozenset({False}))


def _comparison(subject: Expression, op: str, value: Value) -> Iterator[_Demand]:
    if op == "=":
        yield _Demand(subject, frozenset({value}))
    elif isinstance(value, int) and not isinstance(value, bool):
        match op:
            case ">":
                yield _Demand(subject, None, low=value + 1)
            case ">=":
                yield _Demand(subject, None, low=value)
            case "<":
                yield _Demand(subject, None, high=value - 1)
            case "<=":
                yield _Demand(subject, None, high=value)


def _disjoint(a: _Demand, b: _Demand) -> bool:
    if a.values is not None and b.values is not None:
        return not a.values & b.values
    if a.values is None and b.values is None:
        return max(a.low, b.low) > min(a.high, b.high)
    points, interval = (a, b) if a.values is not None else (b, a)
    return not any(
        isinstance(v, int) and interval.low <= v <= interval.high for v in points.values or ()
    )
