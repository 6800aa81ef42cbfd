"""Diagnostics as people, GitHub and programs read them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tidegate.dsl.diagnostics import Diagnostic, Severity, render
from tidegate.dsl.source import Source, Span

_GITHUB_WORDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}

Sources = Mapping[str, Source]


def as_text(diagnostics: Iterable[Diagnostic], sources: Sources, folder: Path | None = None) -> str:
    """Each with its source line, an empty line between them; files are named as seen from here."""
    if folder is not None:
        diagnostics = [_moved(d, folder) for d in diagnostics]
        sources = {from_here(folder / path): source for path, source in sources.items()}
    return "\n\n".join(render(d, sources) for d in diagnostics)


def _moved(diagnostic: Diagnostic, folder: Path) -> Diagnostic:
    def moved(span: Span) -> Span:
        return replace(span, path=from_here(folder / span.path)) if span.path else span

    related = tuple((moved(span), label) for span, label in diagnostic.related)
    return replace(diagnostic, span=moved(diagnostic.span), related=related)


def as_line(diagnostic: Diagnostic, sources: Sources, folder: Path) -> str:
    """Place, message and code in one line, without the source."""
    place = _place(diagnostic.span, diagnostic.line, sources)
    shown = f"{from_here(folder / place['file'])}:{place['line']}: " if place["file"] else ""
    return f"{shown}{diagnostic.message} ({diagnostic.code})"


def as_json(diagnostic: Diagnostic, sources: Sources) -> dict[str, Any]:
    """One diagnostic; lines and columns count from one, 0 where there is no place in a file."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "help": diagnostic.help,
        **_place(diagnostic.span, diagnostic.line, sources),
        "related": [
            {"label": label, **_place(span, 0, sources)} for span, label in diagnostic.related
        ],
    }


def _place(span: Span, line: int, sources: Sources) -> dict[str, Any]:
    source = sources.get(span.path)
    if source is None:
        numbers = (line, int(line > 0), line, int(line > 0))
    else:
        numbers = (*source.position(span.start), *source.position(max(span.end, span.start)))
    keys = ("line", "column", "end_line", "end_column")
    return {"file": span.path, **dict(zip(keys, numbers, strict=True))}


def as_github(diagnostic: Diagnostic, sources: Sources, folder: Path) -> str:
    """A workflow command: GitHub shows it beside the line it speaks of."""
    place = as_json(diagnostic, sources)
    properties = {"file": from_here(folder / place["file"]) if place["file"] else ""}
    if place["line"]:
        properties["line"] = str(place["line"])
        properties["endLine"] = str(place["end_line"])
        properties["col"] = str(place["column"])
        # GitHub takes columns for marks within one line only.
        if place["line"] == place["end_line"]:
            properties["endColumn"] = str(place["end_column"])
    properties["title"] = diagnostic.code
    listed = ",".join(f"{k}={_property(v)}" for k, v in properties.items() if v)
    said = diagnostic.message + (f"\n{diagnostic.help}" if diagnostic.help else "")
    return f"::{_GITHUB_WORDS[diagnostic.severity]} {listed}::{_data(said)}"


def from_here(path: Path) -> str:
    """The path below the folder that the command runs in, where it lies there."""
    absolute, here = Path(os.path.abspath(path)), Path.cwd()  # noqa: PTH100 - links stay
    return (absolute.relative_to(here) if absolute.is_relative_to(here) else path).as_posix()


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
