"""Two versions of a model over one history: scores that cross, snapshots that do not serve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import yaml

from tests.simulation.histories import POLICY, SmallHistory, sub
from tests.simulation.online import Replay
from tests.simulation.scored_histories import (
    MODEL,
    keep_model,
    model_over,
    scored_history,
)
from tests.simulation.test_point_in_time import answers_of
from tidegate.engine.column_batch import Batch
from tidegate.engine.column_outcome import compile_settler
from tidegate.engine.decision import Policy as DecidedBy
from tidegate.engine.lowered import lowered_program
from tidegate.rules.loading import load_policy
from tidegate.rules.models import LoadedModel, StoppedModel
from tidegate.rules.policy import Policy
from tidegate.simulation.backtest import DryRun, run_backtest
from tidegate.simulation.compare import compare_runs
from tidegate.simulation.comparison import ScoreChange
from tidegate.simulation.history_settler import HistorySettler
from tidegate.simulation.mapping import MappingError
from tidegate.simulation.measures import WARM_UP
from tidegate.simulation.snapshot import StaleError
from tidegate.simulation.snapshot_compare import compare_with_snapshot
from tidegate.simulation.snapshot_run import run_with_snapshot
from tidegate.simulation.wording import model_change, scores_compared

KEY = b"k" * 16


@pytest.fixture
def history(tmp_path: Path) -> SmallHistory:
    """A history of a policy with a boosted model, most of which is measured."""
    made = scored_history(Random(8), tmp_path, "gradient_boosting", rows=260)
    made.mapping.write_text(f"{made.mapping.read_text()}warm_up: 1d\n")
    return made


def with_version(history: SmallHistory, version: int, change: Callable[[str], str] = str) -> Policy:
    """The same policy with another version of the model."""
    folder = history.mapping.parent / f"policy {version}"
    (folder / "lists").mkdir(parents=True)
    text = sub(POLICY, "rule burst version 1\n", MODEL.format(version=version))
    (folder / "policy.tide").write_text(change(text))
    (folder / "lists" / "watched.csv").write_text("value\nc1\nc9\n")
    keep_model(folder, model_over(Random(version), "gradient_boosting", version))
    return load_policy(folder)


def scores_of(policy: DecidedBy, mapping: Path) -> dict[str, int]:
    """By key, the scores of the model outside the warm-up."""
    run = DryRun(policy, mapping)
    found: dict[str, int] = {}
    for batch in run.batches():
        rows = (batch.outcomes.absent["knows"] == 0) & (run.classes(batch.rows) != WARM_UP)
        values = batch.columns["known_risk"].values  # type: ignore[union-attr]  # numbers
        found |= {batch.rows.keys[row]: int(values[row]) for row in np.flatnonzero(rows).tolist()}
    return found


def change_of(history: SmallHistory, after: Policy) -> ScoreChange:
    """The change of the one model."""
    (event,) = compare_runs(history.policy, after, history.mapping, key=KEY).effects.events
    (change,) = event.scores
    return change


def test_scores_that_cross(history: SmallHistory) -> None:
    """Version 2 declines others than version 1: how many cross each threshold is told."""
    after = with_version(history, 2)
    change = change_of(history, after)
    was, now = (scores_of(policy, history.mapping) for policy in (history.policy, after))
    both = was.keys() & now.keys()
    assert (change.version_before, change.version_after) == (1, 2)
    assert change.both == len(both) > 20
    assert change.differ == sum(was[key] != now[key] for key in both) > 0
    assert (change.only_before, change.only_after) == (len(was) - len(both), len(now) - len(both))
    assert [c.at for c in change.crossings] == [200_000, 300_001, 600_000]
    for crossing in change.crossings:
        pairs = [(was[key] >= crossing.at, now[key] >= crossing.at) for key in both]
        assert crossing.above_before == sum(low for low, _ in pairs)
        assert crossing.above_after == sum(high for _, high in pairs)
        assert crossing.rose == pairs.count((False, True))
        assert crossing.fell == pairs.count((True, False))
    assert any(c.rose or c.fell for c in change.crossings)
    assert model_change(change) == "Model knows 1 -> 2"
    first, *_, last = scores_compared(change)
    assert first.startswith(f"{change.both} payments get a score from both versions; for ")
    assert f" {change.differ} of them" in first
    crossing = change.crossings[-1]
    assert last == (
        f"A score at least 0.6 (knowing@1): {crossing.above_before} payments by the old version,"
        f" {crossing.above_after} by the new one; {crossing.rose} come to it and {crossing.fell}"
        " leave it."
    )


def test_the_same_file_is_no_change(history: SmallHistory) -> None:
    """A new rule would come with a table of scores that are the same."""
    text = history.policy.folder / "policy.tide"
    text.write_text(sub(text.read_text(), "known_risk >= 0.6", "known_risk >= 0.5"))
    after = load_policy(history.policy.folder)
    (event,) = compare_runs(history.policy, after, history.mapping, key=KEY).effects.events
    assert event.scores == ()


def test_another_file_under_the_same_version(history: SmallHistory) -> None:
    """Nobody raised the version, and the scores are others all the same."""
    keep_model(history.policy.folder, model_over(Random(99), "additive", 1))
    change = change_of(history, load_policy(history.policy.folder))
    assert change.version_before == change.version_after == 1
    assert change.differ > 0
    assert model_change(change) == "Model knows 1, another file"


# --- snapshots ---------------------------------------------------------------------------------


def test_a_snapshot_keeps_the_scores(history: SmallHistory, tmp_path: Path) -> None:
    """From the snapshot and from the files the same result, and the second time it serves."""
    plain = run_backtest(history.policy, history.mapping)
    first, second = (
        run_with_snapshot(history.policy, history.mapping, tmp_path / "kept") for _ in range(2)
    )
    assert first.result == second.result == plain
    assert first.built
    assert not second.built


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("amount <= 9000 EUR", "amount <= 900 EUR"),
        ("until 2026-09-29", "until 2026-09-25"),
    ],
)
def test_what_makes_a_snapshot_stale(
    old: str, new: str, history: SmallHistory, tmp_path: Path
) -> None:
    """The old scores would go on deciding: another file, another use, another end."""
    run_with_snapshot(history.policy, history.mapping, tmp_path / "kept")
    if old:
        text = history.policy.folder / "policy.tide"
        text.write_text(sub(text.read_text(), old, new))
    else:
        keep_model(history.policy.folder, model_over(Random(99), "additive", 1))
    after = load_policy(history.policy.folder)
    run = run_with_snapshot(after, history.mapping, tmp_path / "kept")
    assert run.built == "model knows of payment changed"
    assert run.result == run_backtest(after, history.mapping)


def test_a_snapshot_of_two_versions(history: SmallHistory, tmp_path: Path) -> None:
    """One column of scores cannot be both."""
    with pytest.raises(StaleError, match="model knows of payment differ"):
        compare_with_snapshot(
            history.policy, with_version(history, 2), history.mapping, tmp_path / "kept", key=KEY
        )


# --- authority that is lowered on the way ------------------------------------------------------


def ending(policy: Policy, at_us: int) -> Policy:
    """The policy whose model was validated until then."""
    model = policy.models["knows"]
    assert isinstance(model, LoadedModel)
    return replace(policy, models={"knows": replace(model, validated_until_us=at_us)})


def _tuple(value: object) -> tuple[object, ...]:
    assert isinstance(value, tuple)
    return value


@pytest.mark.parametrize("part", [0.0, 0.3, 0.5, 1.0])
def test_a_validation_that_ends_on_the_way(part: float, history: SmallHistory) -> None:
    """Before it the model declines, from it on it may ask for a review at most, as in service."""
    times = sorted(row.at_us for row in history.rows if row.event == "payment")
    at_us = times[min(int(part * len(times)), len(times) - 1)]
    history.policy = ending(history.policy, at_us)
    online = {
        key: (answer.decision.outcome, rules.fired, rules.unknown, rules.silenced)
        for key, answer in Replay(history).answers().items()
        for rules in [answer.decision.record.rules]
    }
    for chunk_rows in (60, 1 << 18):
        found = answers_of(history, chunk_rows)
        assert {key: (answer[2], *_tuple(answer[3])) for key, answer in found.items()} == online


def test_rows_on_both_sides_of_an_end(history: SmallHistory) -> None:
    """The row at the very time is the first with less authority, and masks are put together."""
    event = history.policy.program.event("payment")
    lowered = lowered_program(history.policy.program, ("knows",))
    (batch,) = DryRun(history.policy, history.mapping).batches()
    rows = batch.rows
    columns = Batch(rows.count, rows.columns, history.policy.lists, rows.statuses)
    full = compile_settler(history.policy.program, event).settle(columns)
    less = compile_settler(lowered, event).settle(columns)
    differing = np.flatnonzero(full.word != less.word)
    assert len(differing) > 3
    place = int(differing[len(differing) // 2])
    at_us = int(rows.at_us[place])
    policy = ending(history.policy, at_us)
    found = HistorySettler(policy, event).settle(columns, rows.at_us)
    for row in range(rows.count):
        expected = less if rows.at_us[row] >= at_us else full
        for ask in ("outcome", "evaluation", "winners", "standing", "masked"):
            assert getattr(found.row(row), ask)() == getattr(expected.row(row), ask)()
        assert all(found.capped[name][row] == expected.capped[name][row] for name in found.capped)
    assert found.word[place] == less.word[place]


def test_lowered_authority_shows(history: SmallHistory) -> None:
    """The test above would agree on nothing if the model never declined alone."""
    policies = history.policy, ending(history.policy, 0)
    runs = [answers_of(SmallHistory(policy, history.mapping), 1 << 18) for policy in policies]
    plain, lowered = ({key: answer[2] for key, answer in run.items()} for run in runs)
    assert plain != lowered


def test_no_snapshot_of_a_validation_that_ends(history: SmallHistory, tmp_path: Path) -> None:
    """A snapshot would decide all rows alike."""
    policy = ending(history.policy, 1)
    with pytest.raises(MappingError, match="knows no validations that end"):
        run_with_snapshot(policy, history.mapping, tmp_path / "kept")
    with pytest.raises(StaleError, match="validation of a model ends"):
        compare_with_snapshot(policy, policy, history.mapping, tmp_path / "kept", key=KEY)


# --- what is not scored ------------------------------------------------------------------------


def test_a_model_of_which_no_version_may_serve(history: SmallHistory) -> None:
    """A model that was disabled would go on in dry runs of what serves."""
    stopped = replace(history.policy, models={"knows": StoppedModel("disabled", "it is disabled")})
    run = DryRun(stopped, history.mapping)
    for batch in run.batches():
        assert not (batch.outcomes.absent["knows"] == 0).any()


def test_no_column_of_scores_for_a_model_that_is_scored(history: SmallHistory) -> None:
    """Two versions of a model would be compared by the same recorded numbers."""
    mapping = yaml.safe_load(history.mapping.read_text())
    mapping["sources"][0]["scores"]["known_risk"] = "score"
    history.mapping.write_text(yaml.safe_dump(mapping))
    with pytest.raises(MappingError) as refused:
        run_backtest(history.policy, history.mapping)
    (problem,) = refused.value.problems
    assert problem.key.endswith("scores.known_risk")
    assert "declare the model `external`" in problem.help
