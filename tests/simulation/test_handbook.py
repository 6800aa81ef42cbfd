"""The public data set: a rule of which all is known, and a part of it lived event by event."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pytest

from tests.conftest import ROOT
from tests.simulation.histories import DAY_US, Row, SmallHistory
from tests.simulation.online import Replay
from tests.simulation.test_point_in_time import value_at
from tidegate.engine.values import format_time
from tidegate.rules import load_policy
from tidegate.simulation.backtest import DryRun, run_backtest

FOLDER = ROOT / "examples" / "handbook"
WEEK_US = 7 * DAY_US


@pytest.fixture(scope="module")
def data(shared: Path) -> pl.DataFrame:
    """The data set."""
    return pl.read_parquet(shared / "data" / "handbook" / "transactions.parquet")


def test_a_known_rule_fires_where_it_should(shared: Path, data: pl.DataFrame) -> None:
    """Rows get lost, amounts are read in the wrong unit, or `>` takes the bound in."""
    assert shared.is_dir()
    result = run_backtest(load_policy(FOLDER), FOLDER / "mapping.yaml")
    (event,) = result.events
    rule = next(rule for rule in event.rules if rule.id == "large_payment@1")
    assert (result.rows, result.sources[0].bad, result.sources[0].copies) == (1_754_155, 0, 0)
    assert rule.fired.count + rule.fired_in_warm_up.count == 3_258
    assert rule.fired_on.good.count == 0
    fired = data.filter(pl.col("TX_AMOUNT_CENTS") > 22_000)
    assert fired["TX_FRAUD"].sum() == 3_258
    assert fired.filter(pl.col("TX_FRAUD_SCENARIO") == 1).height == 973


def test_labels_count_when_they_are_due(shared: Path, data: pl.DataFrame) -> None:
    """Precision is flattered or spoilt by payments whose label nobody could know yet."""
    assert shared.is_dir()
    result = run_backtest(load_policy(FOLDER), FOLDER / "mapping.yaml", limit=600_000)
    (event,) = result.events
    at_us = data["TX_DATETIME"].cast(pl.Datetime("us")).to_physical().to_numpy()[:600_000]
    kept = (at_us >= event.warm_up_until_us) & (at_us + WEEK_US <= result.end_us)
    frauds = data["TX_FRAUD"].to_numpy()[:600_000]
    assert event.known.fraud.count == int(frauds[kept].sum())
    assert event.known.good.count == int((1 - frauds[kept]).sum())
    assert event.measured.count == int((at_us >= event.warm_up_until_us).sum())


def test_a_part_lived_event_by_event(shared: Path, data: pl.DataFrame, tmp_path: Path) -> None:
    """The windows of the dry run differ from the service's on real data with real ties."""
    assert shared.is_dir()
    marked = data.filter(pl.col("TX_FRAUD_SCENARIO") == 2)["TERMINAL_ID"].unique().sort()[:6]
    card = data["CUSTOMER_ID"].mode().sort()[0]
    part = data.filter(pl.col("TERMINAL_ID").is_in(marked) | (pl.col("CUSTOMER_ID") == card))
    part.write_parquet(tmp_path / "part.parquet")
    text = (FOLDER / "mapping.yaml").read_text()
    file = "../../../shared/data/handbook/transactions.parquet"
    assert file in text
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(text.replace(file, "part.parquet"))
    policy = load_policy(FOLDER)
    history = SmallHistory(policy, mapping, [_row(*fields) for fields in part.iter_rows()])
    online = Replay(history).answers()
    seen = 0
    for batch in DryRun(policy, mapping, chunk_rows=300).batches():
        for row, key in enumerate(batch.rows.keys):
            answer = online[key]
            for name, value in answer.features.items():
                assert value_at(batch.columns[name], row) == value.value, (key, name)
            assert batch.outcomes.row(row).outcome() == answer.decision.outcome, key
            seen += 1
    assert seen == len(online) == part.height
    assert any(answer.features["frauds_28d"].value for answer in online.values())


def _row(*fields: object) -> Row:
    key, at, customer, terminal, fraud, _, cents = fields
    at_us = int(np.datetime64(at, "us").astype(np.int64))  # type: ignore[call-overload]
    amount = cast(int, cents)
    body: dict[str, object] = {
        "id": str(key),
        "at": format_time(at_us),
        "amount": f"{amount // 100}.{amount % 100:02} EUR",
        "card": str(customer),
        "terminal": str(terminal),
    }
    label_us = at_us + WEEK_US if fraud else None
    return Row("card_payment", body, at_us, at_us, label_us=label_us, own_label="fraud")
