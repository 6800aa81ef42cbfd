"""What Git knows of a folder: revisions, trees and the contents of files, by the `git` program.

Only Git's objects are read: nothing is checked out, no index is refreshed, no filter is run.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LINK, SUBMODULE, FOLDER = "120000", "160000", "040000"
_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""What Git tells its hooks, about the folder that they begin in and no other."""


class GitError(Exception):
    """Git cannot answer; the text says why, `help` how to go on."""

    def __init__(self, message: str, help_: str = "") -> None:
        super().__init__(message)
        self.help = help_


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands at a path: `size` in bytes is None for what is no file that is here."""

    mode: str
    object: str
    size: int | None
    path: str


class Repository:
    """The repository that a folder lies in; `prefix` is the folder's path in it, with `/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        found = self._run("rev-parse", "--show-prefix")
        if found.returncode:
            raise GitError(_why_no_repository(folder, found))
        self.prefix = _text(found.stdout).removesuffix("\n").removesuffix("/")

    def commit(self, name: str) -> str | None:
        """The full id of a commit, or None where Git knows none of that name."""
        return self._object(f"{name}^{{commit}}")

    def tree(self, name: str) -> str | None:
        """The full id of a folder that is named as `main:old/place`, or None."""
        found = self._object(name) if ":" in name else None
        if found is None or _text(self._run("cat-file", "-t", found).stdout).strip() != "tree":
            return None
        return found

    def _object(self, name: str) -> str | None:
        found = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        return None if found.returncode else _text(found.stdout).strip()

    @property
    def is_shallow(self) -> bool:
        """Whether older commits were left where they were cloned from."""
        return _text(self._run("rev-parse", "--is-shallow-repository").stdout).strip() == "true"

    def changes_of(self, pattern: str, commit: str) -> tuple[tuple[str, str], ...]:
        """The commits up to `commit` that add or remove a line of the folder with this pattern.

        The latest first, each with the lines that it changes.
        """
        found = self._run(
            "log", "--format=%x00%H", "--unified=0", "--no-ext-diff", "--no-textconv",
            "-G", pattern, "--end-of-options", commit, "--", ".",
        )  # fmt: skip
        if found.returncode:
            raise GitError(_said(found) or "the history cannot be read")
        parts = found.stdout.decode(errors="replace").split("\0")[1:]
        return tuple((part[: part.index("\n")], part) for part in parts)

    def changed(self, commit: str, paths: Iterable[Path]) -> tuple[str, ...]:
        """Those of the paths, as Git names them, of which the commit has another content."""
        found = self._run(
            "diff", "--name-only", "-z", "--no-ext-diff", "--no-textconv", "--no-renames",
            "--end-of-options", commit, "--", *(str(path.resolve()) for path in paths),
        )  # fmt: skip
        if found.returncode:
            raise GitError(_said(found) or "the files cannot be compared")
        return tuple(_text(name) for name in found.stdout.split(b"\0") if name)

    def entry(self, commit: str, path: str) -> Entry | None:
        """What stands at a path of the repository in a commit."""
        return next(self._entries("--full-tree", commit, "--", path), None)

    def files(self, tree: str) -> tuple[Entry, ...]:
        """All that stands below a tree; what is a repository of its own is not entered."""
        return tuple(self._entries("-r", "--full-tree", tree))

    def contents(self, objects: Iterable[str]) -> Iterator[bytes]:
        """The contents of files by their ids, in this order."""
        wanted = list(objects)
        found = self._run("cat-file", "--batch", given="".join(f"{o}\n" for o in wanted).encode())
        rest = found.stdout
        for _ in wanted:
            head, _, rest = rest.partition(b"\n")
            kind, _, size = head.decode().partition(" ")[2].rpartition(" ")
            if kind != "blob":
                raise GitError(
                    "the repository does not hold all of that revision", "fetch it: `git fetch`"
                )
            yield rest[: int(size)]
            rest = rest[int(size) + 1 :]

    def _entries(self, *arguments: str) -> Iterator[Entry]:
        found = self._run("ls-tree", "-z", "-l", *arguments)
        if found.returncode:
            raise GitError(_said(found) or "the tree of that revision cannot be read")
        for line in found.stdout.split(b"\0")[:-1]:
            about, _, path = line.partition(b"\t")
            mode, _, object_, size = about.decode().split()
            yield Entry(mode, object_, int(size) if size.isdigit() else None, _text(path))

    def _run(self, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        kept = {name: value for name, value in os.environ.items() if name not in _HOOKS}
        kept |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
        try:
            return subprocess.run(  # noqa: S603 - no shell, and names follow --end-of-options
                ["git", "-C", str(self.folder), "--literal-pathspecs", *arguments],  # noqa: S607
                input=given,
                capture_output=True,
                check=False,
                env=kept,
            )
        except FileNotFoundError:
            help_ = "install Git, or name a folder that holds the other policy"
            raise GitError("the program `git` is not installed", help_) from None


def _why_no_repository(folder: Path, found: subprocess.CompletedProcess[bytes]) -> str:
    said = _said(found)
    if "not a git repository" in said:
        return f"`{folder}` lies in no Git repository"
    return said or f"Git cannot read the repository of `{folder}`"


def _said(found: subprocess.CompletedProcess[bytes]) -> str:
    first = found.stderr.decode(errors="replace").strip().split("\n")[0]
    return first.removeprefix("fatal: ")


def _text(raw: bytes) -> str:
    return os.fsdecode(raw)
