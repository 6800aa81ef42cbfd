"""Whether a model's outcomes fall alike on the segments of a field, beside how much fraud each has.

A segment that is stopped twice as often because it holds twice the fraud is shown and no alarm;
one that is stopped twice as often at equal fraud is. Each is held against all others together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tidegate.engine.column_batch import Column
from tidegate.models.discoveries import discoveries
from tidegate.models.proportions import Difference, difference, log_ratio
from tidegate.rules.gate import Segments
from tidegate.simulation.measures import FRAUD, GOOD, MILLION, Small, rate
from tidegate.simulation.monitoring_result import SegmentParity
from tidegate.simulation.segments import places_of
from tidegate.simulation.times import Flags

FEWEST_ROWS = 100
"""Of a smaller segment nothing is said."""
MOST_SEGMENTS = 20
"""So many of a field are shown, the largest first; all others count as `others`."""
FOUR_FIFTHS = 0.8
"""An outcome that falls on a segment less than 1/0.8 as often as on others is no alarm."""
THE_REST = "others"
Hits = tuple[int, int]


class SegmentCounts:
    """Counts of one field's segments: rows, matured labels, frauds, and each outcome."""

    def __init__(self, by: Segments, outcomes: Sequence[str], currency: str = "") -> None:
        self.by = by
        self._currency = currency
        self.outcomes = tuple(outcomes)
        self._counts: dict[str, npt.NDArray[np.int64]] = {}

    def add(self, column: Column, rows: Flags, classes: Small, found: dict[str, Flags]) -> None:
        """The rows of a batch; `found` has the rows of each outcome."""
        places, names = places_of(self.by, column, self._currency)
        size = len(names)
        matured = rows & ((classes == FRAUD) | (classes == GOOD))
        flags = [rows, matured, rows & (classes == FRAUD)]
        flags += [rows & found[name] for name in self.outcomes]
        counts = np.stack([np.bincount(places[f], minlength=size) for f in flags])
        for place in np.flatnonzero(counts[0]).tolist():
            held = self._counts.setdefault(names[place], np.zeros(len(flags), np.int64))
            held += counts[:, place]

    def parity(self, level: float) -> tuple[SegmentParity, ...]:
        """Every segment and outcome; `level` bounds the share of false alarms."""
        shown = self._shown()
        if len(shown) < 2:
            return ()
        every = np.sum([*shown.values()], axis=0)
        found, chances = [], []
        for name, counts in shown.items():
            if counts[0] >= FEWEST_ROWS and (every - counts)[0] >= FEWEST_ROWS:
                for one, chance in self._segment(name, counts, every - counts):
                    found.append(one)
                    chances.append(chance)
        stand = discoveries(chances, level)
        return tuple(
            replace(one, alarm=one.alarm and stands)
            for one, stands in zip(found, stand, strict=True)
        )

    def _shown(self) -> dict[str, npt.NDArray[np.int64]]:
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1][0], item[0]))
        shown = dict(ranked[:MOST_SEGMENTS])
        if rest := [counts for _, counts in ranked[MOST_SEGMENTS:]]:
            shown[THE_REST] = np.sum(rest, axis=0)
        return shown

    def _segment(
        self, name: str, mine: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64]
    ) -> Iterator[tuple[SegmentParity, float]]:
        fraud = (int(theirs[2]), int(theirs[1])), (int(mine[2]), int(mine[1]))
        for place, what in enumerate(self.outcomes, start=3):
            hits = (int(theirs[place]), int(theirs[0])), (int(mine[place]), int(mine[0]))
            moved = difference(*hits)
            assert moved is not None
            if not hits[0][0] and not hits[1][0]:
                continue
            yield self._parity(name, what, hits, fraud, moved), moved.chance

    def _parity(
        self,
        name: str,
        what: str,
        hits: tuple[Hits, Hits],
        fraud: tuple[Hits, Hits],
        moved: Difference,
    ) -> SegmentParity:
        ratio = log_ratio(*hits)
        known = fraud[0][1] > 0 and fraud[1][1] > 0
        base = log_ratio(*fraud) if known else None
        excess = ratio if base is None else ratio.minus(base)
        unlike = ratio.ratio > 1 / FOUR_FIFTHS and excess.low > 1
        return SegmentParity(
            field=self.by.field,
            value=name,
            what=what,
            rate=rate(*hits[1]),
            others=rate(*hits[0]),
            low=round(MILLION * moved.low),
            high=round(MILLION * moved.high),
            ratio=round(MILLION * ratio.ratio),
            ratio_low=round(MILLION * ratio.low),
            ratio_high=round(MILLION * ratio.high),
            four_fifths=_four_fifths(*hits),
            fraud=rate(*fraud[1]),
            others_fraud=rate(*fraud[0]),
            fraud_ratio=None if base is None else round(MILLION * base.ratio),
            excess_low=None if base is None else round(MILLION * excess.low),
            chance=round(MILLION * moved.chance),
            alarm=unlike,
        )


def _four_fifths(first: Hits, second: Hits) -> int | None:
    """The share that is left alone in one over that in the other, whichever is lower."""
    left = [1 - hits / of for hits, of in (first, second)]
    return round(MILLION * min(left) / max(left)) if max(left) > 0 else None
