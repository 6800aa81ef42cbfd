"""The functions of the language on plain values: one small function each.

The interpreter, the generated code and the dictionary evaluation of columns all call these. A
missing result is `None`; `MISSING_REASONS` says why. Arguments are never missing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import cast

from tidegate.dsl.patterns import matches
from tidegate.dsl.program import Function
from tidegate.dsl.shapes import lower, upper
from tidegate.dsl.types import INT64_MAX, TIME_MIN_US, Value
from tidegate.dsl.zones import DAY_US, SECOND_US, Zone, load_zone
from tidegate.engine.arithmetic import divide_half_even, fit_int64
from tidegate.engine.great_circle import distance

MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
NUMBER_DIGITS = 6
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

MISSING_REASONS: dict[Function, str] = {
    "abs": "overflow",
    "round": "overflow",
    "floor": "overflow",
    "ceiling": "overflow",
    "modulo": "division_by_zero",
    "distance": "out_of_range",
    "before": "not_found",
    "after": "not_found",
}
"""Why the result is missing, for each function that can miss."""


# --- the calendar ------------------------------------------------------------------------------


def hour(time_us: int, zone: Zone) -> int:
    """0 to 23 on the zone's clock."""
    return _local_us(time_us, zone) // HOUR_US % 24


def minute(time_us: int, zone: Zone) -> int:
    """0 to 59 on the zone's clock."""
    return _local_us(time_us, zone) // MINUTE_US % 60


def weekday(time_us: int, zone: Zone) -> int:
    """1 for Monday to 7 for Sunday."""
    # 1970-01-01 was a Thursday.
    return (_local_day(time_us, zone) + 3) % 7 + 1


def day(time_us: int, zone: Zone) -> int:
    """1 to 31."""
    return _date_of(_local_day(time_us, zone)).day


def month(time_us: int, zone: Zone) -> int:
    """1 to 12."""
    return _date_of(_local_day(time_us, zone)).month


def day_start_us(time_us: int, zone: Zone) -> int:
    """`date`: the first instant of the zone's day, never before the span of times begins."""
    return _day_start_us(zone.name, _local_day(time_us, zone))


def days_since(time_us: int, at_us: int) -> int:
    """Whole days from `time_us` to `at_us`; a part of a day ahead of `at_us` is -1."""
    return (at_us - time_us) // DAY_US


def _local_us(time_us: int, zone: Zone) -> int:
    return time_us + zone.offset_us(time_us)


def _local_day(time_us: int, zone: Zone) -> int:
    return _local_us(time_us, zone) // DAY_US


@lru_cache(maxsize=4096)
def _date_of(local_day: int) -> date:
    return date.fromordinal(_EPOCH_ORDINAL + local_day)


@lru_cache(maxsize=4096)
def _day_start_us(zone: str, local_day: int) -> int:
    return max(zone_named(zone).day_start_us(local_day), TIME_MIN_US)


def zone_named(name: str) -> Zone:
    """The zone of a checked program."""
    zone = load_zone(name)
    if zone is None:
        raise LookupError(f"no zone is called {name}")
    return zone


# --- numbers -----------------------------------------------------------------------------------


def absolute(value: int) -> int | None:
    """The distance from zero; missing for the smallest int64, whose distance cannot be held."""
    return None if -value > INT64_MAX else abs(value)


def round_number(scaled: int, places: int) -> int | None:
    """A number rounded half to even to `places` decimals; missing where that cannot be held."""
    step = 10 ** max(NUMBER_DIGITS - places, 0)
    return fit_int64(divide_half_even(scaled, step) * step)


def floor_number(scaled: int, places: int) -> int | None:
    """The greatest number with `places` decimals up to this one; missing where it is not held."""
    step = 10 ** max(NUMBER_DIGITS - places, 0)
    return fit_int64(scaled // step * step)


def ceiling_number(scaled: int, places: int) -> int | None:
    """The smallest number with `places` decimals from this one; missing where it is not held."""
    step = 10 ** max(NUMBER_DIGITS - places, 0)
    return fit_int64(-(-scaled // step) * step)


def modulo(value: int, divisor: int) -> int | None:
    """What is left of `value` beyond whole divisors, with the divisor's sign; missing for zero."""
    return value % divisor if divisor else None


# --- text --------------------------------------------------------------------------------------


def before(text: str, mark: str) -> str | None:
    """The part before the first `mark`; missing where there is none."""
    at = text.find(mark)
    return None if at < 0 else text[:at]


def after(text: str, mark: str) -> str | None:
    """The part after the first `mark`; missing where there is none."""
    at = text.find(mark)
    return None if at < 0 else text[at + len(mark) :]


def like(text: str, pattern: str) -> bool:
    """Whether `pattern` covers the whole text; `*` is any run, every other character itself."""
    first, *others = pattern.split("*")
    if not others:
        return text == pattern
    *middle, last = others
    if not text.startswith(first):
        return False
    start = len(first)
    for part in middle:
        found = text.find(part, start)
        if found < 0:
            return False
        start = found + len(part)
    return len(text) - len(last) >= start and text.endswith(last)


TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "starts with": str.startswith,
    "ends with": str.endswith,
    "contains": str.__contains__,
    "like": like,
    "matches": matches,
}
"""The tests of a text against a literal, by their spelling."""


# --- by name -----------------------------------------------------------------------------------

_CALENDAR: dict[str, Callable[[int, Zone], int]] = {
    "hour": hour,
    "minute": minute,
    "weekday": weekday,
    "day": day,
    "month": month,
    "date": day_start_us,
}
ROUNDINGS: dict[str, Callable[[int, int], int | None]] = {
    "round": round_number,
    "floor": floor_number,
    "ceiling": ceiling_number,
}
"""The functions that keep so many decimals of a number."""
_PLAIN: dict[str, Callable[..., Value | None]] = {
    "days_since": days_since,
    "abs": absolute,
    "min": min,
    "max": max,
    "modulo": modulo,
    "distance": distance,
    "length": len,
    "before": before,
    "after": after,
    "lower": lower,
    "upper": upper,
}


def call(
    function: Function, arguments: tuple[Value, ...], zone: str = "", places: int = 0
) -> Value | None:
    """The value of `function` on present arguments; None where it is missing."""
    if function in _CALENDAR:
        return _CALENDAR[function](cast(int, arguments[0]), zone_named(zone))
    if function in ROUNDINGS:
        return ROUNDINGS[function](cast(int, arguments[0]), places)
    return _PLAIN[function](*arguments)
