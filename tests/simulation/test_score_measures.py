"""Measures of scores, held against scikit-learn's and against the Handbook's own wording."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tidegate.models.cards import ROUND_THRESHOLDS as ROUND
from tidegate.models.cards import UnitCosts
from tidegate.simulation.score_measures import (
    Calibration,
    CardRanking,
    Ranking,
    ScoredRows,
    bins_of,
    draw_weights,
    measure_all,
)
from tidegate.simulation.thresholds import cheapest, threshold_table
from tidegate.simulation.times import Int64s

MILLION = 10**6


def scored(seed: int, rows: int = 400) -> ScoredRows:
    """Rows with many equal scores."""
    rng = np.random.default_rng(seed)
    labels = rng.random(rows) < 0.2
    scores = np.clip(rng.normal(0.3 + 0.3 * labels, 0.2), 0, 1)
    return ScoredRows(
        (np.round(scores, 2) * MILLION).astype(np.int64),
        labels,
        rng.integers(-1, 60, rows),
        rng.integers(0, 5, rows),
    )


@pytest.mark.parametrize("seed", range(5))
def test_area_and_average_precision_are_those_of_scikit_learn(seed: int) -> None:
    rows = scored(seed)
    ranking = Ranking(rows)
    for weights in (np.ones(rows.rows), *draw_weights(rows.cards, 3, seed)):
        kept = weights > 0
        expected = roc_auc_score(rows.labels, rows.scores, sample_weight=weights)
        assert ranking.area(weights) == pytest.approx(expected, abs=1e-12)
        expected = average_precision_score(
            rows.labels[kept], rows.scores[kept], sample_weight=weights[kept]
        )
        assert ranking.average_precision(weights) == pytest.approx(expected, abs=1e-12)


def _card_precision(rows: ScoredRows, alerts: int) -> float:
    """As the Handbook works it out, card by card."""
    found: set[int] = set()
    shares = []
    for day in sorted(set(rows.days.tolist())):
        best: dict[int, int] = {}
        positive: set[int] = set()
        for score, label, card, of in zip(
            rows.scores.tolist(), rows.labels, rows.cards.tolist(), rows.days.tolist(), strict=True
        ):
            if of == day and card not in found:
                best[card] = max(best.get(card, -1), score)
                if label:
                    positive.add(card)
        top = sorted(best, key=lambda card: (-best[card], card))[:alerts]
        hits = [card for card in top if card in positive]
        shares.append(len(hits) / alerts)
        found.update(hits)
    return sum(shares) / len(shares)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alerts", [1, 7, 1000])
def test_card_precision_is_the_handbooks(seed: int, alerts: int) -> None:
    rows = scored(seed)
    rows = rows.at(rows.cards >= 0)
    found = CardRanking(rows, alerts).precision(np.ones(rows.rows))
    assert found == pytest.approx(_card_precision(rows, alerts), abs=1e-12)


def test_a_card_drawn_twice_fills_two_places() -> None:
    rows = ScoredRows(
        np.array([900_000, 800_000, 700_000]),
        np.array([True, False, True]),
        np.array([0, 1, 2]),
        np.zeros(3, np.int64),
    )
    ranking = CardRanking(rows, 2)
    assert ranking.precision(np.ones(3)) == 0.5
    assert ranking.precision(np.array([2.0, 1.0, 0.0])) == 1.0
    assert ranking.precision(np.array([0.0, 1.0, 2.0])) == 0.5


def test_rows_without_a_card_are_drawn_one_by_one() -> None:
    weights = next(draw_weights(np.array([-1, -1, -1, -1, 5, 5]), 1, 3))
    assert weights[4] == weights[5]
    assert len(set(weights[:4].tolist())) > 1


def test_the_calibration_error_by_hand() -> None:
    rows = ScoredRows(
        np.array([50_000, 70_000, 950_000, MILLION]),
        np.array([False, True, True, True]),
        np.arange(4),
        np.zeros(4, np.int64),
    )
    # Two bins: |0.12 - 1| and |1.95 - 2|, over four rows.
    assert Calibration(rows).error(np.ones(4)) == pytest.approx((0.88 + 0.05) / 4)
    assert bins_of(np.array([0, 99_999, 100_000, 999_999, MILLION])).tolist() == [0, 0, 1, 9, 9]


def test_intervals_hold_the_figure_and_do_not_change() -> None:
    rows = scored(1)
    measures = [Ranking(rows).area, Calibration(rows).error]
    first = measure_all(rows, measures, 60, 4)
    assert first == measure_all(rows, measures, 60, 4)
    assert first != measure_all(rows, measures, 60, 5)
    for figure in first[:1]:
        assert figure.low is not None
        assert figure.value is not None
        assert figure.high is not None
        assert figure.low < figure.value < figure.high


def test_what_one_kind_of_row_alone_does_not_tell() -> None:
    rows = scored(1)
    rows = rows.at(~rows.labels)
    ranking = Ranking(rows)
    assert ranking.area(np.ones(rows.rows)) is None
    assert ranking.average_precision(np.ones(rows.rows)) is None


# --- thresholds --------------------------------------------------------------------------------


def _cost(rows: ScoredRows, money: Int64s, costs: UnitCosts, threshold: int) -> int:
    total = 0
    for score, label, amount in zip(
        rows.scores.tolist(), rows.labels.tolist(), money.tolist(), strict=True
    ):
        if score >= threshold:
            total += costs.review_minor + (0 if label else costs.false_alarm_minor)
        elif label:
            total += amount * costs.missed_share // MILLION + costs.missed_minor
    return total


@pytest.mark.parametrize("seed", range(4))
def test_the_cheapest_threshold_is_the_cheapest(seed: int) -> None:
    rows = scored(seed)
    money = np.random.default_rng(seed).integers(100, 9_000, rows.rows)
    costs = UnitCosts(500_000, 300, 700, 40)
    best = cheapest(rows, money, costs)
    every = {t: _cost(rows, money, costs, t) for t in {*rows.scores.tolist(), MILLION}}
    assert every[best] == min(every.values())
    table = threshold_table(rows, money, costs)
    assert {row.threshold for row in table} == {*ROUND, best}
    assert all(row.cost_minor == _cost(rows, money, costs, row.threshold) for row in table)


def test_where_reviews_cost_more_than_fraud_nothing_is_flagged() -> None:
    rows = scored(2)
    money = np.full(rows.rows, 100)
    assert cheapest(rows, money, UnitCosts(MILLION, 0, 0, 10_000)) == MILLION
