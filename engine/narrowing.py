"""Whether one condition follows from another, as far as their texts tell.

No solver: equal parts, bounds of one value, sets, and what `and`, `or` and `not` make of them. A
`True` is certain for every input, missing ones included; a `False` says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.dsl.program import (
    And,
    Compare,
    Constant,
    Expression,
    InNetworks,
    InSet,
    LetRef,
    Not,
    Or,
    PointsAtLeast,
    Relation,
)

_FLIPPED: dict[Relation, Relation] = {
    "=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="
}  # fmt: skip


def implies(left: Expression, right: Expression) -> bool:
    """Whether `right` is surely true wherever `left` is true."""
    left, right = _body(left), _body(right)
    if left == right:
        return True
    # What holds of every case comes first: it loses nothing.
    if isinstance(left, Or):
        return all(implies(item, right) for item in left.items)
    if isinstance(right, And):
        return all(implies(left, item) for item in right.items)
    if isinstance(right, Or) and any(implies(left, item) for item in right.items):
        return True
    if isinstance(left, And):
        return any(implies(item, right) for item in left.items)
    if isinstance(left, Not) and isinstance(right, Not):
        return denies(left.operand, right.operand)
    return _atom_implies(left, right)


def denies(left: Expression, right: Expression) -> bool:
    """Whether `right` is surely false wherever `left` is false."""
    left, right = _body(left), _body(right)
    if left == right:
        return True
    if isinstance(left, And):
        return all(denies(item, right) for item in left.items)
    if isinstance(right, Or):
        return all(denies(left, item) for item in right.items)
    if isinstance(right, And) and any(denies(left, item) for item in right.items):
        return True
    if isinstance(left, Or):
        return any(denies(item, right) for item in left.items)
    if isinstance(left, Not) and isinstance(right, Not):
        return implies(left.operand, right.operand)
    # Both ask the same value something: where one is known, so is the other.
    return _atom_implies(right, left)


def any_implies(left: Sequence[Expression], right: Sequence[Expression]) -> bool:
    """Whether one of `right` surely holds wherever one of `left` does."""
    return all(any(implies(one, other) for other in right) for one in left)


def _body(expression: Expression) -> Expression:
    while isinstance(expression, LetRef):
        expression = expression.body
    return expression


def _atom_implies(left: Expression, right: Expression) -> bool:
    match left, right:
        case Compare(), Compare():
            return _bound_implies(left, right)
        case InSet(), InSet():
            return left.operand == right.operand and left.values <= right.values
        case InNetworks(), InNetworks():
            return left.operand == right.operand and all(
                any(low <= a and b <= high for low, high in right.ranges) for a, b in left.ranges
            )
        case PointsAtLeast(), PointsAtLeast():
            return left.threshold >= right.threshold
        case Compare(op="=", left=operand, right=Constant(value=value)), InSet():
            return operand == right.operand and value in right.values
    return False


def _bound_implies(left: Compare, right: Compare) -> bool:
    a, b = _bound(left), _bound(right)
    if a is None or b is None or a[0] != b[0] or type(a[2]) is not type(b[2]):
        return False
    (_, op, value), (_, other, limit) = a, b
    if op == other and value == limit:
        return True
    if isinstance(value, str) or isinstance(limit, str):
        return op == "=" and other == "!=" and value != limit
    low, high = _interval(op, value)
    least, most = _interval(other, limit)
    if other == "!=":
        return op != "!=" and not _within(limit, low, high)
    if op == "!=":
        return False
    return _at_least(low, least) and _at_most(high, most)


def _bound(node: Compare) -> tuple[Expression, Relation, int | str] | None:
    """The value that is compared, how, and with which constant."""
    left, right, op = _body(node.left), _body(node.right), node.op
    if isinstance(left, Constant) and not isinstance(right, Constant):
        left, right, op = right, left, _FLIPPED[op]
    if not isinstance(right, Constant) or not isinstance(right.value, int | str):
        return None
    return left, op, right.value


def _interval(op: Relation, value: int) -> tuple[int | None, int | None]:
    """The whole numbers for which a comparison holds; None where it has no end."""
    match op:
        case ">=":
            return value, None
        case ">":
            return value + 1, None
        case "<=":
            return None, value
        case "<":
            return None, value - 1
        case _:
            return value, value


def _within(value: int, low: int | None, high: int | None) -> bool:
    return (low is None or low <= value) and (high is None or value <= high)


def _at_least(low: int | None, least: int | None) -> bool:
    return least is None or (low is not None and low >= least)


def _at_most(high: int | None, most: int | None) -> bool:
    return most is None or (high is not None and high <= most)
