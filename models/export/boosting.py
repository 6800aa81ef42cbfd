"""Histogram gradient boosting: a baseline and the leaves of many trees, in log-odds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tidegate.models.export.columns import Column, Levels, Steps, is_missing
from tidegate.models.export.encoders import ordinal
from tidegate.models.export.integers import finite_units
from tidegate.models.export.preparation import is_number
from tidegate.models.export.refusals import refusal
from tidegate.models.export.result import Exported
from tidegate.models.export.trees import Nodes, Split, Splits, check_nodes, choice, lay_out
from tidegate.models.portable import Tree

BITS = 256
"""A category is a byte; a bitset says of each whether it goes left."""


def export_boosting(estimator: Any, columns: Sequence[Column], positive: int) -> Exported:
    """The log-odds of the class at `positive`."""
    if estimator.n_trees_per_iteration_ != 1:
        raise refusal("the booster has several trees a step", "fit it on two classes")
    seen = _as_the_trees_see_them(estimator, columns)
    if not all(map(is_number, seen)):
        raise refusal(
            "a column of texts reaches the booster as if it held numbers",
            "name it in `categorical_features`",
        )
    sign = 1 if positive == 1 else -1
    maker = _Trees(seen, sign)
    trees = tuple(maker.tree(predictor) for (predictor,) in estimator._predictors)
    baseline = sign * finite_units(float(np.asarray(estimator._baseline_prediction).reshape(-1)[0]))
    return Exported(
        family="gradient_boosting",
        link="logit",
        base=baseline + sum(tree.values[0] for tree in trees),
        trees=trees,
        missing_refused=frozenset(c.input for c in seen if c.missing is None),
        unknown_refused=frozenset(
            c.input for c in seen if isinstance(c, Levels) and c.unknown is None
        ),
    )


def _as_the_trees_see_them(estimator: Any, columns: Sequence[Column]) -> tuple[Column, ...]:
    """Categorical columns first, as the places of their categories, then the others."""
    if estimator.is_categorical_ is None:
        return tuple(columns)
    marked = list(zip(columns, estimator.is_categorical_, strict=True))
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    texts = ordinal(encoder, [column for column, categorical in marked if categorical])
    return (*texts, *(column for column, categorical in marked if not categorical))


def nodes_of(predictor: Any) -> Nodes:
    """The nodes of a fitted `TreePredictor`."""
    held = predictor.nodes
    return Nodes(
        leaf=held["is_leaf"].astype(np.bool_),
        left=held["left"].astype(np.int64),
        right=held["right"].astype(np.int64),
        columns=held["feature_idx"].astype(np.int64),
        thresholds=held["num_threshold"].astype(np.float64),
        left_on_missing=held["missing_go_to_left"].astype(np.bool_),
    )


class _Trees:
    """Makes portable trees of one booster's predictors."""

    def __init__(self, columns: Sequence[Column], sign: int) -> None:
        self._columns = columns
        self._splits = Splits(columns, float32=False)
        self._sign = sign

    def tree(self, predictor: Any) -> Tree:
        """One predictor in its portable form."""
        nodes = nodes_of(predictor)
        order = check_nodes(nodes, len(self._columns))
        categorical = predictor.nodes["is_categorical"].astype(np.bool_)
        at = np.flatnonzero(~nodes.leaf & ~categorical)
        found = dict(zip(at.tolist(), self._splits.of(nodes, at), strict=True))
        for node in np.flatnonzero(~nodes.leaf & categorical).tolist():
            found[node] = self._by_category(predictor, nodes, node)
        counts = predictor.nodes["count"].tolist()
        leaves = (self._sign * predictor.nodes["value"]).tolist()
        return lay_out(nodes, order, found, _expected(nodes, order, leaves, counts))

    def _by_category(self, predictor: Any, nodes: Nodes, node: int) -> Split:
        place = int(nodes.columns[node])
        column, missing_left = self._columns[place], bool(nodes.left_on_missing[node])
        goes = predictor.raw_left_cat_bitsets[int(predictor.nodes["bitset_idx"][node])]

        def left(value: Any) -> bool:
            # The encoder inside the booster has made NaN of every category that it does not know.
            return missing_left if is_missing(value) else _has(goes, value)

        if isinstance(column, Levels):
            unknown = column.unknown is not None and left(column.unknown)
            return choice(column, [*map(left, column.values)], unknown, left(column.missing))
        if isinstance(column, Steps) and column.is_flag:
            sides = [left(column.values.get(x, column.elsewhere)) for x in (0, 1)]
            return choice(column, sides, False, left(column.missing))
        raise refusal(
            "the booster splits on the categories of a number",
            "declare the input as a text or a flag, or leave it out of `categorical_features`",
        )


def _has(bits: Any, value: float) -> bool:
    category = int(value)
    assert 0 <= category < BITS  # an encoder's place, of at most 255 categories
    return bool(int(bits[category // 32]) >> (category % 32) & 1)


def _expected(
    nodes: Nodes, order: Sequence[int], leaves: Sequence[float], counts: Sequence[int]
) -> list[int]:
    """What is expected at every node, in 1/unit: the mean of both children, by their counts."""
    values = [0] * len(order)
    weights = list(counts)
    left, right, leaf = nodes.left.tolist(), nodes.right.tolist(), nodes.leaf.tolist()
    for node in reversed(order):
        if leaf[node]:
            values[node] = finite_units(leaves[node])
            continue
        a, b = left[node], right[node]
        weights[node] = weights[a] + weights[b]
        of_a, of_b = (weights[a], weights[b]) if weights[node] else (1, 1)
        values[node] = _nearest(of_a * values[a] + of_b * values[b], of_a + of_b)
    return values


def _nearest(numerator: int, denominator: int) -> int:
    """The quotient rounded half to even, exactly."""
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2))
