"""docs/workbench/README.md: its files are written and its commands run, in one folder, in order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.browser import look
from tests.cli.test_docs import matches
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "workbench" / "README.md"
CI = ROOT / "docs" / "ci"
BLOCK = re.compile(r"^```(console|yaml \S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def steps(page: str) -> Iterator[tuple[str, str, int, str]]:
    """In order: what is done (`write` or `run`), the file or command, the exit code, the text."""
    for kind, text in BLOCK.findall(page):
        if kind != "console":
            yield "write", kind.removeprefix("yaml "), 0, text
            continue
        for shown in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            line, _, output = shown.partition("\n")
            command, _, code = line.partition("  # exit ")
            yield "run", command, int(code or 0), output


def environment(folder: Path) -> dict[str, str]:
    """A `tidegate` on the path, and a Git that knows nobody."""
    programs = folder.parent / "programs"
    programs.mkdir(exist_ok=True)
    program = programs / "tidegate"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tidegate.cli "$@"\n')
    program.chmod(0o755)
    return {
        **os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1",
        "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(folder.parent),
    }  # fmt: skip


def run(command: str, folder: Path) -> tuple[int, str]:
    """A command in a shell; both streams, as a person sees them."""
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env=environment(folder), text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder after the whole walk; a step that says something else fails every test."""
    folder = tmp_path_factory.mktemp("walk") / "work"
    folder.mkdir()
    for what, subject, code, text in steps(PAGE.read_text(encoding="utf-8")):
        if what == "write":
            (folder / subject).write_text(text, encoding="utf-8")
            continue
        found, printed = run(subject, folder)
        assert found == code, f"$ {subject}\n{printed}"
        assert matches(text, printed), f"$ {subject}\n{printed}"
    return folder


def test_the_walk_ends_with_the_approved_rule(walked: Path) -> None:
    """The page would end with a wrong rule on `main`."""
    _, branch = run("git branch --show-current", walked)
    assert branch == "main\n"
    rules = (walked / "card" / "rules.tide").read_text(encoding="utf-8")
    assert "amount > 300 EUR" in rules
    assert "points >= 50" in rules
    assert "rule outside_eea version 2" in rules


def test_what_the_page_says_of_the_report_is_there(walked: Path) -> None:
    """Ben would look for figures that the report does not show."""
    html = (walked / "report.html").read_text(encoding="utf-8")
    assert "29 payments get another outcome" in html
    assert "1 protection is weaker." in html
    assert "All 10 limits of the gate are kept" in html
    assert "24 good, 4,785" in html
    assert "5 not yet known, 1,074" in html
    assert "two people work on weekends" in html


def test_the_report_of_the_walk_opens_in_a_browser(walked: Path, tmp_path: Path) -> None:
    """The page that people are told to open would be broken."""
    found = look(walked / "report.html", (1280, 390), tmp_path)
    assert found.console == ()
    assert [one.wide for one in found.looks] == [(), ()]


@pytest.fixture
def copied(walked: Path, tmp_path: Path) -> Path:
    """A copy of the folder, to run commands in."""
    return shutil.copytree(walked, tmp_path / "work")


def test_the_workflow_runs_what_exists(copied: Path) -> None:
    """A team would copy a workflow that fails in its first step."""
    workflow = yaml.safe_load((CI / "github-actions.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["gate"]
    assert workflow["permissions"] == {"contents": "read"}
    commands = [step["run"] for step in job["steps"] if step.get("run", "").startswith("tidegate")]
    assert len(commands) == 4
    run("git switch -q -c again && git update-ref refs/remotes/origin/main main", copied)
    for command in commands:
        values = {**job["env"], "BASE": "main"}
        prefix = " ".join(f"{name}='{value}'" for name, value in values.items())
        code, printed = run(f"export {prefix}; {command}", copied)
        assert code == 0, f"$ {command}\n{printed}"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("sed -i 's/falls_at_most: 2%/falls_at_most: 50%/' card/gate.yaml",
         "as limited before the change: falls by at most 2.00 points"),
        ("rm card/gate.yaml", "as limited before the change: falls by at most 2.00 points"),
        ("sed -i 's/^warm_up:.*/warm_up: 50d/' card/mapping.yaml",
         "changes of the mapping or the history, as limited before the change: at most 0: 1"),
        ("sed -i '20,60d' card/history/chargebacks.csv",
         "changes of the mapping or the history, as limited before the change: at most 0: 1"),
    ],
)  # fmt: skip
def test_a_change_cannot_open_its_own_gate(copied: Path, edit: str, said: str) -> None:
    """A change would bring the limits and the measure that let it through."""
    run("sed -i 's/points >= 50/points >= 70/' card/rules.tide", copied)
    run("sed -i '/measure_changes/,$d' card/gate.yaml", copied)
    code, printed = run(edit, copied)
    assert code == 0, printed
    code, printed = run("tidegate gate main card card/mapping.yaml", copied)
    assert code == 1, printed
    assert (
        f"fail: {'fraud that is stopped (declined or stepped up), ' * ('falls' in said)}{said}"
        in printed
    )


def test_no_workflow_pastes_what_a_stranger_wrote_into_a_shell() -> None:
    """A branch name would run as a command, with the rights of the workflow."""
    for file in sorted(CI.glob("*.yml")):
        workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                assert "${{" not in step.get("run", ""), file.name


def test_the_workflow_that_writes_runs_nothing_of_the_pull_request() -> None:
    """A pull request from a stranger would write what it likes as the project."""
    workflow = yaml.safe_load((CI / "github-comment.yml").read_text(encoding="utf-8"))
    steps_ = workflow["jobs"]["comment"]["steps"]
    assert [step.get("uses", "").split("@")[0] for step in steps_] == [
        "actions/download-artifact",
        "",
    ]
    assert workflow["permissions"] == {"actions": "read", "pull-requests": "write"}


def test_the_hooks_run(copied: Path) -> None:
    """A hook would stop every commit, or none."""
    hooks = yaml.safe_load((CI / "pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    assert len(entries) == 3
    for entry in entries:
        code, printed = run(entry, copied)
        assert code == 0, f"$ {entry}\n{printed}"
    run("sed -i 's/amount > 300 EUR/amount > 400 EUR/' card/rules.tide", copied)
    code, printed = run(next(entry for entry in entries if "--against" in entry), copied)
    assert code == 1, printed
