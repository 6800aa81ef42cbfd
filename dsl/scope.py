"""The names of a policy: what is declared, and what a name means in a place.

Fields, features, lets, params, scores and labels share one set of names (two events may have a
field of the same name); each other kind of declaration has its own.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tidegate.dsl import tree
from tidegate.dsl.diagnostics import Diagnostic
from tidegate.dsl.source import Span

D = TypeVar("D", bound=tree.Declaration)
VALUES = ("field", "feature", "let", "param", "label", "score")
"""The sorts of names that an expression uses."""


@dataclass(frozen=True, slots=True)
class Names:
    """Every declaration by name, per kind; the first of a name where it is declared twice."""

    policy: tree.PolicyDeclaration | None
    events: dict[str, tree.EventDeclaration]
    features: dict[str, tree.FeatureDeclaration]
    lets: dict[str, tree.LetDeclaration]
    params: dict[str, tree.ParamDeclaration]
    labels: dict[str, tree.LabelDeclaration]
    lists: dict[str, tree.ListDeclarationNode]
    tables: dict[str, tree.TableDeclaration]
    models: dict[str, tree.ModelDeclaration]
    reasons: dict[str, tree.ReasonDeclaration]
    step_ups: dict[str, tree.StepUpDeclaration]
    groups: dict[str, tree.GroupDeclaration]
    guarantees: dict[str, tree.GuaranteeDeclaration]
    grants: dict[str, tree.GrantDeclaration]
    rules: tuple[tree.RuleDeclaration, ...]
    scores: dict[str, str] = field(default_factory=dict)
    """Score name to the name of its model."""
    lost: set[tuple[str, str]] = field(default_factory=set)
    """Sort and name of what is declared, but with an error: nothing follows from using it."""
    whole: bool = True
    """Whether every file was looked at to its end."""

    def is_lost(self, name: str, *sorts: str) -> bool:
        """Whether `name` may be of one of the sorts, and an error stands at its declaration."""
        return not self.whole or any((sort, name) in self.lost for sort in sorts)

    def any_lost(self, sort: str) -> bool:
        """Whether there may be something of this sort that could not be read."""
        return not self.whole or any(sort == other for other, _ in self.lost)

    def is_value(self, name: str) -> bool:
        """Whether an expression may use `name` in some place."""
        tables = (self.features, self.lets, self.params, self.labels, self.scores)
        return any(name in table for table in tables) or name in self._fields()

    def _fields(self) -> set[str]:
        return {f.name.text for e in self.events.values() for f in e.fields}

    def values(self) -> set[str]:
        """Every name that an expression may use, whatever the place."""
        return self._fields() | {
            *self.features,
            *self.lets,
            *self.params,
            *self.labels,
            *self.scores,
        }

    def sort_of(self, name: str) -> str:
        """What `name` is, in words; empty where it is nothing."""
        table: dict[str, Container[str]] = {
            "feature": self.features, "let": self.lets, "param": self.params, "label": self.labels,
            "score": self.scores, "list": self.lists, "table": self.tables, "event": self.events,
            "model": self.models, "reason": self.reasons, "step_up": self.step_ups,
            "group": self.groups,
        }  # fmt: skip
        for sort, names in table.items():
            if name in names:
                return sort
        return ""


def collect(files: Sequence[tree.File]) -> tuple[Names, list[Diagnostic]]:
    """Gather the declarations of all files; the order of files never matters."""
    declarations = sorted(
        (d for file in files for d in file.declarations), key=lambda d: (d.name.text, d.span)
    )
    problems: list[Diagnostic] = []
    lost = {(u.word, u.name) for file in files for u in file.unread}
    whole = all(file.whole for file in files)
    policies = _of(declarations, tree.PolicyDeclaration)
    if len({p.currency for p in policies}) > 1:
        lost.add(("policy", ""))  # nobody can tell which currency is meant
    names = Names(
        policy=_only_policy(policies, problems),
        events=_table(_of(declarations, tree.EventDeclaration), "event", problems),
        features=_table(_of(declarations, tree.FeatureDeclaration), "feature", problems),
        lets=_table(_of(declarations, tree.LetDeclaration), "let", problems),
        params=_table(_of(declarations, tree.ParamDeclaration), "param", problems),
        labels=_table(_of(declarations, tree.LabelDeclaration), "label", problems),
        lists=_table(_of(declarations, tree.ListDeclarationNode), "list", problems),
        tables=_table(_of(declarations, tree.TableDeclaration), "table", problems),
        models=_table(_of(declarations, tree.ModelDeclaration), "model", problems),
        reasons=_table(_of(declarations, tree.ReasonDeclaration), "reason", problems),
        step_ups=_table(_of(declarations, tree.StepUpDeclaration), "step_up", problems),
        groups=_table(_of(declarations, tree.GroupDeclaration), "group", problems),
        guarantees=_table(_of(declarations, tree.GuaranteeDeclaration), "guarantee", problems),
        grants=_table(_of(declarations, tree.GrantDeclaration), "grant", problems),
        rules=tuple(_of(declarations, tree.RuleDeclaration)),
        lost=lost,
        whole=whole,
    )
    if not policies and not names.any_lost("policy"):
        problems.append(_no_policy(files))
    for model in names.models.values():
        if model.score is not None:
            names.scores.setdefault(model.score.text, model.name.text)
    problems += _shared_names(names)
    return names, problems


def _of(declarations: Iterable[tree.Declaration], kind: type[D]) -> list[D]:
    return [d for d in declarations if isinstance(d, kind)]


def _only_policy(
    policies: list[tree.PolicyDeclaration], problems: list[Diagnostic]
) -> tree.PolicyDeclaration | None:
    """The policy that stands first; what another one says otherwise is not known."""
    if not policies:
        return None
    first, *others = sorted(policies, key=lambda policy: policy.span)
    problems += [
        Diagnostic(
            "TG202",
            "a folder is one policy, and this is a second declaration of it",
            extra.name.span,
            "delete one of them",
            related=((first.name.span, "the first one is here"),),
        )
        for extra in others
    ]
    return first


def _no_policy(files: Sequence[tree.File]) -> Diagnostic:
    return Diagnostic(
        "TG202",
        "the folder declares no policy",
        Span(min((f.path for f in files), default=""), 0, 0),
        'write `policy NAME language 1 currency EUR timezone "Europe/Paris"` in one file',
    )


def _table(declarations: list[D], sort: str, problems: list[Diagnostic]) -> dict[str, D]:
    table: dict[str, D] = {}
    for declaration in declarations:
        first = table.setdefault(declaration.name.text, declaration)
        if first is not declaration:
            problems.append(_twice(sort, declaration.name, first.name))
    return table


def _twice(sort: str, name: tree.Name, first: tree.Name) -> Diagnostic:
    return Diagnostic(
        "TG201",
        f"{sort} `{name.text}` is declared twice",
        name.span,
        "give one of them another name",
        related=((first.span, "first declared here"),),
    )


def _shared_names(names: Names) -> list[Diagnostic]:
    """Fields, features, lets, params, scores and labels must not share a name."""
    taken: dict[str, tuple[str, tree.Name]] = {}
    for event in names.events.values():
        for event_field in event.fields:
            taken.setdefault(event_field.name.text, ("field", event_field.name))
    problems = []
    groups: list[tuple[str, list[tree.Name]]] = [
        ("feature", [d.name for d in names.features.values()]),
        ("let", [d.name for d in names.lets.values()]),
        ("param", [d.name for d in names.params.values()]),
        ("label", [d.name for d in names.labels.values()]),
        ("score", [m.score for m in names.models.values() if m.score is not None]),
    ]
    for sort, declared in groups:
        for name in declared:
            other = taken.setdefault(name.text, (sort, name))
            if other[1] is not name:
                problems.append(
                    Diagnostic(
                        "TG203",
                        f"{sort} `{name.text}` has the name of a {other[0]}",
                        name.span,
                        "fields, features, lets, params, scores and labels share one set of names",
                        related=((other[1].span, f"the {other[0]} is here"),),
                    )
                )
    return problems
