"""The files of a policy folder: found in a fixed order, confined to the folder, read as UTF-8."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from tidegate.dsl.diagnostics import Diagnostic, nearest, visible
from tidegate.dsl.source import Source, Span

MAX_DATA_BYTES = 256 * 2**20
RULE_SUFFIX = ".tide"


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """The rule files of a folder, and whatever would leave one of them out."""

    paths: tuple[Path, ...]
    problems: tuple[Diagnostic, ...]


def rule_files(folder: Path) -> RuleFiles:
    """Every `*.tide` below `folder`, hidden files and folders left out, sorted by relative path."""
    paths: list[Path] = []
    problems: list[Diagnostic] = []

    def note(error: OSError) -> None:
        problems.append(_unreadable_folder(error, folder))

    for parent, folders, files in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = (Path(parent, name) for name in folders)
        problems += (_linked(p, folder) for p in links if p.is_symlink() and _holds_rules(p))
        for path in (Path(parent, name) for name in files if _is_rule_file(name)):
            if problem := _left_out(path, folder):
                problems.append(problem)
            else:
                paths.append(path)
    return RuleFiles(tuple(sorted(paths, key=lambda p: relative(p, folder))), tuple(problems))


def _unreadable_folder(error: OSError, folder: Path) -> Diagnostic:
    path = Path(error.filename)
    if path != folder:
        return unreadable(relative(path, folder), error)
    return Diagnostic("TG182", f"`{folder}` cannot be read: {error.strerror}", Span("", 0, 0))


def _is_rule_file(name: str) -> bool:
    return name.lower().endswith(RULE_SUFFIX) and not name.startswith(".")


def _holds_rules(folder: Path) -> bool:
    return any(_is_rule_file(name) for _, _, files in os.walk(folder) for name in files)


def _linked(path: Path, folder: Path) -> Diagnostic:
    return Diagnostic(
        "TG184",
        "a link to a folder is not followed, and rules lie behind this one",
        _at(relative(path, folder)),
        "put the folder itself there",
    )


def _left_out(path: Path, folder: Path) -> Diagnostic | None:
    """Why what looks like a rule file would not be read; None where it will be."""
    name = relative(path, folder)
    place = _at(name)
    if path.suffix != RULE_SUFFIX:
        message = f"rule files end in `{RULE_SUFFIX}`, this one in `{path.suffix}`"
        return Diagnostic("TG184", message, place, "rename it")
    try:
        is_file = S_ISREG(path.stat().st_mode)
    except OSError as error:
        return unreadable(name, error)
    return None if is_file else Diagnostic("TG184", "this is no ordinary file", place)


def unreadable(name: str, error: OSError) -> Diagnostic:
    """What the system says against reading a file or folder that the policy needs."""
    if isinstance(error, FileNotFoundError):
        return Diagnostic("TG182", "this link leads nowhere", _at(name), "delete or mend it")
    return Diagnostic("TG182", f"cannot be read: {error.strerror}", _at(name))


def decoded(raw: bytes, name: str) -> str | Diagnostic:
    """The text of a file, or where it stops being UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Diagnostic(
            "TG181",
            f"byte {error.start + 1} of the file is not UTF-8",
            _at(name),
            "save the file as UTF-8",
            line=raw[: error.start].count(b"\n") + 1,
        )


def _at(name: str) -> Span:
    """A file as a place; a name that is no text could not be printed."""
    return Span(visible(name), 0, 0)


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def relative(path: Path, folder: Path) -> str:
    """The path below the folder, with `/` on every system."""
    return path.relative_to(folder).as_posix()


def read_source(path: Path, folder: Path) -> Source | Diagnostic:
    """The text of a rule file, or why it is no text."""
    name = relative(path, folder)
    if not name.isprintable():
        return Diagnostic(
            "TG182",
            "the name of this file holds characters that cannot be read",
            _at(name),
            "rename the file; its name is a part of the policy",
        )
    if not path.resolve().is_relative_to(folder.resolve()):
        return outside(name, _at(name))
    try:
        raw = path.read_bytes()
    except OSError as error:
        return unreadable(name, error)
    text = decoded(raw, name)
    return text if isinstance(text, Diagnostic) else Source(name, text.replace("\r\n", "\n"))


def data_file(folder: Path, named: str, place: Span) -> Path | Diagnostic:
    """The file that a declaration names, inside the folder and nowhere else."""
    try:
        return _data_file(folder, named, place)
    except (OSError, RuntimeError) as error:  # a name that is too long, links in a circle
        why = getattr(error, "strerror", None) or "its links lead in a circle"
        return Diagnostic("TG182", f"the file cannot be read: {why}", place)


def _data_file(folder: Path, named: str, place: Span) -> Path | Diagnostic:
    inside = folder.resolve()
    path = (inside / named).resolve() if named and not Path(named).is_absolute() else None
    if path is None or not path.is_relative_to(inside):
        return outside(named, place)
    if not path.is_file():
        near = (relative(p, inside) for p in _data_files(inside))
        return Diagnostic("TG702", f"there is no file `{named}`", place, nearest(named, near))
    if path.stat().st_size > MAX_DATA_BYTES:
        return Diagnostic("TG703", f"`{named}` is larger than 256 MiB", place)
    return path


def outside(named: str, place: Span) -> Diagnostic:
    """What is said of a path that leads out of the folder."""
    return Diagnostic(
        "TG701",
        f"`{named}` lies outside the policy folder",
        place,
        "a policy holds everything that it needs: copy the file into the folder",
    )


def _data_files(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob("*.csv") if p.is_file() and not _hidden(p, folder))
