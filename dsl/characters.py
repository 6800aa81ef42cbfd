"""Characters that make a text look like another one: hidden ones and look-alikes.

What a rule shows and what it does must be the same, so characters without a picture and characters
that change the direction of a line are refused wherever they stand, in comments and texts too. A
word that mixes alphabets may be meant, so it is a warning.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice

from tidegate.dsl.diagnostics import Diagnostic
from tidegate.dsl.source import Source, Span

_UNUSUAL = re.compile(r"[^\x20-\x7e\t\n]")
_HIDDEN_CATEGORIES = ("Cf", "Cc", "Co", "Cs", "Cn", "Zl", "Zp")
_HIDDEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_WORD = re.compile(r"[^\W\d_]+")
_ALPHABETS = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")
_LOOK_ALIKES = frozenset("асеорхуіјѕһԁӏԛԝАВЕКМНОРСТУХІЈЅοαρντυκΑΒΕΖΗΙΚΜΝΟΡΤΥΧ")
_SHORTEST = 3


def hidden(source: Source, limit: int) -> Iterator[Diagnostic]:
    """The first `limit` characters that are not seen or move what is seen."""
    return islice(_hidden(source), limit)


def _hidden(source: Source) -> Iterator[Diagnostic]:
    text = source.text
    for match in _UNUSUAL.finditer(text):
        char, offset = match.group(), match.start()
        if char == "\r" and text[offset + 1 : offset + 2] == "\n":
            continue
        if not _is_hidden(char):
            continue
        span = Span(source.path, offset, offset + 1)
        message, help_text = _sentence(char, offset)
        yield Diagnostic("TG107", message, span, help_text)


def _is_hidden(char: str) -> bool:
    variation = "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
    return char in _HIDDEN or variation or unicodedata.category(char) in _HIDDEN_CATEGORIES


def _sentence(char: str, offset: int) -> tuple[str, str]:
    if char == "\ufeff" and offset == 0:
        return "the file begins with a byte order mark", "save it as UTF-8 without one"
    if char == "\r":
        return (
            "a carriage return without its line feed stands here",
            "end the line in the usual way",
        )
    name = unicodedata.name(char, f"U+{ord(char):04X}")
    return (
        f"an invisible or direction-changing character stands here ({name.lower()})",
        "delete it; what a rule shows and what it does must be the same",
    )


def odd_space(text: str, start: int, end: int) -> Iterator[tuple[int, str, str]]:
    """Blanks between words that are not the blanks of the language, each with its sentence."""
    for place in range(start, end) if not text[start:end].isascii() else ():
        if text[place] not in " \t\r\n" and not _is_hidden(text[place]):
            name = unicodedata.name(text[place], "unusual space").lower()
            yield place, f"this is no ordinary space but a {name}", "type a space instead"


def disguised(text: str) -> Iterator[tuple[int, int, str]]:
    """Words of a text that mix alphabets, or are written in letters that look like other ones."""
    for match in _WORD.finditer(text):
        word = match.group()
        if word.isascii():
            continue
        names = [unicodedata.name(char, "").split(" ")[0] for char in word]
        foreign = next((n for n in names if n in _ALPHABETS), None)
        if foreign is None:
            continue
        if "LATIN" in names or any(n in _ALPHABETS and n != foreign for n in names):
            places = ", ".join(
                f"`{c}`"
                for c in dict.fromkeys(c for c, n in zip(word, names, strict=True) if n == foreign)
            )
            yield (
                match.start(),
                match.end(),
                (f"this word mixes alphabets: {places} is {foreign.capitalize()}"),
            )
        elif len(word) >= _SHORTEST and all(char in _LOOK_ALIKES for char in word):
            yield (
                match.start(),
                match.end(),
                (f"this word is {foreign.capitalize()} in letters that look Latin"),
            )
