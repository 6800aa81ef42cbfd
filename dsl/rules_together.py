"""Rules against each other: one name is one rule, and no two of them advise different values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tidegate.dsl.exclusion import Demand, demands, exclusive
from tidegate.dsl.expressions import Typer
from tidegate.dsl.program import NO_ACTIONS, Actions, Model, Rule
from tidegate.dsl.source import Span


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
            _check_replaced(typer, rule, same)
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


def _check_replaced(typer: Typer, rule: Rule, same: list[Rule]) -> None:
    """A rollout must not switch off a mandatory version, not even for its share of the keys."""
    for older in same:
        if older.mandatory and rule.replaces == older.version:
            typer.error(
                "TG422",
                f"version {older.version} of rule `{rule.name}` is mandatory, and a rollout would "
                "switch it off for its share",
                rule.span,
                "change the mandatory rule itself, or try the new one under another name",
                ((older.span, "the mandatory version is here"),),
            )


# --- advice ---


@dataclass(frozen=True, slots=True)
class _Advising:
    """What advises a value of one name: a rule, or a model that is unavailable.

    It gives `then` where its condition is true and `unknown` where that is unknown; the condition
    demands nothing where there is none.
    """

    title: str
    span: Span
    then: frozenset[object]
    unknown: frozenset[object]
    demands: tuple[Demand, ...]


def check_advice(typer: Typer, rules: Iterable[Rule], models: Iterable[Model]) -> None:
    """Rules and models that may act together must not advise different values of one name."""
    advising: dict[tuple[str, str], list[_Advising]] = {}
    for event, name, found in (*_of_rules(rules), *_of_models(models)):
        advising.setdefault((event, name), []).append(found)
    for (_, name), found_here in sorted(advising.items(), key=lambda item: item[0]):
        _check_one_name(typer, name, found_here)


def _of_rules(rules: Iterable[Rule]) -> Iterator[tuple[str, str, _Advising]]:
    for rule in rules:
        title, unknown = f"rule `{rule.name}`", rule.unknown or NO_ACTIONS
        for name in sorted({a.name for a in (*rule.then.advice, *unknown.advice)}):
            values = _values(rule.then, name), _values(unknown, name)
            yield rule.event, name, _Advising(title, rule.span, *values, demands(rule.when))


def _of_models(models: Iterable[Model]) -> Iterator[tuple[str, str, _Advising]]:
    for model in (model for model in models if not model.shadow):
        title = f"model `{model.name}`"
        wanted = () if model.use_when is None else demands(model.use_when)
        for name in sorted({a.name for a in model.unavailable.advice}):
            values = _values(model.unavailable, name)
            found = _Advising(title, model.span, values, frozenset(), wanted)
            yield model.use_event, name, found


def _check_one_name(typer: Typer, name: str, advising: list[_Advising]) -> None:
    """Report each one that contradicts one before it. Those of one value are not compared."""
    before: dict[frozenset[object], list[_Advising]] = {}
    for other in advising:
        values = other.then | other.unknown
        rivals = (o for key, ones in before.items() if len(key | values) > 1 for o in ones)
        one = _first_contradicting(other, rivals)
        if one is not None:
            typer.error(
                "TG432",
                f"{one.title} and {other.title} may act together and advise different "
                f"values of `{name}`",
                other.span,
                "make their conditions exclude each other",
                ((one.span, "the other one"),),
            )
        before.setdefault(values, []).append(other)


def _first_contradicting(other: _Advising, rivals: Iterable[_Advising]) -> _Advising | None:
    # Versions of one rule replace each other and never act together.
    return next((r for r in rivals if r.title != other.title and _contradict(r, other)), None)


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
