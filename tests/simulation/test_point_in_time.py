"""A dry run sees what the service would have seen, and decides what it would have decided."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.simulation.histories import SmallHistory, small_history
from tests.simulation.online import Replay
from tidegate.engine.column_batch import CodedColumn, Column
from tidegate.rules.loading import load_policy
from tidegate.simulation.backtest import DryRun, run_backtest

CHUNKS = (40, 1 << 18)


def value_at(column: Column, row: int) -> object:
    """The value of one row, None where it is missing."""
    if isinstance(column, CodedColumn):
        code = int(column.codes[row])
        return column.dictionary[code] if code >= 0 else None
    present = column.valid is None or bool(column.valid[row])
    return int(column.values[row]) if present else None


def reason_at(column: Column, row: int) -> str:
    """Why a row is missing."""
    return column.reason_names[0 if column.reasons is None else int(column.reasons[row])]


def answers_of(history: SmallHistory, chunk_rows: int) -> dict[str, tuple[object, ...]]:
    """Features, reasons, outcome and what the rules said, for every decision, by key."""
    run = DryRun(history.policy, history.mapping, chunk_rows=chunk_rows)
    names = [f.name for f in history.policy.program.features]
    rules = history.policy.program.event("payment").rules
    found: dict[str, tuple[object, ...]] = {}
    for batch in run.batches():
        for row in range(batch.rows.count):
            features = {name: value_at(batch.columns[name], row) for name in names}
            reasons = {
                name: reason_at(batch.columns[name], row)
                for name in names
                if features[name] is None
            }
            settled = batch.outcomes.row(row)
            evaluation = settled.evaluation()
            found[batch.rows.keys[row]] = (
                features,
                reasons,
                settled.outcome(),
                tuple(
                    tuple(rule.id for bit, rule in enumerate(rules) if mask >> bit & 1)
                    for mask in (evaluation.fired, evaluation.unknown, evaluation.silenced)
                ),
            )
    return found


def same_as_the_service(history: SmallHistory) -> None:
    """Every decision of a dry run is the one that the service would have taken."""
    replay = Replay(history)
    online = {
        key: (
            {name: value.value for name, value in answer.features.items()},
            {name: v.reason for name, v in answer.features.items() if v.value is None},
            answer.decision.outcome,
            (rules.fired, rules.unknown, rules.silenced),
        )
        for key, answer in replay.answers().items()
        for rules in [answer.decision.record.rules]
    }
    result = run_backtest(history.policy, history.mapping)
    assert sum(source.bad for source in result.sources) == replay.refused
    assert sum(source.copies for source in result.sources) == replay.copies
    for chunk_rows in CHUNKS:
        columns = answers_of(history, chunk_rows)
        assert columns.keys() == online.keys()
        for key, answer in online.items():
            assert columns[key] == answer, key


@pytest.mark.parametrize("seed", range(8))
def test_columns_equal_the_service(seed: int, tmp_path: Path) -> None:
    """Windows in columns, or the door in columns, see something that a live service would not."""
    rng = Random(seed)
    history = small_history(rng, tmp_path, rows=160, received=seed % 2 == 1, parquet=seed % 4 > 1)
    same_as_the_service(history)


@pytest.mark.parametrize("period", ["week", "month", "year"])
def test_longer_periods_equal_the_service(period: str, tmp_path: Path) -> None:
    """A week or a month would begin elsewhere in a dry run."""
    history = small_history(Random(period), tmp_path, rows=160, received=True, parquet=True)
    file = tmp_path / "policy" / "policy.tide"
    file.write_text(file.read_text().replace("calendar day", f"calendar {period}"))
    history.policy = load_policy(tmp_path / "policy")
    assert {f.period for f in history.policy.program.features} == {None, period}
    same_as_the_service(history)
