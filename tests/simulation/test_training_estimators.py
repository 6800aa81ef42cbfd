"""What each estimator is given, and what it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.simulation.tables import WORD, read, scored_training, table
from tidegate.dsl.types import FLAG, IP, MONEY, NUMBER, TEXT, TIME, TOKEN, Kind, Type
from tidegate.simulation.training_estimators import MAX_CATEGORIES, design
from tidegate.simulation.training_file import EstimatorName, TrainingError
from tidegate.simulation.training_table import ReadColumn

ALL = np.ones(4, np.bool_)
DAYS = [1.0, 2.0, 3.0, 4.0]


def _design(estimator: EstimatorName, *reads: ReadColumn, train: Any = ALL, **changes: Any) -> Any:
    training = scored_training(estimator=estimator, **changes)
    return design(table(DAYS, reads=reads), train, training, "EUR")


def test_columns_are_in_natural_units() -> None:
    made = _design(
        "hist_gradient_boosting",
        read("amount", [1_234, 50, 0, None], MONEY),
        read("ratio", [1_500_000, 0, 1, None], NUMBER),
        read("idle", [90_000_000, 0, 0, 0], Type(Kind.DURATION)),
        read("abroad", [1, 0, 1, 0], FLAG),
        read("channel", [1, 0, 1, 1], WORD, ("moto", "ecom")),
    )
    x = made.rows(ALL)
    assert x[0].tolist() == [12.34, 1.5, 90.0, 1.0, 0.0]
    assert np.isnan(x[3, 0])
    assert np.isnan(x[3, 1])
    amount, ratio, idle, abroad, channel = made.specs
    assert (amount.scale, amount.currency, amount.takes_missing) == (100, "EUR", True)
    assert (ratio.scale, idle.scale, abroad.scale) == (10**6, 10**6, 1)
    assert not abroad.takes_missing
    assert dict(channel.categories) == {0.0: "ecom", 1.0: "moto"}


def test_an_additive_model_sees_texts() -> None:
    made = _design(
        "explainable_boosting",
        read("amount", [100, 200, 300, 400], MONEY),
        read("channel", [1, 0, None, 1], WORD, ("moto", "ecom")),
    )
    assert made.rows(ALL)[:, 1].tolist() == ["ecom", "moto", None, "ecom"]
    assert dict(made.specs[1].categories) == {"ecom": "ecom", "moto": "moto"}


def test_a_text_that_was_not_trained_on_is_no_category() -> None:
    train = np.array([True, True, True, False])
    made = _design(
        "hist_gradient_boosting",
        read("place", [0, 1, 0, 2], TEXT, ("a", "b", "c")),
        train=train,
    )
    assert dict(made.specs[0].categories) == {0.0: "a", 1.0: "b"}
    assert np.isnan(made.rows(ALL)[3, 0])


def test_where_a_model_abstains() -> None:
    amount = read("amount", [100, 200, 300, 400], MONEY)
    flag = read("abroad", [0, 1, 0, 0], FLAG)
    (free,) = _design("hist_gradient_boosting", amount).specs
    assert (free.low, free.high) == (None, None)
    (bounded,) = _design("hist_gradient_boosting", amount, abstain_outside=("amount",)).specs
    assert (bounded.low, bounded.high) == (100, 400)
    line, of_flag = _design("logistic_regression", amount, flag).specs
    assert (line.low, line.high) == (100 - 3_000, 400 + 3_000)
    assert (of_flag.low, of_flag.high) == (0, 1)


MANY = tuple(f"m{n}" for n in range(MAX_CATEGORIES + 1))


@pytest.mark.parametrize(
    ("estimator", "column", "message"),
    [
        ("logistic_regression", read("x", [0, 0, 1, 1], WORD, ("a", "b")), "is a one of"),
        (
            "random_forest",
            read("x", [0, 0, 1, 1], TEXT, ("a", "b")),
            "which random_forest does not",
        ),
        ("logistic_regression", read("x", [1, None, 1, 1]), "is missing in 1 rows"),
        ("random_forest", read("x", [1, None, None, 1]), "is missing in 2 rows"),
        ("hist_gradient_boosting", read("x", [None] * 4), "in every row of the training"),
        ("hist_gradient_boosting", read("x", [1, 2, 3, 4], TIME), "has no order that means"),
        ("explainable_boosting", read("x", [0, 0, 0, 0], TOKEN, ("t",)), "tells one customer"),
        ("explainable_boosting", read("x", [0, 0, 0, 0], IP), "tells one customer"),
    ],
)
def test_what_an_estimator_does_not_take(
    estimator: EstimatorName, column: ReadColumn, message: str
) -> None:
    with pytest.raises(TrainingError) as raised:
        _design(estimator, column)
    (problem,) = raised.value.problems
    assert message in problem.message
    assert problem.help


def test_a_text_of_too_many_values_is_an_identifier() -> None:
    rows = len(MANY)
    made = table([float(day) for day in range(rows)], reads=(read("x", range(rows), TEXT, MANY),))
    training = scored_training(estimator="hist_gradient_boosting")
    with pytest.raises(TrainingError, match="has 256 different values"):
        design(made, np.ones(rows, np.bool_), training, "EUR")
