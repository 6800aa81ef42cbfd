"""Rules against each other: one name is one rule, and no two rules advise different values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.dsl.exclusion import Demand, demands, exclusive
from tidegate.dsl.expressions import Typer
from tidegate.dsl.program import NO_ACTIONS, Actions, Rule


def check_names(typer: Typer, rules: list[Rule]) -> None:
    """One name is one rule, except a version that replaces another one in a rollout."""
    by_name: dict[str, list[Rule]] = {}
    declared = {(d.name.text, d.version) for d in typer.names.rules}
    for rule in rules:
        by_name.setdefault(rule.name, []).append(rule)
    for name, same in sorted(by_name.items()):
        versions = [rule.version for rule in same]
        for rule in same:
            known = (name, rule.replaces) in declared or typer.names.is_lost(name, "rule")
            if rule.replaces is not None and not known:
                typer.error(
                    "TG405",
                    f"there is no version {rule.replaces} of rule `{name}` to replace",
                    rule.span,
                    "keep the older version in the folder until the rollout is over",
                )
            if rule.replaces is not None and rule.replaces >= rule.version:
                typer.error("TG405", "a rule replaces an older version", rule.span)
        replaced = {rule.replaces for rule in same}
        newest = [rule for rule in same if rule.version not in replaced]
        if len(newest) > 1 or len(set(versions)) < len(versions):
            first, second = sorted(same, key=lambda r: r.span)[:2]
            typer.error(
                "TG201",
                f"rule `{name}` is declared twice",
                second.span,
                "give one of them another name, or let one replace the other in a rollout",
                ((first.span, "first declared here"),),
            )


# --- advice ---


@dataclass(frozen=True, slots=True)
class _Advising:
    """A rule that advises a value of one name: which, and what its condition demands."""

    rule: Rule
    then: frozenset[object]
    unknown: frozenset[object]
    demands: tuple[Demand, ...]


def check_advice(typer: Typer, rules: list[Rule]) -> None:
    """Two rules that may fire together must not advise different values of one name."""
    advising: dict[tuple[str, str], list[_Advising]] = {}
    for rule in rules:
        unknown = rule.unknown or NO_ACTIONS
        for name in sorted({a.name for a in (*rule.then.advice, *unknown.advice)}):
            values = _values(rule.then, name), _values(unknown, name)
            found = _Advising(rule, *values, demands(rule.when))
            advising.setdefault((rule.event, name), []).append(found)
    for (_, name), found_here in sorted(advising.items(), key=lambda item: item[0]):
        _check_one_name(typer, name, found_here)


def _check_one_name(typer: Typer, name: str, advising: list[_Advising]) -> None:
    """Report each rule that contradicts one before it. Rules of one value are not compared."""
    before: dict[frozenset[object], list[_Advising]] = {}
    for other in advising:
        values = other.then | other.unknown
        rivals = (o for key, ones in before.items() if len(key | values) > 1 for o in ones)
        one = _first_contradicting(other, rivals)
        if one is not None:
            typer.error(
                "TG432",
                f"rules `{one.name}` and `{other.rule.name}` may fire together and advise "
                f"different values of `{name}`",
                other.rule.span,
                "make their conditions exclude each other",
                ((one.span, "the other one"),),
            )
        before.setdefault(values, []).append(other)


def _first_contradicting(other: _Advising, rivals: Iterable[_Advising]) -> Rule | None:
    # Versions of one rule replace each other and never act together.
    return next(
        (r.rule for r in rivals if r.rule.name != other.rule.name and _contradict(r, other)), None
    )


def _contradict(one: _Advising, other: _Advising) -> bool:
    """Whether some event may make both act, each with another value."""
    if _differ(one.then, other.then) and not exclusive(one.demands, other.demands):
        return True
    unsure = (
        _differ(one.unknown, other.then)
        or _differ(one.unknown, other.unknown)
        or _differ(one.then, other.unknown)
    )
    return unsure and not exclusive(one.demands, other.demands, though_unknown=True)


def _differ(one: frozenset[object], other: frozenset[object]) -> bool:
    return bool(one and other and len(one | other) > 1)


def _values(actions: Actions, name: str) -> frozenset[object]:
    return frozenset((a.type, a.value) for a in actions.advice if a.name == name)
