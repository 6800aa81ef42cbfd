"""The report as a person reads it, at the widths of ordinary terminals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulation.test_backtest import CSV, MAPPING, POLICY
from tidegate.rules import load_policy
from tidegate.simulation.backtest import run_backtest
from tidegate.simulation.report import to_text
from tidegate.simulation.result import BacktestResult


@pytest.fixture
def result(tmp_path: Path) -> BacktestResult:
    """The dry run of the small shop."""
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "policy.tide").write_text(POLICY)
    (tmp_path / "payments.csv").write_text(CSV)
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    return run_backtest(load_policy(tmp_path / "policy"), tmp_path / "mapping.yaml")


def test_the_report(result: BacktestResult, golden: Callable[[str, str], None]) -> None:
    """A figure is printed in the wrong unit, without its interval, or not at all."""
    golden("simulation/report.txt", to_text(result, width=80))


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_figure_is_cut(result: BacktestResult, width: int) -> None:
    """Rich shortens a number with an ellipsis, and 132,868 reads as 132."""
    lines = to_text(result, width).splitlines()
    assert max(map(len, lines)) <= width
    assert not any("\N{HORIZONTAL ELLIPSIS}" in line for line in lines)
