"""What has no exact portable form is refused, with a reason and a way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from tests.models.export.datasets import SPECS, Payments, payments
from tests.models.export.test_families import MIXED, NUMBERS, glass_box
from tidegate.dsl.types import TOKEN
from tidegate.models.export import ExportRefused, InputSpec, export_model


def reasons_of(estimator: Any, specs: tuple[InputSpec, ...], **settings: Any) -> str:
    """Refuse an export, see that every reason has a way out, and give them."""
    identity: dict[str, Any] = {"name": "m", "version": 1}
    with pytest.raises(ExportRefused) as refused:
        export_model(estimator, specs, **(identity | settings))
    assert refused.value.reasons
    assert all(reason.message and reason.help for reason in refused.value.reasons)
    return str(refused.value)


class Reversed(LogisticRegression):  # type: ignore[misc]
    """A subclass, which may do anything."""

    def predict_proba(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """The other class."""
        return super().predict_proba(X)[:, ::-1]


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a subclass": (Reversed, "Reversed has no portable form"),
    "a calibrated one": (
        lambda: CalibratedClassifierCV(LogisticRegression(), cv=2),
        "export the estimator in it",
    ),
    "a search": (
        lambda: GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2),
        "export its `best_estimator_`",
    ),
    "a vote": (
        lambda: VotingClassifier([("a", LogisticRegression())], voting="soft"),
        "VotingClassifier has no portable form",
    ),
    "old boosting": (GradientBoostingClassifier, "fit a HistGradientBoostingClassifier"),
    "a tree": (DecisionTreeClassifier, "n_estimators=1"),
    "products": (
        lambda: make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression()),
        "the step PolynomialFeatures has no portable form",
    ),
    "code": (
        lambda: make_pipeline(FunctionTransformer(np.cbrt), LogisticRegression()),
        "runs code of its own",
    ),
    "neighbours": (
        lambda: make_pipeline(KNNImputer(), LogisticRegression()),
        "the step KNNImputer",
    ),
    "a union": (
        lambda: make_pipeline(
            FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())]), LogisticRegression()
        ),
        "the step FeatureUnion",
    ),
    "a clip": (
        lambda: make_pipeline(MinMaxScaler(clip=True), LogisticRegression()),
        "bends a line",
    ),
    "a value as missing": (
        lambda: make_pipeline(SimpleImputer(missing_values=0.0), LogisticRegression()),
        "replaces 0.0, which is a value",
    ),
    "weights": (
        lambda: make_pipeline(
            ColumnTransformer(
                [("a", StandardScaler(), [0, 1, 2, 3, 4])], transformer_weights={"a": 2.0}
            ),
            LogisticRegression(),
        ),
        "ColumnTransformer with weights",
    ),
    "categories of a number": (
        lambda: HistGradientBoostingClassifier(categorical_features=[1], max_iter=20),
        "splits on the categories of a number",
    ),
    "an encoder that fails": (
        lambda: make_pipeline(
            ColumnTransformer([("a", OneHotEncoder(), [1])]), LogisticRegression()
        ),
        "fails on numbers that it was not fitted on",
    ),
    "groups": (
        lambda: make_pipeline(
            ColumnTransformer([("a", OneHotEncoder(min_frequency=9), [4])]), LogisticRegression()
        ),
        "groups infrequent categories",
    ),
    "terms of three": (
        lambda: glass_box(interactions=[(0, 1, 2)]),
        "a term is of 3 features",
    ),
}


@pytest.mark.filterwarnings("ignore:Interactions with 3 or more terms")  # so interpret says too
@pytest.mark.parametrize("name", REFUSED)
def test_estimators(name: str) -> None:
    """Each would otherwise be exported as something that it is not."""
    make, says = REFUSED[name]
    fitted = payments(1, NUMBERS, count=200)
    assert says in reasons_of(make().fit(fitted.x, fitted.y), fitted.specs)


def test_more_than_two_classes() -> None:
    """A score is one number."""
    fitted = payments(1, NUMBERS, count=200)
    y = fitted.y + (np.arange(200) % 2)
    for make in (LogisticRegression, RandomForestClassifier, HistGradientBoostingClassifier):
        settings = {"max_iter": 5000} if make is LogisticRegression else {}
        estimator = make(**settings).fit(fitted.x, y)
        assert "knows 3 classes" in reasons_of(estimator, fitted.specs)
    assert "knows 3 classes" in reasons_of(glass_box(interactions=0).fit(fitted.x, y), fitted.specs)


def test_several_outputs() -> None:
    """A forest can predict two things at once."""
    fitted = payments(1, NUMBERS, count=200)
    both = np.stack([fitted.y, 1 - fitted.y], axis=1)
    forest = RandomForestClassifier(3).fit(fitted.x, both)
    assert "several outputs" in reasons_of(forest, fitted.specs)


def test_regressors_and_unfitted_ones() -> None:
    """A glass box of amounts is no score."""
    fitted = payments(1, NUMBERS, count=200)
    estimator = ExplainableBoostingRegressor(outer_bags=1, max_rounds=5, n_jobs=1)
    says = reasons_of(estimator.fit(fitted.x, fitted.y), fitted.specs)
    assert "ExplainableBoostingRegressor has no portable form" in says
    for unfitted in (LogisticRegression(), ExplainableBoostingClassifier(), object()):
        assert "is not fitted" in reasons_of(unfitted, fitted.specs)


def test_answers_that_the_library_does_not_have() -> None:
    """`takes_missing` is no wish: the estimator has to know what to do."""
    fitted = payments(1, NUMBERS, takes_missing=True)
    regression = LogisticRegression(max_iter=5000).fit(fitted.x, fitted.y)
    says = reasons_of(regression, fitted.specs)
    assert "no answer where `amount` is missing; put a SimpleImputer before it" in says
    assert says.count("\n") == 4
    forest = RandomForestClassifier(3, monotonic_cst=[1, 0, 0, 0, 0]).fit(fitted.x, fitted.y)
    assert "no answer where `risk` is missing" in reasons_of(forest, fitted.specs)
    coded = payments(1, ("amount", "note"), takes_unknown=False)
    specs = (coded.specs[0], replace(coded.specs[1], takes_unknown=True))
    forest = RandomForestClassifier(3).fit(coded.x, coded.y)
    assert "where `note` is a text that it was not fitted on" in reasons_of(forest, specs)


def encoded(fitted: Payments, encoder: Any) -> Any:
    """A regression on encoded texts."""
    columns = ColumnTransformer([("texts", encoder, [1, 3])])
    return make_pipeline(columns, LogisticRegression()).fit(fitted.objects, fitted.y)


def test_categories_have_to_be_the_same_on_both_sides() -> None:
    """An unknown text would otherwise mean two things."""
    fitted = payments(1, MIXED)
    amount, issued_in, *rest = fitted.specs
    fewer = replace(issued_in, categories={"DE": "DE", "FR": "FR"})
    more = replace(issued_in, categories={**issued_in.categories, "XX": "XX"})
    for encoder in (OneHotEncoder(handle_unknown="ignore"), OrdinalEncoder()):
        estimator = encoded(fitted, encoder)
        for changed in (fewer, more):
            says = reasons_of(estimator, (amount, changed, *rest))
            assert "an encoder was fitted on the categories" in says
    types = ["continuous", "nominal", "nominal", "nominal", "continuous"]
    estimator = glass_box(feature_types=types).fit(fitted.objects, fitted.y)
    for changed in (fewer, more):
        says = reasons_of(estimator, (amount, changed, *rest))
        assert "do not list the same categories" in says


def test_a_line_without_a_range() -> None:
    """Its sum may leave 64 bits, which serving would refuse."""
    fitted = payments(1, ("amount", "risk"))
    estimator = LogisticRegression(max_iter=5000).fit(fitted.x, fitted.y)
    specs = tuple(replace(spec, low=None, high=None) for spec in fitted.specs)
    assert "give its input `low` and `high`" in reasons_of(estimator, specs)


AMOUNT = SPECS["amount"]
WRONG_SPECS = [
    (replace(AMOUNT, name="Amount!"), "a name that no policy can use"),
    (replace(AMOUNT, type=TOKEN, currency=""), "which no model reads"),
    (replace(AMOUNT, currency=""), "money without a currency"),
    (replace(SPECS["payments"], currency="EUR"), "count with a currency"),
    (replace(AMOUNT, scale=0), "has the scale 0"),
    (replace(SPECS["returning"], scale=2), "has the scale 2"),
    (replace(SPECS["risk"], scale=1), "as if the estimator had seen millionths"),
    (replace(AMOUNT, low=2, high=1), "`low` above `high`"),
    (replace(AMOUNT, categories={1: "a"}), "money with categories"),
    (replace(AMOUNT, takes_unknown=True), "which is never unknown"),
    (replace(SPECS["note"], categories={}), "without categories"),
    (replace(SPECS["note"], categories={1: "a", 2: "a"}), "comes twice"),
    (replace(SPECS["note"], low=1), "with a range"),
]


@pytest.mark.parametrize(("spec", "says"), WRONG_SPECS)
def test_specs(spec: InputSpec, says: str) -> None:
    """A scale that is forgotten is a score that is wrong."""
    assert says in reasons_of(object(), (spec,))


def test_names_versions_counts_and_order() -> None:
    """What a policy cannot name, and columns that are not in their place."""
    import pandas as pd

    fitted = payments(1, NUMBERS)
    x = pd.DataFrame(fitted.x, columns=list(NUMBERS))
    forest = RandomForestClassifier(2).fit(x, fitted.y)
    assert "no policy can name" in reasons_of(forest, fitted.specs, name="My model")
    assert "no version 0" in reasons_of(forest, fitted.specs, version=0)
    assert "on 5 columns and 4 inputs" in reasons_of(forest, fitted.specs[1:])
    assert "not in the order of X" in reasons_of(forest, fitted.specs[::-1])
    assert "named `amount`" in reasons_of(forest, (*fitted.specs[:4], fitted.specs[0]))
    assert "neither is `2`" in reasons_of(forest, fitted.specs, positive=2)


def test_values_that_are_not_finite() -> None:
    """A regression that diverged."""
    fitted = payments(1, NUMBERS)
    for value in (np.nan, np.inf, 1e300):
        estimator = LogisticRegression(max_iter=5000).fit(fitted.x, fitted.y)
        estimator.intercept_[0] = value
        assert "holds the number" in reasons_of(estimator, fitted.specs)
    forest = RandomForestClassifier(2, random_state=0).fit(fitted.x, fitted.y)
    forest.estimators_[0].tree_.threshold[0] = np.nan
    assert "a threshold is no number" in reasons_of(forest, fitted.specs)
