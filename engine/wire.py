"""Reads one value of one type as it comes over the wire, or says what was expected instead.

Nothing is guessed: no text is taken for a flag, no amount without its currency, no time without
its offset, and nothing is rounded to fit. What is said never holds the value itself.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tidegate.dsl.countries import COUNTRIES
from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.types import Kind, Type, Value
from tidegate.engine.rates import Amount
from tidegate.engine.values import (
    NUMBER_DIGITS,
    NotHeldError,
    checked_int64,
    checked_time,
    parse_decimal,
    parse_duration,
    parse_ip,
    parse_time,
)

_AMOUNT_HELP = 'write it with its currency, such as "12.34 EUR", and no more decimals than it has'
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UnreadableError(ValueError):
    """A value cannot be read as its type; `what` completes "`amount` …"."""

    def __init__(self, code: str, what: str, help_: str) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.help = help_


def read_value(raw: object, type_: Type) -> Value:
    """The value of a type other than money; `UnreadableError` where `raw` is none."""
    if type_.kind is Kind.WORD:
        return _read_word(raw, type_)
    try:
        return _READERS[type_.kind](_without_floats(raw))
    except NotHeldError as cause:
        raise UnreadableError("wrong_type", *_EXPECTED[type_.kind](str(cause))) from None


def read_amount(raw: object) -> Amount:
    """An amount in any currency: `"12.34 EUR"` or `{"minor": 1234, "currency": "EUR"}`."""
    try:
        return _amount_of_fields(raw) if isinstance(raw, Mapping) else _amount_of_text(raw)
    except NotHeldError as cause:
        raise UnreadableError("wrong_type", *_expected_amount(str(cause))) from None


def _without_floats(raw: object) -> object:
    # The shortest text that names a float is the decimal its author wrote. A float of numpy is one
    # and has a text of its own.
    return Decimal(float.__repr__(raw)) if isinstance(raw, float) else raw


def _amount_of_text(raw: object) -> Amount:
    if not isinstance(raw, str):
        raise NotHeldError("an amount needs its currency")
    number, space, currency = raw.rpartition(" ")
    if not space:
        raise UnreadableError("unknown_currency", "has no currency", _AMOUNT_HELP)
    return Amount(parse_decimal(number, _digits(currency)), currency)


def _amount_of_fields(raw: Mapping[object, object]) -> Amount:
    minor, currency = raw.get("minor"), raw.get("currency")
    if raw.keys() != {"minor", "currency"} or not isinstance(currency, str):
        raise NotHeldError("it needs `minor` and `currency`, and nothing else")
    _digits(currency)
    return Amount(_read_count(_without_floats(minor)), currency)


def _digits(currency: str) -> int:
    if currency not in MINOR_DIGITS:
        raise UnreadableError(
            "unknown_currency",
            "has no known currency",
            "currencies are three capital letters of ISO 4217, such as EUR",
        )
    return MINOR_DIGITS[currency]


def _read_flag(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise NotHeldError("")
    return raw


def _read_count(raw: object) -> int:
    return checked_int64(_scaled(raw, 0))


def _read_number(raw: object) -> int:
    if isinstance(raw, str):
        return parse_decimal(raw, NUMBER_DIGITS)
    return checked_int64(_scaled(raw, NUMBER_DIGITS))


def _scaled(raw: object, digits: int) -> int:
    """A JSON number times `10 ** digits`, where that is whole."""
    if type(raw) is int:
        whole: int = raw * 10**digits
        return whole
    if not isinstance(raw, Decimal):
        raise NotHeldError("")
    # Far beyond int64 either way; spelling it out could take all memory.
    if not raw.is_finite() or raw.adjusted() > 20:
        raise NotHeldError("too large")
    sign, coefficient, exponent = raw.as_tuple()
    assert isinstance(exponent, int)
    # Zeros at the end count for nothing, however many there are.
    counting = "".join(map(str, coefficient)).rstrip("0")
    if not counting:
        return 0
    shift = exponent + digits + len(coefficient) - len(counting)
    if shift < 0:
        raise NotHeldError(f"more than {digits} decimals" if digits else "not whole")
    scaled: int = int(counting) * 10**shift
    return -scaled if sign else scaled


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise NotHeldError("")
    return raw


def _read_time(raw: object) -> int:
    if not isinstance(raw, datetime):
        return parse_time(_text(raw))
    if raw.utcoffset() is None:
        raise UnreadableError(
            "wrong_type",
            "is a datetime without its zone",
            "give it its zone, such as `datetime(2026, 11, 23, 10, tzinfo=UTC)`",
        )
    return checked_time((raw - _EPOCH) // _MICROSECOND)


def _read_text(raw: object) -> str:
    text = _text(raw)
    if text.isascii() and text.isprintable():
        return text
    text = unicodedata.normalize("NFC", text)
    # Lone surrogates come from broken escapes and have no bytes in UTF-8.
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in text):
        raise UnreadableError(
            "control_character",
            "holds a control character",
            "send plain text without line breaks, tabs and other invisible controls",
        )
    return text


def _read_token(raw: object) -> str:
    token = _read_text(raw)
    # Every customer without a name would be one and the same customer.
    if not token:
        raise UnreadableError("empty_token", "is an empty token", "leave the field out instead")
    return token


def _read_country(raw: object) -> str:
    code = _text(raw)
    if code not in COUNTRIES:
        near = code.upper() if code.upper() in COUNTRIES else ""
        raise UnreadableError(
            "unknown_country",
            "is no country code",
            f"write it in capitals: `{near}`"
            if near
            else "country codes are two capital letters of ISO 3166-1, such as FR",
        )
    return code


def _read_word(raw: object, type_: Type) -> str:
    word = unicodedata.normalize("NFC", raw) if isinstance(raw, str) else ""
    if word not in type_.words:
        choices = ", ".join(f"`{choice}`" for choice in type_.words)
        raise UnreadableError(
            "unknown_word", f"is not one of {choices}", nearest(word, type_.words)
        )
    return word


_READERS: Mapping[Kind, Callable[[object], Value]] = {
    Kind.FLAG: _read_flag,
    Kind.COUNT: _read_count,
    Kind.NUMBER: _read_number,
    Kind.TIME: _read_time,
    Kind.DURATION: lambda raw: parse_duration(_text(raw)),
    Kind.TEXT: _read_text,
    Kind.TOKEN: _read_token,
    Kind.COUNTRY: _read_country,
    Kind.IP: lambda raw: parse_ip(_text(raw)),
}


def _expected(noun: str, help_: str) -> Callable[[str], tuple[str, str]]:
    return lambda cause: (f"is not {noun}{f': {cause}' if cause else ''}", help_)


_expected_amount = _expected("an amount", _AMOUNT_HELP)
_EXPECTED: Mapping[Kind, Callable[[str], tuple[str, str]]] = {
    Kind.FLAG: _expected("a flag", "write true or false, without quotes"),
    Kind.COUNT: _expected("a count", "write a whole number, without quotes"),
    Kind.NUMBER: _expected("a number", 'write a decimal with at most 6 decimals, such as "0.85"'),
    Kind.TIME: _expected(
        "a time", "write RFC 3339 with its offset, such as 2026-11-23T10:00:00Z, to the microsecond"
    ),
    Kind.DURATION: _expected(
        "a duration", "write a whole number and a unit (us ms s m h d w), such as 10m"
    ),
    Kind.TEXT: _expected("text", "write it in quotes"),
    Kind.TOKEN: _expected("a token", "write it in quotes"),
    Kind.COUNTRY: _expected("a country code", "write two capital letters, such as FR"),
    Kind.IP: _expected("an address", "write an IPv4 or IPv6 address, such as 192.0.2.7"),
}
