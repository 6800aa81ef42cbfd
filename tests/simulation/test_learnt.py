"""What is said where a history holds the payments that a model learnt from."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.simulation.tables import SCORED
from tidegate.engine.values import parse_time
from tidegate.rules import load_policy
from tidegate.simulation.backtest import run_backtest
from tidegate.simulation.monitoring import Wanted, monitor

MAPPING = SCORED / "mapping.yaml"
TEST_ENDS = parse_time("2026-05-22T22:00:00Z")


def test_a_dry_run_over_the_training_says_so(tmp_path: Path) -> None:
    """Figures of payments that the model knows would pass for figures of new ones."""
    notes = run_backtest(load_policy(SCORED), MAPPING, limit=10).notes
    said = "`risk` learnt from 2026-02-15T23:00:00Z to before 2026-04-05T22:00:00Z"
    assert [note for note in notes if said in note]
    shutil.copytree(SCORED, tmp_path / "scored")
    card = tmp_path / "scored" / "models" / "risk" / "1" / "card.json"
    card.write_text(
        card.read_text()
        .replace("2026-02-15T23:00:00Z", "2025-02-15T23:00:00Z")
        .replace("2026-04-05T22:00:00Z", "2025-04-05T22:00:00Z")
    )
    notes = run_backtest(load_policy(tmp_path / "scored"), MAPPING, limit=10).notes
    assert not [note for note in notes if "learnt from" in note]


def test_watching_begins_after_the_test() -> None:
    """A model would be watched on the payments that its author chose it by."""
    (found,) = monitor(load_policy(SCORED), MAPPING).models
    assert found.now.from_us == TEST_ENDS
    assert "watched from 2026-05-22T22:00:00Z, where the test of its card ends" in found.notes
    wanted = Wanted(from_us=parse_time("2026-05-01T00:00:00Z"))
    (found,) = monitor(load_policy(SCORED), MAPPING, wanted).models
    assert found.now.from_us == wanted.from_us
    assert [note for note in found.notes if "trained and tested until" in note]
