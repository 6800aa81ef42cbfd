"""Scaled integers as decimals: `12.34`, and as money: `12.34 EUR`."""

from __future__ import annotations

from tidegate.dsl.currencies import MINOR_DIGITS


def format_decimal(scaled: int, digits: int, *, trim: bool = False) -> str:
    """A scaled integer as a decimal; `trim` drops zeros at the end."""
    whole, fraction = divmod(abs(scaled), 10**digits)
    decimals = f"{fraction:0{digits}}" if digits else ""
    if trim:
        decimals = decimals.rstrip("0")
    return f"{'-' if scaled < 0 else ''}{whole}{'.' if decimals else ''}{decimals}"


def format_money(minor: int, currency: str) -> str:
    """An amount with all its decimals and its currency."""
    return f"{format_decimal(minor, MINOR_DIGITS[currency])} {currency}"
