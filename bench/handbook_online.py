"""Every one of the Handbook's 1,754,155 payments decided twice: as it lived, and in the dry run.

    python -m bench.handbook_online [--limit N]

One side is the dry run in columns. The other is what a service does: the windows as a state that
each payment is read from and then put into, labels reported when they are due, and the compiled
function deciding one payment after the other. It takes its rows from the file by itself. Features,
outcome and the rules that fired, were unknown or silenced have to be equal on every row.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from bench.handbook import FOLDER
from tidegate.dsl.types import Value
from tidegate.engine.column_batch import Column, IntegerColumn
from tidegate.engine.decision import Policy
from tidegate.engine.features import Counted, admit, new_state, read, relabel
from tidegate.engine.generated import compile_event
from tidegate.engine.situation import Settled
from tidegate.rules import load_policy
from tidegate.simulation.backtest import DecidedBatch, DryRun
from tidegate.simulation.mapping import MappingError

WEEK_US = 7 * 86_400 * 10**6
Row = tuple[int, str, str, str, int, int]
"""Time, key, card, terminal, amount in cents, 1 for a fraud."""
Answer = tuple[dict[str, int | None], Settled]


def rows_of(path: Path) -> Iterator[Row]:
    """The file's payments in the order of time, then of the file."""
    data = pl.read_parquet(path).select(
        pl.col("TX_DATETIME").cast(pl.Datetime("us")).to_physical(),
        pl.col("TRANSACTION_ID", "CUSTOMER_ID", "TERMINAL_ID").cast(pl.String),
        pl.col("TX_AMOUNT_CENTS", "TX_FRAUD").cast(pl.Int64),
    )
    yield from data.sort("TX_DATETIME", maintain_order=True).iter_rows()


class Service:
    """One payment after the other, as a service would live them."""

    def __init__(self, policy: Policy) -> None:
        self.program = policy.program
        self.lists = policy.lists
        (self.event,) = policy.program.events
        self.state = new_state(policy.program)
        self.compiled = compile_event(policy.program, self.event, policy.lists)
        self._admitted: deque[Counted] = deque()
        self._frauds: deque[Counted] = deque()

    def decide(self, row: Row) -> Answer:
        """Decide one payment; what came at its own time is not seen yet."""
        at_us, key, card, terminal, amount, fraud = row
        self._catch_up(at_us)
        values: dict[str, Value | None] = {
            "id": key, "at": at_us, "amount": amount, "card": card, "terminal": terminal,
        }  # fmt: skip
        found = read(self.program, self.state, self.event, values)
        features = {name: answer.value for name, answer in found.items()}
        inputs = tuple({**values, **features}[entry.name] for entry in self.event.inputs)
        counted = Counted(self.event.name, key, at_us, at_us, values)
        self._admitted.append(counted)
        if fraud:
            self._frauds.append(counted)
        return features, self.compiled.decide_values(inputs, self.lists, {})

    def _catch_up(self, now_us: int) -> None:
        """Take in what happened before now: payments, and the labels that came due."""
        while self._admitted and self._admitted[0].at_us < now_us:
            counted = self._admitted.popleft()
            self.state.apply(admit(self.program, self.state, counted, self.lists, counted.at_us))
        while self._frauds and self._frauds[0].at_us + WEEK_US < now_us:
            old = self._frauds.popleft()
            due_us = old.at_us + WEEK_US
            known = Counted(
                old.event, old.key, old.at_us, old.received_us, old.values, {"fraud": due_us}
            )
            self.state.apply(relabel(self.program, self.state, known, self.lists, due_us))


def differences(batch: DecidedBatch, service: Service, rows: Iterator[Row]) -> Iterator[str]:
    """What the dry run says otherwise than the service, row by row."""
    names = [entry.name for entry in batch.rows.event.inputs if entry.source == "feature"]
    columns = {name: listed(batch.columns[name]) for name in names}
    for index, key in enumerate(batch.rows.keys):
        row = next(rows)
        features, settled = service.decide(row)
        if row[1] != key:
            yield f"{key}: the service is at {row[1]}"
            return
        for name, column in columns.items():
            if column[index] != features[name]:
                yield f"{key}: {name} is {column[index]}, online {features[name]}"
        found = batch.outcomes.row(index)
        if (found.outcome(), found.evaluation()) != (settled.outcome, settled.evaluation):
            yield f"{key}: decided {found.outcome()}, online {settled.outcome}"


def listed(column: Column) -> list[int | None]:
    """A feature's values, None where missing."""
    assert isinstance(column, IntegerColumn)
    values: list[int | None] = column.values.tolist()
    if column.valid is None:
        return values
    return [value if there else None for value, there in zip(values, column.valid, strict=True)]


def main() -> None:
    """Compare and print; exit with 1 where a row differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="only the first so many payments")
    options = parser.parse_args()
    policy = load_policy(FOLDER)
    try:
        run = DryRun(policy, FOLDER / "mapping.yaml")
    except MappingError as error:
        sys.exit(f"the data set is not here: {error}")
    (source,) = run.history.mapping.sources
    rows, service = rows_of(source.files[0]), Service(policy)
    seen, wrong = 0, 0
    for batch in run.batches(options.limit):
        for difference in differences(batch, service, rows):
            wrong += 1
            if wrong <= 10:
                print(difference)
        seen += batch.rows.count
        print(f"\r{seen:,} payments", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    windows = len(policy.program.features)
    rules = len(service.event.rules)
    print(f"{seen:,} payments, {windows} windows and {rules} rules: {wrong:,} differences")
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
