"""Proofs that no sum leaves 64 bits, from bounds of every contribution."""

from __future__ import annotations

import math
from typing import NamedTuple

from tidegate.dsl.types import INT64_MAX
from tidegate.models.portable import Input, LinearTerm, PortableModel, Term, Tree
from tidegate.models.refusals import Problems

EXACT_FLOAT = 2**53 - 1
"""Whole numbers of this size and below are binary64 numbers."""


class Span(NamedTuple):
    """The closed interval in which a whole number lies."""

    low: int
    high: int


def linear_inputs(model: PortableModel) -> frozenset[int]:
    """Inputs that a linear term reads."""
    return frozenset(term.input for term in model.terms if isinstance(term, LinearTerm))


def answered_span(entry: Input, *, linear: bool) -> tuple[int | None, int | None]:
    """Where the model answers: the input's own bounds, and those of binary64 in a linear term."""
    if not linear:
        return entry.low, entry.high
    low = -EXACT_FLOAT if entry.low is None else max(entry.low, -EXACT_FLOAT)
    high = EXACT_FLOAT if entry.high is None else min(entry.high, EXACT_FLOAT)
    return low, high


def prove_sums(model: PortableModel, problems: Problems) -> None:
    """Note where a contribution or a total could leave int64, or a probability 0 to 1."""
    spans = []
    for index, term in enumerate(model.terms):
        span = _term_span(model, term)
        if span is None:
            problems.add(
                f"terms[{index}].weight", "leaves 64 bits: give its input `low` and `high`"
            )
            return
        spans.append(span)
    spans += [_tree_span(tree) for tree in model.trees]
    swings = sum(max(abs(span.low), abs(span.high)) for span in spans) + abs(model.base)
    if model.trees:
        swings += sum(_path_swing(tree) for tree in model.trees)
    if swings > INT64_MAX:
        problems.add("base", "and the contributions may leave 64 bits: use a coarser `unit`")
        return
    low = model.base + sum(span.low for span in spans)
    high = model.base + sum(span.high for span in spans)
    if model.link == "probability" and not 0 <= low <= high <= model.unit * model.divisor:
        problems.add(
            "link", f"is a probability, and totals may reach {low} or {high}: correct `divisor`"
        )


def _term_span(model: PortableModel, term: Term) -> Span | None:
    """What a term may contribute; None where no bound is below 64 bits."""
    if not isinstance(term, LinearTerm):
        return Span(min(term.values), max(term.values))
    low, high = answered_span(model.inputs[term.input], linear=True)
    ends = [term.weight * (x - term.centre) for x in (low, high) if x is not None]
    if not all(math.isfinite(end) and abs(end) < INT64_MAX for end in ends):
        return None
    values = (*map(round, ends), term.missing)
    return Span(min(values), max(values))


def _tree_span(tree: Tree) -> Span:
    """What a tree may add to its root's value."""
    leaves = [v for v, split in zip(tree.values, tree.inputs, strict=True) if split < 0]
    return Span(min(leaves) - tree.values[0], max(leaves) - tree.values[0])


def _path_swing(tree: Tree) -> int:
    """A bound of what the splits on one input can add up to along any path, by the steps' sizes."""
    reach = [0] * len(tree.values)
    values, most = tree.values, 0
    for node, split in enumerate(tree.inputs):
        if split < 0:
            most = max(most, reach[node])
            continue
        for child in (tree.yes[node], tree.no[node]):
            reach[child] = reach[node] + abs(values[child] - values[node])
    return most
