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
from typing import Any

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


Node = tuple[Any, ...]
"""(input, cut, yes, no), and in `any` walks missing_yes and the set of codes, None for an integer.

A leaf is no input and, in the place of the cut, what its path contributes.
"""


def compile_walks(model: PortableModel) -> Walks:
    """The walks of a model of trees."""
    has_words = any(codes is not None for tree in model.trees for codes in tree.words)
    takes_missing = any(entry.takes_missing for entry in model.inputs)
    lanes = _Lanes(model)
    packed = [_packed(tree, len(model.inputs)) for tree in model.trees]
    planted = list(zip(model.trees, packed, strict=True))
    every = complete = _walk_any([_plant(*one, _wide) for one in planted], lanes)
    if not has_words:
        complete = _walk_complete([_plant(*one, _narrow) for one in planted], lanes)
    if not has_words and not takes_missing:
        every = complete
    return Walks(complete, every, has_words)


class _Lanes:
    """How a packed sum is begun and opened."""

    def __init__(self, model: PortableModel) -> None:
        count = len(model.inputs) + 1
        bias = sum(1 << (LANE * lane + LANE - 1) for lane in range(count))
        unpack, size = Struct(f"<{count}q").unpack, count * LANE // 8

        def opened(packed: int) -> tuple[int, tuple[int, ...]]:
            # With its highest bit turned, a biased lane is two's complement.
            lanes = unpack((packed ^ bias).to_bytes(size, "little"))
            return lanes[-1], lanes[:-1]

        self.opened = opened
        self.start = bias + (model.base << LANE * (count - 1))


def _walk_complete(roots: Sequence[Node], lanes: _Lanes) -> Walk:
    start, opened = lanes.start, lanes.opened

    def walk(row: Row) -> tuple[int, tuple[int, ...]]:
        packed = start
        for root in roots:
            split, cut, yes, no = root
            while split is not None:
                # Two ways to unpack are faster than one of a chosen node.
                if row[split] <= cut:
                    split, cut, yes, no = yes
                else:
                    split, cut, yes, no = no
            packed += cut
        return opened(packed)

    return walk


def _walk_any(roots: Sequence[Node], lanes: _Lanes) -> Walk:
    start, opened = lanes.start, lanes.opened

    def walk(row: Row) -> tuple[int, tuple[int, ...]]:
        packed = start
        for root in roots:
            split, cut, yes, no, missing_yes, words = root
            while split is not None:
                code = row[split]
                if code is None:
                    goes = missing_yes
                else:
                    goes = code <= cut if words is None else code in words
                split, cut, yes, no, missing_yes, words = yes if goes else no
            packed += cut
        return opened(packed)

    return walk


def _packed(tree: Tree, total_lane: int) -> list[int]:
    """What the path to each node contributes; of use at leaves."""
    packed = [0] * len(tree.values)
    for node, split in enumerate(tree.inputs):
        if split < 0:
            total = tree.values[node] - tree.values[0]
            packed[node] += total << LANE * total_lane
            continue
        for child in (tree.yes[node], tree.no[node]):
            step = tree.values[child] - tree.values[node]
            packed[child] = packed[node] + (step << LANE * split)
        packed[node] = 0
    return packed


def _plant(tree: Tree, packed: Sequence[int], shape: Callable[..., Node]) -> Node:
    """The root of a tree of tuples; children are made before their parents."""
    nodes: list[Node] = [()] * len(tree.inputs)
    for node in range(len(nodes) - 1, -1, -1):
        if tree.inputs[node] < 0:
            nodes[node] = shape(None, packed[node], (), (), False, None)
            continue
        codes = tree.words[node]
        nodes[node] = shape(
            tree.inputs[node],
            tree.cuts[node],
            nodes[tree.yes[node]],
            nodes[tree.no[node]],
            tree.missing_yes[node],
            None if codes is None else frozenset(codes),
        )
    return nodes[0]


def _wide(*parts: Any) -> Node:
    return parts


def _narrow(*parts: Any) -> Node:
    return parts[:4]
