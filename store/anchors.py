"""The ledger's head kept elsewhere: what makes a cut or rolled-back database visible.

An anchor is only worth what separates it from the database: another machine, another account,
other backups. `FileAnchor` is for development and for tests.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import Protocol

from tidegate.store.errors import LedgerError


class AnchorConflictError(LedgerError):
    """The anchor holds another head than the one that was to be replaced: somebody else writes."""


class HeadAnchor(Protocol):
    """Keeps one signed checkpoint, replaced only by whoever knows the one before."""

    def read(self) -> str | None:
        """The checkpoint, or None where there never was one."""
        ...

    def put(self, note: str, previous: str | None) -> None:
        """Replace `previous` by `note`; `AnchorConflictError` where it holds something else."""
        ...


class FileAnchor:
    """A head in a file, replaced whole and synced."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str | None:
        """The checkpoint in the file, or None where there is no file."""
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def put(self, note: str, previous: str | None) -> None:
        """Replace the file, unless it changed meanwhile."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if self.read() != previous:
                raise AnchorConflictError(f"`{self._path}` holds another head than was put there")
            handle, draft = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(note)
                stream.flush()
                os.fsync(stream.fileno())
            Path(draft).replace(self._path)
            os.fsync(folder)
        finally:
            os.close(folder)
