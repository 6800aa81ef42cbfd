"""Histories of scored payments in which something goes wrong on purpose, or nothing does.

The simulators that the project has show no decay (MODELS.md 6), so it is put in here: numbers are
drawn with numpy, whole histories at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import yaml

from tidegate.rules.loading import load_policy
from tidegate.rules.policy import Policy

Floats = npt.NDArray[np.float64]
DAY_US = 86_400 * 10**6
START_US = 1_790_000_000 * 10**6
WEEKS = 5

POLICY = """policy watched language 1
  currency EUR
  timezone "UTC"

event payment decided by default approve
  silent      review
  id          text    key
  at          time
  amount      money
  card        token
  new         flag
  origin      country
  device      one of (phone, tablet, desktop)

label fraud of payment known after 3d

reason unusual "Unusual" message "We check this."

step_up confirm rank 1
  try app
  within 10m
  if failed then decline because unusual
  if abandoned then decline because unusual
  if unavailable then review because unusual

model vendor version 7 external
  score risk
  use payment when amount >= 1 EUR
  may review, step_up, decline
  if unavailable then skip

rule high version 1
  when risk >= 0.3
  then decline because unusual

rule middle version 1
  when risk > 0.1
  then step_up confirm because unusual

rule dear version 1
  when amount > 5000 EUR
  then review before because unusual
"""


@dataclass
class Draw:
    """A history's columns, to be spoilt before they are written."""

    rng: np.random.Generator
    rows: int
    columns: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)

    @property
    def late(self) -> npt.NDArray[np.bool_]:
        """Rows after the reference week and the first one after it."""
        at = self.columns["at"].astype(np.int64)
        late: npt.NDArray[np.bool_] = at >= START_US + 2 * 7 * DAY_US
        return late

    def set(self, name: str, rows: npt.NDArray[np.bool_], values: npt.ArrayLike) -> None:
        """Other values in some rows."""
        self.columns[name] = np.where(rows, values, self.columns[name])


def draw(seed: int, rows: int) -> Draw:
    """Payments of which nothing has changed; the score is honest."""
    rng = np.random.default_rng(seed)
    at = np.sort(START_US + (rng.random(rows) * WEEKS * 7 * DAY_US).astype(np.int64))
    risk = np.round(rng.beta(0.4, 6, rows), 6)
    return Draw(
        rng,
        rows,
        {
            "id": np.array([f"p{number}" for number in range(rows)]),
            "at": at,
            "amount": np.round(np.exp(rng.normal(3.5, 1.0, rows)) + 1, 2),
            "card": np.array([f"tok_{number}" for number in rng.integers(0, rows // 5, rows)]),
            "new": rng.random(rows) < 0.2,
            "origin": rng.choice(["FR", "DE", "ES"], rows, p=[0.6, 0.3, 0.1]),
            "device": rng.choice(["phone", "tablet", "desktop"], rows, p=[0.5, 0.2, 0.3]),
            "risk": risk,
            "fraud": rng.random(rows) < risk,
        },
    )


def unchanged(_: Draw) -> None:
    """Nothing happens."""


def watched(
    folder: Path,
    spoil: Callable[[Draw], None] = unchanged,
    *,
    seed: int = 1,
    rows: int = 20_000,
    policy: str = POLICY,
    scores: bool = True,
) -> tuple[Policy, Path]:
    """The policy, and the mapping of a history that `spoil` has changed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy").mkdir(exist_ok=True)
    (folder / "policy" / "policy.tide").write_text(policy)
    drawn = draw(seed, rows)
    spoil(drawn)
    frame = pl.DataFrame(drawn.columns).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
    frame.write_parquet(folder / "payments.parquet")
    fields = {name: name for name in ("id", "at", "card", "new", "origin", "device")}
    amount = {"column": "amount", "unit": "major", "currency": "EUR"}
    source: dict[str, object] = {
        "event": "payment",
        "file": "payments.parquet",
        "fields": {**fields, "amount": amount},
        "labels": {"fraud": {"column": "fraud", "true_values": ["true"]}},
    }
    if scores:
        source["scores"] = {"risk": "risk"}
    if "past" in drawn.columns:
        source["outcome"] = {"column": "past"}
    mapping = folder / "mapping.yaml"
    mapping.write_text(yaml.safe_dump({"label": "fraud", "sources": [source]}))
    return load_policy(folder / "policy"), mapping
