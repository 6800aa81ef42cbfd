"""Checking of guarantees and grants, and of the event that a rule or a guarantee is about."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.dsl import tree
from tidegate.dsl.expressions import Typer
from tidegate.dsl.program import (
    Grant,
    GrantScope,
    Guarantee,
)
from tidegate.dsl.shared_checks import is_event, no_labels, one_of, own_fields_only, text_of

MACHINE_VERBS = frozenset({"decide", "report_step_up", "send_events", "read_decisions"})
PEOPLE_VERBS = frozenset(
    {
        "read_decisions",
        "reveal_identifiers",
        "author_release",
        "approve_release",
        "activate_release",
        "view_simulation",
        "stop",
        "disable_model",
        "snooze",
        "read_audit",
        "review_cases",
        "manage_lists",
    }
)
SEEN = frozenset({"outcome", "reasons", "explanation", "rules", "features", "scores", "record"})
GUARANTEED = frozenset({"step_up", "review", "decline"})


def check_guarantee(
    typer: Typer, declared: tree.GuaranteeDeclaration, decided: Iterable[str]
) -> Guarantee | None:
    """A guarantee's condition and words."""
    for word in declared.at_least:
        one_of(typer, word, GUARANTEED, "TG220", "outcome a guarantee can promise")
    event = event_of(typer, declared.event, None, declared.name, decided)
    if event is None or declared.when is None:
        return None
    when = typer.condition(declared.when, event)
    if when is None:
        return None
    no_labels(typer, when)
    words = tuple(sorted(w.text for w in declared.at_least))
    return Guarantee(
        declared.name.text, event, when, words, declared.name.span, text_of(declared.text)
    )


def event_of(
    typer: Typer, own: tree.Name | None, inherited: tree.Name | None, name: tree.Name,
    decided: Iterable[str],
) -> str | None:  # fmt: skip
    """The decided event that a rule or guarantee is about."""
    events = sorted(decided)
    chosen = own or inherited
    if chosen is None:
        if len(events) == 1:
            return events[0]
        if not events and typer.names.any_lost("event"):
            return None
        typer.error(
            "TG401",
            f"`{name.text}` does not say which event it is about",
            name.span,
            f"add `on EVENT`; decided here: {', '.join(events) or 'none'}",
        )
        return None
    if not is_event(typer, chosen):
        return None
    if chosen.text not in events:
        typer.error(
            "TG401",
            f"event `{chosen.text}` is not decided here and carries no rules",
            chosen.span,
            f"write `event {chosen.text} decided by default approve`",
        )
        return None
    return chosen.text


def check_grant(typer: Typer, declared: tree.GrantDeclaration) -> Grant:
    """A grant: verbs of its own world, scopes that read the event's own fields."""
    verbs = MACHINE_VERBS if declared.world == "client" else PEOPLE_VERBS
    other = PEOPLE_VERBS if declared.world == "client" else MACHINE_VERBS
    for verb in (*declared.may, *declared.never):
        if verb.text in other - verbs:
            world = "people" if declared.world == "client" else "machines"
            typer.error(
                "TG221",
                f"`{verb.text}` is for {world}; a {declared.world} cannot have it",
                verb.span,
            )
        else:
            one_of(typer, verb, verbs, "TG221", f"verb of a {declared.world}")
    for seen in declared.sees:
        one_of(typer, seen, SEEN, "TG221", "part of an answer")
    scopes = [_scope(typer, scope) for scope in declared.on]
    return Grant(
        world=declared.world,
        name=declared.name.text,
        may=frozenset(v.text for v in declared.may),
        never=frozenset(v.text for v in declared.never),
        on=tuple(s for s in scopes if s is not None),
        sees=frozenset(s.text for s in declared.sees),
        span=declared.name.span,
    )


def _scope(typer: Typer, scope: tree.ScopeClause) -> GrantScope | None:
    if not is_event(typer, scope.event):
        return None
    when = None
    if scope.when is not None:
        when = typer.condition(scope.when, scope.event.text)
        if when is not None:
            own_fields_only(typer, when, "a grant")
    return GrantScope(scope.event.text, when)
