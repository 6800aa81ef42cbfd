"""The language's functions on plain values."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidegate.dsl.program import Function
from tidegate.dsl.types import CLOCK_MAX_US, INT64_MAX, INT64_MIN, Value
from tidegate.dsl.zones import DAY_US, Zone
from tidegate.engine import functions
from tidegate.engine.functions import call, like, zone_named

PARIS = zone_named("Europe/Paris")
NEW_YORK = zone_named("America/New_York")


def us(text: str) -> int:
    """Microseconds of an ISO time."""
    return round(datetime.fromisoformat(text).timestamp()) * 10**6


@pytest.mark.parametrize(
    ("function", "time", "zone", "expected"),
    [
        ("hour", "2026-11-23T10:30:00+00:00", "Europe/Paris", 11),
        ("hour", "2026-07-23T10:30:00+00:00", "Europe/Paris", 12),
        ("hour", "2026-03-29T01:00:00+00:00", "Europe/Paris", 3),
        ("minute", "2026-11-23T10:30:00+00:00", "Asia/Kathmandu", 15),
        ("weekday", "2026-11-23T10:30:00+00:00", "UTC", 1),
        ("weekday", "2026-11-22T23:30:00+00:00", "UTC", 7),
        ("weekday", "2026-11-22T23:30:00+00:00", "Europe/Paris", 1),
        ("day", "2026-02-28T23:30:00+00:00", "Europe/Paris", 1),
        ("month", "2026-02-28T23:30:00+00:00", "Europe/Paris", 3),
        ("day", "2028-02-29T12:00:00+00:00", "UTC", 29),
        ("date", "2026-11-23T10:30:00+00:00", "Europe/Paris", us("2026-11-22T23:00:00+00:00")),
        ("hour", "1970-01-01T00:00:00+00:00", "America/New_York", 19),
        ("weekday", "1970-01-01T00:00:00+00:00", "America/New_York", 3),
        ("date", "1970-01-01T00:00:00+00:00", "America/New_York", us("1969-12-31T05:00:00+00:00")),
        ("date", "1900-01-01T00:00:00+00:00", "America/New_York", us("1900-01-01T00:00:00+00:00")),
    ],
)
def test_the_calendar_reads_the_zone(
    function: Function, time: str, zone: str, expected: int
) -> None:
    """A night rule would look at the wrong clock, or at yesterday's date."""
    assert call(function, (us(time),), zone) == expected


@given(st.integers(0, CLOCK_MAX_US), st.sampled_from([PARIS, NEW_YORK, zone_named("UTC")]))
@example(0, NEW_YORK)
@example(CLOCK_MAX_US, PARIS)
def test_the_calendar_is_that_of_the_standard_library(time_us: int, zone: Zone) -> None:
    """A leap year, a change of clocks or a time before 1970 on the local clock would be off."""
    local = datetime.fromtimestamp(time_us // 10**6, UTC).astimezone(ZoneInfo(zone.name))
    assert functions.hour(time_us, zone) == local.hour
    assert functions.minute(time_us, zone) == local.minute
    assert functions.weekday(time_us, zone) == local.isoweekday()
    assert functions.day(time_us, zone) == local.day
    assert functions.month(time_us, zone) == local.month
    start = local.replace(hour=0, minute=0, second=0)
    assert functions.day_start_us(time_us, zone) == round(start.timestamp()) * 10**6


@pytest.mark.parametrize(
    ("passed_us", "days"),
    [(0, 0), (DAY_US - 1, 0), (DAY_US, 1), (-1, -1), (-DAY_US, -1), (-DAY_US - 1, -2)],
)
def test_days_since_counts_whole_days(passed_us: int, days: int) -> None:
    """An account would be a day older than it is, or as new as one of tomorrow."""
    assert call("days_since", (10 * DAY_US, 10 * DAY_US + passed_us)) == days


@pytest.mark.parametrize(
    ("function", "arguments", "places", "expected"),
    [
        ("abs", (-5,), 0, 5),
        ("abs", (INT64_MAX,), 0, INT64_MAX),
        ("abs", (INT64_MIN,), 0, None),
        ("min", (3, -2, 5), 0, -2),
        ("max", (3, -2, 5), 0, 5),
        ("round", (1_500_000,), 0, 2_000_000),
        ("round", (2_500_000,), 0, 2_000_000),
        ("round", (-2_500_000,), 0, -2_000_000),
        ("round", (1_234_565,), 5, 1_234_560),
        ("round", (1_234_567,), 6, 1_234_567),
        ("round", (INT64_MAX,), 0, None),
        ("floor", (1_999_999,), 0, 1_000_000),
        ("floor", (-1_000_001,), 0, -2_000_000),
        ("floor", (1_234_567,), 6, 1_234_567),
        ("floor", (INT64_MIN,), 0, None),
        ("ceiling", (1_000_001,), 0, 2_000_000),
        ("ceiling", (-1_999_999,), 0, -1_000_000),
        ("ceiling", (1_234_567,), 6, 1_234_567),
        ("ceiling", (INT64_MAX,), 0, None),
        ("modulo", (12, 5), 0, 2),
        ("modulo", (-12, 5), 0, 3),
        ("modulo", (12, -5), 0, -3),
        ("modulo", (INT64_MIN, -1), 0, 0),
        ("modulo", (5, 0), 0, None),
        ("distance", (0, 0, 0, 1_000_000), 0, 111_195_000),
        ("distance", (0, 180_000_000, 0, -180_000_000), 0, 0),
        ("distance", (90_000_001, 0, 0, 0), 0, None),
        ("distance", (0, 0, 0, -180_000_001), 0, None),
        ("length", ("Ärger",), 0, 5),
        ("before", ("a@b@c", "@"), 0, "a"),
        ("after", ("a@b@c", "@"), 0, "b@c"),
        ("before", ("abc", "@"), 0, None),
        ("after", ("abc", "@"), 0, None),
        ("after", ("a@", "@"), 0, ""),
        ("lower", ("ÄB",), 0, "äb"),
        ("lower", ("J\u030c",), 0, "\u01f0"),
        ("upper", ("äß",), 0, "ÄSS"),
        ("upper", ("\u01f0",), 0, "J\u030c"),
    ],
)
def test_plain_functions(
    function: Function, arguments: tuple[Value, ...], places: int, expected: Value | None
) -> None:
    """A boundary of a function would differ between the evaluators that share it."""
    assert call(function, arguments, places=places) == expected


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("abc", "abc", True),
        ("abcd", "abc", False),
        ("abc", "a*", True),
        ("abc", "*c", True),
        ("abc", "*b*", True),
        ("abc", "a*c*", True),
        ("aba", "ab*ba", False),
        ("abba", "ab*ba", True),
        ("", "*", True),
        ("", "", True),
        ("a.c", "a?c", False),
        ("A", "a", False),
        ("a\nb", "a*b", True),
    ],
)
def test_like_covers_the_whole_text(text: str, pattern: str, expected: bool) -> None:
    """A pattern would match a part of a text, or one character twice."""
    assert like(text, pattern) is expected


@given(st.text("ab", max_size=8), st.text("ab*", max_size=6))
def test_like_agrees_with_a_second_opinion(text: str, pattern: str) -> None:
    """A greedy search would miss a match that a later run allows."""
    assert like(text, pattern) == fnmatchcase(text, pattern)


def test_every_function_that_can_miss_says_why() -> None:
    """An explanation would have no reason to show."""
    missed: list[tuple[Function, tuple[Value, ...]]] = [
        ("abs", (INT64_MIN,)),
        ("round", (INT64_MAX,)),
        ("floor", (INT64_MIN,)),
        ("ceiling", (INT64_MAX,)),
        ("modulo", (1, 0)),
        ("distance", (0, 0, 0, INT64_MIN)),
        ("before", ("a", "@")),
        ("after", ("a", "@")),
    ]
    for function, arguments in missed:
        assert call(function, arguments) is None
    assert {function for function, _ in missed} == set(functions.MISSING_REASONS)
