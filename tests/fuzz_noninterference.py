"""Whether any score changes more than its model may, at full size (`make noninterference`).

The hand-written policy over 100,000 events with 21 scores and their absence, for each model and each
set of models that may not cause a rung; then generated policies, as they compile and with rules
that ask for more than any compiler would let them. At the end the clamp is switched off: had that
no effect, the run would have shown nothing.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from unittest import mock

from tests.engine.noninterference import (
    ANSWERS,
    SCORES,
    Difference,
    Tally,
    differences,
    generated_batch,
    one_by_one,
)
from tests.engine.noninterference_policy import POLICY
from tests.engine.small_policy import policy_of
from tests.fuzz_properties import unlicensed, with_exemptions
from tests.policies_generated import Shape, generated_policy
from tests.situations_generated import generated_lists
from tidegate.dsl.program import Disposition, Program
from tidegate.engine import column_outcome
from tidegate.engine.interpreter import NOBODY

EVENTS, POLICIES, ROWS, SAMPLE = 100_000, 1_000, 300, 50
PIECE = 20_000
"""So many events are held at once."""
SHAPES = (Shape(models=(1, 3)), Shape(rules=(4, 7), models=(2, 3), depth=1, vouching=True))


@dataclass
class Found:
    """What a run compared, and what it found wrong."""

    tally: Tally = field(default_factory=Tally)
    failures: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Join what another run found."""
        self.tally.decisions += other.tally.decisions
        self.tally.comparisons += other.tally.comparisons
        self.tally.declined += other.tally.declined
        self.failures += other.failures

    def note(self, name: str, found: Iterable[Difference]) -> None:
        """Keep what differed."""
        self.failures += [f"FAILED {name}: {one}" for one in found]


def run_shop(events: int, seed: int, sample: int) -> Found:
    """The hand-written policy: in columns, and a sample of it by the compiled evaluator."""
    program, rng, found = policy_of(POLICY).program, Random(seed), Found()
    event = program.event("payment")
    for first in range(0, events, PIECE):
        lists = generated_lists(rng, program, 0.0)
        batch = generated_batch(rng, program, event, lists, min(PIECE, events - first))
        found.note(f"shop from {first}", differences(program, event, batch, found.tally))
    batch = generated_batch(rng, program, event, generated_lists(rng, program), sample)
    found.note("shop, compiled", differences(program, event, batch, found.tally, one_by_one))
    return found


def run_policy(task: tuple[str, int]) -> Found:
    """One generated policy, as it is and with rules that ask for more."""
    name, rows = task
    rng, found = Random(name), Found()
    try:
        policy = generated_policy(rng, rng.choice(SHAPES))
        program = with_exemptions(rng, policy.program)
        _search(rng, program, rows, name, found, licensed=True)
        more = unlicensed(rng, program, program.event("payment"))
        _search(rng, more, rows, f"{name}:unlicensed", found, licensed=False)
    except Exception:  # noqa: BLE001 - whatever it raises is what the search looks for
        found.failures.append(f"FAILED {name}: {traceback.format_exc()}")
    return found


def _search(
    rng: Random, program: Program, rows: int, name: str, found: Found, *, licensed: bool
) -> None:
    event = program.event("payment")
    batch = generated_batch(rng, program, event, generated_lists(rng, program), rows)
    moved = differences(program, event, batch, found.tally, licensed=licensed)
    found.note(name, moved)


def run_policies(number: int, seed: int, rows: int, processes: int) -> Found:
    """So many generated policies; the same whatever the number of processes."""
    tasks, found = [(f"{seed}:noninterference:{i}", rows) for i in range(number)], Found()
    if processes == 1:
        for one in map(run_policy, tasks):
            found.add(one)
        return found
    settings = (100_000, 50, 50)
    with multiprocessing.get_context("spawn").Pool(processes, gc.set_threshold, settings) as pool:
        for one in pool.imap(run_policy, tasks, chunksize=10):
            found.add(one)
    return found


def run_unclamped(events: int, seed: int) -> list[Difference]:
    """What the same search finds where nobody is ever masked."""
    program, rng = policy_of(POLICY).program, Random(seed)
    event = program.event("payment")
    batch = generated_batch(rng, program, event, generated_lists(rng, program, 0.0), events)
    with mock.patch.object(column_outcome, "clamped", return_value=NOBODY):
        return list(differences(program, event, batch, Tally()))


def summary(
    shop: Found, policies: Found, number: int, unclamped: Sequence[Difference]
) -> list[str]:
    """What was compared, in lines."""
    declines = [d for d in unclamped if d.rung == Disposition.DECLINE.name.lower()]
    return [
        f"{len(SCORES)} scores, abstention, failure and outage: {len(ANSWERS)} answers of each model and set",
        f"hand-written policy: {shop.tally.decisions:,} decisions, {shop.tally.comparisons:,} rungs "
        f"compared, {len(shop.failures)} differences",
        f"{number:,} generated policies, twice: {policies.tally.decisions:,} decisions, "
        f"{policies.tally.comparisons:,} rungs compared, {len(policies.failures)} differences",
        f"without the clamp: {len(unclamped)} differences, {len(declines)} of them declines",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--policies", type=int, default=POLICIES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args(arguments)
    number = max(1, int(chosen.policies * chosen.scale))
    shop = run_shop(max(1, int(EVENTS * chosen.scale)), chosen.seed, SAMPLE)
    policies = run_policies(number, chosen.seed, ROWS, chosen.processes)
    unclamped = run_unclamped(2_000, chosen.seed)
    failures = [*shop.failures, *policies.failures]
    print(*failures, *summary(shop, policies, number, unclamped), sep="\n")
    return int(bool(failures) or not unclamped)


if __name__ == "__main__":
    sys.exit(main())
