"""Scores from totals: whole numbers of millionths, rounded half to even from the exact value."""

from __future__ import annotations

import math
from decimal import Context, Decimal
from typing import TYPE_CHECKING, TypeAlias

from tidegate.models.portable import SCORE_SCALE

if TYPE_CHECKING:
    # Loaded where there are columns: one event is scored without it.
    import numpy as np
    import numpy.typing as npt

SATURATED = 30.0
"""Beyond so many logits the score is 0 or 10**6: from 15 on, in fact."""

NEAR_TIE = 0.5 - 1e-6
"""A float result is nearer to the exact one than 1e-8; what lies farther than this from a whole
number is decided exactly."""

_FIRST_DIGITS = 40
Int64s: TypeAlias = "npt.NDArray[np.int64]"
Floats: TypeAlias = "npt.NDArray[np.float64]"


def logistic_score(total: int, unit: int) -> int:
    """`10**6 / (1 + exp(-total / unit))`, rounded half to even from the exact value."""
    logit = total / unit
    if logit > SATURATED:
        return SCORE_SCALE
    if logit < -SATURATED:
        return 0
    value = SCORE_SCALE / (1.0 + math.exp(-logit))
    nearest = round(value)
    if -NEAR_TIE < value - nearest < NEAR_TIE:
        return nearest
    return exact_logistic_score(total, unit)


def exact_logistic_score(total: int, unit: int) -> int:
    """The same by decimals, with as many digits as the decision takes.

    The value is never a tie: exp of a rational number but 0 is irrational.
    """
    digits = _FIRST_DIGITS
    if abs(total) > unit * int(SATURATED):
        return SCORE_SCALE if total > 0 else 0
    while True:
        context = Context(prec=digits)
        power = context.exp(context.divide(Decimal(-total), Decimal(unit)))
        value = context.divide(Decimal(SCORE_SCALE), context.add(Decimal(1), power))
        whole = int(value)
        above = context.subtract(value, Decimal(whole) + Decimal("0.5"))
        # Rounding moved `value` by less than this.
        if abs(above) > Decimal(10) ** (15 - digits):
            return whole + (above > 0)
        digits *= 2


def logistic_scores(totals: Int64s, unit: int) -> Int64s:
    """`logistic_score` of every total."""
    import numpy as np

    logits = np.clip(totals / float(unit), -SATURATED, SATURATED)
    values: Floats = SCORE_SCALE / (1.0 + np.exp(-logits))
    nearest = np.rint(values)
    scores: Int64s = nearest.astype(np.int64)
    for row in np.flatnonzero(np.abs(values - nearest) >= NEAR_TIE):
        scores[row] = exact_logistic_score(int(totals[row]), unit)
    return scores


def share_score(total: int, whole: int) -> int:
    """`10**6 * total / whole`, rounded half to even; 0 <= total <= whole."""
    score, rest = divmod(SCORE_SCALE * total, whole)
    return score + (2 * rest > whole or (2 * rest == whole and score % 2 == 1))


def share_scores(totals: Int64s, whole: int) -> Int64s:
    """`share_score` of every total; `whole` is at most 4 * 10**12, so that nothing overflows."""
    import numpy as np

    ones, parts = np.divmod(totals, whole)
    scores, rest = np.divmod(parts * SCORE_SCALE, whole)
    scores += ones * SCORE_SCALE
    return np.asarray(scores + ((2 * rest > whole) | ((2 * rest == whole) & (scores % 2 == 1))))
