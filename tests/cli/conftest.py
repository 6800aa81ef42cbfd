"""A place to run commands in: an empty folder with the example policy beside nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tidegate.cli.main import app

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `tidegate` with these arguments in an empty folder, and check the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIDEGATE_DEBUG", "1")

    def invoke(*arguments: str, code: int = 0, stdin: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(app, arguments, input=stdin, catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.fixture
def shop(run: Run, tmp_path: Path) -> Path:
    """Give the first example as `init` writes it."""
    run("init", "shop")
    return tmp_path / "shop"


def json_of(result: Result) -> Any:
    """Parse what was printed to standard output."""
    return json.loads(result.stdout)
