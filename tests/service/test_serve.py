"""`tidegate serve` from the README, in an empty folder, with curl and with the client."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tidegate.service.client import Client, Credentials, RequestRefused

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}
TIDEGATE = [sys.executable, "-m", "tidegate.cli"]


def block(page: str, kind: str) -> str:
    """The one fenced block of a kind on a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(found)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tool(folder: Path) -> dict[str, str]:
    """An environment in which `tidegate` is this one."""
    script = folder / "bin" / "tidegate"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tidegate.cli "$@"\n')
    script.chmod(0o755)
    return {**ENVIRONMENT, "PATH": f"{script.parent}:{os.environ['PATH']}"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="the block needs curl")
def test_the_block_of_the_readme_runs_in_an_empty_folder(tmp_path: Path) -> None:
    """It decides, explains, stops, and the ledger is sound."""
    port = str(free_port())
    script = block("README.md", "sh").replace("8080", port)
    assert f"http://127.0.0.1:{port}/livez" in script
    script = script.replace("--development &", f"--development --port {port} &")
    environment = tool(tmp_path)
    folder = tmp_path / "empty"
    folder.mkdir()
    done = subprocess.run(
        [str(shutil.which("bash")), "-m", "-e", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "sound: 2 leaves" in done.stdout, done.stdout + done.stderr
    decision = json.loads((folder / "decision.json").read_text())
    assert decision["outcome"]["word"] == "step_up"
    assert '"audience":"subject"' in done.stdout
    assert "Please confirm this payment." in done.stdout


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A service in a process of its own: its address, and the process."""
    if not (folder / "shop").exists():
        subprocess.run([*TIDEGATE, "init", "shop"], cwd=folder, env=ENVIRONMENT, check=True)
    process = subprocess.Popen(
        [*TIDEGATE, "serve", "shop", "--development", "--port", "0", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("serving "):
                yield line.split()[-1], process
                return
        pytest.fail("it does not serve")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def test_the_client_decides_and_reads_the_explanation(tmp_path: Path) -> None:
    """The block of docs/api.md, against a real process; a restart changes no answer."""
    source = block("docs/api.md", "python")
    payment = {
        "id": "p-1",
        "amount": "420.00 EUR",
        "card": "tok_card_00042",
        "card_country": "FR",
    }
    found: list[Any] = []
    for _ in range(2):
        with served(tmp_path) as (address, process):
            secret = (tmp_path / "tidegate-data/checkout.secret").read_text().strip()
            names: dict[str, Any] = {"secret": secret, "payment": payment}
            exec(compile(source.replace("http://127.0.0.1:8080", address), "api.md", "exec"), names)
            found.append(names["decision"])
            assert names["explanation"]["reasons"] == ["Please confirm this payment."]
            process.send_signal(signal.SIGKILL)
    assert found[0].word == "step_up"
    assert found[0].decided_by == "tidegate"
    assert found[0].reasons == ("large",)
    assert found[0] == found[1]


def test_it_ends_well_and_begins_again(tmp_path: Path) -> None:
    """SIGTERM ends it with 0; two processes never write to one ledger."""
    with served(tmp_path) as (_, process):
        second = subprocess.run(
            [*TIDEGATE, "serve", "shop", "--development", "--port", "0"],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert second.returncode == 3
        assert "the ledger cannot be opened" in second.stderr
    assert process.returncode == 0
    assert (tmp_path / "tidegate-data" / "windows.snapshot").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve", "nowhere", "--development"], "nowhere"),
        (["serve", "shop"], "nobody signs tokens"),
        (["serve", "shop", "--development", "--settings", "no.yaml"], "cannot be read"),
    ],
)
def test_what_keeps_it_from_serving_is_said(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    """With exit code 3 and nothing made."""
    subprocess.run([*TIDEGATE, "init", "shop"], cwd=tmp_path, env=ENVIRONMENT, check=True)
    done = subprocess.run(
        [*TIDEGATE, *arguments],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3
    assert said in done.stderr
    assert not (tmp_path / "tidegate-data").exists()


# --- the client alone


class Answers:
    """A service that answers what it is told to, one after the other."""

    def __init__(self, *answers: tuple[int, Any] | None) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """None is a connection that breaks."""
        self.requests.append(request)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if found is None:
            raise httpx.ConnectError("refused")
        return httpx.Response(found[0], json=found[1])


DECIDED = {"decision_id": "d", "mode": "normal", "outcome": {"word": "approve"}}


def client_of(answers: Answers, waits: list[float] | None = None) -> Client:
    """A client whose clock goes on by what it sleeps."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += max(seconds, 0.001)
        if waits is not None:
            waits.append(seconds)

    http = httpx.Client(transport=httpx.MockTransport(answers), base_url="http://tidegate")
    return Client("", lambda: "token", http=http, clock=lambda: now[0], sleep=sleep)


def test_a_retry_is_the_same_request(tmp_path: Path) -> None:
    """Broken connections and 503s are retried under one key, byte for byte."""
    del tmp_path
    answers = Answers(None, (503, {}), (429, {}), (200, DECIDED))
    with client_of(answers) as client:
        decision = client.decide("payment", {"id": "p"}, key="k", silent="review")
    assert (decision.word, decision.id, decision.decided_by) == ("approve", "d", "tidegate")
    assert len({request.content for request in answers.requests}) == 1
    assert {request.headers["idempotency-key"] for request in answers.requests} == {"k"}
    deadlines = [int(request.headers["tidegate-deadline-ms"]) for request in answers.requests]
    assert deadlines == sorted(deadlines, reverse=True)


def test_without_an_answer_the_declared_one_stands() -> None:
    """Never a made-up approval."""
    with client_of(Answers((503, {}))) as client:
        decision = client.decide("payment", {"id": "p"}, key="k", silent="review", deadline_ms=300)
    assert (decision.word, decision.decided_by, decision.id) == ("review", "fallback", "")


def test_a_refusal_is_raised_and_not_retried() -> None:
    """A retry would be refused the same way."""
    answers = Answers((422, {"code": "invalid_request", "title": "no"}))
    with client_of(answers) as client, pytest.raises(RequestRefused) as refused:
        client.decide("payment", {"id": "p"}, key="k", silent="review")
    assert (refused.value.status, refused.value.code) == (422, "invalid_request")
    assert len(answers.requests) == 1


def test_a_token_is_fetched_once_and_again_before_it_ends() -> None:
    """Secrets go to the token's route only, and never into a text."""
    now = [0.0]
    token = {"access_token": "t", "expires_in": 600}
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.path)
        if request.url.path == "/oauth/token":
            return httpx.Response(200, json=token)
        assert request.headers["authorization"] == "Bearer t"
        return httpx.Response(200, json=DECIDED)

    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://tidegate")
    credentials = Credentials("shop", "the secret")
    assert "the secret" not in repr(credentials)
    with Client("", credentials, http=http, clock=lambda: now[0], sleep=time.sleep) as client:
        client.decision("d")
        client.decision("d")
        now[0] = 590.0
        client.decision("d")
    assert sent.count("/oauth/token") == 2
