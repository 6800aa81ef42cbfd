"""Many events of one type as columns: what the columnar evaluator reads.

Integers are numpy arrays with a validity mask, as narrow as their values allow: a comparison costs
what it reads. Texts, tokens, countries, words and addresses are codes into a dictionary, so that
whatever is asked of a text is asked once per dictionary entry and gathered.

Masks over rows are packed, eight rows a byte, as `numpy.packbits` does it. That is what makes the
three-valued logic cheap: a second polarity costs an eighth of a byte a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import or_
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from tidegate.dsl.lists import Lists
from tidegate.dsl.program import EventType
from tidegate.dsl.types import TEXT_KINDS, Kind, Type, Value
from tidegate.engine.situation import ScoreStatus, Situation

Bits = npt.NDArray[np.uint8]
"""A mask over rows, packed; bits past the last row are zero."""
Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.signedinteger[Any]]
Wide = npt.NDArray[np.int64]
Codes = npt.NDArray[np.intp]

STATUSES: tuple[ScoreStatus, ...] = get_args(ScoreStatus)
"""A status is held as its position here; 0 is `ok`."""

CODED_KINDS = TEXT_KINDS | {Kind.IP}
ABSENT = "absent"
_NARROW = (np.int8, np.int16, np.int32)


def pack(flags: Flags | Bits) -> Bits:
    """Eight rows a byte; a row is in the mask where its flag is not 0."""
    return np.packbits(flags)


def unpack(bits: Bits, rows: int) -> Flags:
    """One row a byte again."""
    return np.unpackbits(bits, count=rows).view(np.bool_)


def all_rows(rows: int) -> Bits:
    """The mask that holds every one of `rows` rows."""
    return pack(np.ones(rows, np.bool_))


def holds_any(bits: Bits) -> bool:
    """Whether a mask holds a row at all."""
    return bool(np.count_nonzero(bits))


def count_rows(bits: Bits) -> int:
    """How many rows a mask holds."""
    whole = bits.size & -8
    count = int(np.bitwise_count(bits[:whole].view(np.uint64)).sum(dtype=np.int64))
    if whole == bits.size:
        return count
    return count + int(np.bitwise_count(bits[whole:]).sum(dtype=np.int64))


def codes_of(index: Mapping[Value, int], values: Iterable[Value]) -> Codes:
    """The codes of those values that `index` knows."""
    found = [index.get(value) for value in values]
    return np.array([code for code in found if code is not None], np.intp)


def narrow(values: Wide) -> Integers:
    """The same integers in the narrowest type that holds them all."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for dtype in _NARROW:
        info = np.iinfo(dtype)
        if info.min <= low and high <= info.max:
            return values.astype(dtype)
    return values


@dataclass(frozen=True, eq=False)
class IntegerColumn:
    """Integers or flags. `valid` None: no row is missing. A missing row holds 0.

    `reasons`, where given, are positions in `reason_names`: why a missing row is missing.
    """

    values: Integers
    valid: Flags | None = None
    reasons: npt.NDArray[np.uint8] | None = None
    reason_names: tuple[str, ...] = (ABSENT,)

    @staticmethod
    def of(values: npt.ArrayLike, valid: npt.ArrayLike | None = None) -> IntegerColumn:
        """A column as narrow as its present values; what stands in missing rows is dropped."""
        wide = np.asarray(values, np.int64)
        mask = None if valid is None else np.asarray(valid, np.bool_)
        if mask is None or mask.all():
            return IntegerColumn(narrow(wide))
        return IntegerColumn(narrow(np.where(mask, wide, 0)), mask)

    @cached_property
    def valid_bits(self) -> Bits | None:
        """The packed validity."""
        return None if self.valid is None else pack(self.valid)

    @cached_property
    def limits(self) -> tuple[int, int]:
        """The least and the greatest value held (0 counts where a row is missing)."""
        if not self.values.size:
            return 0, 0
        return int(self.values.min()), int(self.values.max())


@dataclass(frozen=True, eq=False)
class CodedColumn:
    """Texts or addresses: `codes` are positions in `dictionary`, -1 where missing.

    Columns that are compared with one another do well to share one dictionary.
    """

    codes: Integers
    dictionary: tuple[Value, ...]
    reasons: npt.NDArray[np.uint8] | None = None
    reason_names: tuple[str, ...] = (ABSENT,)
    _codes: dict[frozenset[Value], Codes] = field(default_factory=dict, init=False, repr=False)

    @staticmethod
    def of(values: Sequence[Value | None], known: tuple[Value, ...] = ()) -> CodedColumn:
        """A column over the values that occur, after those of `known`."""
        index = {value: code for code, value in enumerate(known)}
        codes = [-1 if value is None else index.setdefault(value, len(index)) for value in values]
        return CodedColumn(narrow(np.array(codes, np.int64)), tuple(index))

    @cached_property
    def valid_bits(self) -> Bits | None:
        """The packed validity; None where no row is missing."""
        valid = self.codes >= 0
        return None if valid.all() else pack(valid)

    @cached_property
    def index(self) -> dict[Value, int]:
        """The code of each dictionary entry."""
        return {value: code for code, value in enumerate(self.dictionary)}

    def codes_of(self, values: frozenset[Value]) -> Codes:
        """The codes of those values that occur; looked up once for a list."""
        known = self._codes.get(values)
        if known is None:
            known = self._codes[values] = codes_of(self.index, values)
        return known


Column = IntegerColumn | CodedColumn


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of one event type: a column for each of its inputs, by name.

    `statuses` holds, per model that was not `ok` everywhere, positions in `STATUSES`. `snoozed`
    holds, by a rule's position, the rows where it is snoozed: a history knows of no snooze.
    """

    rows: int
    columns: Mapping[str, Column]
    lists: Lists = field(default_factory=dict)
    statuses: Mapping[str, npt.NDArray[np.int8]] = field(default_factory=dict)
    snoozed: Mapping[int, Flags] = field(default_factory=dict)


def is_coded(type_: Type) -> bool:
    """Whether values of this type are held as codes into a dictionary."""
    return type_.kind in CODED_KINDS


def encode(type_: Type, values: Sequence[Value | None]) -> Column:
    """A column of plain values."""
    if is_coded(type_):
        return CodedColumn.of(values)
    valid = np.array([value is not None for value in values], np.bool_)
    return IntegerColumn.of([int(value or 0) for value in values], valid)


def collect(event: EventType, situations: Sequence[Situation]) -> Batch:
    """The batch that holds these situations row by row; all read the lists of the first."""
    columns = {
        item.name: _with_reasons(
            encode(item.type, [situation.values[slot] for situation in situations]),
            [situation.reasons.get(item.name, ABSENT) for situation in situations],
        )
        for slot, item in enumerate(event.inputs)
    }
    statuses = {
        model: np.array([STATUSES.index(s.statuses.get(model, "ok")) for s in situations], np.int8)
        for model in event.models
    }
    lists = situations[0].lists if situations else {}
    ever = reduce(or_, (situation.snoozed for situation in situations), 0)
    snoozed = {
        index: np.array([s.snoozed >> index & 1 for s in situations], np.bool_)
        for index in range(ever.bit_length())
        if ever >> index & 1
    }
    return Batch(len(situations), columns, lists, statuses, snoozed)


def _with_reasons(column: Column, reasons: Sequence[str]) -> Column:
    names = tuple(sorted(set(reasons)))
    if names in ((), (ABSENT,)):
        return column
    codes = np.array([names.index(reason) for reason in reasons], np.uint8)
    if isinstance(column, CodedColumn):
        return CodedColumn(column.codes, column.dictionary, codes, names)
    return IntegerColumn(column.values, column.valid, codes, names)
