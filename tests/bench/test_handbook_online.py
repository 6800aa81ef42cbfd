"""The comparison of the dry run with the service over the Handbook, small."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.handbook import FOLDER
from bench.handbook_online import Service, differences, rows_of
from tidegate.rules import load_policy
from tidegate.simulation.backtest import DryRun

PAYMENTS = 4_000


def found(shared: Path) -> list[str]:
    """What differs on the first payments."""
    assert shared.is_dir()
    policy = load_policy(FOLDER)
    run = DryRun(policy, FOLDER / "mapping.yaml")
    rows, service = rows_of(run.history.mapping.sources[0].files[0]), Service(policy)
    return [d for batch in run.batches(PAYMENTS) for d in differences(batch, service, rows)]


def test_the_dry_run_is_what_the_service_lives(shared: Path) -> None:
    """The comparison that `make handbook` runs over every row would not hold."""
    assert not found(shared)


def test_a_service_that_forgets_is_noticed(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison would pass whatever the service answers."""
    monkeypatch.setattr(Service, "_catch_up", lambda *_: None)
    assert any("spend_24h" in difference for difference in found(shared))
