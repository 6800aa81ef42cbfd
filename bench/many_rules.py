"""Rule sets from 50 to 10,000: one decision beside a chain of `if`s and beside other engines.

    python -m bench.many_rules [--rules N …] [--peers-up-to N] [--seconds S] [--json FILE]
    python -m bench.many_rules --crossover N …    # branching code beside the index

In: the tuple of an event's values. Out, ours: outcome with reasons and winners, fired, unknown and
silenced masks, the inputs kept as the tuple; the chain's: its three ladders; a peer's: which rules
fire. All sides are compared on events first. Then rounds take turns, pinned to one core, each on
events that no side has seen; ratios are taken inside one round and given as medians.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import generate, rule_sets
from bench.handwritten import FIELDS
from bench.one_decision import NOTHING, ladders
from bench.peers import Peer, all_peers, context_of
from tidegate.dsl.checker import check
from tidegate.dsl.lists import Lists
from tidegate.dsl.parser import parse
from tidegate.dsl.program import Program
from tidegate.dsl.source import Source
from tidegate.engine.generated import INDEX_FROM, CompiledEvent, compile_event
from tidegate.engine.situation import Situation
from tidegate.rules import load_policy

COMPARED, PEERS_COMPARED = 20_000, 300
RULES_A_FILE = 2_000
"""A file holds a mebibyte at most."""
NEVER = 10**9
SETS: dict[str, Callable[[int], tuple[rule_sets.Rule, ...]]] = {
    "usual": rule_sets.usual,
    "adversarial": rule_sets.adversarial,
}
Rows = Sequence[generate.Row]


@dataclass(frozen=True, slots=True)
class Line:
    """One side: microseconds a decision; how many times longer than ours it takes, in the middle
    and from the lowest quartile to the highest."""

    name: str
    microseconds: float
    times_ours: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Result:
    """One rule set."""

    kind: str
    rules: int
    distinct_tests: int
    fired: float
    unknown: float
    events: int
    disagreements: int
    peer_disagreements: dict[str, int]
    seconds_to_load: float
    seconds_to_compile: float
    evaluator: str
    lines: tuple[Line, ...]


# --- the sides ---------------------------------------------------------------------------------


def program_of(rules: Sequence[rule_sets.Rule]) -> Program:
    """The checked policy of these rules."""
    starts = range(0, len(rules), RULES_A_FILE)
    texts = [rule_sets.as_policy(())]
    texts += [rule_sets.as_rules(rules[start : start + RULES_A_FILE]) for start in starts]
    files = [parse(Source(f"{n}.tide", text)).file for n, text in enumerate(texts)]
    program = check(files).program
    if program is None:
        raise SystemExit("the generated policy does not compile")
    return program


def chain_of(rules: Sequence[rule_sets.Rule], lists: Lists) -> Callable[[generate.Row], Any]:
    """The chain of `if`s."""
    names: dict[str, Any] = {name: content.values for name, content in lists.items() if content}
    exec(compile(rule_sets.as_chain(rules, FIELDS), "<chain>", "exec"), names)  # noqa: S102
    decide: Callable[[generate.Row], Any] = names["decide"]
    return decide


@dataclass(frozen=True, slots=True)
class Sides:
    """Everything that decides the events of one rule set."""

    ours: CompiledEvent
    branching: CompiledEvent
    chain: Callable[[generate.Row], Any]
    slots: tuple[int, ...]
    lists: Mapping[str, frozenset[Any]]

    def inputs(self, row: generate.Row) -> generate.Row:
        """The values that our policy reads, in its order."""
        return tuple(row[slot] for slot in self.slots)

    def context(self, row: generate.Row) -> dict[str, Any]:
        """The event as the peers want it."""
        return context_of(dict(zip(FIELDS, row, strict=True)), self.lists)


def sides_of(rules: Sequence[rule_sets.Rule], program: Program, lists: Lists) -> Sides:
    """Compile the rules on every side of our own."""
    event = program.event("payment")
    return Sides(
        ours=compile_event(program, event, lists),
        branching=compile_event(program, event, lists, index_from=NEVER),
        chain=chain_of(rules, lists),
        slots=tuple(FIELDS.index(entry.name) for entry in event.inputs),
        lists={name: content.values for name, content in lists.items() if content},
    )


# --- agreement ---------------------------------------------------------------------------------


def disagreements(sides: Sides, rows: Rows) -> tuple[int, float, float]:
    """Events on which a side of our own differs; fired and unknown rules an event."""
    wrong = fired = unknown = 0
    for row in rows:
        values = sides.inputs(row)
        settled = sides.ours.decide_values(values, NOTHING, NOTHING)
        same = sides.branching.decide_values(values, NOTHING, NOTHING) == settled
        wrong += not same or ladders(settled.outcome) != sides.chain(row)
        fired += settled.evaluation.fired.bit_count()
        unknown += settled.evaluation.unknown.bit_count()
    return wrong, fired / len(rows), unknown / len(rows)


def peer_disagreements(sides: Sides, peer: Peer, rows: Rows) -> int:
    """Events on which another engine fires other rules."""
    evaluate, fired = peer
    wrong = 0
    for row in rows:
        settled = sides.ours.decide_values(sides.inputs(row), NOTHING, NOTHING)
        mask, own = settled.evaluation.fired, set()
        while mask:
            own.add(mask.bit_length() - 1)
            mask ^= 1 << mask.bit_length() - 1
        wrong += fired(evaluate(sides.context(row))) != own
    return wrong


# --- time --------------------------------------------------------------------------------------

Work = Callable[[Any], object]


def measure(
    works: Mapping[str, tuple[Work, Callable[[generate.Row], Any]]], fresh: Iterator[generate.Row],
    seconds: float, rounds: int,
) -> tuple[Line, ...]:  # fmt: skip
    """Every side in every round, on events of its own; the first side is ours."""
    sizes = {name: _size(work, form, fresh, seconds) for name, (work, form) in works.items()}
    took: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds):
        order = list(works.items())
        for name, (work, form) in order if number % 2 else reversed(order):
            rows = [form(next(fresh)) for _ in range(sizes[name])]
            began = time.process_time()
            for row in rows:
                work(row)
            took[name].append((time.process_time() - began) / len(rows))
    return tuple(_line(name, took[name], next(iter(took.values()))) for name in works)


def _size(
    work: Work, form: Callable[[generate.Row], Any], fresh: Iterator[generate.Row], seconds: float
) -> int:
    """How many events take so many seconds."""
    rows = [form(next(fresh)) for _ in range(20)]
    began = time.perf_counter()
    for row in rows:
        work(row)
    return max(20, min(5_000, int(seconds * len(rows) / (time.perf_counter() - began))))


def _line(name: str, own: Sequence[float], ours: Sequence[float]) -> Line:
    ratios = [mine / base for mine, base in zip(own, ours, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Line(name, statistics.median(own) * 1e6, middle, low, high)


def run(kind: str, count: int, with_peers: bool, seconds: float, rounds: int) -> Result:
    """Compare and measure one rule set."""
    rules = SETS[kind](count)
    lists = load_policy(generate.FOLDER).lists
    began = time.perf_counter()
    program = program_of(rules)
    loaded = time.perf_counter()
    sides = sides_of(rules, program, lists)
    _ = sides.ours.decide_values
    compiled = time.perf_counter()
    rows = generate.events(COMPARED)
    wrong, fired, unknown = disagreements(sides, rows)
    works: dict[str, tuple[Work, Callable[[generate.Row], Any]]] = {
        "ours": (lambda row: sides.ours.decide_values(row, NOTHING, NOTHING), sides.inputs),
        "hand-written chain": (sides.chain, lambda row: row),
        "ours, branching code": (
            lambda row: sides.branching.decide_values(row, NOTHING, NOTHING), sides.inputs
        ),
    }  # fmt: skip
    peer_wrong = {}
    for name, peer in all_peers(rules) if with_peers else ():
        peer_wrong[name] = peer_disagreements(sides, peer, rows[:PEERS_COMPARED])
        works[name] = peer[0], sides.context
    gc.collect()
    gc.freeze()
    lines = measure(works, generate.stream(generate.SEED + 1), seconds, rounds)
    gc.unfreeze()
    return Result(
        kind=kind, rules=count, distinct_tests=rule_sets.distinct_tests(rules), fired=fired,
        unknown=unknown, events=len(rows), disagreements=wrong, peer_disagreements=peer_wrong,
        seconds_to_load=loaded - began, seconds_to_compile=compiled - loaded,
        evaluator="index" if count >= INDEX_FROM else "branching code", lines=lines,
    )  # fmt: skip


def crossover(count: int, seconds: float, rounds: int) -> str:
    """Branching code and the index on the same rules, both without the rest of a decision."""
    rules = rule_sets.usual(count)
    program, lists = program_of(rules), load_policy(generate.FOLDER).lists
    event = program.event("payment")
    slots = [FIELDS.index(entry.name) for entry in event.inputs]
    works: dict[str, tuple[Work, Callable[[generate.Row], Any]]] = {}
    for name, index_from in (("branching code", NEVER), ("index", 1)):
        compiled = compile_event(program, event, lists, index_from)
        works[name] = (
            compiled.evaluate,
            lambda row: Situation(event, tuple(row[slot] for slot in slots), lists, {}),
        )
    branching, index = measure(works, generate.stream(generate.SEED + 2), seconds, rounds)
    return (
        f"{count:6,} rules: branching code {branching.microseconds:.2f} µs, "
        f"index {index.microseconds:.2f} µs, x {index.times_ours:.2f}"
    )


def report(result: Result) -> str:
    """The table of one rule set."""
    peers = len(result.peer_disagreements)
    title = (
        f"{result.rules:,} rules, {result.kind}: {result.distinct_tests:,} distinct tests, "
        f"{result.fired:.2f} fired and {result.unknown:.2f} unknown an event; loaded in "
        f"{result.seconds_to_load:.1f} s, compiled in {result.seconds_to_compile:.1f} s, "
        f"by {result.evaluator}"
    )
    agreement = (
        f"  {result.events:,} events, {result.disagreements} disagreements with the chain; with "
        f"peers {sum(result.peer_disagreements.values())} of {PEERS_COMPARED * peers:,}"
    )
    text = [title, agreement, f"  {'':26}{'µs':>10}{'x ours':>10}   quartiles"]
    text += [
        f"  {line.name:26}{line.microseconds:10.2f}{line.times_ours:10.1f}"
        f"   {line.low:.1f} to {line.high:.1f}"
        for line in result.lines
    ]
    return "\n".join(text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, measure, print; exit with 1 where a side differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rules", type=int, nargs="+", default=[50, 500, 2_000, 10_000])
    parser.add_argument("--adversarial", type=int, nargs="*", default=[2_000])
    parser.add_argument("--peers-up-to", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=0.05, help="a side and round")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--crossover", type=int, nargs="+", metavar="N")
    options = parser.parse_args(arguments)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if options.crossover:
        for count in options.crossover:
            print(crossover(count, options.seconds, options.rounds), flush=True)
        return
    wanted = [("usual", n) for n in options.rules] + [
        ("adversarial", n) for n in options.adversarial
    ]
    results = []
    for kind, count in wanted:
        with_peers = kind == "usual" and count <= options.peers_up_to
        result = run(kind, count, with_peers, options.seconds, options.rounds)
        print(report(result) + "\n", flush=True)
        results.append(result)
    if options.json:
        options.json.write_text(json.dumps([asdict(r) for r in results], indent=2) + "\n")
    if any(r.disagreements or any(r.peer_disagreements.values()) for r in results):
        raise SystemExit("two sides disagree")


if __name__ == "__main__":
    main()
