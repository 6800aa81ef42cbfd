"""Which rows train and test, and that nothing is known before it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.simulation.tables import DAY_US, START_US, days_after, scored_training, split, table
from tidegate.simulation import training_split
from tidegate.simulation.training_file import TrainingError
from tidegate.simulation.training_split import known_before, split_rows


@pytest.fixture(autouse=True)
def _few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_split, "FEWEST", 1)


def _flags(*places: int, of: int) -> Any:
    flags = np.zeros(of, np.bool_)
    flags[list(places)] = True
    return flags


def test_a_window_holds_its_start_and_not_its_end() -> None:
    days = [-0.5, 0, 9.9, 10, 23.9, 24, 29.9, 30]
    reported = days_after([1, 1, None, 12, 25, 25, None, 31])
    training = scored_training(split=split((0, 10), 14, (24, 30)))
    parts = split_rows(table(days, reported_us=reported), training, "UTC")
    assert parts.train.tolist() == _flags(1, 2, of=8).tolist()
    assert parts.test.tolist() == _flags(5, 6, of=8).tolist()


def test_a_label_that_came_after_the_cut_off_was_not_known() -> None:
    """The largest leak of all: a model that learns from reports of the future."""
    days = [1, 2, 3, 4, 25, 26]
    reported = days_after([5, 23.99, 24, None, 40, None])
    training = scored_training(split=split((0, 10), 14, (24, 30)))
    parts = split_rows(table(days, reported_us=reported), training, "UTC")
    assert parts.train_labels[:4].tolist() == [True, True, False, False]
    assert parts.test_labels[4:].tolist() == [True, False]
    assert parts.notes == (
        "1 training rows whose `fraud` was reported after the cut-off: taken as not so",
    )


def test_a_row_whose_label_is_not_due_tests_nothing() -> None:
    days = [1, 2, 25, 26, 29]
    reported = days_after([3, None, 26, None, None])
    training = scored_training(split=split((0, 10), 14, (24, 30)))
    ended = table(days, reported_us=reported, end_us=START_US + 40 * DAY_US)
    parts = split_rows(ended, training, "UTC")
    assert parts.test.tolist() == _flags(2, 3, of=5).tolist()
    assert parts.reference.tolist() == _flags(2, 3, 4, of=5).tolist()
    assert parts.notes == ("1 rows of the test whose `fraud` is not yet known: left out",)


def test_declined_rows_and_rows_outside_use_are_left_out() -> None:
    days = [1, 2, 3, 4, 25, 26, 27, 28]
    reported = days_after([3, None, None, None, 26, None, None, None])
    training = scored_training(split=split((0, 10), 14, (24, 30)))
    made = table(days, reported_us=reported, declined=_flags(2, 6, of=8), used=~_flags(3, 7, of=8))
    parts = split_rows(made, training, "UTC")
    assert parts.train.tolist() == _flags(0, 1, of=8).tolist()
    assert parts.test.tolist() == _flags(4, 5, of=8).tolist()
    assert parts.reference.tolist() == _flags(4, 5, 6, of=8).tolist()
    assert parts.known.tolist() == (~_flags(2, 6, of=8)).tolist()


def test_a_known_card_leaves_from_the_day_after_its_report() -> None:
    """Reported on day 24 at noon: known from the first moment of day 25, and not before."""
    days = [5, 24.6, 24.99, 25.0, 26, 26]
    cards = np.array([0, 0, 0, 0, 0, 1])
    reported = days_after([24.5, None, None, None, None, None])
    known = known_before(
        table(days, reported_us=reported, known_by=cards), split((0, 10), 14, (24, 30)), "UTC"
    )
    assert known.tolist() == [False, False, False, True, True, False]


def test_reports_of_rows_before_the_training_are_not_counted() -> None:
    days = [-3, 25]
    made = table(days, reported_us=days_after([2, None]), known_by=np.array([0, 0]))
    assert not known_before(made, split((0, 10), 14, (24, 30)), "UTC").any()


def test_rows_without_a_card_are_never_known() -> None:
    made = table([1, 25], reported_us=days_after([2, None]), known_by=np.array([-1, -1]))
    assert not known_before(made, split((0, 10), 14, (24, 30)), "UTC").any()


@pytest.mark.parametrize(
    ("reported", "part"), [([None, None, 26, None], "train"), ([3, None, None, None], "test")]
)
def test_a_part_without_positives_is_refused(reported: list[float | None], part: str) -> None:
    training = scored_training(split=split((0, 10), 14, (24, 30)))
    with pytest.raises(TrainingError) as raised:
        split_rows(table([1, 2, 25, 26], reported_us=days_after(reported)), training, "UTC")
    (problem,) = raised.value.problems
    assert problem.key == f"split.{part}"
    assert "holds 2 rows, 0 of them `fraud`" in problem.message
    assert "`labels: fraud: true_values` in the mapping" in problem.help
