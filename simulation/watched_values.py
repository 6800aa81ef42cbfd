"""What an input's values were and are, counted in bins that the reference has settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tidegate.dsl.types import Kind, Type, Value
from tidegate.engine.column_batch import CodedColumn, Column, IntegerColumn, Integers
from tidegate.engine.values import format_value
from tidegate.models.population_shift import EPSILON, quantile_cuts, shift_of
from tidegate.models.reference import Distribution, count_bins
from tidegate.simulation.measures import MILLION
from tidegate.simulation.monitoring_result import Bar, InputShift, Origin
from tidegate.simulation.times import Flags

CATEGORIES = 20
"""As many texts have bins of their own; the others share one."""
MISSING, OTHERS = "missing", "others"
Bins = tuple[list[str], list[int], list[int]]
"""Of each bin its name, and how many rows it had and has."""


class WatchedNumbers:
    """Integers or flags. The bins are those of training, or tenths of what came first."""

    def __init__(self, name: Callable[[int], str], trained: Distribution | None = None) -> None:
        self._name = name
        self._trained = trained
        self._before: list[Integers] = []
        self._now: list[Integers] = []
        self._missing = [0, 0]

    def add(self, column: Column, rows: Flags, *, now: bool) -> None:
        """Some rows of a batch, of the reference or of the watched time."""
        assert isinstance(column, IntegerColumn)
        there = rows if column.valid is None else rows & column.valid
        self._missing[now] += int(rows.sum()) - int(there.sum())
        if now or self._trained is None:
            (self._now if now else self._before).append(column.values[there])

    def bins(self) -> Bins:
        """What was counted."""
        if self._trained is not None:
            cuts = self._trained.edges
            before = [*self._trained.counts, self._trained.missing]
        else:
            values = joined(self._before)
            cuts = quantile_cuts(values)
            before = [*count_bins(cuts, values), self._missing[0]]
        now = [*count_bins(cuts, joined(self._now)), self._missing[1]]
        return [*between(cuts, self._name), MISSING], before, now


def between(cuts: Sequence[int], name: Callable[[int], str]) -> list[str]:
    """What the bins between cuts are called."""
    if not cuts:
        return ["any value"]
    inner = [
        name(low) if high == low + 1 else f"{name(low)} to below {name(high)}"
        for low, high in pairwise(cuts)
    ]
    return [f"below {name(cuts[0])}", *inner, f"{name(cuts[-1])} and more"]


def joined(parts: Sequence[Integers]) -> npt.NDArray[np.int64]:
    """All parts as one, as wide as they may be."""
    return np.concatenate([np.empty(0, np.int64), *parts]).astype(np.int64)


class WatchedTexts:
    """Texts, countries or words. The bins are those of training, or what came most at first."""

    def __init__(self, trained: Distribution | None = None) -> None:
        self._trained = trained
        self._counts: tuple[Counter[Value | None], Counter[Value | None]] = Counter(), Counter()

    def add(self, column: Column, rows: Flags, *, now: bool) -> None:
        """Some rows of a batch, of the reference or of the watched time."""
        assert isinstance(column, CodedColumn)
        found = np.bincount(column.codes[rows].astype(np.int64) + 1)
        names = (None, *column.dictionary)
        for place in np.flatnonzero(found).tolist():
            self._counts[now][names[place]] += int(found[place])

    def bins(self) -> Bins:
        """What was counted."""
        before, now = self._counts
        if self._trained is not None:
            names: list[Value] = list(self._trained.categories)
            counts = [*self._trained.counts, self._trained.missing]
        else:
            ranked = sorted((n for n in before if n is not None), key=lambda n: (-before[n], n))
            names = ranked[:CATEGORIES]
            counts = _counted(before, names)
        return [*map(str, names), OTHERS, MISSING], counts, _counted(now, names)


def _counted(counts: Counter[Value | None], names: Sequence[Value]) -> list[int]:
    known = [counts[name] for name in names]
    return [*known, sum(counts.values()) - sum(known) - counts[None], counts[None]]


class WatchedInput:
    """One input of a model under watch."""

    def __init__(
        self, name: str, type_: Type, currency: str, trained: Distribution | None, epsilon: float
    ) -> None:
        self.name = name
        self.origin: Origin = "history" if trained is None else "training"
        self._epsilon = epsilon if trained is not None else EPSILON
        self._values: WatchedNumbers | WatchedTexts
        if type_.kind in _TEXTS:
            self._values = WatchedTexts(trained)
        else:
            self._values = WatchedNumbers(lambda v: _name(v, type_, currency), trained)

    def add(self, column: Column, before: Flags, now: Flags) -> None:
        """A batch; `before` and `now` are disjoint."""
        self._values.add(column, before, now=False)
        self._values.add(column, now, now=True)

    def shift(self, level: float) -> InputShift:
        """The shift, without saying yet whether it alarms."""
        names, before, now = self._values.bins()
        found = shift_of(before, now, level, self._epsilon)
        return InputShift(
            name=self.name,
            origin=self.origin,
            rows_before=sum(before),
            rows_now=sum(now),
            psi=None if found is None else round(MILLION * found.psi),
            critical=None if found is None else round(MILLION * found.critical),
            chance=None if found is None else round(MILLION * found.chance),
            bars=tuple(
                Bar(name, _share(b, before), _share(n, now))
                for name, b, n in zip(names, before, now, strict=True)
                if b or n
            ),
            alarm=False,
        )


_TEXTS = frozenset({Kind.TEXT, Kind.COUNTRY, Kind.WORD})
WATCHED = frozenset({*_TEXTS, Kind.FLAG, Kind.COUNT, Kind.NUMBER, Kind.MONEY, Kind.DURATION})
"""What can be watched: no token, address or time, for a shift of these says nothing."""


def _name(value: int, type_: Type, currency: str) -> str:
    if type_.kind is Kind.FLAG:
        return "true" if value else "false"
    return format_value(value, type_, currency)


def _share(count: int, counts: Sequence[int]) -> int:
    return round(MILLION * count / max(sum(counts), 1))
