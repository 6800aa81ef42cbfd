"""Two revisions of the Handbook's policy over its 1,754,155 payments, with a warm snapshot.

    python -m bench.diff [--folder FOLDER] [--plain]

The policy after has another threshold, an exception, a rule less and a rule more. Measured: the
first comparison, which builds the snapshot; the same again; and one after another threshold, as an
analyst makes them one after the other. `--plain` also reads the history twice and holds every
figure against the one from the snapshot. The data set is no part of the repository:
`examples/handbook/mapping.yaml` says where it lies.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tidegate.rules.revisions import read_folder
from tidegate.simulation.comparison import Comparison, as_json
from tidegate.simulation.diff import DiffRun, compare
from tidegate.simulation.mapping import MappingError

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "handbook"
MAPPING = FOLDER / "mapping.yaml"
KEY = bytes(16)
LATE = """\
rule late_and_large version 1
  when hour(at) >= 22 and amount > 150 EUR
  then review because unusual
"""
EDITS = (
    ("when tries_1h >= 4\n", "when tries_1h >= 5\n"),
    (
        "amount >= 50 EUR\n  then step_up confirm because unlike\n",
        "amount >= 50 EUR\n  then step_up confirm because unlike\n  except when tries_24h >= 8\n",
    ),
    ("rule busy_day version 1\n  when tries_24h >= 7\n  then add 15 points\n", ""),
    ("rule signs_add_up version 1\n", f"{LATE}\nrule signs_add_up version 1\n"),
)
NEXT = (("when frauds_28d >= 8\n", "when frauds_28d >= 7\n"),)


def edited(folder: Path, edits: Sequence[tuple[str, str]]) -> None:
    """Change the rules in a copy of the policy."""
    path = folder / "rules.tide"
    text = path.read_text(encoding="utf-8")
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def timed(folder: Path, snapshot: Path | None) -> tuple[float, DiffRun]:
    """One comparison of the policy in `folder` with the shipped one, policies read as well."""
    began = time.perf_counter()
    run = compare(read_folder(FOLDER), read_folder(folder), MAPPING, snapshot=snapshot, key=KEY)
    return time.perf_counter() - began, run


def figures(comparison: Comparison) -> str:
    """Everything but seconds."""
    plain = as_json(comparison)
    del plain["timing"]
    return json.dumps(plain)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print; exit with 1 where the plain comparison differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--folder", type=Path, help="where to write; else a temporary folder")
    parser.add_argument("--plain", action="store_true", help="read the history twice as well")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        policy, snapshot = Path(place) / "policy", Path(place) / "kept"
        shutil.copytree(FOLDER, policy)
        edited(policy, EDITS)
        try:
            steps = [("first, builds the snapshot", *timed(policy, snapshot))]
        except MappingError as error:
            sys.exit(f"the data set is not here: {error}")
        steps.append(("again", *timed(policy, snapshot)))
        edited(policy, NEXT)
        steps.append(("after one more edit", *timed(policy, snapshot)))
        for name, seconds, run in steps:
            print(f"{name:28}{seconds:8.2f} s   {run.told[-1]}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(f"peak memory {peak:,.0f} MB, mapped files included")
        if options.plain:
            seconds, run = timed(policy, None)
            print(f"{'the plain way':28}{seconds:8.2f} s")
            if figures(run.comparison) != figures(steps[-1][2].comparison):
                sys.exit("the snapshot says something else than the history")
            print("every figure is the same")


if __name__ == "__main__":
    main()
