"""What an evaluation reads and what it answers: plain frozen values that go into the record.

`Situation` is everything an evaluator may look at; an evaluator given the same program, situation
and clamped models always gives the same `Evaluation`. That is what makes replay exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tidegate.dsl.lists import ListContent, Lists
from tidegate.dsl.program import EventType
from tidegate.dsl.types import Value

__all__ = [
    "OWN_ACTS",
    "Capped",
    "Evaluation",
    "ListContent",
    "Lists",
    "Outcome",
    "ScoreStatus",
    "Settled",
    "Situation",
    "Standing",
]

ScoreStatus = Literal["ok", "unavailable", "abstained", "failed"]
"""How a model answered for this event; `outside_use` is worked out by the evaluators.

`failed`: what came from the model is no score. `unavailable`: it was not asked, or whoever asks it
says that it could not be.
"""

OWN_ACTS: frozenset[ScoreStatus] = frozenset({"abstained", "failed"})
"""How a model is silent by what it does itself, so that its `if unavailable` stays within `may`."""

NO_REASONS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Situation:
    """One event of type `event`, ready to be evaluated.

    `values[i]` belongs to `event.inputs[i]`; None is missing. `reasons` names why, by input name,
    where it is not simply `absent`. `statuses` holds every model of `event.models`; a score whose
    status is not `ok` is masked whatever its value (and is None in `values`).
    """

    event: EventType
    values: tuple[Value | None, ...]
    lists: Lists
    statuses: Mapping[str, ScoreStatus] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


class Evaluation(NamedTuple):
    """What one evaluation found. Bit i of a mask is `event.rules[i]`.

    A named tuple, for one is made at every decision.

    fired: `when` true, no exception holds. unknown: `when` unknown, no exception holds. silenced:
    an exception holds and `when` is true or unknown. Rules out of their dates have no bit at all;
    shadow rules do. `points` sums live adders, `all_points` live and shadow ones (what a shadow
    rule reads); adders are rules, and models that gave no score.
    """

    fired: int
    unknown: int
    silenced: int
    points: int
    all_points: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Which rules act for this event, by bit: the rest is out of its dates.

    A rule is shadow by declaration, outside its rollout's share, or because a newer version that
    is live here replaces it. Models in the shadow act where `everyone` does: never but in the
    question what would have come out had all that is in the shadow been live.
    """

    live: int
    shadow: int
    everyone: bool = False


@dataclass(frozen=True, slots=True)
class Capped:
    """A rung that the unmasked evaluation reaches and the outcome, for want of authority, not."""

    ladder: str
    rung: str
    models: tuple[str, ...]


class Outcome(NamedTuple):
    """What the decision says, in the language's words.

    disposition: approve, hold, decline. authentication: exempt, none, preferred, mandated.
    review: none, after, before. `word` is the one word for simple callers. `reasons`: by rung
    (disposition, then authentication, then review; highest first), then rule; the first is the
    main one. `advice` pairs names with values.
    """

    word: Literal["approve", "review", "step_up", "decline"]
    disposition: str
    authentication: str
    review: str
    step_up: str
    exemption: str
    reasons: tuple[str, ...]
    tags: tuple[str, ...]
    advice: tuple[tuple[str, Value], ...]
    points: int


class Settled(NamedTuple):
    """An outcome with what led to it: the unmasked evaluation, standing, what was capped.

    `masked` are the models whose score was not read anywhere (outside `use`, unavailable).
    `winners` gives, per ladder that somebody asked on, the bits of live rules that ask for the
    winning rung in the evaluation that won it; `shadow_word` is the word that would have come out
    had every shadow rule been live.
    """

    outcome: Outcome
    evaluation: Evaluation
    standing: Standing
    masked: tuple[str, ...] = ()
    capped: tuple[Capped, ...] = ()
    winners: tuple[tuple[str, int], ...] = ()
    shadow_word: str = ""
