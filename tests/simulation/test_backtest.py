"""A dry run over a small history of which every figure can be counted by hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.simulation.histories import small_history, sub
from tidegate.rules import Policy, load_policy
from tidegate.simulation import history
from tidegate.simulation.backtest import DryRun, run_backtest
from tidegate.simulation.mapping import MappingError
from tidegate.simulation.measures import Volume
from tidegate.simulation.preview import preview
from tidegate.simulation.report import to_json, to_text
from tidegate.simulation.result import BacktestResult, EventResult

POLICY = """
policy shop language 1
  currency EUR
  timezone "UTC"

event payment decided by default approve
  silent  review
  id      text   key
  at      time
  amount  money  max 1000 EUR
  card    token
  origin  country?
  note    text?  lenient

label fraud of payment known after 2d

feature tries = count of payment by card over 1d

reason why "Why" message "We check this."

step_up confirm rank 1
  try app
  within 10m
  if failed then decline because why
  if abandoned then decline because why
  if unavailable then review because why

rule large version 1
  when amount > 100 EUR
  then decline because why

rule again version 1
  when tries >= 1
  then step_up confirm because why

rule abroad version 1
  when origin != "FR"
  then review before because why
  if unknown then skip

rule watched version 1
  shadow
  when amount > 50 EUR
  then decline because why

rule looked_at version 1
  when amount = 10 EUR
  then review because why
"""

MAPPING = """
history: A dozen payments
sources:
  - event: payment
    file: payments.csv
    zone: UTC
    fields:
      id: id
      at: at
      amount: {column: amount, unit: major, currency: EUR}
      card: card
      origin: country
      note: note
    labels:
      fraud: {column: fraud, true_values: [yes]}
    outcome: {column: was, values: {ok: approve, no: decline}}
"""

REFUND = """event refund
  id      text   key
  at      time
  amount  money
  card    token

"""
REFUNDS = """
  - event: refund
    file: refunds.csv
    zone: UTC
    fields: {id: id, at: at, amount: {column: amount, unit: major, currency: EUR}, card: card}
"""

# Two days are warm-up by windows of one day: the first day is left out.
CSV = """id,at,amount,card,country,note,fraud,was
p01,2026-09-01 00:00:00,200.00,a,FR,,yes,ok
p02,2026-09-01 12:00:00,20.00,a,FR,,no,ok
p03,2026-09-02 00:00:00,150.00,b,FR,,yes,ok
p04,2026-09-02 01:00:00,150.00,b,FR,,no,ok
p05,2026-09-02 02:00:00,60.00,c,FR,,no,ok
p06,2026-09-02 02:00:00,60.00,c,FR,,no,ok
p07,2026-09-02 05:00:00,30.00,d,DE,,yes,ok
p08,2026-09-02 06:00:00,10.00,e,,,no,ok
p09,2026-09-02 07:00:00,500.00,f,FR,,no,no
p10,2026-09-02 08:00:00,70.00,g,FR,"x\ty",no,ok
p08,2026-09-03 06:00:00,10.00,e,FR,,no,ok
p11,2026-09-03 06:00:00,2000.00,h,FR,,no,ok
p12,2026-09-03 07:00:00,5.00,4111 1111 1111 1111,FR,,no,ok
p13,2026-09-03 08:00:00,5.00,h,France,,no,ok
4111111111111111,2026-09-03 09:00:00,5.00,h,FR,,no,ok
,2026-09-03 10:00:00,5.00,h,FR,,no,maybe
p14,2026-09-03 11:00:00,5.00,h,FR
p15,2026-09-04 23:00:00,300.00,i,FR,,yes,ok
p16,2026-09-05 00:00:00,40.00,j,FR,,yes,ok
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with a policy, its history and the mapping."""
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "policy.tide").write_text(POLICY)
    (tmp_path / "payments.csv").write_text(CSV)
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    return tmp_path


def dry_run(shop: Path, **options: Any) -> tuple[BacktestResult, EventResult]:
    """The dry run of the shop, and its one event."""
    result = run_backtest(load_policy(shop / "policy"), shop / "mapping.yaml", **options)
    return result, result.events[0]


def test_bad_rows_are_counted_and_named(shop: Path) -> None:
    """A row that cannot be read is dropped, and the figures look better than the history."""
    result, _ = dry_run(shop)
    (source,) = result.sources
    assert (source.rows, source.accepted, source.bad, source.copies) == (19, 12, 6, 1)
    faults = {(fault.field, fault.code): fault.rows for fault in source.faults}
    assert faults == {
        ("amount", "above_maximum"): 1,
        ("card", "card_number"): 1,
        ("origin", "unknown_country"): 1,
        ("id", "card_number"): 1,
        ("id", "missing_field"): 1,
        ("outcome", "unknown_word"): 1,
        ("", "wrong_field_count"): 1,
    }
    assert [(row.row, row.key) for row in source.named] == [
        (12, "p11"),
        (13, "p12"),
        (14, "p13"),
        (15, ""),
        (16, ""),
        (17, ""),
    ]
    assert source.named[4].faults == ("id: missing_field", "outcome: unknown_word")
    assert [(fault.field, fault.rows) for fault in source.invalid] == [("note", 1)]


def test_no_secret_is_shown(shop: Path) -> None:
    """A card number or a card's token stands in a report that goes around by mail."""
    policy = load_policy(shop / "policy")
    result, _ = dry_run(shop)
    shown = to_json(result) + to_text(result) + repr(preview(policy, shop / "mapping.yaml").sources)
    assert "4111" not in shown
    assert "France" not in shown


@pytest.mark.parametrize(
    ("values", "text", "bad"),
    [
        ("true_values: [yes]", "maybe", 1),
        ("true_values: [yes]", "", 0),
        ("true_values: [yes], false_values: [no, maybe]", "maybe", 0),
        ("true_values: [1], false_values: [0]", "1", 17),
        ("true_values: [yes, maybe]", "maybe", 0),
    ],
)
def test_every_text_of_a_label_is_known(shop: Path, values: str, text: str, bad: int) -> None:
    """A fraud column that says `maybe`, or 1 where `yes` was meant, counts as good customers."""
    (shop / "payments.csv").write_text(CSV.replace("b,FR,,no", f"b,FR,,{text}"))
    (shop / "mapping.yaml").write_text(sub(MAPPING, "true_values: [yes]", values))
    result, _ = dry_run(shop)
    faults = {fault.field: fault for fault in result.sources[0].faults}
    assert (faults["label fraud"].rows if bad else 0) == bad
    if bad:
        assert faults["label fraud"].code == "unknown_word"
        assert "`false_values`" in faults["label fraud"].help
        assert "`false_values`" in to_text(result)
    else:
        assert "label fraud" not in faults


def test_only_matured_labels_count(shop: Path) -> None:
    """The newest frauds, not reported yet, count as good customers that were stopped."""
    _, event = dry_run(shop)
    # The history ends with p16, on the 5th at 0:00: labels of payments up to the 3rd are due.
    assert event.known.fraud == Volume(2, 18_000)
    assert event.known.good == Volume(5, 35_000)
    assert event.known.not_yet_known == Volume(2, 34_000)
    assert (event.label, event.labels_due_before_us) == ("fraud", event.labels_due_before_us)


def test_the_past_declined_has_no_labels(shop: Path) -> None:
    """A payment that was declined at the time passes for a good one: nobody could dispute it."""
    _, event = dry_run(shop)
    assert event.known.past_declined == Volume(1, 50_000)
    large = next(rule for rule in event.rules if rule.id == "large@1")
    assert large.fired.count == 4
    assert (large.precision.hits, large.precision.of) == (1, 2)


def test_the_warm_up_is_left_out(shop: Path) -> None:
    """Windows that are not full yet look like quiet cards."""
    result, event = dry_run(shop)
    assert event.decided.count == 12
    assert event.warm_up == Volume(2, 22_000)
    assert event.measured.count == 10
    large = next(rule for rule in event.rules if rule.id == "large@1")
    assert large.fired_in_warm_up == Volume(1, 20_000)
    mapping = shop / "mapping.yaml"
    mapping.write_text("warm_up: 0s\n" + MAPPING)
    assert dry_run(shop)[1].measured.count == 12
    mapping.write_text("warm_up: 30d\n" + MAPPING)
    longer = dry_run(shop)[0]
    assert longer.events[0].measured.count == 0
    assert "shorter `warm_up`" in to_text(longer)
    assert "left out" in to_text(result)


def test_outcomes_in_counts_and_money(shop: Path) -> None:
    """The words add up to something else than what was decided."""
    _, event = dry_run(shop)
    words = {outcome.word: outcome.all for outcome in event.outcomes}
    # p04 is the second of its card within a day; p05 and p06 share their time and do not see
    # each other; p07 is from abroad.
    assert words == {
        "decline": Volume(4, 110_000),
        "step_up": Volume(0, 0),
        "review": Volume(1, 3_000),
        "approve": Volume(5, 24_000),
    }
    declined, _, acted = (level.detection for level in event.levels)
    assert (declined.fraud, declined.good) == (Volume(1, 15_000), Volume(1, 15_000))
    assert (acted.fraud, acted.missed_fraud) == (Volume(2, 18_000), Volume(0, 0))
    assert declined.false_positives.millionths == 1_000_000
    assert event.tied_under_a_key == 2


def test_rules_alone_and_together(shop: Path) -> None:
    """A rule gets the credit for what another one stops as well."""
    _, event = dry_run(shop)
    rules = {rule.id: rule for rule in event.rules}
    large, again = rules["large@1"], rules["again@1"]
    assert (large.acted.count, large.alone.count, large.alone_fraud.count) == (4, 3, 1)
    assert (again.acted.count, again.alone.count) == (1, 0)
    assert large.determining.count == 4
    assert again.determining.count == 1
    assert rules["abroad@1"].unknown == Volume(1, 1_000)
    watched = rules["watched@1"]
    assert (watched.fired.count, watched.acted.count, watched.standing) == (7, 0, "shadow")
    assert rules["looked_at@1"].acted.count == 0
    pairs = {(overlap.left, overlap.right): overlap for overlap in event.overlaps}
    assert pairs["again@1", "large@1"].rows == 1
    assert pairs["large@1", "watched@1"].rows == 4
    assert pairs["large@1", "watched@1"].jaccard_millionths == 571_429


def test_load_and_changes(shop: Path) -> None:
    """The work that a policy makes is hidden, or what it changes cannot be seen."""
    _, event = dry_run(shop)
    assert (event.review.total, event.review.days, event.review.peak) == (2, 4, 2)
    changes = {(change.before, change.after): change.volume.count for change in event.changes}
    assert changes == {
        ("approve", "approve"): 5,
        ("approve", "review"): 1,
        ("approve", "decline"): 3,
        ("decline", "decline"): 1,
    }


def test_keys_cannot_draw_on_the_terminal(shop: Path) -> None:
    """A key with an escape sequence clears the screen of whoever reads the report."""
    (shop / "payments.csv").write_text(CSV.replace("p11,", "p\x1b[2Jx,"))
    result, _ = dry_run(shop)
    assert "p\N{REPLACEMENT CHARACTER}[2Jx" in [row.key for row in result.sources[0].named]


def test_an_event_that_nobody_received_late(shop: Path) -> None:
    """A row without a time of receipt is refused, or counts as received in 1970."""
    lines = [f"{line},{'' if n % 2 else 'seen'}" for n, line in enumerate(CSV.splitlines())]
    seen = [line.replace(",seen", f",{line.split(',')[1]}") for line in lines[1:]]
    (shop / "payments.csv").write_text("\n".join([f"{CSV.splitlines()[0]},seen", *seen]) + "\n")
    plain = to_json(dry_run(shop)[0])
    (shop / "mapping.yaml").write_text(MAPPING + "    received: seen\n")
    late = to_json(dry_run(shop)[0])
    hashes = [json.loads(text).pop("mapping_hash") for text in (plain, late)]
    assert plain.replace(hashes[0], "") == late.replace(hashes[1], "")


def test_limit_decides_the_first_rows(shop: Path) -> None:
    """A look at the first rows takes the whole history, or other rows."""
    _, event = dry_run(shop, limit=4)
    assert event.decided.count == 4
    assert event.measured.count == 2


def test_progress_reaches_the_end(shop: Path) -> None:
    """A bar stops halfway although the work is done."""
    seen: list[tuple[int, int]] = []
    dry_run(shop, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (19, 19)


def test_notes_say_what_is_assumed(shop: Path) -> None:
    """A reader takes an assumption for a fact."""
    result, _ = dry_run(shop)
    said = " ".join(result.notes)
    assert "open loop" in said
    assert "does not say when `fraud` was reported" in said


def test_overlaps_that_are_not_counted_are_said(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader takes an empty table for rules that never fire together."""
    for module in ("measures", "assessment"):
        monkeypatch.setattr(f"tidegate.simulation.{module}.MAX_OVERLAP_RULES", 1)
    result, event = dry_run(shop)
    assert event.overlaps == ()
    assert any("fire together is not counted" in note for note in result.notes)


def test_a_dry_run_changes_nothing(shop: Path) -> None:
    """A dry run leaves a file behind, or touches the policy or the history."""

    def state() -> dict[str, str]:
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(shop.rglob("*"))
            if path.is_file()
        }

    before, times = state(), {path: path.stat().st_mtime_ns for path in shop.rglob("*")}
    dry_run(shop)
    preview(load_policy(shop / "policy"), shop / "mapping.yaml")
    assert state() == before
    assert {path: path.stat().st_mtime_ns for path in shop.rglob("*")} == times


@pytest.mark.parametrize("seed", range(4))
def test_the_cut_makes_no_difference(seed: int, tmp_path: Path) -> None:
    """A history read in other pieces gives another result."""
    rng = Random(seed)
    history = small_history(rng, tmp_path, rows=200, received=seed % 2 == 0, parquet=seed > 1)
    results = {
        to_json(run_backtest(history.policy, history.mapping, chunk_rows=rows))
        for rows in (25, 90, 1 << 18)
    }
    assert len(results) == 1


def test_json_holds_integers_and_texts(shop: Path) -> None:
    """A float in the JSON differs from machine to machine, or a schema nobody named changes."""
    result, _ = dry_run(shop)
    tree = json.loads(to_json(result), parse_float=lambda text: pytest.fail(f"a float: {text}"))
    assert tree["schema"] == "tidegate.backtest/1"
    assert tree["events"][0]["rules"][0]["id"] == "abroad@1"


def test_rows_of_other_events_are_read_with_theirs(shop: Path) -> None:
    """A history without labels, or with files out of order, is not said to be so."""
    lines = CSV.splitlines(keepends=True)
    (shop / "payments.csv").write_text("".join([lines[0], *reversed(lines[1:])]))
    run = DryRun(load_policy(shop / "policy"), shop / "mapping.yaml")
    assert run.history.unordered == ("payment",)
    assert any("not in order of time" in note for note in run.notes())
    result, event = dry_run(shop)
    assert event.decided.count == 12
    assert result.sources[0].copies == 1
    without = MAPPING.replace("    labels:\n      fraud: {column: fraud, true_values: [yes]}\n", "")
    (shop / "mapping.yaml").write_text(without)
    result, event = dry_run(shop)
    assert event.label == ""
    assert event.known.unlabelled.count == 9
    assert "tells no label" in to_text(result)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "payment: no row was taken in, of 0"),
        ([12, 14], "payment: no row was taken in, of 2, 2 bad"),
        ([14], "payment: origin: unknown_country in 1 of 1\n  help: `values` renames texts"),
    ],
)
def test_a_history_of_nothing(shop: Path, rows: list[int], said: str) -> None:
    """A report of nothing from 1970 to 1970 passes for a dry run."""
    lines = CSV.splitlines(keepends=True)
    (shop / "payments.csv").write_text("".join([lines[0], *(lines[row] for row in rows)]))
    with pytest.raises(MappingError) as refused:
        dry_run(shop)
    assert said in str(refused.value)
    (shop / "payments.csv").write_text("".join(lines[:2]))
    assert dry_run(shop)[0].rows == 1


def test_a_history_of_other_events_alone(shop: Path) -> None:
    """A history without one payment is measured, and the report is empty."""
    policy = sub(POLICY, "feature tries", REFUND + "feature tries")
    (shop / "policy" / "policy.tide").write_text(policy)
    (shop / "refunds.csv").write_text("id,at,amount,card\nr1,2026-09-02 01:00:00,1.00,b\n")
    (shop / "mapping.yaml").write_text("sources:" + REFUNDS)
    with pytest.raises(MappingError, match="add a source of `payment`"):
        dry_run(shop)


def test_a_file_without_times_begins_nothing(shop: Path) -> None:
    """The history begins in 1970 because no refund was ever made."""
    (shop / "policy" / "policy.tide").write_text(
        sub(POLICY, "feature tries", REFUND + "feature tries")
    )
    (shop / "refunds.csv").write_text("id,at,amount,card\n")
    before = dry_run(shop)[0].start_us
    (shop / "mapping.yaml").write_text(MAPPING + REFUNDS)
    assert dry_run(shop)[0].start_us == before


@pytest.mark.parametrize("outermost", [1, 64])
@pytest.mark.parametrize("year", ["1990", "2099"])
def test_a_refused_row_says_nothing_of_when_the_history_runs(
    shop: Path, year: str, outermost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip of the year would fill every window at once, or make every label due."""
    monkeypatch.setattr(history, "OUTERMOST", outermost)
    before, measured = dry_run(shop)
    slips = "".join(f"x{n},{year}-01-0{n} 00:00:00,oops,a,FR,,no,ok\n" for n in (1, 2, 3))
    (shop / "payments.csv").write_text(CSV + slips)
    after, also = dry_run(shop)
    assert (after.start_us, after.end_us) == (before.start_us, before.end_us)
    assert (also.measured, also.known) == (measured.measured, measured.known)
    assert after.sources[0].bad == before.sources[0].bad + 3


def test_rows_after_the_end_are_left_out(shop: Path) -> None:
    """Payments whose chargebacks cannot be in the history yet are measured all the same."""
    (shop / "mapping.yaml").write_text("end: 2026-09-04\n" + MAPPING)
    result, event = dry_run(shop)
    (source,) = result.sources
    assert (source.accepted, source.after_end, source.bad, source.copies) == (10, 2, 6, 1)
    assert event.decided.count == 10
    assert event.labels_due_before_us == result.end_us - event.label_after_us
    assert "2 rows after the history's `end` left out" in to_text(result)
    (found,) = preview(load_policy(shop / "policy"), shop / "mapping.yaml").sources
    assert (found.accepted, found.after_end) == (10, 2)


def test_a_copy_counts_where_the_first_is_after_the_end(shop: Path) -> None:
    """A row that is left out takes the row with its key along."""
    heading, *lines = CSV.splitlines()
    late = "p08,2026-09-05 06:00:00,10.00,e,FR,,no,ok,2026-09-01 00:00:00"
    rows = [f"{heading},seen", late, *(f"{line},{line.split(',')[1]}" for line in lines)]
    (shop / "payments.csv").write_text("\n".join(rows) + "\n")
    (shop / "mapping.yaml").write_text("end: 2026-09-04\n" + MAPPING + "    received: seen\n")
    (source,) = dry_run(shop)[0].sources
    assert (source.after_end, source.copies) == (3, 1)


def test_an_end_before_everything_is_a_slip(shop: Path) -> None:
    """A dry run of a time before the first payment reports on nothing, or on everything."""
    (shop / "mapping.yaml").write_text("end: 2020-01-01\n" + MAPPING)
    with pytest.raises(MappingError, match="end: is before the first row of `payment`"):
        dry_run(shop)


def test_the_load_of_a_day_knows_no_other_events(shop: Path) -> None:
    """Chargebacks come for months after the last payment, and the reviews of a day look fewer."""
    before = dry_run(shop)[1]
    (shop / "policy" / "policy.tide").write_text(
        sub(POLICY, "feature tries", REFUND + "feature tries")
    )
    (shop / "refunds.csv").write_text("id,at,amount,card\nr1,2026-12-01 00:00:00,1.00,b\n")
    (shop / "mapping.yaml").write_text(MAPPING + REFUNDS)
    after = dry_run(shop)[1]
    assert after.review == before.review
    assert [week.whole for week in after.weeks] == [week.whole for week in before.weeks] == [False]
    assert dry_run(shop, limit=10)[1].review.days == 1


def test_inputs_that_are_missing_in_the_warm_up_are_not_counted(shop: Path) -> None:
    """More inputs are missing than there are decisions measured."""
    policy = sub(
        POLICY, "count of payment by card over 1d", "average of amount of payment by card over 1d"
    )
    policy = sub(policy, "tries >= 1", "tries >= 1 EUR")
    policy = sub(
        policy,
        "then step_up confirm because why\n",
        "then step_up confirm because why\n  if unknown then skip\n",
    )
    (shop / "policy" / "policy.tide").write_text(policy)
    _, event = dry_run(shop)
    (missing,) = event.missing
    # Of the ten that are measured, p04 alone has one before it: p05 and p06 do not see each other.
    assert (missing.input, missing.rows) == ("tries", 9)


def test_loaded_policy_is_what_runs(shop: Path) -> None:
    """The result does not say by which policy and mapping it came about."""
    policy: Policy = load_policy(shop / "policy")
    result, _ = dry_run(shop)
    assert result.policy_hash == policy.hash
    assert result.mapping_hash == hashlib.sha256(MAPPING.encode()).hexdigest()
