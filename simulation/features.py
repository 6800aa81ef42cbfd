"""Features of a whole history, point in time: `tidegate.engine.features` in columns.

Slice by slice, counted events become contributions and decisions ask for what they see of them.
A contribution is kept until no later decision can see it, so memory holds the contributions of
one slice and of the longest window before it: 32 bytes each, and 9 bytes for each feature with an
operand. Features that count the same events under the same keys, delay, condition and labels share
their contributions, sorting included.

An event never sees itself here without its key being compared: copies are gone, and its own
contribution enters at its own time or later, while a decision sees what entered before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tidegate.dsl.lists import Lists
from tidegate.dsl.program import EventType, Expression, Feature, Input, LetRef, Period, Program
from tidegate.dsl.types import Value
from tidegate.engine.column_batch import (
    ABSENT,
    Batch,
    CodedColumn,
    Column,
    IntegerColumn,
    narrow,
)
from tidegate.engine.column_periods import period_ends_us
from tidegate.engine.columns import evaluate_condition, evaluate_expression
from tidegate.engine.features import aggregate_named, label_combinations
from tidegate.engine.window_columns import (
    NEVER_US,
    REASONS,
    KeyOrder,
    Operands,
    Window,
    WindowColumn,
    join,
    measure,
    sort_by_key,
    times,
    window,
)
from tidegate.engine.windows import Aggregate
from tidegate.simulation.history import Slice
from tidegate.simulation.needs import features_read
from tidegate.simulation.rows import Rows
from tidegate.simulation.times import Flags, Int64s

_REASON_NAMES = (ABSENT, *(reason or ABSENT for reason in REASONS[1:]))


class FeatureColumns:
    """The features that decisions of one event type read, carried from slice to slice.

    `given` are features that the history itself brings; they are not worked out. `ties` are, of
    the last slice and by `keys_name`, the decisions that share their time and a window's key with
    another; `tied` counts those of all slices that share any.
    """

    def __init__(
        self, program: Program, event: EventType, lists: Lists, given: Iterable[str] = ()
    ) -> None:
        self.event = event
        self.tied = 0
        self.ties: dict[str, Flags] = {}
        features = [f for f in features_read(program, event) if f.name not in set(given)]
        keys: dict[object, _Keys] = {}
        groups: dict[object, _Group] = {}
        for feature in features:
            by = keys.setdefault((feature.event, feature.keys), _Keys(feature.keys))
            shared = (feature.event, feature.keys, feature.delay_us, feature.where, feature.labels)
            groups.setdefault(shared, _Group(feature, by, lists)).features.append(feature)
        self._groups = tuple(groups.values())

    def advance(self, rows: Slice, next_us: int) -> dict[str, Column]:
        """The features of the slice's decisions; no later decision is before `next_us`."""
        decisions = rows[self.event.name]
        found: dict[str, Column] = {}
        asked: dict[int, KeyOrder] = {}
        ties: dict[str, Flags] = {}
        for group in self._groups:
            counted = rows.get(group.event)
            if counted is not None:
                group.take(counted)
            if id(group.keys) not in asked:
                codes = group.keys.of_decisions(decisions)
                asked[id(group.keys)] = sort_by_key(codes, decisions.at_us)
                ties[group.keys_name] = _ties(asked[id(group.keys)], decisions.count)
            for name, column in group.answer(asked[id(group.keys)]):
                found[name] = _as_column(column)
            group.forget(next_us)
        self.ties = ties
        if ties:
            self.tied += int(np.logical_or.reduce(list(ties.values())).sum())
        return found


def keys_name(feature: Feature) -> str:
    """What the feature's key is called: features of one name are asked under one key."""
    pairs = ", ".join(f"{mine} = {theirs}" for mine, theirs in feature.keys)
    return f"{feature.event} by {pairs or 'all'}"


def _ties(asked: KeyOrder, rows: int) -> Flags:
    """The rows that share key and time with another: they do not see each other."""
    tied = np.zeros(rows, np.bool_)
    same = (asked.key[1:] == asked.key[:-1]) & (asked.time_us[1:] == asked.time_us[:-1])
    tied[asked.rows[1:][same]] = True
    tied[asked.rows[:-1][same]] = True
    return tied


def _as_column(column: WindowColumn) -> IntegerColumn:
    if column.valid.all():
        return IntegerColumn(narrow(column.value))
    reasons = column.reason.astype(np.uint8)
    return IntegerColumn(narrow(column.value), column.valid, reasons, _REASON_NAMES)


_Span = tuple[int, Period | None, str]


def _span(feature: Feature) -> _Span:
    """What decides when contributions leave the feature's window."""
    return feature.window_us, feature.period, feature.zone


# --- one set of contributions ------------------------------------------------------------------


class _Group:
    """Features that share their contributions, with the contributions that may still be seen."""

    def __init__(self, feature: Feature, keys: _Keys, lists: Lists) -> None:
        self.event = feature.event
        self.keys = keys
        self.keys_name = keys_name(feature)
        self.delay_us = feature.delay_us
        self.where = feature.where
        self.labels = feature.labels
        self.lists = lists
        self.features: list[Feature] = []
        self._interners: dict[str, Interner] = {}
        self._held = _Contributions.none()

    def take(self, counted: Rows) -> None:
        """The contributions of these events."""
        if not counted.count:
            return
        codes = self.keys.of_counted(counted)
        enter_us, _ = times(counted.at_us, counted.received_us, 0, self.delay_us)
        new = [
            self._understood(counted, known, codes, enter_us)
            for known in label_combinations(self.labels)
        ]
        self._held = _Contributions.joined([self._held, *new])

    def _understood(
        self, counted: Rows, known: frozenset[str], codes: Int64s, enter_us: Int64s
    ) -> _Contributions:
        """What the events contribute while exactly the labels in `known` are known as true."""
        until_us = np.full(counted.count, NEVER_US)
        for label in self.labels:
            reported = counted.reported_us.get(label, np.full(counted.count, NEVER_US))
            if label in known:
                enter_us = np.maximum(enter_us, reported)
            else:
                until_us = np.minimum(until_us, reported)
        batch = _batch(counted, self.labels, known, self.lists)
        kept = (codes >= 0) & (enter_us < until_us)
        if self.where is not None:
            kept &= evaluate_condition(self.where, batch)[0]
        operands = {
            feature.name: self._operand(feature, batch, kept)
            for feature in self.features
            if feature.operand is not None
        }
        return _Contributions(
            codes[kept], enter_us[kept], counted.at_us[kept], until_us[kept], operands
        )

    def _operand(self, feature: Feature, batch: Batch, kept: Flags) -> Operands:
        assert feature.operand is not None
        column = evaluate_expression(feature.operand, batch)
        if isinstance(column, CodedColumn):
            interner = self._interners.setdefault(feature.name, Interner())
            codes = interner.of_coded(column, grows=_is_input(feature.operand))[kept]
            return Operands(np.maximum(codes, 0), codes >= 0)
        valid = np.ones(len(kept), np.bool_) if column.valid is None else column.valid
        return Operands(column.values.astype(np.int64)[kept], valid[kept])

    def answer(self, asked: KeyOrder) -> Iterable[tuple[str, WindowColumn]]:
        """Every feature of the group for these decisions."""
        held = self._held
        joined = join(sort_by_key(held.key, held.enter_us), asked)
        windows: dict[_Span, Window] = {}
        for feature in self.features:
            span = _span(feature)
            if span not in windows:
                windows[span] = window(joined, self._leave_us(*span))
            operands = held.operands.get(feature.name)
            aggregate = aggregate_named(feature)
            if operands is None and aggregate is not Aggregate.COUNT:
                operands = Operands(np.empty(0, np.int64))
            yield feature.name, measure(aggregate, windows[span], operands)

    def forget(self, next_us: int) -> None:
        """Let go of what no decision at or after `next_us` can see."""
        longest_us = max(feature.window_us for feature in self.features)
        self._held = self._held.filter(self._leave_us(longest_us) >= next_us)

    def _leave_us(self, window_us: int, period: Period | None = None, zone: str = "") -> Int64s:
        at_us = self._held.at_us
        if period is not None:
            at_us, window_us = period_ends_us(at_us, period, zone) - 1, 0
        _, leave_us = times(at_us, None, window_us, self.delay_us)
        return np.minimum(leave_us, self._held.until_us)


@dataclass(frozen=True, eq=False)
class _Contributions:
    """Contributions in no order: they leave a window with their events, at `until_us` at last."""

    key: Int64s
    enter_us: Int64s
    at_us: Int64s
    until_us: Int64s
    operands: Mapping[str, Operands]

    @staticmethod
    def none() -> _Contributions:
        nothing = np.empty(0, np.int64)
        return _Contributions(nothing, nothing, nothing, nothing, {})

    @staticmethod
    def joined(parts: list[_Contributions]) -> _Contributions:
        parts = [part for part in parts if len(part.key)] or parts[:1]
        if len(parts) == 1:
            return parts[0]
        return _Contributions(
            np.concatenate([part.key for part in parts]),
            np.concatenate([part.enter_us for part in parts]),
            np.concatenate([part.at_us for part in parts]),
            np.concatenate([part.until_us for part in parts]),
            {
                name: Operands(
                    np.concatenate([part.operands[name].values for part in parts]),
                    np.concatenate([_valid(part.operands[name]) for part in parts]),
                )
                for name in parts[0].operands
            },
        )

    def filter(self, kept: Flags) -> _Contributions:
        if kept.all():
            return self
        return _Contributions(
            self.key[kept],
            self.enter_us[kept],
            self.at_us[kept],
            self.until_us[kept],
            {
                name: Operands(operands.values[kept], _valid(operands)[kept])
                for name, operands in self.operands.items()
            },
        )


def _valid(operands: Operands) -> Flags:
    return np.ones(len(operands.values), np.bool_) if operands.valid is None else operands.valid


def _batch(counted: Rows, labels: tuple[str, ...], known: frozenset[str], lists: Lists) -> Batch:
    told = {
        label: IntegerColumn(np.full(counted.count, label in known, np.int8)) for label in labels
    }
    return Batch(counted.count, {**counted.columns, **told}, lists)


def _is_input(expression: Expression) -> bool:
    while isinstance(expression, LetRef):
        expression = expression.body
    return isinstance(expression, Input)


# --- keys as codes -----------------------------------------------------------------------------


@dataclass(slots=True)
class Interner:
    """One code for each value, the same in every slice and for every column that is given."""

    known: dict[Value | tuple[int, int], int] = field(default_factory=dict)
    _tables: dict[int, Int64s] = field(default_factory=dict)

    def of(self, column: Column, side: int = 0) -> Int64s:
        """The rows' codes, -1 where missing. A coded column's dictionary grows with each slice."""
        if isinstance(column, CodedColumn):
            return self.of_coded(column, grows=True, side=side)
        values, places = np.unique(column.values, return_inverse=True)
        codes = np.array([self._code(value) for value in values.tolist()], np.int64)[places]
        return codes if column.valid is None else np.where(column.valid, codes, -1)

    def of_coded(self, column: CodedColumn, *, grows: bool, side: int = 0) -> Int64s:
        """The same for texts; `grows`: the dictionary begins with that of the slice before."""
        table = self._tables.get(side, np.empty(0, np.int64)) if grows else np.empty(0, np.int64)
        new = [self._code(value) for value in column.dictionary[len(table) :]]
        table = np.concatenate((table, np.array(new, np.int64)))
        self._tables[side] = table
        return np.append(table, -1)[column.codes.astype(np.int64)]

    def of_pairs(self, left: Int64s, right: Int64s) -> Int64s:
        """The codes of pairs of codes; -1 where either is."""
        pairs, places = np.unique(np.stack((left, right)), axis=1, return_inverse=True)
        codes = [-1 if min(pair) < 0 else self._code(tuple(pair)) for pair in pairs.T.tolist()]
        return np.array(codes, np.int64)[places.ravel()]

    def _code(self, value: Value | tuple[int, int]) -> int:
        return self.known.setdefault(value, len(self.known))


class _Keys:
    """The codes of the keys that pair fields of decisions with fields of counted events."""

    def __init__(self, fields: tuple[tuple[str, str], ...]) -> None:
        self.fields = fields
        self._values = tuple(Interner() for _ in fields)
        self._pairs = tuple(Interner() for _ in fields)

    def of_decisions(self, rows: Rows) -> Int64s:
        """One code a row, -1 where a key is missing."""
        return self._codes(rows, [mine for mine, _ in self.fields], side=0)

    def of_counted(self, rows: Rows) -> Int64s:
        """The same for counted events."""
        return self._codes(rows, [theirs for _, theirs in self.fields], side=1)

    def _codes(self, rows: Rows, names: list[str], side: int) -> Int64s:
        codes = np.zeros(rows.count, np.int64)
        for place, name in enumerate(names):
            one = self._values[place].of(rows.columns[name], side)
            codes = one if place == 0 else self._pairs[place].of_pairs(codes, one)
        return codes
