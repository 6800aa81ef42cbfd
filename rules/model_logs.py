"""What the log beside a model under work says of the version that is read.

Nothing serves by it. But a version that was registered and then edited, or a log that somebody
wrote to, is told to whoever works on the policy.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from tidegate.models.manifest import differences, read_files
from tidegate.models.ordinary_files import read_ordinary
from tidegate.models.people import People
from tidegate.models.problems import Problem
from tidegate.models.registry_log import (
    LOG_FILE,
    MAX_LOG_BYTES,
    Line,
    foreign_signature,
    is_signed,
    other_registry,
    read_log,
    start_of,
)
from tidegate.models.scored import ModelStanding


class InLog(NamedTuple):
    """How a version stands, and what is not as it was signed."""

    standing: ModelStanding
    problem: Problem | None = None


def standing_in_log(folder: Path, version: int) -> InLog:
    """How a version of the model in `folder` stands by its log; never `serving`.

    Who may sign is looked up in `people.yaml` beside the folder, where there is one that is right.
    """
    try:
        content = read_ordinary(folder / LOG_FILE, MAX_LOG_BYTES)
    except FileNotFoundError:
        return InLog("unapproved")
    except OSError as error:
        said = f"cannot be read: {error.strerror}"
        return InLog("log_broken", Problem("unreadable", said, "", LOG_FILE))
    lines = _signed(content, folder.resolve().name)
    if isinstance(lines, Problem):
        return InLog("log_broken", lines)
    if problem := _by_whom(lines, folder, version):
        return InLog("log_broken", problem)
    own = [line.entry for line in lines if line.entry.version == version]
    registered = next((entry for entry in own if entry.action == "register"), None)
    if registered is None:
        return InLog("unapproved")
    found = read_files(folder, version)
    if isinstance(found, Problem):
        return InLog("changed", found)
    if wrong := next(differences(version, found.digests, registered.files), None):
        return InLog("changed", wrong)
    approved = any(entry.action == "approve" for entry in own)
    return InLog("approved" if approved else "unapproved")


@lru_cache(maxsize=8)
def _signed(content: bytes, model: str) -> tuple[Line, ...] | Problem:
    """The lines of a log, whole and signed; an editor reads the same log at every stroke."""
    lines = read_log(content, model)
    if isinstance(lines, Problem):
        return lines
    foreign = next((line for line in lines if not is_signed(line)), None)
    return lines if foreign is None else foreign_signature(foreign)


def _by_whom(lines: tuple[Line, ...], folder: Path, version: int) -> Problem | None:
    """What is wrong with who signed, as far as the people are known here."""
    from tidegate.models.registry import standing_after
    from tidegate.rules.people import PEOPLE_FILE, read_people

    beside = folder.resolve().parent / PEOPLE_FILE
    people = read_people(beside) if beside.is_file() else ()
    if not isinstance(people, People):
        return None
    model = folder.resolve().name
    if lines and lines[0].entry.previous != start_of(model, people.registry).hash:
        return other_registry()
    standing = standing_after(lines, model, people)
    if isinstance(standing, Problem):
        return standing
    own = standing.versions.get(version)
    if own is None or not own.doubt:
        return None
    return Problem("distrusted", own.doubt, "whoever is trusted registers or approves it anew")
