"""What two revisions say, apart for each value of a field: countries, channels, bands of amounts.

A segment is a part of the measured payments, by a field as the revision after reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise

import numpy as np

from tidegate.engine.column_batch import CodedColumn, Column, IntegerColumn
from tidegate.engine.values import format_money
from tidegate.rules.gate import Segments
from tidegate.simulation.comparison import LevelChange, Segment
from tidegate.simulation.mapping import WORDS
from tidegate.simulation.measures import (
    FRAUD,
    GOOD,
    NOTHING,
    Classed,
    Small,
    added,
    classed,
    detection,
    measured,
    total,
)
from tidegate.simulation.paired import rate_change, stopped_change
from tidegate.simulation.summary import LEVELS
from tidegate.simulation.times import Int64s

MISSING = "missing"
_WORDS = len(WORDS)
Cells = dict[tuple[int, int], Classed]


def places_of(by: Segments, column: Column, currency: str) -> tuple[Int64s, Sequence[str]]:
    """For each row the place of its segment's name, and the names."""
    if isinstance(column, CodedColumn):
        return column.codes.astype(np.int64) + 1, [MISSING, *map(str, column.dictionary)]
    values = column.values.astype(np.int64)
    if by.bands:
        places = np.searchsorted(np.array(by.bands), values, side="right") + 1
        return _missing_first(places, column), [MISSING, *_band_names(by, currency)]
    return _missing_first(values + 1, column), [MISSING, "false", "true"]


def _band_names(by: Segments, currency: str) -> Iterator[str]:
    edges = [format_money(edge, currency) for edge in by.bands]
    yield f"below {edges[0]}"
    for low, high in pairwise(edges):
        yield f"{low} to below {high}"
    yield f"{edges[-1]} and more"


@dataclass(slots=True)
class SegmentTally:
    """By value of one field: volumes by outcome before and after, and class."""

    by: Segments
    currency: str
    cells: dict[str, Cells] = field(default_factory=dict)

    def add(
        self, column: Column, words: tuple[Small, Small], classes: Small, money: Int64s
    ) -> None:
        """Rows by the field's column, their outcomes before and after, their classes and money."""
        places, names = places_of(self.by, column, self.currency)
        pair = words[0].astype(np.int64) * _WORDS + words[1]
        size = _WORDS * _WORDS
        used = np.unique(places)
        codes = np.searchsorted(used, places) * size + pair
        found = classed(codes, len(used) * size, classes, money)
        for number, place in enumerate(used.tolist()):
            cells = self.cells.setdefault(names[place], {})
            for code, volumes in enumerate(found[number * size : (number + 1) * size]):
                if any(volume.count for volume in volumes):
                    key = divmod(code, _WORDS)
                    cells[key] = added(cells.get(key, NOTHING), volumes)

    def segments(self) -> tuple[Segment, ...]:
        """The segments that have measured rows, the largest first."""
        found = (self._segment(value, cells) for value, cells in self.cells.items())
        kept = [segment for segment in found if segment.all.count]
        return tuple(sorted(kept, key=lambda segment: (-segment.all.count, segment.value)))

    def _segment(self, value: str, cells: Cells) -> Segment:
        counts = {pair: measured(volumes) for pair, volumes in cells.items()}
        every = total(counts.values())
        rates = []
        for place, word in enumerate(WORDS):
            before = sum(v.count for (was, _), v in counts.items() if was == place)
            after = sum(v.count for (_, now), v in counts.items() if now == place)
            both = counts[place, place].count if (place, place) in counts else 0
            rates.append(rate_change(word, before, after, before - both, every.count))
        return Segment(self.by.field, value, every, tuple(rates), tuple(_levels(cells)))


def _missing_first(places: Int64s, column: IntegerColumn) -> Int64s:
    return places if column.valid is None else np.where(column.valid, places, 0)


def _levels(cells: Cells) -> Iterator[LevelChange]:
    everything = _sum(cells.values())
    for name, places in LEVELS:
        caught = (
            _sum(volumes for pair, volumes in cells.items() if pair[side] in places)
            for side in (0, 1)
        )
        before, after = (detection(volumes, everything) for volumes in caught)
        words = tuple(WORDS[place] for place in places)
        recall, insults = (
            stopped_change(
                share, words,
                ((WORDS[was], WORDS[now], v[of].count) for (was, now), v in cells.items()),
            )
            for share, of in (("recall", FRAUD), ("insults", GOOD))
        )  # fmt: skip
        yield LevelChange(name, words, before, after, recall, insults)


def _sum(parts: Iterable[Classed]) -> Classed:
    return reduce(added, parts, NOTHING)
