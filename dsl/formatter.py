"""One way to write a rule file, with every comment kept.

The text is printed from the tree; comments are put back beside the clause they stood at. The result
is read again and compared with what was there, so a file that would change what it says is left as
it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

from tidegate.dsl import tree
from tidegate.dsl.clauses import HEAD, LEAD, TAIL, Note, Part, cut, place
from tidegate.dsl.diagnostics import Diagnostic, has_errors
from tidegate.dsl.parser import parse
from tidegate.dsl.printing import Line, Unit, ink, lay_out, print_declaration
from tidegate.dsl.source import Source, Span

INDENT = 2
MAX_PASSES = 6
"""A comment that moves out of a clause may change the layout of what it leaves; this settles."""
_ROWS = (
    tree.FeatureDeclaration, tree.LetDeclaration, tree.ParamDeclaration, tree.LabelDeclaration,
    tree.ListDeclarationNode, tree.ReasonDeclaration,
)  # fmt: skip
"""Declarations that may follow their like without a blank line."""


@dataclass(frozen=True, slots=True)
class Formatted:
    """The text in the style of the house, or none and the reasons why."""

    text: str | None
    diagnostics: tuple[Diagnostic, ...]


def format_source(source: Source) -> Formatted:
    """Format one file; never raises, and never answers with a text that says something else."""
    parsed = parse(source)
    if has_errors(parsed.diagnostics):
        return Formatted(None, parsed.diagnostics)
    text = _settle(source, parsed.file)
    if text is None:
        return Formatted(None, (_refusal(source),))
    return Formatted(text, parsed.diagnostics)


def _refusal(source: Source) -> Diagnostic:
    return Diagnostic(
        "TG191",
        "the formatter would change what this file says; it is left as it was",
        Span(source.path, 0, 0),
        "this is a mistake in the formatter: please report it with the file",
    )


def _settle(source: Source, file: tree.File) -> str | None:
    """The text that formatting does not change any more; none where it says something else."""
    wanted = _said(source, file)
    for _ in range(MAX_PASSES):
        text = _print(source, file)
        if text is None or text == source.text:
            return text
        source = Source(source.path, text)
        parsed = parse(source)
        file = parsed.file
        if has_errors(parsed.diagnostics) or _said(source, file) != wanted:
            return None
    return None


def _said(source: Source, file: tree.File) -> tuple[object, ...]:
    """All that must not change: the declarations, and each comment with its clause."""
    page = _page(source, file)
    return file.declarations, [_owner(page, note) for note in page.notes]


class _Page(NamedTuple):
    """A file cut into the parts of its declarations, with the places of its comments."""

    file: tree.File
    parts: list[list[Part]]
    notes: list[Note]


def _page(source: Source, file: tree.File) -> _Page:
    parts = [cut(source.text, declaration) for declaration in file.declarations]
    return _Page(file, parts, place(source.text, file.comments, parts))


def _owner(page: _Page, note: Note) -> tuple[str, int, str, int]:
    """The clause that a comment belongs to, by name; the words of the head line are one."""
    if note.part == TAIL:
        return note.text, note.declaration, "tail", 0
    if note.part == LEAD:
        return note.text, note.declaration, HEAD, 0
    part = page.parts[note.declaration][note.part]
    heads = {unit.key for unit in print_declaration(page.file.declarations[note.declaration])
             if unit.joins}
    if part.key in heads:
        return note.text, note.declaration, HEAD, 0
    return note.text, note.declaration, part.key, part.count


# --- rows ----------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """A line of the result; `gap` asks for an empty line before it."""

    text: str
    gap: bool = False


class _Piece(NamedTuple):
    """A unit with the comments in it, their `ink` counted from the start of the unit."""

    unit: Unit
    notes: list[Note]
    gap: bool


def _print(source: Source, file: tree.File) -> str | None:
    page = _page(source, file)
    pieces = []
    for index, declaration in enumerate(file.declarations):
        ordered = _ordered(print_declaration(declaration), page.parts[index])
        if ordered is None:
            return None
        pieces.append(_pieces(ordered, page, index))
    rows = [row for block in _blocks(page) for row in _block_rows(page, pieces, block)]
    rows += _leads(page, len(file.declarations), forced=_ends_apart(file))
    lines = [line for i, row in enumerate(rows) for line in (("", row.text) if row.gap and i else (row.text,))]
    return "".join(f"{line}\n" for line in lines)
