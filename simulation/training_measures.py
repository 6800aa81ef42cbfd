"""The figures of a card: over the whole test, by week and by segment, with intervals of 95 %.

Area, average precision, card precision and calibration error have the interval of the cluster
bootstrap by card; shares in the bins of the calibration have Wilson's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from tidegate.dsl.program import Program
from tidegate.dsl.rates import format_day
from tidegate.engine.column_batch import CodedColumn, Column
from tidegate.engine.values import format_decimal, format_money
from tidegate.models.cards import Metric, Sample
from tidegate.rules.gate import Segments
from tidegate.simulation.measures import rate
from tidegate.simulation.score_measures import (
    BINS,
    MILLION,
    Calibration,
    CardRanking,
    Measure,
    Ranking,
    ScoredRows,
    bins_of,
    measure_all,
)
from tidegate.simulation.segments import MISSING
from tidegate.simulation.times import Flags
from tidegate.simulation.training_file import Training

WEEK_DAYS = 7
MAX_SEGMENTS = 40
FEWEST = 5
"""A part of the test with fewer positives, or fewer others, has no figures but its counts."""

Parts = Iterator[tuple[str, Flags]]


def all_metrics(
    scored: ScoredRows, segments: Sequence[Column], training: Training, program: Program
) -> Iterator[Metric]:
    """Every metric of the card; `segments` has the rows of `scored`."""
    everything = np.ones(scored.rows, np.bool_)
    yield from _part("all", scored, training, by_day=True)
    found = list(weeks(scored))
    for name, rows in found if len(found) > 1 else ():
        yield from _part(name, scored.at(rows), training, by_day=True)
    for declared, column in zip(training.segments, segments, strict=True):
        for name, rows in segments_of(declared, column, program.currency):
            yield from _part(name, scored.at(rows), training, by_day=False)
    yield from _bins(scored.at(everything))


def _part(name: str, scored: ScoredRows, training: Training, *, by_day: bool) -> Iterator[Metric]:
    sample = Sample(scored.rows, scored.positives)
    base = rate(sample.positives, sample.rows)
    yield Metric(
        "base_rate", name, sample, base.millionths, base.low_millionths, base.high_millionths
    )
    measures: dict[str, Measure] = {}
    if min(sample.positives, sample.rows - sample.positives) >= FEWEST:
        ranking = Ranking(scored)
        measures["auc"] = ranking.area
        measures["average_precision"] = ranking.average_precision
        if by_day:
            alerts = training.alerts_per_day
            measures[f"card_precision_at_{alerts}"] = CardRanking(scored, alerts).precision
        measures["calibration_error"] = Calibration(scored).error
    found = measure_all(scored, list(measures.values()), training.replicates, training.seed)
    for metric, figure in zip(measures, found, strict=True):
        yield Metric(metric, name, sample, *figure)
        if metric.startswith("card_precision"):
            yield Metric(f"most_{metric}", name, sample, _most(scored, training), None, None)


def _most(scored: ScoredRows, training: Training) -> int | None:
    """The card precision of scores that know every label: days have few frauds to be found."""
    perfect = replace(scored, scores=np.where(scored.labels, MILLION, 0))
    found = CardRanking(perfect, training.alerts_per_day).precision(np.ones(scored.rows))
    return None if found is None else round(found * MILLION)


def weeks(scored: ScoredRows) -> Parts:
    """The weeks of the test, from its first day on."""
    first = int(scored.days.min(initial=0)) if not scored.rows else int(scored.days.min())
    week = (scored.days - first) // WEEK_DAYS
    for number in np.unique(week).tolist():
        yield f"week of {format_day(first + number * WEEK_DAYS)}", week == number


def segments_of(declared: Segments, column: Column, currency: str) -> Parts:
    """The values of a field, or its bands, the largest first; no more than `MAX_SEGMENTS`."""
    found = list(_values(declared, column, currency))
    found.sort(key=lambda part: -int(part[1].sum()))
    for name, rows in found[:MAX_SEGMENTS]:
        yield f"{declared.field} {name}", rows


def _values(declared: Segments, column: Column, currency: str) -> Parts:
    if isinstance(column, CodedColumn):
        for code in np.unique(column.codes).tolist():
            text = MISSING if code < 0 else f"= {column.dictionary[code]}"
            yield text, column.codes == code
        return
    values = column.values.astype(np.int64)
    valid = np.ones(len(values), np.bool_) if column.valid is None else column.valid
    if not valid.all():
        yield MISSING, ~valid
    if not declared.bands:
        yield "= false", valid & (values == 0)
        yield "= true", valid & (values == 1)
        return
    places = np.searchsorted(np.array(declared.bands), values, side="right")
    edges = [format_money(edge, currency) for edge in declared.bands]
    names = [f"below {edges[0]}"]
    names += [f"{low} to below {high}" for low, high in pairwise(edges)]
    names.append(f"{edges[-1]} and more")
    for place, name in enumerate(names):
        rows = valid & (places == place)
        if rows.any():
            yield name, rows


def _bins(scored: ScoredRows) -> Iterator[Metric]:
    """Mean score and share of positives in each bin of the calibration that has rows."""
    bins = bins_of(scored.scores)
    for place in range(BINS):
        rows = bins == place
        if not rows.any():
            continue
        part = scored.at(rows)
        sample = Sample(part.rows, part.positives)
        name = f"score from {format_decimal(place, 1)} to {format_decimal(place + 1, 1)}"
        mean = round(int(part.scores.sum()) / part.rows)
        share = rate(sample.positives, sample.rows)
        yield Metric("mean_score", name, sample, mean, None, None)
        yield Metric(
            "share_of_positives", name, sample,
            share.millionths, share.low_millionths, share.high_millionths,
        )  # fmt: skip
