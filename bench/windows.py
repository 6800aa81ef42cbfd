"""Six exact windows over one million events: our columns against Polars, every row equal.

    POLARS_MAX_THREADS=1 taskset -c 0 python -m bench.windows [--rows N] [--rounds N]

Both sides get the same arrays in memory and give six columns; sorting is inside our timing. Polars
gets its best known forms: `rolling_*_by(...).over(key)` with `closed="left"` for five windows, and
for distinct, which that family lacks, `rolling(group_by=...)` with `n_unique`. Ratios are given for
all six and for the five alone, as medians of interleaved rounds with their spread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.engine.window_columns import (
    Operands,
    WindowColumn,
    join,
    measure,
    sort_by_key,
    times,
    window,
)
from tidegate.engine.window_runs import Int64s
from tidegate.engine.windows import Aggregate

MINUTE_US = 60_000_000
DAY_US = 1440 * MINUTE_US
Answers: TypeAlias = dict[str, pl.Series]


@dataclass(frozen=True, slots=True)
class Events:
    """Card payments in order of time; times have ties, cards and merchants are skewed."""

    at_us: Int64s
    card: Int64s
    merchant: Int64s
    amount: Int64s
    country: Int64s
    event_id: Int64s


def generate(rows: int, cards: int, merchants: int) -> Events:
    """`rows` payments of half a year, at whole milliseconds so that some times are equal."""
    rng = np.random.default_rng(20261123)

    def skewed(count: int) -> Int64s:
        return np.minimum(rng.random(rows) ** 2 * count, count - 1).astype(np.int64)

    return Events(
        at_us=np.sort(rng.integers(0, 180 * DAY_US // 1000, rows)) * 1000,
        card=skewed(cards),
        merchant=skewed(merchants),
        amount=rng.lognormal(8, 1.2, rows).astype(np.int64),
        country=skewed(60),
        event_id=np.arange(rows, dtype=np.int64),
    )


def ours(events: Events, *, distinct: bool = True) -> dict[str, WindowColumn]:
    """The windows by the kernel, from unsorted columns; without distinct, five of the six."""
    cards = sort_by_key(events.card, events.at_us)
    merchants = sort_by_key(events.merchant, events.at_us)
    by_card = join(cards, cards, events.event_id, events.event_id)
    by_merchant = join(merchants, merchants, events.event_id, events.event_id)

    def leaving(window_us: int) -> Int64s:
        return times(events.at_us, None, window_us, 0)[1]

    week = window(by_card, leaving(7 * DAY_US))
    amount = Operands(events.amount)
    columns = {
        "count_10m": measure(Aggregate.COUNT, window(by_card, leaving(10 * MINUTE_US))),
        "sum_24h": measure(Aggregate.SUM, window(by_card, leaving(DAY_US)), amount),
        "average_7d": measure(Aggregate.AVERAGE, week, amount),
        "maximum_7d": measure(Aggregate.MAXIMUM, week, amount),
        "count_30d": measure(Aggregate.COUNT, window(by_merchant, leaving(30 * DAY_US))),
    }
    if distinct:
        columns["distinct_7d"] = measure(Aggregate.DISTINCT, week, Operands(events.country))
    return columns


def frame(events: Events) -> pl.DataFrame:
    """The events as Polars takes them; made outside the timing."""
    return pl.DataFrame(
        {
            "at": pl.Series(events.at_us).cast(pl.Datetime("us")),
            "card": events.card.astype(np.int32),
            "merchant": events.merchant.astype(np.int32),
            "amount": events.amount,
            "country": events.country.astype(np.int32),
            "one": np.ones(len(events.at_us), dtype=np.int64),
        }
    ).with_columns(pl.col("at").set_sorted())


def five_by_polars(data: pl.DataFrame) -> Answers:
    """All but distinct; the mean is one of floats, which is not exact and costs no more."""
    amount, one = pl.col("amount"), pl.col("one")
    out = data.lazy().select(
        count_10m=one.rolling_sum_by("at", "10m", closed="left").over("card"),
        sum_24h=amount.rolling_sum_by("at", "24h", closed="left").over("card"),
        average_7d=amount.rolling_mean_by("at", "7d", closed="left").over("card"),
        maximum_7d=amount.rolling_max_by("at", "7d", closed="left").over("card"),
        count_30d=one.rolling_sum_by("at", "30d", closed="left").over("merchant"),
    )
    return out.collect().to_dict()


def distinct_by_polars(data: pl.DataFrame) -> Answers:
    """The sixth window."""
    distinct = pl.col("country").n_unique().alias("distinct_7d")
    rolled = (
        data.with_row_index()
        .lazy()
        .sort("card", maintain_order=True)
        .rolling("at", period="7d", closed="left", group_by="card")
        .agg(distinct)
    )
    order = data.with_row_index().sort("card", maintain_order=True)["index"]
    counted = rolled.collect()["distinct_7d"]
    return {"distinct_7d": pl.DataFrame({"i": order, "d": counted}).sort("i")["d"]}


def disagreements(own: dict[str, WindowColumn], data: pl.DataFrame) -> dict[str, int]:
    """For each window the number of rows that differ, missing values included.

    Polars' mean is a float, so an average is judged by Polars' exact sum and count instead.
    """
    week = {
        "sum": pl.col("amount").rolling_sum_by("at", "7d", closed="left").over("card"),
        "count": pl.col("one").rolling_sum_by("at", "7d", closed="left").over("card"),
    }
    exact = data.lazy().select(**week).collect()
    polars = five_by_polars(data) | distinct_by_polars(data)
    differing = {}
    for name, column in own.items():
        theirs = polars[name]
        if name in {"count_10m", "count_30d", "sum_24h", "distinct_7d"}:
            theirs = theirs.fill_null(0)  # an empty window
        unequal = theirs.is_not_null().to_numpy() != column.valid
        if name == "average_7d":
            total, count = (exact[part].fill_null(0).to_numpy() for part in ("sum", "count"))
            unequal |= ~_is_half_even(column.value, total, count) & column.valid
        else:
            unequal |= theirs.fill_null(0).to_numpy() != column.value
        differing[name] = int(unequal.sum())
    return differing


def _is_half_even(average: Int64s, total: Int64s, count: Int64s) -> npt.NDArray[np.bool_]:
    off_by: Int64s = np.abs(2 * (average * count - total))
    judged: npt.NDArray[np.bool_] = (off_by < count) | ((off_by == count) & (average % 2 == 0))
    return judged


def seconds(work: Callable[[], object]) -> float:
    """The wall time of one run."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _spread(ratios: list[float]) -> str:
    middle = statistics.median(ratios)
    return f"{middle:.2f} x Polars (rounds {min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    """Measure, compare every row, print; exit with 1 if a row differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--cards", type=int, default=20_000)
    parser.add_argument("--merchants", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    events = generate(options.rows, options.cards, options.merchants)
    data = frame(events)
    differing = disagreements(ours(events), data)
    rounds = [
        (
            seconds(lambda: ours(events)),
            seconds(lambda: ours(events, distinct=False)),
            seconds(lambda: five_by_polars(data)),
            seconds(lambda: distinct_by_polars(data)),
        )
        for _ in range(options.rounds)
    ]
    six, five, polars_five, polars_sixth = map(statistics.median, zip(*rounds, strict=True))
    print(
        f"{options.rows} rows, {options.cards} cards, {options.merchants} merchants,"
        f" polars {pl.__version__} on {pl.thread_pool_size()} thread(s)"
    )
    print(f"tidegate   six {six:6.3f} s   five {five:6.3f} s")
    print(f"polars     six {polars_five + polars_sixth:6.3f} s   five {polars_five:6.3f} s")
    print("six against six:  ", _spread([own / (a + b) for own, _, a, b in rounds]))
    print("five against five:", _spread([own / a for _, own, a, _ in rounds]))
    print("rows that differ:", differing)
    if any(differing.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
