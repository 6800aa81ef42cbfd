"""The Handbook's 1,754,155 payments, six windows and fifty rules: speed, memory, one known rule.

    python -m bench.handbook [--rounds N]

The data set is not part of the repository: `examples/handbook/mapping.yaml` says where it lies. Of
the rule `amount > 220 EUR` everything is known from the data set's makers: it fires on every fraud
of scenario 1 and on no good payment. That is looked up in the file, with Polars alone, and compared
with the rows in which the dry run fires it.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

from tidegate.rules import load_policy
from tidegate.simulation.backtest import DryRun, run_backtest
from tidegate.simulation.mapping import MappingError

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "handbook"
RULE = "large_payment"
CUT_MINOR = 22_000


def fired_keys(run: DryRun) -> list[str]:
    """The keys of the payments on which the rule fires."""
    (event,) = run.events
    place = [rule.name for rule in event.rules].index(RULE)
    keys: list[str] = []
    for batch in run.batches():
        keys += batch.rows.keys.filter(pl.Series(batch.outcomes.rules.fired_rows(place))).to_list()
    return keys


def known_rule(run: DryRun) -> bool:
    """Print what the rule fires on; whether that is what the file says."""
    fired = np.array(sorted(map(int, fired_keys(run))))
    (source,) = run.history.mapping.sources
    data = pl.read_parquet(source.files[0])
    hits = data.filter(pl.col("TRANSACTION_ID").is_in(fired))
    at_cut = data.filter(pl.col("TX_AMOUNT_CENTS") == CUT_MINOR)["TRANSACTION_ID"].to_list()
    first = hits.filter(pl.col("TX_FRAUD_SCENARIO") == 1).height
    all_first = data.filter(pl.col("TX_FRAUD_SCENARIO") == 1).height
    print(f"`amount > 220 EUR` fires on {len(fired):,} payments,")
    print(f"  {int(hits['TX_FRAUD'].sum()):,} of them labelled fraud;")
    print(f"  {first} of the {all_first} frauds of scenario 1 are among them;")
    print(
        f"  {len(at_cut)} payment of exactly 220.00 EUR, fired on: {len(set(at_cut) & set(fired))}"
    )
    expected = data.filter(pl.col("TX_AMOUNT_CENTS") > CUT_MINOR)["TRANSACTION_ID"].sort()
    return bool(np.array_equal(fired, expected.to_numpy()))


def peak_mib() -> int:
    """The most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Measure, compare, print; exit with 1 where the rule fires on other rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    policy = load_policy(FOLDER)
    before = peak_mib()
    seconds, rows = [], 0
    try:
        for _ in range(options.rounds):
            begin = time.perf_counter()
            rows = run_backtest(policy, FOLDER / "mapping.yaml").rows
            seconds.append(time.perf_counter() - begin)
    except MappingError as error:
        sys.exit(f"the data set is not here: {error}")
    (event,) = policy.program.events
    best = min(seconds)
    print(f"{len(policy.program.features)} windows, {len(event.rules)} rules, {rows:,} rows")
    print("from the file to the report: " + ", ".join(f"{one:.2f}" for one in seconds) + " s")
    print(f"{rows / best:,.0f} rows a second in the best round")
    print(f"peak memory {peak_mib()} MiB, of which {before} MiB before the first row")
    if not known_rule(DryRun(policy, FOLDER / "mapping.yaml")):
        sys.exit("the rule fires on other rows than the file says")


if __name__ == "__main__":
    main()
