"""Version discipline: whose meaning changed has a higher number than at the revision before.

A record names a rule as `name@version`; that is worth something only while an id never means two
things. `version` covers a rule's meaning (`dsl/meaning.py`), so ids are held against hashes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tidegate.dsl.diagnostics import Diagnostic, Severity
from tidegate.dsl.program import Program, Rule

Meanings = Mapping[int, str]
"""Of one rule, by version, what it meant."""


@dataclass(frozen=True, slots=True)
class VersionProblem:
    """A rule whose version is not right; `needed` is the one that it should have.

    `needed` is 0 where raising the number would not help.
    """

    rule: Rule
    diagnostic: Diagnostic
    needed: int


def version_problems(
    old: Program, new: Program, past: Mapping[str, Meanings], name: str
) -> tuple[VersionProblem, ...]:
    """Every rule of `new` whose version is not right against `old`, the revision `name`.

    `past` holds, of ids that `old` does not have, what they meant in earlier revisions.
    """
    before = _by_name(old)
    changed = _changed_origins(old, new)
    found: list[VersionProblem] = []
    for rules in _by_name(new).values():
        was = before.get(rules[-1].name, ())
        known = {rule.version: rule.meaning for rule in was}
        for rule in rules:
            earlier = past.get(rule.name, {})
            found += _problems(rule, known, earlier, _Words(rule, name), newest=rule is rules[-1])
    return tuple(p for p in found if p.needed or p.rule.origin not in changed)


def _changed_origins(old: Program, new: Program) -> set[str]:
    """The uses of templates and the tables in which some rule is new, gone or another one.

    Their rules have one version, which rises for all of them.
    """
    was, now = _by_origin(old), _by_origin(new)
    return {origin for origin in now if now[origin] != was.get(origin)}


def _by_origin(program: Program) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for event in program.events:
        for rule in event.rules:
            if rule.origin:
                found.setdefault(rule.origin, {})[rule.name] = rule.meaning
    return found


def _by_name(program: Program) -> dict[str, tuple[Rule, ...]]:
    found: dict[str, tuple[Rule, ...]] = {}
    for event in program.events:
        for rule in event.rules:
            found[rule.name] = (*found.get(rule.name, ()), rule)
    return found


def _problems(
    rule: Rule, known: Meanings, earlier: Meanings, words: _Words, *, newest: bool
) -> Iterator[VersionProblem]:
    next_ = max((*known, *earlier, rule.version)) + 1
    if rule.version in known:
        if known[rule.version] != rule.meaning:
            yield VersionProblem(rule, words.not_raised(next_), next_)
    elif known and newest and rule.version < max(known):
        yield VersionProblem(rule, words.went_down(max(known), next_), next_)
    elif rule.version in earlier:
        if earlier[rule.version] != rule.meaning:
            yield VersionProblem(rule, words.reused(next_), next_)
    elif known and newest and known[max(known)] == rule.meaning:
        yield VersionProblem(rule, words.without_change(max(known)), 0)


@dataclass(frozen=True, slots=True)
class _Words:
    """What is said of one rule, against the revision `name`."""

    rule: Rule
    name: str

    def not_raised(self, next_: int) -> Diagnostic:
        return self._said(
            "TG451",
            f"rule `{self.rule.name}` means something else than at `{self.name}`, and is still "
            f"version {self.rule.version}",
            f"write `version {next_}`, or let `--fix` do it",
        )

    def went_down(self, last: int, next_: int) -> Diagnostic:
        return self._said(
            "TG452",
            f"rule `{self.rule.name}` is version {self.rule.version}, and was version {last} at "
            f"`{self.name}`",
            f"versions only rise: write `version {next_}`, or let `--fix` do it",
        )

    def without_change(self, last: int) -> Diagnostic:
        return self._said(
            "TG453",
            f"rule `{self.rule.name}` means what version {last} meant at `{self.name}`",
            f"keep `version {last}`: a new number stands for a new meaning",
            Severity.WARNING,
        )

    def reused(self, next_: int) -> Diagnostic:
        return self._said(
            "TG454",
            f"`{self.rule.id}` was another rule in the past of `{self.name}`, and records name it",
            f"begin with `version {next_}`, or let `--fix` do it",
        )

    def _said(
        self, code: str, message: str, help_: str, severity: Severity = Severity.ERROR
    ) -> Diagnostic:
        return Diagnostic(code, message, self.rule.span, help_, severity)
