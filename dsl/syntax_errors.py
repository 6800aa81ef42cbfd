"""Diagnostics of what cannot be parsed: by the mistake that was made, else by what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable

from tidegate.dsl.diagnostics import Diagnostic, nearest_word
from tidegate.dsl.expectations import general
from tidegate.dsl.pieces import Stop
from tidegate.dsl.scanner import Chunk
from tidegate.dsl.source import Source, Span
from tidegate.dsl.structure_mistakes import (
    action,
    field_clause,
    first_words,
    late_clause,
    other_rule_words,
    reserved_name,
    twice,
)
from tidegate.dsl.syntax_case import Case, Said, short
from tidegate.dsl.value_mistakes import (
    amount,
    brackets,
    capital,
    chained,
    foreign_sign,
    is_words,
    quoted_word,
    range_words,
    spaced_duration,
    unended_case,
)
from tidegate.dsl.words import DECLARATIONS, RESERVED


def describe(source: Source, chunk: Chunk, stop: Stop) -> Diagnostic:
    """The diagnostic for what stopped the parser."""
    # The end of a declaration is shown under its last character.
    start = stop.start if stop.found else max(stop.start - 1, chunk.start)
    span = Span(source.path, start, max(stop.end, start + 1))
    case = Case(source, stop, chunk, span)
    said = next((s for special in _SPECIALS if (s := special(case)) is not None), None)
    if said is None:
        said = general(case)
    return Diagnostic(said.code, said.message, span, said.help, related=said.related)


def describe_stray(source: Source, start: int) -> Diagnostic:
    """The diagnostic for text that belongs to no declaration."""
    found = source.text[start:].split(maxsplit=1)[0]
    word = re.match(r"\w+", found) or re.match(r".", found, re.DOTALL)
    text = word.group() if word else found
    return Diagnostic(
        "TG101", f"`{short(text)}` does not open a declaration",
        Span(source.path, start, start + len(text)), _which_declaration(text),
    )  # fmt: skip


def _which_declaration(word: str) -> str:
    meant = meant_declaration(word)
    if meant == word.lower():
        return f"words of the language are lower case: `{meant}`"
    return f"did you mean `{meant}`?" if meant else _SOME_DECLARATIONS


def meant_declaration(word: str) -> str:
    """The word that opens a declaration and was meant by `word`; empty where nobody can tell."""
    if word.lower() in DECLARATIONS:
        return word.lower()
    return _ALIASES_OF_DECLARATIONS.get(word) or nearest_word(word, DECLARATIONS)


_SOME_DECLARATIONS = "a file holds declarations such as `rule` or `event`"


def opens_nothing(source: Source, chunk: Chunk, stop: Stop) -> bool:
    """Whether the parser stopped at what was meant to open the next declaration."""
    line_start = source.text.rfind("\n", 0, stop.start) + 1
    indent = source.text[line_start : stop.start]
    chunk_line = source.text.rfind("\n", 0, chunk.start) + 1
    if indent.strip() or stop.start == chunk.start or not re.match(r"[A-Za-z_]", stop.found):
        return False
    if len(indent) > chunk.start - chunk_line or chunk_line == line_start:
        return False
    ended = "$END" in stop.expected and stop.found not in RESERVED
    meant = nearest_word(stop.found.lower(), DECLARATIONS) or stop.found in _ALIASES_OF_DECLARATIONS
    return ended or (bool(meant) and stop.found not in RESERVED)


_ALIASES_OF_DECLARATIONS = {
    "var": "let", "const": "let", "def": "let", "define": "let", "variable": "feature",
    "parameter": "param", "schema": "event", "transaction": "event", "velocity": "feature",
    "aggregate": "feature", "stepup": "step_up", "challenge": "step_up", "policies": "policy",
    "role": "grant", "permit": "grant", "assert": "guarantee", "blocklist": "list", "set": "list",
}  # fmt: skip
_SPECIALS: tuple[Callable[[Case], Said | None], ...] = (
    first_words, action, twice, late_clause, field_clause, is_words, range_words, reserved_name,
    chained, unended_case, brackets, spaced_duration, quoted_word, amount, foreign_sign,
    other_rule_words, capital,
)  # fmt: skip
