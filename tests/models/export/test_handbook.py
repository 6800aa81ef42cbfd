"""Real payments: amounts with ties, counts, and scores of forests that sit on round numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.models.export.datasets import Payments, agree
from tests.models.export.test_families import glass_box
from tidegate.dsl.types import COUNT, FLAG, MONEY
from tidegate.models.export import InputSpec, export_model

SPECS = (
    InputSpec("amount", MONEY, currency="EUR", scale=100, low=0, high=10**7),
    InputSpec("mean_7d", MONEY, currency="EUR", scale=100, low=0, high=10**7),
    InputSpec("payments_7d", COUNT, low=0, high=10**4),
    InputSpec("at_terminal_1d", COUNT, low=0, high=10**4),
    InputSpec("weekend", FLAG),
)
FITTED = slice(400_000, 430_000)
TESTED = slice(460_000, 466_000)

ESTIMATORS: dict[str, Callable[[], Any]] = {
    "regression": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "forest": lambda: RandomForestClassifier(25, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(learning_rate=0.05, max_leaf_nodes=15),
    "glass box": glass_box,
}


@pytest.fixture(scope="module")
def handbook(shared: Path) -> tuple[Payments, Payments]:
    """Payments to fit and to test on, with windows over all before them."""
    data = (
        pl.scan_parquet(shared / "data" / "handbook" / "transactions.parquet")
        .head(TESTED.stop)
        .sort("TX_DATETIME", maintain_order=True)
        .with_columns(
            one=pl.lit(1),
            amount=pl.col("TX_AMOUNT_CENTS").cast(pl.Int64),
            weekend=(pl.col("TX_DATETIME").dt.weekday() > 5).cast(pl.Int64),
        )
        .with_columns(
            payments_7d=pl.col("one")
            .rolling_sum_by("TX_DATETIME", window_size="7d")
            .over("CUSTOMER_ID"),
            mean_7d=pl.col("amount")
            .rolling_mean_by("TX_DATETIME", window_size="7d")
            .over("CUSTOMER_ID")
            .round()
            .cast(pl.Int64),
            at_terminal_1d=pl.col("one")
            .rolling_sum_by("TX_DATETIME", window_size="1d")
            .over("TERMINAL_ID"),
        )
        .collect()
    )
    found = []
    for part in (FITTED, TESTED):
        chosen = data[part]
        rows = [list(row) for row in chosen.select(spec.name for spec in SPECS).iter_rows()]
        found.append(Payments(SPECS, rows, chosen["TX_FRAUD"].cast(pl.Int64).to_numpy()))
    return found[0], found[1]


@pytest.mark.parametrize("family", ESTIMATORS)
def test_every_row_of_a_part(family: str, handbook: tuple[Payments, Payments]) -> None:
    """The rest is compared by `make handbook`, on the published split."""
    fitted, tested = handbook
    assert fitted.y.sum() > 100
    estimator: Any = ESTIMATORS[family]().fit(fitted.x, fitted.y)
    model = export_model(estimator, SPECS, name="m", version=1)
    probabilities = estimator.predict_proba(tested.x)[:, 1]
    agree(model, tested.rows, probabilities)
    assert len(np.unique(probabilities)) > 10
