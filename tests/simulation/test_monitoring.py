"""Watching models: what goes wrong on purpose is told, and what does not go wrong is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.simulation.watched_histories import (
    DAY_US,
    POLICY,
    START_US,
    Draw,
    unchanged,
    watched,
)
from tidegate.rules.gate import Segments
from tidegate.rules.loading import load_policy
from tidegate.simulation.declared_segments import segments_wanted
from tidegate.simulation.mapping import MappingError
from tidegate.simulation.model_watch import Levels, keeping
from tidegate.simulation.monitoring import Wanted, monitor
from tidegate.simulation.monitoring_report import to_json, to_text
from tidegate.simulation.monitoring_result import ModelMonitoring, Monitoring

WEEK_US = 7 * DAY_US
SEGMENTS = Wanted(segments=tuple(map(Segments, ("origin", "new", "device"))), draws=4)
Spoil = Callable[[Draw], None]


def found(
    folder: Path,
    spoil: Spoil = unchanged,
    *,
    wanted: Wanted = SEGMENTS,
    seed: int = 1,
    rows: int = 20_000,
    policy: str = POLICY,
    scores: bool = True,
) -> Monitoring:
    """What watching says of such a history."""
    made = watched(folder, spoil, seed=seed, rows=rows, policy=policy, scores=scores)
    return monitor(*made, wanted)


def of_one(
    folder: Path,
    spoil: Spoil = unchanged,
    *,
    wanted: Wanted = SEGMENTS,
    seed: int = 1,
    rows: int = 20_000,
    policy: str = POLICY,
    scores: bool = True,
) -> ModelMonitoring:
    """The one model."""
    (model,) = found(
        folder, spoil, wanted=wanted, seed=seed, rows=rows, policy=policy, scores=scores
    ).models
    return model


def kinds(model: ModelMonitoring) -> dict[str, list[str]]:
    """What alarms, by kind."""
    told: dict[str, list[str]] = {}
    for alarm in model.alarms:
        told.setdefault(alarm.kind, []).append(alarm.subject)
    return told


# --- nothing, and one thing after the other ----------------------------------------------------


def test_nothing_alarms_where_nothing_happens(tmp_path: Path) -> None:
    """Whoever is woken by nothing turns the alarm off; here, 5 % of each kind may be false."""
    told = [of_one(tmp_path / str(seed), seed=seed, rows=6_000).alarms for seed in range(40)]
    by_kind = {kind: sum(any(a.kind == kind for a in alarms) for alarms in told)
               for kind in ("shift", "threshold", "parity", "calibration", "silent")}  # fmt: skip
    most = 40 * 0.05 + 3 * (40 * 0.05 * 0.95) ** 0.5
    assert all(count <= most for count in by_kind.values()), by_kind


def higher(drawn: Draw) -> None:
    """A vendor's new version gives higher scores from the second week on, unannounced."""
    risk = drawn.columns["risk"].astype(np.float64)
    drawn.set("risk", drawn.late, np.minimum(np.round(risk * 1.5, 6), 1))


def test_a_score_that_moves(tmp_path: Path) -> None:
    """C58: the score shifts; the index stays below 0.10, where the rule of thumb sleeps."""
    model = of_one(tmp_path, higher)
    told = kinds(model)
    assert told["shift"] == ["risk"]
    assert told["threshold"] == ["above 0.1", "at least 0.3"]
    assert set(told) == {"shift", "threshold"}
    (shift,) = model.shifts
    assert (shift.critical or 0) < (shift.psi or 0) < 100_000


def a_little_higher(drawn: Draw) -> None:
    """Seven hundredths, which nobody has to look at."""
    risk = drawn.columns["risk"].astype(np.float64)
    drawn.set("risk", drawn.late, np.minimum(np.round(risk * 1.07, 6), 1))


def test_what_is_sure_and_small_is_no_alarm(tmp_path: Path) -> None:
    """In a large history everything differs surely, and an alarm about all of it is none."""
    model = of_one(tmp_path, a_little_higher, rows=120_000)
    drift = model.thresholds[0]
    assert (drift.low or 0) > 3_000
    assert not drift.alarm
    assert not kinds(model)


def test_the_threshold_that_keeps_the_share(tmp_path: Path) -> None:
    """It is right where, taken instead, it picks the share of the reference week."""
    model = of_one(tmp_path, higher)
    policy, mapping = watched(tmp_path / "again", higher)
    del policy, mapping
    drift = model.thresholds[1]
    assert drift.at == 300_000
    assert drift.keeps is not None
    text = POLICY.replace("risk >= 0.3", f"risk >= {drift.keeps / 1_000_000:.6f}")
    kept = of_one(tmp_path / "kept", higher, policy=text).thresholds[1]
    assert kept.now.of == drift.now.of
    assert abs(kept.now.hits / kept.now.of - drift.before.hits / drift.before.of) < 1 / drift.now.of


@pytest.mark.parametrize("seed", range(20))
def test_keeping_a_share(seed: int) -> None:
    """No other threshold comes nearer: held against every one that there is."""
    rng = Random(seed)
    scores = np.array(sorted(rng.choice((rng.randrange(5), rng.randrange(90))) for _ in range(40)))
    before = rng.randrange(21), 20
    at = keeping(scores, before)
    gaps = {t: abs((scores >= t).sum() - before[0] / before[1] * 40) for t in range(92)}
    assert gaps[at] == min(gaps.values())


def test_weeks_of_a_threshold(tmp_path: Path) -> None:
    """The weeks add up to the watched time, and only whole ones are called so."""
    drift = of_one(tmp_path, higher).thresholds[0]
    assert sum(week.share.of for week in drift.weeks) == drift.now.of
    assert sum(week.share.hits for week in drift.weeks) == drift.now.hits
    assert [week.whole for week in drift.weeks] == [True, True, True, False]


def fraud_moves(drawn: Draw) -> None:
    """The frauds that come are others than those the score knows."""
    drawn.columns["fraud"] = drawn.rng.permutation(drawn.columns["fraud"])


def test_precision_and_calibration_of_a_score_that_has_lost_it(tmp_path: Path) -> None:
    """As many frauds, elsewhere: expected and observed agree, bin by bin they do not."""
    well, ill = of_one(tmp_path / "well"), of_one(tmp_path / "ill", fraud_moves)
    before, after = (m.thresholds[1] for m in (well, ill))
    assert (before.precision.low_millionths or 0) > (after.precision.high_millionths or 0)
    assert (before.recall.low_millionths or 0) > (after.recall.high_millionths or 0)
    assert well.calibration is not None
    assert ill.calibration is not None
    assert well.calibration.ece < 10_000
    assert ill.calibration.ece > 30_000


def test_only_matured_labels_count(tmp_path: Path) -> None:
    """Frauds of the last three days are not known yet: to count them as good is to flatter."""
    model = of_one(tmp_path)
    known = model.maturity
    assert known.open > 500
    assert known.fraud + known.good + known.open == model.answers.scored
    assert model.calibration is not None
    assert model.calibration.rows == known.fraud + known.good
    for drift in model.thresholds:
        assert drift.fraud + drift.good + drift.open == drift.now.hits
        assert drift.recall.of == known.fraud


def silent(drawn: Draw) -> None:
    """Every twentieth score is lost."""
    lost = np.arange(drawn.rows) % 20 == 0
    drawn.columns["risk"] = np.where(lost, np.nan, drawn.columns["risk"].astype(np.float64))


def test_a_model_that_does_not_answer(tmp_path: Path) -> None:
    """Bad scores in 5 % hide behind a good mean; they are the model's own silence."""
    model = of_one(tmp_path, silent)
    assert kinds(model) == {"silent": ["vendor"]}
    assert model.answers.abstained == pytest.approx(model.now.rows / 20, abs=5)
    assert model.answers.silent.hits == model.answers.abstained


def test_a_history_without_scores(tmp_path: Path) -> None:
    """A mapping that forgot the score is no quiet model."""
    model = of_one(tmp_path, scores=False)
    assert kinds(model) == {"silent": ["vendor"]}
    assert "no score" in model.alarms[0].said
    assert model.calibration is None


# --- segments ----------------------------------------------------------------------------------


def twice(drawn: Draw) -> None:
    """Germany is declined twice as often at equal fraud."""
    risk = drawn.columns["risk"].astype(np.float64)
    picked = (drawn.columns["origin"] == "DE") & (drawn.rng.random(drawn.rows) < 0.035)
    drawn.set("risk", picked, np.maximum(risk, 0.4))


def twice_with_fraud(drawn: Draw) -> None:
    """And here it holds twice the fraud as well."""
    twice(drawn)
    share = drawn.columns["fraud"].astype(np.float64).mean()
    more = (drawn.columns["origin"] == "DE") & (drawn.rng.random(drawn.rows) < share)
    drawn.set("fraud", more, True)


def test_a_segment_that_is_declined_twice(tmp_path: Path) -> None:
    """C46: declined twice as often at equal fraud, and the report says so with its interval."""
    model = of_one(tmp_path, twice)
    assert kinds(model)["parity"] == ["origin DE"]
    one = next(p for p in model.parity if (p.value, p.what) == ("DE", "decline"))
    assert one.alarm
    assert one.ratio_low <= 2_100_000
    assert one.ratio_high >= 1_900_000
    assert one.low > 0
    assert (one.fraud_ratio or 0) == pytest.approx(1_000_000, rel=0.2)


def test_a_segment_with_twice_the_fraud_is_none(tmp_path: Path) -> None:
    """Parity without base rates alarms about fraud itself."""
    model = of_one(tmp_path, twice_with_fraud)
    one = next(p for p in model.parity if (p.value, p.what) == ("DE", "decline"))
    assert one.ratio_low > 1_500_000
    assert (one.fraud_ratio or 0) > 1_500_000
    assert not any(p.alarm for p in model.parity if p.what == "decline")


def test_four_fifths_is_of_those_left_alone(tmp_path: Path) -> None:
    """Of 7 % and 3 % declined, 93 and 97 are left: 0.96, in whichever direction."""
    for one in of_one(tmp_path, twice).parity:
        left = sorted(1 - r.hits / r.of for r in (one.rate, one.others))
        assert one.four_fifths == round(1_000_000 * left[0] / left[1])


def test_a_segment_is_no_token(tmp_path: Path) -> None:
    """A card in the clear in a report, and one segment a customer."""
    with pytest.raises(MappingError, match="`card` is a token"):
        found(tmp_path, wanted=Wanted(segments=(Segments("card"),)))


# --- what became of it -------------------------------------------------------------------------


def people(share: float) -> Spoil:
    """An outcome at the time: as the score asks, but that people let `share` of them pass."""

    def spoil(drawn: Draw) -> None:
        risk = drawn.columns["risk"].astype(np.float64)
        words = np.where(risk >= 0.3, "decline", np.where(risk > 0.1, "step_up", "approve"))
        let = drawn.rng.random(drawn.rows) < share
        drawn.columns["past"] = np.where(let, "approve", words)

    return spoil


def test_a_score_that_everybody_follows(tmp_path: Path) -> None:
    """A recommendation that nobody ever overrules is a decision (SCHUFA, C-634/21)."""
    model = of_one(tmp_path, people(0.002))
    assert kinds(model) == {"follow": ["vendor"]}
    assert model.follow.followed_then is not None
    assert model.follow.asked > 1_000
    assert 990_000 < (model.follow.followed_then.millionths or 0) < 1_000_000


def test_one_that_people_overrule(tmp_path: Path) -> None:
    """2 % overruled is no alarm, and few cases are none either."""
    assert not kinds(of_one(tmp_path / "a", people(0.02)))
    few = Wanted(levels=Levels(follow_rows=10_000))
    assert not kinds(of_one(tmp_path / "b", people(0.0), wanted=few))


def test_what_it_decides_alone(tmp_path: Path) -> None:
    """A rule of the amount holds some of these payments too: there the score decides nothing."""
    text = POLICY.replace("amount > 5000 EUR", "amount > 30 EUR")
    follow = of_one(tmp_path, policy=text).follow
    assert follow.asked == follow.followed.hits
    # A step-up comes before a review in the word, so the word alone tells them apart.
    assert follow.determined.hits == follow.asked
    text = text.replace("then review before", "then decline")
    follow = of_one(tmp_path / "declined", policy=text).follow
    assert 0 < follow.determined.hits < follow.asked
    assert follow.followed.hits < follow.asked


def test_reviews_after_are_told_apart(tmp_path: Path) -> None:
    """A threshold picks 1,268 and its rules ask for something in 186: the rest waits for nobody."""
    after = POLICY.replace("then step_up confirm because unusual", "then review because unusual")
    model = of_one(tmp_path, policy=after)
    at = {drift.at: drift.now.hits for drift in model.thresholds}
    assert model.follow.asked == at[300_000]
    assert model.follow.asked_after == at[100_001] - at[300_000] > 500


def test_bands_of_an_amount(tmp_path: Path) -> None:
    """Small payments and large ones are segments where somebody says where they part."""
    bands = Wanted(segments=(Segments("amount", (5_000,)),), draws=2)
    named = {one.value for one in of_one(tmp_path, wanted=bands).parity}
    assert named == {"below 50.00 EUR", "50.00 EUR and more"}
    with pytest.raises(MappingError, match=r"made by bands\n.*--segment \"amount: 50, 250\""):
        found(tmp_path, wanted=Wanted(segments=(Segments("amount"),)))


def test_segments_as_they_are_written() -> None:
    """What training declares stands where nothing is asked for."""
    policy = load_policy(ROOT / "examples" / "scored")
    trained = Segments("channel"), Segments("amount", (5_000, 25_000))
    assert segments_wanted(policy, []) == trained
    assert segments_wanted(policy, ["amount"]) == trained[1:]
    assert segments_wanted(policy, ["amount: 10, 20.50 EUR"]) == (
        Segments("amount", (1_000, 2_050)),
    )
    assert segments_wanted(policy, ["merchant"]) == (Segments("merchant"),)
    for wrong in ("amount: 20, 10", "amount: much", "amount:"):
        with pytest.raises(MappingError, match="no rising amounts of EUR"):
            segments_wanted(policy, [wrong])


# --- times -------------------------------------------------------------------------------------


def test_times_are_those_that_are_wanted(tmp_path: Path) -> None:
    """Another reference week than the one that was named makes every figure a wrong one."""
    wanted = Wanted(
        before_from_us=START_US + WEEK_US, before_to_us=START_US + 2 * WEEK_US,
        from_us=START_US + 3 * WEEK_US, to_us=START_US + 4 * WEEK_US,
    )  # fmt: skip
    model = of_one(tmp_path, wanted=wanted)
    drawn_at = 20_000 / 5
    assert model.before.rows == pytest.approx(drawn_at, rel=0.05)
    assert model.now.rows == pytest.approx(drawn_at, rel=0.05)
    assert (model.before.from_us, model.now.to_us) == (START_US + WEEK_US, START_US + 4 * WEEK_US)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(from_us=START_US), "begins after the reference week"),
        (Wanted(from_us=START_US + 400 * DAY_US), "ends before the day of `--from`"),
        (Wanted(to_us=START_US - DAY_US), "begins after the day of `--to`"),
        (Wanted(from_us=START_US + 20 * DAY_US, to_us=START_US + 15 * DAY_US), "days swapped"),
        (Wanted(before_from_us=START_US + 2, before_to_us=START_US + 1),
         "`--reference-from` lies after `--reference-to`"),
    ],
)  # fmt: skip
def test_times_that_do_not_fit(wanted: Wanted, said: str, tmp_path: Path) -> None:
    """A reference that holds what is watched finds nothing; each slip is told as what it is."""
    with pytest.raises(MappingError, match=said) as stopped:
        found(tmp_path, wanted=wanted)
    # How far the history reaches stands with it: the first row and the last.
    assert "it covers 2026-09-21T14:13:54Z to 2026-10-26T14:06:03Z" in str(stopped.value)


def test_a_model_that_is_none(tmp_path: Path) -> None:
    """A slip of the pen would watch nothing and alarm never."""
    with pytest.raises(MappingError, match="`vendr` is no model of it"):
        found(tmp_path, wanted=Wanted(models=("vendr",)))


def test_slices_do_not_show(tmp_path: Path) -> None:
    """The same figures however the history is cut."""
    policy, mapping = watched(tmp_path, higher, rows=5_000)
    whole, cut = (monitor(policy, mapping, SEGMENTS, chunk_rows=n) for n in (1 << 18, 700))
    assert whole == cut


# --- reports -----------------------------------------------------------------------------------


def test_json_is_integers_and_texts(tmp_path: Path) -> None:
    """A float in a result that scripts compare differs in its last digit."""
    told = json.loads(to_json(found(tmp_path, twice)), parse_float=pytest.fail)
    assert told["schema"] == "tidegate.monitoring/1"
    assert told["models"][0]["alarms"][0]["kind"] == "parity"


def test_the_report_names_alarms_and_no_card(tmp_path: Path) -> None:
    """Tokens do not leave the history."""
    text = to_text(found(tmp_path, higher), width=80)
    assert "threshold: " in text
    assert "tok_" not in text
    assert max(map(len, text.splitlines())) <= 80
