"""Which conjunctions a value leaves standing: the rows of the predicate index.

A row is an integer, bit i set where the value violates no test of conjunction i. The values of one
subject fall into few classes: for integers the intervals between thresholds, for texts those that a
test names and all others. Rows are made by stepping from class to class, so a threshold more costs
one XOR more. Where the rows of a subject would take more than `MAX_BYTES`, some are kept and the
others are made from the nearest one before them when they are asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from tidegate.dsl.types import Value
from tidegate.engine.formulas import Among, AtLeast

MAX_BYTES = 4 << 20
"""What the rows of one subject may take at most; what was turned stands beside them."""

MAX_SMALL = 256
"""Below it an integer is looked up by itself, not by the interval it lies in."""


class Demand(NamedTuple):
    """Conjunction `bit` asks this of the subject, or where not `positive` the opposite."""

    bit: int
    meaning: AtLeast | Among
    positive: bool


Turned = tuple[int, ...]
"""The bits in which a row differs from another."""


# --- integers ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IntegerRows:
    """`rows[bisect_right(bounds, value)]` is the row of a value."""

    bounds: tuple[int, ...]
    rows: Sequence[int]

    def small(self) -> tuple[int, ...]:
        """The rows of the values from 0 up to the last bound, where these are few: counts are."""
        last = self.bounds[-1] if self.bounds else MAX_SMALL
        if last >= MAX_SMALL or isinstance(self.rows, SparseRows):
            return ()
        return tuple(self.rows[bisect_right(self.bounds, value)] for value in range(last + 1))


def integer_rows(demands: Iterable[Demand], full: int, max_bytes: int = MAX_BYTES) -> IntegerRows:
    """The rows of an integer; `full` has the bit of every conjunction."""
    violated: Counter[int] = Counter()
    turns: dict[int, Counter[int]] = defaultdict(Counter)
    for bit, meaning, positive in demands:
        for bound, change in _changes(meaning, positive):
            (violated if bound is None else turns[bound])[bit] += change
    bounds = tuple(sorted(turns))
    first, steps = _steps(full, violated, [turns[bound] for bound in bounds])
    stride = 1 + len(steps) * _bytes(full) // max_bytes
    if stride == 1:
        return IntegerRows(bounds, tuple(_walk(first, steps)))
    kept = tuple(row for i, row in enumerate(_walk(first, steps)) if i % stride == 0)
    return IntegerRows(bounds, SparseRows(kept, tuple(steps), stride))


def _changes(meaning: AtLeast | Among, positive: bool) -> Iterator[tuple[int | None, int]]:
    """From where on a test is violated more or less; None stands for below everything."""
    if positive:
        yield None, 1
    sign = -1 if positive else 1
    if isinstance(meaning, AtLeast):
        yield meaning.least, sign
        return
    for value in meaning.values:
        assert isinstance(value, int)
        yield value, sign
        yield value + 1, -sign


def _steps(
    full: int, violated: Counter[int], turns: Iterable[Counter[int]]
) -> tuple[int, list[Turned]]:
    """The row below all bounds, and what each bound turns. A bit may ask several things."""
    counts = Counter(violated)
    steps: list[Turned] = []
    for turn in turns:
        turned = []
        for bit, change in turn.items():
            before = counts[bit]
            counts[bit] = before + change
            if bool(before) != bool(counts[bit]):
                turned.append(bit)
        steps.append(tuple(turned))
    return full & ~_mask(bit for bit, count in violated.items() if count), steps


def _walk(row: int, steps: Iterable[Turned]) -> Iterator[int]:
    yield row
    for turned in steps:
        row ^= _mask(turned)
        yield row


@dataclass(frozen=True, slots=True)
class SparseRows(Sequence[int]):
    """Every `stride`-th row, and what turns between them."""

    kept: tuple[int, ...]
    steps: tuple[Turned, ...]
    stride: int

    def __len__(self) -> int:
        return len(self.steps) + 1

    def __getitem__(self, index: int) -> int:  # type: ignore[override]  # nobody asks for a slice
        nearest = index // self.stride
        between = self.steps[nearest * self.stride : index]
        return self.kept[nearest] ^ _mask(chain.from_iterable(between))


# --- texts, tokens, countries, addresses, words ------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamedRows:
    """`get(value, other)` is the row of a value; `other` that of every value that no test names."""

    get: Callable[[Value, int], int]
    other: int


def named_rows(demands: Sequence[Demand], full: int, max_bytes: int = MAX_BYTES) -> NamedRows:
    """The rows of what is only compared for equality."""
    violated = Counter(bit for bit, _, positive in demands if positive)
    naming: dict[Value, Counter[int]] = defaultdict(Counter)
    for bit, meaning, positive in demands:
        assert isinstance(meaning, Among)
        for value in meaning.values:
            naming[value][bit] += -1 if positive else 1
    other = full & ~_mask(violated)
    turned = {
        value: tuple(
            bit for bit, change in changes.items()
            if bool(violated[bit]) != bool(violated[bit] + change)
        )
        for value, changes in naming.items()
    }  # fmt: skip
    if len(turned) * _bytes(full) > max_bytes:
        return NamedRows(SparseNames(turned).get, other)
    return NamedRows({value: other ^ _mask(bits) for value, bits in turned.items()}.get, other)


@dataclass(frozen=True, slots=True)
class SparseNames:
    """What each named value turns in the row of the others."""

    turned: dict[Value, Turned]

    def get(self, value: Value, other: int) -> int:
        """The row of a value."""
        return other ^ _mask(self.turned.get(value, ()))


def _mask(bits: Iterable[int]) -> int:
    """The bits that occur an odd number of times: what is turned twice is not turned."""
    mask = 0
    for bit in bits:
        mask ^= 1 << bit
    return mask


def _bytes(full: int) -> int:
    return full.bit_length() // 8 + 1
