"""A scorer that is not ours is behind walls before its first line, and cannot say otherwise."""

from __future__ import annotations

import mmap
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.models.test_host import LONG_US, QUICK, eventually
from tidegate.models.host import HostedModel, HostLimits, ModelHost, Shape
from tidegate.models.hosting.inspection import standing
from tidegate.models.hosting.system_calls import ALLOWED, IMPORTING, NO_NUMBER
from tidegate.models.hosting.walls import WALLS
from tidegate.models.scored import Scored, Unavailable

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="hosts need Linux"),
    pytest.mark.skipif(
        os.uname().machine not in {"x86_64", "aarch64"}, reason="no filter for this machine"
    ),
]

CALLS = frozenset({"files", "network", "processes", "memory", "system_calls"})
STRICT = HostLimits(
    first_pause_s=0.01,
    longest_pause_s=0.02,
    faults_allowed=10**6,
    required=CALLS,  # type: ignore[arg-type]
)
SCORER = """
class Said:
    status, score, total, contributions, reason = "ok", 7, 0, [0], ""
    def __init__(self, total=0):
        self.total, self.contributions = total, [total]
"""
HostOf = Callable[..., ModelHost]


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[HostOf]:
    """Makes a host of a vendor's scorer, of which this is the module."""
    made: list[ModelHost] = []

    def make(module: str, limits: HostLimits = STRICT) -> ModelHost:
        (tmp_path / "scorer_of_a_vendor.py").write_text(SCORER + module, encoding="utf-8")
        model = HostedModel(
            "v", b"content", Shape(0, 1), "scorer_of_a_vendor:load", (str(tmp_path),)
        )
        made.append(ModelHost([model], limits))
        return made[-1]

    yield make
    for host in made:
        host.close()


# --- what is forged ------------------------------------------------------------------------------

FORGES = """
import tidegate.models.hosting.worker as worker
from tidegate.models.hosting import system_calls, walls
for module in (worker, walls):
    module.seal = module.withdraw = lambda *_: True
    module.holding = lambda _: iter(("files", "network", "processes", "memory"))
    module.filter_of = system_calls.filter_of = lambda *_: lambda: True
import os, subprocess
os.closerange = lambda *_: None
class Scorer:
    def score(self, values):
        if values[0] == 1:
            return Said(len(open("/etc/passwd").read()))
        if values[0] == 2:
            return Said(len(subprocess.run(["/bin/echo", "x"], capture_output=True).stdout))
        return Said()
def load(content):
    return Scorer()
"""


def test_a_scorer_that_replaces_the_worker_s_functions_is_shut_in_all_the_same(
    vendor: HostOf,
) -> None:
    """The host would say that all walls stand, and the scorer read files and run programs."""
    host = vendor(FORGES)
    assert host.wait_ready(60)
    assert host.walls["v"] >= CALLS
    assert host.score("v", [1], LONG_US) == Unavailable("crashed")
    assert host.score("v", [2], LONG_US) == Unavailable("crashed")
    assert host.score("v", [0], LONG_US) == Scored("ok", 7, 0, (0,))


TAKES_OVER = """
import ctypes, errno, json, os, struct
held = os.open(__file__, os.O_RDONLY) if {holds} else -1
if {filters}:  # one that allows everything, as many as the worker's own
    line = struct.pack("<HBBI", 6, 0, 0, 0x7FFF0000)
    code = ctypes.create_string_buffer(line, 8)
    program = ctypes.create_string_buffer(struct.pack("@HP", 1, ctypes.addressof(code)))
    number = {{"x86_64": 317, "aarch64": 277}}[os.uname().machine]
    assert ctypes.CDLL(None).syscall(number, 1, 1, program) == 0
channel = os.fdopen(3, "rb", buffering=0)
def say(**what):
    os.write(3, json.dumps(what).encode() + b"\\n")
say(imported=True)
channel.read(len(b"content"))
say(loaded=True)
def tried(what):
    try:
        what()
    except OSError as refused:
        return refused.errno
    return 0
while True:
    asked = json.loads(channel.readline())
    errors = [tried(lambda: open(__file__)), tried(os.fork), tried(lambda: os.unlink(__file__))]
    total = sum(x == y for x, y in zip(errors, (errno.EMFILE, errno.EPERM, errno.EPERM)))
    say(n=asked["n"], status="ok", score=7, total=total, contributions=[total])
"""


@pytest.mark.parametrize(
    ("holds", "filters", "missing"),
    [(False, False, "files, network, processes, system_calls"), (True, True, "files")],
)
def test_a_scorer_that_speaks_for_the_worker_is_not_used(
    vendor: HostOf, holds: bool, filters: bool, missing: str
) -> None:
    """It would say that it took the calls away from itself, and keep them; or a file it opened."""
    host = vendor(TAKES_OVER.format(holds=holds, filters=filters))
    assert eventually(lambda: bool(host.troubles))
    expected = set(missing.split(", "))
    if os.geteuid() == 0 and "system_calls" in expected:
        expected.add("memory")
    assert set(host.troubles["v"].removeprefix("these walls do not stand: ").split(", ")) == (
        expected
    )
    assert not host.wait_ready(0.1)


def test_what_was_shut_from_outside_stays_so_whatever_is_loaded(vendor: HostOf) -> None:
    """A scorer that loads a filter of its own instead of ours would open files again."""
    host = vendor(TAKES_OVER.format(holds=False, filters=True))
    assert host.wait_ready(60)
    assert host.score("v", [0], LONG_US) == Scored("ok", 7, 3, (3,))


def test_a_process_of_which_nothing_is_known_stands_behind_nothing() -> None:
    """What a worker says that it tried would be said to stand, whatever became of it."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        walls = standing(process.pid, WALLS - {"system_calls", "network_namespace"}, 1 << 30, "")
        assert walls <= {"reading"}
    finally:
        process.communicate(b"\n")


# --- what is done at import ----------------------------------------------------------------------

AT_IMPORT = {
    "writes a file": "os.open(HERE + '/new', os.O_CREAT | os.O_WRONLY)",
    "empties a file": "os.open(HERE + '/victim', os.O_RDONLY | os.O_TRUNC)",
    "makes a file without a name": "os.open(HERE, os.O_TMPFILE | os.O_RDWR)",
    "removes a file": "os.unlink(HERE + '/victim')",
    "renames a file": "os.rename(HERE + '/victim', HERE + '/renamed')",
    "makes a folder": "os.mkdir(HERE + '/folder')",
    "links": "os.symlink('/', HERE + '/link')",
    "changes rights": "os.chmod(HERE + '/victim', 0)",
    "reads the system's files": "open('/etc/passwd').read()",
    "reads its host's memory": "open(f'/proc/{os.getppid()}/environ', 'rb').read()",
    "lists a folder": "os.listdir('/')",
    "forks": "os.fork()",
    "starts a thread": "threading.Thread(target=print).start()",
    "runs a program": "os.execv('/bin/true', ['true'])",
    "opens a socket": "socket.socket()",
    "opens a local socket": "socket.socketpair()",
    "leaves its session": "os.setsid()",
    "leaves its group": "os.setpgid(0, 0)",
    "signals its parent": "os.kill(os.getppid(), 0)",
    "signals by a file": "fcntl.fcntl(3, fcntl.F_SETOWN, os.getppid())",
    "raises a limit": "resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))",
    "limits its host": "resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 0))",
    "outlives its host": "done(libc.prctl(1, 0, 0, 0, 0))",
    "traces": "done(libc.ptrace(16, os.getppid(), 0, 0))",
    "moves to a namespace": "done(libc.unshare(0x10000000))",
    "makes memory a file": "os.memfd_create('x')",
}


@pytest.mark.parametrize("deed", AT_IMPORT.values(), ids=AT_IMPORT)
def test_a_scorer_s_first_line_is_behind_walls(vendor: HostOf, tmp_path: Path, deed: str) -> None:
    """An import would be a way round all of them: it runs before the model is looked at."""
    (tmp_path / "victim").write_text("unharmed", encoding="utf-8")
    host = vendor(
        "import ctypes, fcntl, os, resource, socket, threading\n"
        "HERE = os.path.dirname(__file__)\n"
        "libc = ctypes.CDLL(None)\n"
        "def done(result):\n"
        "    if result != 0:\n"
        "        raise OSError\n"
        f"done_so = 1\ntry:\n    {deed}\n"
        "except (OSError, RuntimeError, ValueError):\n    done_so = 0\n"
        "class Scorer:\n"
        "    def score(self, values):\n"
        "        return Said(done_so)\n"
        "def load(content):\n"
        "    return Scorer()\n",
        QUICK,
    )
    assert host.wait_ready(60), host.troubles
    assert host.score("v", [0], LONG_US) == Scored("ok", 7, 0, (0,))
    assert (tmp_path / "victim").read_text(encoding="utf-8") == "unharmed"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scorer_of_a_vendor.py", "victim"]


def test_nothing_that_is_started_at_import_outlives_the_host(vendor: HostOf) -> None:
    """A program in a session of its own would stay when the service has ended."""
    mark = f"{47_000 + os.getpid()}.5"
    host = vendor(
        "import os\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        f"        os.execv('/bin/sleep', ['sleep', '{mark}'])\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "load = None\n"
    )
    assert eventually(lambda: "PermissionError" in host.troubles.get("v", ""))
    host.close()
    time.sleep(0.1)
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(mark.encode() in line for line in lines)


def test_a_file_that_a_scorer_left_open_is_closed(vendor: HostOf) -> None:
    """It would be read, or written about, for as long as the worker lives."""
    host = vendor(
        "import os\n"
        "held = os.open(__file__, os.O_RDONLY)\n"
        "class Scorer:\n"
        "    def score(self, values):\n"
        "        return Said(len(os.read(held, 9)) if values[0] else 0)\n"
        "def load(content):\n"
        "    return Scorer()\n"
    )
    assert host.wait_ready(60)
    assert host.walls["v"] >= CALLS
    assert host.score("v", [1], LONG_US) == Unavailable("crashed")
    assert host.score("v", [0], LONG_US) == Scored("ok", 7, 0, (0,))


def test_a_folder_takes_the_place_of_no_module(vendor: HostOf, tmp_path: Path) -> None:
    """A vendor's `mmap.py` would run before any wall, instead of the standard library's."""
    # The worker imports these itself; -S and -I keep the rest of a start short.
    for name in ("mmap", "json", "ctypes", "resource", "gc", "tidegate", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('a vendor was here')\n")
    host = vendor(
        "import mmap\n"
        "class Scorer:\n"
        "    def score(self, values):\n"
        "        return Said(len(mmap.__file__))\n"
        "def load(content):\n"
        "    return Scorer()\n"
    )
    assert host.wait_ready(60), host.troubles
    said = host.score("v", [0], LONG_US)
    assert isinstance(said, Scored)
    assert mmap.__file__ is not None
    assert said.total == len(mmap.__file__)


# --- questions -----------------------------------------------------------------------------------

AHEAD = """
import json, os, sys
def line(number, score):
    said = {"n": number, "status": "ok", "score": score, "total": 0, "contributions": [0]}
    return json.dumps(said).encode() + b"\\n"
seen = [0]
class Scorer:
    def score(self, values):
        frame = sys._getframe()
        while "asked" not in frame.f_locals:
            frame = frame.f_back
        seen.append(frame.f_locals["asked"]["n"])
        step = seen[-1] - seen[-2]
        if values[0] == 1:  # an answer to this question, and one to the next
            os.write(3, line(seen[-1], 1) + b"".join(line(seen[-1] + s, 999999) for s in {step, 1}))
            while True:
                pass
        return Said()
def load(content):
    return Scorer()
"""


def test_no_answer_can_be_written_before_its_question(vendor: HostOf) -> None:
    """The next payment would be decided with a score that nobody computed."""
    host = vendor(AHEAD)
    assert host.wait_ready(60)
    for value in (0, 0):
        assert host.score("v", [value], LONG_US) == Scored("ok", 7, 0, (0,))
    assert host.score("v", [1], LONG_US) == Scored("ok", 1, 0, (0,))
    assert host.score("v", [0], LONG_US) == Unavailable("bad_answer")


# --- numbers -------------------------------------------------------------------------------------

HEADERS = {
    0: Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    1: Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("column", HEADERS)
def test_the_numbers_are_those_of_the_kernel_s_headers(column: int) -> None:
    """A slip would allow another call than the one that is named."""
    if not HEADERS[column].exists():
        pytest.skip("the kernel's headers are not installed")
    text = HEADERS[column].read_text(encoding="utf-8")
    # The generic header names four calls of 64-bit machines by their three's names.
    named = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)
    numbers = {name: int(number) for name, number in named}
    numbers.setdefault("newfstatat", numbers.get("fstatat", NO_NUMBER))
    for name, both in {**ALLOWED, **IMPORTING}.items():
        assert both[column] == numbers.get(name, NO_NUMBER), name


def test_the_page_names_the_calls() -> None:
    """A reader would count on a filter that is another one."""
    page = (ROOT / "docs" / "model-isolation.md").read_text(encoding="utf-8")
    assert f"{len(IMPORTING)} more" in page
    assert all(f"`{wall}`" in page for wall in WALLS)
