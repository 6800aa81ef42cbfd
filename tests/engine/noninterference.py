"""Whether a score changes more than its model may: all scores over the same events.

A model, or several at once, are given each of 21 scores on every event of a batch, and its absence.
Beside each stands the batch in which they are used nowhere. On every ladder, for every rung:

- *above*: a rung that lies above their ceilings is reached by no event that does not reach it
  without them;
- *below*: where none of them may `relax` or `exempt`, a rung that an event reaches without them is
  reached with them.

So the set of declined events is one and the same for all scores of models that may neither decline
nor relax.

Absence is an *abstention*, or a *failure* (an answer that is no score): the model's own acts, whose
`if unavailable` stays within `may`. An
*outage* is not its act, and what the author wrote for it is not capped (LANGUAGE.md 6): it may only
never lower, and is held against *above* where the author asks for no more than the model may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import numpy.typing as npt

from tests.fuzz_properties import rungs_of
from tests.situations_generated import input_value, pools_of, present_value
from tidegate.dsl.lists import Lists
from tidegate.dsl.program import (
    LADDERS,
    RUNGS,
    Constant,
    Disposition,
    EventType,
    Input,
    Ladder,
    Model,
    Program,
    Review,
)
from tidegate.dsl.source import NOWHERE
from tidegate.dsl.types import FLAG, INTEGER_KINDS, NUMBER_SCALE, Value
from tidegate.engine.column_batch import (
    STATUSES,
    Batch,
    CodedColumn,
    Column,
    Flags,
    IntegerColumn,
    encode,
)
from tidegate.engine.column_outcome import compile_settler
from tidegate.engine.generated import CompiledEvent, compile_event
from tidegate.engine.situation import ScoreStatus, Situation

SCORES = (*range(0, NUMBER_SCALE + 1, NUMBER_SCALE // 20),)
"""0, 0.05 … 1, in millionths."""
CANDIDATES = 400
"""So many values of each input are drawn and then mixed freely."""

Answer = int | ScoreStatus
ANSWERS: tuple[Answer, ...] = ("abstained", "failed", *SCORES, "unavailable")


@dataclass(frozen=True, slots=True)
class Difference:
    """Events in which `models` change a rung that they may not, answering so."""

    models: frozenset[str]
    answer: Answer
    ladder: Ladder
    rung: str
    side: str
    events: int

    def __str__(self) -> str:
        names = ", ".join(sorted(self.models))
        return (
            f"{names} at {self.answer}: {self.events} events {self.side} "
            f"{self.rung} of {self.ladder}"
        )


# --- events --------------------------------------------------------------------------------------


def generated_batch(
    rng: Random, program: Program, event: EventType, lists: Lists, rows: int
) -> Batch:
    """Events whose inputs are drawn each by itself; every model answers, each with some score."""
    pools = pools_of(program, event)
    dice = np.random.default_rng(rng.getrandbits(64))
    columns: dict[str, Column] = {}
    for entry in event.inputs:
        if entry.source == "score":
            columns[entry.name] = IntegerColumn.of(dice.choice(SCORES, rows))
            continue
        values = [
            input_value(rng, pools, entry, event, {}, 0.0)
            if entry.name == event.at
            else present_value(rng, pools, entry)
            for _ in range(CANDIDATES)
        ]
        held = encode(entry.type, values)
        columns[entry.name] = _drawn(dice, entry, held, rows)
    # A model that nobody reports on did not answer.
    statuses = {name: np.zeros(rows, np.int8) for name in event.models}
    return Batch(rows, columns, lists, statuses)


def _drawn(dice: np.random.Generator, entry: Input, held: Column, rows: int) -> Column:
    places = dice.integers(0, CANDIDATES, rows)
    present = dice.random(rows) >= (0.15 if entry.can_be_missing else 0.0)
    if isinstance(held, CodedColumn):
        codes = np.where(present, held.codes[places], -1)
        return CodedColumn(codes, held.dictionary)
    return IntegerColumn.of(held.values[places], present)


def answered(program: Program, batch: Batch, models: frozenset[str], answer: Answer) -> Batch:
    """The same events where these models answer so."""
    columns, statuses = dict(batch.columns), dict(batch.statuses)
    for name in models:
        score = program.model(name).score
        ok = not isinstance(answer, str)
        status = "ok" if isinstance(answer, int) else answer
        statuses[name] = np.full(batch.rows, STATUSES.index(status), np.int8)
        if score in columns:
            held = np.full(batch.rows, answer if isinstance(answer, int) else 0, np.int64)
            columns[score] = IntegerColumn.of(held, np.full(batch.rows, ok))
    return replace(batch, columns=columns, statuses=statuses)


def situations_of(event: EventType, batch: Batch) -> list[Situation]:
    """The rows as the scalar engine reads them."""
    columns = [_plain(entry, batch.columns[entry.name]) for entry in event.inputs]
    statuses = [[STATUSES[code] for code in batch.statuses[name].tolist()] for name in event.models]
    return [
        Situation(
            event,
            tuple(column[row] for column in columns),
            batch.lists,
            {name: said[row] for name, said in zip(event.models, statuses, strict=True)},
        )
        for row in range(batch.rows)
    ]


def _plain(entry: Input, column: Column) -> list[Value | None]:
    if isinstance(column, CodedColumn):
        return [column.dictionary[code] if code >= 0 else None for code in column.codes.tolist()]
    valid = np.ones(len(column.values), np.bool_) if column.valid is None else column.valid
    values = column.values.tolist()
    if entry.type.kind not in INTEGER_KINDS:
        values = [bool(value) for value in values]
    return [value if there else None for value, there in zip(values, valid.tolist(), strict=True)]


# --- who may what --------------------------------------------------------------------------------


def subsets(program: Program, event: EventType) -> Iterator[frozenset[str]]:
    """Each model alone, and for every rung all that may not cause it, together."""
    found = {frozenset((name,)) for name in event.models}
    for ladder in LADDERS:
        for rung in RUNGS[ladder]:
            below = (n for n in event.models if program.model(n).ceiling(ladder) < rung)
            found.add(frozenset(below))
    relaxing = {n for n in event.models if program.model(n).may & {"relax", "exempt"}}
    found |= {models - relaxing for models in found}
    yield from sorted(found - {frozenset()}, key=sorted)


def without(program: Program, models: frozenset[str]) -> Program:
    """The policy in which these models are used nowhere."""
    nowhere = Constant(value=False, type=FLAG, span=NOWHERE)
    kept = (replace(m, use_when=nowhere) if m.name in models else m for m in program.models)
    return replace(program, models=tuple(kept))


def is_above(models: tuple[Model, ...], ladder: Ladder, rung: int) -> bool:
    """Whether none of the models may cause the rung; a review before brings its hold with it."""
    if any(model.ceiling(ladder) >= rung for model in models):
        return False
    holds = ladder == "disposition" and rung <= Disposition.HOLD
    return not (holds and any(model.ceiling("review") >= Review.BEFORE for model in models))


def stays_within(model: Model) -> bool:
    """Whether an outage of the model asks for no more than the model itself may cause.

    Points carry no authority, so what adds them on an outage may reach anything.
    """
    asks = model.unavailable.asks
    return not model.unavailable.points and all(a.rung <= model.ceiling(a.ladder) for a in asks)


# --- the comparison ------------------------------------------------------------------------------

Rungs = Mapping[Ladder, npt.NDArray[np.int8]]
"""Per ladder the rung of every row; no review is -1."""
Settle = Callable[[Batch], Rungs]
SettleOf = Callable[[Program, EventType], Settle]


def by_columns(program: Program, event: EventType) -> Settle:
    """The columnar evaluator, for many events."""
    settler = compile_settler(program, event)

    def settle(batch: Batch) -> Rungs:
        found = settler.settle(batch)
        return {
            "disposition": found.disposition,
            "authentication": found.authentication,
            "review": found.review,
        }

    return settle


def one_by_one(program: Program, event: EventType) -> Settle:
    """The compiled evaluator that decides in production."""

    known: dict[int, CompiledEvent] = {}

    def settle(batch: Batch) -> Rungs:
        if id(batch.lists) not in known:
            known[id(batch.lists)] = compile_event(program, event, batch.lists)
        compiled = known[id(batch.lists)]
        rows = situations_of(event, batch)
        outcomes = [
            compiled.decide_values(one.values, one.lists, one.statuses).outcome for one in rows
        ]
        found = [rungs_of(outcome) for outcome in outcomes]
        return {x: np.array([rungs[x] for rungs in found], np.int8) for x in LADDERS}

    return settle


@dataclass(slots=True)
class Tally:
    """How much was compared: decisions, rungs of events, and events declined without the models."""

    decisions: int = 0
    comparisons: int = 0
    declined: int = 0


def differences(
    program: Program,
    event: EventType,
    batch: Batch,
    tally: Tally,
    settle_of: SettleOf = by_columns,
    *,
    licensed: bool = True,
) -> Iterator[Difference]:
    """Every rung that a score moves without the authority to, over all answers.

    licensed: whether the policy compiles as it stands; where rules ask for what no compiler lets
    them, only *above* is promised.
    """
    settle = settle_of(program, event)
    for models in subsets(program, event):
        members = tuple(program.model(name) for name in sorted(models))
        reference = settle_of(without(program, models), event)(batch)
        tally.declined += int((reference["disposition"] == Disposition.DECLINE).sum())
        for answer in ANSWERS:
            found = settle(answered(program, batch, models, answer))
            tally.decisions += batch.rows
            for ladder, rung, side, rows in _moved(members, answer, reference, found):
                tally.comparisons += batch.rows
                if rows.any() and (licensed or side == "above"):
                    yield Difference(models, answer, ladder, rung, side, int(rows.sum()))


def _moved(
    models: tuple[Model, ...], answer: Answer, was: Rungs, now: Rungs
) -> Iterator[tuple[Ladder, str, str, Flags]]:
    """The rows of each rung on the wrong side of it; a model in the shadow moves nothing at all."""
    models = tuple(model for model in models if not model.shadow)
    caps = answer != "unavailable" or all(stays_within(model) for model in models)
    lowers = any(model.may & {"relax", "exempt"} for model in models)
    for ladder in LADDERS:
        for rung in RUNGS[ladder]:
            reached, reaches = was[ladder] >= rung, now[ladder] >= rung
            if caps and is_above(models, ladder, rung):
                yield ladder, rung.name.lower(), "above", reaches & ~reached
            if not lowers:
                yield ladder, rung.name.lower(), "below", reached & ~reaches
