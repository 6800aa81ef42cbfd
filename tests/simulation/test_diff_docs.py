"""The page about comparisons runs as it stands."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cli.test_docs import matches
from tests.conftest import ROOT
from tests.rules.repositories import WHO
from tidegate.cli.main import app

PAGE = (ROOT / "docs" / "diff.md").read_text(encoding="utf-8")


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that people copy into a pull request do not work."""
    monkeypatch.chdir(tmp_path)
    for name, value in WHO.items():
        monkeypatch.setenv(name, value)
    (block,) = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for shown in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, _, output = shown.partition("\n")
        command, _, code = line.partition("  # exit ")
        program, *arguments = shlex.split(command)
        if program != "tidegate":
            subprocess.run([program, *arguments], check=True)
            continue
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == int(code or 0), f"$ {command}\n{result.output}"
        assert matches(output, result.stdout), f"$ {command}\n{result.output}"
    assert "version 2" in (tmp_path / "shop" / "rules.tide").read_text()
    python(tmp_path)


def python(folder: Path) -> None:
    """The lines for Python, in the folder that the others left."""
    assert (folder / "shop").is_dir()
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(block, "diff.md", "exec"), names)
    assert names["found"]
