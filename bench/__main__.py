"""Runs every benchmark in turn, each in a process of its own: `python -m bench [--results FOLDER]`.

Each prints its table and checks that both sides agree before it claims anything; those that keep
figures write them as JSON into the results folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HANDBOOK = Path(__file__).resolve().parents[2] / "shared" / "data" / "handbook"
STEPS = (
    ("one decision, 50 rules: our function beside a hand-written chain", "one_decision", True),
    ("50 to 10,000 rules: ours beside a chain of `if`s and other engines", "many_rules", True),
    ("one score with its contributions: ours beside the library's probability", "models", True),
    ("columns, one core: ours beside Polars", "columns", True),
    ("one rule of 500 edited, 10M rows: the run after it beside a full run", "edited_rule", True),
    ("six exact windows over 1M events, one core: ours beside Polars", "windows", False),
    ("six windows and 50 rules over the Handbook's history", "handbook", False),
    ("two revisions over the Handbook's history, by a warm snapshot", "diff", False),
    ("durable records: our ledger beside SQLModel and a hash-chained file", "ledger", True),
    ("an editor on 2,000 rules, after a key", "editing", False),
)
ONE_CORE = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}


def main() -> int:
    """Run all steps; the worst exit code of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("build/bench"))
    folder = parser.parse_args().results
    folder.mkdir(parents=True, exist_ok=True)
    worst = 0
    for title, module, keeps_figures in STEPS:
        print(f"\n== {title}\n", flush=True)
        if module in ("handbook", "diff") and not HANDBOOK.exists():
            print(f"left out: {HANDBOOK} is not here")
            continue
        arguments = ["--json", str(folder / f"{module}.json")] if keeps_figures else []
        worst = max(worst, _run(module, arguments))
    print(f"\nfigures are in {folder}")
    return worst


def _run(module: str, arguments: list[str]) -> int:
    environment = os.environ if module == "handbook" else {**os.environ, **ONE_CORE}
    command = [sys.executable, "-m", f"bench.{module}", *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
