"""Days, weeks, months and years of zones, against local dates counted minute by minute."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from tests.dsl.test_zones import EPOCH, library
from tidegate.dsl.periods import REACH_US, period_end_us
from tidegate.dsl.program import Period
from tidegate.dsl.zones import Zone, load_zone
from tidegate.engine.column_periods import period_ends_us

MINUTE = timedelta(minutes=1)
SPANS = [
    ("Europe/Paris", datetime(2026, 3, 25, tzinfo=UTC), 10),
    ("Europe/Paris", datetime(2026, 10, 20, tzinfo=UTC), 15),
    ("America/New_York", datetime(2026, 10, 27, tzinfo=UTC), 10),
    ("America/St_Johns", datetime(2009, 10, 28, tzinfo=UTC), 8),  # back at 00:01: an hour twice
    ("America/Havana", datetime(2026, 3, 3, tzinfo=UTC), 9),  # forward at midnight: none
    ("America/Sao_Paulo", datetime(2018, 10, 31, tzinfo=UTC), 8),
    ("Pacific/Apia", datetime(2011, 12, 26, tzinfo=UTC), 10),  # a day that never was
    ("Australia/Lord_Howe", datetime(2026, 3, 30, tzinfo=UTC), 10),
    ("Asia/Kathmandu", datetime(2025, 12, 28, tzinfo=UTC), 8),
]
PERIODS: tuple[Period, ...] = ("day", "week", "month", "year")


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def begun(name: str, first: datetime, days: int, period: Period) -> list[int]:
    """When periods begin in these days: wherever the furthest date so far opens a new one."""
    info, furthest, found = library(name), date.min, []
    for step in range(days * 1440):
        moment = first + step * MINUTE
        local = moment.astimezone(info).date()
        if local > furthest:
            if furthest > date.min and opens(period, furthest, local):
                found.append(micros(moment))
            furthest = local
    return found


def opens(period: Period, before: date, local: date) -> bool:
    """Whether these two dates lie in different periods."""
    match period:
        case "day":
            return True
        case "week":
            return before.isocalendar()[:2] != local.isocalendar()[:2]
        case "month":
            return (before.year, before.month) != (local.year, local.month)
        case _:
            return before.year != local.year


def zone_of(name: str) -> Zone:
    """The table of a zone that exists."""
    zone = load_zone(name)
    assert zone is not None
    return zone


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize(("name", "first", "days"), SPANS)
def test_a_period_ends_where_the_date_says(
    name: str, first: datetime, days: int, period: Period
) -> None:
    """A limit for a day would begin an hour early or late when the clocks change."""
    starts = begun(name, first, days, period)
    rng = Random(f"{name}{period}")
    edges = [start + step for start in starts for step in (-1, 0, 1)]
    low, high = micros(first), starts[-1] - 1 if starts else 0
    times = [t for t in edges if low <= t <= high]
    times += [rng.randint(low, high) for _ in range(300 if low < high else 0)]

    ends = [period_end_us(time_us, period, zone_of(name)) for time_us in times]

    assert ends == [starts[bisect_right(starts, time_us)] for time_us in times]
    assert period_ends_us(np.array(times, np.int64), period, name).tolist() == ends


@pytest.mark.parametrize("period", PERIODS)
def test_no_period_is_longer_than_it_is_taken_for(period: Period) -> None:
    """Events would be forgotten while a decision can still see them."""
    for name in sorted({name for name, _, _ in SPANS}):
        zone = zone_of(name)
        ends, time_us = [0], 0
        while time_us < 200 * 365 * 86_400 * 10**6 and len(ends) < 3_000:
            time_us = period_end_us(time_us, period, zone)
            ends.append(time_us)
        assert max(later - one for one, later in pairwise(ends)) < REACH_US[period]
