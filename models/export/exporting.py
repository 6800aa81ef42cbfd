"""From a fitted estimator to a portable model."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from tidegate.models.export.columns import Column
from tidegate.models.export.preparation import prepare
from tidegate.models.export.refusals import ExportRefused, Reason, reason_of, refusal
from tidegate.models.export.result import Exported
from tidegate.models.export.specs import InputSpec, check_specs, column_of, input_of
from tidegate.models.portable import PortableModel
from tidegate.models.reading import write_model
from tidegate.models.refusals import ModelRefused

_Export = Callable[[Any, Sequence[Column], int], Exported]
_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")

_WAYS_OUT = {
    "BalancedRandomForestClassifier": "fit a RandomForestClassifier with `class_weight`",
    "CalibratedClassifierCV": "export the estimator in it and choose thresholds by cost instead",
    "DecisionTreeClassifier": "fit RandomForestClassifier(n_estimators=1, bootstrap=False)",
    "FixedThresholdClassifier": "export its `estimator_` and write the threshold into the policy",
    "GradientBoostingClassifier": "fit a HistGradientBoostingClassifier",
    "GridSearchCV": "export its `best_estimator_`",
    "LogisticRegressionCV": "fit a LogisticRegression with the C that it found",
    "RandomizedSearchCV": "export its `best_estimator_`",
    "SGDClassifier": "fit a LogisticRegression",
    "StackingClassifier": "export its parts as models of their own",
    "TunedThresholdClassifierCV": "export its `estimator_` and write the threshold into the policy",
    "VotingClassifier": "export its parts as models of their own",
}
KNOWN = (
    "LogisticRegression, RandomForestClassifier, ExtraTreesClassifier, "
    "HistGradientBoostingClassifier, ExplainableBoostingClassifier"
)


def export_model(
    estimator: Any,
    inputs: Sequence[InputSpec],
    *,
    name: str,
    version: int,
    positive: object = 1,
) -> PortableModel:
    """The portable form of a fitted classifier of two classes.

    estimator: one of `KNOWN`, or a Pipeline that ends with one. inputs: a spec for each column of
    its X, in order. positive: the class whose probability is the score (True is 1).
    Raises `ExportRefused` for whatever cannot be represented exactly.
    """
    check_specs(inputs)
    _check_identity(name, version)
    _check_columns(estimator, inputs)
    columns = [column_of(place, spec) for place, spec in enumerate(inputs)]
    last, prepared = prepare(estimator, columns)
    export = _family(last)
    at = _class_at(last, positive)
    if last.n_features_in_ != len(prepared):
        raise refusal(
            f"the estimator was fitted on {last.n_features_in_} columns, not on {len(prepared)}",
            "list every column of X, in its order",
        )
    exported = export(last, prepared, at)
    _check_answers(inputs, exported)
    model = PortableModel(
        name=name,
        version=version,
        family=exported.family,
        link=exported.link,
        inputs=tuple(map(input_of, inputs)),
        base=exported.base,
        terms=exported.terms,
        trees=exported.trees,
        divisor=exported.divisor,
    )
    _check_readable(model)
    return model


def _check_readable(model: PortableModel) -> None:
    """Refuse here what serving would refuse: too large, or sums that may leave 64 bits."""
    try:
        write_model(model)
    except ModelRefused as refused:
        raise ExportRefused(map(reason_of, refused.problems)) from None


def _check_identity(name: str, version: int) -> None:
    if not _NAME.match(name):
        raise refusal(f"no policy can name a model `{name}`", "write it like `card_fraud`")
    if version < 1:
        raise refusal(f"a model has no version {version}", "count versions from 1")


def _check_columns(estimator: Any, inputs: Sequence[InputSpec]) -> None:
    count = getattr(estimator, "n_features_in_", None)
    if count is None:
        raise refusal("the estimator is not fitted", "fit it before it is exported")
    if count != len(inputs):
        raise refusal(
            f"the estimator was fitted on {count} columns and {len(inputs)} inputs are given",
            "list every column of X, in its order",
        )
    names = [spec.name for spec in inputs]
    fitted = [str(name) for name in getattr(estimator, "feature_names_in_", names)]
    if fitted != names and sorted(fitted) == sorted(names):
        raise refusal(
            f"the inputs are not in the order of X: {', '.join(fitted)}",
            "list them in that order",
        )


def _family(estimator: Any) -> _Export:
    """What exports this very class; a subclass may predict something else."""
    kind = type(estimator)
    module = kind.__module__.partition(".")[0]
    if module == "sklearn":
        from sklearn.ensemble import (
            ExtraTreesClassifier,
            HistGradientBoostingClassifier,
            RandomForestClassifier,
        )
        from sklearn.linear_model import LogisticRegression

        from tidegate.models.export.boosting import export_boosting
        from tidegate.models.export.forest import export_forest
        from tidegate.models.export.logistic_regression import export_logistic_regression

        known: dict[type, _Export] = {
            ExtraTreesClassifier: export_forest,
            HistGradientBoostingClassifier: export_boosting,
            LogisticRegression: export_logistic_regression,
            RandomForestClassifier: export_forest,
        }
        if kind in known:
            return known[kind]
    if module == "interpret":
        from interpret.glassbox import ExplainableBoostingClassifier

        from tidegate.models.export.glass_box import export_glass_box

        if kind is ExplainableBoostingClassifier:
            return export_glass_box
    raise _unknown(kind)


def refuse_unknown(estimator: Any) -> None:
    """Raise `ExportRefused` for a class that is known to have no portable form."""
    if type(estimator).__name__ in _WAYS_OUT:
        raise _unknown(type(estimator))


def _unknown(kind: type) -> ExportRefused:
    way_out = _WAYS_OUT.get(kind.__name__, f"fit one of {KNOWN}")
    return refusal(f"{kind.__name__} has no portable form", way_out)


def _class_at(estimator: Any, positive: object) -> int:
    """The place of the class among the two."""
    if getattr(estimator, "n_outputs_", 1) != 1:
        raise refusal("the estimator has several outputs", "fit one model for each of them")
    classes = list(getattr(estimator, "classes_", ()))
    if len(classes) != 2:
        raise refusal(
            f"the estimator knows {len(classes)} classes", "fit it on two: fraud and no fraud"
        )
    found = [place for place, value in enumerate(classes) if value == positive]
    if not found:
        shown = " and ".join(f"`{value}`" for value in classes)
        raise refusal(
            f"the classes are {shown}, and neither is `{positive}`",
            "say which one is `positive`",
        )
    return found[0]


def _check_answers(inputs: Sequence[InputSpec], exported: Exported) -> None:
    reasons = [
        Reason(
            f"the estimator has no answer where `{inputs[place].name}` is {state}",
            way_out,
        )
        for asked, refused, state, way_out in (
            (
                [spec.takes_missing for spec in inputs],
                exported.missing_refused,
                "missing",
                "put a SimpleImputer before it, or leave `takes_missing` out and it abstains",
            ),
            (
                [spec.takes_unknown for spec in inputs],
                exported.unknown_refused,
                "a text that it was not fitted on",
                "let its encoder take unknown texts, or leave `takes_unknown` out and it abstains",
            ),
        )
        for place in sorted(refused)
        if asked[place]
    ]
    if reasons:
        raise ExportRefused(reasons)
