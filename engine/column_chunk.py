"""A run of rows under evaluation: what is worked out once and shared by every expression.

Expressions become nodes (`column_plan`), each made once however often it is written. A `Chunk`
keeps every node's result while its rows are being evaluated; a `Binding` keeps what a batch's
dictionaries settle for all of its chunks.

A condition's result is a pair of packed masks: rows where it is *surely* true and rows where it is
*possibly* true, that is, true or unknown. Strong Kleene logic is then plain logic twice, and only
once where the two are the same array.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import ClassVar, TypeVar, cast

import numpy as np

from tidegate.dsl.types import Value
from tidegate.engine.column_arithmetic import Vector
from tidegate.engine.column_batch import (
    Batch,
    Bits,
    Flags,
    Integers,
    all_rows,
    holds_any,
    pack,
)

CHUNK_ROWS = 1 << 17
"""A multiple of eight, so that a chunk's masks are whole bytes of the batch's."""
EXPENSIVE = 8
"""A node of this cost is left out where no row asks for it any more."""

Truth = tuple[Bits, Bits]
"""Rows surely true, rows possibly true."""
Made = TypeVar("Made")


class Node:
    """An expression, once. `cost` orders the items of a conjunction, cheapest first."""

    own_cost: ClassVar[int] = 1
    models: frozenset[str] = frozenset()
    points: bool = False
    cost: int = 0

    @property
    def plain(self) -> bool:
        """Whether it means the same in every evaluation: it reads no score and no points."""
        return not self.models and not self.points


class IntegerNode(Node, ABC):
    """An expression of an integer kind."""

    @abstractmethod
    def compute(self, chunk: Chunk) -> Vector:
        """Its values in the rows of `chunk`."""


class TruthNode(Node, ABC):
    """A condition."""

    @abstractmethod
    def compute(self, chunk: Chunk) -> Truth:
        """Where it holds in the rows of `chunk`."""


class TextNode(Node, ABC):
    """An expression held as codes. `tests` are the conditions asked of its dictionary entries."""

    def __init__(self) -> None:
        self.tests: list[TruthNode] = []

    @abstractmethod
    def entries(self, binding: Binding) -> tuple[Value, ...]:
        """The dictionary of its codes."""

    @abstractmethod
    def compute(self, chunk: Chunk) -> Integers:
        """Its codes in the rows of `chunk`; below 0 where missing."""

    def index(self, binding: Binding) -> dict[Value, int]:
        """The code of each dictionary entry."""
        return binding.once(
            (self, "index"),
            lambda: {value: code for code, value in enumerate(self.entries(binding))},
        )

    def valid(self, chunk: Chunk) -> Bits | None:
        """Where it is present; None for everywhere."""
        return chunk.once((self, "valid"), lambda: chunk.pack(chunk.codes(self) >= 0))


class Binding:
    """A batch with what is settled once for all of its chunks."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._made: dict[Hashable, object] = {}

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` returned the first time."""
        try:
            return cast("Made", self._made[key])
        except KeyError:
            made = self._made[key] = make()
            return made

    def chunks(self, rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
        """The batch, run by run."""
        for start in range(0, self.batch.rows, rows):
            yield Chunk(self, start, min(start + rows, self.batch.rows))

    def whole(self) -> Chunk:
        """The batch in one run."""
        return Chunk(self, 0, self.batch.rows)


class Chunk:
    """Rows `start` to `stop` of a batch; `start` is a multiple of eight."""

    def __init__(self, binding: Binding, start: int, stop: int) -> None:
        self.binding = binding
        self.rows = stop - start
        self.span = slice(start, stop)
        self.bytes = slice(start // 8, (stop + 7) // 8)
        self.full = binding.once((self.rows, "full"), lambda: all_rows(self.rows))
        self.none = binding.once((self.rows, "none"), lambda: np.zeros_like(self.full))
        self._vectors: dict[IntegerNode, Vector] = {}
        self._truths: dict[TruthNode, Truth] = {}
        self._codes: dict[TextNode, Integers] = {}
        self._made: dict[Hashable, object] = {}

    def vector(self, node: IntegerNode) -> Vector:
        """The values of `node`."""
        found = self._vectors.get(node)
        if found is None:
            found = self._vectors[node] = node.compute(self)
        return found

    def truth(self, node: TruthNode) -> Truth:
        """Where `node` holds, with no score masked."""
        found = self._truths.get(node)
        if found is None:
            found = self._truths[node] = node.compute(self)
        return found

    def codes(self, node: TextNode) -> Integers:
        """The codes of `node`."""
        found = self._codes.get(node)
        if found is None:
            found = self._codes[node] = node.compute(self)
        return found

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` returned the first time."""
        try:
            return cast("Made", self._made[key])
        except KeyError:
            made = self._made[key] = make()
            return made

    def pack(self, flags: Flags | Bits) -> Bits:
        """A packed mask of flags with one row for each of the chunk's, or one for all."""
        if flags.size != self.rows:
            return self.full if flags.item() else self.none
        return pack(flags)

    def valid(self, vector: Vector) -> Bits | None:
        """Where `vector` is present; None for everywhere."""
        if vector.valid is None:
            return None
        if vector.valid_bits is None:
            vector.valid_bits = self.pack(vector.valid)
        return vector.valid_bits

    def lift(self, holds: Bits, valid: Bits | None) -> Truth:
        """A condition that holds where it does and is unknown where its operand is missing."""
        if valid is None:
            return holds, holds
        return holds & valid, holds | (self.full ^ valid)

    def invert(self, truth: Truth) -> Truth:
        """Strong Kleene negation."""
        sure, possible = truth
        if sure is possible:
            inverse = self.full ^ sure
            return inverse, inverse
        return self.full ^ possible, self.full ^ sure

    def conjoin(self, items: Sequence[TruthNode], truth: Callable[[TruthNode], Truth]) -> Truth:
        """Strong Kleene conjunction; later items are left out once no row can hold."""
        sure, possible = truth(items[0])
        for item in items[1:]:
            if item.cost >= EXPENSIVE and not holds_any(possible):
                return self.none, self.none
            sure, possible = _both(truth(item), sure, possible)
        return sure, possible

    def disjoin(self, items: Sequence[TruthNode], truth: Callable[[TruthNode], Truth]) -> Truth:
        """Strong Kleene disjunction."""
        sure, possible = truth(items[0])
        for item in items[1:]:
            also_sure, also_possible = truth(item)
            same = sure is possible and also_sure is also_possible
            sure = sure | also_sure
            possible = sure if same else possible | also_possible
        return sure, possible

    def select(self, conditions: Sequence[TruthNode]) -> list[tuple[Bits, Bits]]:
        """Per branch of a `case`: rows that take it, rows where it makes the result missing."""
        left = self.full
        branches = []
        for condition in conditions:
            sure, possible = self.truth(condition)
            branches.append((left & sure, left & (sure ^ possible)))
            left = left & (self.full ^ possible)
        return branches


def _both(truth: Truth, sure: Bits, possible: Bits) -> Truth:
    same = sure is possible and truth[0] is truth[1]
    sure = sure & truth[0]
    return sure, sure if same else possible & truth[1]
