"""What LANGUAGE.md promises of every policy, tried on generated ones.

- Order: the same declarations in any order, any number of files, under other names, mean the same.
- Missing: where each `if unknown` does what its `then` does, giving a missing input a value never
  raises an outcome.
- The clamp: the scores of models whose ceiling lies below a rung never decide whether it is
  reached; and a model without `relax` and `exempt` never lowers an outcome.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random

from tests.fuzz_agreement import Definition, Fault, filled, looks_at_absence
from tests.policies_generated import GeneratedPolicy
from tests.situations_generated import Pools
from tidegate.dsl.checker import check
from tidegate.dsl.parser import parse
from tidegate.dsl.program import (
    LADDERS,
    NO_ACTIONS,
    RUNGS,
    Actions,
    Ask,
    Authentication,
    Constant,
    Disposition,
    EventType,
    Ladder,
    Program,
    Review,
    Rule,
)
from tidegate.dsl.source import NOWHERE, Source
from tidegate.dsl.types import FLAG, NUMBER_SCALE
from tidegate.dsl.unknowns import walk
from tidegate.engine.authority import Authority, authority
from tidegate.engine.generated import compile_event
from tidegate.engine.situation import Outcome, ScoreStatus, Settled, Situation
from tidegate.engine.standing import standing

Rungs = Mapping[Ladder, int]


def rungs_of(outcome: Outcome) -> dict[Ladder, int]:
    """Where the outcome stands on each ladder; no review is -1."""
    return {
        "disposition": Disposition[outcome.disposition.upper()],
        "authentication": Authentication[outcome.authentication.upper()],
        "review": -1 if outcome.review == "none" else Review[outcome.review.upper()],
    }


def with_rules(program: Program, event: EventType, rules: Sequence[Rule]) -> Program:
    """The program with these rules of the event."""
    changed = replace(event, rules=tuple(sorted(rules, key=lambda r: (r.name, r.version))))
    events = tuple(changed if e.name == event.name else e for e in program.events)
    return replace(program, events=events)


# --- exemptions --------------------------------------------------------------------------------


def with_exemptions(rng: Random, program: Program) -> Program:
    """Some rules that relax ask an exemption instead: `exempt` does not compile as text yet."""
    for event in program.events:
        rules = [_exempting(rng, program, rule) for rule in event.rules]
        program = with_rules(program, event, rules)
    return program


def _exempting(rng: Random, program: Program, rule: Rule) -> Rule:
    licensed = all("exempt" in program.model(name).may for name in rule.when.models)
    if rule.then.points >= 0 or not licensed or rng.random() < 0.5:
        return rule
    kind = rng.choice(("low_value", "trusted"))
    ask = Ask("authentication", Authentication.EXEMPT, exemption=kind)
    return replace(rule, then=Actions(asks=(ask,), tags=rule.then.tags), relaxes=True)


# --- order -------------------------------------------------------------------------------------


def order_matters(policy: GeneratedPolicy, rng: Random) -> Fault | None:
    """Whether shuffling the declarations into files changes the program or what is said of it."""
    sources = policy.sources(rng, rng.randint(1, 4))
    read = [parse(source) for source in sources]
    checked = check([found.file for found in rng.sample(read, len(read))])
    if checked.program != policy.program:
        return Fault("another order of files and declarations gives another program")
    said = [sorted((d.code, d.message) for d in ds)
            for ds in (checked.diagnostics, policy.diagnostics)]  # fmt: skip
    return None if said[0] == said[1] else Fault("another order gives other diagnostics")


_RENAMED = re.compile(r"\b(rule_\d\d|model_[a-d]|score_[a-d])\b")


def renamed(policy: GeneratedPolicy, rng: Random) -> tuple[Program, dict[str, str]] | None:
    """The policy whose rules, models and scores have exchanged their names."""
    names: dict[str, str] = {}
    for pattern in (r"rule_\d\d", r"model_[a-d]", r"score_[a-d]"):
        known = sorted(set(re.findall(rf"\b{pattern}\b", policy.text)))
        names |= dict(zip(known, rng.sample(known, len(known)), strict=True))
    text = _RENAMED.sub(lambda found: names[found.group()], policy.text)
    checked = check([parse(Source("renamed.tide", text)).file])
    return None if checked.program is None else (checked.program, names)


def names_matter(
    policy: GeneratedPolicy, situations: Sequence[Situation], rng: Random
) -> Fault | None:
    """Whether rules and models in another order of names decide otherwise."""
    found = renamed(policy, rng)
    if found is None:
        return Fault("a policy with other names does not compile")
    program, names = found
    for situation in situations:
        event = situation.event
        other = program.event(event.name)
        by_name = dict(zip((i.name for i in event.inputs), situation.values, strict=True))
        values = {names.get(name, name): value for name, value in by_name.items()}
        statuses = {names[model]: status for model, status in situation.statuses.items()}
        moved = Situation(
            other, tuple(values[i.name] for i in other.inputs), situation.lists, statuses
        )
        one = authority(policy.program, event).settle(situation)
        two = authority(program, other).settle(moved)
        if _nameless(one, names) != _nameless(two, {}):
            what = f"{_nameless(one, names)} under other names {_nameless(two, {})}"
            return Fault(f"the order of names decides: {what}", situation)
    return None


def _nameless(settled: Settled, names: Mapping[str, str]) -> object:
    """What of a decision must not hang on names; reasons without their order."""
    capped = [(c.ladder, c.rung, sorted(names.get(m, m) for m in c.models)) for c in settled.capped]
    return (
        settled.outcome._replace(reasons=tuple(sorted(settled.outcome.reasons))),
        capped,
        sorted(names.get(m, m) for m in settled.masked),
        settled.shadow_word,
    )


# --- missing -----------------------------------------------------------------------------------


def monotone(program: Program, event: EventType) -> Program:
    """The policy where each `if unknown` does what its `then` does and nothing looks at absence.

    A rollout by a field that may be missing is left out too: outside its share a rule is shadow.
    """
    rules = [
        replace(rule, unknown=NO_ACTIONS if rule.relaxes else rule.then, rollout=None)
        if rule.unknown is not None
        else replace(rule, rollout=None)
        for rule in event.rules
        if not any(looks_at_absence(c) for c in (rule.when, *rule.exceptions))
        and rule.replaces is None
    ]
    models = tuple(
        replace(m, use_when=None) if m.use_when is not None and looks_at_absence(m.use_when) else m
        for m in program.models
    )
    return replace(with_rules(program, event, rules), models=models)


def missing_lowers(
    program: Program, event: EventType, situations: Sequence[Situation], rng: Random, pools: Pools
) -> Fault | None:
    """Whether giving missing inputs a value raises an outcome of the monotone policy."""
    plain = monotone(program, event)
    own = plain.event(event.name)
    judge = authority(plain, own)
    for situation in situations:
        less = replace(situation, event=own)
        more = filled(rng, pools, less)
        before, after = judge.settle(less).outcome, judge.settle(more).outcome
        lower = [x for x in LADDERS if rungs_of(before)[x] < rungs_of(after)[x]]
        if lower or before.points < after.points:
            what = f"a missing value lowers {lower or 'points'}: {before} with it, {after} without"
            return Fault(what, situation)
    return None


# --- the clamp ---------------------------------------------------------------------------------


def bound_models(
    program: Program, event: EventType
) -> dict[frozenset[str], list[tuple[Ladder, int]]]:
    """Models that must not decide whether these rungs are reached."""
    groups: dict[frozenset[str], list[tuple[Ladder, int]]] = {}
    models = [program.model(name) for name in event.models]
    for ladder in LADDERS:
        for rung in RUNGS[ladder]:
            below = [
                m for m in models if m.ceiling(ladder) < rung and not m.may & {"relax", "exempt"}
            ]
            if ladder == "disposition" and rung == Disposition.HOLD:
                # A review before brings its hold with it.
                below = [m for m in below if m.ceiling("review") < Review.BEFORE]
            if below:
                groups.setdefault(frozenset(m.name for m in below), []).append((ladder, int(rung)))
    return groups


def otherwise_scored(rng: Random, situation: Situation, models: frozenset[str]) -> Situation:
    """The same event had these models answered otherwise, or abstained."""
    statuses: dict[str, ScoreStatus] = dict(situation.statuses)
    for model in models:
        if statuses[model] != "unavailable":
            statuses[model] = rng.choice(("ok", "ok", "ok", "abstained", "failed"))
    values = list(situation.values)
    for slot, entry in enumerate(situation.event.inputs):
        if entry.source == "score" and entry.models & models:
            ok = all(statuses[m] == "ok" for m in entry.models)
            values[slot] = rng.choice((0, 250_000, 500_000, 850_000, NUMBER_SCALE)) if ok else None
    return Situation(situation.event, tuple(values), situation.lists, statuses)


def breaches(
    program: Program,
    event: EventType,
    situations: Sequence[Situation],
    rng: Random,
    seen: Counter[str],
    licensed: bool = True,
) -> Fault | None:
    """A rung that hangs on scores of models that may not cause it.

    What an engine without the clamp does in the same situations is counted beside it.
    """
    groups = bound_models(program, event)
    compiled = compile_event(program, event, situations[0].lists)
    lowering = list(_never_lowering(program, event)) if licensed else []

    def decided(situation: Situation) -> Settled:
        return compiled.decide_values(situation.values, situation.lists, situation.statuses)

    for situation in situations:
        settled = decided(situation)
        reached = rungs_of(settled.outcome)
        stand = standing(event, situation)
        free = rungs_of(Definition(program, situation, stand, clamping=False).settled().outcome)
        seen["clamp decisions"] += 1
        seen["clamp unclamped above"] += any(free[x] > reached[x] for x in LADDERS)
        for models, rungs in groups.items():
            other = otherwise_scored(rng, situation, models)
            changed = rungs_of(decided(other).outcome)
            seen["clamp comparisons"] += len(rungs)
            for ladder, rung in rungs:
                if (reached[ladder] >= rung) != (changed[ladder] >= rung):
                    what = f"{sorted(models)} decide {RUNGS[ladder](rung).name} of {ladder}"
                    return Fault(what, situation)
        for model, judge in lowering:
            if situation.statuses[model] != "ok":
                continue
            without = rungs_of(judge.settle(replace(situation, event=judge.event)).outcome)
            seen["clamp comparisons"] += len(LADDERS)
            if any(reached[x] < without[x] for x in LADDERS):
                return Fault(f"{model} lowers {without} to {reached}", situation)
    return None


def _never_lowering(program: Program, event: EventType) -> Iterator[tuple[str, Authority]]:
    """Models without `relax` and `exempt`, each with the policy in which it is not used."""
    for name in event.models:
        model = program.model(name)
        if model.may & {"relax", "exempt"}:
            continue
        unused = replace(model, use_when=Constant(value=False, type=FLAG, span=NOWHERE))
        models = tuple(unused if m.name == name else m for m in program.models)
        yield name, authority(replace(program, models=models), event)


def unlicensed(rng: Random, program: Program, event: EventType) -> Program:
    """Rules that ask what no compiler would let them ask: the run-time clamp must hold alone."""
    asks = (
        Ask("disposition", Disposition.DECLINE),
        Ask("disposition", Disposition.HOLD),
        Ask("authentication", Authentication.MANDATED, step_up="strong"),
        Ask("authentication", Authentication.NONE),
        Ask("review", Review.BEFORE),
        Ask("review", Review.AFTER),
    )
    rules = [
        replace(rule, then=replace(rule.then, asks=tuple(rng.sample(asks, rng.randint(1, 2)))))
        if not rule.relaxes and rng.random() < 0.6
        else rule
        for rule in event.rules
    ]
    return with_rules(program, event, rules)


def reads_scores(event: EventType) -> bool:
    """Whether any rule or exception reads a score."""
    return any(
        node.models
        for rule in event.rules
        for c in (rule.when, *rule.exceptions)
        for node in walk(c)
    )
