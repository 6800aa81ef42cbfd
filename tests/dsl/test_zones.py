"""Zone tables against the library that they are made from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

import pytest

from tidegate.dsl.types import CLOCK_MAX_US
from tidegate.dsl.zones import DAY_US, load_zone

ZONES = ("Europe/Paris", "America/New_York", "Africa/Casablanca", "Asia/Kathmandu",
         "Australia/Lord_Howe", "America/Sao_Paulo", "UTC")  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def library(name: str) -> ZoneInfo:
    """The zone as `zoneinfo` reads it from the pinned package."""
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as stream:
        return ZoneInfo.from_file(stream)


@pytest.mark.parametrize("name", ZONES)
def test_every_day_from_1970_to_2100_has_the_offset_of_the_library(name: str) -> None:
    """A weekly step would have missed a short change of the clocks."""
    zone, info = load_zone(name), library(name)
    assert zone is not None

    for time_us in range(0, CLOCK_MAX_US, DAY_US):
        offset = (EPOCH + timedelta(microseconds=time_us)).astimezone(info).utcoffset()
        assert offset is not None
        assert zone.offset_us(time_us) == offset // timedelta(microseconds=1)


@pytest.mark.parametrize("name", ZONES)
def test_clocks_change_at_the_second(name: str) -> None:
    """A rule for the night would begin or end at another second than the clocks do."""
    zone, info = load_zone(name), library(name)
    assert zone is not None

    for start in zone.starts_us[1:]:
        for time_us in (start - 1, start):
            offset = (EPOCH + timedelta(microseconds=time_us)).astimezone(info).utcoffset()
            assert offset is not None
            assert zone.offset_us(time_us) == offset // timedelta(microseconds=1)


def test_a_day_without_a_midnight_begins_when_its_clock_does() -> None:
    """In São Paulo on 2018-11-04 the clocks went from 23:59:59 to 01:00:00."""
    zone = load_zone("America/Sao_Paulo")
    assert zone is not None
    day = (datetime(2018, 11, 4, tzinfo=UTC) - EPOCH).days

    assert zone.day_start_us(day) == 1_541_300_400 * 10**6  # 03:00 UTC, 01:00 on the new clock


@pytest.mark.parametrize("name", ["Europe/Pariss", "../../etc/passwd", "/etc/localtime", "", "a/"])
def test_a_name_that_is_no_zone_has_no_table(name: str) -> None:
    """A name could read a file outside the package."""
    assert load_zone(name) is None
