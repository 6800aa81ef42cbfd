"""Columns of times: local clocks, counters since 1970 and texts become UTC microseconds.

A local time that the clock skipped is no time; of one that it showed twice the first is meant.
Zones come from the pinned tables of `tidegate.dsl.zones`, never from a data-frame library's own.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.dsl.types import CLOCK_MAX_US, CLOCK_MIN_US
from tidegate.dsl.zones import DAY_US, SECOND_US
from tidegate.engine.functions import zone_named

Int64s = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

UNIT_US = {"s": SECOND_US, "ms": 1000, "us": 1}
_TEXT = r"^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:[0-5]\d)(?:\.(\d{1,6})0*)?(Z|z|[+-]\d{2}:\d{2})?$"


def read_times(series: pl.Series, unit: str, zone: str) -> tuple[Int64s, Flags]:
    """Instants, and which of them could be read; a row that is null or unreadable holds 0.

    `unit` is what numbers count since 1970, `zone` the clock of times without an offset.
    """
    if isinstance(series.dtype, pl.Datetime):
        times, valid = _of_datetimes(series, zone)
    elif series.dtype == pl.Date:
        times, valid = _of_days(series, zone)
    elif series.dtype == pl.String and unit:
        times, valid = _of_counts(series.cast(pl.Int64, strict=False), unit)
    elif series.dtype.is_integer():
        times, valid = _of_counts(series, unit)
    else:
        times, valid = _of_texts(series, zone)
    valid = valid & (times >= CLOCK_MIN_US) & (times <= CLOCK_MAX_US)
    return np.where(valid, times, 0), valid


def _present(series: pl.Series) -> tuple[Int64s, Flags]:
    """The physical integers, 0 where null."""
    valid = series.is_not_null().to_numpy()
    return series.to_physical().cast(pl.Int64).fill_null(0).to_numpy(), valid


def _of_datetimes(series: pl.Series, zone: str) -> tuple[Int64s, Flags]:
    assert isinstance(series.dtype, pl.Datetime)
    held, valid = _present(series)
    if series.dtype.time_unit == "ns":
        whole: Flags = held % 1000 == 0
        held, valid = held // 1000, valid & whole
    elif series.dtype.time_unit == "ms":
        held, valid = _in_reach(held, valid, 1000)
    if series.dtype.time_zone is not None:
        return held, valid
    return _to_utc(held, valid, zone)


def _of_days(series: pl.Series, zone: str) -> tuple[Int64s, Flags]:
    days, valid = _present(series)
    distinct, places = np.unique(days, return_inverse=True)
    table = zone_named(zone)
    starts = [table.day_start_us(day) for day in np.clip(distinct, -1, 50_000).tolist()]
    return np.array(starts, np.int64)[places], valid


def _of_counts(series: pl.Series, unit: str) -> tuple[Int64s, Flags]:
    return _in_reach(*_present(series), UNIT_US[unit])


def _in_reach(held: Int64s, valid: Flags, factor: int) -> tuple[Int64s, Flags]:
    """Scaled up, where the result stays within the span of times."""
    valid = valid & (held >= 0) & (held <= CLOCK_MAX_US // factor)
    return np.where(valid, held, 0) * factor, valid


def _of_texts(series: pl.Series, zone: str) -> tuple[Int64s, Flags]:
    parts = series.to_frame("text").select(
        pl.col("text").str.extract(_TEXT, 1).alias("day"),
        pl.col("text").str.extract(_TEXT, 2).alias("clock"),
        pl.col("text").str.extract(_TEXT, 3).fill_null("0").alias("fraction"),
        pl.col("text").str.extract(_TEXT, 4).fill_null("").alias("offset"),
    )
    moments = parts.select(
        pl.concat_str("day", "clock", separator=" ").str.to_datetime(
            "%Y-%m-%d %H:%M:%S", time_unit="us", strict=False
        )
    ).to_series()
    local, valid = _present(moments)
    local = local + _integers(parts["fraction"].str.pad_end(6, "0"))
    offset = parts["offset"]
    utc, held = _to_utc(local, valid, zone) if zone else (local, np.zeros_like(valid))
    shift, sound = _offsets_us(offset)
    stated = (offset != "").to_numpy()
    return np.where(stated, local - shift, utc), np.where(stated, valid & sound, held)


def _offsets_us(offset: pl.Series) -> tuple[Int64s, Flags]:
    """What is to be taken away, and where it is an offset that can be."""
    hours = _integers(offset.str.extract(r"[+-](\d{2}):", 1))
    minutes = _integers(offset.str.extract(r":(\d{2})", 1))
    sign = np.where(offset.str.starts_with("-").to_numpy(), -1, 1)
    return sign * (hours * 60 + minutes) * (60 * SECOND_US), (hours <= 23) & (minutes <= 59)


def _integers(texts: pl.Series) -> Int64s:
    return texts.cast(pl.Int64).fill_null(0).to_numpy()


def _to_utc(local: Int64s, valid: Flags, zone: str) -> tuple[Int64s, Flags]:
    """No zone changes its clock twice within two days, so two offsets are all that may apply."""
    before, after = (_offsets_at(local + side, zone) for side in (-DAY_US, DAY_US))
    first, second = local - before, local - after
    first_holds = _offsets_at(first, zone) == before
    second_holds = _offsets_at(second, zone) == after
    return np.where(first_holds, first, second), valid & (first_holds | second_holds)


def _offsets_at(times_us: Int64s, zone: str) -> Int64s:
    starts, offsets = _table(zone)
    return offsets[np.maximum(np.searchsorted(starts, times_us, side="right") - 1, 0)]


@lru_cache(maxsize=64)
def _table(zone: str) -> tuple[Int64s, Int64s]:
    table = zone_named(zone)
    return np.array(table.starts_us, np.int64), np.array(table.offsets_us, np.int64)


def days_of(times_us: Int64s, zone: str) -> Int64s:
    """The local days of instants, counted from 1970-01-01."""
    return (times_us + _offsets_at(times_us, zone)) // DAY_US
