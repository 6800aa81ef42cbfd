"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tidegate.cli.inputs import bad_input


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path`: the old file or the whole new one, whatever happens.

    A link keeps pointing where it does, and a file that was there keeps its permissions.
    """
    target = path.resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.chmod(target.stat().st_mode if target.exists() else 0o666 & ~_umask())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def keep(path: Path, content: bytes) -> None:
    """Write what a command was asked to keep; a stop says why it cannot."""
    try:
        replace_file(path, content)
    except OSError as error:
        raise bad_input(f"`{path}` cannot be written: {error.strerror}") from None


def _umask() -> int:
    # The only way to read it is to set it.
    current = os.umask(0o077)
    os.umask(current)
    return current
