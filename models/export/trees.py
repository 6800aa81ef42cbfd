"""Trees of a library, checked and laid out as the portable form has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.models.export.columns import Column, Levels, Number, Steps, is_missing
from tidegate.models.export.cuts import as_seen, last_at_most
from tidegate.models.export.refusals import refusal
from tidegate.models.portable import Tree

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of one tree as a library holds them, node 0 the root.

    left, right, columns: meaningful where `leaf` is False. left_on_missing: where a missing value
    goes.
    """

    leaf: npt.NDArray[np.bool_]
    left: Places
    right: Places
    columns: Places
    thresholds: npt.NDArray[np.float64]
    left_on_missing: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Split:
    """One comparison: `yes` where x <= cut, or the code is in `words`; `swapped`: yes is right."""

    input: int
    cut: int
    words: tuple[int, ...] | None
    swapped: bool
    missing_left: bool


def check_nodes(nodes: Nodes, columns: int) -> list[int]:
    """The nodes from the root down, each parent before its children, left before right.

    A file can hold any number where a library expects the place of a node, and a library that
    follows it reads foreign memory. Raises `ExportRefused` unless every node is reached once.
    """
    count = len(nodes.leaf)
    split = ~nodes.leaf
    if count == 0:
        raise _crafted("it has no nodes")
    for children in (nodes.left[split], nodes.right[split]):
        if np.any((children < 1) | (children >= count)):
            raise _crafted("a child is outside of the tree")
    if np.any((nodes.columns[split] < 0) | (nodes.columns[split] >= columns)):
        raise _crafted("a split is on a column that X does not have")
    left, right, leaf = nodes.left.tolist(), nodes.right.tolist(), nodes.leaf.tolist()
    seen = bytearray(count)
    order: list[int] = []
    waiting = [0]
    while waiting:
        node = waiting.pop()
        if seen[node]:
            raise _crafted("a node has two parents")
        seen[node] = 1
        order.append(node)
        if not leaf[node]:
            waiting += (right[node], left[node])
    if len(order) < count:
        raise _crafted("a node is reached by no path")
    return order


def _crafted(why: str) -> Exception:
    return refusal(f"a tree is broken: {why}", "fit the estimator again and save it anew")


class Splits:
    """Folds thresholds on columns into splits on inputs, as the library compares them."""

    def __init__(self, columns: Sequence[Column], *, float32: bool) -> None:
        self._columns = columns
        self._float32 = float32

    def of(self, nodes: Nodes, at: Places) -> list[Split]:
        """The splits of the nodes at these places, in their order."""
        found: dict[int, Split] = {}
        for place in np.unique(nodes.columns[at]).tolist():
            own = at[nodes.columns[at] == place]
            column = self._columns[place]
            thresholds = nodes.thresholds[own]
            if np.any(np.isnan(thresholds)):
                raise _crafted("a threshold is no number")
            cuts = (
                last_at_most(column, thresholds, float32=self._float32).tolist()
                if isinstance(column, Number)
                else [0] * len(own)
            )
            rows = zip(
                own.tolist(),
                cuts,
                thresholds.tolist(),
                nodes.left_on_missing[own].tolist(),
                strict=True,
            )
            for node, cut, threshold, missing_left in rows:
                found[node] = self._split(column, cut, threshold, missing_left)
        return [found[node] for node in at.tolist()]

    def _split(self, column: Column, cut: int, threshold: float, missing_left: bool) -> Split:
        def left(value: Any) -> bool:
            if is_missing(value):
                return missing_left
            return bool(self._seen(float(value)) <= threshold)

        if isinstance(column, Number):
            return Split(column.input, cut, None, False, left(column.missing))
        return choice(column, *_sides(column, left))

    def _seen(self, value: float) -> float:
        return float(as_seen(np.array([value]), float32=self._float32)[0])


def _sides(column: Steps | Levels, left: Any) -> tuple[list[bool], bool, bool]:
    """Left or right for each category (of a flag: 0 and 1), for unknown, and for missing."""
    if isinstance(column, Steps):
        if not column.is_flag:
            raise refusal(
                "a tree splits on the categories of a number",
                "leave the number as it is, or give the model a text or a flag",
            )
        known = [left(column.values.get(x, column.elsewhere)) for x in (0, 1)]
        return known, False, left(column.missing)
    unknown = column.unknown is not None and left(column.unknown)
    return [left(value) for value in column.values], unknown, left(column.missing)


def choice(column: Steps | Levels, known: Sequence[bool], unknown: bool, missing: bool) -> Split:
    """A split by which values go left."""
    if isinstance(column, Levels):
        words = [code for code, goes_left in enumerate(known) if goes_left]
        if unknown:
            words.append(len(known))
        return Split(column.input, 0, tuple(words), False, missing)
    at_0, at_1 = known
    if at_1 and not at_0:
        return Split(column.input, 0, None, True, missing)
    return Split(column.input, at_0 + at_1 - 1, None, False, missing)


def lay_out(
    nodes: Nodes, order: Sequence[int], splits: dict[int, Split], values: Sequence[int]
) -> Tree:
    """The tree in its portable form; `splits` by node, `values` in 1/unit for every node."""
    place = {node: at for at, node in enumerate(order)}
    left, right = nodes.left.tolist(), nodes.right.tolist()
    inputs, cuts, yes, no = [-1] * len(order), [0] * len(order), [0] * len(order), [0] * len(order)
    missing_yes = [False] * len(order)
    words: list[tuple[int, ...] | None] = [None] * len(order)
    for at, node in enumerate(order):
        split = splits.get(node)
        if split is None:
            continue
        inputs[at], cuts[at], words[at] = split.input, split.cut, split.words
        children = (place[left[node]], place[right[node]])
        yes[at], no[at] = reversed(children) if split.swapped else children
        missing_yes[at] = split.missing_left != split.swapped
    return Tree(
        inputs=tuple(inputs),
        cuts=tuple(cuts),
        yes=tuple(yes),
        no=tuple(no),
        missing_yes=tuple(missing_yes),
        words=tuple(words),
        values=tuple(values[node] for node in order),
    )
