"""What a worker takes from itself before it imports a scorer, and whether that holds (Linux).

A network namespace with nothing in it, where the kernel gives one; limits of memory, files and
processes; folders that alone are read; a filter of system calls. What holds is tried out, not
assumed, and said before a line of the scorer runs: it cannot be said otherwise afterwards. What
comes after the import, the host looks up (`inspection.py`).
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, get_args

from tidegate.models.hosting.reading import read_only
from tidegate.models.hosting.system_calls import filter_of, renounce

Wall = Literal[
    "files", "network", "processes", "memory", "reading", "system_calls", "network_namespace"
]
"""`files`: none is written or removed, and after the import none is opened. `network`, `processes`:
none can be opened or started. `memory`: there is a limit. `reading`: no file is read, while the
scorer is imported, but those of its folders, of Python and of the system's libraries. The last two
are means: the filters of calls, and a network without an interface."""

WALLS: frozenset[Wall] = frozenset(get_args(Wall))

_PARENT_DEATH_SIGNAL = 1
_FILES_OF_AN_IMPORT = 256
_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000


def leave_network() -> bool:
    """Move into a network namespace of its own; needs root or unprivileged user namespaces.

    A user namespace can be made by a process of one thread only, so this comes before all imports
    that start threads.
    """
    libc = ctypes.CDLL(None)
    return any(libc.unshare(flags) == 0 for flags in (_NEW_NETWORK, _NEW_USER | _NEW_NETWORK))


def die_with_parent(parent: int) -> None:
    """End when the thread that started this process ends; at once where it is gone already.

    A new user namespace takes this back, so it comes after `leave_network`.
    """
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def limit(memory_bytes: int) -> None:
    """Bound memory, and leave no process, no file and no core, which would hold values.

    Root ignores the limit of processes and may raise all of them: for root the filter counts.
    """
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0), (resource.RLIMIT_NOFILE, _FILES_OF_AN_IMPORT),
    ):  # fmt: skip
        resource.setrlimit(what, (most, most))


def withdraw(readable: Iterable[str]) -> None:
    """From here on nothing can be started, written or connected, and nothing else read."""
    load = filter_of(importing=True)
    renounce()
    read_only(readable)
    load()


def holding(memory_bytes: int) -> Iterator[Wall]:
    """The walls that hold, each tried."""
    written, moved, spoken = _refusal(_write), _refusal(_move), _refusal(_speak)
    if {written, moved} <= {errno.EPERM, errno.EACCES}:
        yield "files"
    if spoken == errno.EPERM:
        yield "network"
    if _refusal(_fork) == errno.EPERM and _refusal(_run) == errno.EPERM:
        yield "processes"
    if _refusal(lambda: mmap.mmap(-1, 2 * memory_bytes).close()):
        yield "memory"
    if _refusal(lambda: os.close(os.open("/", os.O_RDONLY))):
        yield "reading"


def _refusal(attempt: Callable[[], object]) -> int:
    """Why the system refused it, as an error number; 0 where it did not."""
    try:
        attempt()
    except OSError as refused:
        return refused.errno or errno.EINVAL
    except MemoryError:
        return errno.ENOMEM
    return 0


_NOWHERE = "/nowhere/tidegate"
"""No such path: where nothing is refused, the error says that, and nothing is harmed."""


def _write() -> None:
    os.close(os.open(os.devnull, os.O_WRONLY))


def _move() -> None:
    os.rename(_NOWHERE, _NOWHERE)  # noqa: PTH104 - the call itself


def _speak() -> None:
    socket.socket(socket.AF_UNIX).close()


def _run() -> None:
    os.execv(_NOWHERE, [_NOWHERE])  # noqa: S606 - it must fail


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
