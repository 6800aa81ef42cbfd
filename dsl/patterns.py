r"""Regular expressions of `matches`: RE2, which takes time linear in the text whatever the pattern.

A pattern is looked for anywhere in the text; `^` and `$` bind it to its ends. RE2 is known here
alone. Patterns are checked when a policy is compiled: what RE2 cannot hold, backward references and
looking around among it, and what would grow too large, is refused at its place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import re2

from tidegate.dsl.shapes import fold

MAX_PATTERN = 500
"""How many characters a pattern has at most."""
MAX_PROGRAM = 2_000
"""How many instructions RE2 makes of a pattern at most."""
_MEMORY = 1 << 21
IGNORING_CASE = "(?i)"


class Fault(NamedTuple):
    """What is wrong with a pattern: `[start, end)` of its characters, a sentence and a way out."""

    start: int
    end: int
    message: str
    help: str


class _Word(NamedTuple):
    """A sentence for what RE2 says of a pattern; `@` stands for the part concerned."""

    begins: str
    message: str
    help: str = ""


_LOOKING = "a condition beside it tests the rest: `text matches … and not text matches …`"
_WORDS = (
    _Word("invalid perl operator: (?=", "a pattern cannot look ahead", _LOOKING),
    _Word("invalid perl operator: (?!", "a pattern cannot look ahead", _LOOKING),
    _Word("invalid perl operator: (?<=", "a pattern cannot look behind", _LOOKING),
    _Word("invalid perl operator: (?<!", "a pattern cannot look behind", _LOOKING),
    _Word("invalid perl operator: ", "`@` opens no group", "write `(?:…)`, or `(?i)` at the start"),
    _Word("invalid named capture group: ", "`@` opens no group", "write `(…)`: no name is read"),
    _Word("missing ]: ", "this `[` is not closed", "close it with `]`, or write `\\\\[`"),
    _Word("missing ): ", "a parenthesis is not closed", "close it with `)`, or write `\\\\(`"),
    _Word("unexpected ): ", "this `)` was never opened", "delete it, or write `\\\\)`"),
    _Word("no argument for repetition operator: ", "`@` has nothing to repeat",
          "write what is repeated before it; any text is `.*`"),
    _Word("bad repetition operator: ", "`@` repeats a repetition", "keep one of them"),
    _Word("invalid repetition size: ", "`@` is no number of times, or too large a one",
          "the smaller number comes first, and neither is above 1,000"),
    _Word("invalid character class range: ", "`@` is no range of characters",
          "the smaller end comes first, as in `[a-z]`"),
    _Word("trailing \\", "the pattern ends in a `\\`", "a `\\` itself is written `\\\\\\\\`"),
)  # fmt: skip


def fault(pattern: str) -> Fault | None:
    """What is wrong with `pattern`; None where it can be used."""
    if len(pattern) > MAX_PATTERN:
        return _whole(pattern, f"a pattern of more than {MAX_PATTERN} characters", "shorten it")
    bytewise = _escape_at(pattern, "C")
    if bytewise >= 0:
        return Fault(bytewise, bytewise + 2, "`\\C` is a byte, and a text has none", "write `.`")
    try:
        size = _compiled(pattern).programsize
    except re2.error as error:
        return _refused(pattern, error)
    if size > MAX_PROGRAM:
        return _too_large(pattern)
    return None


def _refused(pattern: str, error: re2.error) -> Fault:
    said = error.args[0] if error.args else b""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    if text.startswith("pattern too large"):
        return _too_large(pattern)
    if text.startswith("invalid escape sequence: "):
        return _escape(pattern, text.partition(": ")[2])
    for word in _WORDS:
        if text.startswith(word.begins):
            part = text.rpartition(": ")[2] if ": " in word.begins else "\\"
            if part == "(?P":
                part = "(?P=" if "(?P=" in pattern else part
            start, end = _place(pattern, part)
            if part == "(?P=":
                return Fault(start, end, *_BACKWARD)
            return Fault(start, end, word.message.replace("@", part), word.help)
    return _whole(pattern, f"this is no pattern: {text}", "see RE2's syntax")


_BACKWARD = (
    "a pattern cannot refer back to what it matched",
    "write the alternatives out, as in `(aa|bb)`",
)


def _escape(pattern: str, part: str) -> Fault:
    start, end = _place(pattern, part)
    if part[1:2].isdigit() or part[1:2] == "k":
        return Fault(start, end, *_BACKWARD)
    return Fault(start, end, f"`{part}` stands for nothing", f"`{part[1:]}` itself needs no `\\`")


def _place(pattern: str, part: str) -> tuple[int, int]:
    """Where the part that RE2 names stands; the whole pattern where it cannot be found."""
    if part == "\\":
        return len(pattern) - 1, len(pattern)
    if part.startswith("\\"):
        start = next((at for at in _escapes(pattern) if pattern.startswith(part, at)), -1)
    elif part == pattern and ")" in pattern:
        start = _unopened(pattern)
        part = ")"
    else:
        start = pattern.find(part)
    if start < 0 or not part:
        return 0, len(pattern)
    # Of `[a` the bracket alone is meant, and of a parenthesis that is not closed all of it.
    return start, start + (1 if part.startswith("[") else len(part))


def _unopened(pattern: str) -> int:
    """The first `)` without a `(` before it; the last one where all have one."""
    escaped = {at + 1 for at in _escapes(pattern)}
    depth = 0
    for at, character in enumerate(pattern):
        if at in escaped:
            continue
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return at
    return pattern.rfind(")")


def _escapes(pattern: str) -> list[int]:
    """Where a backslash stands that makes something else of the character after it."""
    found, at = [], 0
    while at < len(pattern):
        if pattern[at] == "\\":
            found.append(at)
            at += 1
        at += 1
    return found


def _escape_at(pattern: str, letter: str) -> int:
    return next((at for at in _escapes(pattern) if pattern[at + 1 : at + 2] == letter), -1)


def _too_large(pattern: str) -> Fault:
    return _whole(pattern, "this pattern grows too large", "repeat less, or use several patterns")


def _whole(pattern: str, message: str, help_text: str) -> Fault:
    return Fault(0, len(pattern), message, help_text)


def unfolded(pattern: str) -> tuple[int, str] | None:
    """A character that no folded text has, though no case is looked at, and what it has instead."""
    for at, character in enumerate(pattern):
        folded = fold(character)
        if len(folded) > 1:
            return at, folded
    return None


def is_bound(pattern: str) -> bool:
    """Whether the pattern says where in the text it stands: an end of it, or any text around."""
    bare = pattern.removeprefix(IGNORING_CASE)
    starts = bare.startswith(("^", "\\A", ".*", "(^", "(?:^"))
    return starts or bare.endswith(("$", "\\z", ".*", "$)"))


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Callable[[str], bool]:
    """The test of a checked pattern; the same one for the same pattern."""
    search = _compiled(pattern).search

    def holds(text: str) -> bool:
        return search(text.encode("utf-8", "surrogatepass")) is not None

    return holds


def matches(text: str, pattern: str) -> bool:
    """Whether the pattern is found in the text."""
    return matcher(pattern)(text)


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MEMORY
    return re2.compile(pattern.encode("utf-8", "surrogatepass"), options)
