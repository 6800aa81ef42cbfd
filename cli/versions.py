"""`tidegate check --against REV [--fix]`: versions of rules against another revision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.cli.diff import read_before
from tidegate.cli.inputs import bad_input

if TYPE_CHECKING:
    from tidegate.rules import Loaded
    from tidegate.rules.revisions import Revision
    from tidegate.rules.versions import VersionProblem


@dataclass(frozen=True, slots=True)
class Raised:
    """A rule whose version was raised in a file."""

    rule: str
    before: int
    after: int
    file: str
    line: int

    def as_text(self, folder: Path) -> str:
        """In one line."""
        from tidegate.cli.diagnostics import from_here

        place = f"{from_here(folder / self.file)}:{self.line}"
        return f"raised rule `{self.rule}` from version {self.before} to {self.after}  {place}"

    def as_json(self) -> dict[str, Any]:
        """As an object."""
        return {
            "rule": self.rule,
            "before": self.before,
            "after": self.after,
            "file": self.file,
            "line": self.line,
        }


def against_revision(
    loaded: Loaded, folder: Path, name: str, again: Callable[[], Loaded], *, fix: bool
) -> tuple[Loaded, list[Raised]]:
    """What was loaded, with what is wrong with versions; with `fix`, after they were raised.

    `again` reads the folder anew.
    """
    before = read_before(folder, name)
    found = _problems(loaded, folder, before)
    needed = [problem for problem in found if problem.needed]
    raised: list[Raised] = []
    if fix and needed:
        raised = _raise(loaded, folder, needed)
        loaded = again()
        found = _problems(loaded, folder, before)
    return _with(loaded, found), raised


def _problems(loaded: Loaded, folder: Path, before: Revision) -> tuple[VersionProblem, ...]:
    from tidegate.rules.past import past_meanings
    from tidegate.rules.versions import version_problems

    if loaded.policy is None or before.loaded is None or before.loaded.policy is None:
        return ()
    new = loaded.policy.program
    past = past_meanings(folder, before, new)
    return version_problems(before.loaded.policy.program, new, past, before.name)


def _with(loaded: Loaded, found: tuple[VersionProblem, ...]) -> Loaded:
    from tidegate.dsl.diagnostics import in_order

    more = (problem.diagnostic for problem in found)
    return replace(loaded, diagnostics=in_order([*loaded.diagnostics, *more]))


def _raise(loaded: Loaded, folder: Path, needed: list[VersionProblem]) -> list[Raised]:
    """Write the versions, each file as a whole; nothing where one of them cannot be raised."""
    from tidegate.cli.files import replace_file
    from tidegate.rules.version_fixes import CannotRaiseError, raised_texts, spelt

    assert loaded.policy is not None
    versions = {problem.rule.id: problem.needed for problem in needed}
    try:
        texts = raised_texts(loaded.policy.sources, loaded.policy.program, versions)
    except CannotRaiseError as error:
        raise bad_input(f"versions cannot be raised: {error}", "raise them by hand") from None
    try:
        contents = {
            path: spelt((folder / path).read_bytes(), loaded.sources[path].text, text)
            for path, text in texts.items()
        }
        for path, content in contents.items():
            replace_file(folder / path, content)
    except OSError as error:
        raise bad_input(f"`{error.filename}` cannot be written: {error.strerror}") from None
    return [_raised(loaded, problem) for problem in needed]


def _raised(loaded: Loaded, problem: VersionProblem) -> Raised:
    span = problem.rule.span
    line, _ = loaded.sources[span.path].position(span.start)
    return Raised(problem.rule.name, problem.rule.version, problem.needed, span.path, line)
