"""Measuring begins when the last window is full, whatever else the history holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.histories import sub
from tests.simulation.test_backtest import CSV, MAPPING, POLICY
from tidegate.engine.values import format_time
from tidegate.rules import load_policy
from tidegate.simulation.backtest import run_backtest
from tidegate.simulation.mapping import MappingError
from tidegate.simulation.report import to_text
from tidegate.simulation.result import EventResult

REPORTED = sub(
    POLICY,
    "known after 2d",
    """known after 2d from chargeback matching payment

event chargeback
  id      text  key
  at      time
  payment text
""",
)
CHARGEBACKS = """
  - event: chargeback
    file: chargebacks.csv
    zone: UTC
    fields: {id: id, at: at, payment: payment}
"""
REFUNDED = sub(
    POLICY,
    "reason why",
    """event refund
  id   text  key
  at   time
  card token

feature refunds = count of refund by card over 6h delayed 1h

rule refunded version 1
  when refunds >= 1
  then review because why

reason why""",
)
REFUNDS = """
  - event: refund
    file: refunds.csv
    zone: UTC
    fields: {id: id, at: at, card: card}
"""


def dry_run(folder: Path, policy: str, mapping: str, **files: str) -> EventResult:
    """The dry run over the shop's payments and these files."""
    (folder / "policy").mkdir(exist_ok=True)
    (folder / "policy" / "policy.tide").write_text(policy)
    (folder / "payments.csv").write_text(CSV)
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content)
    (folder / "mapping.yaml").write_text(mapping)
    result = run_backtest(load_policy(folder / "policy"), folder / "mapping.yaml")
    (event,) = result.events
    assert f" before {format_time(event.warm_up_until_us)} left out" in to_text(result)
    return event


def until(event: EventResult) -> str:
    """When measuring begins."""
    return format_time(event.warm_up_until_us)


def test_an_old_chargeback_does_not_end_the_warm_up(tmp_path: Path) -> None:
    """One old chargeback and payments are measured whose windows are empty."""
    old = "id,at,payment\nk1,2020-01-01 00:00:00,p00\nk2,2026-09-04 00:00:00,p03\n"
    mapping = sub(MAPPING, "    labels:\n      fraud: {column: fraud, true_values: [yes]}\n", "")
    event = dry_run(tmp_path, REPORTED, mapping + CHARGEBACKS, chargebacks=old)
    assert (until(event), event.warm_up.count) == ("2026-09-02T00:00:00Z", 2)
    assert event.known.fraud.count == 1


@pytest.mark.parametrize(
    ("head", "first", "expected", "whose"),
    [
        # Payments begin on the 1st at 0:00 and are counted over a day, refunds over 7 hours.
        ("", "2020-01-01 00:00:00", "2026-09-02T00:00:00Z", "payment"),
        ("", "2026-09-01 10:00:00", "2026-09-02T00:00:00Z", "payment"),
        ("", "2026-09-02 01:00:00", "2026-09-02T08:00:00Z", "refund"),
        ("warm_up: 1h\n", "2026-09-02 01:00:00", "2026-09-02T02:00:00Z", "refund"),
        ("start: 2026-09-02\n", "2026-09-04 00:00:00", "2026-09-03T00:00:00Z", "payment"),
        (
            "start: 2026-09-01\nwarm_up: 1h\n",
            "2026-09-04 00:00:00",
            "2026-09-01T01:00:00Z",
            "payment",
        ),
    ],
)
def test_every_window_has_to_be_full(
    tmp_path: Path, head: str, first: str, expected: str, whose: str
) -> None:
    """Refunds that the history holds only from the second month on look like none before."""
    refunds = f"id,at,card\nr1,{first},a\n"
    event = dry_run(tmp_path, REFUNDED, head + MAPPING + REFUNDS, refunds=refunds)
    assert (until(event), event.warm_up_of) == (expected, whose)


def test_a_window_that_the_history_brings_needs_no_warm_up(tmp_path: Path) -> None:
    """A feature is taken from a column, and a day of payments is thrown away for it."""
    mapping = MAPPING + "    features:\n      tries: note\n"
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "policy.tide").write_text(POLICY)
    (tmp_path / "mapping.yaml").write_text(mapping)
    lines = [line.replace('"x\ty"', "").replace(",,", ",0,") for line in CSV.splitlines()]
    (tmp_path / "payments.csv").write_text("\n".join(lines) + "\n")
    (event,) = run_backtest(load_policy(tmp_path / "policy"), tmp_path / "mapping.yaml").events
    assert event.warm_up.count == 0


def test_a_history_ends_after_it_starts(tmp_path: Path) -> None:
    """A slip in a year leaves nothing to measure, and a report of nothing."""
    with pytest.raises(MappingError, match="end: is not after `start`"):
        dry_run(tmp_path, POLICY, "start: 2026-09-30\nend: 2026-09-01\n" + MAPPING)
