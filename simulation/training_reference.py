"""What inputs, scores and contributions looked like in the test window: for review and watching."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np

from tidegate.dsl.types import TEXT_KINDS, Kind, Type
from tidegate.engine.values import format_value
from tidegate.models.cards import Window
from tidegate.models.contributions import (
    CONTRIBUTIONS_SCHEMA,
    Contributions,
    Importance,
    ShapeBin,
)
from tidegate.models.portable import PortableModel
from tidegate.models.reference import (
    REFERENCE_SCHEMA,
    ContributionShare,
    Distribution,
    Reference,
    count_bins,
)
from tidegate.models.scored import ScoredColumns
from tidegate.simulation.score_measures import MILLION
from tidegate.simulation.times import Flags, Int64s
from tidegate.simulation.training_table import ReadColumn

EPSILON: Final = 100
"""Millionths: an empty bin counts as one row in ten thousand where logarithms are taken."""

_DECILES = tuple(place / 10 for place in range(1, 10))
_SCORE_QUANTILES = (*_DECILES, 0.95, 0.99, 0.999)


def contributions_of(
    model: PortableModel,
    reads: tuple[ReadColumn, ...],
    scored: ScoredColumns,
    window: Window,
    currency: str,
) -> Contributions:
    """The importance and the shape of every contribution, where the model answered."""
    assert scored.contributions is not None
    answered = scored.answered
    found = scored.contributions[answered].astype(np.int64)
    by_name = {read.name: read for read in reads}
    categories = {entry.name: entry.categories for entry in model.inputs}
    shares = _shares(model, found)
    terms = []
    for place, part in enumerate(shares):
        shape: tuple[ShapeBin, ...] = ()
        if len(part.inputs) == 1:
            read = by_name[part.inputs[0]].at(answered)
            shape = tuple(_shape(read, categories[read.name], found[:, place], currency))
        terms.append(Importance(part.inputs, part.mean_absolute, part.share, shape))
    terms.sort(key=lambda term: (-term.mean_absolute, term.inputs))
    return Contributions(
        schema=CONTRIBUTIONS_SCHEMA,
        model=model.name,
        version=model.version,
        link=model.link,
        unit=model.unit * model.divisor,
        window=window,
        rows=len(found),
        terms=tuple(terms),
    )


def reference_of(
    model: PortableModel,
    reads: tuple[ReadColumn, ...],
    scored: ScoredColumns,
    *,
    model_hash: str,
    window: Window,
    known: Flags,
    positive: Flags,
) -> Reference:
    """The reference over these rows; `known` have a label, and `positive` of them a true one."""
    assert scored.contributions is not None
    scores = scored.scores[scored.answered]
    edges = quantile_edges(scores, _SCORE_QUANTILES)
    return Reference(
        schema=REFERENCE_SCHEMA,
        model=model.name,
        version=model.version,
        model_hash=model_hash,
        window=window,
        rows=len(known),
        labelled=int(known.sum()),
        positives=int((known & positive).sum()),
        abstained=int((~scored.answered).sum()),
        epsilon=EPSILON,
        inputs=tuple(
            _distribution(read, entry.categories)
            for read, entry in zip(reads, model.inputs, strict=True)
        ),
        score=Distribution("score", edges, (), count_bins(edges, scores), 0),
        contributions=tuple(_shares(model, scored.contributions[scored.answered])),
    )


def quantile_edges(values: Int64s, quantiles: tuple[float, ...]) -> tuple[int, ...]:
    """The distinct values at these quantiles, but for the least: edges of bins that hold rows."""
    if not len(values):
        return ()
    ranked = np.sort(values)
    picked = {int(ranked[min(int(q * len(ranked)), len(ranked) - 1)]) for q in quantiles}
    return tuple(sorted(picked - {int(ranked[0])}))


def _distribution(read: ReadColumn, categories: tuple[str, ...]) -> Distribution:
    missing = int((~read.valid).sum())
    if read.type.kind in TEXT_KINDS:
        codes = _category_codes(read, categories)[read.valid]
        counts = np.bincount(codes, minlength=len(categories) + 1)
        return Distribution(read.name, (), categories, tuple(counts.tolist()), missing)
    edges = _edges(read)
    counted = count_bins(edges, read.values[read.valid])
    return Distribution(read.name, edges, (), counted, missing)


def _category_codes(read: ReadColumn, categories: tuple[str, ...]) -> Int64s:
    """For each row the place of its text among the categories; the last place for another."""
    place = {text: code for code, text in enumerate(categories)}
    codes = [place.get(text, len(place)) for text in read.texts] or [len(place)]
    return np.array(codes, np.int64)[read.values]


def _edges(read: ReadColumn) -> tuple[int, ...]:
    if read.type.kind is Kind.FLAG:
        return (1,)
    return quantile_edges(read.values[read.valid], _DECILES)


def _shares(model: PortableModel, found: Int64s) -> Iterator[ContributionShare]:
    sums = [int(np.abs(found[:, place]).sum()) for place in range(found.shape[1])]
    whole, rows = max(sum(sums), 1), max(len(found), 1)
    for names, total in zip(model.contribution_names, sums, strict=True):
        yield ContributionShare(names, round(total / rows), round(MILLION * total / whole))


def _shape(
    read: ReadColumn, categories: tuple[str, ...], part: Int64s, currency: str
) -> Iterator[ShapeBin]:
    for values, rows in _bins(read, categories, currency):
        count = int(rows.sum())
        if count:
            yield ShapeBin(values, count, round(int(part[rows].sum()) / count))
    if not read.valid.all():
        gone = ~read.valid
        yield ShapeBin("missing", int(gone.sum()), round(int(part[gone].sum()) / int(gone.sum())))


def _bins(
    read: ReadColumn, categories: tuple[str, ...], currency: str
) -> Iterator[tuple[str, Flags]]:
    if read.type.kind in TEXT_KINDS:
        codes = _category_codes(read, categories)
        for code, text in enumerate((*categories, "another text")):
            yield text, read.valid & (codes == code)
        return
    edges = _edges(read)
    places = np.searchsorted(np.array(edges, np.int64), read.values, side="right")
    for place, name in enumerate(_bin_names(edges, read.type, currency)):
        yield name, read.valid & (places == place)


def _bin_names(edges: tuple[int, ...], type_: Type, currency: str) -> list[str]:
    if type_.kind is Kind.FLAG:
        return ["false", "true"]
    if not edges:
        return ["any"]
    shown = [format_value(edge, type_, currency) for edge in edges]
    names = [f"below {shown[0]}"]
    names += [f"{low} to below {high}" for low, high in pairwise(shown)]
    return [*names, f"{shown[-1]} and more"]
