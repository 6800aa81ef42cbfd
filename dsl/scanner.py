"""A first look over a file: comments, where declarations begin, and slips of the pen.

The parser proper sees one declaration at a time, so that an error costs one declaration and not
the file. A declaration begins at a word that opens one; `step_up` alone also stands inside rules,
and is told apart by the word before it. The look is one pass over the text that keeps no tokens,
so that its cost is bounded whatever the text.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from tidegate.dsl.characters import disguised, hidden, odd_space
from tidegate.dsl.currencies import MINOR_DIGITS, example, written_in
from tidegate.dsl.diagnostics import Diagnostic, Severity
from tidegate.dsl.nesting import Nesting, is_value
from tidegate.dsl.source import Source, Span
from tidegate.dsl.tree import Comment
from tidegate.dsl.words import (
    CLAUSES,
    DECLARATIONS,
    OPERATORS,
    TYPE_WORDS,
)

MAX_FILE_BYTES = 2**20
MAX_DECLARATIONS = 10_000
MAX_WORDS = 20_000
"""How many words and signs one declaration may have."""
MAX_ERRORS = 100
"""After so many errors in one file the rest is left for the next run."""
MAX_NAME = 100
_MAX_DIGITS = 19
_LONGEST_NETWORK = 49

_TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
  | (?P<text>"(?:[^"\\\n]|\\.)*")
  | (?P<open_text>"[^\n]*)
  | (?P<quoted>[\u201c\u201d\u201e\u00ab\u2018\u2019]
               [^\u201c\u201d\u201e\u00bb\u2018\u2019"\n]*[\u201c\u201d\u00bb\u2018\u2019]?)
  | (?P<foreign>[A-Za-z0-9_]*[^\x00-\x7f\s\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019][A-Za-z0-9_]*)
  | (?P<instant>[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]*(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)
  | (?P<day>(?=0|[0-9]+[/-]0|[0-9]+[/-][0-9]+[/-]0|[0-9]+\.)
            (?:[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}|[0-9]{1,2}-[0-9]{1,2}-[0-9]{4}
              |[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}|[0-9]{4}/[0-9]{1,2}/[0-9]{1,2})(?![0-9A-Za-z_.]))
  | (?P<clock>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?![0-9A-Za-z_:./]))
  | (?P<network>[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+(?:/[0-9]+)?
               |[0-9a-f]*:[0-9a-f:]*:[0-9a-f:.]*(?:/[0-9]+)?)
  | (?P<number>\.?[0-9][0-9A-Za-z_.]*)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<slip>==|&&|\|\||<>|=<|=>|!(?!=)|'[^'\n]*')
  | (?P<sign>!=|<=|>=)
  | (?P<percent>%)
  | (?P<other>\S)
    """,
    re.VERBOSE,
)
_LINE_OPENS = re.compile(rf"^[ \t]*({'|'.join(DECLARATIONS)})\b", re.MULTILINE)
_GOOD_NUMBER = re.compile(r"(0|[1-9][0-9]*)((us|ms|s|m|h|d|w)|(\.[0-9]{1,6})?([A-Z]{3})?)")
_SEPARATED = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(?![0-9])")
_SLIPS = {
    "==": ("`==` is not an operator here", "use `=` to compare"),
    "&&": ("`&&` is not an operator here", "write `and`"),
    "||": ("`||` is not an operator here", "write `or`"),
    "<>": ("`<>` is not an operator here", "write `!=`"),
    "=<": ("`=<` is not an operator here", "write `<=`"),
    "=>": ("`=>` is not an operator here", "write `>=`"),
    "!": ("`!` is not an operator here", "write `not`"),
}
_ENDERS = frozenset(
    [
        "managed",
        "key",
        "folded",
        "lenient",
        "shadow",
        "mandatory",
        "external",
        "missing",
        "present",
        "end",
        "true",
        "false",
        "points",
        "skip",
        "all",
        "before",
        "after",
    ]
)
_WANTING = frozenset((*CLAUSES, *OPERATORS)) - _ENDERS - frozenset(TYPE_WORDS)
_WANTING_SIGNS = frozenset(
    ["=", "<", ">", "!=", "<=", ">=", "+", "-", "*", "/", "(", ",", ".", "!"]
)
_BEFORE_STEP_UP = frozenset(["then", ",", "or", "may", "because"])


class Token(NamedTuple):
    """A piece of text and what sort it is; positions count characters of the file."""

    sort: str
    text: str
    start: int
    end: int


_NOTHING = Token("none", "", 0, 0)


@dataclass(frozen=True, slots=True)
class Chunk:
    """The text `[start, end)` of one declaration; `word` opens it, empty for stray text.

    A chunk with a slip in it is `spoiled` and not parsed: what follows a slip is guesswork.
    """

    word: str
    start: int
    end: int
    spoiled: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """What the first look found."""

    chunks: tuple[Chunk, ...]
    comments: tuple[Comment, ...]
    diagnostics: tuple[Diagnostic, ...]


def scan(source: Source) -> Scan:
    """Cut `source` into declarations; every slip is a diagnostic."""
    look = _Look(source)
    place: int | None = 0
    while place is not None:
        place = look.stretch(place)
    return look.result()


def _windows(tokens: Iterable[Token]) -> Iterator[tuple[Token, Token, Token, Token]]:
    """Each token with the one before it and the two after it."""
    before = token = following = _NOTHING
    for after in tokens:
        if token is not _NOTHING:
            yield before, token, following, after
        before, token, following = token, following, after
    yield from ((before, token, following, _NOTHING),) if token is not _NOTHING else ()
    yield from ((token, following, _NOTHING, _NOTHING),) if following is not _NOTHING else ()


class _Look:
    """The state of the pass: the chunk at hand and what was found so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.chunks: list[Chunk] = []
        self.comments: dict[int, Comment] = {}
        self.diagnostics: list[Diagnostic] = list(hidden(source, MAX_ERRORS))
        self._hidden = [d.span.start for d in self.diagnostics]
        self._errors = len(self.diagnostics)
        self._nesting = Nesting()
        self._words = self._read = self._warnings = 0
        self._over = self._clock_said = False

    def stretch(self, place: int) -> int | None:
        """Look at the text from `place` on; returns where to go on after a part left out."""
        for before, token, *after in _windows(self._code(place)):
            self._take(before, token, after)
            if self._errors >= MAX_ERRORS or self._over:
                break
        else:
            return None
        return self._recover(token.end)

    def _recover(self, place: int) -> int | None:
        """Where the next declaration seems to begin, after one that is not worth reading on."""
        self._spoil()
        if self._errors >= MAX_ERRORS or len(self.chunks) > MAX_DECLARATIONS:
            return None
        self._over = False
        found = _LINE_OPENS.search(self.source.text, place)
        return found.start(1) if found else None

    def _code(self, place: int) -> Iterator[Token]:
        """Put the comments aside; complain of blanks that only look like blanks."""
        for match in _TOKEN.finditer(self.source.text, place):
            start, end = match.span()
            self._gap(place, start)
            place = end
            token = Token(match.lastgroup or "other", match.group(), start, end)
            if token.sort == "comment":
                self.comments[start] = _comment(self.source, token)
            else:
                yield token
        self._gap(place, len(self.source.text))

    def _take(self, before: Token, token: Token, after: list[Token]) -> None:
        if _opens(self.source.text, before, token, after, self.chunks):
            self._begin(token)
        elif not self.chunks:
            self.chunks.append(Chunk("", token.start, token.start))
        self._words += 1
        self._judge(token)

    def result(self) -> Scan:
        """Everything found, with the last chunk closed."""
        self._end(len(self.source.text))
        return Scan(tuple(self.chunks), tuple(self.comments.values()), tuple(self.diagnostics))

    def _begin(self, token: Token) -> None:
        self._end(token.start)
        self.chunks.append(Chunk(token.text, token.start, token.start))
        self._nesting = Nesting()
        self._words = 0
        self._clock_said = False
        if len(self.chunks) > MAX_DECLARATIONS:
            self._too_many(token)

    def _end(self, end: int) -> None:
        """Close the last chunk; what is hidden in it spoils it."""
        if not self.chunks:
            return
        last = self.chunks[-1]
        inside = bisect_left(self._hidden, last.start) < bisect_left(self._hidden, end)
        self.chunks[-1] = replace(last, end=end, spoiled=last.spoiled or inside)

    def _spoil(self) -> None:
        if self.chunks:
            self.chunks[-1] = replace(self.chunks[-1], spoiled=True)

    def _judge(self, token: Token) -> None:
        """Report what is wrong with one token; one slip of a kind spoils the chunk."""
        if token.start < self._read:
            return
        separated = _separated(self.source, token, self._nesting)
        if separated:
            self._read = separated.span.end
        slip = separated or _slip(self.source, token)
        if slip is not None and not (token.sort == "clock" and self._clock_said):
            self._report(slip)
        self._clock_said = self._clock_said or token.sort == "clock"
        self._warn(token)
        excess = self._nesting.take(token.text, value=is_value(token.sort, token.text))
        if excess is not None:
            self._report(self._at("TG106", excess.message, token, excess.help))
        elif self._words > MAX_WORDS:
            message = "this declaration is longer than any that can be read"
            self._report(self._at("TG106", message, token, "cut it into several"))

    def _report(self, diagnostic: Diagnostic) -> None:
        self.diagnostics.append(diagnostic)
        self._errors += 1
        self._spoil()
        # Where a level, a chain or the length is over its limit, all that follows is too.
        self._over = self._over or diagnostic.code == "TG106"

    def _warn(self, token: Token) -> None:
        if token.sort == "text" and not token.text.isascii() and self._warnings < MAX_ERRORS:
            for start, end, message in islice(disguised(token.text), MAX_ERRORS):
                span = Span(self.source.path, token.start + start, token.start + end)
                self._warnings += 1
                self.diagnostics.append(
                    Diagnostic("TG190", message, span, "type it again", Severity.WARNING)
                )

    def _gap(self, start: int, end: int) -> None:
        for place, message, help_text in odd_space(self.source.text, start, end):
            if self._errors < MAX_ERRORS:
                span = Span(self.source.path, place, place + 1)
                self.diagnostics.append(Diagnostic("TG107", message, span, help_text))
                insort(self._hidden, place)
                self._errors += 1

    def _too_many(self, token: Token) -> None:
        message = f"this file has more than {MAX_DECLARATIONS:,} declarations".replace(",", " ")
        help_text = "split it; all files of a folder are one policy"
        self.diagnostics.append(self._at("TG108", message, token, help_text))
        self.chunks = [replace(chunk, spoiled=True) for chunk in self.chunks]
        self._over = True

    def _at(self, code: str, message: str, token: Token, help_text: str) -> Diagnostic:
        return Diagnostic(code, message, _span(self.source, token), help_text)


def _span(source: Source, token: Token) -> Span:
    return Span(source.path, token.start, token.end)


def _comment(source: Source, token: Token) -> Comment:
    line, _ = source.position(token.start)
    before = source.text[source.line_starts[line - 1] : token.start]
    return Comment(_span(source, token), token.text.rstrip(), trailing=bool(before.strip()))


# --- where a declaration begins ------------------------------------------------------------------


def _opens(text: str, before: Token, token: Token, after: list[Token], chunks: list[Chunk]) -> bool:
    """Whether `token` opens a declaration, rather than being a word in one."""
    if token.sort != "word" or token.text not in DECLARATIONS:
        return False
    first, second = after
    starts_line = before is _NOTHING or "\n" in text[before.end : token.start]
    if token.text == "step_up":
        named = second.text in ("rank", "try", "within", "if") or second.sort == "text"
        if before.text == "never":  # a grant goes on after it, and a reason ends: `retry never`
            return starts_line and named
        if before.text in ("least", "prefer"):  # a declaration before may end in such a name
            return starts_line and named and text[token.start - 1] == "\n"
        return before.text not in _BEFORE_STEP_UP and (starts_line or named)
    if not starts_line:
        opener = bool(chunks) and before.start == chunks[-1].start and chunks[-1].word != ""
        wanting = before.text in _WANTING or before.text in _WANTING_SIGNS
        return first.sort == "word" and not opener and not wanting
    # A word of the language in the place of a name: `reason text?` inside an event. It is left in
    # its declaration, where the parser says what to call it instead.
    named = second.sort == "text" or second.text in ("=", "of", "on", "version", "rank")
    if (first.text, second.text) == ("one", "of") or (not named and first.text in TYPE_WORDS):
        return False
    indented = token.start > 0 and text[token.start - 1] != "\n"
    return not (indented and first.text in _WANTING_SIGNS)


# --- slips ---------------------------------------------------------------------------------------


def _slip(source: Source, token: Token) -> Diagnostic | None:
    found = _SLIP_OF.get(token.sort, _no_slip)(token.text)
    if found is None:
        return None
    code, message, help_text = found
    if token.sort == "clock":
        help_text = _hours(source.text, token)
    if "100 EUR" in help_text:
        help_text = help_text.replace("100 EUR", example(written_in(source.text)))
    return Diagnostic(code, message, _span(source, token), help_text)


_Found = tuple[str, str, str] | None


def _no_slip(_: str) -> _Found:
    return None


def _operator_slip(text: str) -> _Found:
    if text.startswith("'"):
        return "TG104", "texts stand in double quotes", f'write "{_short(text[1:-1])}"'
    return ("TG103", *_SLIPS[text])


def _quote_slip(text: str) -> _Found:
    inner = text.strip("\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019").strip()
    return "TG104", "texts stand in straight double quotes", f'write "{_short(inner)}"'


def _open_text_slip(_: str) -> _Found:
    return "TG104", "this text is not closed on its line", 'end it with `"`'


def _text_slip(text: str) -> _Found:
    if "\\" in text and re.search(r"\\[^\"\\]", text.replace("\\\\", "")):
        message = 'a text knows the escapes `\\"` and `\\\\` only'
        return "TG104", message, "write the character itself; in a pattern, `\\\\d` is a digit"
    return None


def _foreign_slip(text: str) -> _Found:
    if not text.isprintable():
        return None  # what is hidden in it is reported by itself
    money = _MONEY_SIGN.fullmatch(text)
    if money:
        written = f"{money[1] or money[3]} {_SIGNS_OF_MONEY[money[2]]}"
        return "TG102", f"`{text}` is no literal", f"an amount is written `{written}`"
    message = f"`{_short(text)}` is no word of the language and cannot be a name"
    return "TG105", message, "names are written with a to z, digits and `_`"


_SIGNS_OF_MONEY = {"\u20ac": "EUR", "\u00a3": "GBP", "\u00a5": "JPY"}
_MONEY_SIGN = re.compile(rf"([0-9]*)([{''.join(_SIGNS_OF_MONEY)}])([0-9]*)(?<!^.)")


def _day_slip(text: str) -> _Found:
    return "TG102", f"`{text}` is no day", "a day is written year, month, day: `2026-02-01`"


def _clock_slip(text: str) -> _Found:
    return "TG102", f"`{text}` is no literal; a time of day is asked for by its hour", ""


def _hours(text: str, token: Token) -> str:
    """How a time of day is tested; with the author's own hours where both ends stand there."""
    window = text[max(token.start - 100, 0) : token.end + 20]
    found = _CLOCKS.search(window)
    field, low, high = found.groups() if found else ("at", "22", "6")
    join = "or" if int(low) > int(high) else "and"
    return f"write `hour({field}) >= {int(low)} {join} hour({field}) < {int(high)}`"


_CLOCKS = re.compile(r"([a-z_][a-z0-9_]*)\s+between\s+([0-9]{1,2}):00\s+and\s+([0-9]{1,2}):00\b")


def _word_slip(text: str) -> _Found:
    if len(text) > MAX_NAME:
        return "TG105", f"this name is longer than {MAX_NAME} characters", "shorten it"
    return None


def _network_slip(text: str) -> _Found:
    if len(text) > _LONGEST_NETWORK:
        return "TG102", "no address is that long", "write it as in `10.0.0.0/8` or `2001:db8::/32`"
    return None


def _number_slip(text: str) -> _Found:
    if _GOOD_NUMBER.fullmatch(text):
        digits = sum(char.isdigit() for char in text)
        if digits > _MAX_DIGITS:
            return "TG102", f"`{text[:12]}…` has {digits} digits; no value is that large", ""
        return None
    found = next(((m, h) for p, m, h in _BAD_NUMBERS if p.fullmatch(text)), None)
    message, help_text = found or (
        "is no literal", "a literal is `5`, `0.85`, `12%`, `100 EUR` or `10m`"
    )  # fmt: skip
    help_text = help_text.replace("@MONEY", f"{text[:-3]} {text[-3:].upper()}")
    help_text = help_text.replace("@", _short(text))
    return "TG102", f"`{_short(text)}` {message}", help_text


_BAD_NUMBERS = tuple(
    (re.compile(pattern), message, help_text)
    for pattern, message, help_text in (
        (r"\..*", "lacks its leading zero", "write `0@`"),
        (r"[0-9]+\.", "ends in its point", "write the digits after it, or leave it out"),
        (r"0[0-9]+(\.[0-9]+)?([a-z]+|[A-Z]{3})?", "has leading zeros",
         "write the number without them"),
        (r"[0-9.]+[eE][0-9]*", "is in scientific notation", "write the digits out"),
        (r"[0-9]+\.[0-9]{7,}", "has more than six decimals", "a number holds six"),
        (r"[0-9][0-9_.]*_[0-9_.]*", "has separators in it", "write the digits alone"),
        (r"[0-9]+(sec|secs|seconds?|mins?|minutes?|hr|hrs|hours?|days?|weeks?|mo|months?|y|years?)",
         "is no duration", "the units are us, ms, s, m, h, d and w"),
        (rf"[0-9.]+({'|'.join(MINOR_DIGITS).lower()})", "is no literal",
         "write `@MONEY`"),
        (r"[0-9]+\.[0-9]+(us|ms|s|m|h|d|w)", "is no duration", "a duration counts whole units"),
        (r"[0-9]+\.[0-9]+\..*", "is no literal", "an address has four parts"),
        (r"[0-9]+[kKM]", "is no number", "write the digits out"),
        (r"0[xXbBoO].*", "is no number", "write it in decimal digits"),
    )
)  # fmt: skip
_SLIP_OF = {
    "slip": _operator_slip, "quoted": _quote_slip, "open_text": _open_text_slip,
    "text": _text_slip, "foreign": _foreign_slip, "word": _word_slip, "number": _number_slip,
    "network": _network_slip, "day": _day_slip, "clock": _clock_slip,
}  # fmt: skip


def _separated(source: Source, token: Token, nesting: Nesting) -> Diagnostic | None:
    """`1,000`: separators, unless a set or a call stands open and its parts could be numbers."""
    if token.sort != "number" or source.text[token.end : token.end + 1] != ",":
        return None
    found = _SEPARATED.match(source.text, token.start)
    if found is None or (nesting.brackets and ",0" not in found.group()):
        return None
    span = Span(source.path, found.start(), found.end())
    return Diagnostic("TG102", "a number has no separators", span, "write the digits alone")


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}…"
