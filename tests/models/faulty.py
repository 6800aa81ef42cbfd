"""Scorers that fail, each in one way; the host loads them in its workers.

`load` makes one of content such as `b"hangs"`. The first value says whether to fail: a scorer whose
first value is 0 answers well, so that a test can see the next question answered.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

CONTRIBUTIONS = (30, -7, 4)
BASE = -20
TOTAL = BASE + sum(CONTRIBUTIONS)


class Said(NamedTuple):
    """Anything at all in the place of a score."""

    status: Any = "ok"
    score: Any = 250_000
    total: Any = TOTAL
    contributions: Any = CONTRIBUTIONS
    reason: Any = ""


class Scorer:
    """Answers well where the first value is 0, else as `fails` does."""

    def __init__(self, fails: Callable[[Sequence[Any]], Any]) -> None:
        self._fails = fails

    def score(self, values: Sequence[Any]) -> Any:
        """An answer, or whatever the fault is."""
        return self._fails(values) if values[0] else Said()


def load(content: bytes) -> Scorer:
    """The scorer of this fault."""
    name = content.decode()
    if name == "dies_on_start":
        os._exit(3)
    if name == "hangs_on_start":
        forever()
    if name == "refuses":
        raise ValueError("no model of\tmine")
    return Scorer(globals()[name])


def forever(*_: Any) -> None:
    """Nothing, for ever."""
    while True:
        time.sleep(3600)


def answers(values: Sequence[Any]) -> Said:
    """A good answer that depends on the question."""
    return Said(score=values[0], contributions=(values[0], 0, 0), total=BASE + values[0])


def abstains(_: Sequence[Any]) -> Said:
    """What a model says of what it was not trained on."""
    return Said("abstained", None, None, (), "`amount` is above what it knows")


def sleeps(values: Sequence[Any]) -> Said:
    """An answer, that many milliseconds later, with that number as its score."""
    time.sleep(values[0] / 1000)
    return Said(score=values[0])


def hangs(_: Sequence[Any]) -> Said:
    """Never an answer; the interpreter is busy all the while."""
    while True:
        pass


def takes_the_alarm_off(_: Sequence[Any]) -> Said:
    """Never an answer, and the system is told not to mind."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    while True:
        pass


def raises_its_limits(_: Sequence[Any]) -> Said:
    """What root may do where no filter forbids it."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    return Said()


def says_nan(_: Sequence[Any]) -> Said:
    return Said(score=float("nan"))


def says_a_float(_: Sequence[Any]) -> Said:
    return Said(score=0.25)


def says_true(_: Sequence[Any]) -> Said:
    return Said(score=True)


def out_of_range(_: Sequence[Any]) -> Said:
    return Said(score=1_000_001)


def below_range(_: Sequence[Any]) -> Said:
    return Said(score=-1)


def too_few_contributions(_: Sequence[Any]) -> Said:
    return Said(contributions=(27, 0))


def too_many_contributions(_: Sequence[Any]) -> Said:
    return Said(contributions=(27, 0, 0, 0))


def does_not_sum(_: Sequence[Any]) -> Said:
    return Said(total=TOTAL + 1)


def overflows(_: Sequence[Any]) -> Said:
    return Said(total=BASE + 2**64, contributions=(2**64, 0, 0))


def dies(_: Sequence[Any]) -> Said:
    os._exit(0)


def segfaults(_: Sequence[Any]) -> Said:
    ctypes.string_at(0)
    return Said()


def raises(_: Sequence[Any]) -> Said:
    raise RuntimeError("a scorer's own mistake")


def exits(_: Sequence[Any]) -> Said:
    sys.exit("good bye")


def prints(_: Sequence[Any]) -> Said:
    """A good answer, with noise where one prints."""
    print('{"n": 1, "status": "ok"}', flush=True)
    print("noise", file=sys.stderr, flush=True)
    return Said()


def reads_input(_: Sequence[Any]) -> Said:
    """A good answer, after it has read all there is."""
    sys.stdin.read()
    return Said()


def write_everywhere(text: bytes, times: int = 1) -> None:
    """Into every file that is open, the host's channel among them."""
    for descriptor in range(64):
        try:
            for _ in range(times):
                os.write(descriptor, text)
        except OSError:
            continue


def answers_another_question(_: Sequence[Any]) -> Said:
    """The number of an old question, and the sums of a good answer."""
    write_everywhere(b'{"n":0,"status":"ok","score":1,"total":7,"contributions":[30,-7,4]}\n')
    return Said()


def answers_twice(_: Sequence[Any]) -> Said:
    """A second answer behind the first, to the same question."""
    frame = sys._getframe()
    while "asked" not in frame.f_locals:  # the worker's own, with the question's number
        assert frame.f_back is not None
        frame = frame.f_back
    answer = b'{"n":%d,"status":"ok","score":1,"total":7,"contributions":[30,-7,4]}\n'
    write_everywhere(answer % frame.f_locals["asked"]["n"] * 2)
    return Said()


def floods(_: Sequence[Any]) -> Said:
    """A line without an end."""
    while True:
        write_everywhere(b"7" * 65_536)


def floods_with_lines(_: Sequence[Any]) -> Said:
    while True:
        write_everywhere(b"\n" * 65_536)


def nests(_: Sequence[Any]) -> Said:
    """A line that takes a reader's stack."""
    write_everywhere(b"[" * 3_000 + b"]" * 3_000 + b"\n")
    return Said()


def allocates(_: Sequence[Any]) -> Said:
    """Ten gigabytes, written to."""
    held = bytearray(10 * 2**30)
    held[:: 2**12] = b"x" * len(held[:: 2**12])
    return Said()


def forks(_: Sequence[Any]) -> Said:
    """A process more, which would stay."""
    if os.fork() == 0:
        forever()
    return Said()


def starts_a_thread(_: Sequence[Any]) -> Said:
    threading.Thread(target=forever).start()
    return Said()


def opens_a_socket(_: Sequence[Any]) -> Said:
    socket.create_server(("127.0.0.1", 0))
    return Said()


def connects(_: Sequence[Any]) -> Said:
    socket.create_connection(("127.0.0.1", 9), 1)
    return Said()


def reads_a_file(_: Sequence[Any]) -> Said:
    os.open("/etc/hostname", os.O_RDONLY)
    return Said()


def looks_at_a_path(_: Sequence[Any]) -> Said:
    """What takes no descriptor, and tells what is on the machine."""
    os.lstat("/")
    return Said()


def runs_a_program(_: Sequence[Any]) -> Said:
    os.execv("/bin/true", ["true"])  # noqa: S606 - what it must not be able to do


def kills_its_parent(_: Sequence[Any]) -> Said:
    os.kill(os.getppid(), signal.SIGTERM)
    return Said()


def reads_the_environment(_: Sequence[Any]) -> Said:
    """A good answer; its contributions tell of the environment and of what is open."""
    usual = {"LANG", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "LC_CTYPE"}
    more = len(set(os.environ) - usual)
    is_open = sum(_is_open(descriptor) for descriptor in range(3, 256))
    return Said(contributions=(more, is_open, 0), total=BASE + more + is_open)


def _is_open(descriptor: int) -> bool:
    try:
        os.write(descriptor, b"")
    except OSError:
        return False
    return True
