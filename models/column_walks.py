"""Walks of many events through all trees, a block of rows at a time and a level at a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tidegate.models.portable import PortableModel, Tree
from tidegate.models.scored import InputColumn, Int64s

BLOCK = 8_192
"""Rows that walk together: their codes stay in the processor's cache."""

LEVELS_BETWEEN = 3
"""So many levels are walked before rows that reached their leaf are left behind."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Block:
    """Codes of some rows, input after input; `missing` is None where all are there."""

    size: int
    codes: Int64s
    missing: Bools | None


class ColumnWalks:
    """The trees of a model, ready for columns."""

    def __init__(self, model: PortableModel) -> None:
        self._model = model
        self._trees = [_ColumnTree(model, tree) for tree in model.trees]

    def totals(
        self, columns: Sequence[InputColumn], *, contributions: bool
    ) -> tuple[Int64s, Int64s | None]:
        """The total of every row, and (rows, inputs) of contributions where they are asked for."""
        count = len(columns[0].codes)
        totals = np.full(count, self._model.base, dtype=np.int64)
        shape = (count, len(columns))
        parts = np.zeros(shape, dtype=np.int64) if contributions else None
        for begin in range(0, count, BLOCK):
            rows = slice(begin, begin + BLOCK)
            block = _block(columns, rows)
            for tree in self._trees:
                leaves = tree.leaves(block)
                totals[rows] += tree.totals.take(leaves)
                if parts is not None:
                    parts[rows] += tree.contributions.take(leaves, axis=0)
        return totals, parts


def _block(columns: Sequence[InputColumn], rows: slice) -> _Block:
    codes = np.concatenate([column.codes[rows] for column in columns], dtype=np.int64)
    size = len(codes) // len(columns)
    valid = [None if column.valid is None else column.valid[rows] for column in columns]
    if all(there is None or there.all() for there in valid):
        return _Block(size, codes, None)
    everywhere = np.zeros(size, dtype=np.bool_)
    missing = [everywhere if there is None else ~there for there in valid]
    return _Block(size, codes, np.concatenate(missing))


class _ColumnTree:
    """One tree. A leaf is its own child on both sides, so that a walk may pass it."""

    def __init__(self, model: PortableModel, tree: Tree) -> None:
        inputs = np.array(tree.inputs, dtype=np.int64)
        nodes = np.arange(len(inputs))
        self._is_inner = inputs >= 0
        self._inputs = np.where(self._is_inner, inputs, 0)
        self._cuts = np.array(tree.cuts, dtype=np.int64)
        yes = np.where(self._is_inner, np.array(tree.yes, dtype=np.int64), nodes)
        no = np.where(self._is_inner, np.array(tree.no, dtype=np.int64), nodes)
        self._children = np.column_stack((yes, no)).ravel()
        self._values = np.array(tree.values, dtype=np.int64)
        self._missing_no = ~np.array(tree.missing_yes, dtype=np.bool_)
        self.totals = self._values - self._values[0]
        self._width = len(model.inputs)
        self._has_words = tree.words.count(None) < len(tree.words)
        if self._has_words:
            self._keep_words(model, tree)

    def _keep_words(self, model: PortableModel, tree: Tree) -> None:
        """`_outside[_first[node] + code]`: whether a split on a text sends the code to `no`."""
        self._on_text = np.array([codes is not None for codes in tree.words], dtype=np.bool_)
        self._first = np.zeros(len(tree.words), dtype=np.int64)
        outside = []
        end = 0
        for node, codes in enumerate(tree.words):
            if codes is None:
                continue
            self._first[node] = end
            here = np.ones(len(model.inputs[tree.inputs[node]].categories) + 1, dtype=np.bool_)
            here[list(codes)] = False
            outside.append(here)
            end += len(here)
        self._outside = np.concatenate(outside)

    @cached_property
    def contributions(self) -> Int64s:
        """(nodes, inputs): what the path to a node contributes, by the input that was asked."""
        parts = np.zeros((len(self._values), self._width), dtype=np.int64)
        level = np.zeros(1, dtype=np.int64)
        while (level := level[self._is_inner[level]]).size:
            below = []
            for side in (0, 1):
                child = self._children[2 * level + side]
                parts[child] = parts[level]
                parts[child, self._inputs[level]] += self._values[child] - self._values[level]
                below.append(child)
            level = np.concatenate(below)
        return parts

    def leaves(self, block: _Block) -> Int64s:
        """The leaf of each row."""
        found = np.zeros(block.size, dtype=np.int64)
        rows = np.arange(block.size)
        nodes = found
        while True:
            going = np.flatnonzero(self._is_inner.take(nodes))
            if not going.size:
                found[rows] = nodes
                return found
            if going.size < rows.size:
                found[rows] = nodes
                rows, nodes = rows.take(going), nodes.take(going)
            for _ in range(LEVELS_BETWEEN):
                nodes = self._children.take(2 * nodes + self._turns(block, rows, nodes))

    def _turns(self, block: _Block, rows: Int64s, nodes: Int64s) -> Bools:
        """Where rows go on to `no`."""
        places = self._inputs.take(nodes) * block.size + rows
        codes = block.codes.take(places)
        turns: Bools = codes > self._cuts.take(nodes)
        if self._has_words:
            here = np.flatnonzero(self._on_text.take(nodes))
            turns[here] = self._outside.take(self._first.take(nodes[here]) + codes[here])
        if block.missing is not None:
            missing = block.missing.take(places)
            turns = np.where(missing, self._missing_no.take(nodes), turns)
        return turns
