"""From rule masks to outcomes, in columns: what `authority` settles for one event.

Who may ask for what is written down once per event as `AskSlot`s, in the order in which reasons
are listed. A chunk then climbs each ladder from its highest rung down: a row stops at the first
rung that its own evaluation reaches, and the slots that asked for it there are the row's winners.
Everything else about an outcome is read off the winners.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from tidegate.dsl.program import (
    LADDERS,
    RUNGS,
    Actions,
    Advice,
    Ask,
    Authentication,
    Disposition,
    EventType,
    Ladder,
    Program,
    Review,
)
from tidegate.dsl.types import Value
from tidegate.engine.authority import clamped
from tidegate.engine.column_batch import Batch, Bits, unpack
from tidegate.engine.column_chunk import CHUNK_ROWS, Binding, Chunk
from tidegate.engine.columns import (
    ChunkEvaluation,
    ColumnEvaluator,
    EventPlan,
    ModelPlan,
    Points,
    RuleMasks,
    abstained_rows,
    compile_columns,
    empty_masks,
    given_rows,
    silent_rows,
    standing_rows,
    store_masks,
)
from tidegate.engine.interpreter import NOBODY
from tidegate.engine.situation import Capped, Evaluation, Outcome, Standing

Small = npt.NDArray[np.int8]
Places = npt.NDArray[np.int16]

WORDS: tuple[Literal["approve", "review", "step_up", "decline"], ...] = (
    "approve",
    "review",
    "step_up",
    "decline",
)
_APPROVE, _REVIEW, _STEP_UP, _DECLINE = range(4)
_NOBODY_ASKED = -1
_RAISED_ORDER: tuple[Ladder, ...] = ("review", "authentication")
"""Where a review holds the payment, its reasons are the disposition's."""


# --- who may ask -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class AskSlot:
    """One ask of one rule, where it is true or where it is unknown, or of an absent model."""

    ask: Ask
    rule: int = -1
    when_unknown: bool = False
    model: ModelPlan | None = None

    def rows(self, evaluation: ChunkEvaluation) -> Bits:
        """Where it is asked, whatever it is worth there."""
        if self.model is not None:
            return silent_rows(evaluation.chunk, self.model)
        found = evaluation.rule(self.rule)
        rows = found.unknown if self.when_unknown else found.fired
        return rows & evaluation.standing.live[self.rule]

    def within_ceiling(self) -> bool:
        """Whether it stands on an abstention too, which is the model's own act."""
        return self.model is None or self.ask.rung <= self.model.model.ceiling(self.ask.ladder)


@dataclass(frozen=True, slots=True)
class _ClimbedRung:
    rung: int
    clamp: frozenset[str]
    slots: tuple[int, ...]
    """Those that ask for this rung or a higher one."""


class OutcomePlan:
    """What settling one event needs to know beforehand."""

    def __init__(self, plan: EventPlan) -> None:
        self.plan = plan
        self.event = plan.event
        if self.event.default is None:
            raise ValueError(f"the event {self.event.name} is not decided here")
        self.default = self.event.default
        self.slots = tuple(_slots(plan))
        self.ladders = {ladder: tuple(self._rungs(ladder)) for ladder in LADDERS}
        ranks = {step_up.name: step_up.rank for step_up in plan.program.step_ups}
        step_ups = {slot.ask.step_up for slot in self.slots} - {""}
        self.step_ups = tuple(sorted(step_ups, key=lambda name: (-ranks.get(name, 0), name)))
        self.exemptions = tuple(sorted({slot.ask.exemption for slot in self.slots} - {""}))
        self.reasons = tuple(sorted({slot.ask.reason for slot in self.slots} - {""}))
        self.tags = tuple(sorted({tag for actions in _actions(plan) for tag in actions.tags}))
        advice = [one for actions in _actions(plan) for one in actions.advice]
        self.advice_values = {
            name: tuple(dict.fromkeys((one.value for one in advice if one.name == name)))
            for name in sorted({one.name for one in advice})
        }

    def _rungs(self, ladder: Ladder) -> Iterator[_ClimbedRung]:
        slots = [i for i, slot in enumerate(self.slots) if slot.ask.ladder == ladder]
        lowest = max(self.default, Disposition.HOLD) if ladder == "disposition" else 0
        highest = max((self.slots[i].ask.rung for i in slots), default=-1)
        for rung in range(highest, lowest - 1, -1):
            asking = tuple(i for i in slots if self.slots[i].ask.rung >= rung)
            clamp = clamped(self.plan.program, self.event, ladder, rung)
            yield _ClimbedRung(rung, clamp, asking)


def _slots(plan: EventPlan) -> Iterator[AskSlot]:
    for ladder in LADDERS:
        for index, rule in enumerate(plan.rules):
            for actions, unknown in ((rule.rule.then, False), (rule.unknown, True)):
                for ask in actions.asks:
                    if ask.ladder == ladder:
                        yield AskSlot(ask, index, unknown)
        for model in plan.models:
            for ask in model.model.unavailable.asks:
                if ask.ladder == ladder:
                    yield AskSlot(ask, model=model)


def _actions(plan: EventPlan) -> Iterator[Actions]:
    for rule in plan.rules:
        yield rule.rule.then
        yield rule.unknown
    for model in plan.models:
        yield model.model.unavailable


# --- outcomes ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class OutcomeColumns:
    """The decisions of a batch. Small arrays hold rungs; -1 is none.

    `word` holds positions in `WORDS`. `review` is -1 where nobody asks. `capped` holds, per ladder,
    the highest rung that somebody asked for and authority did not allow. `step_up`, `exemption`
    and `main_reason` are positions in the plan's names. Packed masks: `won` per ask slot (who won
    its ladder's rung), `reasons` per reason, `tags` per tag, `live` and `shadow` per rule.
    `advice` holds, per name, positions in the plan's values for it. `absent` holds, per model, 1
    outside its use, 2 without an answer, 3 where it abstained. `rules` is the unmasked evaluation.
    """

    plan: OutcomePlan
    rows: int
    rules: RuleMasks
    live: Bits
    shadow: Bits
    disposition: Small
    authentication: Small
    review: Small
    word: Small
    capped: dict[Ladder, Small]
    step_up: Places
    exemption: Places
    main_reason: Places
    won: Bits
    reasons: Bits
    tags: Bits
    advice: dict[str, Places]
    absent: dict[str, Small]

    @property
    def points(self) -> Points:
        """Per row, the points of live rules and of models that did not answer."""
        return self.rules.points

    def winners(self, ladder: Ladder) -> list[tuple[int, Bits]]:
        """The rules that asked for the rung that won, each with its rows; packed."""
        found: dict[int, Bits] = {}
        for place, slot in enumerate(self.plan.slots):
            if slot.ask.ladder == ladder and slot.rule >= 0:
                found[slot.rule] = found.get(slot.rule, self.won[place]) | self.won[place]
        return list(found.items())

    def row(self, row: int) -> OutcomeRow:
        """One row as the scalar engine would show it."""
        return OutcomeRow(self, row)


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """One decision read back from the columns."""

    columns: OutcomeColumns
    row: int

    def outcome(self) -> Outcome:
        """The decision in the language's words."""
        columns, plan, row = self.columns, self.columns.plan, self.row
        return Outcome(
            word=WORDS[columns.word[row]],
            disposition=Disposition(columns.disposition[row]).name.lower(),
            authentication=Authentication(columns.authentication[row]).name.lower(),
            review=_rung_name("review", int(columns.review[row])),
            step_up=_name(plan.step_ups, int(columns.step_up[row])),
            exemption=_name(plan.exemptions, int(columns.exemption[row])),
            reasons=self._reasons(),
            tags=tuple(tag for i, tag in enumerate(plan.tags) if self._holds(columns.tags[i])),
            advice=tuple(self._advice()),
            points=int(columns.points[row]),
        )

    def evaluation(self) -> Evaluation:
        """What the unmasked evaluation found."""
        rules = self.columns.rules
        return Evaluation(
            self._mask(rules.fired),
            self._mask(rules.unknown),
            self._mask(rules.silenced),
            int(rules.points[self.row]),
            int(rules.all_points[self.row]),
        )

    def standing(self) -> Standing:
        """Which rules acted and which only watched."""
        return Standing(self._mask(self.columns.live), self._mask(self.columns.shadow))

    def masked(self) -> tuple[str, ...]:
        """The models whose score was not read anywhere."""
        return tuple(name for name, absent in self.columns.absent.items() if absent[self.row])

    def capped(self) -> tuple[Capped, ...]:
        """Rungs that were asked for and not allowed."""
        rungs = {ladder: int(rungs[self.row]) for ladder, rungs in self.columns.capped.items()}
        return tuple(
            Capped(ladder, _rung_name(ladder, rung), tuple(self._without_authority(ladder, rung)))
            for ladder, rung in rungs.items()
            if rung != _NOBODY_ASKED
        )

    def winners(self) -> tuple[tuple[str, int], ...]:
        """Per ladder that somebody asked on, the bits of the rules that won it."""
        bits: dict[str, int] = {}
        for place, slot in enumerate(self.columns.plan.slots):
            if self._holds(self.columns.won[place]):
                rule = 1 << slot.rule if slot.rule >= 0 else 0
                bits[slot.ask.ladder] = bits.get(slot.ask.ladder, 0) | rule
        return tuple(bits.items())

    def _reasons(self) -> tuple[str, ...]:
        asks = [
            slot.ask
            for place, slot in enumerate(self.columns.plan.slots)
            if self._holds(self.columns.won[place])
        ]
        order = LADDERS
        if _held_by_review(self.columns.plan, asks):
            order = _RAISED_ORDER
        reasons = (ask.reason for ladder in order for ask in asks if ask.ladder == ladder)
        return tuple(dict.fromkeys(reason for reason in reasons if reason))

    def _advice(self) -> Iterator[tuple[str, Value]]:
        for name, places in self.columns.advice.items():
            if places[self.row] >= 0:
                yield name, self.columns.plan.advice_values[name][places[self.row]]

    def _without_authority(self, ladder: Ladder, rung: int) -> Iterator[str]:
        for plan in self.columns.plan.plan.models:
            heard = self.columns.absent[plan.model.name][self.row] in (0, 3)
            if heard and plan.model.ceiling(ladder) < rung:
                yield plan.model.name

    def _holds(self, bits: Bits) -> bool:
        return bool(bits[self.row // 8] >> (7 - self.row % 8) & 1)

    def _mask(self, bits: Bits) -> int:
        return sum(1 << index for index, rows in enumerate(bits) if self._holds(rows))


def _held_by_review(plan: OutcomePlan, asks: list[Ask]) -> bool:
    before = any(ask.ladder == "review" and ask.rung >= Review.BEFORE for ask in asks)
    held = any(ask.ladder == "disposition" for ask in asks) or plan.default > Disposition.APPROVE
    return before and not held


def _name(names: tuple[str, ...], place: int) -> str:
    return names[place] if place >= 0 else ""


def _rung_name(ladder: Ladder, rung: int) -> str:
    return "none" if rung == _NOBODY_ASKED else RUNGS[ladder](rung).name.lower()


# --- one chunk ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Climb:
    """Where one ladder ends in each row, and who got it there."""

    rung: Small
    top: Small
    won: dict[int, Bits] = field(default_factory=dict)


class _Settlement:
    """One chunk under way; each set of clamped models is evaluated at most once."""

    def __init__(self, plan: OutcomePlan, chunk: Chunk) -> None:
        self.plan = plan
        self.chunk = chunk
        self.standing = standing_rows(plan.plan, chunk)
        self.unmasked = ChunkEvaluation(plan.plan, chunk, self.standing)
        self._evaluations: dict[frozenset[str], ChunkEvaluation] = {NOBODY: self.unmasked}

    def evaluation(self, clamp: frozenset[str]) -> ChunkEvaluation:
        """The evaluation that clamps these models."""
        found = self._evaluations.get(clamp)
        if found is None:
            found = ChunkEvaluation(
                self.plan.plan, self.chunk, self.standing, clamp, self.unmasked
            )
            self._evaluations[clamp] = found
        return found

    # ladders

    def climb(self, ladder: Ladder) -> _Climb:
        """The highest rung that its own evaluation reaches, row by row."""
        rows = self.chunk.rows
        climb = _Climb(*(np.full(rows, _NOBODY_ASKED, np.int8) for _ in range(2)))
        left, unseen = self.chunk.full, self.chunk.full
        for rung in self.plan.ladders[ladder]:
            wanted = self._wanted(rung) & unseen
            unseen = unseen ^ wanted
            _assign(climb.top, wanted, rung.rung)
            asked = self._asked(rung)
            reached = _union(self.chunk, asked.values()) & left
            if reached.any():
                left = left ^ reached
                _assign(climb.rung, reached, rung.rung)
                self._win(climb, rung.rung, reached, asked)
        return climb

    def _asked(self, rung: _ClimbedRung) -> dict[int, Bits]:
        """Per slot, where it asks for this rung or more with authority."""
        evaluation = self.evaluation(rung.clamp)
        return {place: self._allowed(self.plan.slots[place], evaluation) for place in rung.slots}

    def _allowed(self, slot: AskSlot, evaluation: ChunkEvaluation) -> Bits:
        rows = slot.rows(evaluation)
        if slot.model is None or slot.within_ceiling():
            return rows
        return rows & (self.chunk.full ^ abstained_rows(self.chunk, slot.model))

    def _wanted(self, rung: _ClimbedRung) -> Bits:
        """Where somebody asks for this rung or more, authority aside."""
        slots = (self.plan.slots[place] for place in rung.slots)
        return _union(self.chunk, (slot.rows(self.unmasked) for slot in slots))

    def _win(self, climb: _Climb, rung: int, reached: Bits, asked: dict[int, Bits]) -> None:
        """Who asks for exactly this rung won it; where authority cut down, who asked for more."""
        exact = [place for place in asked if self.plan.slots[place].ask.rung == rung]
        above = reached & (self.chunk.full ^ _union(self.chunk, (asked[p] for p in exact)))
        for place, rows in asked.items():
            won = rows & (reached if place in exact else above)
            if won.any():
                climb.won[place] = climb.won.get(place, self.chunk.none) | won

    # actions

    def tags(self) -> Iterator[tuple[str, Bits]]:
        """Every tag with the rows that carry it."""
        for actions, rows in self._acting(self.unmasked):
            for tag in actions.tags:
                yield tag, rows()
        for plan in self.plan.plan.models:
            for tag in plan.model.unavailable.tags:
                yield tag, silent_rows(self.chunk, plan)

    def advice(self) -> Iterator[tuple[Advice, Bits]]:
        """Every piece of advice with its rows; the first of a name stands."""
        models = self.plan.plan.models
        mute = frozenset(p.model.name for p in models if "advise" not in p.model.may)
        for actions, rows in self._acting(self.evaluation(mute)):
            for one in actions.advice:
                yield one, rows()
        for plan in models:
            rows_of = silent_rows(self.chunk, plan)
            if plan.model.name in mute:
                rows_of = rows_of & (self.chunk.full ^ abstained_rows(self.chunk, plan))
            for one in plan.model.unavailable.advice:
                yield one, rows_of

    def _acting(self, evaluation: ChunkEvaluation) -> Iterator[tuple[Actions, Callable[[], Bits]]]:
        for index, plan in enumerate(self.plan.plan.rules):
            live = self.standing.live[index]
            yield plan.rule.then, lambda i=index, l=live: evaluation.rule(i).fired & l  # type: ignore[misc]
            yield plan.unknown, lambda i=index, l=live: evaluation.rule(i).unknown & l  # type: ignore[misc]


def _union(chunk: Chunk, masks: Iterator[Bits]) -> Bits:
    found = chunk.none
    for bits in masks:
        found = found | bits
    return found


def _assign(target: Small | Places, rows: Bits, value: int) -> None:
    if rows.any():
        target[unpack(rows, len(target))] = value
