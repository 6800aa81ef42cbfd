"""Which conditions can be unknown, and because of what.

A condition can be unknown when some combination of missing inputs makes it so. What can be missing
in the first place are its *sources*: optional inputs, arithmetic that may divide by zero or
overflow, a text function that may find nothing, a managed list that cannot be read. Each
combination of present and missing sources is tried (`is present` then holds or does not, which is
what makes a guard count); atoms over present values may be true or false. Beyond eight sources the
remaining ones are taken as *maybe*, which can only say "can be unknown" too often.

Scores are present or masked. A masked score makes its atom false in both polarities, so alone it
never makes a condition unknown; but in `amount_yesterday > 5 EUR or score is present` it takes away
what was always true. So each choice of masked models is tried too.

A condition is worked out at most `MAX_TRIALS` times, so the time that a check takes grows with the
length of the text alone. Where sources and models together have more combinations, the models are
taken as *maybe* masked, which again can only say "can be unknown" too often.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cache
from itertools import combinations, product
from typing import Literal, cast

from tidegate.dsl.program import (
    And,
    Case,
    Constant,
    Expression,
    Input,
    IsMissing,
    LetRef,
    Not,
    Or,
    Otherwise,
    PointsAtLeast,
)
from tidegate.dsl.types import Kind

TRIED_SOURCES = 8
TRIED_MODELS = 4
MAX_TRIALS = 512
Presence = Literal["present", "missing", "maybe"]
Truths = frozenset[bool | None]
Source = Expression
State = dict[int, Presence]
"""The presence of each source, by the identity of every node that is one."""
Masking = frozenset[str] | None
"""The models whose scores are masked; None where each of them may be."""
_BOTH: Truths = frozenset({True, False})
_NEVER: Truths = frozenset({False})
_UNKNOWN: Truths = frozenset({None})
_ANY: Truths = frozenset({True, False, None})


def children(expression: Expression) -> tuple[Expression, ...]:
    """The expressions directly below; a let's meaning is below its reference."""
    single, several, branches = _parts(type(expression))  # type: ignore[arg-type]  # a class has its own hash
    found = [getattr(expression, name) for name in single]
    for name in several:
        found += getattr(expression, name)
    for name in branches:
        for condition, value in getattr(expression, name):
            found += [condition, value]
    return tuple(found)


@cache
def _parts(kind: type[Expression]) -> tuple[tuple[str, ...], ...]:
    """The attributes of a kind that hold one expression, several, and pairs of them."""
    names = {field.name for field in fields(kind)}
    wanted = (
        ("operand", "left", "right", "body", "default"),
        ("items", "arguments"),
        ("branches",),
    )
    return tuple(tuple(name for name in group if name in names) for group in wanted)


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and everything below it."""
    stack = [expression]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(children(node))


def sources(expression: Expression) -> tuple[Source, ...]:
    """What may be missing in `expression` by itself, most used first."""
    uses: dict[Source, int] = {}
    for node in walk(expression):
        if node.can_fail:
            uses[node] = uses.get(node, 0) + 1
    return tuple(sorted(uses, key=lambda s: (-uses[s], s.span)))


def can_be_unknown(condition: Expression) -> bool:
    """Whether some combination of missing sources and masked scores leaves `condition` unknown."""
    if not condition.can_be_missing:
        return False
    numbers = {source: number for number, source in enumerate(sources(condition))}
    # Looked up by identity from here on: comparing nodes means comparing all that is below them.
    nodes = [(id(node), numbers[node]) for node in walk(condition) if node.can_fail]
    tried = min(len(numbers), TRIED_SOURCES)
    return any(
        None in _holds(condition, state, masked, positive=True)
        for masked in _maskings(condition.models, MAX_TRIALS // 2**tried)
        for state in _states(nodes, tried)
    )


def _states(nodes: Sequence[tuple[int, int]], tried: int) -> Iterator[State]:
    for choice in product(("present", "missing"), repeat=tried):
        found = cast("tuple[Presence, ...]", choice)
        yield {key: found[n] if n < tried else "maybe" for key, n in nodes}


def _maskings(models: frozenset[str], trials: int) -> Iterator[Masking]:
    """Every set of masked models, none first, where they are not too many to try."""
    if len(models) > TRIED_MODELS or 2 ** len(models) > trials:
        yield None
        return
    ordered = sorted(models)
    for size in range(len(ordered) + 1):
        yield from map(frozenset, combinations(ordered, size))


def _holds(node: Expression, state: State, masked: Masking, *, positive: bool) -> Truths:
    """The truth values of `node`, or of its negation pushed inwards to the atoms."""
    match node:
        case And() | Or():
            parts = [_holds(item, state, masked, positive=positive) for item in node.items]
            return _joined(parts, absorbing=isinstance(node, Or) is positive)
        case Not():
            return _holds(node.operand, state, masked, positive=not positive)
        case LetRef():
            return _holds(node.body, state, masked, positive=positive)
    if masked and node.models & masked:
        return _NEVER
    truths = _truths(node, state) if positive else _negated(_truths(node, state))
    return truths | _NEVER if masked is None and node.models else truths


def _negated(truths: Truths) -> Truths:
    return frozenset(None if truth is None else not truth for truth in truths)


def _truths(node: Expression, state: State) -> Truths:
    """The truth values that the flag `node` can have when its sources are as `state` says."""
    match node:
        case Constant():
            return frozenset({bool(node.value)})
        case And():
            return _fold(node.items, state, absorbing=False)
        case Or():
            return _fold(node.items, state, absorbing=True)
        case Not():
            return _negated(_truths(node.operand, state))
        case LetRef():
            return _truths(node.body, state)
        case PointsAtLeast():
            return _BOTH
        case IsMissing():
            there = _presence(node.operand, state)
            return {"present": frozenset({False}), "missing": frozenset({True})}.get(there, _BOTH)
        case Otherwise():
            left = _truths(node.left, state)
            return (left - {None}) | _truths(node.right, state) if None in left else left
        case Case():
            return _case(node, state)
    own = state.get(id(node), "present")
    there = _join([own, *(_presence(child, state) for child in children(node))])
    return {"present": _BOTH, "missing": _UNKNOWN}.get(there, _ANY)


def _fold(items: tuple[Expression, ...], state: State, *, absorbing: bool) -> Truths:
    return _joined([_truths(item, state) for item in items], absorbing=absorbing)


def _joined(parts: list[Truths], *, absorbing: bool) -> Truths:
    found: set[bool | None] = set()
    if any(absorbing in part for part in parts):
        found.add(absorbing)
    if all((not absorbing) in part for part in parts):
        found.add(not absorbing)
    if any(None in part for part in parts) and all(part != {absorbing} for part in parts):
        found.add(None)
    return frozenset(found)


def _case(node: Case, state: State) -> Truths:
    found: set[bool | None] = set()
    for condition, value in node.branches:
        truths = _truths(condition, state)
        if None in truths:
            found.add(None)
        if True in truths:
            found |= _truths(value, state)
        if False not in truths:
            return frozenset(found)
    return frozenset(found | _truths(node.default, state))


def _presence(node: Expression, state: State) -> Presence:
    if node.type.kind is Kind.FLAG and not isinstance(node, Input):
        truths = _truths(node, state)
        return "missing" if truths == {None} else ("maybe" if None in truths else "present")
    if isinstance(node, LetRef):
        return _presence(node.body, state)
    if isinstance(node, Otherwise):
        left = _presence(node.left, state)
        if left == "missing":
            return _presence(node.right, state)
        return (
            left
            if left == "present"
            else ("present" if _presence(node.right, state) == "present" else "maybe")
        )
    if isinstance(node, Case):
        return _case_presence(node, state)
    own = state.get(id(node), "present")
    return _join([own, *(_presence(child, state) for child in children(node))])


def _case_presence(node: Case, state: State) -> Presence:
    found: set[Presence] = set()
    for condition, value in node.branches:
        truths = _truths(condition, state)
        if None in truths:
            found.add("missing")
        if True in truths:
            found.add(_presence(value, state))
        if False not in truths:
            break
    else:
        found.add(_presence(node.default, state))
    return found.pop() if len(found) == 1 else "maybe"


def _join(parts: list[Presence]) -> Presence:
    found = set(parts)
    if "missing" in found:
        return "missing"
    return "maybe" if "maybe" in found else "present"
