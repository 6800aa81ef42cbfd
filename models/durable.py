"""Replacing a file so that a crash leaves the old one or the new one, and two writers never both.

Two that write at once are told apart by a lock on the folder, which a crash releases, and by what
the file held when it was read.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tidegate.models.ordinary_files import TooLargeError, read_ordinary

WAIT_SECONDS: Final = 5.0
"""How long a writer waits for another one: a lock that is never released holds nobody up."""


class FileChanged(Exception):  # noqa: N818 - it says what happened
    """The file no longer holds what it held when it was read."""


class FolderBusy(FileChanged):
    """Somebody else holds the lock, and does not release it."""


def replace_durably(path: Path, before: bytes, after: bytes) -> None:
    """Write `after` to `path`, which holds `before`; FileChanged where it does not any more.

    A file that is absent holds no bytes. What is written is on the disk when this returns; OSError
    where the system refuses, and then the file is the old one or the new one, whole.
    """
    draft = path.with_name(f".{path.name}.new")
    with _locked(path.parent) as folder:
        if _content(path, len(before)) != before:
            raise FileChanged
        # Only the holder of the lock writes here: what lies there is left of a crash.
        draft.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        handle = os.open(draft, flags, 0o644)
        with os.fdopen(handle, "wb") as stream:
            stream.write(after)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, path)  # noqa: PTH105 - one call of the system
        os.fsync(folder)


def sync_folder(folder: Path) -> None:
    """Have every file of a folder, and the folder, on the disk."""
    for path in sorted(folder.iterdir()):
        _sync(path)
    _sync(folder)


def write_durably(path: Path, content: bytes) -> None:
    """Write `content` to `path` whatever lies there, without waiting for anybody."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(draft, flags, 0o644), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, path)  # noqa: PTH105 - one call of the system
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder_entry(path.parent)


def remove_durably(path: Path) -> None:
    """Delete a file, which may be absent."""
    path.unlink(missing_ok=True)
    sync_folder_entry(path.parent)


def sync_folder_entry(folder: Path) -> None:
    """Have what a folder lists on the disk."""
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _content(path: Path, expected: int) -> bytes:
    """What a file holds; of one that grew, as much as shows that it did."""
    try:
        return read_ordinary(path, expected)
    except TooLargeError:
        raise FileChanged from None
    except FileNotFoundError:
        return b""


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """A handle of the folder, locked against whoever else writes in it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _wait_for(handle)
        yield handle
    finally:
        os.close(handle)


def _wait_for(handle: int) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise FolderBusy from None
            time.sleep(0.005)
        else:
            return
