"""Rules over a million rows: our columns against Polars lazy, counts of every rule equal.

    POLARS_MAX_THREADS=1 python -m bench.columns [--rules N …] [--rows N] [--rounds N] [--json FILE]

The policy `fifty`, then generated rule sets of the sizes that `--rules` names (`rule_sets.usual`).

Both sides get the same table, encoded beforehand (the time it takes is printed): Polars with
categorical strings, ours with dictionary codes. Both answer per rule how often it fires and how
often it is unknown. At least 15 % of all optional inputs are missing. Ratios are medians over
interleaved rounds, each taken inside one round, with their spread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from bench.duckdb_rules import UP_TO, duckdb_counts
from bench.many_rules import program_of
from bench.polars_rules import Translation, dtype_of
from bench.rule_sets import Rule, usual
from tidegate.dsl.checker import check
from tidegate.dsl.lists import ListContent, Lists
from tidegate.dsl.parser import parse
from tidegate.dsl.program import EventType, InList, Input, Program
from tidegate.dsl.source import Source
from tidegate.dsl.types import TEXT_KINDS, Kind
from tidegate.dsl.unknowns import walk
from tidegate.engine.column_batch import Batch, CodedColumn, Column, IntegerColumn, narrow
from tidegate.engine.columns import ColumnEvaluator, compile_columns

FIFTY = Path(__file__).parent / "policies" / "fifty"
SEED = 20_261_123
MISSING_SHARE = 0.25
START_US = 1_793_491_200 * 10**6
"""2026-11-01, where the generated month begins."""
DAY_US = 86_400 * 10**6
POOLS: dict[str, int] = {"id": 1_000_000, "mcc": 300, "email_domain": 2_000, "merchant": 5_000}
"""How many different texts an input holds; tokens and other texts hold 100,000."""
COUNTRIES = (
    "AT", "BE", "BR", "CH", "CN", "DE", "DK", "ES", "FI", "FR", "GB", "GR", "HU", "IE", "IN", "IR",
    "IT", "JP", "KP", "MX", "NG", "NL", "NO", "PL", "PT", "RO", "RU", "SE", "TR", "UA", "US", "ZA",
)  # fmt: skip

Values = npt.NDArray[np.int64]


# --- the policy --------------------------------------------------------------------------------


def load(folder: Path) -> Program:
    """The checked program of a policy folder."""
    files = []
    for path in sorted(folder.rglob("*.tide")):
        parsed = parse(Source(path.name, path.read_text(encoding="utf-8")))
        files.append(parsed.file)
    checked = check(files)
    if checked.program is None:
        raise SystemExit("\n".join(f"{d.code} {d.message}" for d in checked.diagnostics))
    return checked.program


# --- the table ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Generated:
    """One input's values: integers, or positions in `pool` where it holds texts."""

    values: Values
    valid: npt.NDArray[np.bool_]
    pool: tuple[str, ...] = ()


def generate(event: EventType, rows: int, seed: int = SEED) -> dict[str, Generated]:
    """`rows` random events, skewed as payments are."""
    rng = np.random.default_rng(seed)
    return {item.name: _generate_input(rng, item, rows) for item in event.inputs}


def _generate_input(rng: np.random.Generator, item: Input, rows: int) -> Generated:
    missing = item.can_be_missing and item.source != "score"
    valid = rng.random(rows) >= (MISSING_SHARE if missing else 0.0)
    pool = _pool(item)
    if pool:
        # A cubed share: some cards and merchants are seen far more often than others.
        values = (rng.random(rows) ** 3 * len(pool)).astype(np.int64)
    else:
        values = _integers(rng, item, rows)
    return Generated(values, valid, pool)


def _pool(item: Input) -> tuple[str, ...]:
    kind = item.type.kind
    if kind is Kind.WORD:
        return item.type.words
    if kind is Kind.COUNTRY:
        return COUNTRIES
    if kind in TEXT_KINDS:
        size = POOLS.get(item.name, 100_000)
        return tuple(f"{item.name}-{i}" if size > 300 else str(4000 + i * 13) for i in range(size))
    return ()


def _integers(rng: np.random.Generator, item: Input, rows: int) -> Values:
    match item.type.kind:
        case Kind.FLAG:
            return rng.integers(0, 2, rows)
        case Kind.COUNT:
            return rng.geometric(0.35, rows) - 1
        case Kind.MONEY:
            return rng.lognormal(8.3, 1.6, rows).astype(np.int64).clip(0, 99_999_999)
        case Kind.TIME:
            return START_US + rng.integers(0, 28 * DAY_US, rows)
        case Kind.DURATION:
            return rng.integers(0, 60 * DAY_US, rows)
    return (rng.random(rows) ** 2 * 10**6).astype(np.int64)


def list_contents(program: Program, table: dict[str, Generated]) -> Lists:
    """A tenth of the values that any input of the list's type holds."""
    rng = np.random.default_rng(SEED)
    contents = {}
    for declared in program.lists:
        pools = {
            item.pool
            for event in program.events
            for item in (table[i.name] for i in event.inputs if i.type == declared.type)
        }
        values = sorted({value for pool in pools for value in pool})
        kept = rng.permutation(len(values))[: len(values) // 10]
        contents[declared.name] = ListContent(frozenset(values[i] for i in kept.tolist()))
    return contents


# --- both encodings ----------------------------------------------------------------------------


def frame_of(event: EventType, table: dict[str, Generated]) -> pl.DataFrame:
    """The table as strings and integers: what both sides encode from."""
    columns = {}
    for item in event.inputs:
        made = table[item.name]
        values = np.array(made.pool)[made.values] if made.pool else made.values
        series = pl.Series(item.name, values)
        if item.type.kind is Kind.FLAG:
            series = series.cast(pl.Boolean)
        columns[item.name] = series.set(pl.Series(~made.valid), None)
    return pl.DataFrame(columns)


def encode_polars(event: EventType, frame: pl.DataFrame) -> pl.DataFrame:
    """Strings as categories."""
    return frame.with_columns(pl.col(i.name).cast(dtype_of(i.type.kind)) for i in event.inputs)


def encode(event: EventType, frame: pl.DataFrame, lists: Lists) -> Batch:
    """The same as our columns; countries share one dictionary."""
    columns: dict[str, Column] = {}
    by_kind: dict[object, list[str]] = {}
    for item in event.inputs:
        if item.type.kind not in TEXT_KINDS:
            columns[item.name] = _encode_integers(frame[item.name])
        else:
            shared = item.type.kind is Kind.COUNTRY
            by_kind.setdefault(Kind.COUNTRY if shared else item.name, []).append(item.name)
    texts: dict[str, CodedColumn] = {}
    for names in by_kind.values():
        texts |= _encode_texts(frame, names)
    for test in list_tests(event):
        content = lists[test.list]
        if content is not None and isinstance(test.operand, Input):
            # As Polars' `is_in` is given categories, not strings.
            texts[test.operand.name].codes_of(content.values)
    return Batch(len(frame), columns | texts, lists)


def list_tests(event: EventType) -> list[InList]:
    """Every membership in a list that a rule asks for."""
    conditions = [c for rule in event.rules for c in (rule.when, *rule.exceptions)]
    return [node for c in conditions for node in walk(c) if isinstance(node, InList)]


def _encode_integers(series: pl.Series) -> IntegerColumn:
    values = series.cast(pl.Int64).fill_null(0).to_numpy()
    return IntegerColumn.of(values, series.is_not_null().to_numpy())


def _encode_texts(frame: pl.DataFrame, names: list[str]) -> dict[str, CodedColumn]:
    """Codes in the order of first appearance in the columns put one after the other."""
    texts = pl.concat([frame[name].alias("text") for name in names])
    encoded = texts.to_arrow().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    dictionary = tuple(encoded.dictionary.to_pylist())
    parts = np.split(narrow(codes), len(names))
    columns = {name: CodedColumn(part, dictionary) for name, part in zip(names, parts, strict=True)}
    for column in columns.values():
        # What an encoded table keeps: looking a literal up is no part of an evaluation.
        _ = column.index, column.valid_bits
    return columns


# --- measuring ---------------------------------------------------------------------------------

Counts = list[tuple[int, int]]


def count_ours(evaluator: ColumnEvaluator, batch: Batch) -> Counts:
    """Per rule, fired and unknown."""
    counts = evaluator.count(batch)
    return list(zip(counts.fired, counts.unknown, strict=True))


def count_polars(query: pl.LazyFrame) -> Counts:
    """The same by one collect."""
    row = query.collect().row(0)
    return list(zip(row[::2], row[1::2], strict=True))


def seconds(work: Callable[[], object]) -> float:
    """The wall time of one run."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measure(
    program: Program, rows: int, rounds: int, rules: Sequence[Rule] = ()
) -> dict[str, object]:
    """Both sides on the first decided event of `program`; DuckDB too, given few `rules` as data."""
    event = next(event for event in program.events if event.decided)
    table = generate(event, rows)
    lists = list_contents(program, table)
    frame = frame_of(event, table)
    batch, encoded = encode(event, frame, lists), encode_polars(event, frame)
    encodings = [
        (seconds(lambda: encode(event, frame, lists)), seconds(lambda: encode_polars(event, frame)))
        for _ in range(3)
    ]
    evaluator = compile_columns(program, event)
    query = Translation(program, event, lists).counts(encoded.lazy())
    own, theirs = count_ours(evaluator, batch), count_polars(query)
    with_duckdb = 0 < len(rules) <= UP_TO
    duckdb = duckdb_counts(rules, frame, lists) if with_duckdb else None
    times = [
        (
            seconds(lambda: count_ours(evaluator, batch)),
            seconds(lambda: count_polars(query)),
            seconds(duckdb) if duckdb else 0.0,
        )
        for _ in range(rounds)
    ]
    ratios = sorted(polars / ours for ours, polars, _ in times)
    optional = [item for item in event.inputs if item.can_be_missing]
    return {
        "rules": len(event.rules),
        "rows": rows,
        "inputs": len(event.inputs),
        "optional_inputs": len(optional),
        "missing_share_of_optional": MISSING_SHARE,
        "fired": sum(fired for fired, _ in own),
        "unknown": sum(unknown for _, unknown in own),
        "encode_s": statistics.median(ours for ours, _ in encodings),
        "polars_encode_s": statistics.median(polars for _, polars in encodings),
        "rows_per_s": rows / statistics.median(ours for ours, _, _ in times),
        "polars_rows_per_s": rows / statistics.median(polars for _, polars, _ in times),
        "times_duckdb": statistics.median(other / ours for ours, _, other in times),
        "times_polars": statistics.median(ratios),
        "times_polars_least": ratios[0],
        "times_polars_most": ratios[-1],
        "rules_that_differ": [
            rule.id for rule, a, b in zip(event.rules, own, theirs, strict=True) if a != b
        ],
        "duckdb_agrees": duckdb is None or duckdb() == own,
        "polars": pl.__version__,
        "polars_threads": pl.thread_pool_size(),
        "numpy": np.__version__,
    }


def report(name: str, result: Mapping[str, object]) -> str:
    """One line for people; everything stands in the JSON."""
    return (
        f"{name:14} {result['rules']:>5} rules, {result['rows']:,} rows: "
        f"{result['rows_per_s']:,.0f} rows/s, Polars {result['polars_rows_per_s']:,.0f}; "
        f"x {result['times_polars']:.2f} ({result['times_polars_least']:.2f} to "
        f"{result['times_polars_most']:.2f}); encoded in {result['encode_s']:.2f} s, "
        f"Polars {result['polars_encode_s']:.2f}; fired {result['fired']:,}, "
        f"unknown {result['unknown']:,}"
        + (f"; x DuckDB {result['times_duckdb']:.1f}" if result["times_duckdb"] else "")
    )


def main() -> None:
    """Measure, compare every rule, print; exit with 1 where a rule differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, nargs="*", default=[50, 500, 2_000])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    results = {"fifty": measure(load(FIFTY), options.rows, options.rounds)}
    print(report("fifty", results["fifty"]), flush=True)
    for count in options.rules:
        rules, name = usual(count), f"generated {count:,}"
        results[name] = measure(program_of(rules), options.rows, options.rounds, rules)
        print(report(name, results[name]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if any(r["rules_that_differ"] or not r["duckdb_agrees"] for r in results.values()):
        raise SystemExit("a rule differs")


if __name__ == "__main__":
    main()
