"""One worker process: started with nothing of ours, spoken to in lines, ended for sure."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import site
import socket
import subprocess
import sys
import sysconfig
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tidegate.models.hosting.answers import BadAnswerError, Shape
from tidegate.models.hosting.inspection import shut_files, standing
from tidegate.models.hosting.walls import WALLS, Wall

_PACKAGE = Path(__file__).absolute().parents[2]
"""Tidegate: links stay as they are, for the folder is one."""
_ENVIRONMENT = {"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_START = (
    "import sys; sys.path += sys.argv[1:]; from tidegate.models.hosting.worker import main; main()"
)
"""Behind the standard library: a folder of a scorer's would else take the place of its modules."""
_SYSTEM = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo",
    "/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom", "/sys/devices/system/cpu",
)  # fmt: skip
"""What libraries read when they are loaded."""
_PIECE = 1 << 16
_MAX_FIRST_LINE = 4_096
_LEAST_S = 0.001


@dataclass(frozen=True, slots=True)
class HostedModel:
    """A model as a worker gets it.

    content: what the scorer is made of, handed over as bytes and never by a path. scorer:
    `package.module:function`, called with the content in the worker; what it imports it imports at
    the top. folders: where that package is found besides where Tidegate is installed. within_us:
    how long to wait where the policy does not say.
    """

    name: str
    content: bytes
    shape: Shape
    scorer: str
    folders: tuple[str, ...] = ()
    within_us: int = 100_000


class Worker:
    """A process that answers for one model.

    `owed` is the number of a question whose answer did not come in time, and after `hopeless_at` it
    does not any more; `fault` is what was counted against the model already, so that the end of the
    process is not counted once more. One thread at a time sends and reads; any may end it.
    """

    def __init__(self, model: HostedModel) -> None:
        self.owed: int | None = None
        self.hopeless_at = 0.0
        self.fault = ""
        self.trouble = ""
        self.walls: frozenset[Wall] = frozenset()
        self._received = bytearray()
        self._gate = threading.Lock()
        self._is_fetched = False
        self._channel, theirs = socket.socketpair()
        self._theirs = f"socket:[{os.fstat(theirs.fileno()).st_ino}]"
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - no shell, and our own command
                [sys.executable, "-I", "-S", "-B", "-c", _START, *_folders(model)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        except OSError:
            self._channel.close()
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def introduce(self, model: HostedModel, memory_bytes: int, deadline: float) -> None:
        """Hand the model over, and find out which walls stand.

        TimeoutError, EOFError, OSError or `BadAnswerError` where that does not succeed.
        """
        order = {
            "parent": os.getpid(),
            "scorer": model.scorer,
            "memory_bytes": memory_bytes,
            "content_bytes": len(model.content),
            "readable": [*_SYSTEM, *_libraries(), *_folders(model), *_parts_of_the_package()],
        }
        self.send(json.dumps(order).encode() + b"\n", deadline)
        said = self._heard(deadline).get("walls")
        tried = [wall for wall in WALLS if isinstance(said, list) and wall in said]
        # From here on the scorer may write what it likes; it is told apart by nothing that it says.
        self._heard(deadline)
        shut_files(self.pid)
        self.send(model.content, deadline)
        self._heard(deadline)
        self.walls = standing(self.pid, tried, memory_bytes, self._theirs)

    def _heard(self, deadline: float) -> dict[str, object]:
        """The next line of a worker that starts; EOFError where it is of trouble."""
        line = self.line(deadline, _MAX_FIRST_LINE)
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            raise BadAnswerError("it is no JSON") from None
        if not isinstance(said, dict):
            raise BadAnswerError("it is no object")
        self.trouble = ascii(said.get("trouble", ""))[1:-1]
        if self.trouble:
            raise EOFError
        return said

    def send(self, line: bytes, deadline: float) -> None:
        """Send it all; TimeoutError where the worker does not take it in time, OSError if gone.

        After a TimeoutError a part may be sent. It is tried at least once, however late it is.
        """
        self._channel.settimeout(max(_LEAST_S, deadline - monotonic()))
        self._channel.sendall(line)

    def line(self, deadline: float, max_bytes: int) -> bytes:
        """The next line. TimeoutError, EOFError at the end, `BadAnswerError` where it is long."""
        while (end := self._received.find(b"\n", 0, max_bytes)) < 0:
            if len(self._received) >= max_bytes:
                raise BadAnswerError("it is too long")
            self._channel.settimeout(_left(deadline))
            piece = self._channel.recv(_PIECE)
            if not piece:
                raise EOFError
            self._received += piece
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def end(self) -> None:
        """Kill the process and whatever it started, now."""
        with self._gate:
            self._kill()

    def wait(self) -> None:
        """Return when the process has ended, and whatever it started; it is still to be fetched."""
        try:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:  # the program ignores SIGCHLD: the system has fetched it
            with self._gate:
                self._is_fetched = True
        self.end()

    def fetch(self) -> None:
        """Close the channel and let the system forget the process, which has ended."""
        self._channel.close()
        with self._gate:
            # From here on its id may be another process's.
            self._is_fetched = True
            self._process.wait()

    def _kill(self) -> None:
        if not self._is_fetched:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


def _folders(model: HostedModel) -> list[str]:
    """Where a worker finds modules behind the standard library."""
    return list(dict.fromkeys([str(_PACKAGE.parent), *site.getsitepackages(), *model.folders]))


def _libraries() -> list[str]:
    """Where Python itself and its standard library lie."""
    paths = sysconfig.get_paths()
    return [paths["stdlib"], paths["platstdlib"], f"{sys.base_prefix}/lib"]


def _parts_of_the_package() -> list[str]:
    """What links of the package lead to: a folder may be read where it lies."""
    return [str(part.resolve()) for part in _PACKAGE.iterdir() if part.is_dir()]


def _left(deadline: float) -> float:
    """Seconds until then; TimeoutError where it is over (0 would mean not to wait at all)."""
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left
