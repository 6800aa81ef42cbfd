"""Checking of what follows a `then`: actions against the declarations they name."""

from __future__ import annotations

from typing import cast

from tidegate.dsl import tree
from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.expressions import Typer
from tidegate.dsl.nodes import bounds_of
from tidegate.dsl.program import (
    NO_ACTIONS,
    Actions,
    Advice,
    Ask,
    Authentication,
    Constant,
    Disposition,
    Ladder,
    Review,
)
from tidegate.dsl.types import COUNT, Kind

MAX_POINTS = 10**6


def check_actions(typer: Typer, actions: tree.ActionList | None) -> Actions | None:
    """The typed actions; None where one is wrong, with the problem reported."""
    if actions is None or actions.skip:
        return NO_ACTIONS
    before = len(typer.problems)
    asks: list[Ask] = []
    tags: list[str] = []
    tag_reasons: list[tuple[str, str]] = []
    advice: list[Advice] = []
    added: list[Constant] = []
    points_reasons: list[str] = []
    for action in actions.items:
        reason = _reason(typer, action)
        match action.verb:
            case "tag":
                tags.append(cast("tree.Literal", action.value).spelling)
                tag_reasons += [(tags[-1], reason)] if reason else []
            case "points":
                added += _points(typer, action)
                points_reasons += [reason] if reason else []
            case "advise":
                advice += _advice(typer, action, reason)
            case _:
                asks += _ask(typer, action, reason)
    _check_advised_once(typer, actions, advice)
    if any(p.severity.value == "error" for p in typer.problems[before:]):
        return None
    return Actions(
        asks=tuple(sorted(asks, key=lambda a: (a.ladder, -a.rung, a.step_up, a.reason))),
        points=sum(cast("int", one.value) for one in added),
        points_reasons=tuple(sorted(points_reasons)),
        tags=tuple(sorted(set(tags))),
        tag_reasons=tuple(sorted(set(tag_reasons))),
        advice=tuple(sorted(advice, key=lambda a: a.name)),
        points_params=tuple(sorted((a for a in added if a.param), key=lambda a: a.param)),
    )


def _reason(typer: Typer, action: tree.Action) -> str:
    if action.because is None:
        return ""
    name = action.because.text
    if name not in typer.names.reasons and not typer.names.is_lost(name, "reason"):
        typer.error(
            "TG222",
            f"no reason is called `{name}`",
            action.because.span,
            nearest(name, typer.names.reasons) or f'declare it: `reason {name} "…"`',
        )
    return name


def _ask(typer: Typer, action: tree.Action, reason: str) -> list[Ask]:
    name = action.name.text if action.name else ""
    match action.verb:
        case "decline":
            return [Ask("disposition", Disposition.DECLINE, reason)]
        case "hold":
            return [Ask("disposition", Disposition.HOLD, reason)]
        case "review":
            moment = Review.BEFORE if action.word == "before" else Review.AFTER
            return [Ask("review", moment, reason)]
        case "no_exemption":
            return [Ask("authentication", Authentication.NONE, reason)]
        case "exempt":
            typer.error(
                "TG429",
                "`exempt` needs the legal gates of an `sca` declaration, which the language "
                "does not have yet",
                action.span,
                "leave the exemption to the gateway for now",
            )
            return []
    if name not in typer.names.step_ups and not typer.names.is_lost(name, "step_up"):
        assert action.name is not None
        typer.error(
            "TG223",
            f"no step_up is called `{name}`",
            action.name.span,
            nearest(name, typer.names.step_ups) or f"declare it: `step_up {name} rank 1 try …`",
        )
    mandated = action.verb == "step_up"
    rung = Authentication.MANDATED if mandated else Authentication.PREFERRED
    return [Ask("authentication", rung, reason, step_up=name)]


def _points(typer: Typer, action: tree.Action) -> list[Constant]:
    assert action.value is not None
    if not _constant(typer, action.value):
        typer.error(
            "TG402", "points are a whole number or a param of type count", action.value.span
        )
        return []
    typed = typer.value(action.value, "", COUNT)
    if typed is None:
        return []
    if not isinstance(typed, Constant) or typed.type.kind is not Kind.COUNT:
        typer.error("TG402", f"points are a whole number, not a {typed.type}", action.value.span)
        return []
    bounds = bounds_of(typed)
    if bounds.low < 0 < bounds.high:
        typer.error(
            "TG402",
            f"param `{typed.param}` may be negative and positive; points of one rule add or relax",
            action.value.span,
            "give it bounds on one side of 0",
        )
    if max(-bounds.low, bounds.high) > MAX_POINTS:
        typer.error("TG402", f"at most {MAX_POINTS:,} points", action.value.span)
    return [typed]


def _advice(typer: Typer, action: tree.Action, reason: str) -> list[Advice]:
    assert action.value is not None
    assert action.name is not None
    if not _constant(typer, action.value):
        typer.error("TG403", "advice is a literal or a param", action.value.span)
        return []
    typed = typer.value(action.value, "")
    if not isinstance(typed, Constant):
        return []
    param = typed if typed.param else None
    return [Advice(action.name.text, typed.value, typed.type, reason, param)]


def _check_advised_once(typer: Typer, actions: tree.ActionList, advice: list[Advice]) -> None:
    for name in sorted({one.name for one in advice}):
        if len({(one.type, one.value) for one in advice if one.name == name}) > 1:
            typer.error(
                "TG432",
                f"these actions advise different values of `{name}`",
                actions.span,
                "advise one value, or advise under two names",
            )


def _constant(typer: Typer, value: tree.Expr) -> bool:
    """Whether this is a literal or the name of a param."""
    if isinstance(value, tree.Reference):
        return value.name in typer.params or typer.names.is_lost(value.name, "param")
    return isinstance(value, tree.Literal)


def highest(actions: Actions, ladder: Ladder) -> int:
    """The highest rung asked for on `ladder`, -1 for none."""
    return max((a.rung for a in actions.asks if a.ladder == ladder), default=-1)


def exempts(actions: Actions) -> bool:
    """Whether an exemption is asked for."""
    return any(a.exemption for a in actions.asks)


def relaxes(actions: Actions) -> bool:
    """Whether these actions weaken what other rules ask, or may once a param has another value."""
    return exempts(actions) or actions.fewest_points < 0
