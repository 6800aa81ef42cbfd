"""Values as text and back: one canonical text for each value of each type.

The record keeps inputs in this form, and people read it: `12.34 EUR`, `0.85`, `10m`,
`2026-11-23T10:00:00Z`, `192.0.2.0`, `true`.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from unicodedata import normalize

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.decimals import format_decimal as format_decimal  # noqa: PLC0414 - known by this name too
from tidegate.dsl.decimals import format_money as format_money  # noqa: PLC0414 - known by this name too
from tidegate.dsl.types import (
    CLOCK_MAX_US,
    CLOCK_MIN_US,
    INT64_MAX,
    INT64_MIN,
    Kind,
    Type,
    Value,
)

NUMBER_DIGITS = 6
_INT64_DIGITS = 19
MAPPED_IPV4 = 0xFFFF << 32
_IPV4_MAX = (1 << 32) - 1

UNITS_US: dict[str, int] = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
"""The units of a duration in microseconds, largest first."""

_DECIMAL = re.compile(r"(-?)(0|[1-9]\d*)(?:\.(\d+))?", re.ASCII)
_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
_DURATION = re.compile(r"(-?)(0|[1-9]\d*)(us|ms|s|m|h|d|w)", re.ASCII)
_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt]((?:[01]\d|2[0-3]):\d{2}:\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2}):(\d{2}))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_MICROSECOND = timedelta(microseconds=1)


class NotHeldError(ValueError):
    """A text does not name a value of the type, or names one that cannot be held exactly."""


def format_value(value: Value, type_: Type, currency: str) -> str:
    """The canonical text of `value`; money is in `currency`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    match type_.kind:
        case Kind.NUMBER:
            return format_decimal(value, NUMBER_DIGITS, trim=True)
        case Kind.MONEY:
            return format_money(value, currency)
        case Kind.TIME:
            return format_time(value)
        case Kind.DURATION:
            return format_duration(value)
        case Kind.IP:
            return format_ip(value)
        case _:
            return str(value)


def parse_value(text: str, type_: Type, currency: str) -> Value:
    """The value whose canonical text is `text`; `NotHeldError` for any other text."""
    value = _parsed(text, type_, currency)
    if format_value(value, type_, currency) != text:
        raise NotHeldError(f"not the canonical text of a {type_.kind.value}")
    return value


def _parsed(text: str, type_: Type, currency: str) -> Value:
    match type_.kind:
        case Kind.FLAG:
            return text == "true"
        case Kind.COUNT:
            return parse_integer(text)
        case Kind.NUMBER:
            return parse_decimal(text, NUMBER_DIGITS)
        case Kind.MONEY:
            return parse_decimal(text.removesuffix(f" {currency}"), MINOR_DIGITS[currency])
        case Kind.TIME:
            return parse_time(text)
        case Kind.DURATION:
            return parse_duration(text)
        case Kind.IP:
            return parse_ip(text)
        case _:
            return normalize("NFC", text)


def parse_decimal(text: str, digits: int) -> int:
    """The scaled integer of a plain decimal with at most `digits` decimals that count."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise NotHeldError("not a plain decimal")
    sign, whole, fraction = match.group(1), match.group(2), (match.group(3) or "").rstrip("0")
    if len(fraction) > digits:
        raise NotHeldError(f"more than {digits} decimals")
    if len(whole) > _INT64_DIGITS:
        raise NotHeldError("too large")
    return checked_int64(int(f"{sign}{whole}{fraction.ljust(digits, '0')}"))


def parse_integer(text: str) -> int:
    """A whole number that int64 holds."""
    if _INTEGER.fullmatch(text) is None or len(text) > _INT64_DIGITS + 1:
        raise NotHeldError("not a whole number")
    return checked_int64(int(text))


def checked_int64(value: int) -> int:
    """`value` where int64 holds it."""
    if not INT64_MIN <= value <= INT64_MAX:
        raise NotHeldError("too large")
    return value


def format_duration(duration_us: int) -> str:
    """A duration in the largest unit that holds it exactly."""
    if duration_us == 0:
        return "0s"
    unit = next(unit for unit, size in UNITS_US.items() if duration_us % size == 0)
    return f"{duration_us // UNITS_US[unit]}{unit}"


def parse_duration(text: str) -> int:
    """Microseconds of a duration such as `10m`."""
    match = _DURATION.fullmatch(text)
    if match is None or len(match.group(2)) > _INT64_DIGITS:
        raise NotHeldError("not a duration")
    return checked_int64(int(match.group(1) + match.group(2)) * UNITS_US[match.group(3)])


def format_time(time_us: int) -> str:
    """An instant as RFC 3339 in UTC, with decimals of a second only where there are any."""
    seconds, fraction = divmod(time_us, UNITS_US["s"])
    days, rest = divmod(seconds, 86_400)
    day, decimals = _day_text(days), f".{fraction:06}".rstrip("0") if fraction else ""
    return f"{day}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}{decimals}Z"


@lru_cache(maxsize=1024)
def _day_text(days: int) -> str:
    return date.fromordinal(_EPOCH_ORDINAL + days).isoformat()


def parse_time(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time with its offset, to the microsecond."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise NotHeldError("not a time with its offset")
    day, clock, fraction, sign, hours, minutes = match.groups()
    decimals = (fraction or "").rstrip("0")
    if len(decimals) > 6:
        raise NotHeldError("finer than a microsecond")
    time_us = _instant_us(f"{day}T{clock}") + int(decimals.ljust(6, "0"))
    time_us -= _offset_us(sign or "+", int(hours or 0), int(minutes or 0))
    return checked_time(time_us)


def checked_time(time_us: int) -> int:
    """`time_us` where a clock may show it."""
    if not CLOCK_MIN_US <= time_us <= CLOCK_MAX_US:
        raise NotHeldError("outside 1970 to 2100")
    return time_us


def _instant_us(text: str) -> int:
    try:
        return (datetime.fromisoformat(text).replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
    except ValueError:
        raise NotHeldError("no such time") from None


def _offset_us(sign: str, hours: int, minutes: int) -> int:
    if hours > 23 or minutes > 59:
        raise NotHeldError("no such offset")
    return (hours * 60 + minutes) * UNITS_US["m"] * (-1 if sign == "-" else 1)


def format_ip(address: int) -> str:
    """An address held in 128 bits as people write it."""
    if address >> 32 == 0xFFFF:
        return str(IPv4Address(address & _IPV4_MAX))
    return str(IPv6Address(address))


def parse_ip(text: str) -> int:
    """The 128 bits of an address; IPv4 is mapped into `::ffff:0:0/96`."""
    try:
        address = ip_address(text)
    except ValueError:
        raise NotHeldError("not an address") from None
    if isinstance(address, IPv4Address):
        return MAPPED_IPV4 | int(address)
    if address.scope_id is not None:
        raise NotHeldError("an address with a zone of its own")
    return int(address)


def coarsened(address: int, prefixes: tuple[int, int]) -> int:
    """An address rounded down to its IPv4 or IPv6 prefix length."""
    ipv4 = address >> 32 == 0xFFFF
    hidden = 32 - prefixes[0] if ipv4 else 128 - prefixes[1]
    return address >> hidden << hidden
