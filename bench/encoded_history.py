"""An encoded history of any length for the policy `fifty`, written straight into a snapshot.

Through files, ten million rows would take longer than anything that is measured over them. The
columns are skewed as those of `bench.generate`; the mapping and its file of one row are real.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from bench import rule_sets
from bench.generate import (
    CARDS,
    COUNTRIES,
    COUNTRY_WEIGHTS,
    DAY_US,
    DOMAIN_WEIGHTS,
    DOMAINS,
    FIRST_US,
    FOLDER,
    MCC_WEIGHTS,
    MCCS,
    SEED,
)
from tidegate.dsl.program import EventType
from tidegate.engine.column_batch import CodedColumn, Column, IntegerColumn, narrow
from tidegate.engine.window_columns import NEVER_US
from tidegate.rules import Policy, load_policy
from tidegate.simulation.checked_mapping import load_mapping
from tidegate.simulation.history import CHUNK_ROWS, Span
from tidegate.simulation.rows import Intake, Rows
from tidegate.simulation.snapshot import INPUTS, finish
from tidegate.simulation.snapshot_parts import fields_kept, parts_of
from tidegate.simulation.stored_rows import RowWriter
from tidegate.simulation.told import KeptHistory

DAYS = 84
RULES_A_FILE = 2_000
LABEL = "label fraud of payment known after 14d\n"
FEATURES = ("places_7d", "spend_24h", "tries_10m", "tries_24h", "typical")
MAPPING = """
history: generated
sources:
  - event: payment
    file: one.csv
    zone: UTC
    currency: EUR
    fields:
      id: id
      at: {column: at, unit: us}
      amount: {column: amount, unit: minor}
      card: card
      card_country: country
      brand: {constant: visa}
      mcc: mcc
      merchant_country: country
      channel: {constant: ecom}
      fraud_score: score
      bot_score: score
    labels: {fraud: {column: fraud, true_values: [yes]}}
    outcome: {column: past, values: {approve: approve, decline: decline}}
    features:
      places_7d: none
      spend_24h: {column: none, unit: minor}
      tries_10m: none
      tries_24h: none
      typical: {column: typical, unit: minor}
"""
ONE_ROW = (
    "id,at,amount,card,country,mcc,score,fraud,past,none,typical\n"
    f"p0,{FIRST_US},100,c,FR,5411,0.1,no,approve,0,100\n"
)


def write_rules(folder: Path, rules: Sequence[rule_sets.Rule]) -> None:
    """The policy folder of these rules."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(FOLDER / "lists", folder / "lists")
    (folder / "head.tide").write_text(f"{rule_sets.as_policy(())}\n{LABEL}")
    for start in range(0, len(rules), RULES_A_FILE):
        text = rule_sets.as_rules(rules[start : start + RULES_A_FILE])
        (folder / f"rules{start:05}.tide").write_text(text)


def write_history(folder: Path, policy: Policy, rows: int, chunk_rows: int = CHUNK_ROWS) -> Path:
    """A snapshot of so many rows in `folder / "kept"`; returns the mapping's path."""
    path = folder / "mapping.yaml"
    path.write_text(MAPPING)
    (folder / "one.csv").write_text(ONE_ROW)
    mapping, event = load_mapping(path, policy.program), policy.program.event("payment")
    building = folder / "building"
    writer = RowWriter(building / INPUTS / "0")
    kept = fields_kept(policy, event) | set(FEATURES) | {"amount", "at"}
    made = _Generator(event, rows)
    for start in range(0, rows, chunk_rows):
        writer.write(made.rows(start, min(start + chunk_rows, rows)), kept, {})
    told = KeptHistory(
        mapping=mapping,
        policy=policy,
        span=Span(rows, FIRST_US, FIRST_US + DAYS * DAY_US, ()),
        intakes={"payment": Intake(rows=rows)},
        begins_us={"payment": FIRST_US},
        unordered=(),
        labels=frozenset({"fraud"}),
    )
    finish(folder / "kept", building, parts_of(policy, mapping), told, {"payment": writer})
    return path


class _Generator:
    """Rows of a history, in order of time."""

    def __init__(self, event: EventType, rows: int) -> None:
        self.event = event
        self.step_us = DAYS * DAY_US // rows
        self.rng = np.random.default_rng(SEED)
        self.pools = {
            "card": tuple(f"card_{n:05}" for n in range(CARDS)),
            "card_country": COUNTRIES,
            "ip_country": COUNTRIES,
            "brand": ("visa", "mastercard", "amex", "cb"),
            "mcc": MCCS,
            "email_domain": DOMAINS,
            "channel": ("ecom", "pos", "moto"),
        }
        self.weights = {
            "card_country": COUNTRY_WEIGHTS,
            "ip_country": COUNTRY_WEIGHTS,
            "brand": (45, 35, 5, 15),
            "mcc": MCC_WEIGHTS,
            "email_domain": DOMAIN_WEIGHTS,
            "channel": (70, 24, 6),
        }

    def rows(self, start: int, stop: int) -> Rows:
        """The next rows."""
        count = stop - start
        at_us = FIRST_US + np.arange(start, stop) * self.step_us
        reported = np.where(self.rng.random(count) < 0.01, at_us + 5 * DAY_US, NEVER_US)
        return Rows(
            event=self.event,
            at_us=at_us,
            received_us=None,
            columns={"at": IntegerColumn(at_us), **self._texts(count), **self._integers(count)},
            statuses={},
            reported_us={"fraud": reported},
            past=np.where(self.rng.random(count) < 0.03, 3, 0).astype(np.int8),
            keys=pl.Series([], dtype=pl.String),
            picked=np.empty(0, np.int64),
        )

    def _texts(self, count: int) -> dict[str, Column]:
        found: dict[str, Column] = {}
        for name, pool in self.pools.items():
            codes = self.rng.integers(0, len(pool), count)
            if name in self.weights:
                shares = np.cumsum(self.weights[name]) / sum(self.weights[name])
                codes = np.searchsorted(shares, self.rng.random(count))
            if name in ("ip_country", "email_domain"):
                codes[self.rng.random(count) >= 0.85] = -1
            found[name] = CodedColumn(narrow(codes), pool)
        return found

    def _integers(self, count: int) -> dict[str, Column]:
        rng = self.rng
        typical = np.minimum(rng.lognormal(8.7, 1.1, count), 1_500_000).astype(np.int64)
        amount = np.minimum(typical * rng.lognormal(0, 0.9, count) + 1, 2_500_000).astype(np.int64)
        tries = np.minimum(rng.exponential(1 / 0.45, count), 40).astype(np.int64)
        tries_10m = np.minimum(tries, rng.exponential(1 / 1.1, count).astype(np.int64))
        values = {
            "amount": amount,
            "fraud_score": (rng.beta(1.1, 8, count) * 10**4).astype(np.int64) * 100,
            "bot_score": (rng.beta(0.7, 10, count) * 10**4).astype(np.int64) * 100,
            "places_7d": np.minimum(rng.exponential(1 / 1.2, count), 9).astype(np.int64),
            "spend_24h": tries * (typical * rng.uniform(0.3, 1.5, count)).astype(np.int64),
            "tries_10m": tries_10m,
            "tries_24h": tries,
        }
        columns: dict[str, Column] = {name: IntegerColumn.of(of) for name, of in values.items()}
        columns["typical"] = IntegerColumn.of(typical, rng.random(count) < 0.85)
        return columns


def load(folder: Path) -> Policy:
    """The policy in a folder."""
    return load_policy(folder)
