"""Finds card numbers, so that the door refuses them before anything can repeat them.

A card number is 13 to 19 digits with the prefix and length of a brand and a right Luhn digit. The
digits may be of any script (full-width ones, say) and may have spaces, dashes or invisible
characters between them. Dots, slashes and underscores count where the same one joins three groups
or more: 40.712776 is a number, and so is what follows it. Where the digits come in groups, any run
of whole groups counts, so a number is found with an expiry date behind it; a group itself is never
cut, so a long order number does not match by a piece of it. Percent-encoded and base64 text is
looked at decoded, too. A text that is a UUID (RFC 9562) and nothing else holds none, whatever its
digits: nobody writes card numbers that way, and of random ones every 3,000th would be refused.

Nothing here returns, keeps or prints a value: only where one was found.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from unicodedata import decimal as digit_of
from unicodedata import normalize

_BETWEEN = r"[\s\-\u00ad\u2010-\u2015\u200b-\u200f\u2060\u2212\ufe58\ufeff]"
_RUN = re.compile(rf"\d(?:{_BETWEEN}{{0,3}}\d){{12,}}")
_JOINED = tuple(re.compile(rf"(?<!\d)\d++(?:\s?{mark}\s?\d++){{2,}}") for mark in (r"\.", "/", "_"))
_GROUP = re.compile(r"\d+")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{18,}={0,2}")
_UUID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE
)
_UUID_LENGTH = 36
_LONGEST, _SHORTEST = 19, 13
_MAX_DEPTH = 32

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def _lengths(*lengths: int) -> frozenset[int]:
    return frozenset(lengths)


_LONG = _lengths(16, 17, 18, 19)
_ANY = _lengths(*range(_SHORTEST, _LONGEST + 1))
_BRANDS: tuple[tuple[int, int, frozenset[int]], ...] = (
    (4, 4, _lengths(13, 16, 18, 19)),  # Visa
    (51, 55, _lengths(16)),  # Mastercard
    (2221, 2720, _lengths(16)),
    (34, 34, _lengths(15)),  # American Express
    (37, 37, _lengths(15)),
    (300, 305, _lengths(14, 16, 17, 18, 19)),  # Diners Club
    (3095, 3095, _lengths(14, 16, 17, 18, 19)),
    (36, 36, _lengths(14, 16, 17, 18, 19)),
    (38, 39, _lengths(14, 16, 17, 18, 19)),
    (60, 60, _LONG),  # Discover, RuPay, Hipercard
    (644, 649, _LONG),
    (65, 65, _LONG),
    (62, 62, _LONG),  # UnionPay
    (81, 82, _LONG),
    (3528, 3589, _LONG),  # JCB
    (50, 50, _ANY),  # Maestro, Verve, Elo
    (56, 58, _ANY),
    (6304, 6304, _ANY),
    (6759, 6769, _ANY),
    (636, 636, _LONG),  # InterPayment, Elo
    (2200, 2205, _LONG),  # Mir, Borica
    (9792, 9792, _lengths(16)),  # Troy
    (8600, 8600, _lengths(16)),  # Uzcard
    (9860, 9860, _lengths(16)),  # Humo
)


def _by_prefix() -> dict[str, frozenset[int]]:
    table: dict[str, frozenset[int]] = {}
    for low, high, lengths in _BRANDS:
        room = 10 ** (4 - len(str(low)))
        for prefix in range(low * room, (high + 1) * room):
            table[str(prefix)] = table.get(str(prefix), frozenset()) | lengths
    return table


_LENGTHS_BY_PREFIX = _by_prefix()


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a card number was found: in a text, in a number or in the name of a field.

    For a name `path` is that of the object the field stands in: the name itself is the secret.
    """

    path: str
    kind: Literal["text", "number", "name"]


def find_card_numbers(body: object) -> tuple[Finding, ...]:
    """Every place in a parsed body that holds a card number, in the body's order."""
    return tuple(_walk(body, "", 0))


def holds_card_number(text: str) -> bool:
    """Whether `text` holds a card number, as it stands or percent- or base64-encoded."""
    if len(text) < _SHORTEST or (len(text) == _UUID_LENGTH and _UUID.fullmatch(text)):
        return False
    if not text.isascii():
        text = normalize("NFKC", text)
    return (
        _holds(text)
        or ("%" in text and _holds(_PERCENT.sub(_unquoted, text)))
        or any(_holds(decoded) for decoded in _decoded(text))
    )


def _walk(value: object, path: str, depth: int) -> Iterator[Finding]:
    # Deeper than any body a parser lets in; such a thing is refused for its type anyway.
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        if holds_card_number(value):
            yield Finding(path, "text")
    elif isinstance(value, Mapping):
        yield from _walk_fields(value, path, depth)
    elif isinstance(value, (list, tuple)):
        yield from _walk_items(value, path, depth)
    elif _holds_in_number(value):
        yield Finding(path, "number")


def _walk_fields(fields: Mapping[object, object], path: str, depth: int) -> Iterator[Finding]:
    for name, value in fields.items():
        if holds_card_number(str(name)):
            yield Finding(path, "name")
            yield from _walk(value, f"{path}.?" if path else "?", depth + 1)
        else:
            yield from _walk(value, f"{path}.{name}" if path else str(name), depth + 1)


def _walk_items(items: Sequence[object], path: str, depth: int) -> Iterator[Finding]:
    for index, item in enumerate(items):
        yield from _walk(item, f"{path}[{index}]", depth + 1)


def _holds_in_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return False
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or not _SHORTEST - 1 <= number.adjusted() < _LONGEST:
        return False
    return _is_card_number(str(abs(int(number))))


def _holds(text: str) -> bool:
    return any(
        _run_holds(match.group(), _before(text, match))
        for pattern in (_RUN, *_JOINED)
        for match in pattern.finditer(text)
    )


def _before(text: str, match: re.Match[str]) -> str:
    return text[match.start() - 1] if match.start() else ""


def _run_holds(run: str, before: str) -> bool:
    groups = [_plain(group) for group in _GROUP.findall(run)]
    # +49 170 1234567: an international telephone number has 13 digits at times, and no card
    # number of 13 digits has been issued for decades.
    if before == "+" and sum(map(len, groups)) == _SHORTEST:
        return False
    return any(_starts_card_number(groups, start) for start in range(len(groups)))


def _plain(group: str) -> str:
    return group if group.isascii() else "".join(str(digit_of(char)) for char in group)


def _starts_card_number(groups: Sequence[str], start: int) -> bool:
    joined = ""
    # No number of 19 digits has more groups than digits.
    for group in groups[start : start + _LONGEST]:
        joined += group
        if len(joined) > _LONGEST:
            return False
        if _is_card_number(joined):
            return True
    return False


def _is_card_number(digits: str) -> bool:
    lengths = _LENGTHS_BY_PREFIX.get(digits[:4])
    return lengths is not None and len(digits) in lengths and _luhn(digits)


def _luhn(digits: str) -> bool:
    values = [int(digit) for digit in reversed(digits)]
    return (sum(values[::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10 == 0


def _unquoted(match: re.Match[str]) -> str:
    return chr(int(match.group(1), 16))


def _decoded(text: str) -> Iterator[str]:
    for match in _BASE64.finditer(text):
        coded = match.group().rstrip("=").replace("-", "+").replace("_", "/")
        # Four characters hold three bytes; a lone fifth one holds none.
        coded = coded[: len(coded) - (len(coded) % 4 == 1)]
        yield b64decode(coded + "=" * (-len(coded) % 4)).decode("latin-1")
