"""Champion and challenger: figures as scikit-learn has them, differences over the same payments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.simulation.watched_histories import POLICY, Draw, watched
from tidegate.simulation.monitoring import Wanted, monitor
from tidegate.simulation.monitoring_page import to_html
from tidegate.simulation.monitoring_report import to_text
from tidegate.simulation.monitoring_result import Monitoring

SHADOW = POLICY.replace(
    "rule high version 1",
    """model newer version 2 external
  shadow
  score newer_risk
  use payment when amount >= 1 EUR
  may review, step_up, decline
  if unavailable then skip

rule newer_high version 1
  shadow
  when newer_risk >= 0.3
  then decline because unusual

rule high version 1""",
)


Columns = dict[str, npt.NDArray[np.generic]]
Compared = tuple[Monitoring, Columns]


def compared(folder: Path, *, better: float, seed: int = 1, rows: int = 6_000) -> Compared:
    """A challenger that sees the same as the champion, and the fraud itself by so much."""
    kept: Columns = {}

    def challenge(drawn: Draw) -> None:
        risk = drawn.columns["risk"].astype(np.float64)
        fraud = drawn.columns["fraud"].astype(np.float64)
        newer = (
            risk
            + better * fraud * drawn.rng.random(drawn.rows)
            + 0.02 * drawn.rng.random(drawn.rows)
        )
        drawn.columns["newer_risk"] = np.round(np.minimum(newer, 1), 6)
        kept.update(drawn.columns)

    policy, mapping = watched(folder, challenge, seed=seed, rows=rows, policy=SHADOW)
    text = mapping.read_text().replace("risk: risk", "risk: risk\n    newer_risk: newer_risk")
    mapping.write_text(text)
    return monitor(policy, mapping, Wanted(draws=60)), kept


def test_a_better_challenger(tmp_path: Path) -> None:
    """Whoever looks at two intervals that overlap does not see that one is surely better."""
    found, _ = compared(tmp_path, better=0.3)
    (pair,) = found.side_by_side
    assert (pair.champion, pair.challenger, pair.shadow) == ("vendor", "newer", True)
    assert (pair.auc_difference.low or 0) > 0
    assert (pair.average_precision_difference.low or 0) > 0
    same, as_many = [one for one in pair.agreements if one.at == 300_000]
    assert (same.same_score, as_many.same_score) == (True, False)
    assert same.challenger_at == 300_000
    assert as_many.both + as_many.only_challenger == pytest.approx(
        as_many.both + as_many.only_champion, abs=2
    )
    assert (as_many.recall_difference.low or 0) > 0
    for one in pair.agreements:
        assert one.both + one.only_champion + one.only_challenger + one.neither == pair.rows
        ours, theirs = one.recall
        assert one.recall_difference.value == round(1e6 * (theirs.hits - ours.hits) / ours.of)
    for told in (to_text(found), to_html(found)):
        assert "vendor 7 and, in the shadow, newer 2, side by side" in told


def test_the_difference_is_narrower_than_two_intervals(tmp_path: Path) -> None:
    """Both scores are nearly one: drawn apart, their difference would be as wide as each."""
    (pair,) = compared(tmp_path, better=0.0)[0].side_by_side
    gap = pair.auc_difference
    assert (gap.high or 0) - (gap.low or 0) < 0.5 * (
        (pair.auc[0].high or 0) - (pair.auc[0].low or 0)
    )


def test_figures_are_those_of_the_library(tmp_path: Path) -> None:
    """Area and average precision by scikit-learn, over the rows whose label is due."""
    found, columns = compared(tmp_path, better=0.2)
    champion = next(one for one in found.models if one.model == "vendor")
    at = columns["at"].astype(np.int64)
    due = at + 3 * 86_400 * 10**6 <= found.end_us
    rows = (at >= champion.now.from_us) & (at < champion.now.to_us) & due
    rows &= columns["amount"].astype(np.float64) >= 1
    told, fraud = champion.discrimination, columns["fraud"][rows].astype(np.bool_)
    assert (told.rows, told.fraud) == (int(rows.sum()), int(fraud.sum()))
    scores = columns["risk"][rows].astype(np.float64)
    assert told.auc.value == pytest.approx(1e6 * roc_auc_score(fraud, scores), abs=1)
    assert told.average_precision.value == pytest.approx(
        1e6 * average_precision_score(fraud, scores), abs=1
    )
    assert (told.auc.low or 0) < (told.auc.value or 0) < (told.auc.high or 0)


def test_a_shadow_model_is_watched_like_another(tmp_path: Path) -> None:
    """A challenger whose scores say nothing would be found out when it decides."""
    found, _ = compared(tmp_path, better=0.1)
    newer = next(one for one in found.models if one.model == "newer")
    assert newer.shadow
    assert newer.calibration is not None
    assert newer.thresholds[0].rules == ("newer_high@1",)
    assert newer.follow.asked == 0


def test_one_model_has_nobody_beside_it(tmp_path: Path) -> None:
    """A table with one column would be no comparison."""
    policy, mapping = watched(tmp_path, rows=3_000)
    assert monitor(policy, mapping, Wanted(draws=3)).side_by_side == ()


def test_too_few_frauds_tell_nothing(tmp_path: Path) -> None:
    """Of no fraud an area would be a number all the same."""

    def none(drawn: Draw) -> None:
        drawn.columns["fraud"] = np.zeros(drawn.rows, np.bool_)

    policy, mapping = watched(tmp_path, none, rows=3_000)
    (model,) = monitor(policy, mapping, Wanted(draws=3)).models
    assert model.discrimination.auc.value is None
    assert model.discrimination.rows > 500
