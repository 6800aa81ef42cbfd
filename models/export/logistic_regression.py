"""Logistic regression: one term an input for its number, one for what encoders made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tidegate.models.export.columns import Column, Levels, Number, Steps, is_missing
from tidegate.models.export.integers import finite_units, units
from tidegate.models.export.preparation import is_number
from tidegate.models.export.refusals import refusal
from tidegate.models.export.result import Exported
from tidegate.models.export.steps import axis_of_steps
from tidegate.models.portable import UNIT, Axis, LinearTerm, TableTerm, Term


def export_logistic_regression(
    estimator: Any, columns: Sequence[Column], positive: int
) -> Exported:
    """The log-odds of the class at `positive`, as terms."""
    if getattr(estimator, "multi_class", "auto") == "multinomial":
        raise refusal(
            "a multinomial LogisticRegression doubles its log-odds",
            "fit it without `multi_class`",
        )
    sign = 1.0 if positive == 1 else -1.0
    weights = sign * np.asarray(estimator.coef_, np.float64).reshape(-1)
    if not all(map(is_number, columns)):
        raise refusal("a column of texts reaches the regression", "put a OneHotEncoder before it")
    columns = tuple(map(_without_line, columns))
    weighted = list(zip(map(float, weights), columns, strict=True))
    base = sign * float(np.asarray(estimator.intercept_).reshape(-1)[0])
    terms: list[Term] = []
    for place in dict.fromkeys(column.input for column in columns):
        own = [(weight, column) for weight, column in weighted if column.input == place]
        numbers = [(weight, column) for weight, column in own if isinstance(column, Number)]
        steps = [(weight, column) for weight, column in own if isinstance(column, Steps)]
        levels = [(weight, column) for weight, column in own if isinstance(column, Levels)]
        if numbers:
            term, constant = _line(place, numbers)
            terms.append(term)
            base += constant
        if steps:
            terms.append(_table_of_integers(place, steps))
        if levels:
            terms.append(_table_of_texts(place, levels))
    return Exported(
        family="logistic_regression",
        link="logit",
        base=finite_units(base),
        terms=tuple(terms),
        missing_refused=frozenset(c.input for c in columns if is_missing(c.missing)),
        unknown_refused=frozenset(
            c.input for c in columns if isinstance(c, Levels) and is_missing(c.unknown)
        ),
    )


def _without_line(column: Column) -> Column:
    """A flag by its two values, which need no range that keeps a line within 64 bits."""
    if not (isinstance(column, Number) and column.is_flag):
        return column
    at_0, at_1 = column.at(np.array([0, 1], np.int64)).tolist()
    return Steps(column.input, {0: at_0, 1: at_1}, at_0, column.missing, is_flag=True)


def _line(place: int, numbers: Sequence[tuple[float, Number]]) -> tuple[LinearTerm, float]:
    """The sum of lines as one line that is 0 at its centre, and what is left for the base.

    The centre is that of the first column: the mean, where it was standardised.
    """
    lines = [(weight, *_slope_and_centre(column)) for weight, column in numbers]
    centre = lines[0][2]
    slope = sum(weight * slope for weight, slope, _ in lines)
    constant = sum(weight * slope * (centre - own) for weight, slope, own in lines)
    missing = sum(weight * (column.missing or 0.0) for weight, column in numbers)
    at_missing = 0 if np.isnan(missing) else finite_units(missing - constant)
    return LinearTerm(place, float(slope * UNIT) + 0.0, float(centre) + 0.0, at_missing), constant


def _slope_and_centre(column: Number) -> tuple[float, float]:
    """The column as `slope * (x - centre)`."""
    slope, centre = 1.0 / column.scale, 0.0
    for name, by in column.steps:
        match name:
            case "subtract":
                centre += by / slope
            case "add":
                centre -= by / slope
            case "divide":
                slope /= by
            case "multiply":
                slope *= by
    return slope, centre


def _table_of_integers(place: int, columns: Sequence[tuple[float, Steps]]) -> TableTerm:
    axis, at = axis_of_steps(place, [column for _, column in columns])
    values = [sum(weight * _at(column, x) for weight, column in columns) for x in at]
    values.append(_sum_where_known(columns, "missing"))
    return TableTerm((axis,), units(values))


def _at(column: Steps, x: int | None) -> float:
    return column.elsewhere if x is None else column.values.get(x, column.elsewhere)


def _table_of_texts(place: int, columns: Sequence[tuple[float, Levels]]) -> TableTerm:
    count = len(columns[0][1].values)
    values = [sum(weight * c.values[code] for weight, c in columns) for code in range(count)]
    values += (_sum_where_known(columns, "unknown"), _sum_where_known(columns, "missing"))
    return TableTerm((Axis(place),), units(values))


def _sum_where_known(columns: Sequence[tuple[float, Any]], what: str) -> float:
    """0 where any column has no answer: the model abstains there."""
    found = [(weight, getattr(column, what)) for weight, column in columns]
    if any(is_missing(value) for _, value in found):
        return 0.0
    return float(sum(weight * value for weight, value in found))
