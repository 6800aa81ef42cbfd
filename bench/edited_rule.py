"""One threshold of one rule edited over a snapshot of ten million decisions.

    python -m bench.edited_rule [--rows 10000000] [--rules 500] [--json FILE]

The history is generated and written as a snapshot (`bench.encoded_history`), the rules come from
`bench.rule_sets`. Measured: the first run, which works out and keeps every predicate; a full run
with all of them kept (decide every row, add up, report); runs after an edit (find the change,
decide what it changes, add up, print the comparison), of rules from the middle one to the one that
fires most. The last edited run is compared with a full run of its policy, field for field. Reading
the policy's text takes the same in all and stands by itself, as does the whole report.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench import rule_sets
from bench.encoded_history import load, write_history, write_rules
from tidegate.rules import Policy
from tidegate.simulation.baseline import NAME
from tidegate.simulation.edit_report import snapshot_lines
from tidegate.simulation.report import to_json, to_text
from tidegate.simulation.snapshot_run import SnapshotRun, run_with_snapshot

EDITS = 5


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds, but for what says otherwise; `edited` is a median over so many edits."""

    rows: int
    rules: int
    write_inputs: float
    inputs_mb: float
    first_run: float
    snapshot_mb: float
    predicates: int
    load_policy: float
    full: float
    report: float
    edited: tuple[float, ...]
    edited_median: float
    rows_decided: tuple[int, ...]
    times: float
    times_with_all: float
    equal: bool
    peak_mb: float


class Bench:
    """One history, one folder of rules."""

    def __init__(self, folder: Path, rows: int, rules: int) -> None:
        self.folder = folder
        self.rules = rule_sets.usual(rules)
        write_rules(folder / "policy", self.rules)
        self.load_seconds, policy = _timed_load(folder / "policy")
        began = time.perf_counter()
        self.mapping = write_history(folder, policy, rows)
        self.write_seconds = time.perf_counter() - began
        self.kept = folder / "kept"
        self.places: list[int] = []

    def run(self, policy: Policy) -> tuple[float, SnapshotRun, str]:
        """One run up to the printed comparison with the one before.

        What reading the policy left to the garbage collector is no part of it.
        """
        gc.collect()
        began = time.perf_counter()
        found = run_with_snapshot(policy, self.mapping, self.kept)
        assert not found.built, found.built
        text = "\n".join(snapshot_lines(found))
        return time.perf_counter() - began, found, text

    def choose(self, found: SnapshotRun, edits: int) -> None:
        """Rules to edit, from the middle one to the one that fires most."""
        fired = [rule.fired.count for rule in found.result.events[0].rules]
        order = sorted(range(len(fired)), key=fired.__getitem__)
        order = [place for place in order if isinstance(self.rules[place].tests[-1].value, int)]
        self.places = [
            order[(len(order) - 1) * (edits + n) // (2 * edits - 1)] for n in range(edits)
        ]

    def forget(self) -> None:
        """The next run starts from no other."""
        (self.kept / NAME).unlink()

    def edited(self, number: int) -> Policy:
        """The policy with one more threshold raised, of a rule that fires more often each time."""
        rules = list(self.rules)
        place = self.places[number]
        rules[place] = raised(rules[place])
        self.rules = tuple(rules)
        write_rules(self.folder / "policy", rules)
        return load(self.folder / "policy")


def raised(rule: rule_sets.Rule) -> rule_sets.Rule:
    """The rule with another last threshold."""
    test = rule.tests[-1]
    assert isinstance(test.value, int)
    return replace(
        rule, tests=(*rule.tests[:-1], replace(test, value=test.value + -(-test.value // 7)))
    )


def _timed_load(folder: Path) -> tuple[float, Policy]:
    began = time.perf_counter()
    policy = load(folder)
    return time.perf_counter() - began, policy


def measure(folder: Path, rows: int, rules: int, edits: int = EDITS) -> tuple[Figures, str]:
    """The figures, and the comparison that the last edit printed."""
    bench = Bench(folder, rows, rules)
    policy = load(folder / "policy")
    inputs = sum(path.stat().st_size for path in bench.kept.rglob("*") if path.is_file())
    first, kept, text = bench.run(policy)
    bench.choose(kept, edits)
    found, equal = kept, True
    seconds, decided = [], []
    for number in range(edits):
        policy = bench.edited(number)
        took, found, text = bench.run(policy)
        seconds.append(took)
        decided.append(found.edits[0].decided)
        equal = equal and found.edits[0].before is not None
    bench.forget()
    full, whole, _ = bench.run(policy)
    equal = equal and to_json(whole.result) == to_json(found.result)
    began = time.perf_counter()
    _ = to_text(whole.result)
    printing, middle = time.perf_counter() - began, statistics.median(seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    figures = Figures(
        rows=rows, rules=rules, write_inputs=bench.write_seconds, inputs_mb=inputs / 10**6,
        first_run=first, snapshot_mb=kept.bytes / 10**6, predicates=kept.edits[0].new_predicates,
        load_policy=bench.load_seconds, full=full + printing, report=printing,
        edited=tuple(seconds), edited_median=middle,
        rows_decided=tuple(decided), times=(full + printing) / middle,
        times_with_all=(full + printing + bench.load_seconds)
        / (middle + printing + bench.load_seconds),
        equal=equal, peak_mb=peak,
    )  # fmt: skip
    return figures, text[text.index("snapshot: ") :]


def report(found: Figures) -> str:
    """The figures in words."""
    listed = ", ".join(f"{seconds:.3f}" for seconds in found.edited)
    decided = ", ".join(f"{rows:,}" for rows in found.rows_decided)
    return "\n".join(
        (
            f"{found.rows:,} rows, {found.rules:,} rules, {found.predicates} distinct predicates",
            (
                f"  inputs written in    {found.write_inputs:8.1f} s, {found.inputs_mb:,.0f} MB"
                " (generated here; a history is read from its files)"
            ),
            (
                f"  first run            {found.first_run:8.1f} s, which keeps the predicates:"
                f" {found.snapshot_mb:,.0f} MB in all"
            ),
            (
                f"  full run             {found.full:8.1f} s, predicates kept, with a report of"
                f" {found.report:.2f} s"
            ),
            f"  after an edit        {found.edited_median:8.3f} s, median of {listed}",
            f"  rows decided again   {decided}",
            (
                f"  a full run takes {found.times:,.0f} times as long;"
                f" {found.times_with_all:,.0f} times with the whole report and the"
                f" {found.load_policy:.2f} s that reading the policy takes in both"
            ),
            (
                f"  same result as a full run: {found.equal}; peak memory {found.peak_mb:,.0f} MB,"
                " mapped files included"
            ),
        )
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print; exit with 1 where the results differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rules", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="where to write; else a temporary folder")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        figures, comparison = measure(Path(folder), options.rows, options.rules)
    print(f"{report(figures)}\n\n{comparison}")
    if options.json:
        options.json.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    if not figures.equal:
        raise SystemExit("the edited run differs from a full one")


if __name__ == "__main__":
    main()
