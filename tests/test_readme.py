"""The README runs: its console block in an empty folder, its Python block, its links."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one kind."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [text for found, text in fences if found == kind]


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "tidegate.cli", *arguments],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_the_console_block_runs_in_an_empty_folder(tmp_path: Path) -> None:
    """A newcomer would type a command that does not exist or does not work."""
    (block,) = blocks("console")
    commands = [line.removeprefix("$ tidegate ") for line in block.splitlines()]
    assert len(commands) >= 10

    for command in commands:
        done = run(shlex.split(command), tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert done.stdout, command


def test_the_python_block_decides(tmp_path: Path) -> None:
    """The three lines that engineers copy would not work."""
    run(["init", "shop"], tmp_path)
    (block,) = blocks("python")
    payment = json.loads((tmp_path / "shop/payment.json").read_text())
    features = json.loads((tmp_path / "shop/features.json").read_text())
    names = {"payment": payment, "features": features}
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        exec(compile(block, "README.md", "exec"), names)
    finally:
        os.chdir(before)

    assert names["decision"].outcome.word == "step_up"


def test_the_edit_that_the_readme_describes_changes_what_it_says(tmp_path: Path) -> None:
    """The first thing a newcomer tries would not do what the README promises."""
    assert "change `amount > 300 EUR` to `amount > 500 EUR`" in README
    run(["init", "demo"], tmp_path)
    rules = tmp_path / "demo/rules.tide"
    text = rules.read_text()
    assert text.count("amount > 300 EUR") == 1
    before = run(["backtest", "demo", "demo/mapping.yaml"], tmp_path).stdout

    rules.write_text(text.replace("amount > 300 EUR", "amount > 500 EUR"))

    tested = run(["test", "demo"], tmp_path)
    assert tested.returncode == 1
    assert tested.stdout.count("large") >= 1
    decided = run(
        ["decide", "demo", "demo/payment.json", "--features", "demo/features.json"], tmp_path
    )
    assert "step_up" not in decided.stdout.splitlines()[0]
    assert run(["backtest", "demo", "demo/mapping.yaml"], tmp_path).stdout != before


def test_the_error_that_the_readme_shows_is_the_real_one(tmp_path: Path) -> None:
    """The README would show a message that nobody ever sees."""
    run(["init", "shop"], tmp_path)
    rules = tmp_path / "shop/rules.tide"
    rules.write_text(rules.read_text().replace("\n  if unknown then skip", ""))

    found = run(["check", "shop"], tmp_path)

    assert found.returncode == 1
    shown = next(b for b in blocks("") if "TG411" in b)
    wanted = [line.strip() for line in shown.splitlines() if "-->" not in line]
    printed = found.stdout + found.stderr
    assert [line for line in wanted if line and line not in printed] == []


@pytest.mark.parametrize("page", sorted(set(re.findall(r"\]\(((?:docs/)?[\w./-]+)\)", README))))
def test_every_link_leads_somewhere(page: str) -> None:
    """A reader would click into nothing."""
    assert (ROOT / page).exists()
