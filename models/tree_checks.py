"""Whether trees are trees: children behind their parents, each with one, and no walk too long."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidegate.models.portable import PortableModel, Tree
from tidegate.models.refusals import Problems

MAX_DEPTH = 256
"""Splits from the root to a leaf; so many steps a walk takes at most."""

MAX_STEPS = 50_000
"""Steps of the longest walk through all trees together: one event takes so many at most."""

MAX_CODES = 1_000_000
"""Category codes at the splits of all trees."""

Column = npt.NDArray[np.int64]


def check_trees(model: PortableModel, problems: Problems) -> None:
    """Note what is wrong in the trees, each in time linear in its nodes."""
    known = [len(entry.categories) if entry.is_text else -1 for entry in model.inputs]
    steps = sum(
        _check_tree(tree, np.array(known, dtype=np.int64), f"trees[{index}]", problems)
        for index, tree in enumerate(model.trees)
    )
    if steps > MAX_STEPS:
        says = f"take {steps} steps to walk through, and {MAX_STEPS} at most are read"
        problems.add("trees", f"{says}: train fewer of them, or with a `max_depth`")
    if sum(len(codes) for tree in model.trees for codes in tree.words if codes) > MAX_CODES:
        problems.add("trees", f"hold more than {MAX_CODES} codes: keep the frequent categories")


def _check_tree(tree: Tree, known: Column, path: str, problems: Problems) -> int:
    """How deep the tree is, 0 where it is none.

    `known` has the number of categories of each input, -1 of those that are no texts.
    """
    count = len(tree.inputs)
    if not count:
        problems.add(f"{path}.inputs", "is empty: a tree has at least its root")
        return 0
    columns = (tree.cuts, tree.yes, tree.no, tree.missing_yes, tree.words, tree.values)
    if any(len(column) != count for column in columns):
        problems.add(
            path, f"has columns of unequal length: each has one entry a node, {count} here"
        )
        return 0
    inputs = np.array(tree.inputs, dtype=np.int64)
    outside = (inputs < -1) | (inputs >= len(known))
    if outside.any():
        where = int(outside.argmax())
        most = len(known) - 1
        problems.add(
            f"{path}.inputs[{where}]", f"is {inputs[where]}: use 0 to {most}, -1 for a leaf"
        )
        return 0
    inner = inputs >= 0
    depth = _check_children(tree, inner, path, problems)
    if depth is None:
        return 0
    _check_words(tree, np.where(inner, known[inputs], -1), path, problems)
    return depth


def _check_children(
    tree: Tree, inner: npt.NDArray[np.bool_], path: str, problems: Problems
) -> int | None:
    """How deep the tree is; None where it is none."""
    count, at = len(inner), np.flatnonzero(inner)
    yes, no = np.array(tree.yes, dtype=np.int64), np.array(tree.no, dtype=np.int64)
    for name, column in (("yes", yes), ("no", no)):
        wrong = (column[at] <= at) | (column[at] >= count)
        if wrong.any():
            node = int(at[wrong.argmax()])
            says = f"is {column[node]}: a child stands after its parent, below {count}"
            problems.add(f"{path}.{name}[{node}]", f"{says}, so sort the nodes")
            return None
    parents = np.bincount(np.concatenate((yes[at], no[at])), minlength=count)
    parents[0] += 1
    if (parents != 1).any():
        node = int((parents != 1).argmax())
        says = f"node {node} is the child of {parents[node]} nodes, not of one"
        problems.add(path, f"is no tree: {says}; write each node once")
        return None
    level = np.zeros(1, dtype=np.int64)
    for depth in range(MAX_DEPTH + 1):
        level = level[inner[level]]
        if not level.size:
            return depth
        level = np.concatenate((yes[level], no[level]))
    problems.add(path, f"is deeper than {MAX_DEPTH} splits: train it with a `max_depth`")
    return None


def _check_words(tree: Tree, known: Column, path: str, problems: Problems) -> None:
    """`known` has for each node the categories of its split, -1 where it is not on a text."""
    if tree.words.count(None) == len(tree.words) and not (known >= 0).any():
        return
    for node, (codes, most) in enumerate(zip(tree.words, known.tolist(), strict=True)):
        if (codes is not None) != (most >= 0):
            what = "is not there at a split on a text" if codes is None else "is at no such split"
            problems.add(f"{path}.words[{node}]", f"{what}: only splits on a text have codes")
        elif codes and not 0 <= codes[0] <= codes[-1] <= most:
            problems.add(f"{path}.words[{node}]", f"holds a code outside 0 to {most}: leave it out")
