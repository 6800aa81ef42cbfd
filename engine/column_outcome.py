"""From rule masks to outcomes, in columns: what `authority` settles for one event.

Who may ask for what is written down once per event as `AskSlot`s, in the order in which reasons
are listed. A chunk then climbs each ladder from its highest rung down: a row stops at the first
rung that its own evaluation reaches, and the slots that asked for it there are the row's winners.
Everything else about an outcome is read off the winners.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

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
    Model,
    Program,
    Review,
)
from tidegate.dsl.types import Value
from tidegate.engine.authority import acts, clamped, overreaching
from tidegate.engine.column_batch import Batch, Bits, holds_any, unpack
from tidegate.engine.column_chunk import CHUNK_ROWS, Binding, Chunk, Known
from tidegate.engine.columns import (
    ChunkEvaluation,
    EventPlan,
    ModelPlan,
    Points,
    RuleMasks,
    abstained_rows,
    empty_masks,
    silent_rows,
    standing_rows,
    store_masks,
    used_rows,
)
from tidegate.engine.interpreter import NOBODY
from tidegate.engine.situation import Capped, Evaluation, Outcome, Standing

Small = npt.NDArray[np.int8]
Places = npt.NDArray[np.int16]
Item = TypeVar("Item")

WORDS: tuple[Literal["approve", "review", "step_up", "decline"], ...] = (
    "approve",
    "review",
    "step_up",
    "decline",
)
_APPROVE, _REVIEW, _STEP_UP, _DECLINE = range(4)
_NOBODY_ASKED = -1
OUTSIDE_USE, UNAVAILABLE, ABSTAINED = 1, 2, 3
"""Why a model's score was not read, as `OutcomeColumns.absent` holds it."""
_RAISED_ORDER: tuple[Ladder, ...] = ("review", "authentication")
"""Where a review holds the payment, its reasons are the disposition's."""


# --- who may ask -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Slot(Generic[Item]):
    """One ask, tag or piece of advice of a rule, where it is true or where it is unknown, or of
    a model that does not answer."""

    item: Item
    rule: int = -1
    when_unknown: bool = False
    model: ModelPlan | None = None

    def rows(self, evaluation: ChunkEvaluation) -> Bits:
        """Where it is said, whatever it is worth there."""
        if self.model is not None:
            return silent_rows(evaluation.chunk, self.model)
        found = evaluation.rule(self.rule)
        rows = found.unknown if self.when_unknown else found.fired
        live = evaluation.standing.live[self.rule]
        none, full = evaluation.chunk.none, evaluation.chunk.full
        return rows if rows is none or live is full else rows & live

    def rows_without(self, evaluation: ChunkEvaluation, abstaining: bool) -> Bits:
        """The same, without a model's abstentions where these do not count."""
        rows = self.rows(evaluation)
        if self.model is None or not abstaining:
            return rows
        return rows & (evaluation.chunk.full ^ abstained_rows(evaluation.chunk, self.model))


@dataclass(frozen=True, slots=True)
class ClimbedRung:
    """A rung with the models clamped for it and the slots that ask for it or for a higher one."""

    rung: int
    clamp: frozenset[str]
    slots: tuple[int, ...]


class OutcomePlan:
    """What settling one event needs to know beforehand."""

    def __init__(self, plan: EventPlan) -> None:
        if plan.event.default is None:
            raise ValueError(f"the event {plan.event.name} is not decided here")
        self.plan = plan
        self.default = plan.event.default
        self.slots = tuple(_ask_slots(plan))
        self.ladders = {ladder: tuple(self._rungs(ladder)) for ladder in LADDERS}
        self.tag_slots = tuple(_slots(plan, lambda actions: actions.tags))
        self.advice_slots = tuple(_slots(plan, lambda actions: actions.advice))
        self.mute = frozenset(p.model.name for p in plan.models if "advise" not in p.model.may)
        self.step_ups = _step_ups(plan.program, self.slots)
        self.exemptions = _names(slot.item.exemption for slot in self.slots)
        self.reasons = _names(slot.item.reason for slot in self.slots)
        self.tags = _names(slot.item for slot in self.tag_slots)
        self.advice = {
            name: tuple(
                dict.fromkeys(s.item.value for s in self.advice_slots if s.item.name == name)
            )
            for name in _names(slot.item.name for slot in self.advice_slots)
        }

    @property
    def clamps(self) -> frozenset[frozenset[str]]:
        """Every set of models that an evaluation of this event masks; the empty one among them."""
        rungs = (rung.clamp for rungs in self.ladders.values() for rung in rungs)
        return frozenset((NOBODY, self.mute, *rungs))

    def _rungs(self, ladder: Ladder) -> Iterator[ClimbedRung]:
        slots = [i for i, slot in enumerate(self.slots) if slot.item.ladder == ladder]
        # A disposition below the event's default is never compared.
        lowest = max(self.default, Disposition.HOLD) if ladder == "disposition" else 0
        highest = max((self.slots[i].item.rung for i in slots), default=-1)
        for rung in range(highest, lowest - 1, -1):
            asking = tuple(i for i in slots if self.slots[i].item.rung >= rung)
            clamp = clamped(self.plan.program, self.plan.event, ladder, rung)
            yield ClimbedRung(rung, clamp, asking)


def _ask_slots(plan: EventPlan) -> Iterator[Slot[Ask]]:
    slots = tuple(_slots(plan, lambda actions: actions.asks))
    for ladder in LADDERS:
        yield from (slot for slot in slots if slot.item.ladder == ladder)


def _slots(plan: EventPlan, items: Callable[[Actions], tuple[Item, ...]]) -> Iterator[Slot[Item]]:
    for index, rule in enumerate(plan.rules):
        yield from (Slot(item, index) for item in items(rule.rule.then))
        yield from (Slot(item, index, when_unknown=True) for item in items(rule.unknown))
    for model in (model for model in plan.models if not model.model.shadow):
        yield from (Slot(item, model=model) for item in items(model.model.unavailable))


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names) - {""}))


def _step_ups(program: Program, slots: tuple[Slot[Ask], ...]) -> tuple[str, ...]:
    """Those that are asked for, the one that serves first of several first."""
    ranks = {step_up.name: step_up.rank for step_up in program.step_ups}
    names = _names(slot.item.step_up for slot in slots)
    return tuple(sorted(names, key=lambda name: (-ranks.get(name, 0), name)))


# --- outcomes ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class OutcomeColumns:
    """The decisions of a batch. Small arrays hold rungs; -1 is none.

    `word` holds positions in `WORDS`. `review` is -1 where nobody asks. `capped` holds, per ladder,
    the highest rung that somebody asked for and authority did not allow. `step_up`, `exemption`
    and `main_reason` are positions in the plan's names. Packed masks: `won` per ask slot (who won
    its ladder's rung), `reasons` per reason, `tags` per tag, `live` and `shadow` per rule.
    `advice` holds, per name, positions in the plan's values for it. `absent` holds, per model, 0
    or why its score was not read. `rules` is the unmasked evaluation. `snoozed` are the packed rows
    of rules that were snoozed anywhere.
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
    snoozed: dict[int, Bits] = field(default_factory=dict)

    @property
    def points(self) -> Points:
        """Per row, the points of live rules and of models that did not answer."""
        return self.rules.points

    def winners(self, ladder: Ladder) -> list[tuple[int, Bits]]:
        """The rules that asked for the rung that won, each with its rows; packed."""
        found: dict[int, Bits] = {}
        for place, slot in enumerate(self.plan.slots):
            if slot.item.ladder == ladder and slot.rule >= 0:
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
        snoozed = sum(
            1 << index for index, rows in self.columns.snoozed.items() if self._holds(rows)
        )
        live, shadow = self._mask(self.columns.live), self._mask(self.columns.shadow)
        return Standing(live, shadow, snoozed=snoozed)

    def masked(self) -> tuple[str, ...]:
        """The models whose score was not read anywhere."""
        return tuple(name for name, absent in self.columns.absent.items() if absent[self.row])

    def capped(self) -> tuple[Capped, ...]:
        """Rungs that were asked for and not allowed."""
        rungs = {ladder: int(rungs[self.row]) for ladder, rungs in self.columns.capped.items()}
        return tuple(
            Capped(ladder, _rung_name(ladder, rung), self._overreaching(ladder, rung))
            for ladder, rung in rungs.items()
            if rung != _NOBODY_ASKED
        )

    def winners(self) -> tuple[tuple[str, int], ...]:
        """Per ladder that somebody asked on, the bits of the rules that won it."""
        bits: dict[str, int] = {}
        for place, slot in enumerate(self.columns.plan.slots):
            if self._holds(self.columns.won[place]):
                rule = 1 << slot.rule if slot.rule >= 0 else 0
                bits[slot.item.ladder] = bits.get(slot.item.ladder, 0) | rule
        return tuple(bits.items())

    def _reasons(self) -> tuple[str, ...]:
        asks = [
            slot.item
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
                yield name, self.columns.plan.advice[name][places[self.row]]

    def _overreaching(self, ladder: Ladder, rung: int) -> tuple[str, ...]:
        event, live = self.columns.plan.plan.event, self._mask(self.columns.live)
        acting = tuple(acts(event, self.evaluation(), live))
        return overreaching((ladder, rung), acting, self._models(0), self._models(ABSTAINED))

    def _models(self, absent: int) -> Iterator[Model]:
        """The models with this answer: 0, or why it was not read."""
        for plan in self.columns.plan.plan.models:
            if self.columns.absent[plan.model.name][self.row] == absent:
                yield plan.model

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
    """Where one ladder ends in each row, what was asked for at most, and who won."""

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
            plan, standing = self.plan.plan, self.standing
            found = ChunkEvaluation(plan, self.chunk, standing, clamp, self.unmasked)
            self._evaluations[clamp] = found
        return found

    # ladders

    def climb(self, ladder: Ladder) -> _Climb:
        """The highest rung that its own evaluation reaches, row by row."""
        climb = _Climb(self._nowhere(), self._nowhere())
        left = unseen = self.chunk.full
        for rung in self.plan.ladders[ladder]:
            wanted = self._wanted(rung) & unseen
            unseen = unseen ^ wanted
            _assign(climb.top, wanted, rung.rung)
            asked = self._asked(rung)
            reached = self._union(asked.values()) & left
            if holds_any(reached):
                left = left ^ reached
                _assign(climb.rung, reached, rung.rung)
                self._win(climb, rung.rung, reached, asked)
        return climb

    def _nowhere(self) -> Small:
        return np.full(self.chunk.rows, _NOBODY_ASKED, np.int8)

    def _asked(self, rung: ClimbedRung) -> dict[int, Bits]:
        """Per slot, where it asks for this rung or more with authority."""
        evaluation = self.evaluation(rung.clamp)
        return {
            place: self.plan.slots[place].rows_without(
                evaluation, _above_ceiling(self.plan.slots[place])
            )
            for place in rung.slots
        }

    def _wanted(self, rung: ClimbedRung) -> Bits:
        """Where somebody asks for this rung or more, authority aside."""
        return self._union(self.plan.slots[place].rows(self.unmasked) for place in rung.slots)

    def _win(self, climb: _Climb, rung: int, reached: Bits, asked: dict[int, Bits]) -> None:
        """Who asks for exactly this rung won it; where authority cut down, who asked for more."""
        exact = {place for place in asked if self.plan.slots[place].item.rung == rung}
        above = reached & ~self._union(asked[place] for place in exact)
        for place, rows in asked.items():
            won = rows & (reached if place in exact else above)
            if holds_any(won):
                climb.won[place] = climb.won.get(place, self.chunk.none) | won

    def _union(self, masks: Iterable[Bits]) -> Bits:
        found = self.chunk.none
        for bits in masks:
            if bits is not self.chunk.none:
                found = found | bits
        return found

    # the outcome

    def store(self, columns: OutcomeColumns) -> None:
        """Writes the chunk's rows."""
        climbs = {ladder: self.climb(ladder) for ladder in LADDERS}
        store_masks(columns.rules, self.unmasked)
        self._store_standing(columns)
        raised = self._store_rungs(columns, climbs)
        won = {place: rows for climb in climbs.values() for place, rows in climb.won.items()}
        self._store_winners(columns, dict(sorted(won.items())), raised)
        self._store_tags(columns)
        self._store_advice(columns)

    def _store_standing(self, columns: OutcomeColumns) -> None:
        chunk = self.chunk
        for index, (live, shadow) in enumerate(
            zip(self.standing.live, self.standing.shadow, strict=True)
        ):
            columns.live[index, chunk.bytes] = live
            columns.shadow[index, chunk.bytes] = shadow
        for index, rows in self.standing.snoozed.items():
            whole = columns.snoozed.setdefault(index, np.zeros_like(columns.live[index]))
            whole[chunk.bytes] = rows
        for plan in self.plan.plan.models:
            absent = columns.absent[plan.model.name][chunk.span]
            _assign(absent, chunk.full ^ used_rows(chunk, plan), OUTSIDE_USE)
            _assign(absent, silent_rows(chunk, plan), UNAVAILABLE)
            _assign(absent, abstained_rows(chunk, plan), ABSTAINED)

    def _store_rungs(self, columns: OutcomeColumns, climbs: Mapping[Ladder, _Climb]) -> Bits:
        """Writes where the ladders end; returns the rows that a review alone holds."""
        span = self.chunk.span
        disposition, authentication, review = (climbs[ladder].rung for ladder in LADDERS)
        disposition = _unless_asked(disposition, self.plan.default)
        authentication = _unless_asked(authentication, Authentication.NONE)
        raised = (review == Review.BEFORE) & (disposition < Disposition.HOLD)
        disposition[raised] = Disposition.HOLD
        columns.disposition[span] = disposition
        columns.authentication[span] = authentication
        columns.review[span] = review
        columns.word[span] = _words(disposition, authentication)
        ends = disposition, authentication, review
        for (ladder, climb), end in zip(climbs.items(), ends, strict=True):
            capped = (climb.top > climb.rung) & (climb.top != end)
            columns.capped[ladder][span] = np.where(capped, climb.top, _NOBODY_ASKED)
        return self.chunk.pack(raised)

    def _store_winners(self, columns: OutcomeColumns, won: dict[int, Bits], raised: Bits) -> None:
        """Writes who won and what is read off that. `won` is in the order of the slots."""
        plan, span = self.plan, self.chunk.span
        asks = [(plan.slots[place].item, rows) for place, rows in won.items()]
        for place, rows in won.items():
            columns.won[place, self.chunk.bytes] = rows
        for ask, rows in asks:
            if ask.reason:
                columns.reasons[plan.reasons.index(ask.reason), self.chunk.bytes] |= rows
        held = [(ask, rows & raised) for ask, rows in asks if ask.ladder == "review"]
        reasons = [(plan.reasons.index(a.reason), rows) for a, rows in held + asks if a.reason]
        columns.main_reason[span] = self._first(reasons)
        serving = [(ask, rows) for ask, rows in asks if ask.ladder == "authentication"]
        step_ups = [(plan.step_ups.index(a.step_up), rows) for a, rows in serving if a.step_up]
        columns.step_up[span] = self._first(sorted(step_ups, key=_place))
        exempt = [(plan.exemptions.index(a.exemption), rows) for a, rows in serving if a.exemption]
        columns.exemption[span] = self._first(sorted(exempt, key=_place))

    def _store_tags(self, columns: OutcomeColumns) -> None:
        for slot in self.plan.tag_slots:
            tag = self.plan.tags.index(slot.item)
            columns.tags[tag, self.chunk.bytes] |= slot.rows(self.unmasked)

    def _store_advice(self, columns: OutcomeColumns) -> None:
        """Writes, per name, the first advice given where models without `advise` are masked."""
        evaluation = self.evaluation(self.plan.mute)
        for name, values in self.plan.advice.items():
            given = [
                (values.index(slot.item.value), slot.rows_without(evaluation, self._is_mute(slot)))
                for slot in self.plan.advice_slots
                if slot.item.name == name
            ]
            columns.advice[name][self.chunk.span] = self._first(given)

    def _is_mute(self, slot: Slot[Advice]) -> bool:
        return slot.model is not None and slot.model.model.name in self.plan.mute

    def _first(self, places: Sequence[tuple[int, Bits]]) -> Places:
        """Per row, the first of these places that the row is in."""
        found = np.full(self.chunk.rows, -1, np.int16)
        for place, rows in reversed(places):
            _assign(found, rows, place)
        return found


def _place(placed: tuple[int, Bits]) -> int:
    return placed[0]


def _above_ceiling(slot: Slot[Ask]) -> bool:
    """Whether a model may not ask this by abstaining, which is its own act."""
    return slot.model is not None and slot.item.rung > slot.model.model.ceiling(slot.item.ladder)


def _unless_asked(rungs: Small, default: int) -> Small:
    return np.where(rungs == _NOBODY_ASKED, default, rungs).astype(np.int8)


def _words(disposition: Small, authentication: Small) -> Small:
    words = np.where(disposition == Disposition.HOLD, _REVIEW, _APPROVE)
    words[authentication >= Authentication.PREFERRED] = _STEP_UP
    words[disposition == Disposition.DECLINE] = _DECLINE
    return words.astype(np.int8)


def _assign(target: npt.NDArray[np.signedinteger[Any]], rows: Bits, value: int) -> None:
    if holds_any(rows):
        np.putmask(target, unpack(rows, len(target)), value)


# --- batches -----------------------------------------------------------------------------------


class ColumnSettler:
    """Decides the rows of one event's batches; what can be known beforehand is worked out once."""

    def __init__(self, plan: EventPlan) -> None:
        self.plan = OutcomePlan(plan)

    def settle(
        self, batch: Batch, chunk_rows: int = CHUNK_ROWS, known: Known | None = None
    ) -> OutcomeColumns:
        """The decision of every row."""
        columns = _empty(self.plan, batch.rows)
        for chunk in Binding(batch, known).chunks(chunk_rows):
            _Settlement(self.plan, chunk).store(columns)
        return columns


def compile_settler(program: Program, event: EventType) -> ColumnSettler:
    """The columnar counterpart of an `Authority`."""
    return ColumnSettler(EventPlan(program, event))


def settle_columns(program: Program, event: EventType, batch: Batch) -> OutcomeColumns:
    """The decisions of a batch. Who decides many batches keeps a `ColumnSettler` instead."""
    return compile_settler(program, event).settle(batch)


def _empty(plan: OutcomePlan, rows: int) -> OutcomeColumns:
    def masks(count: int) -> Bits:
        return np.zeros((count, (rows + 7) // 8), np.uint8)

    def places() -> Places:
        return np.full(rows, -1, np.int16)

    def rungs() -> Small:
        return np.zeros(rows, np.int8)

    count = len(plan.plan.rules)
    return OutcomeColumns(
        plan=plan,
        rows=rows,
        rules=empty_masks(plan.plan, rows),
        live=masks(count),
        shadow=masks(count),
        disposition=rungs(),
        authentication=rungs(),
        review=rungs(),
        word=rungs(),
        capped={ladder: rungs() for ladder in LADDERS},
        step_up=places(),
        exemption=places(),
        main_reason=places(),
        won=masks(len(plan.slots)),
        reasons=masks(len(plan.reasons)),
        tags=masks(len(plan.tags)),
        advice={name: places() for name in plan.advice},
        absent={model.model.name: rungs() for model in plan.plan.models},
    )
