"""Card numbers of every brand and length, in every spelling, at every place of a request.

`corpus(count)` plants each number once; `forms(number)` are what to search stores and logs for.
The numbers are made up: random digits behind a brand's prefix, with the right check digit.
"""

from __future__ import annotations

import json
import random
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

BRANDS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "visa": (("4",), (13, 16, 18, 19)),
    "mastercard": (("51", "55", "2221", "2720"), (16,)),
    "american express": (("34", "37"), (15,)),
    "diners club": (("300", "305", "3095", "36", "38"), (14, 16, 19)),
    "discover": (("6011", "644", "65"), (16, 19)),
    "unionpay": (("62", "81"), (16, 17, 18, 19)),
    "jcb": (("3528", "3589"), (16, 19)),
    "maestro": (("50", "56", "58", "6304", "6759"), (13, 14, 15, 16, 17, 18, 19)),
    "mir": (("2200", "2204"), (16, 17, 18, 19)),
    "troy": (("9792",), (16,)),
    "humo": (("9860",), (16,)),
}


def _grouped(number: str, mark: str) -> str:
    return mark.join(number[i : i + 4] for i in range(0, len(number), 4))


def _shifted(number: str, zero: int) -> str:
    return "".join(chr(ord(digit) - ord("0") + zero) for digit in number)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda n: n,
    "spaces": lambda n: _grouped(n, " "),
    "dashes": lambda n: _grouped(n, "-"),
    "dots": lambda n: _grouped(n, "."),
    "slashes": lambda n: _grouped(n, "/"),
    "no-break spaces": lambda n: _grouped(n, "\u00a0"),
    "zero-width spaces": lambda n: _grouped(n, "\u200b"),
    "en dashes": lambda n: _grouped(n, "\u2013"),
    "new lines": lambda n: _grouped(n, "\n"),
    "full-width": lambda n: _shifted(n, 0xFF10),
    "arabic digits": lambda n: _shifted(n, 0x0660),
    "in a sentence": lambda n: f"please use {n}, thanks",
    "with its expiry date": lambda n: f"{n} 12/28",
    "glued to letters": lambda n: f"card{n}x",
    "beside an umlaut": lambda n: f"J\u00fcrgen {n}",
    "beside an emoji": lambda n: f"\U0001f600 {n}",
    "base64": lambda n: b64encode(n.encode()).decode(),
    "base64 of JSON": lambda n: urlsafe_b64encode(json.dumps({"card": n}).encode()).decode(),
    "percent-encoded": lambda n: quote(_grouped(n, " ")),
    "percent-encoded digits": lambda n: "".join(f"%{ord(digit):02X}" for digit in n),
    "in a URL": lambda n: f"https://shop.test/pay?number={n}&x=1",
    "JSON in a text": lambda n: json.dumps({"pan": n}),
    "track 1": lambda n: f"%B{n}^DOE/JOHN^28121010000012345678?",
    "track 2": lambda n: f";{n}=28121010000012345678?",
}
"""Ways to write a number as a text."""


@dataclass(frozen=True, slots=True)
class Planted:
    """A request that holds `number`: merge its parts into one that is in order.

    `body` stands instead of the request's own where it is not None; `segment` goes into the path
    where an id stands, percent-encoded already.
    """

    number: str
    place: str
    spelling: str
    body: bytes | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    query: bytes = b""
    segment: str = ""


def card_number(chance: random.Random) -> str:
    """A number of a random brand and length with a right check digit."""
    prefixes, lengths = BRANDS[chance.choice(sorted(BRANDS))]
    prefix, length = chance.choice(prefixes), chance.choice(lengths)
    stem = prefix + "".join(chance.choices("0123456789", k=length - 1 - len(prefix)))
    return stem + check_digit(stem)


def check_digit(stem: str) -> str:
    """What completes `stem` after Luhn."""
    total = 0
    for place, digit in enumerate(reversed(stem)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def forms(number: str) -> tuple[bytes, ...]:
    """How the number would look in a file: plain, separated, in base64."""
    written = {number, *(_grouped(number, mark) for mark in (" ", "-", "."))}
    coded = b64encode(number.encode()).rstrip(b"=")
    # The last characters of base64 depend on what follows the number.
    return (*sorted(text.encode() for text in written), coded[: len(coded) - 3])


def corpus(count: int = 2_000, seed: int = 20261125) -> Iterator[Planted]:
    """`count` requests or a few more: every place with every spelling, again and again."""
    chance = random.Random(seed)
    made = 0
    while made < count:
        for planted in _round(chance):
            yield planted
            made += 1


def _round(chance: random.Random) -> Iterator[Planted]:
    for spelling, write in SPELLINGS.items():
        for plant_text in TEXT_PLACES.values():
            number = card_number(chance)
            yield plant_text(number, spelling, write(number))
    for place, plant in OTHER_PLACES.items():
        number = card_number(chance)
        yield Planted(number, place, "plain", body=plant(number, chance))


def _in_body(
    place: str, make: Callable[[str], object], *, ascii_only: bool
) -> Callable[[str, str, str], Planted]:
    def plant(number: str, spelling: str, text: str) -> Planted:
        body = json.dumps(make(text), ensure_ascii=ascii_only)
        return Planted(number, place, spelling, body=body.encode())

    return plant


def _in_header(number: str, spelling: str, text: str) -> Planted:
    # A header holds no line breaks.
    value = text.replace("\n", " ").encode()
    return Planted(number, "header", spelling, headers=((b"x-note", value),))


def _in_query(number: str, spelling: str, text: str) -> Planted:
    return Planted(number, "query", spelling, query=b"note=" + quote(text).encode())


def _in_query_name(number: str, spelling: str, text: str) -> Planted:
    return Planted(number, "query name", spelling, query=quote(text).encode() + b"=1")


def _in_path(number: str, spelling: str, text: str) -> Planted:
    return Planted(number, "path", spelling, segment=quote(text, safe=""))


TEXT_PLACES: dict[str, Callable[[str, str, str], Planted]] = {
    "field": _in_body("field", lambda t: {"id": "p1", "note": t, "n": 1}, ascii_only=False),
    "escaped": _in_body("escaped", lambda t: {"note": t}, ascii_only=True),
    "nested": _in_body("nested", lambda t: {"a": {"b": [1, {"c": [t]}]}}, ascii_only=False),
    "name": _in_body("name", lambda t: {"a": {t: 1}}, ascii_only=False),
    "whole body": _in_body("whole body", lambda t: t, ascii_only=False),
    "header": _in_header,
    "query": _in_query,
    "query name": _in_query_name,
    "path": _in_path,
}  # fmt: skip


def _digits_escaped(number: str) -> bytes:
    return b'{"note":"%b"}' % b"".join(b"\\u%04x" % ord(digit) for digit in number)


def _halves(number: str, chance: random.Random) -> tuple[str, str]:
    cut = chance.randint(6, len(number) - 4)
    return number[:cut], number[cut:]


def _split_fields(number: str, chance: random.Random) -> bytes:
    first, second = _halves(number, chance)
    return json.dumps({"x": 1, "first": first, "second": second, "y": "z"}).encode()


def _split_name(number: str, chance: random.Random) -> bytes:
    first, second = _halves(number, chance)
    return json.dumps({"x": {first: second}}).encode()


OTHER_PLACES: dict[str, Callable[[str, random.Random], bytes]] = {
    "number": lambda n, _c: b'{"amount":%b}' % n.encode(),
    "negative number": lambda n, _c: b'{"amount":-%b}' % n.encode(),
    "number with decimals": lambda n, _c: b'{"amount":%b.00}' % n.encode(),
    "number with an exponent": lambda n, _c: b'{"a":%b.%be%d}' % (
        n[:1].encode(), n[1:].encode(), len(n) - 1
    ),
    "bare number": lambda n, _c: n.encode(),
    "escaped digits": lambda n, _c: _digits_escaped(n),
    "split over fields": _split_fields,
    "split over name and value": _split_name,
    "split over items": lambda n, c: json.dumps({"card": _halves(n, c)}).encode(),
    "groups as items": lambda n, _c: json.dumps(_grouped(n, "|").split("|")).encode(),
    "cut short": lambda n, _c: b'{"note":"%b' % n.encode(),
    "not JSON": lambda n, _c: b"note=%b" % n.encode(),
    "behind an error": lambda n, _c: b'{"a":1,,"note":"%b"}' % n.encode(),
    "before NaN": lambda n, _c: b'{"note":"%b","a":NaN}' % n.encode(),
    "named twice": lambda n, _c: b'{"note":"%b","note":"x"}' % n.encode(),
    "not UTF-8": lambda n, _c: b'{"note":"%b","a":"\xff"}' % n.encode(),
    "UTF-16": lambda n, _c: json.dumps({"note": n}).encode("utf-16-le"),
    "too deep": lambda n, _c: b"[" * 40 + b'"%b"' % n.encode() + b"]" * 40,
}  # fmt: skip
"""Places where only the digits themselves can stand."""
