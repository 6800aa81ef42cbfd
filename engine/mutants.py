"""Small mistakes that a rule could hold: each one a program with one place otherwise.

A comparison off by its smallest unit or turned to its neighbour, a member of a set left out, `and`
for `or`, a part of a condition dropped, an action one rung lower. What bounds prove to be the same
as the rule itself is counted apart, and what would not compile is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from tidegate.dsl.program import (
    And,
    Ask,
    Authentication,
    Compare,
    Constant,
    Disposition,
    EventType,
    Expression,
    InNetworks,
    InSet,
    Or,
    PointsAtLeast,
    Program,
    Relation,
    Review,
    Rule,
)
from tidegate.dsl.source import Span
from tidegate.dsl.types import INT64_MAX, INT64_MIN, INTEGER_KINDS, Bounds, Value
from tidegate.dsl.unknowns import can_be_unknown, children
from tidegate.engine.expression_text import SHOWN_OF_SET, show_ask, show_expression, show_value
from tidegate.engine.possible import reachable_points

Sort = Literal["threshold", "relation", "member", "connective", "dropped", "rung"]
MOST_MEMBERS = 64
"""Of a set so many members are left out in turn."""

_NEIGHBOUR: dict[Relation, Relation] = {
    ">": ">=", ">=": ">", "<": "<=", "<=": "<", "=": "!=", "!=": "=",
}  # fmt: skip
_TURNED: dict[Relation, Relation] = {
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
    "=": "=",
    "!=": "!=",
}
_LOWER: dict[tuple[str, int], int] = {
    ("disposition", Disposition.DECLINE): Disposition.HOLD,
    ("authentication", Authentication.MANDATED): Authentication.PREFERRED,
    ("review", Review.BEFORE): Review.AFTER,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake: `after` stands where `before` stands, at `span`, in each of `rules`.

    `equivalent`: no value within the declared bounds can tell it from the rule.
    """

    event: EventType
    rules: tuple[str, ...]
    sort: Sort
    span: Span
    before: str
    after: str
    equivalent: bool = False

    def program(self, program: Program) -> Program:
        """The program with this mistake."""
        name = self.event.name
        events = tuple(self.event if e.name == name else e for e in program.events)
        return replace(program, events=events)


def mutants_of(program: Program, event: EventType) -> Iterator[Mutant]:
    """Every mutant of the event's rules, in the order in which the rules stand."""
    yield from _Maker(program, event).mutants()


@dataclass(frozen=True, slots=True)
class _Place:
    """A node, and the outermost one that is written at the same place: `between` is two nodes."""

    node: Expression
    written: Expression


@dataclass(frozen=True, slots=True)
class _Edit:
    """A node that could stand there instead."""

    sort: Sort
    node: Expression
    equivalent: bool = False
    without: Value | None = None


class _Maker:
    """Makes the mutants of one event."""

    def __init__(self, program: Program, event: EventType) -> None:
        self.program = program
        self.event = event
        self.points = reachable_points(program, event)

    def mutants(self) -> Iterator[Mutant]:
        # Lets and the exceptions of groups are written once and read by many rules.
        readers: dict[tuple[Span, type[Expression], Expression], dict[int, _Place]] = {}
        for index, rule in enumerate(self.event.rules):
            for root in (rule.when, *rule.exceptions):
                for place in _places(root, root):
                    key = (place.node.span, type(place.node), place.node)
                    readers.setdefault(key, {}).setdefault(index, place)
        order = sorted(range(len(self.event.rules)), key=lambda i: self.event.rules[i].span)
        by_first: dict[int, list[tuple[_Place, tuple[int, ...]]]] = {}
        for found in readers.values():
            first = min(found, key=order.index)
            by_first.setdefault(first, []).append((found[first], tuple(found)))
        for index in order:
            for place, indices in by_first.get(index, ()):
                yield from self._at(place, indices)
            yield from self._rungs(self.event.rules[index])

    def _at(self, place: _Place, readers: tuple[int, ...]) -> Iterator[Mutant]:
        for edit in self._edits(place.node):
            rules = list(self.event.rules)
            for index in readers:
                rules[index] = _edited_rule(rules[index], place.node, edit.node)
            edited = tuple(rules[index] for index in readers)
            if all(map(_compiles, edited)):
                before = self._show(place.written)
                after = self._show(_swapped(place.written, place.node, edit.node))
                if edit.without is not None and after.count(",") >= SHOWN_OF_SET:
                    out = show_value(edit.without, children(place.node)[0].type, self._currency)
                    after = f"{before} without {out}"
                event = replace(self.event, rules=tuple(rules))
                names = tuple(rule.id for rule in edited)
                yield Mutant(event, names, edit.sort, place.written.span, before, after,
                             edit.equivalent)  # fmt: skip

    @property
    def _currency(self) -> str:
        return self.program.currency

    def _show(self, expression: Expression) -> str:
        return show_expression(expression, self._currency)

    # what can be wrong at a node

    def _edits(self, node: Expression) -> Iterator[_Edit]:
        match node:
            case Compare(left=left) if left.type.kind in INTEGER_KINDS:
                yield from _integer_edits(node)
            case Compare(op=op):
                yield _Edit("relation", replace(node, op=_NEIGHBOUR[op]))
            case InSet(values=values) if len(values) > 1:
                for value in sorted(values, key=repr)[:MOST_MEMBERS]:
                    yield _Edit("member", replace(node, values=values - {value}), without=value)
            case InNetworks(ranges=ranges) if len(ranges) > 1:
                for place in range(min(len(ranges), MOST_MEMBERS)):
                    rest = ranges[:place] + ranges[place + 1 :]
                    yield _Edit("member", replace(node, ranges=rest))
            case PointsAtLeast(threshold=threshold):
                for differing, new in ((threshold - 1, threshold - 1), (threshold, threshold + 1)):
                    same = self.points is not None and differing not in self.points
                    edited = replace(node, threshold=new, param=None, above=0)
                    yield _Edit("threshold", edited, same)
            case And(items=items) | Or(items=items):
                if any(item.span != node.span for item in items):
                    other: type[And | Or] = Or if isinstance(node, And) else And
                    yield _Edit("connective", _as(other, node))
                for place in range(len(items)):
                    rest_items = items[:place] + items[place + 1 :]
                    left_over = rest_items[0] if len(rest_items) == 1 else None
                    yield _Edit("dropped", left_over or replace(node, items=rest_items))

    def _rungs(self, rule: Rule) -> Iterator[Mutant]:
        # What a rule in the shadow asks for nobody sees.
        for place, ask in enumerate(() if rule.shadow else rule.then.asks):
            lower = _LOWER.get((ask.ladder, ask.rung))
            if lower is None or (
                ask.ladder == "disposition" and lower <= (self.event.default or 0)
            ):
                continue
            weaker = replace(ask, rung=lower)
            asks = (*rule.then.asks[:place], weaker, *rule.then.asks[place + 1 :])
            after = replace(rule, then=replace(rule.then, asks=asks))
            rules = tuple(after if r is rule else r for r in self.event.rules)
            event = replace(self.event, rules=rules)
            before, lower_text = _then(ask), _then(weaker)
            yield Mutant(event, (rule.id,), "rung", rule.span, before, lower_text)


def _then(ask: Ask) -> str:
    return f"then {show_ask(ask)}"


def _places(node: Expression, written: Expression) -> Iterator[_Place]:
    yield _Place(node, written)
    for child in children(node):
        yield from _places(child, written if child.span == written.span else child)


def _integer_edits(node: Compare) -> Iterator[_Edit]:
    """Off by one unit to either side, each way of it once; the neighbouring relation first."""
    neighbour = _Edit("relation", replace(node, op=_NEIGHBOUR[node.op]))
    limit, subject, op = node.right, node.left, node.op
    if isinstance(node.left, Constant):
        limit, subject, op = node.left, node.right, _TURNED[node.op]
    if not isinstance(limit, Constant):
        yield replace(neighbour, equivalent=_never_equal(node) and node.op not in ("=", "!="))
        return
    value, bounds = cast(int, limit.value), subject.bounds or Bounds(INT64_MIN, INT64_MAX)
    moved = []
    for new in (value + 1, value - 1):
        if INT64_MIN <= new <= INT64_MAX:
            constant = replace(limit, value=new, param="")
            side = {"left": constant} if limit is node.left else {"right": constant}
            moved.append((new, replace(node, **cast(dict[str, Any], side))))
    if op in ("=", "!="):
        yield neighbour
        for new, edited in moved:
            yield _Edit("threshold", edited, not (_lies(value, bounds) or _lies(new, bounds)))
        return
    own, seen = _turns_at(op, value), set[int]()
    turned = _turns_at(_NEIGHBOUR[op], value)
    for place, edit in (
        (turned, neighbour),
        *((_turns_at(op, new), _Edit("threshold", edited)) for new, edited in moved),
    ):
        if place not in seen:
            seen.add(place)
            yield replace(edit, equivalent=not _lies(min(place, own), bounds))


def _turns_at(op: Relation, value: int) -> int:
    """The first value on the upper side: `> 5` and `<= 5` turn at 6, `>= 5` and `< 5` at 5."""
    return value + 1 if op in (">", "<=") else value


def _lies(value: int, bounds: Bounds) -> bool:
    return bounds.low <= value <= bounds.high


def _never_equal(node: Compare) -> bool:
    a, b = node.left.bounds, node.right.bounds
    return a is not None and b is not None and (a.high < b.low or b.high < a.low)


def _as(other: type[And | Or], node: And | Or) -> Expression:
    return other(
        items=node.items,
        type=node.type,
        span=node.span,
        models=node.models,
        bounds=node.bounds,
        can_be_missing=node.can_be_missing,
        can_fail=node.can_fail,
    )


def _compiles(rule: Rule) -> bool:
    """The checker wants to know what happens where a condition is unknown."""
    return rule.unknown is not None or not can_be_unknown(rule.when)


# --- putting a node in another's place -----------------------------------------------------------


def _edited_rule(rule: Rule, old: Expression, new: Expression) -> Rule:
    when = _swapped(rule.when, old, new)
    exceptions = tuple(_swapped(exception, old, new) for exception in rule.exceptions)
    same = all(a is b for a, b in zip(exceptions, rule.exceptions, strict=True))
    return rule if when is rule.when and same else replace(rule, when=when, exceptions=exceptions)


def _swapped(node: Expression, old: Expression, new: Expression) -> Expression:
    """`node` with `new` wherever `old` is written; itself where it is not."""
    if node is old or (node.span == old.span and type(node) is type(old) and node == old):
        return new
    changes: dict[str, Any] = {}
    for name in ("operand", "left", "right", "body", "default"):
        part = getattr(node, name, None)
        if isinstance(part, Expression):
            found = _swapped(part, old, new)
            if found is not part:
                changes[name] = found
    for name in ("items", "arguments"):
        parts = getattr(node, name, None) or ()
        swapped = tuple(_swapped(part, old, new) for part in parts)
        if any(a is not b for a, b in zip(parts, swapped, strict=True)):
            changes[name] = swapped
    branches = getattr(node, "branches", ())
    edited = tuple((_swapped(c, old, new), _swapped(v, old, new)) for c, v in branches)
    if any(a is not b or c is not d for (a, c), (b, d) in zip(branches, edited, strict=True)):
        changes["branches"] = edited
    return replace(node, **changes) if changes else node
