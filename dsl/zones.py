"""Time zones as tables, read once from the pinned `tzdata` package.

The system's own zone files are never read: two machines would decide differently.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

import tzdata

from tidegate.dsl.types import CLOCK_MAX_US

SECOND_US = 10**6
DAY_US = 86_400 * SECOND_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONE_DATA_VERSION: str = tzdata.IANA_VERSION


@dataclass(frozen=True, slots=True)
class Zone:
    """Offsets from UTC: `offsets_us[i]` holds from `starts_us[i]` until the next start."""

    name: str
    starts_us: tuple[int, ...]
    offsets_us: tuple[int, ...]

    def offset_us(self, time_us: int) -> int:
        """What to add to the instant `time_us` to read the local clock."""
        return self.offsets_us[max(bisect_right(self.starts_us, time_us) - 1, 0)]

    def day_start_us(self, local_day: int) -> int:
        """The first instant of the local day that is `local_day` days after 1970-01-01."""
        local_us = local_day * DAY_US
        # Midnight may not exist (a spring gap) or exist twice; the first instant whose local clock
        # reads this day is the smallest candidate that does.
        candidates = {local_us - offset for offset in self.offsets_us} | set(self.starts_us)
        near = sorted(c for c in candidates if abs(c - local_us) <= 2 * DAY_US)
        for candidate in near:
            if (candidate + self.offset_us(candidate)) // DAY_US == local_day:
                return candidate
        return local_us - self.offset_us(local_us)


@lru_cache(maxsize=64)
def load_zone(name: str) -> Zone | None:
    """The table of zone `name` from 1970 to 2100, or None where the package has no such zone."""
    parts = name.split("/")
    if not all(
        part and part.replace("_", "").replace("-", "").replace("+", "").isalnum() for part in parts
    ):
        return None
    file = resources.files("tzdata").joinpath("zoneinfo", *parts)
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        info = ZoneInfo.from_file(stream, key=name)
    return Zone(name, *_table(info))


def _table(info: ZoneInfo) -> tuple[tuple[int, ...], tuple[int, ...]]:
    starts, offsets = [0], [_offset_us(info, 0)]
    # No zone has ever kept an offset for less than a week and gone back: the tests compare with
    # daily samples.
    step = 7 * DAY_US
    for time_us in range(step, CLOCK_MAX_US + step, step):
        offset = _offset_us(info, time_us)
        if offset != offsets[-1]:
            starts.append(_change(info, time_us - step, time_us, offsets[-1]))
            offsets.append(offset)
    return tuple(starts), tuple(offsets)


def _change(info: ZoneInfo, low_us: int, high_us: int, before: int) -> int:
    """The first whole second in (low, high] at which the offset is no longer `before`."""
    low, high = low_us // SECOND_US, high_us // SECOND_US
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_us(info, middle * SECOND_US) == before:
            low = middle
        else:
            high = middle
    return high * SECOND_US


def _offset_us(info: ZoneInfo, time_us: int) -> int:
    moment = (_EPOCH + timedelta(microseconds=time_us)).astimezone(info)
    offset = moment.utcoffset()
    return 0 if offset is None else offset // timedelta(microseconds=1)
