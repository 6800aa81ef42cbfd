"""The scores that rules compare with."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.dsl.program import Compare, Constant, EventType, Expression, Input, LetRef
from tidegate.dsl.unknowns import walk
from tidegate.engine.values import format_decimal


def thresholds_of(event: EventType, score: str) -> dict[int, tuple[str, ...]]:
    """By threshold, ascending, the rules that compare `score` with it.

    A threshold is the least score (millionths) on its upper side: `risk > 0.8` and
    `not (risk <= 0.8)` both have 800001. Comparisons with anything but a literal or a parameter
    have none, for they move with the event.
    """
    found: dict[int, dict[str, None]] = {}
    for rule in event.rules:
        for condition in (rule.when, *rule.exceptions):
            for at in _thresholds(condition, score):
                found.setdefault(at, {})[rule.id] = None
    return {at: tuple(found[at]) for at in sorted(found)}


def _thresholds(condition: Expression, score: str) -> Iterator[int]:
    for node in walk(condition):
        if not isinstance(node, Compare):
            continue
        left, right, op = _meant(node.left), _meant(node.right), str(node.op)
        if isinstance(left, Constant):
            left, right, op = right, left, _MIRRORED.get(op, op)
        if isinstance(left, Input) and left.name == score and isinstance(right, Constant):
            if op in (">=", "<"):
                yield int(right.value)
            elif op in (">", "<="):
                yield int(right.value) + 1


_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _meant(expression: Expression) -> Expression:
    while isinstance(expression, LetRef):
        expression = expression.body
    return expression


def score_text(score: int) -> str:
    """A score as rules write it."""
    return format_decimal(score, 6, trim=True)


def threshold_text(at: int) -> str:
    """A threshold as rules write it: at or above 0.100001 is above 0.1, for nothing is between."""
    return f"above {score_text(at - 1)}" if at % 10 == 1 else f"at least {score_text(at)}"
