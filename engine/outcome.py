"""What a decision says, in the language's words, from where its three ladders end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tidegate.dsl.program import LADDERS, Ask, Authentication, Disposition, Ladder, Review
from tidegate.dsl.types import Value
from tidegate.engine.situation import Outcome


@dataclass(frozen=True, slots=True)
class Levels:
    """Where the three ladders end; `review` is None where nobody asks."""

    disposition: Disposition
    authentication: Authentication
    review: Review | None

    @property
    def raised(self) -> Disposition:
        """The disposition after the ladders are settled: a review before raises it to hold."""
        before = self.review is Review.BEFORE
        return max(self.disposition, Disposition.HOLD) if before else self.disposition

    def name(self, ladder: Ladder) -> str:
        """The rung on `ladder` in the language's word."""
        if ladder == "disposition":
            return self.raised.name.lower()
        rung = self.authentication if ladder == "authentication" else self.review
        return "none" if rung is None else rung.name.lower()


_NO_ASKS: Mapping[Ladder, tuple[Ask, ...]] = {}
_NO_RANKS: Mapping[str, int] = {}


def outcome_of(
    levels: Levels,
    asks: Mapping[Ladder, tuple[Ask, ...]] = _NO_ASKS,
    ranks: Mapping[str, int] = _NO_RANKS,
    *,
    tags: tuple[str, ...] = (),
    advice: tuple[tuple[str, Value], ...] = (),
    points: int = 0,
) -> Outcome:
    """The outcome in the language's words, from where the ladders end and who asked for that."""
    authentication = asks.get("authentication", ())
    return Outcome(
        word=_word(levels),
        disposition=levels.name("disposition"),
        authentication=levels.name("authentication"),
        review=levels.name("review"),
        step_up=_step_up(authentication, ranks),
        exemption=min((ask.exemption for ask in authentication if ask.exemption), default=""),
        reasons=_reasons(levels, asks),
        tags=tags,
        advice=advice,
        points=points,
    )


def _word(levels: Levels) -> Literal["approve", "review", "step_up", "decline"]:
    if levels.raised is Disposition.DECLINE:
        return "decline"
    if levels.authentication >= Authentication.PREFERRED:
        return "step_up"
    return "review" if levels.raised is Disposition.HOLD else "approve"


def _step_up(asks: tuple[Ask, ...], ranks: Mapping[str, int]) -> str:
    """The step_up that serves: the highest rank, of equal ones the first by name."""
    names = {ask.step_up for ask in asks if ask.step_up}
    return min(names, key=lambda name: (-ranks.get(name, 0), name), default="")


def ladders_heard(levels: Levels) -> tuple[Ladder, ...]:
    """The ladders whose reasons count, in the order of reasons."""
    if levels.raised is not levels.disposition:
        # The review holds the payment, so its reasons are the disposition's.
        return "review", "authentication"
    return LADDERS


def _reasons(levels: Levels, asks: Mapping[Ladder, tuple[Ask, ...]]) -> tuple[str, ...]:
    order = ladders_heard(levels)
    reasons = (ask.reason for ladder in order for ask in asks.get(ladder, ()) if ask.reason)
    return tuple(dict.fromkeys(reasons))
