"""The checker: from trees to the typed program, with every error of a policy in one run.

Declarations are gathered from all files, then checked in the order in which they depend on each
other: fields, params, labels, features (on demand, as rules and lets read them), models, rules.
What is wrong is reported and left out; the program exists only where there is no error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tidegate.dsl import tree
from tidegate.dsl.action_checks import check_actions, relaxes
from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.declarations import (
    check_event,
    check_feature,
    check_fields,
    check_grant,
    check_guarantee,
    check_label,
    check_list,
    check_param,
    check_reason,
    check_step_up,
    text_of,
)
from tidegate.dsl.diagnostics import Diagnostic, Severity, has_errors, in_order, nearest
from tidegate.dsl.expressions import Typer
from tidegate.dsl.meaning import meaning_hash
from tidegate.dsl.model_checks import check_model
from tidegate.dsl.nodes import field_input, score_input
from tidegate.dsl.program import (
    Actions,
    EventType,
    Expression,
    Feature,
    Input,
    LetRef,
    Model,
    Program,
    Rule,
)
from tidegate.dsl.rule_checks import RuleChecker, check_advice, check_names
from tidegate.dsl.scope import Names, collect
from tidegate.dsl.source import Span
from tidegate.dsl.unknowns import children
from tidegate.dsl.zones import DAY_US, Zone, load_zone

LANGUAGE_VERSION = 1
EXPIRY_WARNING_US = 30 * DAY_US

D = TypeVar("D")
_SOURCES = ("field", "feature", "score", "label")


@dataclass(frozen=True, slots=True)
class Checked:
    """The program, or None where an error stands among the diagnostics."""

    program: Program | None
    diagnostics: tuple[Diagnostic, ...]


def check(files: Sequence[tree.File], *, today_us: int | None = None) -> Checked:
    """Check the parsed files of one policy.

    `today_us`: the day by which `expires` is judged (UTC microseconds); None judges nothing.
    """
    names, problems = collect(files)
    currency, zone = _units(names, problems)
    typer = Typer(names, currency, zone)
    typer.problems += problems
    program = _Policy(typer).program()
    typer.problems += _expired(program, today_us)
    typer.problems += _not_done(program)
    diagnostics = in_order(typer.problems)
    return Checked(None if has_errors(diagnostics) else program, diagnostics)


def _units(names: Names, problems: list[Diagnostic]) -> tuple[str, Zone]:
    """Currency and zone; where they are wrong, stand-ins that let the rest be checked."""
    fallback = load_zone("UTC")
    assert fallback is not None  # it is in every zone database
    policy = names.policy
    if policy is None:
        return "EUR", fallback
    currency = policy.currency
    if policy.language not in (None, LANGUAGE_VERSION):
        problems.append(
            Diagnostic(
                "TG225",
                f"this engine knows language {LANGUAGE_VERSION}, not {policy.language}",
                policy.name.span,
            )
        )
    missing = [
        word
        for word, value in (
            ("language 1", policy.language),
            ("currency EUR", currency),
            ('timezone "Europe/Paris"', policy.timezone),
        )
        if value is None
    ]
    problems += [
        Diagnostic(
            "TG225",
            f"the policy does not say its {word.split()[0]}",
            policy.name.span,
            f"add `{word}`",
        )
        for word in missing
    ]
    if currency is not None and currency.text not in MINOR_DIGITS:
        near = nearest(currency.text, MINOR_DIGITS)
        problems.append(
            Diagnostic(
                "TG225", f"`{currency.text}` is no currency of ISO 4217", currency.span, near
            )
        )
        currency = None
    zone = load_zone(policy.timezone.value) if policy.timezone else None
    if zone is None and policy.timezone is not None:
        problems.append(
            Diagnostic(
                "TG322",
                f'`"{policy.timezone.value}"` is no time zone',
                policy.timezone.span,
                'zones are named as in `"Europe/Paris"`',
            )
        )
    return currency.text if currency else "EUR", zone or fallback


class _Policy:
    """Builds the program from the declarations of one policy."""

    def __init__(self, typer: Typer) -> None:
        self.typer = typer
        self.names = typer.names
        self._features: dict[str, Feature | None] = {}
        self._checking: list[str] = []

    def program(self) -> Program:
        typer, names = self.typer, self.names
        typer.fields = {n: check_fields(typer, e) for n, e in sorted(names.events.items())}
        typer.params = {
            p.name: p for d in _sorted(names.params) if (p := check_param(typer, d)) is not None
        }
        typer.find_feature = self._feature
        labels = [check_label(typer, d) for d in _sorted(names.labels)]
        for name in sorted(names.features):
            self._feature(name)
        lists = [check_list(typer, d) for d in _sorted(names.lists)]
        reasons = [check_reason(typer, d) for d in _sorted(names.reasons)]
        step_ups = [check_step_up(typer, d, self._results(d)) for d in _sorted(names.step_ups)]
        models = {
            m.name: m for d in _sorted(names.models) if (m := check_model(typer, d)) is not None
        }
        events = {n: check_event(typer, e) for n, e in sorted(names.events.items())}
        rules = self._rules(models, [n for n, e in events.items() if e.decided])
        guarantees = [
            check_guarantee(typer, d, [n for n, e in events.items() if e.decided])
            for d in _sorted(names.guarantees)
        ]
        grants = [check_grant(typer, d) for d in _sorted(names.grants)]
        self._unread_lets()
        features = tuple(f for _, f in sorted(self._features.items()) if f is not None)
        if not has_errors(typer.problems):
            defined = {d.name: d for d in (*features, *labels) if d is not None}
            rules = [replace(r, meaning=meaning_hash(r, defined)) for r in rules]
        policy = names.policy
        return Program(
            name=policy.name.text if policy else "",
            text=text_of(policy.text) if policy else "",
            language=LANGUAGE_VERSION,
            currency=typer.currency,
            minor_digits=MINOR_DIGITS[typer.currency],
            zone=typer.zone.name,
            rates=text_of(policy.rates) if policy else "",
            events=tuple(_with_rules(e, rules, models) for e in events.values()),
            params=tuple(typer.params[n] for n in sorted(typer.params)),
            features=features,
            labels=tuple(x for x in labels if x),
            lists=tuple(x for x in lists if x),
            models=tuple(models[n] for n in sorted(models)),
            reasons=tuple(reasons),
            step_ups=tuple(x for x in step_ups if x),
            guarantees=tuple(x for x in guarantees if x),
            grants=tuple(grants),
        )

    def _feature(self, name: str) -> Feature | None:
        if name in self._checking:
            self.typer.error(
                "TG207", f"feature `{name}` refers to itself", self.names.features[name].name.span
            )
            return None
        if self._checking:
            self.typer.error(
                "TG605",
                f"a feature reads the counted event's own fields and its label; `{name}` is a "
                "feature",
                self.names.features[self._checking[-1]].span,
            )
            return None  # a chain of them is not followed
        if name not in self._features:
            self._checking.append(name)
            self._features[name] = check_feature(self.typer, self.names.features[name])
            self._checking.pop()
        return self._features[name]

    def _results(self, declared: tree.StepUpDeclaration) -> dict[str, Actions]:
        results = {}
        for word, actions in declared.results:
            typed = check_actions(self.typer, actions)
            if typed is None:
                continue
            if relaxes(typed) or typed.points or any(a.step_up for a in typed.asks):
                self.typer.error(
                    "TG219",
                    f"after a step_up that is {word} there is hold, decline or review",
                    actions.span,
                )
            results[word] = typed
        return results

    def _rules(self, models: dict[str, Model], decided: list[str]) -> list[Rule]:
        checker = RuleChecker(self.typer, models, decided)
        found = [checker.check(declared) for declared in self.names.rules]
        rules = sorted((r for r in found if r is not None), key=lambda r: (r.name, r.version))
        check_names(self.typer, rules)
        check_advice(self.typer, rules, models.values())
        return rules

    def _unread_lets(self) -> None:
        """A let that nothing reads is checked in the first event that has what it reads."""
        read = self.typer.lets_read()
        for name in sorted(set(self.names.lets) - read):
            declared = self.names.lets[name]
            start = len(self.typer.problems)
            attempts: list[list[Diagnostic]] = []
            for event in sorted(self.typer.fields):
                typed = self.typer.value(tree.Reference(declared.name.span, name), event)
                attempts.append(self.typer.problems[start:])
                del self.typer.problems[start:]
                if typed is not None:
                    break
            else:
                self.typer.problems += _fewest(attempts)


def _sorted(table: Mapping[str, D]) -> list[D]:
    return [table[name] for name in sorted(table)]


def _fewest(attempts: list[list[Diagnostic]]) -> list[Diagnostic]:
    return min(attempts, key=len) if attempts else []


# --- what an evaluation of an event reads ---


def _with_rules(event: EventType, rules: Iterable[Rule], models: dict[str, Model]) -> EventType:
    if not event.decided:
        return event
    own = tuple(rule for rule in rules if rule.event == event.name)
    used = tuple(m for _, m in sorted(models.items()) if m.use_event == event.name)
    roots = [e for rule in own for e in (rule.when, *rule.exceptions)]
    roots += [e for m in used for e in (*m.reads, *([m.use_when] if m.use_when else []))]
    inputs, lets = _read_below(roots)
    for name in (m.score for m in used):
        inputs.setdefault(name, _score_input(name, used))
    own_fields = {f.name: _field_input(f.name, inputs, event) for f in event.fields}
    rest = sorted(
        (i for i in inputs.values() if i.name not in own_fields),
        key=lambda i: (_SOURCES.index(i.source), i.name),
    )
    return replace(
        event,
        rules=own,
        inputs=(*own_fields.values(), *rest),
        lets=lets,
        models=tuple(m.name for m in used),
    )


def _read_below(roots: Iterable[Expression]) -> tuple[dict[str, Input], tuple[LetRef, ...]]:
    """Every input read, and every let after the ones it reads."""
    inputs: dict[str, Input] = {}
    lets: dict[str, LetRef] = {}

    def visit(node: Expression) -> None:
        if isinstance(node, LetRef) and node.name in lets:
            return
        for child in children(node):
            visit(child)
        if isinstance(node, Input):
            inputs.setdefault(node.name, node)
        elif isinstance(node, LetRef):
            lets[node.name] = node

    for root in roots:
        visit(root)
    return inputs, tuple(lets.values())


def _field_input(name: str, inputs: dict[str, Input], event: EventType) -> Input:
    return inputs.get(name) or field_input(event.field(name), event.span)


def _score_input(name: str, used: Sequence[Model]) -> Input:
    model = next(m for m in used if m.score == name)
    return score_input(name, model.name, model.span)


# --- what a date or the product's age says ---


def _expired(program: Program, today_us: int | None) -> Iterable[Diagnostic]:
    if today_us is None:
        return
    for rule in (r for event in program.events for r in event.rules):
        if rule.expires_us is None or today_us < rule.expires_us - EXPIRY_WARNING_US:
            continue
        gone = today_us >= rule.expires_us
        yield Diagnostic(
            "TG407",
            f"rule `{rule.name}` {_expiry(rule.expires_us - today_us)}",
            rule.span,
            "renew the date after a review, or delete the rule",
            Severity.ERROR if gone else Severity.WARNING,
        )


def _expiry(left_us: int) -> str:
    """When a rule expires, in whole days; started days that are left count as days."""
    days = -(-left_us // DAY_US)
    if days == 0:
        return "has expired today"
    many = "day" if abs(days) == 1 else "days"
    return f"expires in {days} {many}" if days > 0 else f"expired {-days} {many} ago"


def _not_done(program: Program) -> Iterable[Diagnostic]:
    """What the language knows and this release does not do yet: said, never skipped."""
    for guarantee in program.guarantees:
        yield _note("TG901", f"guarantee `{guarantee.name}` is not proved", guarantee.span)
    for model in program.models:
        yield _note(
            "TG902",
            f"model `{model.name}` is not scored here; its score is given as an input",
            model.span,
        )
    for grant in program.grants:
        yield _note(
            "TG903", f"grant `{grant.name}` is not enforced: there is no service", grant.span
        )
    for step_up in program.step_ups:
        yield _note(
            "TG904",
            f"what follows step_up `{step_up.name}` is recorded, not carried out",
            step_up.span,
        )


def _note(code: str, message: str, span: Span) -> Diagnostic:
    return Diagnostic(code, message, span, severity=Severity.NOTE)
