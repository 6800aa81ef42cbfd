"""Models are scored in columns as the engine scores them one by one, and only where they may be."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

from tests.simulation.online import Replay
from tests.simulation.scored_histories import FAMILIES, scored_history
from tests.simulation.test_point_in_time import CHUNKS, same_as_the_service, value_at
from tidegate.engine.column_batch import STATUSES
from tidegate.models.portable import Family
from tidegate.simulation.backtest import DryRun
from tidegate.simulation.measures import MILLION


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(2))
def test_as_the_service_scores(seed: int, family: Family, tmp_path: Path) -> None:
    """A dry run would promise what the service does not do: score by score, outcome by outcome."""
    history = scored_history(Random(f"{family} {seed}"), tmp_path, family)
    same_as_the_service(history)
    online = {
        key: (answer.decision.record.scores["knows"], answer.decision.record.inputs)
        for key, answer in Replay(history).answers().items()
    }
    for chunk_rows in CHUNKS:
        run = DryRun(history.policy, history.mapping, chunk_rows=chunk_rows)
        seen = 0
        for batch in run.batches():
            used = batch.outcomes.absent["knows"] != 1
            for row in np.flatnonzero(used).tolist():
                status, inputs = online[batch.rows.keys[row]]
                assert STATUSES[batch.rows.statuses["knows"][row]] == status
                score = value_at(batch.columns["known_risk"], row)
                recorded = inputs.get("known_risk")
                assert score == (None if recorded is None else round(float(recorded) * MILLION))
                seen += 1
        assert seen
