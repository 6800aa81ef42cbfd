"""Explainable boosting machines: every term is a table already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegate.models.export.columns import UNKNOWN, Column, Levels, Number, Steps, is_missing
from tidegate.models.export.cuts import last_below
from tidegate.models.export.encoders import whole
from tidegate.models.export.integers import finite_units, units
from tidegate.models.export.refusals import refusal
from tidegate.models.export.result import Exported
from tidegate.models.export.steps import axis_of_steps
from tidegate.models.portable import Axis, TableTerm
from tidegate.models.scored import Int64s

MISSING_BIN = 0
UNKNOWN_BIN = -1


@dataclass(frozen=True, slots=True)
class _Places:
    """An axis, and for each of its places the bin of the estimator that it stands for."""

    axis: Axis
    bins: tuple[int, ...]


def export_glass_box(estimator: Any, columns: Sequence[Column], positive: int) -> Exported:
    """The log-odds of the class at `positive`, a table for each term."""
    if estimator.link_ != "logit":
        raise refusal(f"the link is `{estimator.link_}`", "fit a classifier of two classes")
    sign = 1.0 if positive == 1 else -1.0
    terms = tuple(
        _term(estimator, columns, tuple(features), sign * np.asarray(scores, np.float64))
        for features, scores in zip(estimator.term_features_, estimator.term_scores_, strict=True)
    )
    return Exported(
        family="additive",
        link="logit",
        base=finite_units(sign * float(np.asarray(estimator.intercept_).reshape(-1)[0])),
        terms=terms,
        missing_refused=frozenset(c.input for c in columns if c.missing is None),
        unknown_refused=frozenset(
            c.input for c in columns if isinstance(c, Levels) and c.unknown is None
        ),
    )


def _term(
    estimator: Any, columns: Sequence[Column], features: tuple[int, ...], scores: Any
) -> TableTerm:
    if len(features) > 2:
        raise refusal(
            f"a term is of {len(features)} features",
            "fit with interactions of two: more are not reviewed as tables",
        )
    places = [
        _places(columns[feature], _bins(estimator, feature, len(features))) for feature in features
    ]
    values = scores[np.ix_(*(place.bins for place in places))]
    table = np.array(units(values.reshape(-1).tolist()), np.int64).reshape(values.shape)
    axes = [place.axis for place in places]
    for dimension, axis in enumerate(axes):
        axes[dimension], table = _without_idle_cuts(axis, table, dimension)
    return TableTerm(tuple(axes), tuple(table.reshape(-1).tolist()))


def _without_idle_cuts(axis: Axis, table: Int64s, dimension: int) -> tuple[Axis, Int64s]:
    """The table without the cuts that change nothing: most, where rounds of boosting were few."""
    if not axis.cuts:
        return axis, table
    rows = np.moveaxis(table, dimension, 0)
    before, after = rows[: len(axis.cuts)], rows[1 : len(axis.cuts) + 1]
    turns = np.flatnonzero((before != after).reshape(len(axis.cuts), -1).any(axis=1))
    kept = np.concatenate(([0], turns + 1, [len(axis.cuts) + 1]))
    cuts = tuple(axis.cuts[turn] for turn in turns)
    return Axis(axis.input, cuts), table.take(kept, dimension)


def _bins(estimator: Any, feature: int, order: int) -> Any:
    """Cuts, or categories by text; terms of two may have coarser ones of their own."""
    levels = estimator.bins_[feature]
    return levels[min(len(levels), order) - 1]


def _places(column: Column, bins: Any) -> _Places:
    if isinstance(column, Steps):
        raise refusal(
            "an encoded number reaches the glass box", "leave it as it is: it needs no encoder"
        )
    by_category = isinstance(bins, Mapping)
    if isinstance(column, Levels):
        return _places_of_texts(column, bins) if by_category else _places_of_codes(column, bins)
    return _places_of_categories(column, bins) if by_category else _places_of_cuts(column, bins)


def _places_of_cuts(column: Number, cuts: Any) -> _Places:
    """A number in bins: bin `1 + k` where k cuts are at most the value."""
    firsts = [below + 1 for below in last_below(column, np.asarray(cuts, np.float64)).tolist()]
    # Cuts that lie between the same two integers are one; the bins between them hold none.
    kept = sorted(set(firsts))
    counts = (0, *(sum(first <= cut for first in firsts) for cut in kept))
    at_missing = _bin_of_value(column.missing, cuts)
    return _Places(Axis(column.input, tuple(kept)), (*(1 + n for n in counts), at_missing))


def _bin_of_value(value: Any, cuts: Any) -> int:
    if is_missing(value):
        return MISSING_BIN
    return 1 + int(np.searchsorted(np.asarray(cuts, np.float64), float(value), side="right"))


def _places_of_codes(column: Levels, cuts: Any) -> _Places:
    """Texts that the estimator saw as numbers, in bins of numbers."""
    if not column.is_numeric:
        raise refusal(
            "a text reaches the glass box as a number",
            "mark the feature as `nominal` in `feature_types`",
        )
    every = (*column.values, column.unknown, column.missing)
    return _Places(Axis(column.input), tuple(_bin_of_value(value, cuts) for value in every))


def _places_of_texts(column: Levels, categories: Mapping[str, int]) -> _Places:
    written = {written_as(value): value for value in column.values}
    others = set(categories) ^ set(written)
    if others:
        shown = ", ".join(f"`{text}`" for text in sorted(others))
        raise refusal(
            f"the glass box and the inputs do not list the same categories: {shown}",
            "list the categories that it was fitted on, no more and no fewer",
        )
    every = (*column.values, column.unknown, column.missing)
    return _Places(Axis(column.input), tuple(_bin_of_text(value, categories) for value in every))


def _bin_of_text(value: Any, categories: Mapping[str, int]) -> int:
    if value is UNKNOWN:
        return UNKNOWN_BIN
    if is_missing(value):
        return MISSING_BIN
    return categories.get(written_as(value), UNKNOWN_BIN)


def written_as(value: Any) -> str:
    """A category as interpret writes it: `1` for 1.0 and True."""
    if isinstance(value, bool | np.bool_):
        return "1" if value else "0"
    if isinstance(value, float | np.floating):
        text = str(np.array([float(value) + 0.0]).astype(np.str_)[0])
        return text.removesuffix(".0")
    return str(value)


def _places_of_categories(column: Number, categories: Mapping[str, int]) -> _Places:
    """A number that the estimator took for a category, as interpret does where few values occur."""
    if column.steps:
        raise refusal("a scaled number is a category", "leave it as it is in X")
    values: dict[int, float] = {}
    for text in categories:
        x = _whole_of_text(column, text)
        if x is not None:
            values[x] = float(x)
    axis, at = axis_of_steps(column.input, [Steps(column.input, values, 0.0, None, column.is_flag)])

    def bin_at(x: int | None) -> int:
        if x is None:
            return UNKNOWN_BIN
        seen = float(column.at(np.array([x], np.int64))[0])
        return categories.get(written_as(seen), UNKNOWN_BIN)

    return _Places(axis, (*map(bin_at, at), _bin_of_text(column.missing, categories)))


def _whole_of_text(column: Number, text: str) -> int | None:
    try:
        return whole(column, float(text))
    except ValueError:
        return None
