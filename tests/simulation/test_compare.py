"""What a comparison says of two revisions is what two dry runs, row beside row, say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.simulation.edits import INPUTS, RULES, edited, write_list
from tests.simulation.histories import SmallHistory, small_history
from tests.simulation.test_point_in_time import value_at
from tidegate.rules.gate import Segments
from tidegate.rules.loading import load_policy
from tidegate.rules.policy import Policy
from tidegate.simulation import result
from tidegate.simulation.backtest import DryRun
from tidegate.simulation.compare import Compared, compare_runs
from tidegate.simulation.comparison import EventComparison
from tidegate.simulation.measures import FRAUD, GOOD, Volume
from tidegate.simulation.pairs import pseudonym
from tidegate.simulation.snapshot import StaleError
from tidegate.simulation.snapshot_compare import SnapshotComparison, compare_with_snapshot

CHUNK = 40
KEY = b"0123456789abcdef"
FIELDS = ("channel", "origin", "verified")
BY = {"payment": (*map(Segments, FIELDS), Segments("amount", (5_000, 50_000)))}


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
    return compare_runs(old, new, history.mapping, key=KEY, by=BY, chunk_rows=CHUNK)


def quick(history: SmallHistory, old: Policy, new: Policy) -> SnapshotComparison:
    """The comparison over the snapshot beside the history."""
    folder = history.mapping.parent / "kept"
    mapping = history.mapping
    return compare_with_snapshot(old, new, mapping, folder, key=KEY, by=BY, chunk_rows=CHUNK)


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
    plainly = plain(history, old, new)
    expected = said(plainly)
    first = quick(history, old, new)
    assert first.built
    assert said(first.compared) == expected
    again = quick(history, old, new)
    assert not again.built
    assert said(again.compared) == expected
    assert said(quick(history, new, old).compared) == said(plain(history, new, old))
    assert_is_right(history, old, new, plainly)


@pytest.mark.parametrize("name", ["exception", "money threshold", "score threshold", "points"])
def test_an_edit_of_rules_is_decided_where_it_matters(name: str, history: SmallHistory) -> None:
    """Every comparison would take as long as the first one."""
    old, new = policy_with(history, []), policy_with(history, [name])
    quick(history, old, new)
    found = quick(history, old, new)
    assert 0 < found.decided < found.rows / 2


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_what_changes_inputs_is_read_from_the_history(name: str, history: SmallHistory) -> None:
    """The windows of one revision would be taken for those of the other."""
    old, new = policy_with(history, []), policy_with(history, [name])
    with pytest.raises(StaleError, match="differ"):
        quick(history, old, new)
    assert_is_right(history, old, new)


def test_a_feature_that_one_revision_reads_alone(history: SmallHistory) -> None:
    """A snapshot of what one reads would lack what the other does."""
    old, new = policy_with(history, ["fewer inputs"]), policy_with(history, ["removed"])
    found = quick(history, old, new)
    assert said(found.compared) == said(plain(history, old, new))
    assert not quick(history, new, old).built


def test_a_field_that_one_revision_reads_alone(history: SmallHistory) -> None:
    """Its texts would not be kept, and a rule would find nothing in them."""
    old, new = policy_with(history, []), policy_with(history, ["exception gone"])
    assert said(quick(history, old, new).compared) == said(plain(history, old, new))


def test_segments_by_a_field_that_nobody_reads(history: SmallHistory) -> None:
    """Its values would not be kept, and all payments be of one segment."""
    edits = ["fewer inputs"], ["fewer inputs", "action"]
    old, new = (policy_with(history, names) for names in edits)
    read = {item.name for item in new.program.event("payment").inputs}
    assert "networks" not in read
    folder, by = history.mapping.parent / "kept", {"payment": (Segments("address"),)}
    for wanted in ({}, by):
        assert compare_with_snapshot(old, new, history.mapping, folder, key=KEY, by=wanted).built
    found = compare_with_snapshot(old, new, history.mapping, folder, key=KEY, by=by)
    assert not found.built
    plainly = compare_runs(old, new, history.mapping, key=KEY, by=by)
    assert len(plainly.effects.events[0].segments) > 2
    assert said(found.compared) == said(plainly)


def test_a_list_that_differs_is_read_by_each_as_it_has_it(
    history: SmallHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both would look into the list of today, and nothing would differ."""
    monkeypatch.setattr("tidegate.simulation.snapshot_replay.MOST", 1.0)
    monkeypatch.setattr("tidegate.simulation.snapshot_compare.MOST", 1.0)
    old = policy_with(history, ["rule reads list"])
    write_list(history.mapping.parent / "policy", "c3\nc4")
    new = policy_with(history, ["rule reads list", "removed"])
    found = plain(history, old, new)
    (event,) = found.effects.events
    marginals = {marginal.rule: marginal for marginal in event.marginals}
    assert marginals.keys() == {"burst", "marked"}
    (alone,) = plain(history, old, policy_with(history, ["rule reads list"])).effects.events
    assert marginals["burst"].flipped_alone == alone.flipped
    assert alone.flipped.count
    assert said(quick(history, old, new).compared) == said(found)
    assert_is_right(history, old, new)


@pytest.mark.parametrize("seed", range(4))
def test_any_pair_of_edits(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two edits may meet in one row, and one snapshot serves many comparisons."""
    if seed % 2:
        monkeypatch.setattr("tidegate.simulation.snapshot_replay.MOST", 1.0)
        monkeypatch.setattr("tidegate.simulation.snapshot_compare.MOST", 1.0)
    rng = Random(seed)
    history = small_history(rng, tmp_path, rows=200, received=seed < 2, parquet=seed % 2 == 0)
    history.mapping.write_text(f"{history.mapping.read_text()}warm_up: 1d\n")
    for _ in range(4):
        policies: list[Policy] = []
        while len(policies) < 2:
            try:
                policies.append(
                    policy_with(history, rng.sample(sorted(RULES), rng.choice((1, 2, 3))))
                )
            except (AssertionError, ValueError):  # the edits are of one line, or do not go together
                continue
        old, new = policies
        assert said(quick(history, old, new).compared) == said(plain(history, old, new))
        assert_is_right(history, old, new)


def test_rows_that_one_door_refuses_are_said(history: SmallHistory) -> None:
    """A row would be held against nothing, or counted for one revision alone."""
    old, new = policy_with(history, []), policy_with(history, ["field"])
    (event,) = plain(history, old, new).effects.events
    assert event.only_before.count
    assert event.before.measured == event.after.measured


def test_both_measure_from_the_later_warm_up_on(history: SmallHistory) -> None:
    """Windows of one revision would still be filling while the other is measured."""
    text = history.mapping.read_text().replace("warm_up: 1d\n", "")
    history.mapping.write_text(text)
    old, new = policy_with(history, []), policy_with(history, ["removed"])
    assert old.program.feature("lost").window_us > new.program.feature("first_seen").window_us
    (event,) = plain(history, old, new).effects.events
    (turned,) = plain(history, new, old).effects.events
    own = event.warm_up_until_before_us, event.warm_up_until_after_us
    assert own[0] > own[1]
    for one in (event, turned):
        assert one.before.warm_up_until_us == one.after.warm_up_until_us == max(own)
        assert one.before.measured == one.after.measured
        assert one.before.missing != ()
    assert turned.before.missing == event.after.missing
    assert turned.after.missing == event.before.missing


def test_pseudonyms_hang_on_the_key_and_name_nobody(history: SmallHistory) -> None:
    """A report that is passed on would say who paid."""
    old, new = policy_with(history, []), policy_with(history, ["default"])
    found = {}
    for key in (KEY, b"another key that is long enough"):
        effects = compare_runs(old, new, history.mapping, key=key, shown=1000).effects
        flips = [flip for sample in effects.events[0].flips for flip in sample.shown]
        assert len({flip.payment for flip in flips}) == len(flips) > 5
        found[key] = {flip.payment for flip in flips}
        text = json.dumps(result.as_json(effects))
        sent = [row.body for row in history.rows]
        for value in {
            str(body[name]) for body in sent for name in ("id", "card") if body.get(name)
        }:
            assert f'"{value}"' not in text
    assert not found[KEY] & found[b"another key that is long enough"]


# --- row beside row ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Decision:
    """One decision as a dry run of its own makes it."""

    word: str
    looked: bool
    minor: int
    fraud: bool | None
    channel: str
    fired: frozenset[str]


def decisions(
    history: SmallHistory, policy: Policy, since_us: int
) -> dict[tuple[str, int], Decision]:
    """What an ordinary dry run decides, by key and time, from then on."""
    found = {}
    run = DryRun(policy, history.mapping, chunk_rows=1 << 18)
    for batch in run.batches():
        decided = run.decided(batch.rows, batch.outcomes)
        for row, key in enumerate(batch.rows.keys):
            at_us = int(batch.rows.at_us[row])
            if at_us >= since_us:
                said_of = batch.outcomes.row(row)
                outcome, standing = said_of.outcome(), said_of.standing()
                live = said_of.evaluation().fired & standing.live
                rules = policy.program.event("payment").rules
                found[key, at_us] = Decision(
                    outcome.word,
                    outcome.review != "none" or outcome.word == "review",
                    int(decided.money[row]),
                    {FRAUD: True, GOOD: False}.get(int(decided.classes[row])),
                    str(value_at(batch.columns["channel"], row)),
                    frozenset(rule.id for i, rule in enumerate(rules) if live >> i & 1),
                )
    return found


def assert_is_right(
    history: SmallHistory, old: Policy, new: Policy, found: Compared | None = None
) -> None:
    """Count pairs, flips and rates from two dry runs, one payment after another."""
    (event,) = (found or plain(history, old, new)).effects.events
    since_us = event.after.warm_up_until_us
    before, after = (decisions(history, policy, since_us) for policy in (old, new))
    both = before.keys() & after.keys()
    assert event.after.measured.count == event.before.measured.count == len(both)
    assert event.only_before.count == len(before.keys() - both)
    assert event.only_after.minor == sum(after[key].minor for key in after.keys() - both)
    expected: dict[tuple[str, str], list[int]] = {}
    for key in both:
        was, now = before[key], after[key]
        cell = expected.setdefault((was.word, now.word), [0, 0, 0, 0])
        cell[0] += 1
        cell[1] += now.minor
        cell[2] += now.fraud is True
        cell[3] += now.fraud is False
    assert expected == {
        (t.before, t.after): [t.all.count, t.all.minor, t.known.fraud.count, t.known.good.count]
        for t in event.transitions
    }
    looked = event.rate("looked_at")
    assert looked.before.hits == sum(before[key].looked for key in both)
    assert looked.after.hits == sum(after[key].looked for key in both)
    assert looked.gained == sum(after[key].looked and not before[key].looked for key in both)
    for sample in event.flips:
        flipped = [
            k for k in both if (before[k].word, after[k].word) == (sample.before, sample.after)
        ]
        first = sorted(flipped, key=lambda k: (-after[k].minor, k[1], k[0]))[: len(sample.shown)]
        assert [flip.payment for flip in sample.shown] == [
            pseudonym(KEY, "payment", key) for key, _ in first
        ]
        for flip, k in zip(sample.shown, first, strict=True):
            assert frozenset(flip.fired_before) == before[k].fired
            assert frozenset(flip.fired_after) == after[k].fired
    assert_segments_are_right(event, [(before[key], after[key]) for key in both])
    assert_marginals_are_right(old, new, event)


def assert_segments_are_right(
    event: EventComparison, decided: list[tuple[Decision, Decision]]
) -> None:
    """Count one field by its values, and all of each field together."""
    for value in ("ecom", "pos"):
        (segment,) = [s for s in event.segments if (s.field, s.value) == ("channel", value)]
        mine = [(was, now) for was, now in decided if now.channel == value]
        assert segment.all == Volume(len(mine), sum(now.minor for _, now in mine))
        (declined,) = [rate for rate in segment.rates if rate.name == "decline"]
        assert declined.before.hits == sum(was.word == "decline" for was, _ in mine)
        assert declined.after.hits == sum(now.word == "decline" for _, now in mine)
        caught = [now for _, now in mine if now.word == "decline" and now.fraud]
        assert segment.levels[0].after.fraud.count == len(caught)
    assert {segment.field for segment in event.segments} == {*FIELDS, "amount"}
    for name in (*FIELDS, "amount"):
        counts = [s.all.count for s in event.segments if s.field == name]
        assert sum(counts) == len(decided)


def assert_marginals_are_right(old: Policy, new: Policy, event: EventComparison) -> None:
    """The only change alone is the whole change, from both ends."""
    if len(event.marginals) == 1 and old.program.event("payment").default is (
        new.program.event("payment").default
    ):
        (marginal,) = event.marginals
        assert marginal.flipped_alone == marginal.flipped_last == event.flipped
        for shift in marginal.alone:
            rate = event.rate(shift.word)
            assert shift.count == rate.after.hits - rate.before.hits


def test_a_change_alone_and_a_change_taken_out(history: SmallHistory) -> None:
    """Each change would be shown with what the other one does."""
    names = ["live", "action"]
    old, new = policy_with(history, []), policy_with(history, names)
    (event,) = plain(history, old, new).effects.events
    halves = {
        "odd": (policy_with(history, ["live"]), policy_with(history, ["action"])),
        "risky": (policy_with(history, ["action"]), policy_with(history, ["live"])),
    }
    assert sorted(m.rule for m in event.marginals) == sorted(halves)
    for marginal in event.marginals:
        alone, without = halves[marginal.rule]
        (put_in,) = plain(history, old, alone).effects.events
        (last,) = plain(history, without, new).effects.events
        assert marginal.flipped_alone == put_in.flipped
        assert marginal.flipped_last == last.flipped
        assert marginal.flipped_alone.count
        assert marginal.flipped_last.count
        for shifts, found in ((marginal.alone, put_in), (marginal.last, last)):
            assert [s.count for s in shifts] == [
                found.rate(s.word).after.hits - found.rate(s.word).before.hits for s in shifts
            ]
