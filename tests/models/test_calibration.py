"""Calibration: right by hand, quiet on honest scores, loud on others."""

from __future__ import annotations

import numpy as np
import pytest

from tidegate.models.calibration import Calibration, calibration_of

MILLION = 10**6


def simulated(seed: int, factor: float, rows: int = 20_000) -> Calibration:
    """Scores of a few percent, and frauds that come `factor` times as often as these say."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.beta(0.5, 20, rows) * MILLION).astype(np.int64)
    frauds = rng.random(rows) < np.minimum(scores / MILLION * factor, 1)
    found = calibration_of(scores[frauds], scores[~frauds])
    assert found is not None
    return found


def test_by_hand() -> None:
    """Ten of 0.1 with two frauds, ten of 0.9 with eight: each bin is off by 0.1."""
    low, high = np.full(10, 100_000), np.full(10, 900_000)
    found = calibration_of(np.concatenate([low[:2], high[:8]]), np.concatenate([low[2:], high[8:]]))
    assert found is not None
    assert [(b.rows, b.hits, b.mean) for b in found.bins] == [(10, 2, 0.1), (10, 8, 0.9)]
    assert found.ece == pytest.approx(0.1)
    assert found.expected == pytest.approx(10)
    assert (found.rows, found.hits, found.chance) == (20, 10, 1)
    spread = 1.959963984540054 * (20 * 0.09) ** 0.5
    assert (found.low, found.high) == pytest.approx((10 - spread, 10 + spread))


def test_honest_scores_are_within_their_interval() -> None:
    """95 % of 200 seeds, with three deviations of luck."""
    inside = sum(f.low <= f.hits <= f.high for f in (simulated(seed, 1.0) for seed in range(200)))
    assert inside >= 190 - 3 * (200 * 0.95 * 0.05) ** 0.5


def test_others_are_not() -> None:
    """A model that says half of what comes is off, and its error says by how much."""
    found = simulated(0, 2.0)
    assert found.hits > found.high
    assert found.chance < 1e-6
    assert found.ece == pytest.approx(found.hits / found.rows - found.expected / found.rows, 0.02)


def test_no_score_is_in_two_bins() -> None:
    """Where most rows have one score, a bin that is cut through it compares it with itself."""
    scores = np.array([0] * 900 + [5] * 50 + [MILLION] * 50)
    found = calibration_of(scores[::10], np.delete(scores, np.s_[::10]))
    assert found is not None
    bounds = [(b.low, b.high) for b in found.bins]
    assert bounds == [(0, 0), (5, MILLION)]
    assert sum(b.rows for b in found.bins) == 1000


def test_no_labels() -> None:
    """Before any label is due there is nothing to compare."""
    assert calibration_of(np.empty(0, np.int64), np.empty(0, np.int64)) is None
