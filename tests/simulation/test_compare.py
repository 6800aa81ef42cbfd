"""What a comparison says of two revisions is what two dry runs, row beside row, say."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from tests.simulation.edits import RULES, edited
from tests.simulation.histories import SmallHistory, small_history
from tidegate.rules.loading import load_policy
from tidegate.rules.policy import Policy
from tidegate.simulation import result
from tidegate.simulation.compare import Compared, compare_runs
from tidegate.simulation.snapshot_compare import SnapshotComparison, compare_with_snapshot

CHUNK = 40
KEY = b"0123456789abcdef"


@pytest.fixture
def history(tmp_path: Path) -> SmallHistory:
    """A small history, most of which is measured."""
    made = small_history(Random(5), tmp_path, rows=260, received=True, parquet=False)
    made.mapping.write_text(f"{made.mapping.read_text()}warm_up: 1d\n")
    return made


def policy_with(history: SmallHistory, names: list[str]) -> Policy:
    """The policy with these edits and no others."""
    folder = history.mapping.parent / "policy"
    (folder / "policy.tide").write_text(edited(names))
    return load_policy(folder)


def plain(history: SmallHistory, old: Policy, new: Policy) -> Compared:
    """The comparison that reads the history twice."""
    return compare_runs(old, new, history.mapping, key=KEY, chunk_rows=CHUNK)


def quick(history: SmallHistory, old: Policy, new: Policy) -> SnapshotComparison:
    """The comparison over the snapshot beside the history."""
    folder = history.mapping.parent / "kept"
    return compare_with_snapshot(old, new, history.mapping, folder, key=KEY, chunk_rows=CHUNK)


def said(found: Compared) -> object:
    """Everything that it says, as JSON would have it."""
    return json.loads(json.dumps(result.as_json(found.effects)))


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_snapshot_says_what_the_history_says(
    name: str, history: SmallHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull request would be judged by other figures on a machine with a snapshot."""
    monkeypatch.setattr("tidegate.simulation.snapshot_replay.MOST", 1.0)
    monkeypatch.setattr("tidegate.simulation.snapshot_compare.MOST", 1.0)
    old, new = policy_with(history, []), policy_with(history, [name])
    expected = said(plain(history, old, new))
    first = quick(history, old, new)
    assert first.built
    assert said(first.compared) == expected
    again = quick(history, old, new)
    assert not again.built
    assert said(again.compared) == expected
    assert said(quick(history, new, old).compared) == said(plain(history, new, old))
