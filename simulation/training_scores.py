"""The portable model on the table it came from: its scores, and whether they are the library's."""

from __future__ import annotations

from typing import Any

import numpy as np

from tidegate.models.cards import Export
from tidegate.models.columns import ColumnScorer
from tidegate.models.portable import Input, PortableModel
from tidegate.models.scored import InputColumn, ScoredColumns
from tidegate.simulation.mapping import Problem
from tidegate.simulation.score_measures import MILLION
from tidegate.simulation.times import Flags
from tidegate.simulation.training_estimators import Design, one_thread
from tidegate.simulation.training_file import Training, TrainingError
from tidegate.simulation.training_table import ReadColumn, TrainingTable


def score_rows(
    model: PortableModel, table: TrainingTable, rows: Flags, *, contributions: bool = False
) -> ScoredColumns:
    """The model's scores of some rows of the table."""
    pairs = zip(model.inputs, table.reads, strict=True)
    columns = [_codes(entry, read.at(rows)) for entry, read in pairs]
    return ColumnScorer(model).score(columns, contributions=contributions)


def _codes(entry: Input, read: ReadColumn) -> InputColumn:
    valid = None if read.valid.all() else read.valid
    if not entry.is_text:
        return InputColumn(read.values, valid)
    place = {text: code for code, text in enumerate(entry.categories)}
    codes = np.array([place.get(text, len(place)) for text in read.texts] or [0], np.int64)
    return InputColumn(np.where(read.valid, codes[read.values], 0), valid)


def compare(
    estimator: Any, made: Design, rows: Flags, scored: ScoredColumns, bound: float
) -> Export:
    """How far the scores are from `predict_proba`, where the model answers.

    bound: in millionths of probability, what `quantisation_bound` says of the model.
    """
    with one_thread():
        said = estimator.predict_proba(made.rows(rows))[:, 1][scored.answered]
    apart = np.abs(scored.scores[scored.answered] - said * MILLION)
    largest = float(apart.max(initial=0.0))
    return Export(
        bound=_probability(bound),
        largest_difference=_probability(largest),
        rows=len(apart),
        beyond=int((apart > bound).sum()),
    )


def check_export(found: Export, training: Training) -> None:
    """TrainingError where the portable model is not the library's."""
    if not found.beyond and found.rows:
        return
    message = (
        f"the portable model differs from the library's own in {found.beyond:,} of"
        f" {found.rows:,} rows, by up to {found.largest_difference}; {found.bound} is the bound"
    )
    help_ = "this is a defect of the export: report it, with the training file"
    if not found.rows:
        message, help_ = "the model abstains on every row of the test", "look at `abstain_outside`"
    raise TrainingError([Problem(str(training.path), "estimator", message, help_)])


def _probability(millionths: float) -> str:
    """A probability as a decimal text."""
    return f"{millionths / MILLION:.12f}"
