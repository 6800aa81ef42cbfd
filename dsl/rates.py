"""Dated exchange rates, as the policy's `rates` file holds them: a pure table.

A quote says how many units of a currency one unit of the base currency bought on a day, as the
European Central Bank publishes them (base EUR). Rates are exact integers scaled by `RATE_SCALE`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from types import MappingProxyType

RATE_DIGITS = 10
RATE_SCALE = 10**RATE_DIGITS
_RATE = re.compile(r"(\d{1,12})(?:\.(\d{1,10}))?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Rates:
    """Quotes by day (days since 1970-01-01) and currency; `base` itself is always 1."""

    base: str
    quotes: Mapping[int, Mapping[str, int]]

    def on(self, day: int, currency: str) -> int | None:
        """The scaled quote of `currency` on exactly that day."""
        quotes = self.quotes.get(day)
        if quotes is None:
            return None
        return RATE_SCALE if currency == self.base else quotes.get(currency)

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of the table in canonical order."""
        days = [[day, sorted(quotes.items())] for day, quotes in sorted(self.quotes.items())]
        text = json.dumps([self.base, days], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def of_quotes(base: str, quotes: Iterable[tuple[int, str, int]]) -> Rates:
    """A table of (day, currency, scaled rate) rows; of two for one day the last stands."""
    days: dict[int, dict[str, int]] = {}
    for day, currency, rate in quotes:
        days.setdefault(day, {})[currency] = rate
    return Rates(base, MappingProxyType({day: MappingProxyType(row) for day, row in days.items()}))


def parse_rate(text: str) -> int | None:
    """The scaled rate that a decimal such as `1.0831` means; None unless positive and exact."""
    match = _RATE.fullmatch(text)
    if match is None:
        return None
    whole, fraction = match.group(1), match.group(2) or ""
    return int(whole + fraction.ljust(RATE_DIGITS, "0")) or None


def format_rate(rate: int) -> str:
    """A scaled rate as a decimal without needless zeros."""
    whole, fraction = divmod(rate, RATE_SCALE)
    decimals = f"{fraction:0{RATE_DIGITS}}".rstrip("0")
    return f"{whole}.{decimals}" if decimals else str(whole)


def parse_day(text: str) -> int | None:
    """Days since 1970-01-01 of a date such as `2026-11-23`; None where there is no such date."""
    if _DAY.fullmatch(text) is None:
        return None
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH
    except ValueError:
        return None


def format_day(day: int) -> str:
    """The date that lies `day` days after 1970-01-01."""
    return date.fromordinal(day + _EPOCH).isoformat()
