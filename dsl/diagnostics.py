"""Diagnostics are values: a code, a sentence, a place and a way out. Nothing here raises.

House grammar of the sentences: lower-case start, no full stop, the user's words in backticks, the
language's own words and never a token name or a Python type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum

from tidegate.dsl.source import Source, Span

MAX_EXCERPT = 160
"""How many characters of a line are shown; the rest of a longer one is cut."""


class Severity(Enum):
    """How much a diagnostic weighs: an error refuses the policy, a note says what is not done."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `related` are further places with a short label each.

    `line` (from one) is the place in a file whose text is not kept, such as a list's.
    """

    code: str
    message: str
    span: Span
    help: str = ""
    severity: Severity = Severity.ERROR
    related: tuple[tuple[Span, str], ...] = ()
    line: int = 0


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sorted by place, then code, without repetitions."""
    unique = dict.fromkeys(diagnostics)
    return tuple(sorted(unique, key=lambda d: (d.span, d.line, d.code, d.message)))


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any of them refuses the policy."""
    return any(d.severity is Severity.ERROR for d in diagnostics)


def nearest(word: str, candidates: Iterable[str]) -> str:
    """A help line `did you mean …?` for the nearest candidate, or an empty one."""
    found = nearest_word(word, candidates)
    return f"did you mean `{found}`?" if found else ""


def nearest_word(word: str, candidates: Iterable[str]) -> str:
    """The candidate that `word` is probably a slip of, or an empty text."""
    return next(iter(get_close_matches(word, sorted(set(candidates)), n=1, cutoff=0.7)), "")


def render(diagnostic: Diagnostic, sources: Mapping[str, Source]) -> str:
    """The text a person reads, with the source line and the span underlined.

    `sources` maps a path to its source; a place in an unknown file is named without its line.
    """
    lines = [f"{diagnostic.severity.value}[{diagnostic.code}]: {diagnostic.message}"]
    lines += _place(diagnostic.span, "", sources, diagnostic.line)
    for span, label in diagnostic.related:
        lines += _place(span, label, sources)
    if diagnostic.help:
        lines.append(f"  help: {diagnostic.help}")
    return "\n".join(lines)


def _place(span: Span, label: str, sources: Mapping[str, Source], row: int = 0) -> list[str]:
    source = sources.get(span.path)
    if source is None:
        place = f"{span.path}:{row}" if row else span.path
        return [f"  --> {place}"] if place else []
    line_number, column = source.position(span.start)
    line = source.line(line_number)
    text, first = _excerpt(line, column - 1)
    last = min(span.end - span.start, len(line) - column + 1, first + MAX_EXCERPT - column + 1)
    before = "".join("\t" if char == "\t" else " " for char in text[: column - 1 - first])
    gutter = " " * len(str(line_number))
    mark = before + "^" * max(last, 1) + (f" {label}" if label else "")
    return [
        f"  --> {span.path}:{line_number}:{column}",
        f" {gutter} |",
        f" {line_number} | {visible(text)}",
        f" {gutter} | {mark}",
    ]


def _excerpt(line: str, column: int) -> tuple[str, int]:
    """A line of a length to read, with the character at `column`; and how much is cut before it."""
    if len(line) <= MAX_EXCERPT:
        return line, 0
    first = max(0, min(column - MAX_EXCERPT // 3, len(line) - MAX_EXCERPT))
    text = line[first : first + MAX_EXCERPT]
    start, end = "…" if first else "", "…" if first + MAX_EXCERPT < len(line) else ""
    return start + text[len(start) : len(text) - len(end)] + end, first


def visible(text: str) -> str:
    """`text` with control and bidirectional characters shown as escapes, so nothing hides."""
    return "".join(c if c == "\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
