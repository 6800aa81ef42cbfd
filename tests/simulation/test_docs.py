"""The page about dry runs runs, and names every key of a mapping."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tidegate.simulation.checked_mapping import UNITS
from tidegate.simulation.mapping import (
    ColumnMapping,
    HistoryMapping,
    LabelMapping,
    OutcomeMapping,
    ScoreMapping,
    SourceMapping,
    StatusMapping,
)

PAGE = (ROOT / "docs" / "backtest.md").read_text(encoding="utf-8")
PARTS = (
    HistoryMapping,
    SourceMapping,
    ColumnMapping,
    LabelMapping,
    ScoreMapping,
    OutcomeMapping,
    StatusMapping,
)


def block(kind: str) -> str:
    """The page's block of one kind."""
    found = re.search(rf"^```{kind}\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert found is not None
    return found.group(1)


def test_the_mapping_shown_is_one() -> None:
    """The example that everybody copies has a key that is none."""
    mapping = HistoryMapping.model_validate(yaml.load(block("yaml"), yaml.BaseLoader))  # noqa: S506
    assert [source.event for source in mapping.sources] == ["card_payment", "chargeback"]


def test_every_key_is_explained() -> None:
    """A key works and nobody can find it."""
    keys = {key for part in PARTS for key in part.model_fields}
    assert {key for key in keys if f"`{key}`" not in PAGE} - {"sources"} == set()
    assert {unit for units in UNITS.values() for unit in units if f"`{unit}`" not in PAGE} <= {
        "m",
        "h",
        "d",
    }


def test_the_python_block_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lines that engineers copy do not work."""
    shutil.copytree(ROOT / "examples" / "first", tmp_path / "shop")
    monkeypatch.chdir(tmp_path)
    assert Path(os.curdir, "shop").is_dir()
    exec(compile(block("python"), "backtest.md", "exec"), {})
    assert "@1" in capsys.readouterr().out
