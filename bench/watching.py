"""A loaded model over the Handbook's 1,754,155 payments: the dry run with it, and one watch of it.

    python -m bench.watching [--history FILE]

The data set is not part of the repository, and neither is the model: a hundred random trees of
seven inputs are made into a copy of `examples/handbook`, for the work is the same whatever they
say. Not among the steps of `make bench`: it takes minutes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import yaml

from bench.handbook import FOLDER, peak_mib
from tidegate.dsl.types import COUNT, MONEY, Type
from tidegate.models.portable import Input, PortableModel, Tree
from tidegate.models.reading import write_model
from tidegate.rules.loading import load_policy
from tidegate.rules.policy import Policy
from tidegate.simulation.backtest import DryRun, run_backtest
from tidegate.simulation.mapping import MappingError
from tidegate.simulation.monitoring import Wanted, monitor

UNIT = 10**9
TREES = 100
LEVELS = 4
CUTS: dict[str, tuple[Type, tuple[int, ...]]] = {
    "amount": (MONEY, (1_000, 3_000, 5_000, 9_000, 15_000, 22_000)),
    "tries_1h": (COUNT, (1, 2, 3)),
    "tries_24h": (COUNT, (1, 2, 4, 6)),
    "spend_24h": (MONEY, (2_000, 8_000, 20_000)),
    "typical_28d": (MONEY, (1_000, 3_000, 6_000, 9_000)),
    "terminals_7d": (COUNT, (2, 4, 8, 12)),
    "frauds_28d": (COUNT, (1, 2, 4)),
}
MODEL = """
model trees version 1
  from "models/trees"
  reads {reads}
  score tree_score
  use card_payment
  may review
  if unavailable then skip

rule trees_say version 1
  when tree_score >= 0.8
  then review before because unlike
"""


def random_tree(rng: Random) -> Tree:
    """A full tree of so many levels; an inner node's value is the mean of its leaves."""
    inner = 2**LEVELS - 1
    nodes = 2 * inner + 1
    inputs, cuts, values = [-1] * nodes, [0] * nodes, [0] * nodes
    names = list(CUTS)
    for node in reversed(range(nodes)):
        if node >= inner:
            values[node] = rng.randint(-UNIT // TREES, UNIT // TREES)
            continue
        inputs[node] = rng.randrange(len(names))
        cuts[node] = rng.choice(CUTS[names[inputs[node]]][1])
        values[node] = (values[2 * node + 1] + values[2 * node + 2]) // 2
    return Tree(
        inputs=tuple(inputs),
        cuts=tuple(cuts),
        words=(None,) * nodes,
        yes=tuple(2 * n + 1 if n < inner else 0 for n in range(nodes)),
        no=tuple(2 * n + 2 if n < inner else 0 for n in range(nodes)),
        missing_yes=(True,) * nodes,
        values=tuple(values),
    )


def trees_model() -> PortableModel:
    """Boosted trees over the inputs of the example's policy."""
    rng = Random(1)
    inputs = tuple(
        Input(name, type_, "EUR" if type_ is MONEY else "", takes_missing=True)
        for name, (type_, _) in CUTS.items()
    )
    trees = tuple(random_tree(rng) for _ in range(TREES))
    base = sum(tree.values[0] for tree in trees)
    return PortableModel("trees", 1, "gradient_boosting", "logit", inputs, base, (), trees, UNIT)


def policy_with_model(folder: Path, history: Path | None = None) -> Path:
    """The example with the model, in a new folder; its mapping names the file of the history."""
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    place = folder / "models" / "trees" / "1"
    place.mkdir(parents=True)
    (place / "model.json").write_bytes(write_model(trees_model()))
    (folder / "model.tide").write_text(MODEL.format(reads=", ".join(CUTS)))
    mapping = yaml.safe_load((folder / "mapping.yaml").read_text())
    for source in mapping["sources"]:
        source["file"] = str(history or (FOLDER / source["file"]).resolve())
    (folder / "mapping.yaml").write_text(yaml.safe_dump(mapping))
    return folder


def measure(folder: Path) -> None:
    """Print how long each takes, and how much of the processor's time is scoring."""
    bare, policy, mapping = load_policy(FOLDER), load_policy(folder), folder / "mapping.yaml"
    for name, loaded in (("without", bare), ("with", policy)):
        begin = time.perf_counter()
        rows = run_backtest(loaded, mapping).rows
        print(f"dry run {name} the model: {time.perf_counter() - begin:.1f} s, {rows:,} rows")
    begin = time.perf_counter()
    found = monitor(policy, mapping, Wanted())
    print(f"one watch: {time.perf_counter() - begin:.1f} s, {len(found.models)} model")
    used = {name: _processor_seconds(one, mapping) for name, one in (("w", bare), ("m", policy))}
    scoring = used["m"] - used["w"]
    print(f"processor: {used['m']:.1f} s for the slices, of which {scoring:.1f} s are the model's")
    print(f"peak memory {peak_mib()} MiB")


def _processor_seconds(policy: Policy, mapping: Path) -> float:
    begin = time.process_time()
    for _ in DryRun(policy, mapping).batches():
        pass
    return time.process_time() - begin


def main() -> None:
    """Measure and print; a stop where the data set is absent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=Path, help="another file of the same columns")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as drafts:
        try:
            measure(policy_with_model(Path(drafts) / "policy", options.history))
        except MappingError as error:
            sys.exit(f"the data set is not here: {error}")


if __name__ == "__main__":
    main()
