"""Thresholds become the integers that the library's own comparison gives, to the last one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from tests.models.export.datasets import agree, payments
from tidegate.dsl.types import INT64_MAX, INT64_MIN
from tidegate.models.export import export_model
from tidegate.models.export.columns import Number
from tidegate.models.export.cuts import last_at_most, last_below

SCALES = st.sampled_from([1, 100, 1000, 10**6, 3_600 * 10**6, 7])
STEPS = st.sampled_from(
    [(), (("subtract", 3.3), ("divide", 0.7)), (("multiply", 1e-3), ("add", -2.0))]
)


def goes_left(x: int, column: Number, threshold: float, *, float32: bool) -> bool:
    """One comparison, as scikit-learn makes it of a row."""
    value = np.float64(x) / column.scale
    for name, by in column.steps:
        match name:
            case "subtract":
                value -= by
            case "divide":
                value /= by
            case "multiply":
                value *= by
            case "add":
                value += by
    return float(np.float32(value)) <= threshold if float32 else float(value) <= threshold


@given(
    scale=SCALES,
    steps=STEPS,
    near=st.integers(-(2**40), 2**40),
    nudge=st.integers(-2, 2),
    float32=st.booleans(),
)
def test_the_cut_is_the_last_integer_that_goes_left(
    scale: int, steps: tuple[tuple[str, float], ...], near: int, nudge: int, float32: bool
) -> None:
    """Thresholds that sit on values, and one or two floats beside them."""
    column = Number(0, float(scale), steps)  # type: ignore[arg-type]
    threshold = float(column.at(np.array([near], np.int64))[0])
    if float32:
        threshold = float(np.float32(threshold))
    for _ in range(abs(nudge)):
        threshold = math.nextafter(threshold, math.copysign(math.inf, nudge))
    (cut,) = last_at_most(column, np.array([threshold]), float32=float32).tolist()
    assert goes_left(cut, column, threshold, float32=float32)
    assert not goes_left(cut + 1, column, threshold, float32=float32)


@given(scale=SCALES, near=st.integers(-(2**40), 2**40))
def test_below_is_strict(scale: int, near: int) -> None:
    """A glass box counts a value that is a cut as above it."""
    column = Number(0, float(scale))
    cut = float(column.at(np.array([near], np.int64))[0])
    (last,) = last_below(column, np.array([cut])).tolist()
    assert last / scale < cut <= (last + 1) / scale


def test_infinite_thresholds_take_all_or_none() -> None:
    """scikit-learn parts missing values from all others by an infinite threshold."""
    thresholds = np.array([math.inf, 1e300, -math.inf, -1e300])
    cuts = last_at_most(Number(0, 100.0), thresholds, float32=False).tolist()
    assert cuts == [INT64_MAX, INT64_MAX, INT64_MIN, INT64_MIN]


def test_forests_cast_to_float32_and_boosters_do_not() -> None:
    """16,777,217 is no float32: a forest cannot tell it from its neighbour, a booster can."""
    column, threshold = Number(0, 1.0), np.array([16_777_216.0])
    assert last_at_most(column, threshold, float32=True).tolist() == [16_777_217]
    assert last_at_most(column, threshold, float32=False).tolist() == [16_777_216]


@pytest.mark.parametrize("family", [RandomForestClassifier, HistGradientBoostingClassifier])
def test_large_integers(family: type) -> None:
    """Where float32 has gaps of hundreds of policy integers, the estimator is still the judge."""
    fitted = payments(3, ("age", "amount"), count=300)
    rows = [[x * 1000 + 7, amount] for x, amount in fitted.rows]  # type: ignore[operator]
    fitted = fitted.with_rows(rows)
    specs = tuple(spec for spec in fitted.specs)
    specs = (type(specs[0])("age", specs[0].type, scale=1), specs[1])
    x = np.array([[float(age), float(amount) / 100] for age, amount in rows])  # type: ignore[arg-type]
    estimator = family(random_state=0).fit(x, fitted.y)
    model = export_model(estimator, specs, name="m", version=1)
    cuts = {
        cut
        for tree in model.trees
        for place, cut in zip(tree.inputs, tree.cuts, strict=True)
        if place == 0
    }
    near = [[cut + step, 5_000] for cut in sorted(cuts)[:150] for step in (0, 1)]
    seen = np.array([[float(age), amount / 100] for age, amount in near])
    agree(model, near, estimator.predict_proba(seen)[:, 1])
