"""Rules beside each other: the same one twice, one that another makes idle, a value between two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, permutations

from tidegate.dsl.exclusion import Demand, demands, exclusive
from tidegate.dsl.program import (
    NO_ACTIONS,
    Actions,
    And,
    Ask,
    Compare,
    Expression,
    LetRef,
    Program,
    Rule,
)
from tidegate.dsl.source import Source
from tidegate.rules.lints import Finding, finding

MAX_COMPARED = 500
"""How many rules of one event are compared with each other."""
_OPPOSITE = {"<": ">", ">": "<"}


def rules_alike(program: Program, sources: Mapping[str, Source]) -> Iterator[Finding]:
    """What is said of the rules of each event, seen together."""
    for event in program.events:
        for rule in event.rules:
            yield from _contradiction(rule)
        plain = [rule for rule in event.rules if _plain(rule)][:MAX_COMPARED]
        yield from _beside(plain, sources)


def _plain(rule: Rule) -> bool:
    """Whether it always acts, for every key and on every day."""
    dated = (rule.from_us, rule.until_us, rule.rollout, rule.replaces)
    return not rule.shadow and all(clause is None for clause in dated)


def _beside(rules: list[Rule], sources: Mapping[str, Source]) -> Iterator[Finding]:
    same = {rule.name: _conjuncts(rule.when) for rule in rules}
    said: set[str] = set()
    for one, other in combinations(sorted(rules, key=lambda rule: rule.span), 2):
        if one.name != other.name and other.name not in said and _same(one, other, same):
            said.add(other.name)
            yield finding(
                "duplicate-rule",
                f"rule `{other.name}` is rule `{one.name}` under another name",
                other.span,
                "keep one of them",
                ((one.span, "the other one"),),
                name=other.name,
            )
        yield from _gap(one, other, same, sources)
    for strong, weak in permutations(rules, 2):
        if weak.name in said or strong.name in said or strong.name == weak.name:
            continue
        if _implies(strong, weak, same):
            said.add(weak.name)
            yield finding(
                "implied-rule",
                f"rule `{weak.name}` changes nothing: wherever it fires, rule `{strong.name}` does "
                "as well, and asks for as much",
                weak.span,
                "drop it, or let it ask for more",
                ((strong.span, "this one covers it"),),
                name=weak.name,
            )


# --- implied ---


def _same(one: Rule, other: Rule, conjuncts: Mapping[str, tuple[Expression, ...]]) -> bool:
    """Whether they are one rule under two names, the order of conditions aside."""
    return one.meaning == other.meaning or (
        _implies(one, other, conjuncts) and _implies(other, one, conjuncts)
    )


def _implies(strong: Rule, weak: Rule, conjuncts: Mapping[str, tuple[Expression, ...]]) -> bool:
    """Whether `weak` is idle beside `strong`; False is "cannot say"."""
    return (
        not weak.relaxes
        and (strong.mandatory or not weak.mandatory)
        and (weak.unknown is None or weak.unknown == NO_ACTIONS)
        and strong.models <= weak.models
        and all(exception in weak.exceptions for exception in strong.exceptions)
        and _covers(strong.then, weak.then)
        and all(_follows(c, conjuncts[weak.name]) for c in conjuncts[strong.name])
    )


def _follows(wanted: Expression, given: tuple[Expression, ...]) -> bool:
    """Whether `wanted` holds wherever all of `given` do."""
    if wanted in given:
        return True
    asked = demands(wanted)
    return len(asked) == 1 and any(_within(d, asked[0]) for c in given for d in demands(c))


def _within(narrow: Demand, wide: Demand) -> bool:
    if narrow.subject != wide.subject:
        return False
    if narrow.values is not None:
        return all(_holds(value, wide) for value in narrow.values)
    return wide.values is None and wide.low <= narrow.low and narrow.high <= wide.high


def _holds(value: object, wide: Demand) -> bool:
    if wide.values is not None:
        return value in wide.values
    return isinstance(value, int) and wide.low <= value <= wide.high


def _covers(strong: Actions, weak: Actions) -> bool:
    """Whether `weak` adds nothing to `strong`: no higher rung, no reason, tag, point or advice."""
    others = weak.points or weak.points_params or weak.points_reasons or weak.advice
    return (
        bool(weak.asks)
        and not others
        and set(weak.tags) <= set(strong.tags)
        and set(weak.tag_reasons) <= set(strong.tag_reasons)
        and all(any(_as_much(one, other) for one in strong.asks) for other in weak.asks)
    )


def _as_much(one: Ask, other: Ask) -> bool:
    # On a higher rung the lower one's reason is never given; on the same one it must be the same.
    return one == other or (one.ladder == other.ladder and one.rung > other.rung)


# --- within one rule ---


def _contradiction(rule: Rule) -> Iterator[Finding]:
    for one, other in combinations(_conjuncts(rule.when), 2):
        if exclusive(demands(one), demands(other)):
            yield finding(
                "contradiction",
                f"rule `{rule.name}` never fires: these two never hold together",
                other.span,
                "write `or` where either is meant",
                ((one.span, "the other one"),),
                name=rule.name,
            )
            return


# --- gaps ---


def _gap(
    one: Rule,
    other: Rule,
    conjuncts: Mapping[str, tuple[Expression, ...]],
    sources: Mapping[str, Source],
) -> Iterator[Finding]:
    """`> 100` here and `< 100` there, everything else alike."""
    here, there = conjuncts[one.name], conjuncts[other.name]
    for left in here:
        for right in there:
            if not _meet(left, right):
                continue
            rest = [c for c in here if c is not left]
            others = [c for c in there if c is not right]
            if all(c in others for c in rest) and all(c in rest for c in others):
                assert isinstance(right, Compare)
                value = _written(right.right, sources)
                subject = _written(right.left, sources)
                yield finding(
                    "threshold-gap",
                    f"{subject} of exactly {value} falls between rules `{one.name}` and "
                    f"`{other.name}`",
                    right.span,
                    f"write `{right.op}=` in one of them",
                    ((left.span, "the other threshold"),),
                    name=other.name,
                )
                return


def _meet(left: Expression, right: Expression) -> bool:
    return (
        isinstance(left, Compare)
        and isinstance(right, Compare)
        and _OPPOSITE.get(left.op) == right.op
        and (left.left, left.right) == (right.left, right.right)
    )


def _written(node: Expression, sources: Mapping[str, Source]) -> str:
    source = sources.get(node.span.path)
    return "`this`" if source is None else f"`{source.slice(node.span)}`"


def _conjuncts(node: Expression) -> tuple[Expression, ...]:
    """What has to hold together, lets written out."""
    if isinstance(node, LetRef):
        return _conjuncts(node.body)
    if isinstance(node, And):
        return tuple(c for item in node.items for c in _conjuncts(item))
    return (node,)
