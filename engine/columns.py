"""The columnar evaluator: every rule of an event over many rows at once.

It means what the interpreter means, row by row. Conditions are worked out unmasked, each once a
chunk, whatever evaluation asks for them. Masking comes after: an atom that reads a masked score
loses its rows in both polarities, so an evaluation that clamps models works out again only the
connectives above such atoms.

The rows of a batch never see each other, so any split of a batch gives the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from tidegate.dsl.program import Actions, EventType, Expression, Model, Program, Rollout, Rule
from tidegate.dsl.types import Kind, Value
from tidegate.engine.column_arithmetic import LIMITS
from tidegate.engine.column_batch import (
    ABSENT,
    STATUSES,
    Batch,
    Bits,
    CodedColumn,
    Column,
    Flags,
    IntegerColumn,
    count_rows,
    holds_any,
    is_coded,
    narrow,
    unpack,
)
from tidegate.engine.column_chunk import (
    CHUNK_ROWS,
    Binding,
    Chunk,
    IntegerNode,
    TextNode,
    Truth,
    TruthNode,
)
from tidegate.engine.column_nodes import AllOf, AnyOf, NotOf, PointsReach
from tidegate.engine.column_plan import Planner
from tidegate.engine.column_reasons import ReasonReader
from tidegate.engine.column_texts import gather
from tidegate.engine.interpreter import NOBODY, asks_exempt
from tidegate.engine.situation import OWN_ACTS
from tidegate.engine.standing import Roster, in_share, roster

Points = npt.NDArray[np.signedinteger[Any]]
"""As narrow as the policy's points allow."""

_NO_ACTIONS = Actions()
_OWN_ACTS = tuple(STATUSES.index(status) for status in STATUSES if status in OWN_ACTS)


# --- what is known before a batch is seen ------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RulePlan:
    """A rule with its conditions as nodes. `depends` are the models that its truth hangs on."""

    rule: Rule
    when: TruthNode
    exceptions: tuple[TruthNode, ...]
    depends: frozenset[str]

    @cached_property
    def is_plain(self) -> bool:
        """Whether its `when` means the same in every evaluation."""
        return self.when.plain

    @property
    def unknown(self) -> Actions:
        """What the rule does where it is unknown."""
        return self.rule.unknown or _NO_ACTIONS

    @property
    def adds(self) -> bool:
        """Whether it counts among the points."""
        acts = self.rule.then.points or self.unknown.points
        return bool(acts) and not self.rule.reads_points


@dataclass(frozen=True, eq=False)
class ModelPlan:
    """A model of the event with its `use` condition."""

    model: Model
    use: TruthNode | None


class EventPlan:
    """The rules of one event as nodes, for any batch."""

    def __init__(self, program: Program, event: EventType) -> None:
        planner = Planner()
        self.program = program
        self.event = event
        self.roster: Roster = roster(event)
        self.models = tuple(_plan_model(planner, program.model(name)) for name in event.models)
        self.without_relax = _without(self.models, "relax")
        self.without_exempt = _without(self.models, "exempt")
        adders = _models_behind_points(event, self.models)
        self.rules = tuple(_plan_rule(planner, rule, adders) for rule in event.rules)
        self.inputs = {item.name: planner.node(item) for item in event.inputs}
        self.points_type = _type_for(self._points_max())

    def clamp_of(self, rule: Rule, clamped: frozenset[str]) -> frozenset[str]:
        """The models of `clamped` that the rule's `when` may not read."""
        if rule.then.points < 0:
            return clamped & self.without_relax
        return clamped & self.without_exempt if asks_exempt(rule.then) else clamped

    def _points_max(self) -> int:
        rules = (max(abs(r.rule.then.points), abs(r.unknown.points)) for r in self.rules)
        return sum(rules) + sum(abs(m.model.unavailable.points) for m in self.models)


def _type_for(highest: int) -> np.dtype[Any]:
    """The narrowest type that holds every sum of points."""
    for of, (_, high) in LIMITS.items():
        if highest <= high:
            return of
    # Points past int64 need an absurd policy; Python's integers serve it all the same.
    return np.dtype(np.object_)


def _plan_model(planner: Planner, model: Model) -> ModelPlan:
    return ModelPlan(model, None if model.use_when is None else planner.condition(model.use_when))


def _plan_rule(planner: Planner, rule: Rule, adders: frozenset[str]) -> RulePlan:
    when = planner.condition(rule.when)
    exceptions = tuple(planner.condition(exception) for exception in rule.exceptions)
    depends = when.models.union(*(exception.models for exception in exceptions))
    return RulePlan(rule, when, exceptions, depends | adders if rule.reads_points else depends)


def _without(models: tuple[ModelPlan, ...], right: str) -> frozenset[str]:
    return frozenset(plan.model.name for plan in models if right not in plan.model.may)


def _models_behind_points(event: EventType, models: tuple[ModelPlan, ...]) -> frozenset[str]:
    """The models that may change how many points there are."""
    paying = frozenset(plan.model.name for plan in models if plan.model.unavailable.points)
    adders = [r for r in event.rules if r.then.points or (r.unknown and r.unknown.points)]
    reading = (condition.models for rule in adders for condition in (rule.when, *rule.exceptions))
    return paying.union(*reading)


# --- who acts ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StandingRows:
    """Per rule, the rows where it is live and where it is shadow."""

    live: tuple[Bits, ...]
    shadow: tuple[Bits, ...]


def standing_rows(plan: EventPlan, chunk: Chunk) -> StandingRows:
    """What `standing` says of every row."""
    stands = plan.roster
    count = len(plan.rules)
    live = [chunk.full if stands.live >> i & 1 else chunk.none for i in range(count)]
    shadow = [chunk.full if stands.shadow >> i & 1 else chunk.none for i in range(count)]
    for bit, rule, _ in stands.varying:
        index = bit.bit_length() - 1
        dated, acting = _dated(plan, rule, chunk), _acting(plan, rule, chunk)
        live[index], shadow[index] = dated & acting, dated & (chunk.full ^ acting)
    return _replace(stands, chunk, live, shadow)


def _replace(stands: Roster, chunk: Chunk, live: list[Bits], shadow: list[Bits]) -> StandingRows:
    beaten = {index: chunk.none for _, bits in stands.replaced for index in _positions(bits)}
    for bit, bits in stands.replaced:
        for index in _positions(bits):
            beaten[index] = beaten[index] | live[bit.bit_length() - 1]
    for index, rows in beaten.items():
        shadow[index] = shadow[index] | live[index] & rows
        live[index] = live[index] & (chunk.full ^ rows)
    return StandingRows(tuple(live), tuple(shadow))


def _positions(bits: int) -> list[int]:
    return [index for index in range(bits.bit_length()) if bits >> index & 1]


def _dated(plan: EventPlan, rule: Rule, chunk: Chunk) -> Bits:
    at = chunk.vector(cast("IntegerNode", plan.inputs[plan.event.at])).wide
    flags = np.ones(1, np.bool_)
    if rule.from_us is not None:
        flags = flags & (at >= rule.from_us)
    if rule.until_us is not None:
        flags = flags & (at < rule.until_us)
    return chunk.pack(flags)


def _acting(plan: EventPlan, rule: Rule, chunk: Chunk) -> Bits:
    if rule.shadow:
        return chunk.none
    if rule.rollout is None:
        return chunk.full
    key = plan.inputs[rule.rollout.field]
    if isinstance(key, TextNode):
        return chunk.pack(_share_of_texts(rule.rollout, key, chunk))
    return chunk.pack(_share_of_integers(plan, rule.rollout, chunk))


def _share_of_texts(rollout: Rollout, key: TextNode, chunk: Chunk) -> Flags:
    """The share is asked of each dictionary entry once; missing is outside it."""
    entries = key.entries(chunk.binding)
    table = chunk.binding.once(
        (key, rollout),
        lambda: np.array([*(in_share(rollout, entry) for entry in entries), False], np.bool_),
    )
    return gather(table, chunk.codes(key))


def _share_of_integers(plan: EventPlan, rollout: Rollout, chunk: Chunk) -> Flags:
    column = cast("IntegerColumn", chunk.binding.batch.columns[rollout.field])
    flag = plan.event.field(rollout.field).type.kind is Kind.FLAG
    values, places = np.unique(column.values[chunk.span], return_inverse=True)
    keys: list[Value] = [bool(value) if flag else value for value in values.tolist()]
    inside = np.array([in_share(rollout, key) for key in keys], np.bool_).take(places)
    return inside if column.valid is None else inside & column.valid[chunk.span]


# --- one evaluation of one chunk ---------------------------------------------------------------


class RuleRows(NamedTuple):
    """The rows where one rule is true, unknown, silenced by an exception.

    A named tuple, for one is made for every rule and chunk.
    """

    fired: Bits
    unknown: Bits
    silenced: Bits


class ChunkEvaluation:
    """The rules over one chunk while the scores of `clamped` are masked; each worked out once."""

    def __init__(
        self,
        plan: EventPlan,
        chunk: Chunk,
        standing: StandingRows,
        clamped: frozenset[str] = NOBODY,
        unmasked: ChunkEvaluation | None = None,
    ) -> None:
        self.plan = plan
        self.chunk = chunk
        self.standing = standing
        self.clamped = clamped
        self.unmasked = unmasked
        self._rules: dict[int, RuleRows] = {}
        self._points: tuple[Points, Points] | None = None

    def rule(self, index: int) -> RuleRows:
        """What the rule at `index` says."""
        found = self._rules.get(index)
        if found is None:
            found = self._rules[index] = self._borrowed(index) or self._evaluate(index)
        return found

    def points(self) -> tuple[Points, Points]:
        """Per row, the points of live rules and those of live and shadow rules."""
        if self._points is None:
            self._points = self._add_points()
        return self._points

    # rules

    def _borrowed(self, index: int) -> RuleRows | None:
        """The unmasked rows, where masking cannot change them."""
        if self.unmasked is None:
            return None
        plan = self.plan.rules[index]
        if not plan.depends & self.clamped:
            return self.unmasked.rule(index)
        if plan.when.points:
            return None
        found, none = self.unmasked.rule(index), self.chunk.none
        # Masking only takes rows away from a condition: what is false everywhere stays so.
        quiet = found.fired is none and found.unknown is none and found.silenced is none
        return found if quiet else None

    def _evaluate(self, index: int) -> RuleRows:
        plan, none = self.plan.rules[index], self.chunk.none
        sure, possible = self._when(index, plan)
        live = self.standing.live[index]
        if live is not self.chunk.full:
            active = live | self.standing.shadow[index]
            sure, possible = sure & active, possible & active
        unknown = none if sure is possible else sure ^ possible
        if not holds_any(possible):
            return RuleRows(none, none, none)
        if not plan.exceptions:
            return RuleRows(sure, unknown, none)
        excepted = none
        for exception in plan.exceptions:
            relaxing = self.clamped & self.plan.without_relax
            excepted = excepted | self._truth(exception, True, relaxing, "")[0]
        acting = self.chunk.full ^ excepted
        return RuleRows(sure & acting, unknown & acting, possible & excepted)

    def _when(self, index: int, plan: RulePlan) -> Truth:
        if plan.is_plain:
            return self.chunk.truth(plan.when)
        clamp = self.plan.clamp_of(plan.rule, self.clamped)
        if not plan.when.points:
            return self._truth(plan.when, True, clamp, "")
        live = self.standing.live[index]
        if not holds_any(live):
            return self._truth(plan.when, True, clamp, "all")
        acting = self._truth(plan.when, True, clamp, "live")
        if not holds_any(self.standing.shadow[index]):
            return acting
        watching = self._truth(plan.when, True, clamp, "all")
        rest = self.chunk.full ^ live
        return acting[0] & live | watching[0] & rest, acting[1] & live | watching[1] & rest

    # conditions

    def _truth(self, node: TruthNode, positive: bool, clamp: frozenset[str], points: str) -> Truth:
        """`node`, or its negation pushed inwards, with the models of `clamp` masked."""
        if node.plain:
            truth = self.chunk.truth(node)
            return truth if positive else self.chunk.invert(truth)
        whose = (points, self.clamped) if node.points else None
        return self.chunk.once(
            (node, positive, clamp & node.models, whose),
            lambda: self._masked(node, positive, clamp, points),
        )

    def _masked(self, node: TruthNode, positive: bool, clamp: frozenset[str], points: str) -> Truth:
        match node:
            case AllOf(items=items) | AnyOf(items=items):
                every = isinstance(node, AllOf) is positive
                join = self.chunk.conjoin if every else self.chunk.disjoin
                return join(
                    items, partial(self._truth, positive=positive, clamp=clamp, points=points)
                )
            case NotOf(operand=operand):
                return self._truth(operand, not positive, clamp, points)
            case PointsReach(threshold=threshold):
                read = self.points()[points == "all"]
                holds = self.chunk.pack((read >= threshold) == positive)
                return holds, holds
        if node.models & clamp:
            return self.chunk.none, self.chunk.none
        return self._atom(node, positive)

    def _atom(self, node: TruthNode, positive: bool) -> Truth:
        """An atom that reads scores: it holds nowhere where one of them was not given."""
        sure, possible = self.chunk.truth(node)
        if not positive:
            sure, possible = self.chunk.invert((sure, possible))
        for model in self.plan.models:
            if model.model.name in node.models:
                given = given_rows(self.chunk, model)
                sure, possible = sure & given, possible & given
        return sure, possible

    # points

    def _add_points(self) -> tuple[Points, Points]:
        total, watched = self._points_of_models()
        for index, plan in enumerate(self.plan.rules):
            if plan.adds:
                self._add(total, index, self.standing.live[index])
                self._add(watched, index, self.standing.shadow[index])
        return total, total + watched if watched.any() else total

    def _add(self, total: Points, index: int, standing: Bits) -> None:
        if standing is self.chunk.none:
            return
        plan, found = self.plan.rules[index], self.rule(index)
        add_where(total, found.fired & standing, plan.rule.then.points)
        add_where(total, found.unknown & standing, plan.unknown.points)

    def _points_of_models(self) -> tuple[Points, Points]:
        """What absent models add, those that are live and those in the shadow."""
        total, watched = (np.zeros(self.chunk.rows, self.plan.points_type) for _ in range(2))
        for plan in self.plan.models:
            rows = silent_rows(self.chunk, plan)
            if plan.model.name in self.clamped:
                # What a model does itself is clamped; an outage is not.
                rows = rows & (self.chunk.full ^ abstained_rows(self.chunk, plan))
            whose = watched if plan.model.shadow else total
            add_where(whose, rows, plan.model.unavailable.points)
        return total, watched


def add_where(total: Points, rows: Bits, points: int) -> None:
    """Adds `points` in these rows."""
    if points and holds_any(rows):
        total += unpack(rows, len(total)).astype(total.dtype) * total.dtype.type(points)


# --- models ------------------------------------------------------------------------------------


def used_rows(chunk: Chunk, plan: ModelPlan) -> Bits:
    """Where the model's `use` covers the event."""
    return chunk.full if plan.use is None else chunk.truth(plan.use)[0]


def given_rows(chunk: Chunk, plan: ModelPlan) -> Bits:
    """Where the model's score may be read: used, and it answered."""
    return used_rows(chunk, plan) & _status_rows(chunk, plan, STATUSES.index("ok"))


def silent_rows(chunk: Chunk, plan: ModelPlan) -> Bits:
    """Where the model is used and did not answer."""
    return used_rows(chunk, plan) & (chunk.full ^ _status_rows(chunk, plan, STATUSES.index("ok")))


def abstained_rows(chunk: Chunk, plan: ModelPlan) -> Bits:
    """Where the model is used and is silent by its own act."""
    found = chunk.none
    for status in _OWN_ACTS:
        found = found | _status_rows(chunk, plan, status)
    return used_rows(chunk, plan) & found


def _status_rows(chunk: Chunk, plan: ModelPlan, status: int) -> Bits:
    statuses = chunk.binding.batch.statuses.get(plan.model.name)
    if statuses is None:
        # A model that nobody reports on did not answer.
        return chunk.none
    return chunk.once((plan, status), lambda: chunk.pack(statuses[chunk.span] == status))


# --- batches -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RuleMasks:
    """What one evaluation found: per rule a packed mask over the batch's rows."""

    rows: int
    fired: Bits
    unknown: Bits
    silenced: Bits
    points: Points
    all_points: Points

    def fired_rows(self, rule: int) -> Flags:
        """Where the rule is true and no exception holds."""
        return unpack(self.fired[rule], self.rows)

    def unknown_rows(self, rule: int) -> Flags:
        """Where the rule is unknown and no exception holds."""
        return unpack(self.unknown[rule], self.rows)

    def silenced_rows(self, rule: int) -> Flags:
        """Where an exception keeps a rule that is true or unknown from acting."""
        return unpack(self.silenced[rule], self.rows)

    def fired_counts(self) -> list[int]:
        """Per rule, how many rows it fires in."""
        return [count_rows(bits) for bits in self.fired]

    def unknown_counts(self) -> list[int]:
        """Per rule, how many rows it is unknown in."""
        return [count_rows(bits) for bits in self.unknown]


class ColumnEvaluator:
    """The rules of one event, ready for batches. It keeps nothing of a batch."""

    def __init__(self, plan: EventPlan) -> None:
        self.plan = plan

    def evaluate(
        self, batch: Batch, clamped: frozenset[str] = NOBODY, chunk_rows: int = CHUNK_ROWS
    ) -> RuleMasks:
        """What every rule says of every row while the scores of `clamped` are masked."""
        masks = empty_masks(self.plan, batch.rows)
        for chunk in Binding(batch).chunks(chunk_rows):
            standing = standing_rows(self.plan, chunk)
            store_masks(masks, ChunkEvaluation(self.plan, chunk, standing, clamped))
        return masks

    def count(self, batch: Batch, chunk_rows: int = CHUNK_ROWS) -> RuleCounts:
        """How often each rule is true, unknown and silenced; no row's answer is kept."""
        fired, unknown, silenced = counts = [[0] * len(self.plan.rules) for _ in range(3)]
        for chunk in Binding(batch).chunks(chunk_rows):
            evaluation = ChunkEvaluation(self.plan, chunk, standing_rows(self.plan, chunk))
            none = chunk.none
            for index in range(len(self.plan.rules)):
                for count, bits in zip(counts, evaluation.rule(index), strict=True):
                    if bits is not none:
                        count[index] += count_rows(bits)
        return RuleCounts(tuple(fired), tuple(unknown), tuple(silenced))


@dataclass(frozen=True, slots=True)
class RuleCounts:
    """Per rule, in how many rows it is true, unknown, or silenced by an exception."""

    fired: tuple[int, ...]
    unknown: tuple[int, ...]
    silenced: tuple[int, ...]


def compile_columns(program: Program, event: EventType) -> ColumnEvaluator:
    """The columnar evaluator of `event`."""
    return ColumnEvaluator(EventPlan(program, event))


def empty_masks(plan: EventPlan, rows: int) -> RuleMasks:
    """Masks for a batch of so many rows."""
    shape = len(plan.rules), (rows + 7) // 8
    fired, unknown, silenced = (np.zeros(shape, np.uint8) for _ in range(3))
    points, all_points = (np.zeros(rows, plan.points_type) for _ in range(2))
    return RuleMasks(rows, fired, unknown, silenced, points, all_points)


def store_masks(masks: RuleMasks, evaluation: ChunkEvaluation) -> None:
    """Writes what an evaluation found into the masks of its batch."""
    chunk = evaluation.chunk
    for index in range(len(evaluation.plan.rules)):
        found = evaluation.rule(index)
        for target, bits in (
            (masks.fired, found.fired),
            (masks.unknown, found.unknown),
            (masks.silenced, found.silenced),
        ):
            # Untouched memory costs nothing.
            if bits is not chunk.none:
                target[index, chunk.bytes] = bits
    masks.points[chunk.span], masks.all_points[chunk.span] = evaluation.points()


# --- single expressions ------------------------------------------------------------------------


def evaluate_condition(condition: Expression, batch: Batch) -> tuple[Flags, Flags]:
    """Rows where `condition` is true, rows where it is unknown; no score is masked."""
    node, binding = Planner().condition(condition), Binding(batch)
    truth = np.zeros((2, (batch.rows + 7) // 8), np.uint8)
    for chunk in binding.chunks():
        truth[:, chunk.bytes] = chunk.truth(node)
    sure, possible = truth
    return unpack(sure, batch.rows), unpack(sure ^ possible, batch.rows)


def evaluate_expression(expression: Expression, batch: Batch, reasons: bool = False) -> Column:
    """The values of `expression`, a flag's as 0 and 1; no score is masked.

    `reasons` says whether to work out why values are missing, too.
    """
    planner, chunk = Planner(), Binding(batch).whole()
    why: npt.NDArray[np.uint8] | None = None
    names: tuple[str, ...] = (ABSENT,)
    if reasons:
        reader = ReasonReader(planner, chunk)
        why = reader.reasons(expression)
        names = reader.names
    if is_coded(expression.type):
        text = planner.text(expression)
        codes = np.broadcast_to(chunk.codes(text), (batch.rows,)).astype(np.int64)
        return CodedColumn(narrow(codes), text.entries(chunk.binding), why, names)
    vector = chunk.vector(planner.integer(expression))
    valid = None if vector.valid is None else np.broadcast_to(vector.valid, (batch.rows,))
    column = IntegerColumn.of(np.broadcast_to(vector.wide, (batch.rows,)), valid)
    return IntegerColumn(column.values, column.valid, why, names)
