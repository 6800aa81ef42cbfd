"""The estimators that can be trained: how their X is made, and what each can take.

Columns of X are in natural units: money in its major unit, numbers as they are written, durations
in seconds. A text is its category's place for boosted trees, itself for an additive model.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import version
from inspect import signature
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.types import NUMBER_SCALE, TEXT_KINDS, Kind
from tidegate.models.portable import INPUT_KINDS, Family
from tidegate.simulation.mapping import Problem
from tidegate.simulation.times import Flags
from tidegate.simulation.training_file import EstimatorName, Parameter, Training, TrainingError
from tidegate.simulation.training_table import ReadColumn, TrainingTable

if TYPE_CHECKING:
    from tidegate.models.export.specs import InputSpec

SECOND_US: Final = 10**6
REACH: Final = 10
"""A line is followed as far again beyond the range of the training, so many times; then the model
abstains. Trees and tables stay where their ends are.
"""

MAX_CATEGORIES: Final = 255
"""What boosted trees take; of more, a text is no category but an identifier."""


@dataclass(frozen=True, slots=True)
class Kin:
    """What an estimator can be given. `libraries` are recorded in the card."""

    family: Family
    takes_missing: bool
    takes_texts: bool
    libraries: tuple[str, ...]


KINDS: Final[Mapping[EstimatorName, Kin]] = {
    "logistic_regression": Kin("logistic_regression", False, False, ("scikit-learn",)),
    "random_forest": Kin("random_forest", False, False, ("scikit-learn",)),
    "hist_gradient_boosting": Kin("gradient_boosting", True, True, ("scikit-learn",)),
    "explainable_boosting": Kin("additive", True, True, ("scikit-learn", "interpret-core")),
}
_SET_HERE: Final = frozenset(
    {"random_state", "n_jobs", "verbose", "warm_start", "categorical_features", "feature_types",
     "feature_names", "callback", "missing", "objective", "loss", "monotonic_cst"}
)  # fmt: skip
"""Parameters that are no author's: they are set from the policy, or change what a score is."""


@dataclass(frozen=True, eq=False)
class Design:
    """The columns of X over the whole table, with what the export has to know of them."""

    columns: tuple[Any, ...]
    specs: tuple[InputSpec, ...]
    estimator: EstimatorName

    def rows(self, rows: Flags) -> Any:
        """X of some rows."""
        kept = [column[rows] for column in self.columns]
        if self.estimator == "explainable_boosting" and any(c.dtype == object for c in kept):
            return np.array([c.astype(object) for c in kept], object).T
        return np.ascontiguousarray(np.array(kept, np.float64).T)


def check_parameters(training: Training) -> None:
    """TrainingError for a parameter that the estimator does not have, or that is set here."""
    if not training.is_seen:
        message = "an exported model is not trained here"
        help_ = "`tidegate models card` writes its card; or name an estimator"
        raise TrainingError([Problem(str(training.path), "estimator", message, help_)])
    known = frozenset(signature(_class(training.estimator).__init__).parameters) - {"self"}
    problems = []
    for name in training.parameters:
        key = f"parameters.{name}"
        if name in _SET_HERE:
            message = "is set by the training itself"
            problems.append(Problem(str(training.path), key, message, "leave it out"))
        elif name not in known:
            help_ = nearest(name, known - _SET_HERE)
            message = f"`{training.estimator}` has no such parameter"
            problems.append(Problem(str(training.path), key, message, help_))
    if problems:
        raise TrainingError(problems)


def design(table: TrainingTable, train: Flags, training: Training, currency: str) -> Design:
    """X for this estimator; TrainingError says which input it cannot take, and what to do."""
    from tidegate.models.export.specs import InputSpec

    kin, problems = KINDS[training.estimator], []
    columns, specs = [], []
    for read in table.reads:
        problem = _refused(read, read.at(train), training, kin)
        if problem:
            problems.append(Problem(str(training.path), "estimator", *problem))
            continue
        texts, column = _column(read, read.at(train), training.estimator, currency)
        low, high = _range(read.at(train), training)
        specs.append(
            InputSpec(
                name=read.name,
                type=read.type,
                currency=currency if read.type.kind is Kind.MONEY else "",
                scale=scale_of(read.type.kind, currency),
                categories=texts,
                low=low,
                high=high,
                takes_missing=bool((~read.valid[train]).any()),
            )
        )
        columns.append(column)
    if problems:
        raise TrainingError(problems)
    return Design(tuple(columns), tuple(specs), training.estimator)


def scale_of(kind: Kind, currency: str) -> int:
    """How many of the policy's integers make one of the estimator's units."""
    from tidegate.dsl.currencies import MINOR_DIGITS

    match kind:
        case Kind.MONEY:
            return int(10 ** MINOR_DIGITS[currency])
        case Kind.NUMBER:
            return NUMBER_SCALE
        case Kind.DURATION:
            return SECOND_US
        case _:
            return 1


def fit(
    training: Training, made: Design, train: Flags, labels: Flags
) -> tuple[Any, tuple[str, ...]]:
    """The fitted estimator and what has to be said of it.

    It is fitted on one thread, so that the same rows give the same model.
    """
    from sklearn.exceptions import ConvergenceWarning

    estimator = _estimator(training, made)
    with one_thread(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fitted = estimator.fit(made.rows(train), labels[train].astype(np.int64))
    unfinished = any(issubclass(one.category, ConvergenceWarning) for one in said)
    note = "the fit stopped before it converged: raise `max_iter`"
    return fitted, (note,) if unfinished else ()


def one_thread() -> AbstractContextManager[Any]:
    """What the libraries compute within it is computed in one order."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def versions_of(training: Training) -> dict[str, str]:
    """The versions of the libraries that train, or of what measures an exported model."""
    names = ("numpy", *(KINDS[training.estimator].libraries if training.is_seen else ()))
    return {name: version(name) for name in sorted(names)}


def _refused(
    read: ReadColumn, trained: ReadColumn, training: Training, kin: Kin
) -> tuple[str, str] | None:
    """Why the estimator cannot take an input, and what to do."""
    kind, shown = read.type.kind, f"`{read.name}`"
    if kind not in INPUT_KINDS:
        what = "has no order that means anything" if kind is Kind.TIME else "tells one customer"
        help_ = "let the model read what a feature makes of it, such as a count or a duration"
        return f"{shown} is a {read.type}, which {what}: no model learns from it", help_
    missing = int((~trained.valid).sum())
    if missing == len(trained.valid):
        return f"{shown} is missing in every row of the training", "leave it out of `reads`"
    if missing and not kin.takes_missing:
        help_ = "give it a value with `otherwise` in a let, or take hist_gradient_boosting"
        return (
            f"{shown} is missing in {missing:,} rows, which {training.estimator} does not take",
            help_,
        )
    if kind in TEXT_KINDS:
        if not kin.takes_texts:
            help_ = (
                "let the model read a flag or a count of it, or take hist_gradient_boosting or"
                " explainable_boosting"
            )
            return f"{shown} is a {read.type}, which {training.estimator} does not take", help_
        count = len(np.unique(trained.values[trained.valid]))
        if count > MAX_CATEGORIES:
            help_ = f"a model takes {MAX_CATEGORIES}: let it read what is known of the text"
            return f"{shown} has {count:,} different values", help_
    return None


def _range(trained: ReadColumn, training: Training) -> tuple[int | None, int | None]:
    """Outside what the model abstains; None where it does not."""
    linear = training.estimator == "logistic_regression"
    if not linear and trained.name not in training.abstain_outside:
        return None, None
    values = trained.values[trained.valid]
    low, high = int(values.min()), int(values.max())
    if trained.name in training.abstain_outside or trained.type.kind is Kind.FLAG:
        return low, high
    return low - REACH * (high - low), high + REACH * (high - low)


def _column(
    read: ReadColumn, trained: ReadColumn, estimator: EstimatorName, currency: str
) -> tuple[dict[object, str], Any]:
    """The categories, empty of an integer, and the column of X."""
    if read.type.kind not in TEXT_KINDS:
        scaled = read.values.astype(np.float64) / scale_of(read.type.kind, currency)
        return {}, np.where(read.valid, scaled, np.nan)
    seen = sorted({read.texts[code] for code in np.unique(trained.values[trained.valid])})
    place = {text: code for code, text in enumerate(seen)}
    if estimator == "explainable_boosting":
        texts = np.array([*read.texts, None], object)
        column = texts[np.where(read.valid, read.values, len(read.texts))]
        return {text: text for text in seen}, column
    codes = np.array([place.get(text, np.nan) for text in read.texts] or [np.nan], np.float64)
    column = np.where(read.valid, codes[read.values], np.nan)
    return {float(code): text for text, code in place.items()}, column


def _class(estimator: EstimatorName) -> Any:
    if estimator == "explainable_boosting":
        from interpret.glassbox import ExplainableBoostingClassifier

        return ExplainableBoostingClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    return {
        "logistic_regression": LogisticRegression,
        "random_forest": RandomForestClassifier,
        "hist_gradient_boosting": HistGradientBoostingClassifier,
    }[estimator]


def _estimator(training: Training, made: Design) -> Any:
    given: dict[str, Any] = {name: _plain(v) for name, v in training.parameters.items()}
    given["random_state"] = training.random_state
    texts = [place for place, spec in enumerate(made.specs) if spec.is_text]
    match training.estimator:
        case "logistic_regression":
            from sklearn.pipeline import make_pipeline
            from sklearn.preprocessing import StandardScaler

            return make_pipeline(StandardScaler(), _class(training.estimator)(**given))
        case "explainable_boosting":
            given["n_jobs"] = 1
            given["feature_types"] = [
                "nominal" if spec.is_text else "continuous" for spec in made.specs
            ]
            given["feature_names"] = [spec.name for spec in made.specs]
        case "hist_gradient_boosting":
            given["categorical_features"] = texts or None
        case _:
            given["n_jobs"] = 1
    return _class(training.estimator)(**given)


def _plain(value: Parameter) -> object:
    return float(value) if isinstance(value, Decimal) else value
