"""Whether the evaluators agree on a policy, event by event, and whether the checker told the truth.

The definition is `authority_by_the_book`: the interpreter, evaluated for every rung. Generated
code, branching or with a predicate index, and columns are held against it: masks, points, the evaluation of every clamp, and everything that
a decision says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tests.engine.authority_by_the_book import Book
from tests.situations_generated import Pools, conditions_of, present_value
from tidegate.dsl.program import (
    EventType,
    Expression,
    IsMissing,
    LetRef,
    Model,
    Otherwise,
    PointsAtLeast,
    Program,
)
from tidegate.dsl.types import INTEGER_KINDS
from tidegate.dsl.unknowns import walk
from tidegate.engine import predicate_index
from tidegate.engine.column_batch import collect
from tidegate.engine.column_outcome import ColumnSettler
from tidegate.engine.columns import ColumnEvaluator, EventPlan, RuleMasks
from tidegate.engine.generated import INDEX_FROM, compile_event
from tidegate.engine.interpreter import (
    Missing,
    explain_value,
    masked_everywhere,
    reader_of,
    truth,
    used_here,
)
from tidegate.engine.situation import Evaluation, Settled, Situation, Standing
from tidegate.engine.standing import standing

# A small policy shares little: its tests are to be asked by the index all the same.
predicate_index.MIN_SHARED = 1
Clamp = frozenset[str]
T = TypeVar("T")
SHADOW_WORDS = 8


@dataclass(frozen=True)
class Fault:
    """What is wrong, and in which situation it shows; `rows` are the situations of its batch."""

    what: str
    situation: Situation | None = None


# --- the definition ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Definition(Book):
    """The book, each evaluation worked out once."""

    memory: dict[object, object] = field(default_factory=dict)

    def evaluation(self, clamped: Clamp) -> Evaluation:
        """What the interpreter says while these models are clamped."""
        return self._once(clamped, lambda: super(Definition, self).evaluation(clamped))

    def absent(self) -> list[Model]:
        """The models that are used here and gave no score."""
        return self._once("absent", lambda: super(Definition, self).absent())

    def _once(self, key: object, make: Callable[[], T]) -> T:
        if key not in self.memory:
            self.memory[key] = make()
        return self.memory[key]  # type: ignore[return-value]  # what `make` gave

    def evaluations(self) -> dict[Clamp, Evaluation]:
        """Every evaluation that was asked for so far."""
        return {k: v for k, v in self.memory.items()
                if isinstance(k, frozenset) and isinstance(v, Evaluation)}  # fmt: skip


def defined(program: Program, situation: Situation) -> tuple[Settled, dict[Clamp, Evaluation]]:
    """The decision as it is defined but for the shadow's word, and the evaluations behind it."""
    book = Definition(program, situation, standing(situation.event, situation))
    return book.settled(), book.evaluations()


def word_in_shadow(program: Program, situation: Situation, settled: Settled) -> str:
    """The word had every shadow rule and every shadow model been live, by definition."""
    stand = settled.standing
    if not (stand.shadow or any(model.shadow for model in program.models)):
        return settled.outcome.word
    everyone = Standing(stand.live | stand.shadow, 0, everyone=True)
    return Definition(program, situation, everyone).settled().outcome.word


# --- the three ---------------------------------------------------------------------------------


def disagreement(
    program: Program,
    event: EventType,
    batches: Sequence[Sequence[Situation]],
    rng: Random,
    seen: Counter[str] | None = None,
) -> Fault | None:
    """The first situation on which an evaluator says something else; a batch shares its lists."""
    managed = {declared.name for declared in program.lists if not declared.path}
    files = {n: c for n, c in batches[0][0].lists.items() if n not in managed}
    compiled = compile_event(program, event, files, index_from=rng.choice((1, INDEX_FROM)))
    plan = EventPlan(program, event)
    settler, columns = ColumnSettler(plan), ColumnEvaluator(plan)
    for situations in batches:
        wanted: list[Settled] = []
        evaluations: list[dict[Clamp, Evaluation]] = []
        for index, situation in enumerate(situations):
            settled, found = defined(program, situation)
            wanted.append(settled)
            evaluations.append(found)
            decided = compiled.decide_values(situation.values, situation.lists, situation.statuses)
            # Defining the shadow's word costs as much as the decision: one row in eight will do.
            word = decided.shadow_word
            if index % SHADOW_WORDS == 0:
                word = word_in_shadow(program, situation, settled)
            settled = settled._replace(shadow_word=word)
            if decided != settled:
                return Fault(f"generated code decides {_difference(decided, settled)}", situation)
            for clamp, evaluation in found.items():
                got = compiled.evaluate(situation, clamp)
                if got != evaluation:
                    what = f"generated code finds, clamping {sorted(clamp)}, "
                    return Fault(what + _difference(got, evaluation), situation)
        fault = _columns_differ(settler, columns, situations, wanted, evaluations, rng)
        if fault is not None:
            return fault
        if seen is not None:
            for settled in wanted:
                _count(seen, event, settled)
    return None


def _count(seen: Counter[str], event: EventType, settled: Settled) -> None:
    seen["decisions"] += 1
    seen["rows"] += len(event.rules)
    seen["fired"] += settled.evaluation.fired.bit_count()
    seen["unknown"] += settled.evaluation.unknown.bit_count()
    seen["silenced"] += settled.evaluation.silenced.bit_count()
    seen["capped"] += len(settled.capped)
    seen[f"word {settled.outcome.word}"] += 1
    asked = dict(settled.winners)
    for ladder in ("disposition", "authentication", "review"):
        if ladder in asked or ladder == "disposition":
            seen[f"rung {ladder} {getattr(settled.outcome, ladder)}"] += 1


def _difference(got: object, wanted: object) -> str:
    """The fields in which two values differ."""
    fields = getattr(type(wanted), "__dataclass_fields__", None)
    names = fields or getattr(type(wanted), "_fields", None)
    if names is None or type(got) is not type(wanted):
        return f"{got!r} where {wanted!r} is right"
    parts = [
        f"{name}: {_difference(getattr(got, name), getattr(wanted, name))}"
        for name in names
        if getattr(got, name) != getattr(wanted, name)
    ]
    return "; ".join(parts)


def _columns_differ(
    settler: ColumnSettler,
    columns: ColumnEvaluator,
    situations: Sequence[Situation],
    wanted: Sequence[Settled],
    evaluations: Sequence[dict[Clamp, Evaluation]],
    rng: Random,
) -> Fault | None:
    chunk_rows = rng.choice((8, 16, 1 << 16))
    batch = collect(situations[0].event, situations)
    outcomes = settler.settle(batch, chunk_rows)
    for index, settled in enumerate(wanted):
        row = outcomes.row(index)
        for what, got, right in (
            ("evaluate", row.evaluation(), settled.evaluation),
            ("decide", row.outcome(), settled.outcome),
            ("stand", row.standing(), settled.standing),
            ("mask", row.masked(), settled.masked),
            ("cap", row.capped(), settled.capped),
            ("are won by", row.winners(), settled.winners),
        ):
            if got != right:
                return Fault(f"columns {what} {_difference(got, right)}", situations[index])
    for clamp in {clamp for found in evaluations for clamp in found if clamp}:
        masks = columns.evaluate(batch, clamp, chunk_rows)
        rows = evaluations_of(masks)
        for index, found in enumerate(evaluations):
            if clamp in found and rows[index] != found[clamp]:
                what = f"columns find, clamping {sorted(clamp)}, "
                return Fault(what + _difference(rows[index], found[clamp]), situations[index])
    return None


def evaluations_of(masks: RuleMasks) -> list[Evaluation]:
    """The rows of column masks as evaluations."""
    fired, unknown, silenced = (
        _row_masks(bits, masks.rows) for bits in (masks.fired, masks.unknown, masks.silenced)
    )
    points, all_points = masks.points.tolist(), masks.all_points.tolist()
    return [
        Evaluation(*row) for row in zip(fired, unknown, silenced, points, all_points, strict=True)
    ]


def _row_masks(bits: npt.NDArray[np.uint8], rows: int) -> list[int]:
    flags = np.unpackbits(bits, axis=1, count=rows).astype(np.int64)
    weights = 1 << np.arange(flags.shape[0], dtype=np.int64)
    found: list[int] = (weights @ flags).tolist()
    return found


def split_differs(
    program: Program, event: EventType, situations: Sequence[Situation], rng: Random
) -> Fault | None:
    """Whether a batch that is cut in two says something else than in one piece."""
    settler = ColumnSettler(EventPlan(program, event))
    cut = rng.randint(0, len(situations))
    whole = settler.settle(collect(event, situations))
    parts = [settler.settle(collect(event, part)) for part in (situations[:cut], situations[cut:])]
    rows = [part.row(i) for part in parts for i in range(part.rows)]
    for index, row in enumerate(rows):
        one = whole.row(index)
        if row.outcome() != one.outcome() or row.evaluation() != one.evaluation():
            return Fault(f"columns say something else when cut at {cut}", situations[index])
    return None


# --- what the checker promised -----------------------------------------------------------------


def false_promise(program: Program, event: EventType, situation: Situation) -> Fault | None:
    """A value that is missing, out of its bounds or unknown though the checker said never."""
    masked = masked_everywhere(program, situation)
    points = Definition(program, situation, standing(event, situation)).unmasked().points
    reader = reader_of(situation, points)
    for rule in event.rules:
        if rule.unknown is None and truth(rule.when, reader) is None and not masked:
            return Fault(f"{rule.id} is unknown, and the checker said never", situation)
        if rule.unknown is None and truth(rule.when, reader, masked) is None:
            return Fault(f"{rule.id} is unknown while {sorted(masked)} are masked", situation)
    for condition in conditions_of(event):
        for node in walk(condition):
            if node.models & masked:
                continue
            value = explain_value(node, situation, points)
            if isinstance(value, Missing):
                if not node.can_be_missing:
                    return Fault(f"never missing, and it is ({value.reason}): {node}", situation)
            elif (
                node.type.kind in INTEGER_KINDS
                and node.bounds is not None
                and not node.bounds.low <= int(value) <= node.bounds.high
            ):
                return Fault(f"{value} lies outside the bounds of {node}", situation)
    for model in used_here(program, situation):
        if model.use_when is not None and truth(model.use_when, reader) is None:
            return Fault(f"the use of {model.name} is unknown", situation)
    return None


def faults(event: EventType, situation: Situation, masked: Clamp) -> int:
    """How many conditions meet an operator that failed: overflow, division, nothing found."""
    kinds = {"overflow", "division_by_zero", "not_found"}
    found = 0
    for condition in conditions_of(event):
        values = (
            explain_value(node, situation)
            for node in walk(condition)
            if node.can_fail and not node.models & masked
        )
        found += any(isinstance(v, Missing) and v.reason in kinds for v in values)
    return found


# --- giving a missing input a value ------------------------------------------------------------


def looks_at_absence(condition: Expression) -> bool:
    """Whether it asks if something is missing, straight or through lets."""
    return any(isinstance(node, IsMissing | Otherwise) for node in walk(condition))


def filled(rng: Random, pools: Pools, situation: Situation) -> Situation:
    """The same with values in the place of some missing inputs; scores stay as they are."""
    values = tuple(
        present_value(rng, pools, entry)
        if value is None and entry.source != "score" and rng.random() < 0.7
        else value
        for entry, value in zip(situation.event.inputs, situation.values, strict=True)
    )
    return Situation(situation.event, values, situation.lists, situation.statuses)


def flipped(
    program: Program, event: EventType, before: Situation, after: Situation
) -> Fault | None:
    """A condition that was true or false and says the opposite once missing inputs have values."""
    masked = masked_everywhere(program, before)
    if masked != masked_everywhere(program, after):
        return None
    readers = reader_of(before), reader_of(after)
    for condition in conditions_of(event):
        if looks_at_absence(condition) or _reads_points(condition):
            continue
        first, second = (truth(condition, reader, masked) for reader in readers)
        if first is not None and first != second:
            return Fault(f"was {first}, and with more values {second}: {condition}", before)
    return None


def _reads_points(condition: Expression) -> bool:
    return any(isinstance(node, PointsAtLeast) for node in walk(condition))


# --- what was met ------------------------------------------------------------------------------


def labels_of(node: Expression) -> Iterator[str]:
    """How the summary calls this node: its operator with the types it works on, and its type."""
    name = type(node).__name__
    kind = node.type.kind.value
    yield f"type {kind}"
    op = getattr(node, "op", None) or getattr(node, "function", None) or ""
    below = getattr(node, "left", None) or getattr(node, "operand", None)
    of = below.type.kind.value if isinstance(below, Expression) else kind
    right = getattr(node, "right", None)
    if name == "Arithmetic" and isinstance(right, Expression):
        yield f"operator {of} {op} {right.type.kind.value}"
    elif name == "Input":
        yield f"operator input {getattr(node, 'source', '')}"
    elif not isinstance(node, LetRef):
        words = (name.lower(), str(op), "" if op in _PLAIN else of)
        yield " ".join(("operator", *filter(None, words)))


_PLAIN = {"hour", "minute", "weekday", "day", "month", "date"}
