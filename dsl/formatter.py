"""One way to write a rule file, with every comment kept.

The text is printed from the tree; comments are put back beside the clause they stood at. The result
is read again and compared with what was there, so a file that would change what it says is left as
it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from tidegate.dsl import tree
from tidegate.dsl.clauses import HEAD, LEAD, TAIL, Note, Part, Places, cut, place
from tidegate.dsl.diagnostics import Diagnostic, has_errors
from tidegate.dsl.layout import Line, lay_out
from tidegate.dsl.parser import Reading, read
from tidegate.dsl.printing import Unit, print_declaration
from tidegate.dsl.source import Source, Span

INDENT = 2
MAX_PASSES = 6
"""A comment that moves out of a clause may change the layout of what it leaves; this settles."""
_ROWS = (
    tree.FeatureDeclaration, tree.LetDeclaration, tree.ParamDeclaration, tree.LabelDeclaration,
    tree.ListDeclarationNode, tree.ReasonDeclaration,
    tree.LibraryDeclaration,
)  # fmt: skip
"""Declarations that may follow their like without a blank line."""


@dataclass(frozen=True, slots=True)
class Formatted:
    """The text in the style of the house, or none and the reasons why."""

    text: str | None
    diagnostics: tuple[Diagnostic, ...]


def format_source(source: Source) -> Formatted:
    """Format one file; never raises, and never answers with a text that says something else."""
    reading = read(source)
    diagnostics = reading.parsed.diagnostics
    if has_errors(diagnostics):
        return Formatted(None, diagnostics)
    text = _settle(source, reading)
    return Formatted(text, diagnostics if text is not None else (_refusal(source),))


def _refusal(source: Source) -> Diagnostic:
    return Diagnostic(
        "TG191",
        "the formatter would change what this file says; it is left as it was",
        Span(source.path, 0, 0),
        "this is a mistake in the formatter: please report it with the file",
    )


def _settle(source: Source, reading: Reading) -> str | None:
    """The text that formatting does not change any more; none where it says something else."""
    page = _page(source, reading)
    wanted = _said(page)
    for _ in range(MAX_PASSES):
        text = _print(page)
        if text is None or text == source.text:
            return text
        source = Source(source.path, text)
        reading = read(source)
        if has_errors(reading.parsed.diagnostics):
            return None
        page = _page(source, reading)
        if _said(page) != wanted:
            return None
    return None


class _Page(NamedTuple):
    """A file cut into the parts of its declarations, with the places of its comments."""

    file: tree.File
    units: list[list[Unit]]
    parts: list[list[Part]]
    places: Places


def _page(source: Source, reading: Reading) -> _Page:
    file = reading.parsed.file
    parts = [cut(*both) for both in zip(file.declarations, reading.pieces, strict=True)]
    units = [print_declaration(declaration) for declaration in file.declarations]
    return _Page(file, units, parts, place(source.text, file.comments, parts))


def _said(page: _Page) -> tuple[object, ...]:
    """All that must not change: the declarations, and each comment with its clause."""
    return page.file.declarations, [_owner(page, note) for note in page.places.notes]


def _owner(page: _Page, note: Note) -> tuple[str, int, str, int]:
    """The clause that a comment belongs to, by name; the words of a head line are one clause."""
    if note.part in (LEAD, TAIL):
        return note.text, note.declaration, HEAD if note.part == LEAD else "tail", 0
    part = page.parts[note.declaration][note.part]
    if any(unit.joins and unit.key == part.key for unit in page.units[note.declaration][:2]):
        return note.text, note.declaration, HEAD, 0
    return note.text, note.declaration, part.key, part.count


# --- one file ------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """A line of the result; `gap` asks for an empty line before it."""

    text: str
    gap: bool = False


class _Piece(NamedTuple):
    """A unit with the comments in it, their `ink` counted from the start of the unit."""

    unit: Unit
    notes: list[Note]
    gap: bool


class _Section(NamedTuple):
    """A declaration with the comments before and after it."""

    declaration: tree.Declaration
    leads: list[_Row]
    gap: bool
    pieces: list[_Piece]
    tails: list[Note]


def _print(page: _Page) -> str | None:
    notes = _grouped(page.places.notes, lambda note: note.declaration)
    sections = []
    before: tree.Declaration | None = None
    for index, declaration in enumerate(page.file.declarations):
        section = _section(page, index, notes.get(index, []), before)
        if section is None:
            return None
        sections.append(section)
        before = declaration
    rows = [row for block in _blocks(sections) for row in _block_rows(block)]
    apart = before is not None and not isinstance(before, _ROWS)
    rows += _leads(notes.get(len(page.parts), []), apart=apart)
    return "".join(
        f"\n{row.text}\n" if row.gap and index else f"{row.text}\n"
        for index, row in enumerate(rows)
    )


def _grouped(notes: Iterable[Note], key: Callable[[Note], int]) -> dict[int, list[Note]]:
    found: dict[int, list[Note]] = {}
    for note in notes:
        found.setdefault(key(note), []).append(note)
    return found


def _section(
    page: _Page, index: int, notes: list[Note], before: tree.Declaration | None
) -> _Section | None:
    declaration = page.file.declarations[index]
    inside = [note for note in notes if note.part >= 0]
    pieces = _pieces(page, index, inside)
    if pieces is None:
        return None
    alike = isinstance(declaration, _ROWS) and type(before) is type(declaration)
    apart = before is not None and not alike
    leads = _leads([note for note in notes if note.part == LEAD], apart=apart)
    gap = (index, 0) in page.places.gaps or (apart and not leads)
    return _Section(declaration, leads, gap, pieces, [n for n in notes if n.part == TAIL])


def _leads(notes: list[Note], *, apart: bool) -> list[_Row]:
    """Comments on lines of their own; `apart` puts an empty line before the first."""
    return [_Row(note.text, note.gap or (apart and not index)) for index, note in enumerate(notes)]


# --- the order of clauses ------------------------------------------------------------------------


def _pieces(page: _Page, index: int, notes: list[Note]) -> list[_Piece] | None:
    """The units of a declaration with their comments; none where text and tree do not match.

    The units come in the order of the house, unless that would change the order of the comments.
    """
    units, parts = page.units[index], page.parts[index]
    ranks = _ranks(units, parts)
    if ranks is None:
        return None
    order = sorted(range(len(parts)), key=ranks.__getitem__)
    noted = [ranks[note.part] for note in notes]
    if noted != sorted(noted):
        order = list(range(len(parts)))
    by_part = _grouped(notes, lambda note: note.part)
    pieces = [
        _Piece(
            units[ranks[part]],
            by_part.get(part, []),
            parts[part].key == "field" and (index, part) in page.places.gaps,
        )
        for part in order
    ]
    return _with_head_line(pieces)


def _ranks(units: Sequence[Unit], parts: Sequence[Part]) -> list[int] | None:
    """The index of the unit that prints each part."""
    counts: Counter[str] = Counter()
    ranks = {}
    for rank, unit in enumerate(units):
        ranks[unit.key, counts[unit.key]] = rank
        counts[unit.key] += 1
    found = [ranks.get((part.key, part.count)) for part in parts]
    known = [rank for rank in found if rank is not None]
    return known if len(known) == len(parts) == len(units) else None


def _with_head_line(pieces: list[_Piece]) -> list[_Piece]:
    if len(pieces) < 2 or not pieces[1].unit.joins:
        return pieces
    head, joining, *rest = pieces
    moved = [note._replace(ink=note.ink + head.unit.ink) for note in joining.notes]
    return [_Piece(head.unit.join(joining.unit), head.notes + moved, head.gap), *rest]


# --- lines ---------------------------------------------------------------------------------------


def _blocks(sections: Sequence[_Section]) -> list[list[_Section]]:
    """Neighbours of one kind without an empty line between them, whose columns are aligned."""
    blocks: list[list[_Section]] = []
    for section in sections:
        apart = section.gap or any(row.gap for row in section.leads)
        if not blocks or apart or type(blocks[-1][-1].declaration) is not type(section.declaration):
            blocks.append([])
        blocks[-1].append(section)
    return blocks


def _block_rows(block: Sequence[_Section]) -> Iterator[_Row]:
    widths = _widths(section.pieces[0].unit for section in block)
    for section in block:
        yield from section.leads
        head, *clauses = section.pieces
        yield from _piece_rows(head._replace(gap=section.gap), 0, widths)
        inner = _widths(piece.unit for piece in clauses)
        for piece in clauses:
            yield from _piece_rows(piece, INDENT, inner)
        for note in section.tails:
            yield _Row(" " * INDENT + note.text)


def _widths(units: Iterable[Unit]) -> list[int]:
    """How wide each column is. An enumeration stands out of its column rather than widen it."""
    columns = zip_longest(*(unit.cells for unit in units), fillvalue="")
    return [
        max((len(c) for c in cells if not c.startswith("one of ")), default=0) for cells in columns
    ]


def _piece_rows(piece: _Piece, indent: int, widths: Sequence[int]) -> Iterator[_Row]:
    cells = zip(piece.unit.cells, widths, strict=False)
    prefix = " " * indent + "".join(f"{cell.ljust(width)} " for cell, width in cells)
    total = piece.unit.ink
    marks = [note.ink for note in piece.notes if 0 < note.ink < total]
    gap = piece.gap
    notes = list(reversed(piece.notes))
    for line in lay_out(prefix, piece.unit.body, marks):
        here = []
        while notes and (line.end == total or _stands_at(notes[-1], line)):
            here.append(notes.pop())
        for row in _line_rows(line, here):
            yield row._replace(gap=gap)
            gap = False


def _stands_at(note: Note, line: Line) -> bool:
    return note.ink <= line.end if note.trailing else note.ink < line.end


def _line_rows(line: Line, notes: Sequence[Note]) -> Iterator[_Row]:
    """The line after its comments, the last of which may end it."""
    indent = line.text[: len(line.text) - len(line.text.lstrip())]
    trailing = notes[-1:] if notes and notes[-1].trailing else ()
    for note in notes[: len(notes) - len(trailing)]:
        yield _Row(indent + note.text)
    yield _Row("  ".join((line.text, *(note.text for note in trailing))))
