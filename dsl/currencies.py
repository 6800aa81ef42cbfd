"""ISO 4217: how many decimals each currency has.

Codes without minor units of their own (precious metals, bond units, test codes) are no currency of
a payment and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_TWO_DECIMALS = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD
    CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
    GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD
    LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB
    PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP
    SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DECIMALS = "CLF UYW"
# Withdrawn since 2020: a history still holds payments in them.
_WITHDRAWN_TWO_DECIMALS = "ANG BGN CUC HRK SLL ZWL"

MINOR_DIGITS: Mapping[str, int] = MappingProxyType(
    {
        code: digits
        for digits, codes in (
            (0, _NO_DECIMALS),
            (2, _TWO_DECIMALS),
            (2, _WITHDRAWN_TWO_DECIMALS),
            (3, _THREE_DECIMALS),
            (4, _FOUR_DECIMALS),
        )
        for code in codes.split()
    }
)
"""Decimals by currency code: 2 for EUR, 0 for JPY."""


def minor_digits(currency: str) -> int:
    """How many decimals `currency` has; where it is not known, two as in most."""
    return MINOR_DIGITS.get(currency, 2)


def example(currency: str) -> str:
    """An amount in `currency`, for a message; in some currency where it is not known."""
    return f"100 {currency or 'EUR'}"


def written_in(text: str) -> str:
    """The currency in which a file with `text` writes its amounts; empty where it shows none."""
    declared = _DECLARED.search(text) or _WRITTEN.search(text)
    return declared[1] if declared and declared[1] in MINOR_DIGITS else ""


_DECLARED = re.compile(r"\bcurrency\s+([A-Z]{3})\b")
_WRITTEN = re.compile(r"[0-9] ?([A-Z]{3})\b")
