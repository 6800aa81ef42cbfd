"""Reading a file that somebody else put there: no link, no pipe, no device, nothing without an end.

What is read first and what is read later is one file: it is looked at once it is open.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from stat import S_ISREG


class NotOrdinaryError(OSError):
    """What lies there is a link, a pipe, a device or a folder."""


class TooLargeError(OSError):
    """The file holds more bytes than it may."""


def read_ordinary(path: Path, limit: int) -> bytes:
    """The bytes of a file of at most `limit` bytes.

    NotOrdinaryError, TooLargeError, and OSError where the system does not let it be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise NotOrdinaryError(error.errno, "is a link, no ordinary file") from None
        if error.errno == errno.ENXIO:
            raise NotOrdinaryError(error.errno, "is no ordinary file") from None
        raise
    if not S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise NotOrdinaryError(errno.EINVAL, "is no ordinary file")
    with os.fdopen(handle, "rb") as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise TooLargeError(errno.EFBIG, f"is larger than {limit:,} bytes")
    return content
