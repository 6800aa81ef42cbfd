"""Made-up payments with every kind of input, for the policy and for an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegate.dsl.types import COUNT, COUNTRY, DURATION, FLAG, MONEY, NUMBER, TEXT, Kind, Type
from tidegate.models.export import InputSpec, quantisation_bound
from tidegate.models.portable import PortableModel, TableTerm
from tidegate.models.scoring import compile_scorer

COUNTRIES = ("DE", "FR", "NL", "PL", "SE")
CHANNELS = ("app", "shop", "web")
Floats = npt.NDArray[np.float64]

SPECS = {
    "amount": InputSpec("amount", MONEY, currency="EUR", scale=100, low=-(10**8), high=10**8),
    "payments": InputSpec("payments", COUNT, low=-1, high=10**4),
    "risk": InputSpec("risk", NUMBER, scale=10**6, low=-1, high=10**7),
    "age": InputSpec("age", DURATION, scale=3_600 * 10**6, low=-1, high=10**13),
    "returning": InputSpec("returning", FLAG),
    "issued_in": InputSpec("issued_in", COUNTRY, categories={c: c for c in COUNTRIES}),
    "channel": InputSpec("channel", Type(Kind.WORD, CHANNELS), categories={c: c for c in CHANNELS}),
    "note": InputSpec("note", TEXT, categories={1.0: "gift", 2.0: "rent", 4.0: "loan"}),
}


@dataclass(frozen=True, slots=True)
class Payments:
    """Rows of policy values, the X that they make, and labels."""

    specs: tuple[InputSpec, ...]
    rows: list[list[int | str | None]]
    y: npt.NDArray[np.int64]

    @property
    def x(self) -> Floats:
        """The rows as the estimator sees them; no text may be among them."""
        return seen(self.specs, self.rows).astype(np.float64)

    @property
    def objects(self) -> npt.NDArray[np.object_]:
        """The same with texts."""
        return seen(self.specs, self.rows)

    def with_rows(self, rows: list[list[int | str | None]]) -> Payments:
        """Other rows of the same inputs."""
        return replace(self, rows=rows)

    def with_unknown(self) -> Payments:
        """Some texts changed into ones that no model knows, which every input takes."""
        rows = [list(row) for row in self.rows]
        specs = tuple(replace(spec, takes_unknown=spec.is_text) for spec in self.specs)
        for j, spec in enumerate(specs):
            if spec.is_text:
                for i in range(j, len(rows), 9):
                    rows[i][j] = "XX"
        return replace(self, specs=specs, rows=rows)


def seen(
    specs: Sequence[InputSpec], rows: Sequence[Sequence[int | str | None]]
) -> npt.NDArray[np.object_]:
    """What an estimator sees of policy values."""
    found = np.empty((len(rows), len(specs)), dtype=object)
    for j, spec in enumerate(specs):
        back = {text: value for value, text in spec.categories.items()}
        for i, row in enumerate(rows):
            value = row[j]
            if value is None:
                found[i, j] = np.nan
            elif isinstance(value, str):
                found[i, j] = back.get(value, value)
            else:
                found[i, j] = float(value) / spec.scale
    return found


def payments(
    seed: int,
    names: Sequence[str],
    *,
    count: int = 400,
    missing: float = 0.0,
    **changes: Any,
) -> Payments:
    """Payments with these inputs, a share of each value missing."""
    dice = np.random.default_rng(seed)
    specs = tuple(replace(SPECS[name], **changes) for name in names)
    columns = [_column(dice, spec, count) for spec in specs]
    pull = sum(
        dice.normal() * _standardised([_number(value) for value in column]) for column in columns
    )
    y = (pull + dice.normal(size=count) > np.quantile(pull, 0.7)).astype(np.int64)
    for column in columns:
        for i in np.flatnonzero(dice.random(count) < missing):
            column[i] = None
    return Payments(specs, [list(row) for row in zip(*columns, strict=True)], y)


def _column(dice: np.random.Generator, spec: InputSpec, count: int) -> list[Any]:
    if spec.is_text:
        texts = list(spec.categories.values())
        return [texts[i] for i in dice.integers(0, len(texts), count)]
    match spec.type.kind:
        case Kind.FLAG:
            found = dice.integers(0, 2, count)
        case Kind.COUNT:
            found = dice.poisson(4, count)
        case Kind.MONEY:
            found = np.round(dice.lognormal(8, 1.2, count)).astype(np.int64) - 500
        case Kind.NUMBER:
            found = dice.integers(0, 10**6, count)
        case _:
            found = dice.integers(0, 30 * 24 * 3_600 * 10**6, count)
    return [int(value) for value in found]


def _number(value: Any) -> float:
    return float(value) if not isinstance(value, str) else float(len(value) * 7 + ord(value[0]))


def _standardised(values: Sequence[float]) -> Floats:
    column: Floats = np.asarray(values, np.float64)
    centred: Floats = column - column.mean()
    return centred / (float(column.std()) or 1.0)


def agree(
    model: PortableModel, rows: Sequence[Sequence[int | str | None]], probabilities: Floats
) -> float:
    """Check every row against the library; give the largest difference in millionths."""
    bound = quantisation_bound(model)
    assert bound < 1.0
    scorer = compile_scorer(model)
    worst = 0.0
    for row, probability in zip(rows, probabilities.tolist(), strict=True):
        given = scorer.score(row).score
        assert given is not None, row
        difference = abs(given - 10**6 * probability)
        assert difference <= bound, (row, given, probability)
        worst = max(worst, difference)
    return worst


def frame(given: Payments) -> pd.DataFrame:
    """The rows as a frame with numbers and categories."""
    columns = {}
    for j, spec in enumerate(given.specs):
        values = list(given.objects[:, j])
        dtype = (
            pd.CategoricalDtype(sorted({v for v in values if isinstance(v, str)}))
            if spec.is_text
            else float
        )
        columns[spec.name] = pd.Series(values, dtype=dtype)
    return pd.DataFrame(columns)


def beside(model: PortableModel, rows: Sequence[list[int | str | None]]) -> list[list[Any]]:
    """Rows whose integers are cuts of the model, and their neighbours: where rounding shows."""
    at: dict[int, set[int]] = {}
    for tree in model.trees:
        for place, cut, words in zip(tree.inputs, tree.cuts, tree.words, strict=True):
            if place >= 0 and words is None:
                at.setdefault(place, set()).add(cut)
    for term in model.terms:
        if isinstance(term, TableTerm):
            for axis in term.axes:
                at.setdefault(axis.input, set()).update(axis.cuts)
    found = []
    for place, cuts in at.items():
        entry = model.inputs[place]
        if entry.is_text:
            continue  # its codes have no neighbours
        low, high = entry.low, entry.high
        if entry.type.kind is Kind.FLAG:
            low, high = 0, 1
        assert low is not None
        assert high is not None
        near = sorted({x for cut in cuts for x in range(cut - 1, cut + 2) if low <= x <= high})
        for i, x in enumerate(near[:: 1 + len(near) // 200]):
            row = list(rows[i % len(rows)])
            row[place] = x
            found.append(row)
    return found or [list(row) for row in rows]
