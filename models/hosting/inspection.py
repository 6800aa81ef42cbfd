"""What the system says of a worker: nothing that a scorer runs there can change it.

What a worker tried, it said before it imported the scorer. That the walls still stand when the
model is loaded, and that files are shut from then on, is looked up here, from outside.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable
from pathlib import Path

from tidegate.models.hosting.walls import Wall

_FILTERS = 2
"""One while a scorer is imported, one more from then on."""
_FILTERED = "2"
"""What /proc calls that mode."""


def shut_files(pid: int) -> None:
    """No file can be opened there from now on; OSError where the process is gone."""
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, 0))


def standing(pid: int, tried: Iterable[Wall], memory_bytes: int, channel: str) -> frozenset[Wall]:
    """Which of the walls that were tried stand for good.

    channel: the one open file that is not /dev/null, as /proc names it. By the thread that started
    the process, for its filters are counted from this one's. OSError where the process is gone.
    """
    walls = set(tried)
    if _network(str(pid)) != _network("thread-self"):
        walls.add("network_namespace")
    if resource.prlimit(pid, resource.RLIMIT_AS) != (memory_bytes, memory_bytes):
        walls.discard("memory")
    if not _are_files_shut(pid, channel):
        walls.discard("files")
    if _is_filtered(pid):
        return frozenset({*walls, "system_calls"})
    # The limits bind nobody but users, and what is no file or memory is not limited.
    walls -= {"files", "network", "processes"}
    return frozenset(walls - {"memory", "network_namespace"} if os.geteuid() == 0 else walls)


def _are_files_shut(pid: int, channel: str) -> bool:
    if resource.prlimit(pid, resource.RLIMIT_NOFILE) != (0, 0):
        return False
    # The limit first: what is not open now can be opened no more.
    opened = sorted(str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir())
    return opened == sorted([channel, *[os.devnull] * 3])


def _is_filtered(pid: int) -> bool:
    own, status = _status("thread-self"), _status(str(pid))
    if "Seccomp_filters" not in own:
        return False
    return (
        status.get("NoNewPrivs") == "1"
        and status.get("Seccomp") == _FILTERED
        and status.get("Threads") == "1"
        and int(status["Seccomp_filters"]) == int(own["Seccomp_filters"]) + _FILTERS
    )


def _network(process: str) -> Path:
    return Path(f"/proc/{process}/ns/net").readlink()


def _status(process: str) -> dict[str, str]:
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    parts = (line.partition(":") for line in lines)
    return {name: value.strip() for name, _, value in parts}
