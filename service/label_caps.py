"""How many labels one source may report in an hour before they are kept apart.

Labels teach models and switch features: whoever can send many of them quickly can poison both. What
is beyond the cap is recorded and acknowledged, but counts only once a person has let it in.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

_MINUTE_US = 60 * 10**6
_MINUTES = 60


@dataclass(slots=True)
class _Counts:
    """Labels by minute; `told` is the minute in which somebody was last told."""

    minutes: dict[int, int] = field(default_factory=dict)
    told: int = -_MINUTES


class LabelCaps:
    """Counts of the last hour by source, since the start of the process. At most `most` sources."""

    def __init__(self, an_hour: int, most: int = 100_000) -> None:
        self._an_hour = an_hour
        self._most = most
        self._sources: OrderedDict[str, _Counts] = OrderedDict()

    def take(self, source: str, labels: int, now_us: int) -> bool:
        """Whether so many more labels of this source may count."""
        counts, minute = self._of(source), now_us // _MINUTE_US
        counts.minutes = {m: n for m, n in counts.minutes.items() if m > minute - _MINUTES}
        if sum(counts.minutes.values()) + labels > self._an_hour:
            return False
        counts.minutes[minute] = counts.minutes.get(minute, 0) + labels
        return True

    def is_new(self, source: str, now_us: int) -> bool:
        """Whether nobody was told of this source in the last hour; asked when it is told."""
        counts, minute = self._of(source), now_us // _MINUTE_US
        if minute - counts.told < _MINUTES:
            return False
        counts.told = minute
        return True

    def _of(self, source: str) -> _Counts:
        counts = self._sources.setdefault(source, _Counts())
        self._sources.move_to_end(source)
        while len(self._sources) > self._most:
            self._sources.popitem(last=False)
        return counts
