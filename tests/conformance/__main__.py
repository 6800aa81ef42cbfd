"""The command: `python -m tests.conformance FILE`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.conformance.classes import CLASSES, Classified, classify, unneeded
from tests.conformance.divergences import REASONS
from tests.conformance.vectors import MalformedError, Vector, read


def summary(classified: Sequence[Classified]) -> list[str]:
    """The four counts, what is behind them, and what has no class."""
    counts = Counter(one.class_ for one in classified)
    run = sum(1 for one in classified if one.class_ == "agrees" and not one.vector.may_fail)
    lines = [f"{len(classified):,} vectors"]
    lines += [f"{counts[class_]:>6,} {class_}" for class_ in CLASSES]
    lines.append(
        f"{run:,} vectors of a value agree in all evaluators as written, lifted, and lifted in a "
        "shuffled batch"
    )
    for class_ in ("diverges", "not expressible"):
        lines += ["", f"{class_}:"]
        whys = Counter(one.why for one in classified if one.class_ == class_)
        lines += [f"{number:>6,} {why}" for why, number in whys.most_common()]
    failed = [one for one in classified if one.class_ == "without a class"]
    lines += [f"FAILED {one.vector.id}: {one.vector.source.strip()}: {one.why}" for one in failed]
    return lines


def run(vectors: Sequence[Vector], seed: int = 0) -> tuple[list[Classified], list[str]]:
    """Every vector with its class, and the divergences of these files that are not needed."""
    classified = classify(vectors, REASONS, Random(seed))
    suites = {vector.id.split("/")[0] for vector in vectors}
    ours = {
        reason: [p for p in patterns if p.split("/")[0] in suites]
        for reason, patterns in REASONS.items()
    }
    return classified, unneeded(classified, ours)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("file", type=Path, help="vectors, one JSON object a line; may end in .gz")
    parser.add_argument("--seed", type=int, default=0, help="how the batches are shuffled")
    chosen = parser.parse_args(arguments)
    try:
        vectors = read(chosen.file)
    except (OSError, MalformedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    classified, stale = run(vectors, chosen.seed)
    print("\n".join(summary(classified)))
    for pattern in stale:
        print(f"FAILED a divergence that nothing needs: {pattern}")
    return int(bool(stale) or any(one.class_ == "without a class" for one in classified))


if __name__ == "__main__":
    sys.exit(main())
