"""What a dry run reads in tables is what one decision reads, and a snapshot knows the tables."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.simulation.histories import SmallHistory, small_history
from tests.simulation.online import Replay
from tests.simulation.test_point_in_time import answers_of, reason_at, value_at
from tests.simulation.test_snapshot import ordinary, run, said
from tidegate.dsl.types import FLAG, Type
from tidegate.engine.values import format_value
from tidegate.rules.loading import load_policy
from tidegate.simulation.backtest import DryRun, run_backtest
from tidegate.simulation.report import to_text

TABLES = """
table shops of token from "tables/shops.csv"
  cut   money max 1000 EUR
  tier  one of (gold, plain) default "plain"
  share number? default 0.5
  note  text?
  open  flag default true

rule over_cut version 1
  when amount > shops[card].cut
  then add 5 points
  if unknown then add 6 points

rule golden version 1
  when shops[card].tier = "gold" and shops[card].open
  then tag "gold"

rule shared version 1
  when shops[card].share > 0.5 or shops[card].note = "odd"
  then tag "shared"
  if unknown then tag "no share"
"""
ROWS = "key,cut,tier,share,note,open\nc1,50 EUR,gold,,odd,true\nc2,500 EUR,plain,0.7,,false\n"


@pytest.fixture
def history(tmp_path: Path) -> SmallHistory:
    """A small history whose policy reads a table."""
    made = small_history(Random(5), tmp_path, rows=200, received=False, parquet=False)
    folder = tmp_path / "policy"
    with (folder / "policy.tide").open("a") as file:
        file.write(TABLES)
    (folder / "tables").mkdir()
    (folder / "tables" / "shops.csv").write_text(ROWS)
    made.policy = load_policy(folder)
    return made


def test_every_row_reads_what_a_decision_reads(history: SmallHistory) -> None:
    """A dry run would promise what production does not do."""
    policy, answers = history.policy, Replay(history).answers()
    lookups = [i for i in policy.program.event("payment").inputs if i.lookup is not None]
    assert len(lookups) == 5
    seen = set()
    for batch in DryRun(policy, history.mapping, chunk_rows=40).batches():
        for row in range(batch.rows.count):
            record = answers[batch.rows.keys[row]].decision.record
            for item in lookups:
                column = batch.columns[item.name]
                value = value_at(column, row)
                text = None if value is None else _text(value, item.type)
                assert text == record.inputs[item.name]
                assert value is not None or reason_at(column, row) == record.missing[item.name]
                seen.add((item.name, text, record.missing.get(item.name)))
    assert seen >= {
        ("shops[card].cut", "50.00 EUR", None), ("shops[card].cut", None, "no_row"),
        ("shops[card].tier", "gold", None), ("shops[card].tier", "plain", None),
        ("shops[card].share", None, "empty_cell"), ("shops[card].share", "0.5", None),
        ("shops[card].open", "false", None), ("shops[card].note", "odd", None),
    }  # fmt: skip
    columns = answers_of(history, 40)
    assert {key: found[2] for key, found in columns.items()} == {
        key: answer.decision.outcome for key, answer in answers.items()
    }


def _text(value: object, kind: Type) -> str:
    assert isinstance(value, int | str)
    return format_value(bool(value) if kind == FLAG else value, kind, "EUR")


def test_a_changed_table_makes_a_snapshot_stale(history: SmallHistory) -> None:
    """An analyst would see the figures of limits that no longer stand."""
    run(history)
    assert run(history).built == ""
    (history.mapping.parent / "policy" / "tables" / "shops.csv").write_text(
        ROWS.replace("500 EUR", "5 EUR")
    )
    found = run(history)
    assert found.built.startswith("shops[card].cut of payment changed")
    assert said(found) == ordinary(history)


def test_another_default_makes_a_snapshot_stale(history: SmallHistory) -> None:
    """The default of the last policy would stand where no row is."""
    run(history)
    path = history.mapping.parent / "policy" / "policy.tide"
    path.write_text(path.read_text().replace('default "plain"', 'default "gold"'))
    found = run(history)
    assert found.built == "shops[card].tier of payment changed"
    assert said(found) == ordinary(history)


def test_the_report_names_what_was_read(history: SmallHistory) -> None:
    """The key in its brackets would be taken for markup and vanish."""
    history.mapping.write_text(f"{history.mapping.read_text()}warm_up: 1d\n")
    shown = to_text(run_backtest(history.policy, history.mapping))
    assert "shops[card].share" in shown


def test_the_report_says_of_when_the_tables_are(history: SmallHistory) -> None:
    """Limits of today would be taken for those of the time."""
    run_ = DryRun(history.policy, history.mapping)
    assert "tables are read as they are today: the history does not hold theirs" in run_.notes()
