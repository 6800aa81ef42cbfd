"""Walks through a model's trees that give all contributions at once.

Each leaf holds what its whole path contributes, packed into one integer: a lane of 64 bits for each
input, and one more for the total. Adding two such integers adds all lanes; a lane that is negative
borrows from the next one, which the bias taken off at the end gives back. `proofs.prove_sums` shows
that no lane's sum leaves 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct

from tidegate.models.portable import PortableModel, Tree

LANE = 64
Row = Sequence[int | None]
Walk = Callable[[Row], tuple[int, tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Walks:
    """Two walks with one result, the total and the contributions.

    complete: for rows in which nothing is missing, where no split is on a text (`has_words`);
    any: for all rows of codes, None for a missing one.
    """

    complete: Walk
    any: Walk
    has_words: bool


@dataclass(frozen=True, slots=True)
class _Forest:
    """All trees in one row of nodes; a child that is a leaf is `-1 - place` in `leaves`."""

    roots: tuple[int, ...]
    inputs: list[int]
    cuts: list[int]
    yes: list[int]
    no: list[int]
    missing_yes: list[bool]
    words: list[frozenset[int] | None]
    leaves: list[int]


def compile_walks(model: PortableModel) -> Walks:
    """The walks of a model of trees."""
    forest = _forest(model)
    width = len(model.inputs)
    bias = sum(1 << (LANE * lane + LANE - 1) for lane in range(width + 1))
    start = bias + (model.base << LANE * width)
    unpack = Struct(f"<{width + 1}q").unpack
    size = (width + 1) * LANE // 8
    roots, inputs, cuts = forest.roots, forest.inputs, forest.cuts
    yes, no, leaves = forest.yes, forest.no, forest.leaves
    missing_yes, words = forest.missing_yes, forest.words

    def opened(packed: int) -> tuple[int, tuple[int, ...]]:
        # With its highest bit turned, a biased lane is two's complement.
        lanes = unpack((packed ^ bias).to_bytes(size, "little"))
        return lanes[-1], lanes[:-1]

    def complete(row: Row) -> tuple[int, tuple[int, ...]]:
        packed = start
        for root in roots:
            node = root
            while node >= 0:
                node = yes[node] if row[inputs[node]] <= cuts[node] else no[node]  # type: ignore[operator]
            packed += leaves[node]
        return opened(packed)

    def every(row: Row) -> tuple[int, tuple[int, ...]]:
        packed = start
        for root in roots:
            node = root
            while node >= 0:
                code, among = row[inputs[node]], words[node]
                if code is None:
                    goes = missing_yes[node]
                else:
                    goes = code <= cuts[node] if among is None else code in among
                node = yes[node] if goes else no[node]
            packed += leaves[node]
        return opened(packed)

    has_words = any(codes is not None for codes in words)
    return Walks(complete, every, has_words)


def _forest(model: PortableModel) -> _Forest:
    forest = _Forest((), [], [], [], [], [], [], [])
    leaves: list[int] = []
    roots = [_plant(tree, forest, leaves, len(model.inputs)) for tree in model.trees]
    # A leaf's place counts from the end, so that it is a negative index without arithmetic.
    return _Forest(
        tuple(roots), forest.inputs, forest.cuts, forest.yes, forest.no, forest.missing_yes,
        forest.words, leaves[::-1],
    )  # fmt: skip


def _plant(tree: Tree, forest: _Forest, leaves: list[int], total_lane: int) -> int:
    """Add a tree's nodes; the place of its root."""
    place, packed = [0] * len(tree.values), [0] * len(tree.values)
    inner = len(forest.inputs)
    for node, split in enumerate(tree.inputs):
        if split >= 0:
            place[node], inner = inner, inner + 1
            for child in (tree.yes[node], tree.no[node]):
                step = tree.values[child] - tree.values[node]
                packed[child] = packed[node] + (step << LANE * split)
        else:
            total = tree.values[node] - tree.values[0]
            leaves.append(packed[node] + (total << LANE * total_lane))
            place[node] = -len(leaves)
    for node, split in enumerate(tree.inputs):
        if split >= 0:
            codes = tree.words[node]
            forest.inputs.append(split)
            forest.cuts.append(tree.cuts[node])
            forest.yes.append(place[tree.yes[node]])
            forest.no.append(place[tree.no[node]])
            forest.missing_yes.append(tree.missing_yes[node])
            forest.words.append(None if codes is None else frozenset(codes))
    return place[0]
