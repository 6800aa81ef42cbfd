"""Each family's scores are the library's own, to within the stated bound, on every row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from interpret.glassbox import ExplainableBoostingClassifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from tests.models.export.datasets import COUNTRIES, Payments, agree, beside, frame, payments
from tidegate.models.export import export_model

# interpret says that its pictures leave missing values out; tables do not.
pytestmark = pytest.mark.filterwarnings("ignore:Missing values detected")

NUMBERS = ("amount", "payments", "risk", "age", "returning")
MIXED = ("amount", "issued_in", "returning", "channel", "payments")
SEEDS = range(3)


def glass_box(**settings: Any) -> ExplainableBoostingClassifier:
    """One that is fitted in a second."""
    return ExplainableBoostingClassifier(
        **({"outer_bags": 2, "max_rounds": 60, "n_jobs": 1, "interactions": 2} | settings)
    )


def check(estimator: Any, fitted: Payments, tested: Payments, **settings: Any) -> None:
    """Export and compare on rows that were not fitted, and on those around every cut."""
    model = export_model(estimator, fitted.specs, name="m", version=1, **settings)
    at = list(estimator.classes_).index(settings.get("positive", 1))
    for rows in (tested.rows, beside(model, tested.rows)):
        x = tested.with_rows(rows).x
        agree(model, rows, estimator.predict_proba(x)[:, at])


OF_NUMBERS: dict[str, Callable[[], Any]] = {
    "regression": lambda: LogisticRegression(max_iter=5000),
    "regression, standardised": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "regression, weighted": lambda: make_pipeline(
        StandardScaler(with_mean=False), LogisticRegression(class_weight="balanced", C=30)
    ),
    "regression, lasso": lambda: make_pipeline(
        StandardScaler(with_std=False),
        LogisticRegression(l1_ratio=1.0, solver="liblinear", C=0.01),
    ),
    "forest": lambda: RandomForestClassifier(12, random_state=0),
    "forest, weighted": lambda: RandomForestClassifier(
        9, random_state=0, class_weight="balanced_subsample", min_samples_leaf=3
    ),
    "forest, whole": lambda: RandomForestClassifier(
        7, random_state=0, bootstrap=False, max_features=1, criterion="entropy"
    ),
    "forest, monotone": lambda: RandomForestClassifier(
        8, random_state=0, monotonic_cst=[1, 0, -1, 0, 0]
    ),
    "forest, standardised": lambda: make_pipeline(
        StandardScaler(), RandomForestClassifier(6, random_state=0)
    ),
    "extra trees": lambda: ExtraTreesClassifier(12, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=30),
    "boosting, weighted": lambda: HistGradientBoostingClassifier(
        max_iter=20, class_weight="balanced", learning_rate=0.3, l2_regularization=1.0
    ),
    "boosting, monotone": lambda: HistGradientBoostingClassifier(
        max_iter=20, monotonic_cst=[1, 0, -1, 0, 0], interaction_cst="pairwise"
    ),
    "boosting, early stop": lambda: HistGradientBoostingClassifier(
        max_iter=50, early_stopping=True, random_state=0, max_bins=16
    ),
    "glass box": glass_box,
    "glass box, no pairs": lambda: glass_box(interactions=0, max_bins=8),
    "glass box, monotone": lambda: glass_box(monotone_constraints=[1, 0, 0, 0, 0]),
    "glass box, categories": lambda: glass_box(
        feature_types=["continuous", "nominal", "continuous", "continuous", ["0", "1"]]
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("setting", OF_NUMBERS)
def test_numbers(setting: str, seed: int) -> None:
    """Money, counts, numbers, durations and flags: each has a scale that has to be folded in."""
    fitted, tested = payments(seed, NUMBERS), payments(seed + 100, NUMBERS)
    estimator = OF_NUMBERS[setting]().fit(fitted.x, fitted.y)
    check(estimator, fitted, tested)


WITH_MISSING: dict[str, Callable[[], Any]] = {
    "regression, mean": lambda: make_pipeline(
        SimpleImputer(), StandardScaler(), LogisticRegression()
    ),
    "regression, median": lambda: make_pipeline(
        StandardScaler(), SimpleImputer(strategy="median"), LogisticRegression()
    ),
    "regression, constant": lambda: make_pipeline(
        SimpleImputer(strategy="constant", fill_value=-1.5), LogisticRegression(max_iter=5000)
    ),
    "regression, indicated": lambda: make_pipeline(
        SimpleImputer(add_indicator=True), StandardScaler(), LogisticRegression()
    ),
    "forest": lambda: RandomForestClassifier(12, random_state=0),
    "forest, filled": lambda: make_pipeline(
        SimpleImputer(add_indicator=False), RandomForestClassifier(9, random_state=0)
    ),
    "extra trees": lambda: ExtraTreesClassifier(12, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=30),
    "boosting, flag by category": lambda: HistGradientBoostingClassifier(
        max_iter=30, categorical_features=[4]
    ),
    "glass box": glass_box,
    "glass box, flag by category": lambda: glass_box(
        feature_types=["continuous"] * 4 + ["nominal"]
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("setting", WITH_MISSING)
def test_missing_numbers(setting: str, seed: int) -> None:
    """A missing value is answered as the estimator answers NaN."""
    settings: dict[str, Any] = {"missing": 0.15, "takes_missing": True}
    fitted = payments(seed, NUMBERS, **settings)
    tested = payments(seed + 100, NUMBERS, **settings)
    check(WITH_MISSING[setting]().fit(fitted.x, fitted.y), fitted, tested)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("setting", ["forest", "extra trees", "boosting", "glass box"])
def test_missing_where_none_was_in_training(setting: str, seed: int) -> None:
    """The library decides for itself where such a value goes."""
    fitted = payments(seed, NUMBERS, takes_missing=True)
    tested = payments(seed + 100, NUMBERS, missing=0.3, takes_missing=True)
    check(WITH_MISSING[setting]().fit(fitted.x, fitted.y), fitted, tested)


def one_hot(**settings: Any) -> ColumnTransformer:
    """Encode the texts of `MIXED` and the flag, and standardise the rest."""
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(**settings))
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return ColumnTransformer(
        [("texts", texts, [3, 1]), ("flag", OneHotEncoder(**settings), [2])],
        remainder=numbers,
    )


def by_place() -> ColumnTransformer:
    """Number the texts of `MIXED`."""
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    )
    return ColumnTransformer([("texts", encoder, [1, 3])], remainder="passthrough")


OF_TEXTS: dict[str, Callable[[], Any]] = {
    "regression": lambda: make_pipeline(one_hot(handle_unknown="ignore"), LogisticRegression()),
    "regression, dropped": lambda: make_pipeline(
        ColumnTransformer(
            [
                ("texts", OneHotEncoder(handle_unknown="ignore", drop=["FR", "web"]), [1, 3]),
                ("rest", SimpleImputer(), [0, 4, 2]),
            ]
        ),
        LogisticRegression(max_iter=5000),
    ),
    "regression, by place": lambda: make_pipeline(
        by_place(), SimpleImputer(), StandardScaler(), LogisticRegression()
    ),
    "forest, one hot": lambda: make_pipeline(
        one_hot(handle_unknown="ignore"), RandomForestClassifier(9, random_state=0)
    ),
    "forest, by place": lambda: make_pipeline(
        by_place(), RandomForestClassifier(9, random_state=0)
    ),
    "extra trees, by place": lambda: make_pipeline(
        by_place(), StandardScaler(), ExtraTreesClassifier(9, random_state=0)
    ),
    "boosting": lambda: HistGradientBoostingClassifier(
        max_iter=30, categorical_features=[False, True, True, True, False], min_samples_leaf=5
    ),
    "glass box": lambda: glass_box(
        feature_types=["continuous", "nominal", "nominal", "nominal", "continuous"]
    ),
    "glass box, ordinal": lambda: glass_box(
        feature_types=["continuous", [*COUNTRIES], "continuous", "nominal", "continuous"],
        interactions=[(0, 1), (1, 3)],
    ),
}


@pytest.mark.filterwarnings("ignore:Found unknown categories")  # scikit-learn says what it does
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("setting", OF_TEXTS)
def test_texts(setting: str, missing: float, seed: int) -> None:
    """Texts, known, unknown and missing, through every encoder."""
    takes: dict[str, Any] = {"takes_missing": missing > 0, "missing": missing}
    fitted, tested = (payments(at, MIXED, **takes) for at in (seed, seed + 100))
    estimator = OF_TEXTS[setting]().fit(fitted.objects, fitted.y)
    tested = tested.with_unknown()
    model = export_model(estimator, tested.specs, name="m", version=1)
    for rows in (tested.rows, beside(model, tested.rows)):
        objects = tested.with_rows(rows).objects
        agree(model, rows, estimator.predict_proba(objects)[:, 1])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_boosting_on_a_frame(missing: float, seed: int) -> None:
    """`from_dtype` finds the categories itself, and moves their columns to the front."""
    takes: dict[str, Any] = {"takes_missing": True, "missing": missing}
    fitted, tested = (payments(at, MIXED, **takes) for at in (seed, seed + 100))
    estimator = HistGradientBoostingClassifier(max_iter=30, min_samples_leaf=5)
    estimator.fit(frame(fitted), fitted.y)
    tested = tested.with_unknown()
    model = export_model(estimator, tested.specs, name="m", version=1)
    agree(model, tested.rows, estimator.predict_proba(frame(tested))[:, 1])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("setting", ["forest", "boosting", "boosting, by code", "glass box"])
def test_texts_by_code(setting: str, seed: int) -> None:
    """Texts that the estimator saw as numbers, whose unknown ones have none."""
    names = ("amount", "note", "returning")
    takes: dict[str, Any] = {"takes_missing": True, "missing": 0.1}
    fitted, tested = (payments(at, names, **takes) for at in (seed, seed + 100))
    by_code = HistGradientBoostingClassifier(max_iter=30, categorical_features=[1])
    estimator = by_code if setting == "boosting, by code" else WITH_MISSING[setting]()
    check(estimator.fit(fitted.x, fitted.y), fitted, tested)


@pytest.mark.parametrize("classes", [(0, 1), (False, True), ("fraud", "fine"), (1, 2)])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("family", ["regression", "forest", "boosting", "glass box"])
def test_either_class_can_be_the_score(family: str, first: bool, classes: tuple[Any, Any]) -> None:
    """Classes are sorted, so that the one that is meant may be either."""
    fitted, tested = payments(1, NUMBERS), payments(101, NUMBERS)
    estimator = OF_NUMBERS[family]().fit(fitted.x, np.asarray(classes)[fitted.y])
    positive = classes[0] if first else classes[1]
    check(estimator, fitted, tested, positive=positive)


def test_a_tree_of_a_single_leaf() -> None:
    """A forest on hopeless data is a base and no contributions."""
    fitted = payments(1, NUMBERS)
    estimator = RandomForestClassifier(3, max_depth=1, min_samples_leaf=300, random_state=0)
    check(estimator.fit(fitted.x, fitted.y), fitted, fitted)


def test_pandas_frames_keep_the_names() -> None:
    """Names of columns change nothing of what is predicted."""
    fitted = payments(1, NUMBERS)
    x = pd.DataFrame(fitted.x, columns=list(NUMBERS))
    estimator = RandomForestClassifier(5, random_state=0).fit(x, fitted.y)
    model = export_model(estimator, fitted.specs, name="m", version=1)
    agree(model, fitted.rows, estimator.predict_proba(x)[:, 1])
