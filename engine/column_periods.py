"""Ends of days, weeks, months and years on columns: `dsl.periods`, asked once a day that occurs."""

from __future__ import annotations

import numpy as np

from tidegate.dsl.periods import ends_near
from tidegate.dsl.program import Period
from tidegate.dsl.zones import DAY_US
from tidegate.engine.column_calendar import offset_us
from tidegate.engine.functions import zone_named
from tidegate.engine.window_runs import Int64s


def period_ends_us(times_us: Int64s, period: Period, zone_name: str) -> Int64s:
    """The first instant after the period in which each time lies."""
    if not len(times_us):
        return times_us
    zone = zone_named(zone_name)
    days, place = np.unique((times_us + offset_us(times_us, zone)) // DAY_US, return_inverse=True)
    spans = [ends_near(day, period, zone) for day in days.tolist()]
    next_start_us, end_us, later_us = np.array(spans, np.int64).T
    ends: Int64s = np.where(times_us < next_start_us[place], end_us[place], later_us[place])
    return ends
