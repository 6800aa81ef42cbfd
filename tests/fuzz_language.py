"""A long search for a disagreement in the language: `make fuzz-language` (SCALE=1).

Three campaigns, each deterministic from the seed, spread over two processes:

- policies of the whole language, a hundred events each, on which the interpreter, generated code
  and columns must agree; with what the checker promised and what LANGUAGE.md promises;
- policies whose two or three models vouch for each other through points: the clamp must hold;
- mutated policy files: a diagnostic or a program, never a traceback.

What fails is printed with its seed, made as small as it gets: `--case agreement:17` runs one again.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import multiprocessing
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from tests import fuzz_mutations
from tests.fuzz_agreement import (
    Fault,
    disagreement,
    false_promise,
    faults,
    filled,
    flipped,
    labels_of,
    split_differs,
)
from tests.fuzz_decisions import decision_differs
from tests.fuzz_properties import (
    breaches,
    missing_lowers,
    names_matter,
    order_matters,
    unlicensed,
    with_exemptions,
)
from tests.fuzz_templates import can_be_moved, template_differs
from tests.policies_generated import (
    SUMS,
    DoesNotCompileError,
    Draft,
    GeneratedPolicy,
    Shape,
    compiled,
    generated_policy,
)
from tests.situations_generated import (
    conditions_of,
    generated_lists,
    generated_situations,
    pools_of,
)
from tidegate.dsl.lists import Lists
from tidegate.dsl.program import LADDERS, RUNGS, EventType, Program
from tidegate.dsl.types import Kind
from tidegate.dsl.unknowns import walk
from tidegate.engine.interpreter import masked_everywhere
from tidegate.engine.situation import Situation

POLICIES, VOUCHING, MUTATIONS = 10_000, 20_000, 20_000
EVENTS = 100
ENOUGH = 1_000
"""How often every operator, type and rung is to be met at scale 1."""
PROCESSES = 2
RUNS = 2
MUTANTS_A_CASE = 50
VOUCHES = Shape(rules=(4, 7), models=(2, 3), depth=1, vouching=True)


@dataclass
class Found:
    """What a run has seen and what it found wrong."""

    seen: Counter[str] = field(default_factory=Counter)
    texts: set[bytes] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Join what another run found."""
        self.seen.update(other.seen)
        self.texts |= other.texts
        self.failures += other.failures


# --- one case ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A policy with a check that failed in one situation."""

    name: str
    policy: GeneratedPolicy
    program: Program
    fault: Fault


Check = Callable[[Program, EventType, Situation], Fault | None]


def _agree(program: Program, event: EventType, situation: Situation) -> Fault | None:
    return disagreement(program, event, [[situation]], Random(0))


def agreement_case(name: str) -> Found:
    """One policy of the whole language with everything that is asked of it."""
    rng, found = Random(name), Found()
    policy = generated_policy(rng)
    found.texts.add(hashlib.sha256(policy.text.encode()).digest()[:12])
    program = with_exemptions(rng, policy.program)
    decided = [event for event in program.events if event.rules]
    for event in decided:
        number = (
            EVENTS if len(decided) == 1 else EVENTS * (4 if event.name == "payment" else 1) // 5
        )
        batches = _batches(rng, program, event, number)
        fault = disagreement(program, event, batches, rng, found.seen)
        check = _agree
        if fault is None:
            fault, check = _promises(rng, program, event, batches, found.seen), false_promise
        if fault is None:
            fault = _properties(rng, policy, program, event, batches[0], found.seen)
        if fault is not None:
            found.failures.append(_report(Case(name, policy, program, fault), check))
            break
        _meet(event, found.seen)
    return found


def _batches(rng: Random, program: Program, event: EventType, number: int) -> list[list[Situation]]:
    """The situations in a few runs, each with its own contents of managed lists."""
    files = {n: c for n, c in generated_lists(rng, program).items() if _is_file(program, n)}
    runs = []
    for _ in range(RUNS):
        lists: Lists = {**generated_lists(rng, program), **files}
        runs.append(generated_situations(rng, program, event, lists, number // RUNS))
    return runs


def _is_file(program: Program, name: str) -> bool:
    return any(declared.name == name and declared.path for declared in program.lists)


def _promises(
    rng: Random,
    program: Program,
    event: EventType,
    batches: Sequence[Sequence[Situation]],
    seen: Counter[str],
) -> Fault | None:
    """What the checker said can never be, and what a value must not flip, on some situations."""
    pools = pools_of(program, event)
    for situation in (s for batch in batches for s in batch[:1]):
        masked = masked_everywhere(program, situation)
        seen["checked conditions"] += sum(1 for _ in conditions_of(event))
        seen["faulted"] += faults(event, situation, masked)
        fault = false_promise(program, event, situation)
        fault = fault or flipped(program, event, situation, filled(rng, pools, situation))
        if fault is not None:
            return fault
    return None


def _properties(
    rng: Random,
    policy: GeneratedPolicy,
    program: Program,
    event: EventType,
    situations: Sequence[Situation],
    seen: Counter[str],
) -> Fault | None:
    some = situations[:8]
    seen["missing never lowers"] += len(some)
    fault = missing_lowers(program, event, some, rng, pools_of(program, event))
    if fault is None and rng.random() < 0.25:
        seen["batches split"] += 1
        fault = split_differs(program, event, situations, rng)
    if fault is None and rng.random() < 0.3 and can_be_moved(policy):
        seen["templates applied"] += 1
        fault = template_differs(policy, rng)
    if fault is None and rng.random() < 0.2:
        fault = decision_differs(policy, rng, seen)
    if fault is None and rng.random() < 0.1:
        seen["orders and names exchanged"] += 1
        own = policy.program.event(event.name)
        fault = order_matters(policy, rng)
        fault = fault or names_matter(policy, [replace(s, event=own) for s in some], rng)
    return fault


def clamp_case(name: str) -> Found:
    """One policy whose models vouch for each other."""
    rng, found = Random(name), Found()
    policy = generated_policy(rng, VOUCHES)
    found.texts.add(hashlib.sha256(policy.text.encode()).digest()[:12])
    program = with_exemptions(rng, policy.program)
    event = program.event("payment")
    lists = generated_lists(rng, program)
    situations = generated_situations(rng, program, event, lists, 8)
    fault = breaches(program, event, situations, rng, found.seen)
    if fault is None and rng.random() < 0.25:
        program = unlicensed(rng, program, event)
        event = program.event("payment")
        moved = [replace(situation, event=event) for situation in situations]
        fault = breaches(program, event, moved, rng, found.seen, licensed=False)
        fault = fault or disagreement(program, event, [moved], rng)
    if fault is not None:
        found.seen["clamp breaches"] += 1
        found.failures.append(_report(Case(name, policy, program, fault), None))
    return found


def mutants_case(name: str) -> Found:
    """Some broken policy files."""
    seed, _, index = name.split(":")
    first = int(index) * MUTANTS_A_CASE
    tally = fuzz_mutations.run(range(first, first + MUTANTS_A_CASE), int(seed))
    seen = Counter({"mutants": tally.tried, "sound mutants": tally.sound, **tally.codes})
    return Found(seen=seen, failures=[f"FAILED {name}: {failure}" for failure in tally.failures])


def _meet(event: EventType, seen: Counter[str]) -> None:
    for condition in conditions_of(event):
        for node in walk(condition):
            seen.update(labels_of(node))


# --- what failed -------------------------------------------------------------------------------


def _report(case: Case, check: Check | None) -> str:
    """The failure with its seed, the smallest policy that shows it, and the event."""
    drafts, situation = list(case.policy.drafts), case.fault.situation
    lines = [f"FAILED {case.name}: {case.fault.what}"]
    if situation is None:
        return "\n".join([*lines, case.policy.text])
    if check is not None and case.program == case.policy.program:
        drafts = smallest(drafts, situation, check)
    lines += ["", *(draft.full() + "\n" for draft in drafts), *_shown(situation)]
    return "\n".join(lines)


def _shown(situation: Situation) -> Iterator[str]:
    for entry, value in zip(situation.event.inputs, situation.values, strict=True):
        yield f"  {entry.name} = {value!r}"
    yield f"  statuses = {dict(situation.statuses)}"
    for name, content in sorted(situation.lists.items()):
        held = None if content is None else sorted(content.values, key=repr) or content.ranges
        yield f"  list {name} = {held}"


def smallest(drafts: list[Draft], situation: Situation, check: Check) -> list[Draft]:
    """The drafts without those that the failure does not need."""
    for draft in reversed(list(drafts)):
        fewer = [d for d in drafts if d is not draft]
        if not draft.needed and _still_fails(fewer, situation, check):
            drafts = fewer
    return drafts


def _still_fails(drafts: Sequence[Draft], situation: Situation, check: Check) -> bool:
    policy = compiled(drafts)
    if not isinstance(policy, GeneratedPolicy):
        return False
    event = policy.program.event(situation.event.name)
    names = (entry.name for entry in situation.event.inputs)
    values = dict(zip(names, situation.values, strict=True))
    if any(entry.name not in values for entry in event.inputs):
        return False
    statuses = {model: situation.statuses[model] for model in event.models}
    held = tuple(values[entry.name] for entry in event.inputs)
    moved = Situation(event, held, situation.lists, statuses)
    try:
        return check(policy.program, event, moved) is not None
    except Exception:  # noqa: BLE001 - a crash is a failure as well
        return True


# --- many cases --------------------------------------------------------------------------------

CAMPAIGNS: dict[str, Callable[[str], Found]] = {
    "agreement": agreement_case,
    "clamp": clamp_case,
    "mutants": mutants_case,
}


def run_case(task: tuple[str, str]) -> Found:
    """One case by its campaign and name; whatever it raises is a failure with its name."""
    campaign, name = task
    try:
        return CAMPAIGNS[campaign](name)
    except DoesNotCompileError as refused:
        return Found(seen=Counter({"refused": 1}), failures=[f"FAILED {name}: {refused}"])
    except Exception:  # noqa: BLE001 - whatever it raises is what the search looks for
        return Found(failures=[f"FAILED {name}: {traceback.format_exc()}"])


def run_cases(campaign: str, number: int, seed: int, processes: int = PROCESSES) -> Found:
    """So many cases of a campaign; the same whatever the number of processes."""
    tasks = [(campaign, f"{seed}:{campaign}:{index}") for index in range(number)]
    found = Found()
    for one in _each(tasks, processes):
        found.add(one)
    return found


def _each(tasks: Sequence[tuple[str, str]], processes: int) -> Iterable[Found]:
    if processes == 1:
        yield from map(run_case, tasks)
        return
    # Programs are trees without cycles: looking for cycles would cost a tenth of the time.
    settings = (100_000, 50, 50)
    with multiprocessing.get_context("spawn").Pool(processes, gc.set_threshold, settings) as pool:
        yield from pool.imap(run_case, tasks, chunksize=20)


# --- the summary -------------------------------------------------------------------------------


def summary(agreement: Found, clamp: Found, mutants: Found) -> list[str]:
    """What was met, in lines."""
    seen, rows = agreement.seen, max(agreement.seen["rows"], 1)
    conditions = max(seen["checked conditions"], 1)
    lines = [
        f"agreement: {len(agreement.texts):,} distinct policies, {seen['decisions']:,} decisions, "
        f"{seen['rows']:,} rule evaluations; interpreter, generated code and columns agree"
        if not agreement.failures
        else f"agreement: {len(agreement.failures)} FAILED",
        f"  fired {_share(seen['fired'], rows)}, unknown {_share(seen['unknown'], rows)}, "
        f"silenced {_share(seen['silenced'], rows)} of rules; "
        f"faulted {_share(seen['faulted'], conditions)} of conditions",
        f"  capped {seen['capped']:,} rungs; missing never lowers: {seen['missing never lowers']:,} "
        f"events; batches split: {seen['batches split']:,}; orders and names exchanged: "
        f"{seen['orders and names exchanged']:,}",
    ]
    for sort in ("word", "rung", "type", "operator"):
        met = {k.removeprefix(f"{sort} "): v for k, v in seen.items() if k.startswith(f"{sort} ")}
        fewest = sorted(met, key=lambda k: met[k])[:3]
        rare = ", ".join(f"{k} {met[k]:,}" for k in fewest)
        lines.append(f"  {sort}s: {len(met)} met, the rarest {rare}")
    counted = clamp.seen
    lines.append(
        f"clamp: {len(clamp.texts):,} distinct policies, {counted['clamp decisions']:,} decisions, "
        f"{counted['clamp comparisons']:,} comparisons, {counted['clamp breaches']} breaches; "
        f"without the clamp {counted['clamp unclamped above']:,} decisions go above authority"
    )
    lines.append(
        f"mutants: {mutants.seen['mutants']:,} broken policy files, "
        f"{mutants.seen['sound mutants']:,} of them sound, {len(mutants.failures)} tracebacks"
    )
    return lines


def expected() -> frozenset[str]:
    """Every type, rung and operator of the language, as the counts call them."""
    integers = ("count", "number", "money", "time", "duration")
    plain = ("flag", "text", "token", "country", "ip", "one of")
    labels = {f"type {kind.value}" for kind in Kind}
    labels |= {f"rung {ladder} {rung.name.lower()}" for ladder in LADDERS for rung in RUNGS[ladder]}
    labels |= {f"operator {row[0]} {row[1]} {row[2]}" for rows in SUMS.values() for row in rows}
    labels |= {f"operator compare {op} {kind}" for op in RELATIONS for kind in integers}
    labels |= {f"operator compare {op} {kind}" for op in RELATIONS[:2] for kind in plain}
    labels |= {f"operator call {f}" for f in ("hour", "minute", "weekday", "day", "month", "date")}
    labels |= {f"operator call {f} {kind}" for f in ("min", "max") for kind in integers}
    labels |= {f"operator {f} {kind}" for kind in integers if kind != "time"
               for f in ("call abs", "negate")}  # fmt: skip
    labels |= {f"operator {f} {kind}" for kind in (*integers, *plain)
               for f in ("otherwise", "case", "ismissing")}  # fmt: skip
    labels |= {f"operator inset {kind}" for kind in (*integers, "text", "country", "one of")}
    labels |= {f"operator inlist {kind}" for kind in ("text", "token", "country", "ip", "one of")}
    labels |= {
        f"operator texttest {op} text"
        for op in ("starts with", "ends with", "contains", "like", "matches")
    }
    labels |= {f"operator input {source}" for source in ("field", "feature", "lookup", "score")}
    labels |= {"templates applied", "decision tables"}
    return frozenset(labels | {f"operator {rest}" for rest in _SINGLE})


RELATIONS = ("=", "!=", "<", "<=", ">", ">=")
_SINGLE = (
    "and flag", "or flag", "not flag", "innetworks ip", "pointsatleast flag", "call round number",
    "call round money", *(f"call {f} {of}" for f in ("floor", "ceiling") for of in ("number", "money")),
    *(f"call modulo {of}" for of in ("count", "number", "money", "duration")), "call upper text",
    "call days_since count", "call distance number", "call length count", "call lower text",
    "call before text", "call after text", "constant count",
)  # fmt: skip


def too_rare(seen: Counter[str], scale: float) -> list[str]:
    """Operators, types and rungs that were met too seldom for the run to say much."""
    least = min(1.0, scale) * ENOUGH
    return [f"{label}: {seen[label]}" for label in sorted(expected()) if seen[label] < least]


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--case", help="one case again, as a failure names it: SEED:CAMPAIGN:INDEX")
    chosen = parser.parse_args(arguments)
    if chosen.case:
        found = run_case((chosen.case.split(":")[1], chosen.case))
        print("\n".join(found.failures) or "passed")
        return bool(found.failures)
    cases = POLICIES, VOUCHING, MUTATIONS // MUTANTS_A_CASE
    agreement, clamp, mutants = (
        run_cases(campaign, max(1, int(number * chosen.scale)), chosen.seed, chosen.processes)
        for campaign, number in zip(CAMPAIGNS, cases, strict=True)
    )
    print("\n".join(summary(agreement, clamp, mutants)))
    failures = agreement.failures + clamp.failures + mutants.failures
    rare = too_rare(agreement.seen, chosen.scale)
    if rare:
        print(f"too rare: {'; '.join(rare)}")
    print("\n\n".join(failures[:5]))
    return bool(failures or rare)


if __name__ == "__main__":
    sys.exit(main())
