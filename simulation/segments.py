"""Both revisions by segment: payments with one value of a field that has few of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from tidegate.dsl.types import Kind
from tidegate.engine.column_batch import CodedColumn, Column
from tidegate.engine.decision import Policy
from tidegate.simulation.comparison import LevelChange, RateChange, Segment, Transition
from tidegate.simulation.mapping import WORDS
from tidegate.simulation.measures import (
    NOTHING,
    Classed,
    Small,
    added,
    classed,
    detection,
    measured,
    total,
)
from tidegate.simulation.paired import rate_change
from tidegate.simulation.snapshot_parts import fields_kept
from tidegate.simulation.summary import LEVELS, class_volumes
from tidegate.simulation.times import Int64s

MOST_VALUES = 12
"""Of one field; rarer values stand together."""
MISSING = ""
_KINDS = (Kind.FLAG, Kind.COUNTRY, Kind.WORD)
_WORDS = len(WORDS)

Pairs = dict[tuple[int, int], Classed]
"""By outcome before and after."""


def segment_fields(old: Policy, new: Policy, event: str) -> tuple[str, ...]:
    """The fields that both read and whose values are few."""
    was, now = old.program.event(event), new.program.event(event)
    before = {f.name: f for f in was.fields if f.name in fields_kept(old, was)}
    return tuple(
        f.name
        for f in now.fields
        if f.type.kind in _KINDS and f.name in fields_kept(new, now) and before.get(f.name) == f
    )


@dataclass(slots=True)
class SegmentTally:
    """By field and value, the rows by outcome before and after."""

    fields: tuple[str, ...]
    found: dict[tuple[str, str], Pairs] = field(default_factory=dict)

    def add(
        self,
        columns: Mapping[str, Column],
        words: tuple[Small, Small],
        classes: Small,
        money: Int64s,
    ) -> None:
        """Rows with their outcomes before and after, their classes and their money."""
        pairs = words[0].astype(np.int64) * _WORDS + words[1]
        for name in self.fields:
            codes, values = _coded(columns[name])
            size = _WORDS * _WORDS
            counts = classed(codes * size + pairs, len(values) * size, classes, money)
            for place, volumes in enumerate(counts):
                if measured(volumes).count:
                    value, pair = divmod(place, size)
                    known = self.found.setdefault((name, values[value]), {})
                    at = divmod(pair, _WORDS)
                    known[at] = added(known.get(at, NOTHING), volumes)

    def segments(self) -> tuple[Segment, ...]:
        """The segments of each field, the largest first, then the rarer values together."""
        return tuple(segment for name in self.fields for segment in self._of(name))

    def _of(self, name: str) -> Iterator[Segment]:
        known = {value: pairs for (of, value), pairs in self.found.items() if of == name}
        order = sorted(known, key=lambda value: (-rows_of(known[value]), value))
        for value in order[:MOST_VALUES]:
            yield _segment(name, value, known[value])
        if rest := order[MOST_VALUES:]:
            others: Pairs = {}
            for value in rest:
                for pair, volumes in known[value].items():
                    others[pair] = added(others.get(pair, NOTHING), volumes)
            yield _segment(name, None, others)


def _coded(column: Column) -> tuple[Int64s, list[str]]:
    """A code for each row, and what the codes stand for."""
    if isinstance(column, CodedColumn):
        values = [*map(str, column.dictionary), MISSING]
        codes = column.codes.astype(np.int64)
        return np.where(codes < 0, len(values) - 1, codes), values
    flags = column.values.astype(np.int64)
    if column.valid is not None:
        flags = np.where(column.valid, flags, 2)
    return flags, ["false", "true", MISSING]


# --- what pairs say ----------------------------------------------------------------------------


def rows_of(pairs: Pairs) -> int:
    """How many measured rows there are."""
    return sum(measured(volumes).count for volumes in pairs.values())


def transitions_of(pairs: Pairs) -> tuple[Transition, ...]:
    """Every pair of outcomes that occurs outside the warm-up."""
    return tuple(
        Transition(WORDS[before], WORDS[after], measured(volumes), class_volumes(volumes))
        for (before, after), volumes in sorted(pairs.items())
        if measured(volumes).count
    )


def rates_of(pairs: Pairs) -> Iterator[RateChange]:
    """The share of each outcome, before and after."""
    cells = {pair: measured(volumes).count for pair, volumes in pairs.items()}
    of = sum(cells.values())
    for place, word in enumerate(WORDS):
        before = sum(count for (was, _), count in cells.items() if was == place)
        after = sum(count for (_, now), count in cells.items() if now == place)
        yield rate_change(word, before, after, before - cells.get((place, place), 0), of)


def levels_of(pairs: Pairs) -> Iterator[LevelChange]:
    """How well fraud is found, before and after."""
    everything = _together(pairs.values())
    for name, places in LEVELS:
        was = _together(volumes for (before, _), volumes in pairs.items() if before in places)
        now = _together(volumes for (_, after), volumes in pairs.items() if after in places)
        words = tuple(WORDS[place] for place in places)
        found = detection(was, everything), detection(now, everything)
        yield LevelChange(name, words, *found)


def _together(classes: Iterable[Classed]) -> Classed:
    result = NOTHING
    for one in classes:
        result = added(result, one)
    return result


def _segment(name: str, value: str | None, pairs: Pairs) -> Segment:
    transitions = transitions_of(pairs)
    return Segment(
        field=name,
        value=value,
        measured=total(t.all for t in transitions),
        flipped=total(t.all for t in transitions if t.before != t.after),
        transitions=transitions,
        rates=tuple(rates_of(pairs)),
        levels=tuple(levels_of(pairs)),
    )
