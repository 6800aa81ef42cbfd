"""What stands before an estimator: pipelines, imputers, scalers and encoders, read as columns.

Only steps that work column by column, and whose fitted numbers say all, have a meaning here.
Subclasses are refused with everything else unknown: they may do something else than their parent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from tidegate.models.export.columns import (
    Column,
    Levels,
    Number,
    Step,
    Steps,
    apply_step,
    is_missing,
)
from tidegate.models.export.encoders import one_hot, ordinal
from tidegate.models.export.refusals import ExportRefused, refusal

Columns = tuple[Column, ...]
_Prepare = Callable[[Any, Columns], Columns]


def prepare(estimator: Any, columns: Sequence[Column]) -> tuple[Any, Columns]:
    """The estimator at the end of any pipelines, and the columns that it sees there."""
    from sklearn.pipeline import Pipeline

    prepared = tuple(columns)
    while type(estimator) is Pipeline:
        *before, (_, last) = estimator.steps
        for _, step in before:
            prepared = transformed(step, prepared)
        estimator = last
    return estimator, prepared


def transformed(transformer: Any, columns: Columns) -> Columns:
    """The columns after one transformer."""
    if isinstance(transformer, str) or transformer is None:  # "passthrough"
        return columns
    prepare_with = _transformers().get(type(transformer))
    if prepare_with is None:
        raise _unknown(transformer)
    expected = getattr(transformer, "n_features_in_", len(columns))
    if expected != len(columns):
        raise refusal(
            f"{type(transformer).__name__} was fitted on {expected} columns and is given "
            f"{len(columns)}",
            "list every column of X, in its order",
        )
    return prepare_with(transformer, columns)


@cache
def _transformers() -> dict[type, _Prepare]:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import (
        FunctionTransformer,
        MaxAbsScaler,
        MinMaxScaler,
        OneHotEncoder,
        OrdinalEncoder,
        RobustScaler,
        StandardScaler,
    )

    return {
        ColumnTransformer: _side_by_side,
        FunctionTransformer: _identity,
        MaxAbsScaler: _max_abs_scaled,
        MinMaxScaler: _min_max_scaled,
        OneHotEncoder: one_hot,
        OrdinalEncoder: ordinal,
        Pipeline: _one_after_another,
        RobustScaler: _robust_scaled,
        SimpleImputer: _imputed,
        StandardScaler: _standard_scaled,
    }


def _unknown(transformer: Any) -> ExportRefused:
    known = ", ".join(sorted(kind.__name__ for kind in _transformers()))
    return refusal(
        f"the step {type(transformer).__name__} has no portable form",
        f"compute it as a feature of the policy, or use one of {known}",
    )


def _one_after_another(pipeline: Any, columns: Columns) -> Columns:
    for _, step in pipeline.steps:
        columns = transformed(step, columns)
    return columns


def _identity(transformer: Any, columns: Columns) -> Columns:
    if transformer.func is not None:
        raise refusal(
            "a FunctionTransformer runs code of its own",
            "compute what it does as a feature of the policy",
        )
    return columns


def _side_by_side(transformer: Any, columns: Columns) -> Columns:
    if transformer.transformer_weights:
        raise refusal(
            "a ColumnTransformer with weights has no portable form",
            "leave `transformer_weights` out: the estimator has weights of its own",
        )
    places = transformer._transformer_to_input_indices
    found: list[Column] = []
    for name, inner, _ in transformer.transformers_:
        if isinstance(inner, str) and inner == "drop":
            continue
        chosen = tuple(columns[place] for place in places[name])
        if chosen:
            found += transformed(inner, chosen)
    return tuple(found)


def _imputed(imputer: Any, columns: Columns) -> Columns:
    sought = imputer.missing_values
    if not is_missing(sought):
        raise refusal(
            f"a SimpleImputer replaces {sought!r}, which is a value",
            "let `missing_values` be NaN, and X hold NaN where a value is missing",
        )
    filled: list[Column] = []
    for column, statistic in zip(columns, imputer.statistics_, strict=True):
        if is_missing(statistic):
            raise refusal(
                "a SimpleImputer has nothing to fill a column with that was always missing",
                "leave the column out of X",
            )
        value = statistic if isinstance(statistic, str) else float(statistic)
        filled.append(_filled(column, value))
    if imputer.add_indicator:
        filled += (_indicator(columns[place]) for place in imputer.indicator_.features_)
    return tuple(filled)


def _filled(column: Column, value: Any) -> Column:
    if column.missing is None or not is_missing(column.missing):
        return column
    return replace(column, missing=value)


def _indicator(column: Column) -> Column:
    missing = 1.0 if is_missing(column.missing) else 0.0
    if isinstance(column, Levels):
        unknown = None if column.unknown is None else 0.0
        return Levels(column.input, (0.0,) * len(column.values), unknown, missing)
    return Steps(column.input, {}, 0.0, missing, column.is_flag)


def _scaled(columns: Columns, *steps: tuple[str, Any]) -> Columns:
    """Every column after the steps whose numbers there are; None stands for a step left out."""
    given = [(name, numbers) for name, numbers in steps if numbers is not None]
    found: list[Column] = []
    for place, column in enumerate(columns):
        if isinstance(column, Levels) and not column.is_numeric:
            raise refusal("a scaler is given a column of texts", "encode the texts before it")
        scaled = column
        for name, numbers in given:
            scaled = apply_step(scaled, _step(name, float(np.float64(numbers[place]))))
        found.append(scaled)
    return tuple(found)


def _step(name: Any, by: float) -> Step:
    if not np.isfinite(by) or (name in {"divide", "multiply"} and by <= 0):
        raise refusal(f"a scaler would {name} by {by}", "fit it on columns that hold values")
    return name, by


def _standard_scaled(scaler: Any, columns: Columns) -> Columns:
    return _scaled(
        columns,
        ("subtract", scaler.mean_ if scaler.with_mean else None),
        ("divide", scaler.scale_ if scaler.with_std else None),
    )


def _robust_scaled(scaler: Any, columns: Columns) -> Columns:
    return _scaled(
        columns,
        ("subtract", scaler.center_ if scaler.with_centering else None),
        ("divide", scaler.scale_ if scaler.with_scaling else None),
    )


def _max_abs_scaled(scaler: Any, columns: Columns) -> Columns:
    _refuse_clip(scaler)
    return _scaled(columns, ("divide", scaler.scale_))


def _min_max_scaled(scaler: Any, columns: Columns) -> Columns:
    _refuse_clip(scaler)
    return _scaled(columns, ("multiply", scaler.scale_), ("add", scaler.min_))


def _refuse_clip(scaler: Any) -> None:
    if getattr(scaler, "clip", False):
        raise refusal(
            f"{type(scaler).__name__} with `clip` bends a line at its ends",
            "set `clip=False`: outside of the training range the model abstains",
        )


def is_number(column: Column) -> bool:
    """Whether the column is numeric, so that an estimator can add or compare it."""
    return isinstance(column, Number | Steps) or column.is_numeric
