"""A first look over a file: comments, where declarations begin, and slips of the pen.

The parser proper sees one declaration at a time, so that an error costs one declaration and not
the file. A declaration begins at a word that opens one; `step_up` alone also stands inside rules,
and is told apart by what follows its name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.dsl.diagnostics import Diagnostic
from tidegate.dsl.source import Source, Span
from tidegate.dsl.tree import Comment
from tidegate.dsl.words import DECLARATIONS, TYPE_WORDS

MAX_FILE_BYTES = 2**20
MAX_NESTING = 32

_TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
  | (?P<text>"(?:[^"\\\n]|\\.)*")
  | (?P<open_text>"[^\n]*)
  | (?P<instant>[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]*(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)
  | (?P<network>[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+(?:/[0-9]+)?|[0-9a-f]*:[0-9a-f:]*:[0-9a-f:.]*(?:/[0-9]+)?)
  | (?P<number>\.?[0-9][0-9A-Za-z_.]*)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<slip>==|&&|\|\||<>|=<|=>|!(?!=)|'[^'\n]*')
  | (?P<open>\()
  | (?P<close>\))
  | (?P<other>\S)
    """,
    re.VERBOSE,
)
_GOOD_NUMBER = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]{1,6})?(us|ms|s|m|h|d|w|[A-Z]{3})?")
_SLIPS = {
    "==": ("`==` is not an operator here", "use `=` to compare"),
    "&&": ("`&&` is not an operator here", "write `and`"),
    "||": ("`||` is not an operator here", "write `or`"),
    "<>": ("`<>` is not an operator here", "write `!=`"),
    "=<": ("`=<` is not an operator here", "write `<=`"),
    "=>": ("`=>` is not an operator here", "write `>=`"),
    "!": ("`!` is not an operator here", "write `not`"),
}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text and what sort it is; positions count characters of the file."""

    sort: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """The text `[start, end)` of one declaration; `word` opens it, empty for stray text."""

    word: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What the first look found. Chunks with a slip in them are not parsed (`spoiled`)."""

    chunks: tuple[Chunk, ...]
    comments: tuple[Comment, ...]
    diagnostics: tuple[Diagnostic, ...]
    spoiled: frozenset[Chunk]


def scan(source: Source) -> Scan:
    """Cut `source` into declarations; every slip is a diagnostic."""
    tokens = list(_tokens(source.text))
    comments = tuple(_comment(source, t) for t in tokens if t.sort == "comment")
    code = [t for t in tokens if t.sort != "comment"]
    chunks = tuple(_chunks(code, len(source.text)))
    slips = [*_slips(source, code), *_nesting(source, code), *_hidden(source)]
    spoiled = frozenset(
        chunk for chunk in chunks for slip in slips if chunk.start <= slip.span.start < chunk.end
    )
    return Scan(chunks, comments, tuple(slips), spoiled)


def _tokens(text: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        yield Token(match.lastgroup or "other", match.group(), match.start(), match.end())


def _comment(source: Source, token: Token) -> Comment:
    line, _ = source.position(token.start)
    before = source.text[source.line_starts[line - 1] : token.start]
    span = Span(source.path, token.start, token.end)
    return Comment(span, token.text.rstrip(), trailing=bool(before.strip()))


def _chunks(tokens: list[Token], end: int) -> Iterator[Chunk]:
    starts = [i for i in range(len(tokens)) if _opens(tokens, i)]
    if tokens and (not starts or starts[0] > 0):
        stop = tokens[starts[0]].start if starts else end
        yield Chunk("", tokens[0].start, stop)
    for place, index in enumerate(starts):
        stop = tokens[starts[place + 1]].start if place + 1 < len(starts) else end
        yield Chunk(tokens[index].text, tokens[index].start, stop)


def _opens(tokens: list[Token], index: int) -> bool:
    token = tokens[index]
    if token.sort != "word" or token.text not in DECLARATIONS:
        return False
    following = [t.text for t in tokens[index + 1 : index + 3]] + ["", ""]
    before = tokens[index - 1].text if index else ""
    if token.text == "step_up":
        return following[1] in ("rank", "try", "within") or following[1].startswith('"')
    # A word of the language in the place of a name: `reason text?` inside an event. It is left in
    # its declaration, where the parser says what to call it instead.
    named = following[1].startswith('"') or following[1] in ("=", "of", "on", "version", "rank")
    if not named and (following[0] in TYPE_WORDS or following[0:2] == ["one", "of"]):
        return False
    return before not in ("because", "owner", ",")


def _slips(source: Source, tokens: list[Token]) -> Iterator[Diagnostic]:
    for token in tokens:
        found = _slip(token)
        if found:
            code, message, help_text = found
            yield Diagnostic(code, message, Span(source.path, token.start, token.end), help_text)


def _slip(token: Token) -> tuple[str, str, str] | None:
    if token.sort == "slip":
        if token.text.startswith("'"):
            return "TG104", "texts stand in double quotes", f'write "{token.text[1:-1]}"'
        return ("TG103", *_SLIPS[token.text])
    if token.sort == "open_text":
        return "TG104", "this text is not closed on its line", 'end it with `"`'
    if token.sort == "number":
        return _number_slip(token.text)
    if token.sort == "text" and re.search(r"\\[^\"\\]", token.text):
        return (
            "TG104",
            'a text knows the escapes `\\"` and `\\\\` only',
            "write the character itself",
        )
    return None


def _number_slip(text: str) -> tuple[str, str, str] | None:
    if _GOOD_NUMBER.fullmatch(text):
        digits = sum(char.isdigit() for char in text)
        if digits > 19:
            return "TG102", f"`{text[:12]}…` has {digits} digits; no value is that large", ""
        return None
    if text.startswith("."):
        return "TG102", f"`{text}` lacks its leading zero", f"write `0{text}`"
    if re.fullmatch(r"0[0-9]+(\.[0-9]+)?", text):
        return "TG102", f"`{text}` has leading zeros", "write the number without them"
    if re.fullmatch(r"[0-9.]+[eE][0-9]*", text):
        return "TG102", f"`{text}` is in scientific notation", "write the digits out"
    if re.fullmatch(r"[0-9]+\.[0-9]{7,}", text):
        return "TG102", f"`{text}` has more than six decimals", "a number holds six"
    if re.fullmatch(r"[0-9][0-9_]*", text):
        return "TG102", f"`{text}` has separators in it", "write the digits alone"
    if re.fullmatch(r"[0-9.]+[a-z]{3}", text):
        return "TG102", f"`{text}` is no literal", "write the currency in capitals"
    if re.fullmatch(r"[0-9]+(sec|min|hr|hour|hours|day|days|week|weeks|mo|y)", text):
        return "TG102", f"`{text}` is no duration", "the units are us, ms, s, m, h, d and w"
    return "TG102", f"`{text}` is no literal", "a literal is `5`, `0.85`, `12%`, `100 EUR` or `10m`"


def _nesting(source: Source, tokens: list[Token]) -> Iterator[Diagnostic]:
    depth = run = 0
    for token in tokens:
        if token.text in ("(", "case"):
            depth += 1
        elif token.text in (")", "end"):
            depth = max(0, depth - 1)
        run = (
            run + 1
            if token.text in ("not", "-", "otherwise", "(", "case")
            else (run if token.text in ("when",) else 0)
        )
        if token.sort == "word" and token.text in DECLARATIONS and not run:
            depth = 0
        if depth > MAX_NESTING or run > MAX_NESTING:
            span = Span(source.path, token.start, token.end)
            yield Diagnostic(
                "TG106",
                f"this nests deeper than {MAX_NESTING} levels",
                span,
                "name a part of it with `let`",
            )
            return


def _hidden(source: Source) -> Iterator[Diagnostic]:
    """Characters that make a text look like another one."""
    for offset, char in enumerate(source.text):
        if char.isascii() and (char.isprintable() or char in "\t\n\r"):
            continue
        category = unicodedata.category(char)
        if category in ("Cf", "Cc", "Co", "Cs", "Cn"):
            span = Span(source.path, offset, offset + 1)
            name = unicodedata.name(char, f"U+{ord(char):04X}")
            yield Diagnostic(
                "TG107",
                f"an invisible or direction-changing character stands here ({name.lower()})",
                span,
                "delete it; what a rule shows and what it does must be the same",
            )
