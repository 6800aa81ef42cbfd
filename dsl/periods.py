"""Days, weeks, months and years of a zone's calendar: where they end, whatever its clocks do.

A period begins at the first instant of its first day. An instant belongs to the period that began
last: where a clock is put back over midnight, the hour that comes twice is the new day's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Final

from tidegate.dsl.program import Period
from tidegate.dsl.zones import DAY_US, Zone, load_zone

REACH_US: Final[Mapping[Period, int]] = {
    "day": 2 * DAY_US,
    "week": 9 * DAY_US,
    "month": 33 * DAY_US,
    "year": 368 * DAY_US,
}
"""Longer than any of them: clocks that are put back make a day longer, never by a whole day."""
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()


def period_end_us(time_us: int, period: Period, zone: Zone) -> int:
    """The first instant after the period in which `time_us` lies."""
    local_day = (time_us + zone.offset_us(time_us)) // DAY_US
    next_start_us, end_us, later_us = ends_near(local_day, period, zone)
    return end_us if time_us < next_start_us else later_us


def ends_near(day: int, period: Period, zone: Zone) -> tuple[int, int, int]:
    """When the day after `day` begins, and when the periods of `day` and of that one end.

    Where the local clock reads `day`, one of the two is the end that is meant: the second from the
    first instant of the next day on.
    """
    return _ends_near(day, period, zone.name)


@lru_cache(maxsize=8192)
def _ends_near(day: int, period: Period, name: str) -> tuple[int, int, int]:
    zone = load_zone(name)
    assert zone is not None  # it was loaded before
    ends = [zone.day_start_us(first_day_after(one, period)) for one in (day, day + 1)]
    return zone.day_start_us(day + 1), ends[0], ends[1]


def first_day_after(day: int, period: Period) -> int:
    """The first day of the period after the one that holds `day`."""
    if period == "day":
        return day + 1
    if period == "week":
        return day + 7 - (day + 3) % 7  # 1970-01-01 was a Thursday
    at = date.fromordinal(_EPOCH_ORDINAL + day)
    if period == "month" and at.month < 12:
        return date(at.year, at.month + 1, 1).toordinal() - _EPOCH_ORDINAL
    return date(at.year + 1, 1, 1).toordinal() - _EPOCH_ORDINAL
