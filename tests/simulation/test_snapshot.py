"""A dry run over a snapshot says, field for field, what one over the files says."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from random import Random

import pytest

from tests.simulation.edits import INPUTS, RULES, edited, write_list
from tests.simulation.histories import SmallHistory, small_history
from tidegate.rules.loading import load_policy
from tidegate.simulation.backtest import run_backtest
from tidegate.simulation.mapping import MappingError
from tidegate.simulation.measures import Tally, Volume
from tidegate.simulation.report import to_json
from tidegate.simulation.snapshot_run import SnapshotRun, run_with_snapshot
from tidegate.simulation.stored_rows import RowWriter
from tidegate.simulation.tally_sums import exchange

CHUNK = 40
WHOLE = {"default", "authority", "use", "outage", "exception of a score", "removed"}
"""Edits after which every row is decided anew: they change a model, the default or the warm-up."""


@pytest.fixture
def history(tmp_path: Path) -> SmallHistory:
    """A small history."""
    return small_history(Random(5), tmp_path, rows=260, received=True, parquet=False)


def write(history: SmallHistory, names: list[str]) -> None:
    """The policy with these edits and no others."""
    (history.mapping.parent / "policy" / "policy.tide").write_text(edited(names))


def run(history: SmallHistory, chunk_rows: int = CHUNK) -> SnapshotRun:
    """The policy as it stands in its folder, over the snapshot beside it."""
    folder = history.mapping.parent
    policy = load_policy(folder / "policy")
    return run_with_snapshot(policy, history.mapping, folder / "kept", chunk_rows=chunk_rows)


def ordinary(history: SmallHistory, chunk_rows: int = CHUNK) -> dict[str, object]:
    """What an ordinary dry run says; which bad rows it names hangs on its slices."""
    policy = load_policy(history.mapping.parent / "policy")
    result = run_backtest(policy, history.mapping, chunk_rows=chunk_rows)
    found: dict[str, object] = json.loads(to_json(result))
    return found


def said(found: SnapshotRun) -> dict[str, object]:
    """The result as JSON."""
    result: dict[str, object] = json.loads(to_json(found.result))
    return result


@pytest.mark.parametrize("name", sorted(RULES))
def test_an_edit_of_rules_is_decided_from_the_snapshot(
    name: str, history: SmallHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An analyst would choose between two policies by wrong figures, or wait for nothing."""
    monkeypatch.setattr("tidegate.simulation.snapshot_replay.MOST", 1.0)
    assert run(history).built == "there is none yet"
    write(history, [name])
    found = run(history)

    assert not found.built
    assert (found.edits[0].before is None) == (name in WHOLE)
    assert said(found) == ordinary(history)


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_what_changes_inputs_makes_it_stale(name: str, history: SmallHistory) -> None:
    """Decisions would read windows of another policy."""
    run(history)
    write(history, [name])
    found = run(history)

    assert found.built
    assert said(found) == ordinary(history)


def test_other_data_of_time_zones_make_it_stale(
    history: SmallHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day would end where the clocks of an older table say."""
    run(history)
    monkeypatch.setattr("tidegate.simulation.snapshot_parts.ZONE_DATA_VERSION", "2031z")

    assert run(history).built == "the data of time zones changed"


def test_a_feature_that_nobody_read_before_is_read_from_the_history(history: SmallHistory) -> None:
    """A rule would read a column that is not there."""
    write(history, ["fewer inputs"])
    run(history)
    write(history, [])
    found = run(history)

    assert found.built == "feature networks of payment is not in it"
    assert said(found) == ordinary(history)


def test_an_edit_that_only_shows_where_scores_are_masked(
    history: SmallHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule may say the same with every score, and something else without those of a model."""
    monkeypatch.setattr("tidegate.simulation.snapshot_replay.MOST", 1.0)
    history.mapping.write_text(f"{history.mapping.read_text()}warm_up: 1d\n")
    write(history, ["points decide", "points by score"])
    run(history)
    write(history, ["points decide", "points by score", "points by more"])
    found = run(history)

    assert found.edits[0].before is not None
    assert said(found) == ordinary(history)


def test_a_list_that_a_rule_reads_may_change(
    history: SmallHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A condition over a list would be taken for the one over its old content."""
    monkeypatch.setattr("tidegate.simulation.snapshot_replay.MOST", 1.0)
    write(history, ["rule reads list"])
    run(history)
    write_list(history.mapping.parent / "policy", "c3\nc4")
    found = run(history)

    assert not found.built
    assert found.edits[0].edited == ("burst@1",)
    assert found.edits[0].decided
    assert said(found) == ordinary(history)


def test_a_day_without_reviews_any_more_is_no_day() -> None:
    """The peak would be a day on which nothing happens."""
    whole, gone, come = Tally.of(0), Tally.of(0), Tally.of(0)
    whole.review_days, gone.review_days, come.review_days = {3: 5, 4: 1}, {3: 5}, {6: 2}
    whole.changes, gone.changes = {(0, 3): Volume(1, 7)}, {(0, 3): Volume(1, 7)}
    now = exchange(whole, gone, come)

    assert now.review_days == {4: 1, 6: 2}
    assert now.changes == {}


@pytest.mark.parametrize("seed", range(6))
def test_any_walk_of_edits_says_what_ordinary_dry_runs_say(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small errors would add up from edit to edit."""
    if seed % 3:
        monkeypatch.setattr("tidegate.simulation.snapshot_replay.MOST", 1.0)
    rng = Random(seed)
    history = small_history(
        rng, tmp_path, rows=rng.choice((90, 300)), received=seed % 2 == 0, parquet=seed % 3 == 0
    )
    names: list[str] = []
    chunk_rows = rng.choice((CHUNK, 1 << 18))
    for _ in range(8):
        changed = rng.choice((*RULES, *RULES, *INPUTS, ""))
        if not changed:
            write_list(tmp_path / "policy", rng.choice(("c1", "c2\nc3", "c9")))
        elif changed in names:
            names.remove(changed)
        else:
            names.append(changed)
        try:
            write(history, names)
        except AssertionError:  # the two edits are of one line
            names.remove(changed)
            write(history, names)
        assert said(run(history, chunk_rows)) == ordinary(history, chunk_rows), names


def refuse_to_open(*_: object) -> None:
    """In place of a history's reading."""
    raise AssertionError("the history was read")


def test_what_fits_is_not_read_again(
    history: SmallHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run would take as long as the first."""
    first = run(history)
    monkeypatch.setattr("tidegate.simulation.files.SourceFiles.frames", refuse_to_open)

    assert said(run(history)) == said(first)


@pytest.mark.parametrize("name", ["payments.csv", "mapping.yaml"])
def test_a_history_that_changed_makes_it_stale(name: str, history: SmallHistory) -> None:
    """Figures of yesterday's file would be shown for today's."""
    run(history)
    path = history.mapping.parent / name
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) if name.endswith("csv") else "".join([*lines, "# more\n"]))
    found = run(history)

    assert found.built.endswith("changed")
    assert said(found) == ordinary(history)


def test_a_build_that_is_killed_leaves_nothing(history: SmallHistory) -> None:
    """Half of a history would be taken for the whole."""
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=killed_half_way, args=(history.mapping,))
    child.start()
    child.join(60)
    assert child.exitcode == 9
    assert not (history.mapping.parent / "kept").exists()
    found = run(history)

    assert found.built == "there is none yet"
    assert said(found) == ordinary(history)
    assert not list(history.mapping.parent.glob(".kept*"))


def killed_half_way(mapping: Path) -> None:
    """A run that ends after its second slice."""
    slices = []

    def write(*arguments: object) -> None:
        slices.append(arguments)
        if len(slices) == 2:
            os._exit(9)

    RowWriter.write = write  # type: ignore[method-assign,assignment]
    run(SmallHistory(load_policy(mapping.parent / "policy"), mapping))


@pytest.mark.parametrize("pattern", ["inputs/0/*.bin", "inputs/0/*.json", "tidegate-snapshot.json"])
def test_a_damaged_snapshot_is_built_anew(pattern: str, history: SmallHistory) -> None:
    """A column that is cut short would be read as other rows."""
    run(history)
    path = min((history.mapping.parent / "kept").glob(pattern))
    path.write_bytes(path.read_bytes()[:-8])
    found = run(history)

    assert "damaged" in found.built
    assert said(found) == ordinary(history)


@pytest.mark.parametrize("pattern", ["predicates/0/*", "baseline.json"])
@pytest.mark.parametrize("cut", [0, 3])
def test_what_is_lost_of_the_last_run_is_worked_out_again(
    pattern: str, cut: int, history: SmallHistory
) -> None:
    """An edit would be compared with half of what was."""
    run(history)
    for path in (history.mapping.parent / "kept").glob(pattern):
        path.write_bytes(path.read_bytes()[:-cut] if cut else b"")
    write(history, ["threshold"])
    found = run(history)

    assert not found.built
    assert said(found) == ordinary(history)


def test_another_folder_is_left_alone(history: SmallHistory) -> None:
    """A mistyped path would cost somebody their files."""
    folder = history.mapping.parent / "kept"
    folder.mkdir()
    (folder / "letters.txt").write_text("dear all")
    with pytest.raises(MappingError, match="is no snapshot"):
        run(history)
    assert (folder / "letters.txt").exists()


def test_masks_are_made_in_as_many_passes_as_memory_needs(
    history: SmallHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long history with many rules would not fit."""
    monkeypatch.setattr("tidegate.simulation.predicates.BUILD_BYTES", 1)
    assert said(run(history)) == ordinary(history)
