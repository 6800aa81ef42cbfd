"""The calendar on columns: local clocks by zone tables."""

from __future__ import annotations

import numpy as np

from tidegate.dsl.types import TIME_MAX_US, TIME_MIN_US
from tidegate.dsl.zones import DAY_US, Zone
from tidegate.engine.column_arithmetic import Vector
from tidegate.engine.column_batch import Integers, Wide
from tidegate.engine.functions import HOUR_US, MINUTE_US, day_start_us, zone_named

_SPANS: dict[str, tuple[int, int]] = {
    "hour": (0, 23),
    "minute": (0, 59),
    "weekday": (1, 7),
    "day": (1, 31),
    "month": (1, 12),
    "date": (TIME_MIN_US, TIME_MAX_US),
}
_FEW_CHANGES = 8


def read_calendar(function: str, times: Vector, zone_name: str) -> Vector:
    """`hour minute weekday day month date` of each time."""
    zone = zone_named(zone_name)
    local = _local_us(times, zone)
    values: Integers
    values = _date(times.wide, local, zone) if function == "date" else _part(function, local)
    return Vector(values, times.valid, *_SPANS[function], times.valid_bits)


def _local_us(times: Vector, zone: Zone) -> Wide:
    return times.wide + offset_us(times.wide, zone)


def offset_us(times: Wide, zone: Zone) -> Wide:
    """What each local clock adds; a run of rows rarely spans more than a few changes."""
    starts = np.array(zone.starts_us, np.int64)
    offsets = np.array(zone.offsets_us, np.int64)
    first = max(int(np.searchsorted(starts, times.min(), "right")) - 1, 0)
    last = max(int(np.searchsorted(starts, times.max(), "right")) - 1, 0)
    if last - first > _FEW_CHANGES:
        return offsets[np.maximum(np.searchsorted(starts, times, "right") - 1, 0)]
    offset = offsets[first : first + 1]
    for change in range(first + 1, last + 1):
        step = offsets[change] - offsets[change - 1]
        offset = offset + (times >= starts[change]) * step
    return offset


def _part(function: str, local: Wide) -> Integers:
    day = local // DAY_US
    match function:
        case "hour":
            return ((local - day * DAY_US) // HOUR_US).astype(np.int8)
        case "minute":
            minute = local // MINUTE_US
            return (minute - minute // 60 * 60).astype(np.int8)
        case "weekday":
            # 1970-01-01 was a Thursday.
            return ((day + 3) % 7 + 1).astype(np.int8)
        case "month":
            months: Wide = day.astype("M8[D]").astype("M8[M]").astype(np.int64)
            return (months % 12 + 1).astype(np.int8)
        case _:
            dates = day.astype("M8[D]")
            days: Wide = (dates - dates.astype("M8[M]")).astype(np.int64)
            return (days + 1).astype(np.int8)


def _date(times: Wide, local: Wide, zone: Zone) -> Wide:
    """The start of each local day, worked out once a day by the scalar function."""
    _, first, place = np.unique(local // DAY_US, return_index=True, return_inverse=True)
    starts = [day_start_us(int(times[row]), zone) for row in first.tolist()]
    return np.array(starts, np.int64)[place]
