"""Comparisons that no value within the declared bounds makes true."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tidegate.dsl.currencies import minor_digits
from tidegate.dsl.program import Call, Compare, Constant, Expression, Input, LetRef
from tidegate.dsl.types import Bounds, Kind

if TYPE_CHECKING:
    from tidegate.dsl.expressions import Typer


_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def warn_never_true(typer: Typer, node: Compare) -> None:
    """Warn of a comparison that is never true, and say which bound forbids it."""
    left, right = node.left.bounds, node.right.bounds
    if left is None or right is None or not _never(node.op, left, right):
        return
    side, op = node.left, str(node.op)
    if _literal(side):
        side, op = node.right, _TURNED.get(op, op)
    if not _literal(side):
        typer.warn("TG324", "this is never true", node.span, _reason(side, op, typer.currency))


def _literal(side: Expression) -> bool:
    return isinstance(side, Constant) and not side.param


def _never(op: str, a: Bounds, b: Bounds) -> bool:
    match op:
        case "=":
            return a.high < b.low or a.low > b.high
        case "<":
            return a.low >= b.high
        case "<=":
            return a.low > b.high
        case ">":
            return a.high <= b.low
        case ">=":
            return a.high < b.low
        case _:
            return False


def _reason(side: Expression, op: str, currency: str) -> str:
    assert side.bounds is not None
    low, high = (_shown(value, side, currency) for value in (side.bounds.low, side.bounds.high))
    if not low:
        return ""
    if op == "=":
        return f"{_what(side)} lies between {low} and {high}"
    bound = f"at most {high}" if op in (">", ">=") else f"at least {low}"
    return f"{_what(side)} is {bound}"


def _what(side: Expression) -> str:
    match side:
        case Input() | LetRef():
            return f"`{side.name}`"
        case Constant():
            return f"`{side.param}`"
        case Call():
            return f"`{side.function}(…)`"
        case _:
            return "what is compared"


def _shown(value: int, side: Expression, currency: str) -> str:
    """A bound as it is written; empty for kinds that are not written as a number."""
    match side.type.kind:
        case Kind.COUNT:
            return f"{value}"
        case Kind.NUMBER:
            return f"{(Decimal(value) / 10**6).normalize():f}"
        case Kind.MONEY:
            digits = minor_digits(currency)
            return f"{Decimal(value).scaleb(-digits):.{digits}f} {currency}".rstrip()
        case _:
            return ""
