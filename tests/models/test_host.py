"""A model in a process of its own never takes the decision with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.models import faulty
from tidegate.dsl.types import MONEY, TEXT, Value
from tidegate.models.host import HostedModel, HostLimits, ModelHost, Shape, hosted
from tidegate.models.hosting.walls import WALLS
from tidegate.models.portable import Axis, Input, LinearTerm, PortableModel, TableTerm
from tidegate.models.scored import Scored, Unavailable
from tidegate.models.scoring import compile_scorer

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="hosts need Linux")

TIMES = 5
LONG_US = 60_000_000
"""Longer than any test waits: what is answered at all is answered within."""
SHORT_US = 50_000
QUICK = HostLimits(grace_us=200_000, first_pause_s=0.01, longest_pause_s=0.02, faults_allowed=10**6)
"""Starts again at once and never loses patience, so that a fault can be tried many times."""
GOOD = Scored("ok", 250_000, faulty.TOTAL, faulty.CONTRIBUTIONS)


def faulty_model(fault: str, name: str = "") -> HostedModel:
    """A model whose scorer has this fault."""
    shape = Shape(faulty.BASE, len(faulty.CONTRIBUTIONS))
    return HostedModel(
        name or fault, fault.encode(), shape, "tests.models.faulty:load", (str(ROOT),)
    )


@pytest.fixture
def host_of() -> Iterator[Callable[..., ModelHost]]:
    """Makes hosts of faulty models, and closes them; nothing of them may be left then."""
    made: list[ModelHost] = []
    before, descriptors = set(threading.enumerate()), open_descriptors()

    def make(*faults: str, limits: HostLimits = QUICK) -> ModelHost:
        made.append(ModelHost(map(faulty_model, faults), limits))
        return made[-1]

    yield make
    pids = [pid for host in made for pid in host.pids.values()]
    for host in made:
        host.close()
    assert set(threading.enumerate()) == before
    assert open_descriptors() == descriptors
    assert [pid for pid in pids if is_alive(pid)] == []


def open_descriptors() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def is_alive(pid: int) -> bool:
    """Whether there is such a process, dead ones that nobody fetched included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it holds at last."""
    for _ in range(600):
        if holds():
            return True
        time.sleep(0.05)
    return False


# --- faults --------------------------------------------------------------------------------------

FAULTS = {
    "says_nan": "bad_answer",
    "says_a_float": "bad_answer",
    "says_true": "bad_answer",
    "out_of_range": "bad_answer",
    "below_range": "bad_answer",
    "too_few_contributions": "bad_answer",
    "too_many_contributions": "bad_answer",
    "does_not_sum": "bad_answer",
    "overflows": "bad_answer",
    "dies": "crashed",
    "segfaults": "crashed",
    "raises": "crashed",
    "exits": "crashed",
    "answers_another_question": "bad_answer",
    "floods": "bad_answer",
    "floods_with_lines": "bad_answer",
    "nests": "bad_answer",
    "allocates": "crashed",
    "forks": "crashed",
    "starts_a_thread": "crashed",
    "opens_a_socket": "crashed",
    "connects": "crashed",
    "reads_a_file": "crashed",
    "looks_at_a_path": "crashed",
    "runs_a_program": "crashed",
    "kills_its_parent": "crashed",
    "raises_its_limits": "crashed",
}
"""Each fault with what is said of it, and after each of them the next question is answered."""


@pytest.mark.parametrize(("fault", "reason"), FAULTS.items())
def test_a_fault_is_an_answer_and_the_other_models_go_on(
    host_of: Callable[..., ModelHost], fault: str, reason: str
) -> None:
    """One bad model would stop every decision that waits for it, or all that wait for others."""
    host = host_of(fault, "answers")
    for turn in range(TIMES):
        assert host.wait_ready(60)
        assert host.score(fault, [1], LONG_US) == Unavailable(reason)
        assert host.score("answers", [turn + 1], LONG_US) == answer_of(turn + 1)
        assert host.wait_ready(60)
        assert host.score(fault, [0], LONG_US) == GOOD


def answer_of(value: int) -> Scored:
    """What the scorer `answers` says."""
    return Scored("ok", value, faulty.BASE + value, (value, 0, 0))


@pytest.mark.parametrize("fault", ["hangs", "forever"])
def test_a_model_that_hangs_is_late_and_starts_again(
    host_of: Callable[..., ModelHost], fault: str
) -> None:
    """A decision would wait for ever, or the model would never come back."""
    host = host_of(fault, "answers")
    for turn in range(TIMES):
        assert host.wait_ready(60)
        pid = host.pids[fault]
        assert host.score(fault, [1], SHORT_US) == Unavailable("late")
        assert host.score("answers", [turn + 1], LONG_US) == answer_of(turn + 1)
        # Nobody asks again: the system ends it.
        assert eventually(lambda pid=pid: not is_alive(pid))  # type: ignore[misc]
        assert host.wait_ready(60)
        assert host.score(fault, [0], LONG_US) == GOOD


def test_a_model_that_takes_the_alarm_off_is_ended_by_the_next_question(
    host_of: Callable[..., ModelHost],
) -> None:
    """It would keep a processor, and its model would never come back."""
    host = host_of("takes_the_alarm_off")
    assert host.wait_ready(60)
    pid = host.pids["takes_the_alarm_off"]
    assert host.score("takes_the_alarm_off", [1], SHORT_US) == Unavailable("late")
    time.sleep(QUICK.grace_us / 1e6 + 0.1)
    assert is_alive(pid)
    assert host.score("takes_the_alarm_off", [0], LONG_US) == Unavailable("late")
    assert eventually(lambda: not is_alive(pid))
    assert host.wait_ready(60)
    assert host.score("takes_the_alarm_off", [0], LONG_US) == GOOD


def test_what_a_worker_was_ended_for_is_what_is_said(host_of: Callable[..., ModelHost]) -> None:
    """A model that is slow would be looked into as one that crashes."""
    host = host_of("hangs", limits=replace(QUICK, grace_us=3_000_000))
    assert host.wait_ready(60)
    assert host.score("hangs", [1], SHORT_US) == Unavailable("late")
    # It waits for the answer that is owed, and the alarm ends the worker meanwhile.
    assert host.score("hangs", [0], LONG_US) == Unavailable("late")


def test_a_late_answer_is_taken_for_no_other(host_of: Callable[..., ModelHost]) -> None:
    """A payment would be decided with the score of the one before it."""
    host = host_of("sleeps", limits=replace(QUICK, grace_us=LONG_US))
    assert host.wait_ready(60)
    pid = host.pids["sleeps"]
    for _ in range(2):
        assert host.score("sleeps", [1_500], SHORT_US) == Unavailable("late")
        assert host.score("sleeps", [0], LONG_US) == GOOD
    assert host.pids["sleeps"] == pid


def test_whoever_asks_a_model_that_hangs_is_answered_in_turn(
    host_of: Callable[..., ModelHost],
) -> None:
    """Callers behind one that waits would wait for ever."""
    host = host_of("forever", limits=replace(QUICK, grace_us=LONG_US))
    assert host.wait_ready(60)
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: host.score("forever", [1], SHORT_US), range(40)))
    assert {one.reason for one in said} <= {"late", "overloaded"}
    assert not any(isinstance(one, Scored) for one in said)


@pytest.mark.parametrize(
    ("fault", "reasons"),
    [("dies_on_start", {"crashed", "starting"}), ("hangs_on_start", {"late", "starting"}),
     ("refuses", {"crashed", "starting"})],
)  # fmt: skip
def test_a_model_that_does_not_start_is_unavailable(
    host_of: Callable[..., ModelHost], fault: str, reasons: set[str]
) -> None:
    """A service would not come up, or decisions would wait for it."""
    host = host_of(fault, "answers", limits=replace(QUICK, start_within_us=3_000_000))
    assert not host.wait_ready(1)
    said = {host.score(fault, [1], LONG_US).reason for _ in range(TIMES)}
    assert said <= reasons
    assert eventually(lambda: host.score(fault, [1], LONG_US).reason != "starting")
    assert eventually(lambda: host.score("answers", [3], LONG_US) == answer_of(3))


def test_an_operator_hears_why_a_model_does_not_start(host_of: Callable[..., ModelHost]) -> None:
    """A slip in a name would look like any crash; and what is said must not break a log."""
    host = host_of("refuses")
    assert eventually(lambda: host.troubles == {"refuses": "ValueError: no model of\\tmine"})
    missing = replace(faulty_model("answers"), scorer="tests.models.nothing:load")
    with ModelHost([missing], QUICK) as other:
        assert eventually(lambda: "ModuleNotFoundError" in other.troubles.get("answers", ""))


@pytest.mark.parametrize("fault", ["prints", "reads_input"])
def test_what_a_scorer_prints_and_reads_is_not_the_channel(
    host_of: Callable[..., ModelHost], fault: str
) -> None:
    """A debugging line in a vendor's scorer would switch the model off."""
    host = host_of(fault)
    assert host.wait_ready(60)
    assert [host.score(fault, [1], LONG_US) for _ in range(TIMES)] == [GOOD] * TIMES


def test_an_answer_too_many_is_noticed_at_the_next_question(
    host_of: Callable[..., ModelHost],
) -> None:
    """Every answer after it would be that of the question before."""
    host = host_of("answers_twice")
    assert host.wait_ready(60)
    assert host.score("answers_twice", [1], LONG_US).reason == ""
    assert host.score("answers_twice", [0], LONG_US) == Unavailable("bad_answer")


def test_an_abstention_comes_through(host_of: Callable[..., ModelHost]) -> None:
    """A model that knows its limits would count as broken."""
    host = host_of("abstains")
    assert host.wait_ready(60)
    said = host.score("abstains", [1], LONG_US)
    assert said == Scored("abstained", None, None, (), "`amount` is above what it knows")


def test_a_worker_inherits_nothing(
    host_of: Callable[..., ModelHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model file could carry a key of the service away; a connection would stay open."""
    monkeypatch.setenv("TIDEGATE_TEST_KEY", "a secret")
    with Path("/dev/null").open() as held:
        os.set_inheritable(held.fileno(), True)
        host = host_of("answers", "reads_the_environment")
        assert host.wait_ready(60)
        said = host.score("reads_the_environment", [1], LONG_US)
    assert isinstance(said, Scored)
    # No variable but its own three; of files the channel alone.
    assert said.contributions == (0, 1, 0)


# --- asking --------------------------------------------------------------------------------------


def test_many_threads_hear_their_own_answers(host_of: Callable[..., ModelHost]) -> None:
    """Two payments would exchange their scores."""
    host = host_of("answers")
    assert host.wait_ready(60)
    values = range(1, 801)
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda value: host.score("answers", [value], LONG_US), values))
    assert said == [answer_of(value) for value in values]


def test_more_callers_than_places_are_told_at_once(host_of: Callable[..., ModelHost]) -> None:
    """A slow model would gather every thread of the service."""
    host = host_of("sleeps", limits=replace(QUICK, max_waiting=1, grace_us=LONG_US))
    assert host.wait_ready(60)
    with ThreadPoolExecutor(2) as pool:
        said = set(pool.map(lambda _: host.score("sleeps", [1_500], LONG_US), range(2)))
    assert said == {GOOD._replace(score=1_500), Unavailable("overloaded")}


def test_no_time_at_all_asks_nothing(host_of: Callable[..., ModelHost]) -> None:
    """A worker would be ended because a decision was out of time before."""
    host = host_of("answers")
    assert host.wait_ready(60)
    pid = host.pids["answers"]
    assert host.score("answers", [1], 0) == Unavailable("overloaded")
    assert host.score("answers", [1], LONG_US) == answer_of(1)
    assert host.pids["answers"] == pid


@pytest.mark.parametrize("values", [[1.5], [b"x"], [[1]], [{}], [object()]])
def test_what_is_no_value_is_no_question(
    host_of: Callable[..., ModelHost], values: list[Value]
) -> None:
    """A mistake of the caller's would be an exception, or count against the model."""
    host = host_of("answers", limits=replace(QUICK, faults_allowed=1, first_pause_s=1000))
    assert host.wait_ready(60)
    assert host.score("answers", values, LONG_US) == Unavailable("bad_question")
    assert host.score("answers", [1], LONG_US) == answer_of(1)


def test_whom_nobody_knows_or_who_is_gone_is_unavailable(
    host_of: Callable[..., ModelHost],
) -> None:
    """A decision would end in an exception while a service shuts down."""
    host = host_of("answers")
    assert host.score("nobody", [1], LONG_US) == Unavailable("unknown_model")
    host.close()
    host.close()
    assert host.score("answers", [1], LONG_US) == Unavailable("closed")


def test_closing_answers_who_waits(host_of: Callable[..., ModelHost]) -> None:
    """A service would not stop while a model hangs."""
    host = host_of("forever", limits=replace(QUICK, grace_us=LONG_US))
    assert host.wait_ready(60)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(host.score, "forever", [1], LONG_US)
        time.sleep(0.1)
        host.close()
        assert waiting.result(60).reason in {"crashed", "closed"}


def test_two_models_of_one_name_are_refused() -> None:
    """One would answer for the other."""
    with pytest.raises(ValueError, match="same name"):
        ModelHost([faulty_model("answers", "m"), faulty_model("sleeps", "m")])


def test_patience_ends_and_decisions_no_longer_wait(host_of: Callable[..., ModelHost]) -> None:
    """Every decision would wait its whole limit for a model that is down."""
    limits = replace(QUICK, faults_allowed=3, first_pause_s=1000, longest_pause_s=1000)
    host = host_of("raises", limits=limits)
    assert host.wait_ready(60)
    for _ in range(3):
        assert host.score("raises", [1], LONG_US) == Unavailable("crashed")
    # It would answer this one well, were it asked.
    assert host.score("raises", [0], LONG_US) == Unavailable("crashed")


def test_a_good_answer_restores_patience(host_of: Callable[..., ModelHost]) -> None:
    """Faults of a year would add up until the model is never asked again."""
    limits = replace(QUICK, faults_allowed=3, first_pause_s=1000, longest_pause_s=1000)
    host = host_of("raises", limits=limits)
    assert host.wait_ready(60)
    for _ in range(TIMES):
        assert host.score("raises", [1], LONG_US) == Unavailable("crashed")
        assert host.score("raises", [1], LONG_US) == Unavailable("crashed")
        assert host.score("raises", [0], LONG_US) == GOOD


# --- walls ---------------------------------------------------------------------------------------


def test_the_walls_stand(host_of: Callable[..., ModelHost]) -> None:
    """A worker would say that it is shut in and be open."""
    host = host_of("answers")
    assert host.wait_ready(60)
    assert host.walls["answers"] >= {"files", "network", "processes", "memory"}
    assert host.walls["answers"] <= WALLS


def test_a_worker_without_a_required_wall_is_not_used(host_of: Callable[..., ModelHost]) -> None:
    """An operator who asks for the wall would get a model without it."""
    limits = replace(QUICK, required=frozenset({"moat"}))  # type: ignore[arg-type]
    host = host_of("answers", limits=limits)
    assert not host.wait_ready(1)
    assert eventually(lambda: host.troubles["answers"] == "these walls do not stand: moat")
    assert host.score("answers", [1], LONG_US).reason in {"crashed", "starting"}


def walls_after(lines: str) -> set[str]:
    """The walls that hold in a process that ran these lines."""
    script = (
        f"from tidegate.models.hosting import system_calls, walls\n{lines}\n"
        "print(*walls.holding(1 << 30))\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT / "src"), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(finished.stdout.split())


def test_each_means_holds_by_itself() -> None:
    """One of two walls would be painted on, and nobody would see it behind the other."""
    assert walls_after("") == set()
    assert walls_after("walls.limit(1 << 30)") == {"memory"}
    if os.uname().machine in {"x86_64", "aarch64"}:
        calls = {"files", "network", "processes"}
        assert walls_after("assert system_calls.forbid(importing=True)") == calls
        assert walls_after("assert system_calls.forbid()") == {*calls, "reading"}
    held = walls_after("walls.renounce()\nprint('reading' if walls.read_only(['/usr']) else '')")
    # Where the kernel has Landlock.
    assert held <= {"reading"}


def test_a_kernel_that_reads_folders_alone_does(host_of: Callable[..., ModelHost]) -> None:
    """The wall would be missing on every machine, and nobody would see it."""
    version = subprocess.run(
        [sys.executable, "-c", "import ctypes; print(ctypes.CDLL(None).syscall(444, 0, 0, 1))"],
        capture_output=True,
        text=True,
        check=True,
    )
    host = host_of("answers")
    assert host.wait_ready(60)
    assert ("reading" in host.walls["answers"]) == (int(version.stdout) > 0)


# --- the end of the program ----------------------------------------------------------------------

SCRIPT = """
import os, signal, sys, threading, time
from tests.models.test_host import QUICK, LONG_US, faulty_model
from dataclasses import replace
from tidegate.models.host import ModelHost

models = [faulty_model("forever"), faulty_model("answers")]
host = ModelHost(models, replace(QUICK, grace_us=LONG_US))
assert host.wait_ready(60)
assert host.score("forever", [1], 10_000).reason == "late"
print(*host.pids.values(), flush=True)
"""


def ended(last: str) -> subprocess.CompletedProcess[str]:
    """What a program said that makes a host, of a worker that hangs and one that waits."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT + last],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("last", ["", "sys.exit(2)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_workers_end_with_the_program(last: str) -> None:
    """Each crash of a service would leave processes behind that nobody stops."""
    pids = [int(pid) for pid in re.findall(r"\d+", ended(last).stdout)]
    assert len(pids) == 2
    assert eventually(lambda: not any(is_alive(pid) for pid in pids))


def test_a_fork_of_the_program_asks_nothing() -> None:
    """It would read its parent's answers from the channel that both hold."""
    said = ended(
        "if os.fork() == 0:\n"
        "    print(host.score('answers', [1], LONG_US).reason, flush=True)\n"
        "    host.close()\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "print(host.score('answers', [1], LONG_US).score)\n"
    )
    assert said.stdout.split()[2:] == ["closed", "1"], said.stderr


# --- our own models ------------------------------------------------------------------------------

MODEL = PortableModel(
    name="small",
    version=2,
    family="additive",
    link="logit",
    inputs=(
        Input("amount", MONEY, "EUR", low=0, high=500_000),
        Input("memo", TEXT, categories=("a", "ä\n"), takes_missing=True, takes_unknown=True),
    ),
    base=-2_000_000_000,
    terms=(LinearTerm(0, 12345.678, 2000.0), TableTerm((Axis(1),), (5, -7, 11, 10**9))),
)


def test_a_hosted_model_says_what_it_says_here() -> None:
    """A payment would be decided otherwise because somebody wanted the wall."""
    here = compile_scorer(MODEL).score
    rows: list[list[Value | None]] = [
        [amount, memo]
        for amount in (0, 1, 2000, 499_999, 500_000, 500_001, None)
        for memo in ("a", "ä\n", "", "\ud800", "x" * 4_000, None)
    ]
    with ModelHost([hosted(MODEL, "boosting")]) as host:
        assert host.wait_ready(60)
        said = [host.score("boosting", row, LONG_US) for row in rows]
    assert said == [here(row) for row in rows]
    assert {one.status for one in said if isinstance(one, Scored)} == {"ok", "abstained"}
