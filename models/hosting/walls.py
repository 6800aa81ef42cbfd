"""What a worker takes from itself before it reads a model, and whether that holds (Linux).

Limits of memory, files and processes; a network namespace with nothing in it, where the kernel
gives one; a filter of system calls. What holds is tried out, not assumed: the worker's first line
says it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Literal, get_args

from tidegate.models.hosting.system_calls import forbid

Wall = Literal["files", "network", "processes", "memory", "system_calls", "network_namespace"]
"""`files`, `network`, `processes`: none can be opened or started. `memory`: there is a limit. The
last two are means: the filter of calls, and a network without an interface."""

WALLS: frozenset[Wall] = frozenset(get_args(Wall))

_PARENT_DEATH_SIGNAL = 1
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
    """Bound memory, and leave no file and no core, which would hold a payment's values."""
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0),
    ):  # fmt: skip
        resource.setrlimit(what, (most, most))


def seal() -> bool:
    """From here on nothing can be opened or started; whether calls are filtered.

    The limits hold without the filter, but root may raise them again and ignores that of processes.
    """
    for what in (resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):
        resource.setrlimit(what, (0, 0))
    return forbid()


def holding(memory_bytes: int) -> Iterator[Wall]:
    """The walls that hold, each tried."""
    if _fails(lambda: os.close(os.open("/", os.O_RDONLY))):
        yield "files"
    if _fails(lambda: socket.socket().close()):
        yield "network"
    if _fails(_fork):
        yield "processes"
    if _fails(lambda: mmap.mmap(-1, 2 * memory_bytes).close()):
        yield "memory"


def _fails(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (OSError, MemoryError):
        return True
    return False


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
