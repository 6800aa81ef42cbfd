"""One-hot and ordinal encoders, read as functions of one input."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tidegate.models.export.columns import UNKNOWN, Column, Levels, Number, Steps, is_missing
from tidegate.models.export.refusals import refusal

_Code = Callable[[int | None], float]
"""Makes a value of the place of a category, and of None for one that the encoder does not know."""


def one_hot(encoder: Any, columns: Sequence[Column]) -> tuple[Column, ...]:
    """A column of zeros and ones for each category that is not dropped."""
    _refuse_groups(encoder)
    lenient = encoder.handle_unknown != "error"
    dropped = encoder.drop_idx_ if encoder.drop_idx_ is not None else [None] * len(columns)
    found: list[Column] = []
    for column, categories, drop in zip(columns, encoder.categories_, dropped, strict=True):
        found += (
            encoded(column, categories, _is_place(place), lenient=lenient)
            for place in range(len(categories))
            if place != drop
        )
    return tuple(found)


def _is_place(wanted: int) -> _Code:
    return lambda place: 1.0 if place == wanted else 0.0


def ordinal(encoder: Any, columns: Sequence[Column]) -> tuple[Column, ...]:
    """The place of each category, as a number."""
    _refuse_groups(encoder)
    lenient = encoder.handle_unknown != "error"
    unknown = float(encoder.unknown_value) if lenient else math.nan
    for_missing = float(encoder.encoded_missing_value)
    found: list[Column] = []
    for column, categories in zip(columns, encoder.categories_, strict=True):
        missing_place = next(
            (place for place, value in enumerate(categories) if is_missing(value)), None
        )

        def code(place: int | None, missing_place: int | None = missing_place) -> float:
            if place is None:
                return unknown
            return for_missing if place == missing_place else float(place)

        found.append(encoded(column, categories, code, lenient=lenient))
    return tuple(found)


def encoded(
    column: Column, categories: Sequence[Any], code: _Code, *, lenient: bool
) -> Levels | Steps:
    """The column with every value as `code` makes it; where not `lenient`, none for unknown ones.

    A missing value is one of the categories, or unknown like any other.
    """
    places = _places(categories)

    def of(value: Any) -> float | None:
        if value is None:
            return None
        place = places.get("missing" if is_missing(value) else ("value", value))
        return code(place) if lenient or place is not None else None

    if isinstance(column, Levels):
        _refuse_other_categories(column, categories)
        known = tuple(of(value) for value in column.values)
        unknown = of(UNKNOWN) if column.unknown is UNKNOWN else of(column.unknown)
        return Levels(column.input, known, unknown, of(column.missing))
    if isinstance(column, Steps) or column.steps:
        raise refusal(
            "an encoder is given a column that another step has changed",
            "encode the column as it is in X",
        )
    return _encoded_number(column, categories, of)


def _places(categories: Sequence[Any]) -> dict[Any, int]:
    missing = [place for place, value in enumerate(categories) if is_missing(value)]
    if len(missing) > 1:
        raise refusal(
            "an encoder knows two kinds of missing values, None and NaN",
            "let X hold one of them only",
        )
    places: dict[Any, int] = {
        ("value", value): place for place, value in enumerate(categories) if not is_missing(value)
    }
    return places | dict.fromkeys(["missing"] if missing else [], missing[0] if missing else 0)


def _refuse_other_categories(column: Levels, categories: Sequence[Any]) -> None:
    """Both sides know the same, or an unknown text would mean two things."""
    ours, theirs = set(column.values), {value for value in categories if not is_missing(value)}
    if not is_missing(column.missing):
        theirs -= {column.missing} - ours
    if ours != theirs:
        raise refusal(
            f"an encoder was fitted on the categories {_shown(theirs)}, the inputs say "
            f"{_shown(ours)}",
            "list the categories that it was fitted on, no more and no fewer",
        )


def _shown(values: set[Any]) -> str:
    return ", ".join(sorted(f"`{value}`" for value in values)) or "none"


def _encoded_number(
    column: Number, categories: Sequence[Any], of: Callable[[Any], float | None]
) -> Steps:
    values: dict[int, float] = {}
    for category in categories:
        if is_missing(category):
            continue
        x = whole(column, category)
        if x is not None:
            values[x] = _sure(of(float(category)))
    elsewhere = of(UNKNOWN)
    if elsewhere is None:
        if not (column.is_flag and values.keys() >= {0, 1}):
            raise refusal(
                "an encoder fails on numbers that it was not fitted on",
                'set `handle_unknown="ignore"`, or leave the number as it is',
            )
        elsewhere = 0.0
    return Steps(column.input, values, elsewhere, of(column.missing), column.is_flag)


def _sure(value: float | None) -> float:
    assert value is not None  # a category is in the encoder that it was taken from
    return value


def whole(column: Number, value: Any) -> int | None:
    """The policy's integer for which the estimator saw exactly this value, or None."""
    seen = float(value)
    if not math.isfinite(seen) or abs(seen * column.scale) >= 2**53:
        return None
    x = round(seen * column.scale)
    return x if column.at(np.array([x], np.int64))[0] == seen else None


def _refuse_groups(encoder: Any) -> None:
    if encoder.min_frequency is not None or encoder.max_categories is not None:
        raise refusal(
            f"{type(encoder).__name__} groups infrequent categories",
            "leave `min_frequency` and `max_categories` out, or group them in the policy",
        )
