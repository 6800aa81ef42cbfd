"""Counterfactuals as plain text, in the manner of explanations."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.engine.counterfactual import (
    Counterfactual,
    Counterfactuals,
    InputChange,
    ScoreParts,
)
from tidegate.engine.score_explanation import part_text


def render_counterfactuals(all_: Counterfactuals) -> str:
    """The text of all that was found about one decision."""
    return "\n".join(_lines(all_))


def _lines(all_: Counterfactuals) -> Iterator[str]:
    yield f"{all_.event} {all_.key}: {all_.word}"
    if all_.word == all_.to:
        yield f"nothing has to change: it is {all_.to}"
        return
    if all_.found:
        yield f"would have been {all_.to} with"
    elif all_.complete:
        yield f"no change of three inputs or fewer that was tried leads to {all_.to}"
    for number, one in enumerate(all_.found):
        yield from _one(one, number)
    if not all_.complete:
        yield f"the search ended after {all_.trials:,} events; there may be more"
    elif all_.found:
        yield "all other inputs held as they were, features too"
    for score in all_.behind:
        yield from _behind(score)


def _behind(score: ScoreParts) -> Iterator[str]:
    named = f"{score.score} of {score.model}@{score.version}"
    yield f"what made {named} what it was, to be checked; that a change of it is enough is not said"
    for part in score.parts:
        yield f"  {part_text(part)}"


def _one(one: Counterfactual, number: int) -> Iterator[str]:
    for place, change in enumerate(one.changes):
        lead = "and " if place else "or " if number else ""
        yield f"  {lead:>4}{_change(change)}"
    for model in one.held:
        yield f"      the score of {model} held as it was, though it reads what changes"
    if one.reasons:
        yield f"      reasons then: {', '.join(one.reasons)}"


def _change(change: InputChange) -> str:
    if change.source == "list":
        return f"{change.name} {change.after} instead of {change.before}"
    name = change.name if change.source == "field" else f"{change.name} ({change.source})"
    after = change.after or "any other value"
    return f"{name} {after} instead of {change.before}"
