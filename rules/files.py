"""The files of a policy folder: found in a fixed order, confined to the folder, read as UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tidegate.dsl.diagnostics import Diagnostic, nearest, visible
from tidegate.dsl.source import Source, Span

MAX_DATA_BYTES = 256 * 2**20


def rule_files(folder: Path) -> tuple[Path, ...]:
    """Every `*.tide` below `folder`, hidden folders left out, sorted by relative path."""
    found = (p for p in folder.rglob("*.tide") if p.is_file() and not _hidden(p, folder))
    return tuple(sorted(found, key=lambda p: relative(p, folder)))


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def relative(path: Path, folder: Path) -> str:
    """The path below the folder, with `/` on every system."""
    return path.relative_to(folder).as_posix()


def read_source(path: Path, folder: Path) -> Source | Diagnostic:
    """The text of a rule file, or why it is no text."""
    name = relative(path, folder)
    if not name.isprintable():
        shown = visible(name)
        return Diagnostic(
            "TG182",
            "the name of this file holds characters that cannot be read",
            Span(shown, 0, 0),
            "rename the file; its name is a part of the policy",
        )
    if not path.resolve().is_relative_to(folder.resolve()):
        return _outside(name, Span(name, 0, 0))
    try:
        raw = path.read_bytes()
    except OSError as error:
        return Diagnostic("TG182", f"cannot be read: {error.strerror}", Span(name, 0, 0))
    try:
        return Source(name, raw.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        return Diagnostic(
            "TG181",
            f"byte {error.start + 1} of the file is not UTF-8",
            Span(name, 0, 0),
            "save the file as UTF-8",
            line=raw[: error.start].count(b"\n") + 1,
        )


def data_file(folder: Path, named: str, place: Span) -> Path | Diagnostic:
    """The file that a declaration names, inside the folder and nowhere else."""
    try:
        return _data_file(folder, named, place)
    except (OSError, RuntimeError) as error:  # a name that is too long, links in a circle
        why = getattr(error, "strerror", None) or "its links lead in a circle"
        return Diagnostic("TG704", f"the file cannot be read: {why.lower()}", place)


def _data_file(folder: Path, named: str, place: Span) -> Path | Diagnostic:
    inside = folder.resolve()
    path = (inside / named).resolve() if named and not Path(named).is_absolute() else None
    if path is None or not path.is_relative_to(inside):
        return _outside(named, place)
    if not path.is_file():
        near = (relative(p, inside) for p in _data_files(inside))
        return Diagnostic("TG702", f"there is no file `{named}`", place, nearest(named, near))
    if path.stat().st_size > MAX_DATA_BYTES:
        return Diagnostic("TG703", f"`{named}` is larger than 256 MiB", place)
    return path


def _outside(named: str, place: Span) -> Diagnostic:
    return Diagnostic(
        "TG701",
        f"`{named}` lies outside the policy folder",
        place,
        "a policy holds everything that it needs: copy the file into the folder",
    )


def _data_files(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob("*.csv") if p.is_file() and not _hidden(p, folder))
