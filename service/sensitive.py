"""Finds card numbers, track data and card security codes in what a request holds.

`may_hold` looks at bytes and is quick; it may be wrong in one direction only: what it lets pass
holds nothing that the others would find. They look at what was parsed, and are thorough:

- card numbers as `tidegate.dsl.card_numbers` finds them, and one that is split over two strings
  that stand next to each other (of 6 and 4 digits at least, nothing else in them, no dates) or over
  all items of a short array;
- track 1 and 2 of ISO 7813, whatever their number;
- a value of three or four digits under a name such as `cvv`, `cvc2`, `securityCode`,
  `card_verification_value`, or behind such a word in a text.

Nothing here returns, keeps or prints a value.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Literal
from unicodedata import normalize
from urllib.parse import unquote, unquote_plus

from tidegate.dsl.card_numbers import find_card_numbers, holds_card_number

Kind = Literal["card_number", "track_data", "security_code"]

_SPACE = b" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"
_BETWEEN = _SPACE + b"-./_"
"""What may stand between the digits of a number, in ASCII."""
_DIGITS = bytes(
    ord("d") if chr(byte) in "0123456789" else byte if byte == ord('"') else ord("x")
    for byte in range(256)
)
_SHORTEST = 13
_THIRTEEN = b"d" * _SHORTEST
_UUID = re.compile(
    b'"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"', re.IGNORECASE
)
_NEIGHBOURS = re.compile(b'"d{6,}"x(?:"[^"]*"x)?"d{4,}"|"d+"x"d')
"""Two strings of digits next to each other, as fields, as name and value or as items."""

_CODED = bytes(
    ord("b") if chr(byte).isalnum() or chr(byte) in "+/_-" else ord("x") for byte in range(128)
) + b"x" * 128  # fmt: skip
_SHORTEST_CODED = 18
_EIGHTEEN = b"b" * _SHORTEST_CODED
_IN_DECODED = _BETWEEN + b"\x85\xa0\xad"
"""The same in Latin-1, as which decoded bytes are read."""
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def _unusual() -> re.Pattern[str]:
    """Whatever is not ASCII and might be read as a digit, a separator or an ASCII letter."""
    some = [*range(0xC0, 0x250), *range(0x386, 0x530)]
    plain = "".join(
        re.escape(chr(code))
        for code in some
        if not any(char.isascii() or char.isdecimal() for char in normalize("NFKC", chr(code)))
    )
    return re.compile(f"[^\x00-\x7f{plain}\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3]")


_UNUSUAL = _unusual()

_TRACK_1 = re.compile(r"B(?:\d ?){13,19}\^[^^\r\n]{2,26}\^\d{4}")
_TRACK_2 = re.compile(r"\d{13,19}=\d{7}")
_CODE_IN_TEXT = re.compile(
    r"(?<![a-z])i?cv[vc]2?[\"'\s:=_-]{0,4}(?<!\d\d)\d{3,4}(?!\d)", re.IGNORECASE
)
_CODE_WORDS = (b"cvv", b"cvc")
_CODE_VALUE = re.compile(r"\s*\d{3,4}\s*")

_CODE_NAME = re.compile(
    "cvv|cvc|securitycode|securitynumber|securityvalue|cardverification|cardsecurity|cardcode"
    "|verificationvalue|cardcid|amexcid"
)
_CODE_NAMES = frozenset({"csc", "cvn", "cvd", "cav"})
_ABOUT_A_CODE = re.compile("result|response|check|match|status|present|indicator|length|provided")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NOT_IN_WORDS = re.compile(r"[\W_]+")

NamesCode = Callable[[str], bool]
"""Whether a name is that of a security code."""

_ONLY_DIGITS = re.compile(r"\d(?:[\s\-]{0,3}\d)*")
_DATE = re.compile(
    r"(?:19|20)\d\d-?(?:0[1-9]|1[0-2])-?(?:[0-2]\d|3[01])"
    r"|(?:[0-2]\d|3[01])-?(?:0[1-9]|1[0-2])-?(?:19|20)\d\d"
)
_FEWEST_FIRST, _FEWEST_SECOND = 6, 4
_MOST_PIECES = 6


@dataclass(frozen=True, slots=True)
class Finding:
    """Where something was found. For a name, `path` is that of the object it stands in."""

    kind: Kind
    path: str
    in_name: bool = False


def may_hold(raw: bytes) -> bool:
    """Whether text in UTF-8, JSON or not, may hold something; False is certain.

    Security codes under the names of fields are not looked for.
    """
    if b"\\" in raw or b"%" in raw:
        return True
    if not raw.isascii() and _UNUSUAL.search(raw.decode("utf-8", "replace")):
        return True
    digits = raw.translate(_DIGITS, _BETWEEN)
    if _NEIGHBOURS.search(digits):
        return True
    # A string that is a UUID holds no card number, whatever its digits.
    if _THIRTEEN in digits and _THIRTEEN in _UUID.sub(b'""', raw).translate(_DIGITS, _BETWEEN):
        return True
    lower = raw.lower()
    return any(word in lower for word in _CODE_WORDS) or _may_hold_coded(raw)


def find_in_object(body: object, names_code: NamesCode | None = None) -> tuple[Finding, ...]:
    """Everything found in a parsed body, in the body's order.

    `names_code` stands in for `names_security_code`, which is slow for one name and another.
    """
    return tuple(_Walk(names_code or names_security_code).value(body, "", False))


def find_in_pairs(
    pairs: Iterable[tuple[str, str]], names_code: NamesCode | None = None
) -> tuple[Finding, ...]:
    """Everything found in names and values such as those of a query; a name may come twice."""
    return tuple(_Walk(names_code or names_security_code).fields(list(pairs), "", False))


def find_in_text(text: str) -> Kind | None:
    """What a text holds, as it stands, percent-encoded, or (card numbers) in base64."""
    if len(text) < _SHORTEST and "cv" not in text.lower():
        return None
    if not may_hold(text.encode("utf-8", "surrogatepass")):
        return None
    if not text.isascii():
        text = normalize("NFKC", text)
    found = _find(text)
    if found is None and "%" in text:
        # The detector of card numbers undoes no more than one round.
        found = _find(unquote_plus(text)) or _find(unquote_plus(unquote_plus(text)))
    return found


def names_security_code(name: str) -> bool:
    """Whether a field of that name holds the code printed on a card, however it is spelled."""
    plain = normalize("NFKC", name)
    squashed = _NOT_IN_WORDS.sub("", plain).casefold()
    if _ABOUT_A_CODE.search(squashed):
        return False
    words = {word.casefold() for word in _WORD.findall(plain)}
    return (
        bool(_CODE_NAME.search(squashed))
        or squashed.rstrip("0123456789") in _CODE_NAMES
        or not words.isdisjoint(_CODE_NAMES)
    )


def _may_hold_coded(raw: bytes) -> bool:
    classes = raw.translate(_CODED)
    start = classes.find(_EIGHTEEN)
    while start >= 0:
        end = classes.find(b"x", start)
        end = len(raw) if end < 0 else end
        length = end - start - ((end - start) % 4 == 1)
        coded = raw[start : start + length].translate(_URL_SAFE) + b"=" * (-length % 4)
        if _THIRTEEN in b64decode(coded).translate(_DIGITS, _IN_DECODED):
            return True
        start = classes.find(_EIGHTEEN, end)
    return False


def _find(text: str) -> Kind | None:
    if _TRACK_2.search(text) or ("^" in text and _TRACK_1.search(text)):
        return "track_data"
    if holds_card_number(text):
        return "card_number"
    return "security_code" if _CODE_IN_TEXT.search(text) else None


@dataclass(frozen=True, slots=True)
class _Walk:
    """One way through a body. `coded`: some name above is that of a security code."""

    names_code: NamesCode

    def value(self, value: object, path: str, coded: bool) -> Iterator[Finding]:
        if isinstance(value, str):
            found = find_in_text(value)
            if found is None and coded and _CODE_VALUE.fullmatch(value):
                found = "security_code"
            if found is not None:
                yield Finding(found, path)
        elif isinstance(value, Mapping):
            yield from self.fields(list(value.items()), path, coded)
        elif isinstance(value, (list, tuple)):
            yield from self.items(value, path, coded)
        elif find_card_numbers(value):
            yield Finding("card_number", path)
        elif coded and _is_code_number(value):
            yield Finding("security_code", path)

    def fields(
        self, fields: Sequence[tuple[object, object]], path: str, coded: bool
    ) -> Iterator[Finding]:
        before: object = None
        for key, value in fields:
            name = str(key)
            found = find_in_text(name)
            shown = "?" if found else name
            if found is not None:
                yield Finding(found, path, in_name=True)
            here = f"{path}.{shown}" if path else shown
            yield from self.value(value, here, coded or self.names_code(name))
            if _is_split(name, value) or _is_split(before, value):
                yield Finding("card_number", here)
            before = value

    def items(self, items: Sequence[object], path: str, coded: bool) -> Iterator[Finding]:
        for index, item in enumerate(items):
            yield from self.value(item, f"{path}[{index}]", coded)
        if 2 <= len(items) <= _MOST_PIECES and _is_one_number(items):
            yield Finding("card_number", path)


def _is_split(first: object, second: object) -> bool:
    """Whether two strings are a card number together and neither is a date."""
    if not isinstance(first, str) or not isinstance(second, str):
        return False
    if len(first) < _FEWEST_FIRST or len(second) < _FEWEST_SECOND:
        return False
    head, tail = _digits(first), _digits(second)
    return (
        len(head) >= _FEWEST_FIRST
        and len(tail) >= _FEWEST_SECOND
        and not _DATE.fullmatch(first)
        and not _DATE.fullmatch(second)
        and holds_card_number(head + tail)
    )


def _is_one_number(items: Sequence[object]) -> bool:
    pieces = [_digits(item) if isinstance(item, str) else "" for item in items]
    return all(pieces) and holds_card_number("".join(pieces))


def _digits(text: str) -> str:
    """The digits of a text that holds digits, spaces and dashes alone; else nothing."""
    if text.isascii() and not text[:1].isdigit() and not text[:1].isspace():
        return ""
    plain = normalize("NFKC", text.strip())
    return re.sub(r"\D", "", plain) if _ONLY_DIGITS.fullmatch(plain) else ""


def _is_code_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return False
    return 100 <= value <= 9999 and value == int(value)


def find_in_path(path: str) -> Kind | None:
    """What the path of a URL holds: as a whole, in one segment, or split over two.

    Segments that are UUIDs are left out of the whole: the ids of decisions are.
    """
    segments = [unquote(segment) for segment in path.split("/")]
    whole = "/".join(part for part in segments if not _UUID.fullmatch(f'"{part}"'.encode()))
    found = find_in_text(whole)
    if found is None:
        found = next((kind for part in segments if (kind := find_in_text(part))), None)
    if found is None and any(_is_split(*two) for two in pairwise(segments)):
        return "card_number"
    return found
