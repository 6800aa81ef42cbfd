"""The checker: from trees to the typed program, with every error of a policy in one run.

Declarations are gathered from all files, then checked in the order in which they depend on each
other: fields, params, labels, features (on demand, as rules and lets read them), models, rules.
What is wrong is reported and left out; the program exists only where there is no error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from tidegate.dsl import tree
from tidegate.dsl.action_checks import check_actions, relaxes
from tidegate.dsl.currencies import MINOR_DIGITS, minor_digits
from tidegate.dsl.decision_checks import check_decisions
from tidegate.dsl.decision_rows import once_a_table, write_out
from tidegate.dsl.diagnostics import Diagnostic, Severity, has_errors, in_order, nearest
from tidegate.dsl.event_checks import check_event, check_fields
from tidegate.dsl.expansion import NOTHING_SHIPPED, Shipped, expand
from tidegate.dsl.expressions import Typer
from tidegate.dsl.feature_checks import check_feature, check_label
from tidegate.dsl.grant_checks import check_grant, check_guarantee, event_of
from tidegate.dsl.meaning import meaning_hash
from tidegate.dsl.model_checks import check_model, check_shadow
from tidegate.dsl.nodes import field_input, score_input
from tidegate.dsl.plain_checks import check_list, check_param, check_reason, check_step_up
from tidegate.dsl.program import (
    Actions,
    EventType,
    Expression,
    Feature,
    Input,
    LetRef,
    Model,
    Not,
    Program,
    Rule,
    Table,
)
from tidegate.dsl.rule_checks import RuleChecker
from tidegate.dsl.rules_together import check_advice, check_names
from tidegate.dsl.scope import Names, collect
from tidegate.dsl.shared_checks import text_of
from tidegate.dsl.signature_checks import check_signature
from tidegate.dsl.signatures import NO_SIGNATURES, Signatures
from tidegate.dsl.source import Span
from tidegate.dsl.table_checks import check_table
from tidegate.dsl.unknowns import children
from tidegate.dsl.zones import DAY_US, Zone, load_zone

LANGUAGE_VERSION = 1
EXPIRY_WARNING_US = 30 * DAY_US

D = TypeVar("D")
_SOURCES = ("field", "feature", "lookup", "score", "label")


@dataclass(frozen=True, slots=True)
class Checked:
    """The program, or None where an error stands among the diagnostics.

    `tables` are those that are declared right, whatever else is wrong.
    """

    program: Program | None
    diagnostics: tuple[Diagnostic, ...]
    tables: tuple[Table, ...] = ()


def check(
    files: Sequence[tree.File],
    *,
    today_us: int | None = None,
    shipped: Shipped = NOTHING_SHIPPED,
    signatures: Signatures | None = None,
) -> Checked:
    """Check the parsed files of one policy.

    `today_us`: the day by which `expires` is judged (UTC microseconds); None judges nothing.
    `shipped`: the libraries of templates that are at hand without a folder of the policy.
    `signatures`: what the files of models say of themselves, by model; `reads` is held against
    them. Those of a model that is not among them, and of all where it is None, are left unchecked.
    """
    expanded = expand(files, shipped)
    written = write_out(expanded.files)
    names, problems = collect(written.files)
    problems += (*expanded.problems, *written.problems)
    currency, zone = _units(names, problems)
    typer = Typer(names, currency, zone)
    typer.problems += problems
    program = _Policy(typer, written.decisions, signatures or NO_SIGNATURES).program()
    typer.problems = list(once_a_table(typer.problems, written.decisions))
    typer.problems += _expired(program, today_us)
    typer.problems += _not_done(program)
    diagnostics = in_order(expanded.placed(typer.problems))
    sound = None if has_errors(diagnostics) else program
    return Checked(sound, diagnostics, program.tables)


def _units(names: Names, problems: list[Diagnostic]) -> tuple[str, Zone]:
    """Currency and zone; where they are wrong, stand-ins that let the rest be checked.

    The stand-in for a currency is no currency at all, so that an amount in any one will do.
    """
    fallback = load_zone("UTC")
    assert fallback is not None  # it is in every zone database
    policy = names.policy
    if policy is None:
        return "", fallback
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
    known = currency is not None and not names.any_lost("policy")
    return currency.text if currency and known else "", zone or fallback


class _Policy:
    """Builds the program from the declarations of one policy."""

    def __init__(
        self, typer: Typer, decisions: Sequence[tree.DecisionDeclaration], signatures: Signatures
    ) -> None:
        self.typer = typer
        self.names = typer.names
        self.decisions = decisions
        self.signatures = signatures
        self._features: dict[str, Feature | None] = {}
        self._checking: list[str] = []

    def program(self) -> Program:
        typer, names = self.typer, self.names
        typer.fields = {n: check_fields(typer, e) for n, e in sorted(names.events.items())}
        typer.params = {
            p.name: p for d in _sorted(names.params) if (p := check_param(typer, d)) is not None
        }
        names.lost.update(("param", name) for name in names.params.keys() - typer.params.keys())
        lists = {d.name.text: check_list(typer, d) for d in _sorted(names.lists)}
        names.lost.update(("list", name) for name, checked in lists.items() if checked is None)
        tables = {n: check_table(typer, d) for n, d in sorted(names.tables.items())}
        names.lost.update(("table", name) for name, checked in tables.items() if checked is None)
        typer.tables = {name: table for name, table in tables.items() if table is not None}
        typer.find_feature = self._feature
        labels = [check_label(typer, d) for d in _sorted(names.labels)]
        for name in sorted(names.features):
            self._feature(name, names.features[name].name.span)
        reasons = [check_reason(typer, d) for d in _sorted(names.reasons)]
        step_ups = [check_step_up(typer, d, self._results(d)) for d in _sorted(names.step_ups)]
        models = {
            m.name: m for d in _sorted(names.models) if (m := check_model(typer, d)) is not None
        }
        for model in models.values():
            if not model.external and model.name in self.signatures:
                check_signature(typer, names.models[model.name], model, self.signatures[model.name])
        events = {n: check_event(typer, e) for n, e in sorted(names.events.items())}
        rules = self._rules(models, [n for n, e in events.items() if e.decided])
        guarantees = [
            check_guarantee(typer, d, [n for n, e in events.items() if e.decided])
            for d in _sorted(names.guarantees)
        ]
        for guarantee in (g for g in guarantees if g is not None):
            check_shadow(typer, models, guarantee.when)
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
            minor_digits=minor_digits(typer.currency),
            zone=typer.zone.name,
            rates=text_of(policy.rates) if policy else "",
            events=tuple(_with_rules(e, rules, models) for e in events.values()),
            params=tuple(typer.params[n] for n in sorted(typer.params)),
            features=features,
            labels=tuple(x for x in labels if x),
            lists=tuple(x for x in lists.values() if x),
            tables=tuple(typer.tables.values()),
            models=tuple(models[n] for n in sorted(models)),
            reasons=tuple(reasons),
            step_ups=tuple(x for x in step_ups if x),
            guarantees=tuple(x for x in guarantees if x),
            grants=tuple(grants),
        )

    def _feature(self, name: str, place: Span) -> Feature | None:
        """The feature that `place` reads."""
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
                place,
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
        self._unused_groups(checker, decided)
        rules = sorted((r for r in found if r is not None), key=lambda r: (r.name, r.version))
        check_names(self.typer, rules)
        check_advice(self.typer, rules, models.values())
        check_decisions(self.typer, self.decisions, rules)
        return rules

    def _unused_groups(self, checker: RuleChecker, decided: list[str]) -> None:
        """The exceptions of a group that no rule is in."""
        used = {rule.group.text for rule in self.names.rules if rule.group is not None}
        for name in sorted(self.names.groups.keys() - used):
            group = self.names.groups[name]
            events = decided
            if group.event is not None:
                event = event_of(self.typer, group.event, None, group.name, decided)
                events = [] if event is None else [event]
            self._in_some_event(partial(checker.exceptions, group.exceptions), events)

    def _unread_lets(self) -> None:
        """The lets that nothing reads."""
        for name in sorted(set(self.names.lets) - self.typer.lets_read()):
            reference = tree.Reference(self.names.lets[name].name.span, name)
            self._in_some_event(partial(self.typer.value, reference), sorted(self.typer.fields))

    def _in_some_event(self, typed: Callable[[str], object], events: Sequence[str]) -> None:
        """Keep what is said in the first event that `typed` succeeds in, else in the nearest."""
        start = len(self.typer.problems)
        attempts: list[list[Diagnostic]] = []
        for event in events:
            fine = typed(event) is not None
            attempts.append(self.typer.problems[start:])
            del self.typer.problems[start:]
            if fine:
                self.typer.problems += attempts[-1]
                return
        if not self.names.any_lost("event"):
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
    negated: set[int] = set()  # the rows of a decision share them

    def visit(node: Expression) -> None:
        if isinstance(node, LetRef) and node.name in lets:
            return
        if isinstance(node, Not):
            if id(node) in negated:
                return
            negated.add(id(node))
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
    return score_input(name, model.name, model.span, model.bounds)


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
    for step_up in program.step_ups:
        yield _note(
            "TG904",
            f"what follows step_up `{step_up.name}` is recorded, not carried out",
            step_up.span,
        )


def _note(code: str, message: str, span: Span) -> Diagnostic:
    return Diagnostic(code, message, span, severity=Severity.NOTE)
