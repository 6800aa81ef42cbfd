"""Which rows train and which test, and what is known of their labels.

What a model learns was known when it was trained: a label that was reported later counts as false
there, as it would have. What it is tested on is everything that is known today.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.engine.functions import zone_named
from tidegate.simulation.mapping import Problem
from tidegate.simulation.times import Flags, Int64s, days_of
from tidegate.simulation.training_file import Span, Split, Training, TrainingError
from tidegate.simulation.training_table import TrainingTable

FEWEST = 10
"""Positives that training and test need at least: below it no figure would mean anything."""


@dataclass(frozen=True, eq=False)
class Parts:
    """The rows of the table that train and that test, with their labels (over the whole table).

    `reference` are all rows of the test window on which the model is used; `known` have a label.
    """

    train: Flags
    test: Flags
    train_labels: Flags
    test_labels: Flags
    reference: Flags
    known: Flags
    notes: tuple[str, ...]


def split_rows(table: TrainingTable, training: Training, zone: str) -> Parts:
    """The parts of the table; TrainingError where one of them tells too little."""
    split, label = training.split, training.label
    usable = table.used & ~table.declined
    due = table.at_us + label.after_us <= table.end_us
    train = usable & _within(table.at_us, split.train)
    in_test = usable & _within(table.at_us, split.test)
    known = known_before(table, split, zone) if split.without_known else np.zeros_like(train)
    test = in_test & due & ~known
    train_labels = table.reported_us < split.cutoff_us
    test_labels = table.reported_us <= table.end_us
    late = train & ~train_labels & test_labels
    name = label.name
    told = (
        (late, f"training rows whose `{name}` was reported after the cut-off: taken as not so"),
        (in_test & ~due, f"rows of the test whose `{name}` is not yet known: left out"),
        (in_test & known, f"rows of the test whose `{split.without_known}` was known: left out"),
        (table.declined & table.used, "rows declined at the time, which have no label: left out"),
        (~table.used, "rows outside the model's `use`: left out"),
    )
    notes = tuple(f"{int(rows.sum()):,} {said}" for rows, said in told if rows.any())
    _check(train & train_labels, train, "train", training)
    _check(test & test_labels, test, "test", training)
    reference = table.used & _within(table.at_us, split.test)
    return Parts(train, test, train_labels, test_labels, reference, due & ~table.declined, notes)


def known_before(table: TrainingTable, split: Split, zone: str) -> Flags:
    """Rows whose card was known as compromised when the row's local day began.

    Known is a card of a row, not before the training began, whose label was reported before that
    day.
    """
    counted = (table.at_us >= split.train.start_us) & (table.known_by >= 0)
    size = int(table.known_by.max(initial=-1)) + 1
    first_us = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(first_us, table.known_by[counted], table.reported_us[counted])
    days, places = np.unique(days_of(table.at_us, zone), return_inverse=True)
    table_of_days = zone_named(zone)
    starts = np.array([table_of_days.day_start_us(int(day)) for day in days], np.int64)[places]
    own = np.append(first_us, np.iinfo(np.int64).max)[table.known_by]
    known: Flags = own < starts
    return known


def _within(at_us: Int64s, span: Span) -> Flags:
    inside: Flags = (at_us >= span.start_us) & (at_us < span.end_us)
    return inside


def _check(positives: Flags, rows: Flags, part: str, training: Training) -> None:
    found, of = int(positives.sum()), int(rows.sum())
    if min(found, of - found) >= FEWEST:
        return
    message = f"holds {of:,} rows, {found:,} of them `{training.label.name}`"
    help_ = f"a model needs {FEWEST} of either kind at least: take a longer window"
    if of and not found:
        help_ = (
            f"look at `labels: {training.label.name}: true_values` in the mapping:"
            " `tidegate history check` counts the rows that they make true; or take a longer window"
        )
    raise TrainingError([Problem(str(training.path), f"split.{part}", message, help_)])
