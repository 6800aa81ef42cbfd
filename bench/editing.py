"""How long an editor waits on a large policy: findings and completion after a key.

    python -m bench.editing [--rules N] [--rounds N]

Rules stand in files of 200. In every round a key changes one of them. In: the text that the editor
holds; out: every finding of the policy, and what fits at a place. The server waits another 0.15 s
for the next key before it begins, and findings then cross a pipe.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import generate, rule_sets
from tidegate.dsl.completion import complete
from tidegate.dsl.source import Source
from tidegate.rules.editing import read_edited

A_FILE = 200


def write_policy(folder: Path, count: int) -> Path:
    """A policy of so many generated rules; its first file of rules."""
    shutil.copytree(generate.FOLDER / "lists", folder / "lists")
    (folder / "policy.tide").write_text(rule_sets.as_policy(()), encoding="utf-8")
    rules = rule_sets.usual(count)
    for start in range(0, count, A_FILE):
        text = rule_sets.as_rules(rules[start : start + A_FILE])
        (folder / f"rules_{start:05}.tide").write_text(text, encoding="utf-8")
    return folder / "rules_00000.tide"


def milliseconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def one_round(path: Path, typed: str) -> tuple[float, float]:
    """Findings after a key, and what fits behind the first `when`."""
    findings = milliseconds(lambda: read_edited(path, {path: typed}))
    edited, source = read_edited(path, {path: typed}), Source(path.name, typed)
    place = typed.index(" when ") + len(" when ")
    return findings, milliseconds(lambda: complete(source, place, edited.declared))


def main(arguments: list[str] | None = None) -> None:
    """Measure and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rules", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        path = write_policy(Path(folder), options.rules)
        text = path.read_text(encoding="utf-8")
        first = milliseconds(lambda: read_edited(path, {path: text}))
        rounds = [one_round(path, f"{text}\n# {n}\n") for n in range(options.rounds)]
    findings, completions = zip(*rounds, strict=True)
    print(
        f"{options.rules:,} rules: findings {first:,.0f} ms on opening, "
        f"{statistics.median(findings):,.0f} ms after a key; completion "
        f"{statistics.median(completions):,.0f} ms"
    )


if __name__ == "__main__":
    main()
