"""Converts money into the policy's currency by the dated rates, exactly and rounded once.

The rate of the event's day in the policy's zone holds; where that day has none (a weekend, a
holiday), the last one within seven days. Nothing is guessed beyond that.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.rates import Rates, format_day, format_rate
from tidegate.engine.arithmetic import divide_half_even

MAX_AGE_DAYS = 7


@dataclass(frozen=True, slots=True)
class Amount:
    """Money as it was sent: minor units of a currency of its own."""

    minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was converted and by what, as the record keeps it.

    `quotes` are the rates used, each a currency with its rate as text: that of the original
    currency and, where the policy's currency is not the table's base, that of the policy's.
    """

    field: str
    original_minor: int
    currency: str
    minor: int
    day: str
    base: str
    quotes: tuple[tuple[str, str], ...]


def convert(rates: Rates, field: str, sent: Amount, target: str, day: int) -> Conversion | None:
    """What `sent` is in `target` on `day`; None where no rate within seven days is known."""
    for candidate in range(day, day - MAX_AGE_DAYS - 1, -1):
        quote, target_quote = rates.on(candidate, sent.currency), rates.on(candidate, target)
        if quote is not None and target_quote is not None:
            minor = _converted(sent, quote, target, target_quote)
            used = _used(rates, ((sent.currency, quote), (target, target_quote)))
            return Conversion(
                field, sent.minor, sent.currency, minor, format_day(candidate), rates.base, used
            )
    return None


def _converted(sent: Amount, quote: int, target: str, target_quote: int) -> int:
    top = sent.minor * target_quote * 10 ** MINOR_DIGITS[target]
    return divide_half_even(top, quote * 10 ** MINOR_DIGITS[sent.currency])


def _used(rates: Rates, quotes: tuple[tuple[str, int], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((code, format_rate(quote)) for code, quote in quotes if code != rates.base)
