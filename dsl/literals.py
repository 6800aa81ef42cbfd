"""Literals: from their spelling to an exact integer in the scale of their type."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

from tidegate.dsl import tree
from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.types import (
    CLOCK_MAX_US,
    CLOCK_MIN_US,
    COUNT,
    DURATION,
    FLAG,
    INT64_MAX,
    INT64_MIN,
    IP,
    MONEY,
    NUMBER,
    NUMBER_SCALE,
    TEXT,
    TIME,
    Kind,
    Type,
    Value,
)
from tidegate.dsl.zones import Zone

UNIT_US = {
    "us": 1, "ms": 10**3, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6,
    "w": 7 * 86400 * 10**6,
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
IPV4_BASE, IPV4_END = 0xFFFF << 32, 0x10000 << 32
"""Where IPv4 addresses are held among the 128-bit ones."""


class Read(NamedTuple):
    """A literal's type and value."""

    type: Type
    value: Value


class Wrong(NamedTuple):
    """Why a literal cannot be held."""

    code: str
    message: str
    help: str = ""


def read_literal(
    literal: tree.Literal, wanted: Kind | None, currency: str, zone: Zone
) -> Read | Wrong:
    """The value of `literal`; a whole number becomes what its place needs (`wanted`)."""
    spelling, sign = literal.spelling, -1 if literal.negative else 1
    match literal.kind:
        case "whole":
            scaled = wanted is Kind.NUMBER
            value = sign * int(spelling) * (NUMBER_SCALE if scaled else 1)
            return _held(NUMBER if scaled else COUNT, value, spelling)
        case "decimal":
            return _held(NUMBER, sign * _scaled(spelling, 6), spelling)
        case "percent":
            return _percent(spelling, sign)
        case "money":
            return _money(spelling, sign, currency)
        case "duration":
            return _held(DURATION, sign * duration_us(spelling), spelling)
        case "date":
            return _date(spelling, zone)
        case "time":
            return _instant(spelling)
        case "network":
            return _address(spelling)
        case "flag":
            return Read(FLAG, spelling == "true")
        case "text":
            return Read(TEXT, spelling)


def duration_us(spelling: str) -> int:
    """Microseconds of a duration literal such as `10m`."""
    digits = re.match(r"[0-9]+", spelling)
    assert digits is not None  # the scanner let nothing else through
    unit_us: int = UNIT_US[spelling[digits.end() :]]
    return int(digits.group()) * unit_us


def network_range(spelling: str) -> tuple[int, int] | None:
    """The closed range of 128-bit addresses that a network or an address covers."""
    try:
        network = ipaddress.ip_network(spelling, strict=True)
    except ValueError:
        return None
    base = IPV4_BASE if network.version == 4 else 0
    return base + int(network.network_address), base + int(network.broadcast_address)


def is_ipv4(address: int) -> bool:
    """Whether this is an IPv4 address, as it is held among the 128-bit ones."""
    return IPV4_BASE <= address < IPV4_END


def of_one_version(covered: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """The range without the IPv4 addresses that are merely held inside it, as in `::/64`."""
    low, high = covered
    if not low < IPV4_BASE <= high:
        return (covered,)
    parts = ((low, IPV4_BASE - 1), (IPV4_END, high))
    return tuple(part for part in parts if part[0] <= part[1])


def _scaled(spelling: str, decimals: int) -> int:
    whole, _, fraction = spelling.partition(".")
    scale: int = 10**decimals
    return int(whole) * scale + int(fraction.ljust(decimals, "0") or "0")


def _held(kind: Type, value: int, spelling: str) -> Read | Wrong:
    if INT64_MIN <= value <= INT64_MAX:
        return Read(kind, value)
    return Wrong("TG301", f"`{spelling}` is larger than any {kind} can be")


def _percent(spelling: str, sign: int) -> Read | Wrong:
    digits = spelling.removesuffix("%")
    if len(digits.partition(".")[2]) > 4:
        return Wrong(
            "TG301",
            f"`{spelling}` has more than four decimals",
            "a number holds six decimals in all",
        )
    return _held(NUMBER, sign * _scaled(digits, 4), spelling)


def _money(spelling: str, sign: int, currency: str) -> Read | Wrong:
    amount, unit = spelling[:-3].strip(), spelling[-3:]
    if unit not in MINOR_DIGITS:
        return Wrong("TG301", f"`{unit}` is no currency of ISO 4217")
    if currency and unit != currency:
        return Wrong(
            "TG302",
            f"this amount is in `{unit}`, the policy decides in `{currency}`",
            f"write it in `{currency}`; payments in other currencies are converted at the door",
        )
    if len(amount.partition(".")[2]) > MINOR_DIGITS[unit]:
        digits = MINOR_DIGITS[unit]
        return Wrong(
            "TG301",
            f"`{spelling}` has more decimals than `{unit}` has",
            f"`{unit}` has {digits}" if digits else f"`{unit}` has none",
        )
    return _held(MONEY, sign * _scaled(amount, MINOR_DIGITS[unit]), spelling)


def _date(spelling: str, zone: Zone) -> Read | Wrong:
    try:
        day = (date.fromisoformat(spelling) - _EPOCH.date()).days
    except ValueError:
        return Wrong("TG301", f"`{spelling}` is no day of the calendar")
    return _moment(zone.day_start_us(day), spelling)


def _instant(spelling: str) -> Read | Wrong:
    fraction = re.search(r"\.([0-9]+)", spelling)
    if fraction and len(fraction.group(1)) > 6:
        return Wrong("TG301", f"`{spelling}` is finer than a microsecond")
    try:
        moment = datetime.fromisoformat(re.sub(r"\.[0-9]+", "", spelling))
    except ValueError:
        return Wrong("TG301", f"`{spelling}` is no time of the calendar")
    micros = int((fraction.group(1) if fraction else "0").ljust(6, "0"))
    seconds = int(Decimal((moment - _EPOCH).days * 86400 + (moment - _EPOCH).seconds))
    return _moment(seconds * 10**6 + micros, spelling)


def _moment(value: int, spelling: str) -> Read | Wrong:
    if CLOCK_MIN_US <= value < CLOCK_MAX_US:
        return Read(TIME, value)
    return Wrong("TG301", f"`{spelling}` lies outside 1970 to 2100")


def _address(spelling: str) -> Read | Wrong:
    covered = network_range(spelling)
    if covered is None:
        return Wrong(
            "TG301",
            f"`{spelling}` is no network",
            "write the first address and the prefix length, as in `10.0.0.0/8`",
        )
    if covered[0] != covered[1]:
        return Wrong("TG303", f"`{spelling}` is a network, not an address", "test it with `in`")
    return Read(IP, covered[0])
