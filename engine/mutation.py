"""Which small mistake in a rule no case would notice.

Each mutant runs the cases that it can matter to, by the interpreter, and is noticed where one of
them fails. For what nobody notices, a case is looked for that would: a case there is with one input
otherwise, or two, decided by the rule and by the mutant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice
from typing import Literal

from tidegate.dsl.lists import Lists
from tidegate.dsl.program import EventType, Program, Rule
from tidegate.dsl.rates import Rates
from tidegate.dsl.tables import Tables
from tidegate.engine.authority import Authority, authority
from tidegate.engine.boundaries import Boundaries
from tidegate.engine.cases import run_case, situation_of_case
from tidegate.engine.changes import Change, changed
from tidegate.engine.coverage import Suggestion
from tidegate.engine.decision import Engine, Policy
from tidegate.engine.interpreter import Found, Masks, Reader, evaluate, masks, reader_of, rule_state
from tidegate.engine.mutants import Mutant, mutants_of
from tidegate.engine.situation import Situation
from tidegate.engine.standing import roster
from tidegate.rules.cases import LocatedCase
from tidegate.rules.models import Models

TRIED_CASES = 20
"""From so many cases a suggestion is looked for, those first in which the rule fires."""
STATED = ("disposition", "authentication", "review", "step_up", "points")
"""What a case may state besides its outcome, its reasons and the rules that fire."""
MAX_WITH_POINTS = 400
"""So many changes are tried where all rules that add points have a say."""
MAX_PAIRS = 1_000
"""So many pairs of changes are tried for one mutant."""


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that every case passes, and a case that would tell it from the rule."""

    mutant: Mutant
    suggestion: Suggestion | None


@dataclass(frozen=True, slots=True)
class Mutation:
    """How many mutants were noticed, which were not, and how many no case could notice."""

    noticed: int
    survivors: tuple[Survivor, ...]
    equivalent: int

    @property
    def total(self) -> int:
        """All mutants that a case could notice."""
        return self.noticed + len(self.survivors)

    @property
    def percent(self) -> int:
        """Whole percent noticed, rounded down: 100 only where nothing is left."""
        return 100 if self.total == 0 else self.noticed * 100 // self.total

    def is_under(self, percent: int) -> bool:
        """Whether less than this share is noticed, compared exactly."""
        return self.noticed * 100 < percent * self.total


def mutation(policy: Policy, cases: Sequence[LocatedCase]) -> Mutation:
    """Try every mutant of every decided event. The cases have to pass as the rules are."""
    engine = Engine(policy, evaluator="interpreter", given_scores=True)
    placed = [(case, situation_of_case(engine, case)) for case in cases]
    noticed = equivalent = 0
    survivors: list[Survivor] = []
    for event in policy.program.events:
        if not event.decided:
            continue
        here = [_Placed(c, s) for c, s in placed if s is not None and s.event.name == event.name]
        trial = _Trial(policy, event, here)
        for mutant in mutants_of(policy.program, event):
            if mutant.equivalent:
                equivalent += 1
            elif trial.is_noticed(mutant):
                noticed += 1
            else:
                survivors.append(Survivor(mutant, trial.suggested(mutant)))
    return Mutation(noticed, tuple(survivors), equivalent)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A case with what it decides from, and what the rules say there, by id."""

    located: LocatedCase
    situation: Situation
    said: dict[str, Found] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _MutantPolicy:
    """The policy with another program."""

    program: Program
    hash: str
    lists: Lists
    tables: Tables
    rates: Rates | None
    models: Models


class _Other:
    """The authority of a mutant, worked out where it is needed."""

    def __init__(self, program: Program, mutant: Mutant) -> None:
        self.program = program
        self.mutant = mutant

    @cached_property
    def authority(self) -> Authority:
        """What deciding with the mutant needs."""
        return authority(self.mutant.program(self.program), self.mutant.event)


Seen = Literal["no", "maybe", "fires otherwise"]
Tried = tuple[_Placed, tuple[Change, ...]]


class _Trial:
    """Tries mutants of one event on its cases."""

    def __init__(self, policy: Policy, event: EventType, cases: Sequence[_Placed]) -> None:
        self.policy = policy
        self.program = policy.program
        self.event = event
        self.cases = cases
        self.rules: Mapping[str, Rule] = {rule.id: rule for rule in event.rules}
        self.files = frozenset(declared.name for declared in self.program.lists if declared.path)
        self.authority = authority(self.program, event)
        self.roster = roster(event)
        self.indices = {rule.id: index for index, rule in enumerate(event.rules)}
        self.versions = Counter(rule.name for rule in event.rules)

    def is_noticed(self, mutant: Mutant) -> bool:
        """Whether a case fails with the mutant."""
        engine: Engine | None = None
        for case in self.cases:
            seen = self._seen(mutant, case.situation, case.said)
            if seen == "no":
                continue
            if seen == "fires otherwise" and self._is_only_version(mutant):
                # Every case states the rules that fire.
                return True
            engine = engine or self._engine(mutant)
            if not run_case(engine, case.located).passed:
                return True
        return False

    def _is_only_version(self, mutant: Mutant) -> bool:
        """Whether no other version could fire under the same name."""
        return all(self.versions[self.rules[rule].name] == 1 for rule in mutant.rules)

    def _engine(self, mutant: Mutant) -> Engine:
        policy = self.policy
        program = mutant.program(self.program)
        mutated = _MutantPolicy(
            program, policy.hash, policy.lists, policy.tables, policy.rates, policy.models
        )
        return Engine(mutated, evaluator="interpreter", given_scores=True)

    def _seen(
        self, mutant: Mutant, situation: Situation, said: dict[str, Found] | None = None
    ) -> Seen:
        """Whether the mutated rules say something else, as far as it is quick to see."""
        said = {} if said is None else said
        found: Seen = "no"
        for name in mutant.rules:
            index = self.indices[name]
            before, after = self.event.rules[index], mutant.event.rules[index]
            reader, hidden, active = self._looked_up(before, situation)
            if not active >> index & 1:
                continue
            if name not in said:
                said[name] = rule_state(before, reader, hidden)
            if mutant.sort == "rung":
                found = "maybe" if said[name] == "fired" else found
                continue
            other = rule_state(after, reader, hidden)
            if said[name] != other and "fired" in (said[name], other):
                return "fires otherwise"
            if said[name] != other or _may_be_masked(before) or before.reads_points:
                found = "maybe"
        return found

    def _looked_up(self, rule: Rule, situation: Situation) -> tuple[Reader, Masks, int]:
        stand, points = self.roster.standing(situation), 0
        if rule.reads_points:
            found = evaluate(self.program, situation)
            live = stand.live >> self.indices[rule.id] & 1
            points = found.points if live else found.all_points
        reader = reader_of(situation, points)
        return reader, masks(self.program, situation), stand.live | stand.shadow

    # what would notice it

    def suggested(self, mutant: Mutant) -> Suggestion | None:
        """A case with one change, or two, that comes out otherwise with the mutant."""
        other = _Other(self.program, mutant)
        conditions = [
            part
            for event in (self.event, mutant.event)
            for rule in event.rules
            if rule.id in mutant.rules or self._is_read(mutant)
            for part in (rule.when, *rule.exceptions)
        ]
        boundaries = Boundaries(conditions, self.files)
        cases = sorted(self.cases, key=lambda case: not self._fires(mutant, case))[:TRIED_CASES]
        tried = chain(_singly(cases, boundaries), self._in_pairs(cases, boundaries))
        if self._is_read(mutant):
            tried = chain(islice(tried, MAX_WITH_POINTS))
        for case, changes in tried:
            told = self._told_by(mutant, other, case, changes)
            if told is not None:
                return self._suggestion(case, changes, told)
        return None

    def _in_pairs(self, cases: Sequence[_Placed], boundaries: Boundaries) -> Iterator[Tried]:
        """Two changes, the second one at the boundaries as they lie after the first."""
        return islice(self._all_pairs(cases, boundaries), MAX_PAIRS)

    def _all_pairs(self, cases: Sequence[_Placed], boundaries: Boundaries) -> Iterator[Tried]:
        for case in cases:
            for one in _changes(boundaries, case.situation):
                tables = self.policy.tables
                after = changed(self.program, case.situation, (one,), tables)
                for two in _changes(boundaries, after) if after is not None else ():
                    if two.subject != one.subject:
                        yield case, (one, two)

    def _is_read(self, mutant: Mutant) -> bool:
        """Whether other rules bear on it, through points."""
        return any(self.rules[rule].reads_points for rule in mutant.rules)

    def _fires(self, mutant: Mutant, case: _Placed) -> bool:
        reader, hidden = reader_of(case.situation), masks(self.program, case.situation)
        rules = (self.rules[name] for name in mutant.rules)
        return any(rule_state(rule, reader, hidden) == "fired" for rule in rules)

    def _told_by(
        self, mutant: Mutant, other: _Other, case: _Placed, changes: tuple[Change, ...]
    ) -> str | None:
        """What of the changed case comes out otherwise; empty where every case states it."""
        after = changed(self.program, case.situation, changes, self.policy.tables)
        seen: Seen = "no" if after is None else self._seen(mutant, after)
        if after is None or seen == "no":
            return None
        if seen == "fires otherwise":
            return ""
        one = self.authority.settle(after)
        two = other.authority.settle(replace(after, event=mutant.event))
        old, new = one.outcome, two.outcome
        always = (old.word, old.reasons, one.evaluation.fired)
        if always != (new.word, new.reasons, two.evaluation.fired):
            return ""
        stated = (part for part in STATED if getattr(old, part) != getattr(new, part))
        part = next(stated, None)
        return None if part is None else f"{part} {getattr(old, part)}"

    def _suggestion(self, case: _Placed, changes: tuple[Change, ...], told: str) -> Suggestion:
        parts = [change.shown(self.program.currency) for change in changes]
        if told:
            parts.append(f"{told} stated")
        return Suggestion(case.located.case.name, " and ".join(parts))


def _changes(boundaries: Boundaries, situation: Situation) -> list[Change]:
    """What is worth trying, values before what is missing."""
    offered = boundaries.candidates(situation, missing=True).values()
    changes = [change for found in offered for change in found]
    return sorted(changes, key=lambda change: change.value is None)


def _singly(cases: Sequence[_Placed], boundaries: Boundaries) -> Iterator[Tried]:
    """Each case as it is, then with one change."""
    yield from ((case, ()) for case in cases)
    for case in cases:
        yield from ((case, (change,)) for change in _changes(boundaries, case.situation))


def _may_be_masked(rule: Rule) -> bool:
    """Whether what the rule says depends on which models are clamped."""
    return bool(rule.models) or any(exception.models for exception in rule.exceptions)
