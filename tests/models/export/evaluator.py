"""A portable model, evaluated straight from the docstrings of `models/portable.py`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal, getcontext
from fractions import Fraction

from tidegate.models.portable import (
    Axis,
    Input,
    LinearTerm,
    PortableModel,
    TableTerm,
    Tree,
)

Row = Sequence[int | str | None]

getcontext().prec = 60


def score(model: PortableModel, row: Row) -> int | None:
    """The score in millionths, or None where the model abstains."""
    codes = [code(entry, value) for entry, value in zip(model.inputs, row, strict=True)]
    if any(abstains(entry, value) for entry, value in zip(model.inputs, codes, strict=True)):
        return None
    return linked(model, total(model, codes))


def code(entry: Input, value: int | str | None) -> int | None:
    """An integer is its own code; a text has its place, an unknown one the place after the last."""
    if not isinstance(value, str):
        return value
    return entry.categories.index(value) if value in entry.categories else len(entry.categories)


def abstains(entry: Input, value: int | None) -> bool:
    """Whether the model has no answer for this code."""
    if value is None:
        return not entry.takes_missing
    if entry.is_text:
        return value == len(entry.categories) and not entry.takes_unknown
    return (entry.low is not None and value < entry.low) or (
        entry.high is not None and value > entry.high
    )


def total(model: PortableModel, codes: Sequence[int | None]) -> int:
    """Base and contributions, which are added up in both ways that there are of trees."""
    if not model.trees:
        found = model.base
        for term in model.terms:
            found += (
                linear(term, codes) if isinstance(term, LinearTerm) else table(model, term, codes)
            )
        return found
    moved = [0] * len(model.inputs)
    leaves = 0
    for tree in model.trees:
        leaves += walk(tree, codes, moved)
    by_contributions = model.base + sum(moved)
    roots = sum(tree.values[0] for tree in model.trees)
    assert by_contributions == leaves + model.base - roots
    return by_contributions


def linear(term: LinearTerm, codes: Sequence[int | None]) -> int:
    """One subtraction and one multiplication, rounded half to even."""
    x = codes[term.input]
    return term.missing if x is None else round(term.weight * (x - term.centre))


def table(model: PortableModel, term: TableTerm, codes: Sequence[int | None]) -> int:
    """Look up the row, or row and column."""
    sizes = [size(model, axis) for axis in term.axes]
    places = [place(model, axis, codes) for axis in term.axes]
    assert len(term.values) == (sizes[0] if len(sizes) == 1 else sizes[0] * sizes[1])
    if len(places) == 1:
        return term.values[places[0]]
    return term.values[places[0] * sizes[1] + places[1]]


def size(model: PortableModel, axis: Axis) -> int:
    """All places, that of missing included."""
    entry = model.inputs[axis.input]
    return (len(entry.categories) + 1 if entry.is_text else len(axis.cuts) + 1) + 1


def place(model: PortableModel, axis: Axis, codes: Sequence[int | None]) -> int:
    """Where on the axis the input lies."""
    x = codes[axis.input]
    if x is None:
        return size(model, axis) - 1
    if model.inputs[axis.input].is_text:
        return x
    assert list(axis.cuts) == sorted(set(axis.cuts))
    return bisect_right(axis.cuts, x)


def walk(tree: Tree, codes: Sequence[int | None], moved: list[int]) -> int:
    """The leaf's value; what each split moved the value by is added to its input."""
    node = 0
    while tree.inputs[node] >= 0:
        x = codes[tree.inputs[node]]
        words = tree.words[node]
        if x is None:
            goes = tree.missing_yes[node]
        elif words is not None:
            goes = x in words
        else:
            goes = x <= tree.cuts[node]
        child = tree.yes[node] if goes else tree.no[node]
        assert child > node
        moved[tree.inputs[node]] += tree.values[child] - tree.values[node]
        node = child
    return tree.values[node]


def linked(model: PortableModel, total: int) -> int:
    """Millionths, half to even from the exact value."""
    if model.link == "probability":
        return round(Fraction(10**6 * total, model.unit * model.divisor))
    logit = Decimal(total) / model.unit
    return round(Decimal(10**6) / (1 + (-logit).exp()))
