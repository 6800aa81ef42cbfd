"""The contents of named lists, as an evaluation reads them."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from tidegate.dsl.types import Value


@dataclass(frozen=True)
class ListContent:
    """What a list holds: plain values, or for addresses closed ranges, sorted and disjoint."""

    values: frozenset[Value] = frozenset()
    ranges: tuple[tuple[int, int], ...] = ()

    def __contains__(self, value: object) -> bool:
        if value in self.values:
            return True
        if not self.ranges or not isinstance(value, int):
            return False
        index = bisect_right(self.ranges, (value, 1 << 129)) - 1
        return index >= 0 and self.ranges[index][0] <= value <= self.ranges[index][1]

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of the content in canonical order."""
        plain = sorted(self.values, key=lambda v: (type(v).__name__, v))
        text = json.dumps([plain, self.ranges], separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


Lists = Mapping[str, ListContent | None]
"""By list name; None is a managed list that cannot be read now (membership is unknown)."""


def of_ranges(ranges: Iterable[tuple[int, int]]) -> ListContent:
    """A list of address ranges, overlaps merged."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return ListContent(ranges=tuple(merged))
