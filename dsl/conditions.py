"""Typing of conditions: comparisons, membership, text tests, presence and the connectives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tidegate.dsl import patterns, tree
from tidegate.dsl.diagnostics import Diagnostic, nearest
from tidegate.dsl.habits import habit, named_number
from tidegate.dsl.literals import network_range, of_one_version
from tidegate.dsl.never_true import warn_never_true
from tidegate.dsl.nodes import (
    compare,
    comparison_help,
    models_of,
    negated,
    unary_test,
)
from tidegate.dsl.phrases import quote
from tidegate.dsl.program import (
    And,
    Compare,
    Constant,
    Expression,
    InList,
    InNetworks,
    InSet,
    IsMissing,
    Or,
    TextTest,
)
from tidegate.dsl.shapes import coarseness, finer, folded_alike, folding
from tidegate.dsl.source import Span
from tidegate.dsl.types import (
    FLAG,
    INTEGER_KINDS,
    IP,
    TEXT,
    Kind,
    Type,
    Value,
)

if TYPE_CHECKING:
    from tidegate.dsl.expressions import Typer

MAX_SET = 1_000


class Negated(NamedTuple):
    """A negation as it was typed. `node` is kept, so that its identity stays its own."""

    node: tree.Negation
    typed: Expression | None
    problems: tuple[Diagnostic, ...]


def conjunction(typer: Typer, node: tree.Conjunction, event: str) -> Expression | None:
    return _connect(typer, And, node, event)


def disjunction(typer: Typer, node: tree.Disjunction, event: str) -> Expression | None:
    return _connect(typer, Or, node, event)


def _connect(
    typer: Typer, kind: type[And] | type[Or], node: tree.Conjunction | tree.Disjunction, event: str
) -> Expression | None:
    items = [typer.condition(item, event) for item in node.items]
    if None in items:
        return None
    typed = cast("list[Expression]", items)
    return kind(
        items=tuple(typed),
        type=FLAG,
        span=node.span,
        models=models_of(typed),
        can_be_missing=any(e.can_be_missing for e in typed),
    )


def negation(typer: Typer, node: tree.Negation, event: str) -> Expression | None:
    """One node that several rules share is typed once, and what is said of it said again."""
    known = typer.negations.get((id(node), event))
    if known is not None:
        typer.problems += known.problems
        return known.typed
    before = len(typer.problems)
    operand = typer.condition(node.operand, event)
    typed = None if operand is None else negated(operand, node.span)
    typer.negations[id(node), event] = Negated(node, typed, tuple(typer.problems[before:]))
    return typed


def comparison(typer: Typer, node: tree.Comparison, event: str) -> Expression | None:
    if habit(typer, node, event):
        return None
    sides = typer.pair(node.left, node.right, event, alike=True)
    if sides is None:
        return None
    left, right = sides
    if left.type != right.type:
        typer.error(
            "TG304",
            f"cannot compare a {left.type} with a {right.type}",
            node.span,
            comparison_help(left.type, right.type, typer.currency),
        )
        return None
    if node.op not in ("=", "!=") and left.type.kind not in INTEGER_KINDS:
        typer.error(
            "TG307", f"a {left.type} has no order", node.span, "compare it with `=` or `!=`"
        )
        return None
    if not _fine_enough(typer, left, right, node):
        return None
    left, right = folded_alike(left, right)
    typed = compare(node.op, left, right, node.span)
    warn_never_true(typer, typed)
    return typed


def _fine_enough(typer: Typer, left: Expression, right: Expression, node: tree.Expr) -> bool:
    """An address rounded at the door equals only what is rounded like it."""
    kept = coarseness(left) or coarseness(right)
    if coarseness(left) == coarseness(right) or kept is None:
        return True
    if isinstance(left, Constant) or isinstance(right, Constant):
        typer.error(
            "TG315",
            "this is rounded to a network at the door, so it never equals one address",
            node.span,
            f"test it with `in` a network of /{kept[0]} or wider",
        )
    else:
        typer.error(
            "TG315",
            "these are rounded differently at the door, so they never equal each other",
            node.span,
            "give both fields the same `coarse`",
        )
    return False


def between(typer: Typer, node: tree.Between, event: str) -> Expression | None:
    low = comparison(typer, tree.Comparison(node.span, ">=", node.operand, node.low), event)
    before = len(typer.problems)
    high = comparison(typer, tree.Comparison(node.span, "<=", node.operand, node.high), event)
    if low is None or high is None:
        if low is None:
            del typer.problems[before:]  # the same thing is wrong with both ends
        return None
    assert isinstance(low, Compare)
    assert isinstance(high, Compare)
    ends = (low.right, high.right)
    if all(isinstance(e, Constant) for e in ends):
        first, last = (cast("Constant", e).value for e in ends)
        if cast("int", first) > cast("int", last):
            _empty_range(typer, node)
            return None
    both = And(
        items=(low, high),
        type=FLAG,
        span=node.span,
        models=low.models | high.models,
        can_be_missing=low.can_be_missing or high.can_be_missing,
    )
    return negated(both, node.span) if node.negated else both


def _empty_range(typer: Typer, node: tree.Between) -> None:
    help_text = "the smaller end comes first"
    if isinstance(node.operand, tree.Apply) and isinstance(node.low, tree.Literal):
        call = node.operand
        argument = call.arguments[0] if call.arguments else None
        if isinstance(argument, tree.Reference) and isinstance(node.high, tree.Literal):
            text = f"{call.function.text}({argument.name})"
            help_text = (
                f"for {node.low.spelling} to {node.high.spelling} write "
                f"`{text} >= {node.low.spelling} or {text} < {node.high.spelling}`"
            )
    typer.error("TG316", "nothing lies between these ends", node.span, help_text)


def among_literals(typer: Typer, node: tree.AmongLiterals, event: str) -> Expression | None:
    operand = typer.value(node.operand, event)
    if operand is None:
        return None
    if len(node.items) > MAX_SET:
        typer.error(
            "TG321",
            f"a set of more than {MAX_SET:,} literals",
            node.span,
            "keep them in a list",
        )
        return None
    if operand.type == IP:
        return _in_networks(typer, operand, node.items, node)
    values: list[Value] = []
    before = len(typer.problems)
    for item in node.items:
        if named_number(typer, node.operand, item, event):
            return None
        typed = _set_item(typer, item, event, operand.type)
        if typed is not None:
            values.append(typed.value)
    if len(typer.problems) > before:
        return None
    how = folding(operand)
    held = frozenset(how.apply(v) if isinstance(v, str) else v for v in values)
    return unary_test(InSet, operand, node, values=held)


def _set_item(typer: Typer, item: tree.Expr, event: str, wanted: Type) -> Constant | None:
    typed = typer.value(item, event, wanted)
    if typed is None:
        return None
    if typed.type != wanted:
        typer.error(
            "TG309",
            f"a {typed.type} among values of a {wanted}",
            item.span,
            comparison_help(wanted, typed.type, typer.currency),
        )
        return None
    if not isinstance(typed, Constant) or typed.param:
        typer.error("TG309", "a set holds literals", item.span, "compare it with `=` instead")
        return None
    return typed


def _in_networks(
    typer: Typer, operand: Expression, items: tuple[tree.Expr, ...], node: Any
) -> Expression | None:
    found: list[tuple[int, int]] = []
    for item in items:
        covered = (
            network_range(item.spelling)
            if isinstance(item, tree.Literal) and item.kind == "network"
            else None
        )
        if covered is None:
            typer.error(
                "TG309",
                "an address is tested against networks",
                item.span,
                "write the first address and the prefix length, as in `10.0.0.0/8`",
            )
            return None
        if not _wide_enough(typer, operand, covered, item.span):
            return None
        found += of_one_version(covered)
    return unary_test(InNetworks, operand, node, ranges=tuple(sorted(found)))


def _wide_enough(typer: Typer, operand: Expression, covered: tuple[int, int], span: Span) -> bool:
    kept = coarseness(operand)
    prefix = finer(covered, kept) if kept is not None else None
    if prefix is not None:
        typer.error(
            "TG315",
            f"this is rounded to /{prefix} at the door, so a smaller network says nothing about it",
            span,
            f"use a network of /{prefix} or wider",
        )
    return prefix is None


def among_network(typer: Typer, node: tree.AmongNetwork, event: str) -> Expression | None:
    operand = typer.value(node.operand, event)
    if operand is None:
        return None
    if operand.type != IP:
        typer.error("TG309", f"a {operand.type} lies in no network", node.span)
        return None
    return _in_networks(typer, operand, (node.network,), node)


def among_named(typer: Typer, node: tree.AmongNamed, event: str) -> Expression | None:
    operand = typer.value(node.operand, event)
    declared = typer.names.lists.get(node.list.text)
    if typer.names.is_lost(node.list.text, "list"):
        return None
    if declared is None:
        sort = typer.names.sort_of(node.list.text)
        typer.error(
            "TG208",
            f"`{node.list.text}` is a {sort}, not a list"
            if sort
            else f"no list is called `{node.list.text}`",
            node.list.span,
            nearest(node.list.text, typer.names.lists),
        )
        return None
    if operand is None or declared.type is None:
        return None
    held = declared.type.word
    if operand.type.kind.value != held and not (operand.type.kind is Kind.WORD and held == "text"):
        typer.error(
            "TG309",
            f"list `{node.list.text}` holds values of type {held}, this is a {operand.type}",
            node.span,
        )
        return None
    managed = declared.path is None
    return unary_test(InList, operand, node, fails=managed, list=node.list.text)


def text_match(typer: Typer, node: tree.TextMatch, event: str) -> Expression | None:
    operand = typer.value(node.operand, event)
    if operand is None:
        return None
    if operand.type != TEXT:
        typer.error("TG310", f"`{node.op}` looks into a text, this is a {operand.type}", node.span)
        return None
    if node.op == "matches":
        return _pattern_match(typer, node, operand)
    _warn_percent(typer, node)
    pattern = folding(operand).apply(node.pattern.value)
    return unary_test(TextTest, operand, node, op=node.op, pattern=pattern)


def _pattern_match(typer: Typer, node: tree.TextMatch, operand: Expression) -> Expression | None:
    """`matches`: the pattern is checked, and ignores case where the text has been folded."""
    pattern, how = node.pattern.value, folding(operand)
    wrong = patterns.fault(pattern)
    if wrong is not None:
        typer.error("TG330", wrong.message, _within(node.pattern, wrong), wrong.help)
        return None
    if how.folded or how.lowered:
        lost = patterns.unfolded(pattern) if how.folded else None
        if lost is not None:
            at, instead = lost
            place = _within(node.pattern, patterns.Fault(at, at + 1, "", ""))
            message = f"a folded text has no `{pattern[at]}`, so this is never found"
            typer.error("TG330", message, place, f"write `{instead}`")
            return None
        pattern = patterns.IGNORING_CASE + pattern
    if not patterns.is_bound(pattern):
        typer.warn(
            "TG331",
            "this pattern may stand anywhere in the text",
            node.pattern.span,
            "begin it with `^` and end it with `$`; where it may stand anywhere, say so with `.*`",
        )
    return unary_test(TextTest, operand, node, op="matches", pattern=pattern)


def _within(text: tree.Text, part: patterns.Fault) -> Span:
    """The place of a part of a text, which is written with its escapes."""
    spelled = [len(quote(character)) - 2 for character in text.value]
    if sum(spelled) + 2 != text.span.end - text.span.start:
        return text.span  # written in another form of Unicode than it is held in
    start = text.span.start + 1 + sum(spelled[: part.start])
    return Span(text.span.path, start, max(start + sum(spelled[part.start : part.end]), start + 1))


def _warn_percent(typer: Typer, node: tree.TextMatch) -> None:
    """`like "%@x.com"`, as SQL has it."""
    pattern = node.pattern.value
    if node.op == "like" and "%" in (pattern[:1], pattern[-1:]) and "*" not in pattern:
        meant = pattern.replace("%", "*")
        typer.warn(
            "TG323",
            "`%` is an ordinary character of a text",
            node.pattern.span,
            f'write `like "{meant}"`: `*` is any text',
        )


def presence(typer: Typer, node: tree.Presence, event: str) -> Expression | None:
    operand = typer.value(node.operand, event)
    if operand is None:
        return None
    if not operand.can_be_missing and not operand.models:
        word = "true" if node.present else "false"
        typer.warn("TG320", f"this is never missing, so the test is always {word}", node.span)
    test = IsMissing(operand=operand, type=FLAG, span=node.span, models=operand.models)
    return negated(test, node.span) if node.present else test
