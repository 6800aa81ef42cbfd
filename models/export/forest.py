"""Random forests and extra trees: the mean of the shares of the class in the leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tidegate.models.export.columns import Column, Levels
from tidegate.models.export.integers import units
from tidegate.models.export.preparation import is_number
from tidegate.models.export.refusals import refusal
from tidegate.models.export.result import Exported
from tidegate.models.export.trees import Nodes, Split, Splits, check_nodes, lay_out
from tidegate.models.portable import Tree


def export_forest(estimator: Any, columns: Sequence[Column], positive: int) -> Exported:
    """The share of the class at `positive`.

    scikit-learn casts X to float32 and compares with float64 thresholds; the cuts say the same of
    the policy's integers.
    """
    if not all(map(is_number, columns)):
        raise refusal("a column of texts reaches the forest", "put an OrdinalEncoder before it")
    splits = Splits(columns, float32=True)
    trees = tuple(
        _tree(tree.tree_, splits, len(columns), positive) for tree in estimator.estimators_
    )
    # A tree with monotonic constraints refuses NaN, wherever X may hold one.
    constrained = estimator.monotonic_cst is not None
    return Exported(
        family="random_forest",
        link="probability",
        base=sum(tree.values[0] for tree in trees),
        trees=trees,
        divisor=len(trees),
        missing_refused=frozenset(
            column.input
            for column in columns
            if column.missing is None or (constrained and np.isnan(column.missing))
        ),
        unknown_refused=frozenset(
            column.input
            for column in columns
            if isinstance(column, Levels)
            and (column.unknown is None or (constrained and np.isnan(column.unknown)))
        ),
    )


def nodes_of(tree: Any) -> Nodes:
    """The nodes of a fitted `sklearn.tree._tree.Tree`."""
    left = np.asarray(tree.children_left, np.int64)
    return Nodes(
        leaf=left == -1,
        left=left,
        right=np.asarray(tree.children_right, np.int64),
        columns=np.asarray(tree.feature, np.int64),
        thresholds=np.asarray(tree.threshold, np.float64),
        left_on_missing=np.asarray(tree.missing_go_to_left, np.bool_),
    )


def _tree(tree: Any, splits: Splits, columns: int, positive: int) -> Tree:
    nodes = nodes_of(tree)
    order = check_nodes(nodes, columns)
    at = np.flatnonzero(~nodes.leaf)
    found: dict[int, Split] = dict(zip(at.tolist(), splits.of(nodes, at), strict=True))
    shares = np.asarray(tree.value, np.float64)[:, 0, positive]
    return lay_out(nodes, order, found, units(shares.tolist()))
