"""One decision by fifty rules, against a reviewed hand-written chain of the same rules.

    python -m bench.one_decision [--events N] [--rounds N] [--json FILE]

In: the tuple of an event's values (features and scores included). Out, ours: the decision with its
outcome, reasons, fired, unknown and silenced masks; the input snapshot is the tuple itself. Out,
theirs: the three ladders alone. Both sides are first compared on every event, which leaves ours
with what a service remembers that has been running for a while. Then rounds take turns, pinned to
one core, each on events that neither side has seen before; each ratio is taken inside one round.
Time is the time of the process, so that other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import generate, handwritten
from tidegate.engine.generated import CompiledEvent, compile_event
from tidegate.engine.situation import Outcome, Settled
from tidegate.rules import load_policy

FRESH_SEED = generate.SEED + 1
DISPOSITIONS = {"approve": 0, "hold": 1, "decline": 2}
AUTHENTICATIONS = {"exempt": 0, "none": 1, "preferred": 2, "mandated": 3}
REVIEWS = {"none": -1, "after": 0, "before": 1}
NOTHING: Mapping[str, Any] = {}

Rows = Sequence[generate.Row]


def compiled() -> CompiledEvent:
    """The fifty rules, compiled; the hand-written chain gets the same lists."""
    policy = load_policy(generate.FOLDER)
    event = policy.program.event("payment")
    if tuple(entry.name for entry in event.inputs) != handwritten.FIELDS:
        raise SystemExit("the chain and the policy read different inputs")
    blocked_cards, throwaway = (policy.lists[name] for name in ("blocked_cards", "throwaway"))
    if blocked_cards is None or throwaway is None:
        raise SystemExit("a list of the policy is missing")
    handwritten.use_lists(blocked_cards.values, throwaway.values)
    return compile_event(policy.program, event, policy.lists)


def ladders(outcome: Outcome) -> tuple[int, int, int]:
    """An outcome as the chain writes it."""
    return (
        DISPOSITIONS[outcome.disposition],
        AUTHENTICATIONS[outcome.authentication],
        REVIEWS[outcome.review],
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides said of the same events."""

    events: int
    disagreements: int
    fired_per_event: float
    unknown_per_event: float
    without_any: float
    distinct_findings: int
    rules_that_never_fired: tuple[str, ...]
    words: dict[str, int]


def compare(ours: CompiledEvent, rows: Rows) -> Agreement:
    """Decide every event on both sides."""
    decide = ours.decide_values
    decisions = [decide(row, NOTHING, NOTHING) for row in rows]
    wrong = sum(
        ladders(decision.outcome) != handwritten.decide(row)
        for decision, row in zip(decisions, rows, strict=True)
    )
    return _agreement(ours, decisions, wrong)


def _agreement(ours: CompiledEvent, decisions: Sequence[Settled], wrong: int) -> Agreement:
    found = [decision.evaluation for decision in decisions]
    ever, count = 0, len(decisions)
    words: dict[str, int] = {}
    for decision in decisions:
        ever |= decision.evaluation.fired
        words[decision.outcome.word] = words.get(decision.outcome.word, 0) + 1
    return Agreement(
        events=count,
        disagreements=wrong,
        fired_per_event=sum(f.fired.bit_count() for f in found) / count,
        unknown_per_event=sum(f.unknown.bit_count() for f in found) / count,
        without_any=sum(not (f.fired or f.unknown) for f in found) / count,
        distinct_findings=len(set(found)),
        rules_that_never_fired=tuple(
            rule.name for index, rule in enumerate(ours.event.rules) if not ever >> index & 1
        ),
        words=words,
    )


Side = Callable[[Rows], None]


def sides(ours: CompiledEvent) -> dict[str, Side]:
    """What is measured, by name; the chain comes first."""
    decide, chain = ours.decide_values, handwritten.decide

    def run_chain(rows: Rows) -> None:
        for row in rows:
            chain(row)

    def run_decision(rows: Rows) -> None:
        for row in rows:
            decide(row, NOTHING, NOTHING)

    return {"hand-written chain": run_chain, "decision with evidence": run_decision}


def measure(measured: Mapping[str, Side], rows: Rows, rounds: int) -> dict[str, list[float]]:
    """Seconds for one event, for each side and round; each round has events of its own."""
    seconds: dict[str, list[float]] = {name: [] for name in measured}
    size = len(rows) // rounds
    for number in range(rounds):
        part = rows[number * size : (number + 1) * size]
        order = list(measured.items())
        for name, side in order if number % 2 else reversed(order):
            began = time.process_time()
            side(part)
            seconds[name].append((time.process_time() - began) / len(part))
    return seconds


@dataclass(frozen=True, slots=True)
class Line:
    """One side: microseconds for one event, and the ratio to the chain with its quartiles."""

    name: str
    microseconds: float
    ratio: float
    ratio_low: float
    ratio_high: float


def lines_of(seconds: Mapping[str, Sequence[float]]) -> list[Line]:
    """Medians over rounds; each ratio is taken inside one round."""
    chain = next(iter(seconds.values()))
    lines = []
    for name, own in seconds.items():
        ratios = [mine / theirs for mine, theirs in zip(own, chain, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        lines.append(Line(name, statistics.median(own) * 1e6, middle, low, high))
    return lines


def report(lines: Sequence[Line], agreement: Agreement) -> str:
    """The table that people read."""
    said = agreement
    text = [
        f"{said.events} events, {said.disagreements} disagreements",
        f"{said.fired_per_event:.2f} fired and {said.unknown_per_event:.2f} unknown rules",
        f"{said.distinct_findings} distinct findings; {said.without_any:.0%} find nothing",
        f"{'':24}{'µs':>8}{'ratio':>8}   quartiles",
    ]
    text += [
        f"{line.name:24}{line.microseconds:8.2f}{line.ratio:8.2f}   "
        f"{line.ratio_low:.2f} to {line.ratio_high:.2f}"
        for line in lines
    ]
    return "\n".join(text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=201)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    ours, rows = compiled(), generate.events(options.events)
    agreement = compare(ours, rows)
    fresh = generate.events(options.events, FRESH_SEED)
    # As a service does once it is up: the collector does not look through what stays anyway.
    gc.collect()
    gc.freeze()
    lines = lines_of(measure(sides(ours), fresh, options.rounds))
    print(report(lines, agreement))
    if options.json:
        result = {"lines": [asdict(line) for line in lines], "agreement": asdict(agreement)}
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if agreement.disagreements:
        raise SystemExit("the two sides disagree")


if __name__ == "__main__":
    main()
