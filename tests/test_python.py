"""The engine inside somebody's process: shared by threads, silent, without a trace behind it."""

import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tidegate import Decision, Engine, EventRefused, load_policy

FIRST = ROOT / "examples" / "first"
PAYMENT = json.loads((FIRST / "payment.json").read_text())
FEATURES = json.loads((FIRST / "features.json").read_text())


def test_threads_share_an_engine() -> None:
    """A service would have to make one for each thread, or give one payment another's answer."""
    engine = Engine(load_policy(FIRST))

    def decide(number: int) -> Decision:
        payment = {**PAYMENT, "id": f"p-{number}", "amount": f"{number}.00 EUR"}
        return engine.decide(payment, features={**FEATURES, "tries_10m": number % 7})

    numbers = range(1, 400, 3)
    alone = [decide(number).record_bytes for number in numbers]
    with ThreadPoolExecutor(8) as pool:
        together = [decision.record_bytes for decision in pool.map(decide, numbers)]
    assert together == alone
    assert len({decide(number).outcome.word for number in numbers}) > 1


def test_engines_do_not_know_each_other(tmp_path: Path) -> None:
    """Two policies in one process, the old and the new, are how a change is compared."""
    changed = (FIRST / "rules.tide").read_text().replace("300 EUR", "900 EUR")
    (tmp_path / "rules.tide").write_text(changed)
    (tmp_path / "policy.tide").write_text((FIRST / "policy.tide").read_text())
    old, new = Engine(load_policy(FIRST)), Engine(load_policy(tmp_path))
    words = [e.decide(PAYMENT, features=FEATURES).outcome.word for e in (old, new, old, new)]
    assert words == ["step_up", "approve", "step_up", "approve"]


def test_nothing_is_printed_or_logged(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A library that talks fills the logs of its host, with payments."""
    with caplog.at_level(logging.DEBUG):
        engine = Engine(load_policy(FIRST))
        engine.decide(PAYMENT, features=FEATURES).explain()
        with pytest.raises(EventRefused):
            engine.decide({})
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_importing_leaves_the_process_as_it_was() -> None:
    """A host's locale, warnings, threads and signals are its own."""
    script = (
        "import decimal, locale, logging, signal, sys, threading, warnings\n"
        "def state():\n"
        "    handlers = [signal.getsignal(s) for s in signal.valid_signals()]\n"
        "    return (handlers, locale.setlocale(locale.LC_ALL), list(warnings.filters),\n"
        "            threading.active_count(), logging.root.handlers[:],\n"
        "            repr(decimal.getcontext()), sys.getrecursionlimit())\n"
        "before = state()\n"
        "from tidegate import Engine, load_policy\n"
        "Engine(load_policy(sys.argv[1]))\n"
        "assert state() == before, (before, state())\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script, str(FIRST)],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
