"""The page about models runs, and names every key of a training file and every file."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.cli.test_docs import matches, transcripts
from tests.conftest import ROOT
from tests.rules.test_serving_models import people_file
from tests.simulation.tables import scored_policy, written
from tidegate.cli.main import app
from tidegate.models.manifest import REQUIRED
from tidegate.simulation import training_file
from tidegate.simulation.training_estimators import KINDS
from tidegate.simulation.training_file import read_training

PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")


def test_the_commands_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    people_file(tmp_path / "people.yaml")
    found = transcripts(PAGE)
    assert len(found) >= 4
    for command, code, shown in found:
        result = CliRunner().invoke(app, shlex.split(command)[1:], catch_exceptions=False)
        assert result.exit_code == code, result.output
        assert matches(shown, result.output), f"$ {command}\n{result.output}"
    # The block of a service runs in the same folder.
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(compile(block, "models.md", "exec"), names)
    assert names["engine"].policy.models["risk"].reason == "nothing_active"


def test_the_training_file_of_the_page_is_one(tmp_path: Path) -> None:
    block = re.search(r"^```yaml\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert block is not None
    path = written(tmp_path / "training.yaml", block[1])
    assert read_training(path, scored_policy().program).abstain_outside == ("amount",)


@pytest.mark.parametrize("key", sorted(training_file._KEYS))
def test_every_key_is_explained(key: str) -> None:
    table = "\n".join(line for line in PAGE.splitlines() if line.startswith("|"))
    assert f"`{key}`" in table


@pytest.mark.parametrize("name", [*REQUIRED, *KINDS])
def test_every_file_and_every_estimator_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE
