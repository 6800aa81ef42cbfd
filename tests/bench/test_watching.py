"""The benchmark of watching scores with its model, over a small history of the same columns."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from bench.watching import measure, policy_with_model
from tidegate.rules import load_policy
from tidegate.simulation.backtest import DryRun


def test_it_measures_a_model_that_scores(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that abstains everywhere would be fast."""
    data = pl.read_parquet(shared / "data" / "handbook" / "transactions.parquet")
    data.gather_every(150).write_parquet(tmp_path / "small.parquet")
    folder = policy_with_model(tmp_path / "policy", tmp_path / "small.parquet")
    run = DryRun(load_policy(folder), folder / "mapping.yaml")
    for batch in run.batches():
        assert (batch.outcomes.absent["trees"] == 0).all()
    measure(folder)
    assert "one watch: " in capsys.readouterr().out
