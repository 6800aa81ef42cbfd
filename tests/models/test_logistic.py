"""Scores from totals: the integer nearest to the exact value, on every machine."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from random import Random

import numpy as np
import pytest

from tidegate.models import logistic
from tidegate.models.logistic import (
    exact_logistic_score,
    logistic_score,
    logistic_scores,
    share_score,
    share_scores,
)

UNITS = (1, 7, 1_000, 10**9, 10**12)


def reference(total: int, unit: int) -> int:
    """By 120 digits, without a short cut."""
    with localcontext() as context:
        context.prec = 120
        value = Decimal(10**6) / (1 + (Decimal(-total) / Decimal(unit)).exp())
        return int(value.to_integral_value())


def near_ties(unit: int, rng: Random, count: int) -> list[int]:
    """Totals on both sides of the logits at which the score turns."""
    totals = []
    with localcontext() as context:
        context.prec = 60
        for _ in range(count):
            share = (Decimal(rng.randrange(10**6)) + Decimal("0.5")) / 10**6
            turn = int((share / (1 - share)).ln() * unit)
            totals += [turn - 1, turn, turn + 1]
    return totals


@pytest.mark.parametrize("unit", UNITS)
def test_a_score_is_the_exact_one(unit: int) -> None:
    """A score would be one off where the float result lies on the wrong side of a half."""
    rng = Random(unit)
    totals = near_ties(unit, rng, 150) + [rng.randint(-20 * unit, 20 * unit) for _ in range(150)]
    totals += [0, 1, -1, 14 * unit, 15 * unit, -14 * unit, 30 * unit, 30 * unit + 1, -31 * unit]
    wanted = [reference(total, unit) for total in totals]
    assert [logistic_score(total, unit) for total in totals] == wanted
    assert [exact_logistic_score(total, unit) for total in totals] == wanted
    assert logistic_scores(np.array(totals), unit).tolist() == wanted


def test_near_a_tie_the_exact_function_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """The short cut would decide where the float result cannot."""
    asked: list[int] = []

    def noted(total: int, unit: int) -> int:
        asked.append(total)
        return exact_logistic_score(total, unit)

    monkeypatch.setattr(logistic, "exact_logistic_score", noted)
    unit = 10**12
    totals = near_ties(unit, Random(1), 50)
    # Within 1e-12 logits of a half: at most 2.5e-7 millionths away.
    for total in totals:
        logistic_score(total, unit)
    assert asked == totals
    asked.clear()
    logistic_scores(np.array(totals), unit)
    assert asked == totals


@pytest.mark.parametrize("unit", UNITS)
def test_scores_are_symmetric_and_monotone(unit: int) -> None:
    """A higher total would have a lower score, or fraud and its absence would not add up to one."""
    rng = Random(unit)
    totals = sorted(
        near_ties(unit, rng, 100) + [rng.randint(-40 * unit, 40 * unit) for _ in range(99)]
    )
    scores = [logistic_score(total, unit) for total in totals]
    assert scores == sorted(scores)
    assert all(
        score + logistic_score(-total, unit) == 10**6
        for total, score in zip(totals, scores, strict=True)
    )


@pytest.mark.parametrize("total", [2**63 - 1, 2**62, 10**9 * 31])
def test_far_away_a_score_is_sure(total: int) -> None:
    """A large total would overflow the exponential."""
    assert [logistic_score(total, 10**9), logistic_score(-total, 10**9)] == [10**6, 0]
    assert [exact_logistic_score(total, 10**9), exact_logistic_score(-total, 10**9)] == [10**6, 0]
    assert logistic_scores(np.array([total, -total]), 10**9).tolist() == [10**6, 0]


@pytest.mark.parametrize("whole", [1, 2, 3, 7, 64 * 10**6, 10**11, 4 * 10**12])
def test_a_share_is_rounded_half_to_even(whole: int) -> None:
    """A mean of trees would be rounded otherwise in columns, or overflow."""
    rng = Random(whole)
    totals = [0, whole, whole // 2, *(rng.randint(0, whole) for _ in range(200))]
    totals += [min(whole, rng.randrange(10**6) * whole // 10**6 + 1) for _ in range(100)]
    wanted = [round(Fraction(10**6 * total, whole)) for total in totals]
    assert [share_score(total, whole) for total in totals] == wanted
    assert share_scores(np.array(totals), whole).tolist() == wanted


def test_halves_of_a_share_go_to_the_even_one() -> None:
    """Halves would all go up."""
    whole = 2 * 10**6
    assert [share_score(total, whole) for total in (1, 3, 5, 7)] == [0, 2, 2, 4]
    assert share_scores(np.array([1, 3, 5, 7]), whole).tolist() == [0, 2, 2, 4]
