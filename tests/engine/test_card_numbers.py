"""The detector of card numbers: what it must find, and what it must leave alone."""

from __future__ import annotations

import random
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import quote

import pytest

from tidegate.dsl.card_numbers import find_card_numbers, holds_card_number

PUBLISHED = {
    "visa": "4111111111111111",
    "visa, 13 digits": "4222222222222",
    "visa, 19 digits": "4000000000000000006",
    "mastercard": "5555555555554444",
    "mastercard, second series": "2223003122003222",
    "american express": "378282246310005",
    "discover": "6011111111111117",
    "diners club": "30569309025904",
    "diners club, 36": "36227206271667",
    "jcb": "3530111333300000",
    "unionpay": "6200000000000005",
    "unionpay, 19 digits": "6205500000000000004",
    "maestro": "5018000000000009",
    "mir": "2200000000000004",
}
"""Numbers that brands and gateways publish for tests."""

DRESSINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda n: n,
    "spaces": lambda n: " ".join(n[i : i + 4] for i in range(0, len(n), 4)),
    "dashes": lambda n: "-".join(n[i : i + 4] for i in range(0, len(n), 4)),
    "dots": lambda n: ".".join(n[i : i + 4] for i in range(0, len(n), 4)),
    "slashes": lambda n: "/".join(n[i : i + 4] for i in range(0, len(n), 4)),
    "underscores": lambda n: "_".join(n[i : i + 4] for i in range(0, len(n), 4)),
    "spaced slashes": lambda n: " / ".join(n[i : i + 4] for i in range(0, len(n), 4)),
    "each digit dotted": ".".join,
    "dots and an expiry date": lambda n: f"{n[:4]}.{n[4:10]}.{n[10:]} 12/28",
    "slashes behind dots": lambda n: f"1.2.{n[:4]}/{n[4:10]}/{n[10:]}",
    "percent-encoded slashes": lambda n: f"{n[:4]}%2F{n[4:10]}%2F{n[10:]}",
    "no-break spaces": lambda n: "\u00a0".join(n[i : i + 4] for i in range(0, len(n), 4)),
    "en dashes": lambda n: "\u2013".join(n[i : i + 4] for i in range(0, len(n), 4)),
    "zero-width spaces": lambda n: "\u200b".join(n[i : i + 4] for i in range(0, len(n), 4)),
    "each digit apart": " ".join,
    "full-width": lambda n: "".join(chr(ord(d) - ord("0") + 0xFF10) for d in n),
    "arabic digits": lambda n: "".join(chr(ord(d) - ord("0") + 0x0660) for d in n),
    "in a sentence": lambda n: f"please use {n}, thanks",
    "glued to letters": lambda n: f"card{n}x",
    "with its expiry date": lambda n: f"{n} 12 28",
    "after another number": lambda n: f"17 {n}",
    "track data": lambda n: f";{n}=28121010000012345678?",
    "in a query": lambda n: f"https://shop.test/pay?number={n}&x=1",
    "percent-encoded": lambda n: quote(" ".join(n[i : i + 4] for i in range(0, len(n), 4))),
    "base64": lambda n: b64encode(n.encode()).decode(),
    "base64 of more": lambda n: urlsafe_b64encode(f'{{"card":"{n}"}}'.encode()).decode(),
}


@pytest.mark.parametrize("brand", PUBLISHED)
@pytest.mark.parametrize("dressing", DRESSINGS)
def test_finds_every_brand_in_every_dressing(brand: str, dressing: str) -> None:
    """A card number would pass the door because of how it is written."""
    assert holds_card_number(DRESSINGS[dressing](PUBLISHED[brand]))


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # wrong check digit
        "411111111111",  # twelve digits
        "41111111111111111111",  # twenty digits
        "1763892000000",  # an instant in milliseconds
        "1763892000000000",  # in microseconds
        "2026-11-23T10:00:00.123456+01:00",
        "550e8400-e29b-41d4-a716-446655440000",
        "pay_01JD9F3X7M2QK8VYB4W5RZ6C0T",
        "+4917012345674",  # a telephone number that is a Visa number of old, but for its plus
        "192.168.100.100",
        "192.168.100.100/24",
        "4111111.111111111",  # a decimal number
        "40.712776 -74.005970",  # coordinates whose digits are a Visa number
        "48.85661400000007",
        "2026/11/23/001234",
        "1.3.6.1.4.1.311.21.20",
        "1763892000.000000",
        "0.483726193847562",
        "",
    ],
)
def test_leaves_other_texts_alone(text: str) -> None:
    """An honest event would be refused."""
    assert not holds_card_number(text)


def test_is_right_about_the_check_digit() -> None:
    """Of ten numbers that differ in their last digit only one is a card number."""
    generator = random.Random(20261123)
    for _ in range(200):
        stem = "4" + "".join(generator.choices("0123456789", k=14))

        assert sum(holds_card_number(f"{stem}{last}") for last in range(10)) == 1


def test_names_the_place_and_never_the_value() -> None:
    """The refusal would echo what it refuses."""
    number = PUBLISHED["visa"]
    body = {
        "note": f"card {number}",
        "amount": int(number),
        "exact": Decimal(f"{number}.00"),
        "loose": float(number),
        "nested": {"deep": ["x", {"card": number}]},
        number: "x",
        "outer": {number: number},
    }

    findings = find_card_numbers(body)

    assert [(f.path, f.kind) for f in findings] == [
        ("note", "text"),
        ("amount", "number"),
        ("exact", "number"),
        ("loose", "number"),
        ("nested.deep[1].card", "text"),
        ("", "name"),
        ("outer", "name"),
        ("outer.?", "text"),
    ]
    assert number not in repr(findings)


@pytest.mark.parametrize(
    "number",
    [float("nan"), float("inf"), Decimal("NaN"), Decimal("1E+999999"), True, None],
)
def test_survives_odd_numbers(number: object) -> None:
    """A number no card can be would end in an exception or take all memory."""
    assert find_card_numbers({"x": number, "y": 10**5000}) == ()


def test_does_not_choke_on_long_digits() -> None:
    """A megabyte of digits and separators would hold the service up."""
    assert not holds_card_number("1 " * 200_000)
    assert not holds_card_number("7" * 400_000)
    assert not holds_card_number("1." * 200_000)
    assert not holds_card_number("7_" + "7" * 400_000)


def test_random_numbers_pass_mostly() -> None:
    """The rate of false alarms on random 16-digit numbers would have risen beyond 1 in 25."""
    generator = random.Random(7)
    found = sum(
        holds_card_number("".join(generator.choices("0123456789", k=16))) for _ in range(10_000)
    )

    assert found < 400
