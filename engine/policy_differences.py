"""Everything that differs between two policies, in the order in which it is to be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from tidegate.dsl.lists import ListContent, Lists
from tidegate.dsl.program import LADDERS, Expression, LetRef, Program, Rule
from tidegate.dsl.rates import Rates
from tidegate.dsl.scanner import Scan, scan
from tidegate.dsl.source import NOWHERE, Source, Span
from tidegate.dsl.tables import TableContent, Tables
from tidegate.engine import other_differences as others
from tidegate.engine.differences import EFFECTS, Detail, Difference, Effect, Kind, Turn, gravest
from tidegate.engine.expression_text import show_actions, show_expression
from tidegate.engine.model_differences import ModelFiles, file_details
from tidegate.engine.other_differences import Writer
from tidegate.engine.param_values import revalued
from tidegate.engine.read_contents import effect_of_contents, with_readers
from tidegate.engine.rule_differences import (
    changed_note,
    effect_of_whole,
    names_below,
    rule_details,
    show_rollout,
)

_KINDS: tuple[Kind, ...] = (
    "policy", "event", "model", "grant", "guarantee", "rule", "step_up", "reason", "list", "table",
    "label", "feature", "let", "param", "case",
)  # fmt: skip
_LATER: tuple[Kind, ...] = ("list", "table", "label", "feature", "let", "param", "case")
Details = Callable[[Any, Any, Writer, Writer], Iterator[Detail]]


@dataclass(frozen=True, slots=True)
class Subject:
    """One of the two policies: its program, contents of lists and tables, its texts, its cases.

    `cases` hold what each case says, by its name; only whether that differs is looked at. `models`
    hold what lies behind the declaration of each, by its name.
    """

    program: Program
    lists: Lists = field(default_factory=dict)
    tables: Tables = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    cases: Mapping[str, object] = field(default_factory=dict)
    rates: Rates | None = None
    models: Mapping[str, ModelFiles] = field(default_factory=dict)


def policy_differences(old: Subject | None, new: Subject) -> tuple[Difference, ...]:
    """What differs, the gravest first; everything is new where `old` is None."""
    found = _Comparison(old, new)
    return tuple(sorted(found.all(), key=_order))


def _order(difference: Difference) -> tuple[int, int, int, str]:
    """Authority, weaker protections, other rules, lists and the rest, what people only read."""
    kind, effect = _KINDS.index(difference.kind), EFFECTS.index(difference.effect)
    if difference.effect == "none":
        group = 5
    elif difference.effect == "authority":
        group = 0
    elif difference.kind in _LATER and difference.effect not in ("weakens", "may_weaken"):
        group = 4
    else:
        group = min(effect, 3)
    return group, kind if group != 3 else 0, effect, difference.name


class _Comparison:
    """Two policies under comparison."""

    def __init__(self, old: Subject | None, new: Subject) -> None:
        self.old = old
        self.new = new
        self.before = Writer(old.program if old else None)
        self.after = Writer(new.program)
        self.lets = _lets(old), _lets(new)
        self.params = {p.name: p.value for p in old.program.params} if old else {}
        self.changed = dict(self._changed_inputs())

    def all(self) -> Iterator[Difference]:
        was = self.old.program if self.old else None
        now = self.new.program
        if self.old is not None:
            heads = [_Head(self.old)], [_Head(self.new)]
            yield from self._of("policy", *heads, _head_details)
        pairs: tuple[tuple[Kind, str, Details, Effect, Effect], ...] = (
            ("event", "events", others.event_details, "changes", "may_weaken"),
            ("model", "models", others.model_details, "authority", "authority"),
            ("grant", "grants", others.grant_details, "authority", "authority"),
            ("guarantee", "guarantees", others.guarantee_details, "strengthens", "weakens"),
            ("step_up", "step_ups", others.step_up_details, "changes", "changes"),
            ("reason", "reasons", others.reason_details, "none", "none"),
            ("label", "labels", others.label_details, "changes", "changes"),
            ("feature", "features", others.feature_details, "changes", "changes"),
        )
        for kind, name, details, added, removed in pairs:
            parts = getattr(was, name) if was else ()
            yield from self._of(kind, parts, getattr(now, name), details, (added, removed))
        yield from self._rules()
        yield from self._lists()
        yield from self._tables()
        yield from self._lets()
        yield from self._params()
        yield from self._cases()

    def _of(
        self,
        kind: Kind,
        old: Sequence[Any],
        new: Sequence[Any],
        details: Details,
        come_and_gone: tuple[Effect, Effect] = ("changes", "changes"),
    ) -> Iterator[Difference]:
        before, after = ({_name(part): part for part in parts} for parts in (old, new))
        for name in sorted({*before, *after}):
            was, now = before.get(name), after.get(name)
            if was is None or now is None:
                turn: Turn = "added" if was is None else "removed"
                effect = come_and_gone[was is not None]
                whole = tuple(self._whole(kind, now if was is None else was, effect, was is None))
                yield self._at(Difference(kind, name, turn, effect, whole), was, now)
                continue
            found = (
                *details(was, now, self.before, self.after),
                *self._through(kind, now),
                *self._files(kind, name),
            )
            if found:
                effect = gravest(tuple(detail.effect for detail in found))
                yield self._at(Difference(kind, name, "changed", effect, found), was, now)

    def _files(self, kind: Kind, name: str) -> Iterator[Detail]:
        """What differs behind the declaration of a model."""
        if kind == "model" and self.old is not None:
            nothing = ModelFiles()
            sides = (subject.models.get(name, nothing) for subject in (self.old, self.new))
            yield from file_details(*sides)

    def _through(self, kind: Kind, part: Any) -> Iterator[Detail]:
        """Conditions, rules' apart, that read a feature or a label which changed."""
        for what, condition, effect in _conditions(kind, part):
            read = names_below(condition) & {
                n for n, of in self.changed.items() if of != "let" or what == "reads"
            }
            if read:
                text = self.after.condition(condition)
                yield Detail(what, text, text, effect, changed_note(read, self.changed))

    def _at(self, difference: Difference, was: Any, now: Any) -> Difference:
        """The difference with its place: where it stands now, else where it stood."""
        part, subject = (was, self.old) if now is None else (now, self.new)
        span: Span = getattr(part, "span", NOWHERE)
        source = subject.sources.get(span.path) if subject else None
        line = source.position(span.start)[0] if source else 0
        found = replace(difference, file=span.path, line=line)
        if difference.kind == "model":
            before, after = (None if one is None else int(one.version) for one in (was, now))
            found = replace(found, version_before=before, version_after=after)
        if difference.kind != "rule" or self.old is None:
            return found
        texts = _written(was, self.old), _written(now, self.new)
        return replace(found, text_before=texts[0], text_after=texts[1])

    def _whole(self, kind: Kind, part: Any, effect: Effect, added: bool) -> Iterator[Detail]:
        """What is added or removed, as far as a line or two say it."""
        writer = self.after if added else self.before

        def of(what: str, text: str) -> Iterator[Detail]:
            if text:
                yield Detail(what, *(("", text) if added else (text, "")), effect)

        match kind:
            case "model":
                yield from of("may", others.listed(part.may))
                for ladder in LADDERS:
                    yield from of(f"ceiling on {ladder}", others.ceiling(part, ladder))
                yield from of("use", others.use(part, writer))
                yield from of("until", others.date(part.until_us))
                yield from of("if unavailable", writer.actions(part.unavailable) or "skip")
            case "grant":
                yield from of("may", others.listed(part.may))
                yield from of("never", others.listed(part.never))
                yield from of("on", others.scopes(part, writer))
                yield from of("sees", others.listed(part.sees))
            case "guarantee":
                yield from of("when", writer.condition(part.when))
                yield from of("always at least", " or ".join(part.at_least))
            case "label":
                yield from of("definition", writer.label(part))
            case "feature":
                yield from of("definition", writer.feature(part))
            case "event":
                default = part.default.name.lower() if part.default is not None else ""
                yield from of("decided by default", default)

    # rules

    def _rules(self) -> Iterator[Difference]:
        before, after = _by_name(self.old), _by_name(self.new)
        changed, renamed = self.changed, _renamed(before, after)
        for name in sorted({*before, *after} - set(renamed.values())):
            was, now = before.get(renamed.get(name, name), ()), after.get(name, ())
            details = tuple(self._rule_details(was, now, changed))
            if name in renamed:
                details = (Detail("name", renamed[name], name, "changes"), *details)
            if not details:
                continue
            turn: Turn = "changed" if was and now else "added" if now else "removed"
            yield self._at(
                Difference(
                    "rule",
                    name,
                    turn,
                    gravest(tuple(detail.effect for detail in details)),
                    details,
                    was[-1].version if was else None,
                    now[-1].version if now else None,
                ),
                was[-1] if was else None,
                now[-1] if now else None,
            )

    def _rule_details(
        self, was: Sequence[Rule], now: Sequence[Rule], changed: Mapping[str, str]
    ) -> Iterator[Detail]:
        if len(was) == len(now) == 1:
            yield from self._between(was[0], now[0], changed)
            return
        old, new = ({rule.version: rule for rule in rules} for rules in (was, now))
        for version in sorted({*old, *new}):
            if version in old and version in new:
                yield from self._between(old[version], new[version], changed)
            elif version in new:
                yield from self._whole_rule(new[version], added=True, alone=not was)
            else:
                yield from self._whole_rule(old[version], added=False, alone=not now)

    def _between(self, old: Rule, new: Rule, changed: Mapping[str, str]) -> Iterator[Detail]:
        currency = self.before.currency, self.after.currency
        yield from rule_details(self._with_new_values(old, new), new, currency, changed)
        versions = str(old.version), str(new.version)
        if old.version != new.version:
            yield Detail("version", *versions, "none")
        elif old.meaning != new.meaning:
            yield Detail("version", *versions, "none", "not raised, though the meaning changed")

    def _whole_rule(self, rule: Rule, *, added: bool, alone: bool) -> Iterator[Detail]:
        """A rule, or one version of it, that only one side has."""
        effect = effect_of_whole(rule, added=added)
        if not alone and effect in ("weakens", "strengthens"):
            effect = "may_weaken"
        if not alone and rule.replaces is not None and not rule.shadow:
            effect = "may_weaken"  # whatever it does, it does instead of another
        writer = self.after if added else self.before
        status = "shadow" if rule.shadow else show_rollout(rule.rollout, rule.replaces)
        texts = (
            ("version", "" if alone else str(rule.version)),
            ("status", status),
            ("when", show_expression(rule.when, writer.currency)),
            ("then", ", ".join(show_actions(rule.then, writer.currency))),
            ("except when", " or ".join(map(writer.condition, rule.exceptions))),
            ("if unknown", "" if rule.unknown is None else writer.actions(rule.unknown) or "skip"),
        )
        for what, text in texts:
            if text:
                yield Detail(what, *(("", text) if added else (text, "")), effect)

    def _with_new_values(self, old: Rule, new: Rule) -> Rule:
        """The old rule with params as they are now, where the new one still reads them.

        What the value of those does is said of the param; of others it is a change of the rule.
        """
        values = {
            p.name: p.value
            for p in self.new.program.params
            if self.params.get(p.name, p.value) != p.value
            and revalued(new, {p.name: self.params[p.name]}) != new
        }
        return revalued(old, values) if values else old

    def _changed_inputs(self) -> Iterator[tuple[str, str]]:
        """Features, labels and lets of one name that mean something else now."""
        if self.old is None:
            return
        labels = {label.name: label for label in self.old.program.labels}
        changed = {p.name for p in self.new.program.labels if p != labels.get(p.name, p)}
        yield from ((name, "label") for name in changed)
        was = {feature.name: feature for feature in self.old.program.features}
        for feature in self.new.program.features:
            is_other = feature != was.get(feature.name, feature)
            if is_other or not changed.isdisjoint(feature.labels):
                yield feature.name, "feature"
        for name, let in self.lets[1].items():
            if name in self.lets[0] and self._is_other(self.lets[0][name], let):
                yield name, "let"

    def _is_other(self, old: LetRef, new: LetRef) -> bool:
        values = {p.name: p.value for p in self.new.program.params}
        return revalued(old.body, values) != new.body

    # the rest

    def _lists(self) -> Iterator[Difference]:
        was, contents = (self.old.program.lists, self.old.lists) if self.old else ((), {})
        for found, part in self._declared("list", was, self.new.program.lists, others.list_details):
            more = _contents(
                found.name, contents.get(found.name), self.new.lists.get(found.name), self._judged
            )
            yield from self._with_contents(found, part, tuple(more))

    def _tables(self) -> Iterator[Difference]:
        was, contents = (self.old.program.tables, self.old.tables) if self.old else ((), {})
        declared = self._declared("table", was, self.new.program.tables, others.table_details)
        for found, part in declared:
            more = _rows(contents.get(found.name), self.new.tables.get(found.name))
            judged = (self._judged(found.name, one, more=True, fewer=True) for one in more)
            yield from self._with_contents(found, part, tuple(judged))

    def _judged(self, name: str, detail: Detail, *, more: bool, fewer: bool) -> Detail:
        """The detail with its effect on payments and the rules that read what changed."""
        effect = effect_of_contents(self.new.program, name, more=more, fewer=fewer)
        return with_readers(self.new.program, name, replace(detail, effect=effect))

    def _declared(
        self, kind: Kind, old: Sequence[Any], new: Sequence[Any], details: Details
    ) -> Iterator[tuple[Difference, Any]]:
        """What differs in declarations, and those that are alike: their contents may differ."""
        found = {d.name: d for d in self._of(kind, old, new, details)}
        parts = {part.name: part for part in (*old, *new)}
        for name in sorted(parts):
            yield found.get(name) or Difference(kind, name, "changed", "none", ()), parts[name]

    def _with_contents(
        self, found: Difference, part: Any, details: tuple[Detail, ...]
    ) -> Iterator[Difference]:
        if details and not found.details and found.turn == "changed":
            effect = gravest(tuple(detail.effect for detail in details))
            yield self._at(replace(found, effect=effect, details=details), None, part)
        elif found.details or found.turn != "changed":
            effect = gravest((found.effect, *(detail.effect for detail in details)))
            yield replace(found, effect=effect, details=(*found.details, *details))

    def _lets(self) -> Iterator[Difference]:
        before, after = self.lets
        for name in sorted({*before, *after}):
            was, now = before.get(name), after.get(name)
            texts = (
                self.before.condition(was.body) if was else "",
                self.after.condition(now.body) if now else "",
            )
            if was and now and texts[0] == texts[1] and not self._is_other(was, now):
                continue
            if was and now and texts[0] == texts[1]:
                continue  # what it reads is said by itself
            turn: Turn = "changed" if was and now else "added" if now else "removed"
            detail = Detail("definition", *texts, "changes")
            yield self._at(Difference("let", name, turn, "changes", (detail,)), was, now)

    def _params(self) -> Iterator[Difference]:
        was = self.old.program.params if self.old else ()
        for found in self._of("param", was, self.new.program.params, others.param_details):
            if found.turn == "changed" and any(detail.what == "value" for detail in found.details):
                yield self._with_readers(found)
            else:
                yield found

    def _with_readers(self, found: Difference) -> Difference:
        """A param whose value differs, with the rules that read it and what it does to them."""
        assert self.old is not None
        value = {found.name: self.params[found.name]}
        readers, effects = [], []
        for rules in _by_name(self.new).values():
            for rule in rules:
                before = revalued(rule, value)
                if before != rule:
                    readers.append(rule.name)
                    currency = self.after.currency, self.after.currency
                    moved = rule_details(before, rule, currency, {})
                    effects += [detail.effect for detail in moved]
        effect = gravest((*effects, "changes"))
        note = f"read by {', '.join(dict.fromkeys(readers))}" if readers else "no rule reads it"
        details = tuple(
            replace(detail, effect=effect, note=note) if detail.what == "value" else detail
            for detail in found.details
        )
        return replace(found, effect=effect, details=details)

    def _cases(self) -> Iterator[Difference]:
        before = self.old.cases if self.old else {}
        after = self.new.cases
        for name in sorted({*before, *after}):
            if name not in before or name not in after:
                yield Difference("case", name, "added" if name in after else "removed", "none", ())
            elif before[name] != after[name]:
                yield Difference("case", name, "changed", "none", ())


@dataclass(frozen=True, slots=True)
class _Head:
    """The head of a policy, which has one whatever it is called."""

    subject: Subject
    name: str = "policy"


def _head_details(old: _Head, new: _Head, *_: Writer) -> Iterator[Detail]:
    yield from others.policy_details(old.subject.program, new.subject.program)
    was, now = old.subject.rates, new.subject.rates
    if was is not None and now is not None and was.hash != now.hash:
        yield Detail("rates", _days(was), _days(now), "may_weaken", "their contents changed")


def _days(rates: Rates) -> str:
    return f"{len(rates.quotes):,} days"


def _conditions(kind: Kind, part: Any) -> Iterator[tuple[str, Expression, Effect]]:
    """The conditions of what is no rule: the clause, the condition, what a change of it means."""
    match kind:
        case "guarantee":
            yield "when", part.when, "may_weaken"
        case "grant":
            yield from (("on", one.when, "authority") for one in part.on if one.when is not None)
        case "model":
            yield from (("reads", one, "authority") for one in part.reads)
            if part.use_when is not None:
                yield "use", part.use_when, "authority"


def _contents(
    name: str, old: ListContent | None, new: ListContent | None, judged: Callable[..., Detail]
) -> Iterator[Detail]:
    """How many values came and went, and never which."""
    if new is None or old is None or old.hash == new.hash:
        return
    was, now = ({*content.values, *content.ranges} for content in (old, new))
    note = f"{len(now - was):,} added, {len(was - now):,} removed"
    detail = Detail("contents", f"{len(was):,} values", f"{len(now):,} values", "changes", note)
    yield judged(name, detail, more=bool(now - was), fewer=bool(was - now))


def _rows(old: TableContent | None, new: TableContent | None) -> Iterator[Detail]:
    """How many rows came, went and changed, and never which."""
    if new is None or old is None or old.hash == new.hash:
        return
    was, now = old.rows, new.rows
    changed = sum(was[key] != now[key] for key in was.keys() & now.keys())
    note = (
        f"{len(now.keys() - was.keys()):,} added, {len(was.keys() - now.keys()):,} removed, "
        f"{changed:,} changed"
    )
    yield Detail("contents", f"{len(was):,} rows", f"{len(now):,} rows", "changes", note)


def _written(rule: Rule | None, subject: Subject) -> str:
    """The whole declaration that a rule stands in, without comments that follow it."""
    source = subject.sources.get(rule.span.path) if rule is not None else None
    if rule is None or source is None:
        return ""
    for chunk in _scanned(source).chunks:
        if chunk.start <= rule.span.start < chunk.end:
            lines = source.text[chunk.start : chunk.end].rstrip().split("\n")
            while lines and (not lines[-1].strip() or lines[-1].startswith("#")):
                lines.pop()
            return "\n".join(lines)
    return ""


@lru_cache(maxsize=64)
def _scanned(source: Source) -> Scan:
    return scan(source)


def _name(part: Any) -> str:
    return f"{part.world} {part.name}" if hasattr(part, "world") else str(part.name)


def _by_name(subject: Subject | None) -> dict[str, tuple[Rule, ...]]:
    """All versions of each rule, the newest last."""
    found: dict[str, tuple[Rule, ...]] = {}
    for event in subject.program.events if subject else ():
        for rule in event.rules:
            found[rule.name] = (*found.get(rule.name, ()), rule)
    return found


def _renamed(
    before: Mapping[str, Sequence[Rule]], after: Mapping[str, Sequence[Rule]]
) -> dict[str, str]:
    """By its new name, the old one of a rule that means what it meant."""
    gone, come = (
        {rules[0].meaning: name for name, rules in one.items() if name not in other}
        for one, other in ((before, after), (after, before))
    )
    return {come[meaning]: name for meaning, name in gone.items() if meaning in come}


def _lets(subject: Subject | None) -> dict[str, LetRef]:
    events = subject.program.events if subject else ()
    return {let.name: let for event in events for let in event.lets}
