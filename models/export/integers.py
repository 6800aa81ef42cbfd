"""Floats of a library as whole numbers of 1/unit, half to even."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tidegate.models.export.refusals import refusal
from tidegate.models.portable import UNIT

LIMIT = 2**53
"""No single number of a model reaches it: a million logits are 2**50."""


def finite_units(value: float) -> int:
    """One float in 1/unit; what is not finite, or too large for any use, is refused."""
    if not math.isfinite(value) or abs(value * UNIT) >= LIMIT:
        raise refusal(f"the estimator holds the number {value}", "fit it again on finite values")
    return round(value * UNIT)


def units(values: Iterable[float]) -> tuple[int, ...]:
    """Many floats in 1/unit."""
    return tuple(map(finite_units, values))
