"""Portable models of every form at random, and rows for them; small, valid, and fond of edges."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np

from tidegate.dsl.types import (
    COUNT,
    COUNTRY,
    DURATION,
    FLAG,
    MONEY,
    NUMBER,
    TEXT,
    Kind,
    Type,
    Value,
)
from tidegate.models.columns import code_texts
from tidegate.models.portable import (
    Axis,
    Family,
    Input,
    LinearTerm,
    Link,
    PortableModel,
    TableTerm,
    Term,
    Tree,
)
from tidegate.models.scored import InputColumn

Row = tuple[Value | None, ...]

FAMILIES: tuple[Family, ...] = (
    "logistic_regression", "additive", "random_forest", "gradient_boosting",
)  # fmt: skip
TEXTS = ("", "a", "ab", "Ärger", "FR", "DE", "US", "x y", '"', "\\", "{0}", "\n", "日本")
CURRENCIES = ("EUR", "JPY", "BHD")
EXTREMES = (0, 1, -1, 2**53 - 1, 2**53, 2**53 + 1, -(2**53), 2**63 - 1, -(2**63))


def generated_model(rng: Random, wanted: Family | None = None) -> PortableModel:
    """A model that `reading` accepts, of the `wanted` family or of any."""
    family: Family = rng.choice(FAMILIES) if wanted is None else wanted
    inputs = tuple(_input(rng, index, family) for index in range(rng.randint(1, 6)))
    unit = rng.choice((1, 7, 1_000, 10**9))
    if family in {"random_forest", "gradient_boosting"}:
        count = rng.randint(1, 8)
        trees = tuple(_tree(rng, inputs, unit) for _ in range(count))
        base = sum(tree.values[0] for tree in trees)
        link: Link = "probability" if family == "random_forest" else "logit"
        divisor = count if family == "random_forest" else 1
        return PortableModel(
            "m", rng.randint(1, 9), family, link, inputs, base, (), trees, unit, divisor
        )
    terms = tuple(_term(rng, inputs, unit, family) for _ in range(rng.randint(1, 8)))
    base = rng.randint(-3 * unit, 3 * unit)
    return PortableModel("m", rng.randint(1, 9), family, "logit", inputs, base, terms, (), unit, 1)


def generated_rows(rng: Random, model: PortableModel, count: int) -> list[Row]:
    """Rows that like the model's cuts and bounds; now and then a value is missing or unknown."""
    likes = [_likes(model, index) for index in range(len(model.inputs))]
    calm = rng.random() < 0.5
    return [
        tuple(
            _value(rng, entry, liked, calm)
            for entry, liked in zip(model.inputs, likes, strict=True)
        )
        for _ in range(count)
    ]


def columns_of(model: PortableModel, rows: Sequence[Row]) -> list[InputColumn]:
    """The same rows as columns."""
    columns = []
    for index, entry in enumerate(model.inputs):
        values = [row[index] for row in rows]
        if entry.is_text:
            columns.append(code_texts(entry, [None if v is None else str(v) for v in values]))
            continue
        codes = np.array([0 if value is None else int(value) for value in values], dtype=np.int64)
        valid = np.array([value is not None for value in values], dtype=np.bool_)
        columns.append(InputColumn(codes, None if valid.all() else valid))
    return columns


def _input(rng: Random, index: int, family: Family) -> Input:
    name = f"input_{index}"
    takes = {"takes_missing": rng.random() < 0.5, "takes_unknown": rng.random() < 0.5}
    if rng.random() < 0.3:
        categories = tuple(rng.sample(TEXTS, rng.randint(0, 5)))
        types = [TEXT, COUNTRY, Type(Kind.WORD, categories)]
        return Input(name, rng.choice(types), "", categories, **takes)
    type_ = rng.choice((FLAG, COUNT, NUMBER, MONEY, DURATION))
    low, high = sorted((rng.randint(-1_000, 1_000), rng.randint(-1_000, 1_000)))
    if family == "logistic_regression" and rng.random() < 0.2:
        low, high = -(2**60), 2**60
    return Input(
        name,
        type_,
        rng.choice(CURRENCIES) if type_ is MONEY else "",
        (),
        low if rng.random() < 0.7 else None,
        high if rng.random() < 0.7 else None,
        takes["takes_missing"],
    )


def _term(rng: Random, inputs: Sequence[Input], unit: int, family: Family) -> Term:
    index = rng.randrange(len(inputs))
    lines = 0.8 if family == "logistic_regression" else 0.1
    if not inputs[index].is_text and rng.random() < lines:
        # Some weights land exactly between two whole numbers.
        weight = rng.choice((0.5, -0.5, 1.5, 0.0, rng.gauss(0.0, unit / 3_000)))
        weight = min(max(weight, -200.0), 200.0)
        centre = rng.choice((0.0, 1.0, rng.uniform(-1_000.0, 1_000.0)))
        return LinearTerm(index, weight, centre, rng.randint(-unit, unit))
    others = [other for other in range(len(inputs)) if other != index]
    chosen = [index, rng.choice(others)] if others and rng.random() < 0.4 else [index]
    axes = tuple(
        Axis(one, () if inputs[one].is_text else _cuts(rng, rng.randint(0, 6))) for one in chosen
    )
    size = 1
    for axis in axes:
        entry = inputs[axis.input]
        size *= (len(entry.categories) if entry.is_text else len(axis.cuts)) + 2
    return TableTerm(axes, tuple(rng.randint(-2 * unit, 2 * unit) for _ in range(size)))


def _cuts(rng: Random, count: int) -> tuple[int, ...]:
    return tuple(sorted({_cut(rng) for _ in range(count)}))


def _cut(rng: Random) -> int:
    return rng.randint(-1_000, 1_000) if rng.random() < 0.95 else rng.choice(EXTREMES)


def _tree(rng: Random, inputs: Sequence[Input], unit: int) -> Tree:
    columns: list[list[int]] = [[], [], [], [], []]
    inputs_, cuts, yes, no, values = columns
    missing_yes: list[bool] = []
    words: list[tuple[int, ...] | None] = []

    def plant(depth: int) -> int:
        node = len(inputs_)
        for column in columns:
            column.append(0)
        values[node] = rng.randint(0, unit)
        missing_yes.append(False)
        words.append(None)
        inputs_[node] = -1
        if depth == 0 or rng.random() < 0.2:
            return node
        inputs_[node] = rng.randrange(len(inputs))
        entry = inputs[inputs_[node]]
        missing_yes[node] = rng.random() < 0.5
        if entry.is_text:
            codes = range(len(entry.categories) + 1)
            words[node] = tuple(code for code in codes if rng.random() < 0.5)
        else:
            cuts[node] = _cut(rng)
        yes[node] = plant(depth - 1)
        no[node] = plant(depth - 1)
        return node

    plant(rng.randint(0, 6))
    return Tree(
        tuple(inputs_), tuple(cuts), tuple(yes), tuple(no), tuple(missing_yes), tuple(words),
        tuple(values),
    )  # fmt: skip


def _likes(model: PortableModel, index: int) -> list[int]:
    """Values of an integer input at which something turns."""
    entry = model.inputs[index]
    liked = [bound for bound in (entry.low, entry.high) if bound is not None]
    for term in model.terms:
        if isinstance(term, TableTerm):
            liked += [cut for axis in term.axes if axis.input == index for cut in axis.cuts]
    for tree in model.trees:
        liked += [cut for split, cut in zip(tree.inputs, tree.cuts, strict=True) if split == index]
    return liked or [0]


def _value(rng: Random, entry: Input, liked: Sequence[int], calm: bool) -> Value | None:
    rare = 0.01 if calm else 0.2
    if rng.random() < rare:
        return None
    if entry.is_text:
        known = entry.categories if rng.random() > rare and entry.categories else TEXTS
        return rng.choice(known)
    if entry.type is FLAG:
        return rng.random() < 0.5
    value = (
        rng.choice(liked) + rng.choice((-1, 0, 1)) if rng.random() < 0.5 else rng.randint(-999, 999)
    )
    if rng.random() < rare:
        value = rng.choice(EXTREMES)
    elif calm:
        low = -999 if entry.low is None else entry.low
        high = 999 if entry.high is None else entry.high
        value = min(max(value, low), high)
    return min(max(value, -(2**63)), 2**63 - 1)
