"""The nodes of integer expressions and of conditions.

The arithmetic itself is in `column_arithmetic`, everything about texts in `column_texts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import numpy as np

from tidegate.dsl.lists import ListContent
from tidegate.dsl.types import Bounds
from tidegate.engine import column_arithmetic as exact
from tidegate.engine.column_arithmetic import Vector
from tidegate.engine.column_batch import Bits, Flags, IntegerColumn, Integers, Wide, unpack
from tidegate.engine.column_calendar import read_calendar
from tidegate.engine.column_chunk import Chunk, IntegerNode, Truth, TruthNode

_FEW_VALUES = 4


# --- integers ----------------------------------------------------------------------------------


class IntegerInput(IntegerNode):
    """A column of the batch."""

    own_cost = 0

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, chunk: Chunk) -> Vector:
        """See `IntegerNode`."""
        column = cast("IntegerColumn", chunk.binding.batch.columns[self.name])
        values = column.values[chunk.span]
        if column.valid is None:
            return Vector(values, None, *_limits(column))
        bits = cast("Bits", column.valid_bits)[chunk.bytes]
        return Vector(values, column.valid[chunk.span], *_limits(column), bits)


def _limits(column: IntegerColumn) -> tuple[int, int]:
    if column.values.dtype == np.int64:
        return column.limits
    return exact.LIMITS[column.values.dtype]


class IntegerConstant(IntegerNode):
    """A literal."""

    own_cost = 0

    def __init__(self, value: int) -> None:
        self.value = value

    def compute(self, chunk: Chunk) -> Vector:  # noqa: ARG002
        """See `IntegerNode`."""
        return exact.constant(self.value)


class IntegerArithmetic(IntegerNode):
    """`+ - * /`."""

    own_cost = 8

    def __init__(
        self, op: str, operands: tuple[IntegerNode, IntegerNode], up: int, down: int, span: Bounds
    ) -> None:
        self.op = op
        self.operands = operands
        self.up = up
        self.down = down
        self.span = span

    def compute(self, chunk: Chunk) -> Vector:
        """See `IntegerNode`."""
        left, right = (chunk.vector(operand) for operand in self.operands)
        match self.op:
            case "+":
                return exact.add(left, right, self.span)
            case "-":
                return exact.subtract(left, right, self.span)
            case "*":
                return exact.multiply(left, right, self.down, self.span)
            case _:
                return exact.divide(left, self.up, right, self.span)


class IntegerNegation(IntegerNode):
    """Unary minus."""

    own_cost = 8

    def __init__(self, operand: IntegerNode, span: Bounds) -> None:
        self.operand = operand
        self.span = span

    def compute(self, chunk: Chunk) -> Vector:
        """See `IntegerNode`."""
        return exact.negate(chunk.vector(self.operand), self.span)


class IntegerDistance(IntegerNode):
    """`abs`."""

    own_cost = 8

    def __init__(self, operand: IntegerNode) -> None:
        self.operand = operand

    def compute(self, chunk: Chunk) -> Vector:
        """See `IntegerNode`."""
        return exact.absolute(chunk.vector(self.operand))


class IntegerRounding(IntegerNode):
    """`round`, `floor` or `ceiling`: a multiple of `step`."""

    own_cost = 12

    def __init__(self, function: str, operand: IntegerNode, step: int) -> None:
        self.function = function
        self.operand = operand
        self.step = step

    def compute(self, chunk: Chunk) -> Vector:
        """See `IntegerNode`."""
        return exact.round_to(self.function, chunk.vector(self.operand), self.step)


class IntegerRest(IntegerNode):
    """`modulo`."""

    own_cost = 12

    def __init__(self, operand: IntegerNode, divisor: IntegerNode) -> None:
        self.operand = operand
        self.divisor = divisor

    def compute(self, chunk: Chunk) -> Vector:
        """See `IntegerNode`."""
        return exact.modulo(chunk.vector(self.operand), chunk.vector(self.divisor))


class IntegerPlaces(IntegerNode):
    """`distance` between two places, given by latitude, longitude, latitude and longitude."""

    own_cost = 60

    def __init__(self, degrees: tuple[IntegerNode, ...]) -> None:
        self.degrees = degrees

    def compute(self, chunk: Chunk) -> Vector:
        """See `IntegerNode`."""
        return exact.distances(*(chunk.vector(operand) for operand in self.degrees))


class IntegerExtreme(IntegerNode):
    """`min` or `max`."""

    own_cost = 8

    def __init__(self, function: Literal["min", "max"], operands: tuple[IntegerNode, ...]) -> None:
        self.function = function
        self.operands = operands

    def compute(self, chunk: Chunk) -> Vector:
        """See `IntegerNode`."""
        first, *others = (chunk.vector(operand) for operand in self.operands)
        for other in others:
            first = exact.extreme(self.function, first, other)
        return first


class IntegerCalendar(IntegerNode):
    """`hour minute weekday day month date`."""

    own_cost = 20

    def __init__(self, function: str, operand: IntegerNode, zone: str) -> None:
        self.function = function
        self.operand = operand
        self.zone = zone

    def compute(self, chunk: Chunk) -> Vector:
        """See `IntegerNode`."""
        return read_calendar(self.function, chunk.vector(self.operand), self.zone)


class DaysBetween(IntegerNode):
    """Whole days from one time to another."""

    own_cost = 12

    def __init__(self, start: IntegerNode, end: IntegerNode) -> None:
        self.start = start
        self.end = end

    def compute(self, chunk: Chunk) -> Vector:
        """See `IntegerNode`."""
        return exact.whole_days(chunk.vector(self.start), chunk.vector(self.end))


class IntegerOtherwise(IntegerNode):
    """The left value, or the right one where the left is missing."""

    own_cost = 10

    def __init__(self, left: IntegerNode, right: IntegerNode) -> None:
        self.left = left
        self.right = right

    def compute(self, chunk: Chunk) -> Vector:
        """See `IntegerNode`."""
        return exact.otherwise(chunk.vector(self.left), chunk.vector(self.right))


class IntegerChoice(IntegerNode):
    """One of several integers, row by row: `case`. The last one is the default."""

    own_cost = 10

    def __init__(self, conditions: tuple[TruthNode, ...], values: tuple[IntegerNode, ...]) -> None:
        self.conditions = conditions
        self.values = values

    def compute(self, chunk: Chunk) -> Vector:
        """See `IntegerNode`."""
        *values, result = (chunk.vector(value) for value in self.values)
        for (chosen, unknown), value in zip(chunk.select(self.conditions), values, strict=True):
            result = exact.choose(unpack(chosen, chunk.rows), value, result)
            if unknown.any():
                result = exact.choose(unpack(unknown, chunk.rows), exact.missing(), result)
        return result


class FlagValue(IntegerNode):
    """A condition as a value: 0 and 1."""

    own_cost = 2

    def __init__(self, condition: TruthNode) -> None:
        self.condition = condition

    def compute(self, chunk: Chunk) -> Vector:
        """See `IntegerNode`."""
        sure, possible = chunk.truth(self.condition)
        values = unpack(sure, chunk.rows).view(np.int8)
        if sure is possible:
            return Vector(values, None, 0, 1)
        known = chunk.full ^ possible ^ sure
        return Vector(values, unpack(known, chunk.rows), 0, 1, known)


# --- atoms over integers -----------------------------------------------------------------------


class Above(TruthNode):
    """Greater than a literal. The other relations with a literal are made of it."""

    def __init__(self, operand: IntegerNode, bound: int) -> None:
        self.operand = operand
        self.bound = bound

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        vector = chunk.vector(self.operand)
        low, high = exact.LIMITS[vector.values.dtype]
        if self.bound < low:
            holds = chunk.full
        elif self.bound >= high:
            holds = chunk.none
        else:
            holds = chunk.pack(vector.values > self.bound)
        return chunk.lift(holds, chunk.valid(vector))


class OneOf(TruthNode):
    """Equality with one of some literals."""

    def __init__(self, operand: IntegerNode, values: frozenset[int]) -> None:
        self.operand = operand
        self.choices = np.array(sorted(values), np.int64)

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        vector = chunk.vector(self.operand)
        return chunk.lift(chunk.pack(_among(vector.values, self.choices)), chunk.valid(vector))


class OneOfList(TruthNode):
    """Membership of an integer in a named list."""

    own_cost = 10

    def __init__(self, operand: IntegerNode, name: str) -> None:
        self.operand = operand
        self.name = name

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        content = chunk.binding.batch.lists.get(self.name)
        if content is None:
            return chunk.none, chunk.full
        choices = chunk.binding.once((self, "choices"), lambda: _choices(content))
        vector = chunk.vector(self.operand)
        return chunk.lift(chunk.pack(_among(vector.values, choices)), chunk.valid(vector))


def _choices(content: ListContent) -> Wide:
    return np.array(sorted(int(value) for value in content.values), np.int64)


def _among(values: Integers, choices: Wide) -> Flags:
    low, high = exact.LIMITS[values.dtype]
    fitting = choices[(choices >= low) & (choices <= high)]
    if len(fitting) > _FEW_VALUES:
        return np.isin(values, fitting)
    flags = np.zeros(1 if len(fitting) == 0 else values.shape, np.bool_)
    for choice in fitting.tolist():
        flags |= values == choice
    return flags


class AboveOther(TruthNode):
    """One integer greater than another."""

    own_cost = 3

    def __init__(self, left: IntegerNode, right: IntegerNode) -> None:
        self.left = left
        self.right = right

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        left, right = chunk.vector(self.left), chunk.vector(self.right)
        return _lift_two(chunk, chunk.pack(left.values > right.values), left, right)


class SameInteger(TruthNode):
    """Two equal integers."""

    own_cost = 3

    def __init__(self, left: IntegerNode, right: IntegerNode) -> None:
        self.left = left
        self.right = right

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        left, right = chunk.vector(self.left), chunk.vector(self.right)
        return _lift_two(chunk, chunk.pack(left.values == right.values), left, right)


def _lift_two(chunk: Chunk, holds: Bits, left: Vector, right: Vector) -> Truth:
    one, other = chunk.valid(left), chunk.valid(right)
    valid = one if other is None else other if one is None else one & other
    return chunk.lift(holds, valid)


class IntegerMissing(TruthNode):
    """Whether an integer is missing."""

    def __init__(self, operand: IntegerNode) -> None:
        self.operand = operand

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        valid = chunk.valid(chunk.vector(self.operand))
        holds = chunk.none if valid is None else chunk.full ^ valid
        return holds, holds


# --- conditions over conditions ----------------------------------------------------------------


class FlagInput(TruthNode):
    """A flag of the batch."""

    def __init__(self, operand: IntegerNode) -> None:
        self.operand = operand

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        vector = chunk.vector(self.operand)
        return chunk.lift(chunk.pack(vector.values != 0), chunk.valid(vector))


class FlagConstant(TruthNode):
    """`true` or `false`."""

    def __init__(self, value: bool) -> None:
        self.value = value

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        holds = chunk.full if self.value else chunk.none
        return holds, holds


class FlagMissing(TruthNode):
    """Whether a condition is unknown."""

    def __init__(self, operand: TruthNode) -> None:
        self.operand = operand

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        sure, possible = chunk.truth(self.operand)
        unknown = sure ^ possible
        return unknown, unknown


class FlagChoice(TruthNode):
    """One of several conditions, row by row: `otherwise` and `case`. The last is the default."""

    def __init__(self, conditions: tuple[TruthNode, ...], values: tuple[TruthNode, ...]) -> None:
        self.conditions = conditions
        self.values = values

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        sure, possible, left = chunk.none, chunk.none, chunk.full
        *values, default = (chunk.truth(value) for value in self.values)
        for (chosen, unknown), value in zip(chunk.select(self.conditions), values, strict=True):
            sure = sure | chosen & value[0]
            possible = possible | chosen & value[1] | unknown
            left = left ^ chosen ^ unknown
        return sure | left & default[0], possible | left & default[1]


class Inverse(TruthNode):
    """An atom that is the negation of another: `<=` of `>`. No connective of the policy's."""

    own_cost = 0

    def __init__(self, operand: TruthNode) -> None:
        self.operand = operand

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        return chunk.invert(chunk.truth(self.operand))


class PointsReach(TruthNode):
    """`points >= N`. What points there are is known to an evaluation, not to a chunk."""

    def __init__(self, threshold: int) -> None:
        self.threshold = threshold
        self.points = True

    def compute(self, chunk: Chunk) -> Truth:  # noqa: ARG002
        """Only an evaluation can tell."""
        raise LookupError("points are read by a rule's condition alone")


# --- connectives -------------------------------------------------------------------------------


class AllOf(TruthNode):
    """`and`, the cheapest first."""

    own_cost = 0

    def __init__(self, items: tuple[TruthNode, ...]) -> None:
        self.items = by_cost(items)

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        return chunk.conjoin(self.items, chunk.truth)


class AnyOf(TruthNode):
    """`or`."""

    own_cost = 0

    def __init__(self, items: tuple[TruthNode, ...]) -> None:
        self.items = by_cost(items)

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        return chunk.disjoin(self.items, chunk.truth)


class NotOf(TruthNode):
    """`not`."""

    own_cost = 0

    def __init__(self, operand: TruthNode) -> None:
        self.operand = operand

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        return chunk.invert(chunk.truth(self.operand))


def by_cost(items: Sequence[TruthNode]) -> tuple[TruthNode, ...]:
    """Cheap conditions before dear ones: they often settle the rest."""
    return tuple(sorted(items, key=lambda item: item.cost))
