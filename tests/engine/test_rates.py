"""Conversion by dated rates: which day's rate holds, and exact rounding."""

from __future__ import annotations

import pytest

from tidegate.dsl.rates import Rates, format_day, format_rate, of_quotes, parse_day, parse_rate
from tidegate.engine.rates import Amount, convert


def _day(text: str) -> int:
    day = parse_day(text)
    assert day is not None
    return day


def _rates(*rows: tuple[str, str, str]) -> Rates:
    return of_quotes("EUR", ((_day(d), c, parse_rate(r) or 0) for d, c, r in rows))


FRIDAY = _rates(
    ("2026-11-20", "USD", "1.0831"), ("2026-11-20", "JPY", "163.5"), ("2026-11-20", "KWD", "0.333")
)


@pytest.mark.parametrize(
    ("minor", "currency", "target", "day", "expected"),
    [
        (10_831, "USD", "EUR", "2026-11-20", 10_000),
        (10_831, "USD", "EUR", "2026-11-22", 10_000),  # the Friday's rate on a Sunday
        (10_831, "USD", "EUR", "2026-11-27", 10_000),  # the seventh day after
        (10_831, "USD", "EUR", "2026-11-28", None),  # the eighth
        (10_831, "USD", "EUR", "2026-11-19", None),  # never a later rate
        (10_831, "GBP", "EUR", "2026-11-20", None),
        (1_635, "JPY", "EUR", "2026-11-20", 1_000),  # no decimals in, two out
        (333, "KWD", "EUR", "2026-11-20", 100),  # three decimals in
        (10_000, "EUR", "USD", "2026-11-20", 10_831),
        (10_831, "USD", "JPY", "2026-11-20", 16_350),  # across the base
        (-10_831, "USD", "EUR", "2026-11-20", -10_000),
    ],
)
def test_converts_by_the_days_rate(
    minor: int, currency: str, target: str, day: str, expected: int | None
) -> None:
    """An amount would be converted by the wrong day's rate or scale."""
    conversion = convert(FRIDAY, "amount", Amount(minor, currency), target, _day(day))

    assert expected == (conversion.minor if conversion else None)


@pytest.mark.parametrize(
    ("minor", "expected"), [(1, 0), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2), (-5, -2)]
)
def test_rounds_half_to_even(minor: int, expected: int) -> None:
    """Half a cent would be rounded away from the even side."""
    conversion = convert(_rates(("2026-11-20", "USD", "2")), "a", Amount(minor, "USD"), "EUR",
                         _day("2026-11-20"))  # fmt: skip

    assert conversion is not None
    assert expected == conversion.minor


def test_keeps_the_original_pair_and_the_rates_used() -> None:
    """The record could not show what was converted by what."""
    conversion = convert(FRIDAY, "amount", Amount(10_831, "USD"), "JPY", _day("2026-11-22"))

    assert conversion is not None
    assert (
        conversion.field, conversion.original_minor, conversion.currency, conversion.minor
    ) == ("amount", 10_831, "USD", 16_350)  # fmt: skip
    assert conversion.quotes == (("USD", "1.0831"), ("JPY", "163.5"))
    assert (conversion.day, conversion.base) == ("2026-11-20", "EUR")


def test_the_hash_does_not_depend_on_the_order_of_rows() -> None:
    """The same table would get another hash from another order of rows."""
    rows = [("2026-11-20", "USD", "1.0831"), ("2026-11-20", "JPY", "163.5"),
            ("2026-11-19", "USD", "1.08")]  # fmt: skip

    assert _rates(*rows).hash == _rates(*reversed(rows)).hash
    assert _rates(*rows).hash != _rates(*rows[1:]).hash


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.0831", "1.0831"), ("163.50", "163.5"), ("2", "2"), ("0", None), ("-1", None),
     ("1e3", None), ("1.00000000001", None), ("", None), ("N/A", None)],
)  # fmt: skip
def test_reads_exact_rates_only(text: str, expected: str | None) -> None:
    """A rate would be taken that cannot be held exactly."""
    rate = parse_rate(text)

    assert expected == (None if rate is None else format_rate(rate))


@pytest.mark.parametrize("text", ["2026-02-30", "2026-1-1", "20261123", "x"])
def test_reads_real_days_only(text: str) -> None:
    """A day that does not exist would get rates."""
    assert parse_day(text) is None
    assert format_day(_day("2026-11-23")) == "2026-11-23"
