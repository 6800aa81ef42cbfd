"""Whether two conditions can never hold together, as far as simple comparisons show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.dsl.program import And, Compare, Constant, Expression, InSet, LetRef, Not
from tidegate.dsl.types import INT64_MAX, INT64_MIN, Value


@dataclass(frozen=True, slots=True)
class Demand:
    """What a conjunct demands of one expression: a value of a set, or an interval."""

    subject: Expression
    values: frozenset[Value] | None
    low: int = INT64_MIN
    high: int = INT64_MAX


def exclusive(
    one: tuple[Demand, ...], other: tuple[Demand, ...], *, though_unknown: bool = False
) -> bool:
    """True only where no event can meet the demands of both conditions; False is "cannot say".

    `though_unknown`: where no event can make each of them true or unknown.
    """
    if though_unknown:
        one = tuple(demand for demand in one if not demand.subject.can_be_missing)
    return any(_disjoint(a, b) and a.subject == b.subject for b in other for a in one)


def demands(condition: Expression) -> tuple[Demand, ...]:
    """What has to hold wherever `condition` is true."""
    return tuple(_demands(condition))


def _demands(node: Expression) -> Iterator[Demand]:
    if isinstance(node, And):
        for item in node.items:
            yield from _demands(item)
    elif isinstance(node, LetRef):
        yield from _demands(node.body)
    elif isinstance(node, InSet):
        yield Demand(node.operand, node.values)
    elif isinstance(node, Compare) and isinstance(node.right, Constant) and not node.right.param:
        yield from _comparison(node.left, node.op, node.right.value)
    elif not isinstance(node, Not):
        yield Demand(node, frozenset({True}))
    else:
        yield Demand(node.operand, frozenset({False}))


def _comparison(subject: Expression, op: str, value: Value) -> Iterator[Demand]:
    if op == "=":
        yield Demand(subject, frozenset({value}))
    elif isinstance(value, int) and not isinstance(value, bool):
        match op:
            case ">":
                yield Demand(subject, None, low=value + 1)
            case ">=":
                yield Demand(subject, None, low=value)
            case "<":
                yield Demand(subject, None, high=value - 1)
            case "<=":
                yield Demand(subject, None, high=value)


def _disjoint(a: Demand, b: Demand) -> bool:
    if a.values is not None and b.values is not None:
        return not a.values & b.values
    if a.values is None and b.values is None:
        return max(a.low, b.low) > min(a.high, b.high)
    points, interval = (a, b) if a.values is not None else (b, a)
    return not any(
        isinstance(v, int) and interval.low <= v <= interval.high for v in points.values or ()
    )
