"""What people write in comparisons by the habit of other languages, and what is meant by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.dsl import tree
from tidegate.dsl.scope import VALUES
from tidegate.dsl.types import Kind

if TYPE_CHECKING:
    from tidegate.dsl.expressions import Typer

NULLS = frozenset({"null", "none", "nil", "undefined"})
_NUMBERED = {
    "weekday": "weekdays are numbers: 1 Monday to 7 Sunday",
    "month": "months are numbers: 1 January to 12 December",
}


def habit(typer: Typer, node: tree.Comparison, event: str) -> bool:
    """Whether `node` is such a comparison; then it is reported."""
    sides = ((node.left, node.right), (node.right, node.left))
    return any(
        _null(typer, node, this, other, event)
        or _original(typer, node, this, other)
        or named_number(typer, this, other, event)
        or _bare_word(typer, this, other, event)
        for this, other in sides
    )


def _null(
    typer: Typer, node: tree.Comparison, this: tree.Expr, other: tree.Expr, event: str
) -> bool:
    """`fee = null`."""
    if not isinstance(this, tree.Reference) or this.name not in NULLS:
        return False
    if _known(typer, this.name, event):
        return False
    what = other.name if isinstance(other, tree.Reference) else "VALUE"
    test = "present" if node.op == "!=" else "missing"
    message = f"there is no `{this.name}`; a value can be missing, and is asked for that"
    typer.error("TG204", message, this.span, f"write `{what} is {test}`")
    return True


def _original(typer: Typer, node: tree.Comparison, this: tree.Expr, other: tree.Expr) -> bool:
    """`amount.original > 5 GBP`."""
    if not isinstance(this, tree.Member) or this.name != "original":
        return False
    if not isinstance(other, tree.Literal) or other.kind != "money":
        return False
    typer.error(
        "TG304",
        "cannot compare a number with a money",
        node.span,
        f"`.original` is a number: leave the currency out, and test `{this.base}.currency` for it",
    )
    return True


def named_number(typer: Typer, this: tree.Expr, other: tree.Expr, event: str) -> bool:
    """`weekday(at) = sat`, also as a member of a set; reported where it is one."""
    if not isinstance(this, tree.Apply) or this.function.text not in _NUMBERED:
        return False
    text = isinstance(other, tree.Literal) and other.kind == "text"
    name = isinstance(other, tree.Reference) and not _known(typer, other.name, event)
    if not text and not name:
        return False
    word = this.function.text
    typer.error("TG304", f"cannot compare a {word} with a name", other.span, _NUMBERED[word])
    return True


def _bare_word(typer: Typer, this: tree.Expr, other: tree.Expr, event: str) -> bool:
    """`channel = ecom` and `kind = instant-bank`: a bare word where a quoted one is meant."""
    names = _joined(this)
    if not names or any(_known(typer, name, event) for name in names):
        return False
    if not isinstance(other, tree.Reference) or not _known(typer, other.name, event):
        return False
    lead = typer.value(other, event)
    if lead is None or lead.type.kind is not Kind.WORD:
        return False
    typer.unknown_name(tree.Reference(this.span, "-".join(names)), event, lead.type)
    return True


def _joined(node: tree.Expr) -> list[str]:
    """The names that `node` joins with `-`; none where it is anything else."""
    if isinstance(node, tree.Reference):
        return [node.name]
    if not isinstance(node, tree.Binary) or node.op != "-":
        return []
    left, right = _joined(node.left), _joined(node.right)
    return left + right if left and right else []


def _known(typer: Typer, name: str, event: str) -> bool:
    return (
        name in typer.fields.get(event, {})
        or typer.names.is_value(name)
        or name == "points"
        or typer.names.is_lost(name, *VALUES)
    )
