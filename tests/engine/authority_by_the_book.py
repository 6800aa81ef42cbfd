"""Settling as LANGUAGE.md words it: every rung of every ladder gets its own evaluation.

A second opinion on `tidegate.engine.authority`: nothing is worked out beforehand, nothing is saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tidegate.dsl.program import (
    LADDERS,
    RUNGS,
    Actions,
    Ask,
    Authentication,
    Disposition,
    Ladder,
    Model,
    Program,
    Review,
)
from tidegate.dsl.types import Value
from tidegate.engine.interpreter import evaluate_as, is_ok, masked_everywhere, used_here
from tidegate.engine.situation import Capped, Evaluation, Outcome, Settled, Situation, Standing
from tidegate.engine.standing import standing

Word = Literal["approve", "review", "step_up", "decline"]


@dataclass(frozen=True)
class Book:
    """One event under one standing; `clamping` off gives the engine that nobody should build."""

    program: Program
    situation: Situation
    stand: Standing
    clamping: bool = True

    def evaluation(self, clamped: frozenset[str]) -> Evaluation:
        return evaluate_as(self.program, self.situation, clamped, self.stand)

    def unmasked(self) -> Evaluation:
        return self.evaluation(frozenset())

    def models(self) -> list[Model]:
        return [self.program.model(name) for name in sorted(self.situation.event.models)]

    def below(self, ladder: Ladder, rung: int) -> frozenset[str]:
        if not self.clamping:
            return frozenset()
        return frozenset(m.name for m in self.models() if m.ceiling(ladder) < rung)

    def absent(self) -> list[Model]:
        used = used_here(self.program, self.situation)
        silent = [m for m in self.models() if m in used and not is_ok(m.name, self.situation)]
        return [m for m in silent if self.stand.everyone or not m.shadow]

    def abstained(self, model: Model) -> bool:
        return self.situation.statuses.get(model.name) in ("abstained", "failed")

    def acts(self, found: Evaluation) -> Iterator[tuple[int, Actions]]:
        for i, rule in enumerate(self.situation.event.rules):
            if self.stand.live & found.fired & 1 << i:
                yield 1 << i, rule.then
            if self.stand.live & found.unknown & 1 << i and rule.unknown is not None:
                yield 1 << i, rule.unknown

    def asks(self, found: Evaluation, ladder: Ladder, within: bool) -> list[tuple[int, Ask]]:
        asks = [(bit, a) for bit, do in self.acts(found) for a in do.asks if a.ladder == ladder]
        for model in self.absent():
            limit = model.ceiling(ladder) if within and self.abstained(model) else 99
            of_model = (a for a in model.unavailable.asks if a.ladder == ladder)
            asks += [(0, a) for a in of_model if a.rung <= limit]
        return asks

    def reached(self, ladder: Ladder) -> tuple[int, list[tuple[int, Ask]]] | None:
        """The highest rung that its own evaluation reaches, and the asks that win it."""
        for rung in sorted(RUNGS[ladder], reverse=True):
            found = self.evaluation(self.below(ladder, rung))
            asks = [(b, a) for b, a in self.asks(found, ladder, self.clamping) if a.rung >= rung]
            if asks:
                return rung, [(b, a) for b, a in asks if a.rung == rung] or asks
        return None

    def settled(self) -> Settled:
        won = {ladder: self.reached(ladder) for ladder in LADDERS}
        default = int(self.situation.event.default or 0)
        if won["disposition"] is not None and won["disposition"][0] < default:
            won["disposition"] = None
        levels = {ladder: one[0] for ladder, one in won.items() if one is not None}
        held = disposition = levels.get("disposition", default)
        if levels.get("review") == Review.BEFORE:
            held = max(disposition, Disposition.HOLD)
        authentication = levels.get("authentication", Authentication.NONE)
        order: tuple[Ladder, ...] = LADDERS if held == disposition else ("review", "authentication")
        asked = {ladder: one[1] if (one := won[ladder]) else [] for ladder in LADDERS}
        reasons = [a.reason for ladder in order for _, a in asked[ladder] if a.reason]
        review = "none" if "review" not in levels else Review(levels["review"]).name.lower()
        ranks = {s.name: s.rank for s in self.program.step_ups}
        step_ups = [a.step_up for _, a in asked["authentication"] if a.step_up]
        exemptions = [a.exemption for _, a in asked["authentication"] if a.exemption]
        names = {
            "disposition": Disposition(held).name.lower(),
            "authentication": Authentication(authentication).name.lower(),
            "review": review,
        }
        outcome = Outcome(
            word=_word(held, authentication),
            disposition=names["disposition"],
            authentication=names["authentication"],
            review=review,
            step_up=min(step_ups, key=lambda s: (-ranks[s], s)) if step_ups else "",
            exemption=min(exemptions) if exemptions else "",
            reasons=tuple(dict.fromkeys(reasons)),
            tags=tuple(sorted(self.tags())),
            advice=tuple(sorted(self.advice().items())),
            points=self.unmasked().points,
        )
        return Settled(
            outcome=outcome,
            evaluation=self.unmasked(),
            standing=self.stand,
            masked=tuple(sorted(masked_everywhere(self.program, self.situation))),
            capped=tuple(self.capped(levels, names, default)),
            winners=tuple(
                (ladder, sum({b for b, _ in one[1]})) for ladder, one in won.items() if one
            ),
        )

    def tags(self) -> set[str]:
        tags = {tag for _, do in self.acts(self.unmasked()) for tag in do.tags}
        return tags | {tag for m in self.absent() for tag in m.unavailable.tags}

    def advice(self) -> dict[str, Value]:
        without = frozenset(m.name for m in self.models() if "advise" not in m.may)
        advice = [a for _, do in self.acts(self.evaluation(without)) for a in do.advice]
        for model in self.absent():
            if not self.abstained(model) or "advise" in model.may:
                advice += model.unavailable.advice
        return {a.name: a.value for a in reversed(advice)}

    def capped(
        self, levels: dict[Ladder, int], names: dict[str, str], default: int
    ) -> Iterator[Capped]:
        for ladder in LADDERS:
            asks = self.asks(self.unmasked(), ladder, within=False)
            top = max((a.rung for _, a in asks), default=-1)
            floor = default if ladder == "disposition" else -1
            if top <= max(levels.get(ladder, -1), floor):
                continue
            name = RUNGS[ladder](top).name.lower()
            if name != names[ladder]:
                names_of = [m.name for m in self.models() if self.is_behind(m, ladder, top)]
                yield Capped(ladder, name, tuple(names_of))

    def is_behind(self, model: Model, ladder: Ladder, rung: int) -> bool:
        """Whether masking the model, or what it does by abstaining, may lose the rung."""
        used = model in used_here(self.program, self.situation)
        if not used or model.ceiling(ladder) >= rung:
            return False
        rules = self.situation.event.rules
        acting = [(rules[bit.bit_length() - 1], do) for bit, do in self.acts(self.unmasked())]
        asking = [rule for rule, do in acting if any(
            a.ladder == ladder and a.rung >= rung for a in do.asks)]  # fmt: skip
        points_count = any(rule.reads_points for rule in asking)
        if self.abstained(model):
            asks = [a.rung for a in model.unavailable.asks if a.ladder == ladder]
            pays = points_count and model.unavailable.points > 0
            return not model.shadow and (pays or max(asks, default=-1) >= rung)
        adders = [rule for rule, do in acting if points_count and do.points > 0]
        is_read = any(model.name in rule.models for rule in asking + adders)
        return is_read and is_ok(model.name, self.situation)


def _word(disposition: int, authentication: int) -> Word:
    if disposition == Disposition.DECLINE:
        return "decline"
    if authentication >= Authentication.PREFERRED:
        return "step_up"
    return "review" if disposition == Disposition.HOLD else "approve"


def settle_by_the_book(program: Program, situation: Situation, clamping: bool = True) -> Settled:
    """The decision, evaluated once for every rung."""
    stand = standing(situation.event, situation)
    settled = Book(program, situation, stand, clamping).settled()
    everyone = Standing(stand.live | stand.shadow, 0, everyone=True)
    as_if = Book(program, situation, everyone, clamping).settled()
    return Settled(
        settled.outcome,
        settled.evaluation,
        settled.standing,
        settled.masked,
        settled.capped,
        settled.winners,
        as_if.outcome.word,
    )
