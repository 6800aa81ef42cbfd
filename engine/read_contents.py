"""What it means for payments that the contents of a list or a table change.

That hangs on the rules that read them, and on which side: a card more on a list that a rule
declines makes the rule fire more often, a country more on one that it leaves alone makes it fire
less. Where a list is read otherwise than as a condition of its own, and for tables, the text does
not say which way it goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidegate.dsl.program import (
    And,
    Expression,
    InList,
    Input,
    LetRef,
    Not,
    Or,
    Program,
    Rule,
)
from tidegate.dsl.unknowns import walk
from tidegate.engine.differences import Detail, Effect, gravest
from tidegate.engine.rule_differences import protects


def readers(program: Program, name: str) -> tuple[Rule, ...]:
    """The rules that read the list or the table `name`, straight or through lets and features."""
    counted = _features(program, name)
    return tuple(
        rule
        for event in program.events
        for rule in event.rules
        if any(
            _reads(node, name) or (isinstance(node, Input) and node.name in counted)
            for part in _parts(rule)
            for node in walk(part)
        )
    )


def is_read_elsewhere(program: Program, name: str) -> bool:
    """Whether a feature, a guarantee, a grant or the use of a model reads the list or the table."""
    conditions = (
        *(guarantee.when for guarantee in program.guarantees),
        *(scope.when for grant in program.grants for scope in grant.on),
        *(model.use_when for model in program.models),
        *(one for model in program.models for one in model.reads),
    )
    found = (node for one in conditions if one is not None for node in walk(one))
    return bool(_features(program, name)) or any(_reads(node, name) for node in found)


def _features(program: Program, name: str) -> frozenset[str]:
    """The features that count by the list or the table `name`."""
    return frozenset(
        feature.name
        for feature in program.features
        for part in (feature.where, feature.operand)
        if part is not None and any(_reads(node, name) for node in walk(part))
    )


def effect_of_contents(program: Program, name: str, *, more: bool, fewer: bool) -> Effect:
    """The gravest effect of values that came (`more`) or went (`fewer`)."""
    found: list[Effect] = ["may_weaken"] if is_read_elsewhere(program, name) else []
    for rule in readers(program, name):
        for side in _sides(rule, name):
            found += _effects(rule, side, more=more, fewer=fewer)
    return gravest(tuple(found)) if found else "changes"


def with_readers(program: Program, name: str, detail: Detail) -> Detail:
    """The detail with the names of the rules that read what changed."""
    names = sorted({rule.name for rule in readers(program, name)})
    said = f"read by {', '.join(names)}" if names else "read by no rule"
    return Detail(detail.what, detail.before, detail.after, detail.effect, f"{detail.note}; {said}")


def _parts(rule: Rule) -> Sequence[Expression]:
    return (rule.when, *rule.exceptions)


def _reads(node: Expression, name: str) -> bool:
    if isinstance(node, InList):
        return node.list == name
    return isinstance(node, Input) and node.lookup is not None and node.lookup.table == name


def _sides(rule: Rule, name: str) -> Iterator[bool | None]:
    """Whether the rule fires more often where the list holds more; None: the text does not say."""
    yield from _of_condition(rule.when, name, True)
    for exception in rule.exceptions:
        yield from _of_condition(exception, name, False)


def _of_condition(condition: Expression, name: str, side: bool) -> Iterator[bool | None]:
    match condition:
        case And(items=items) | Or(items=items):
            for item in items:
                yield from _of_condition(item, name, side)
        case Not(operand=operand):
            yield from _of_condition(operand, name, not side)
        case LetRef(body=body):
            yield from _of_condition(body, name, side)
        case InList(list=read) if read == name:
            yield side
        case _ if any(_reads(node, name) for node in walk(condition)):
            yield None


def _effects(rule: Rule, side: bool | None, *, more: bool, fewer: bool) -> Iterator[Effect]:
    if not rule.relaxes and not protects(rule):
        yield "changes"
    elif side is None:
        yield "may_weaken"
    else:
        fires_more = side != rule.relaxes
        if more:
            yield "strengthens" if fires_more else "weakens"
        if fewer:
            yield "weakens" if fires_more else "strengthens"
