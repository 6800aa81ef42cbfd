"""Texts, tokens, countries, words and addresses in columns: codes into a dictionary.

A test of a text is asked once of each dictionary entry. A test that few entries pass compares
codes; the others of one operand share a table of eight bits an entry, gathered once for them all.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt

from tidegate.dsl.lists import of_ranges
from tidegate.dsl.program import Function
from tidegate.dsl.types import Value
from tidegate.engine.column_arithmetic import Vector
from tidegate.engine.column_batch import (
    Bits,
    CodedColumn,
    Codes,
    Integers,
    codes_of,
    narrow,
    unpack,
)
from tidegate.engine.column_chunk import Binding, Chunk, IntegerNode, TextNode, Truth, TruthNode
from tidegate.engine.functions import TEXT_TESTS, call

Scalar = TypeVar("Scalar", bound=np.generic)
Entry = TypeVar("Entry")

_FEW = 3
"""Up to so many codes are compared one by one; more are looked up."""


def gather(table: npt.NDArray[Scalar], codes: Integers) -> npt.NDArray[Scalar]:
    """The table's entry for each code; its last one stands for missing (-1)."""
    return table.take(codes, mode="wrap")


# --- values ------------------------------------------------------------------------------------


class TextInput(TextNode):
    """A column of the batch."""

    own_cost = 0

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def column(self, binding: Binding) -> CodedColumn:
        """The batch's column of this name."""
        return cast("CodedColumn", binding.batch.columns[self.name])

    def entries(self, binding: Binding) -> tuple[Value, ...]:
        """See `TextNode`."""
        return self.column(binding).dictionary

    def index(self, binding: Binding) -> dict[Value, int]:
        """See `TextNode`."""
        return self.column(binding).index

    def compute(self, chunk: Chunk) -> Integers:
        """See `TextNode`."""
        return self.column(chunk.binding).codes[chunk.span]

    def valid(self, chunk: Chunk) -> Bits | None:
        """See `TextNode`."""
        bits = self.column(chunk.binding).valid_bits
        return None if bits is None else bits[chunk.bytes]


class TextConstant(TextNode):
    """A literal."""

    own_cost = 0

    def __init__(self, value: Value) -> None:
        super().__init__()
        self.value = value

    def entries(self, binding: Binding) -> tuple[Value, ...]:  # noqa: ARG002
        """See `TextNode`."""
        return (self.value,)

    def compute(self, chunk: Chunk) -> Integers:  # noqa: ARG002
        """See `TextNode`."""
        return np.zeros(1, np.int8)

    def valid(self, chunk: Chunk) -> Bits | None:  # noqa: ARG002
        """See `TextNode`."""
        return None


class TextCall(TextNode):
    """`lower`, `upper`, `before` or `after`, asked of each dictionary entry."""

    own_cost = 8

    def __init__(self, function: Function, operand: TextNode, marks: tuple[Value, ...]) -> None:
        super().__init__()
        self.function = function
        self.operand = operand
        self.marks = marks

    def entries(self, binding: Binding) -> tuple[Value, ...]:
        """See `TextNode`."""
        return self._mapped(binding)[0]

    def compute(self, chunk: Chunk) -> Integers:
        """See `TextNode`."""
        table = self._mapped(chunk.binding)[1]
        return gather(table, chunk.codes(self.operand))

    def _mapped(self, binding: Binding) -> tuple[tuple[Value, ...], Integers]:
        return binding.once((self, "mapped"), lambda: self._map(self.operand.entries(binding)))

    def _map(self, entries: Iterable[Value]) -> tuple[tuple[Value, ...], Integers]:
        results = [call(self.function, (entry, *self.marks)) for entry in entries]
        column = CodedColumn.of([*results, None])
        return column.dictionary, column.codes


class TextChoice(TextNode):
    """One of several texts, row by row: `otherwise` and `case`. The last value is the default."""

    own_cost = 10

    def __init__(self, conditions: tuple[TruthNode, ...], values: tuple[TextNode, ...]) -> None:
        super().__init__()
        self.conditions = conditions
        self.values = values

    def entries(self, binding: Binding) -> tuple[Value, ...]:
        """See `TextNode`."""
        return self._merged(binding)[0]

    def compute(self, chunk: Chunk) -> Integers:
        """See `TextNode`."""
        tables = self._merged(chunk.binding)[1]
        *parts, codes = [
            gather(table, chunk.codes(value))
            for value, table in zip(self.values, tables, strict=True)
        ]
        for (chosen, unknown), part in zip(chunk.select(self.conditions), parts, strict=True):
            codes = np.where(unpack(chosen, chunk.rows), part, codes)
            if unknown.any():
                codes = np.where(unpack(unknown, chunk.rows), -1, codes)
        return codes

    def _merged(self, binding: Binding) -> tuple[tuple[Value, ...], list[Integers]]:
        return binding.once((self, "merged"), lambda: self._merge(binding))

    def _merge(self, binding: Binding) -> tuple[tuple[Value, ...], list[Integers]]:
        index: dict[Value, int] = {}
        tables = [
            [index.setdefault(entry, len(index)) for entry in value.entries(binding)]
            for value in self.values
        ]
        return tuple(index), [_table(table) for table in tables]


class TextLength(IntegerNode):
    """How many characters a text has."""

    own_cost = 8

    def __init__(self, operand: TextNode) -> None:
        self.operand = operand

    def compute(self, chunk: Chunk) -> Vector:
        """See `IntegerNode`."""
        table = chunk.binding.once((self, "table"), lambda: self._lengths(chunk.binding))
        codes = chunk.codes(self.operand)
        valid_bits = self.operand.valid(chunk)
        valid = None if valid_bits is None else codes >= 0
        return Vector(gather(table, codes), valid, 0, int(table.max()), valid_bits)

    def _lengths(self, binding: Binding) -> Integers:
        lengths = [len(cast("str", entry)) for entry in self.operand.entries(binding)]
        return narrow(np.array([*lengths, 0], np.int64))


def _table(codes: Sequence[int]) -> Integers:
    return narrow(np.array([*codes, -1], np.int64))


# --- conditions --------------------------------------------------------------------------------


class SameText(TruthNode):
    """Whether two texts are equal."""

    own_cost = 10

    def __init__(self, left: TextNode, right: TextNode) -> None:
        self.left = left
        self.right = right

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        right = chunk.codes(self.right)
        table = chunk.binding.once((self, "table"), lambda: self._translation(chunk.binding))
        if table is not None:
            right = gather(table, right)
        equal = chunk.pack(chunk.codes(self.left) == right)
        lifted = chunk.lift(equal, self.left.valid(chunk))
        valid = self.right.valid(chunk)
        if valid is None:
            return lifted
        return lifted[0] & valid, lifted[1] | (chunk.full ^ valid)

    def _translation(self, binding: Binding) -> Integers | None:
        """The left code of each right entry; None where both have the same dictionary."""
        if self.left.entries(binding) is self.right.entries(binding):
            return None
        index = self.left.index(binding)
        return _table([index.get(entry, -2) for entry in self.right.entries(binding)])


class TextMissing(TruthNode):
    """Whether a text is missing."""

    def __init__(self, operand: TextNode) -> None:
        self.operand = operand

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        valid = self.operand.valid(chunk)
        holds = chunk.none if valid is None else chunk.full ^ valid
        return holds, holds


class TextTest(TruthNode):
    """A question about one text alone: asked of each dictionary entry."""

    own_cost = 4

    def __init__(self, operand: TextNode) -> None:
        self.operand = operand
        operand.tests.append(self)

    @abstractmethod
    def matching(self, binding: Binding) -> Codes | None:
        """The codes it holds for; None where nobody can say."""

    def compute(self, chunk: Chunk) -> Truth:
        """See `TruthNode`."""
        place = _places(self.operand, chunk.binding)[self]
        if place is None:
            return chunk.none, chunk.full
        holds = place.rows(self.operand, chunk)
        valid = self.operand.valid(chunk)
        return (holds, holds) if valid is None else (holds, holds | (chunk.full ^ valid))


class TextIs(TextTest):
    """Equality with a literal."""

    own_cost = 1

    def __init__(self, operand: TextNode, value: Value) -> None:
        super().__init__(operand)
        self.value = value

    def matching(self, binding: Binding) -> Codes:
        """See `TextTest`."""
        return codes_of(self.operand.index(binding), (self.value,))


class TextInSet(TextTest):
    """Membership in literals."""

    def __init__(self, operand: TextNode, values: frozenset[Value]) -> None:
        super().__init__(operand)
        self.values = values

    def matching(self, binding: Binding) -> Codes:
        """See `TextTest`."""
        return codes_of(self.operand.index(binding), self.values)


class TextInList(TextTest):
    """Membership in a named list."""

    def __init__(self, operand: TextNode, name: str) -> None:
        super().__init__(operand)
        self.name = name

    def matching(self, binding: Binding) -> Codes | None:
        """See `TextTest`."""
        content = binding.batch.lists.get(self.name)
        if content is None:
            return None
        if content.ranges:
            return _codes_where(self.operand.index(binding), content.__contains__)
        if isinstance(self.operand, TextInput):
            return self.operand.column(binding).codes_of(content.values)
        return codes_of(self.operand.index(binding), content.values)


class TextInNetworks(TextTest):
    """Whether an address lies in one of the ranges."""

    def __init__(self, operand: TextNode, ranges: tuple[tuple[int, int], ...]) -> None:
        super().__init__(operand)
        self.ranges = ranges

    def matching(self, binding: Binding) -> Codes:
        """See `TextTest`."""
        return _codes_where(self.operand.index(binding), of_ranges(self.ranges).__contains__)


class TextLike(TextTest):
    """`starts with`, `ends with`, `contains`, `like`."""

    def __init__(self, operand: TextNode, op: str, pattern: str) -> None:
        super().__init__(operand)
        self.op = op
        self.pattern = pattern

    def matching(self, binding: Binding) -> Codes:
        """See `TextTest`."""
        test = TEXT_TESTS[self.op]
        index = cast("dict[str, int]", self.operand.index(binding))
        return _codes_where(index, lambda entry: test(entry, self.pattern))


def _codes_where(index: Mapping[Entry, int], holds: Callable[[Entry], bool]) -> Codes:
    return np.array([code for entry, code in index.items() if holds(entry)], np.intp)


# --- where a test is answered ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _FewCodes:
    codes: Sequence[int]

    def rows(self, operand: TextNode, chunk: Chunk) -> Bits:
        """Rows with one of the codes."""
        if not self.codes:
            return chunk.none
        codes = chunk.codes(operand)
        flags = codes == self.codes[0]
        for code in self.codes[1:]:
            flags |= codes == code
        return chunk.pack(flags)


@dataclass(frozen=True, slots=True, eq=False)
class _TableBit:
    table: npt.NDArray[np.uint8]
    bit: int

    def rows(self, operand: TextNode, chunk: Chunk) -> Bits:
        """Rows whose table entry has the bit."""
        key = (operand, id(self.table))
        found = chunk.once(key, lambda: gather(self.table, chunk.codes(operand)))
        return chunk.pack(found & np.uint8(self.bit))


def _places(operand: TextNode, binding: Binding) -> dict[TruthNode, _FewCodes | _TableBit | None]:
    return binding.once((operand, "places", len(operand.tests)), lambda: _place(operand, binding))


def _place(operand: TextNode, binding: Binding) -> dict[TruthNode, _FewCodes | _TableBit | None]:
    places: dict[TruthNode, _FewCodes | _TableBit | None] = {}
    tables: list[npt.NDArray[np.uint8]] = []
    looked_up = 0
    for test in operand.tests:
        codes = cast("TextTest", test).matching(binding)
        if codes is None or len(codes) <= _FEW:
            places[test] = None if codes is None else _FewCodes(codes.tolist())
            continue
        if looked_up % 8 == 0:
            tables.append(np.zeros(len(operand.entries(binding)) + 1, np.uint8))
        places[test] = _TableBit(tables[-1], 1 << looked_up % 8)
        tables[-1][codes] |= 1 << looked_up % 8
        looked_up += 1
    return places
