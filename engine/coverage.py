"""What the cases of a policy show, and what none of them shows.

Each condition of a rule as true, as false and, where it can be, as unknown; each rule as firing,
not firing, unknown and silenced; each exception; each model as answering or not. All of it is
defined on the meaning: every condition counts in every case, whatever stands beside it. What the
checker's bounds and types prove impossible is not demanded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tidegate.dsl.program import EventType, Expression, Program, Rule
from tidegate.dsl.source import Span
from tidegate.dsl.tables import Tables
from tidegate.engine.boundaries import Boundaries
from tidegate.engine.changes import changed
from tidegate.engine.expression_text import show_expression
from tidegate.engine.interpreter import (
    atom_states,
    atoms_of,
    condition_states,
    evaluate,
    is_ok,
    masks,
    reader_of,
    rule_state,
    truth,
    used_here,
)
from tidegate.engine.possible import possible_truths, reachable_points
from tidegate.engine.situation import OWN_ACTS, Situation
from tidegate.engine.standing import roster

Sort = Literal["condition", "exception", "rule", "model"]
TRIED_CASES = 40
"""From so many cases a suggestion is looked for."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One thing that a case can show.

    `of` is the rule (`name@version`), the group whose exception it is, or the model; `what` the
    condition as it is written, empty for rules and models. `state`: `true`, `false`, `unknown`; of
    rules `fired`, `not fired`, `unknown`, `silenced`; of models `answered`, `unavailable`,
    `abstained`, `outside use`.
    """

    event: str
    of: str
    sort: Sort
    what: str
    state: str
    span: Span


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A case that shows the goal: the case `like` with something otherwise."""

    like: str
    change: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A goal that no case shows, and where one change of a case does, that change."""

    goal: Goal
    suggestion: Suggestion | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is shown out of what can be, and each gap in the order of the rules."""

    shown: int
    demanded: int
    gaps: tuple[Gap, ...]

    @property
    def percent(self) -> int:
        """Whole percent, rounded down: 100 only where nothing is left."""
        return 100 if self.demanded == 0 else self.shown * 100 // self.demanded

    def is_under(self, percent: int) -> bool:
        """Whether less than this share is shown, compared exactly."""
        return self.shown * 100 < percent * self.demanded


Named = tuple[str, Situation]
"""A case's name and what it decides from."""


def coverage(program: Program, cases: Sequence[Named], tables: Tables) -> Coverage:
    """What the cases show of every rule of every decided event."""
    shown = demanded = 0
    gaps: list[Gap] = []
    for event in program.events:
        if not event.decided:
            continue
        here = [(name, s) for name, s in cases if s.event.name == event.name]
        one = EventCoverage(program, event, tables)
        wanted = tuple(one.demanded())
        reached = {goal for _, situation in here for goal in one.shown(situation)}
        demanded += len(wanted)
        shown += len(reached & set(wanted))
        gaps += (Gap(g, one.suggested(g, here)) for g in wanted if g not in reached)
    return Coverage(shown, demanded, tuple(gaps))


@dataclass
class EventCoverage:
    """What can be shown of one event type, and what a case shows."""

    program: Program
    event: EventType
    tables: Tables
    boundaries: dict[str, Boundaries] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rules = {rule.id: rule for rule in self.event.rules}
        self.bits = {rule.id: 1 << index for index, rule in enumerate(self.event.rules)}
        self.roster = roster(self.event)
        self.files = frozenset(declared.name for declared in self.program.lists if declared.path)
        self.points = reachable_points(self.program, self.event)
        self.atoms = {
            rule.id: tuple(
                (atom, show_expression(atom, self.program.currency))
                for atom in dict.fromkeys(atoms_of(rule.when))
            )
            for rule in self.event.rules
        }
        self.exceptions = dict(self._exceptions())

    def _exceptions(self) -> Iterator[tuple[Span, tuple[str, Expression]]]:
        """Each exception once, with the rule or the group that it belongs to."""
        owners: dict[Span, list[Rule]] = {}
        conditions: dict[Span, Expression] = {}
        for rule in self.event.rules:
            for exception in rule.exceptions:
                owners.setdefault(exception.span, []).append(rule)
                conditions[exception.span] = exception
        for span, rules in owners.items():
            first = rules[0]
            of = first.id if len(rules) == 1 else f"group {first.group}"
            yield span, (of, conditions[span])

    def demanded(self) -> Iterator[Goal]:
        """All that a case can show, rule by rule."""
        for rule in sorted(self.event.rules, key=lambda r: r.span):
            for atom, text in self.atoms[rule.id]:
                for truth_ in possible_truths(atom, self.points):
                    yield self._goal(rule.id, "condition", text, _word(truth_), atom.span)
            for state in self._rule_states(rule):
                yield self._goal(rule.id, "rule", "", state, rule.span)
        for span, (of, condition) in self.exceptions.items():
            text = show_expression(condition, self.program.currency)
            for truth_ in possible_truths(condition, self.points):
                yield self._goal(of, "exception", text, _word(truth_), span)
        for name in self.event.models:
            model = self.program.model(name)
            states = ["answered", "unavailable", "abstained"]
            if model.use_when is not None and possible_truths(model.use_when, ()) != (True,):
                states.append("outside use")
            for state in states:
                yield self._goal(name, "model", "", state, model.span)

    def _rule_states(self, rule: Rule) -> Iterator[str]:
        truths = possible_truths(rule.when, self.points)
        if True in truths:
            yield "fired"
        if False in truths:
            yield "not fired"
        if None in truths:
            yield "unknown"
        if any(True in possible_truths(e, self.points) for e in rule.exceptions):
            yield "silenced"

    def _goal(self, of: str, sort: Sort, what: str, state: str, span: Span) -> Goal:
        return Goal(self.event.name, of, sort, what, state, span)

    def shown(self, situation: Situation) -> Iterator[Goal]:
        """All goals that one case shows."""
        for rule in self.event.rules:
            yield from self._shown_of_rule(rule, situation)
        for span in self.exceptions:
            yield from self._shown_of_exception(span, situation)
        yield from self._shown_of_models(situation)

    def _shown_of_rule(self, rule: Rule, situation: Situation) -> Iterator[Goal]:
        stand, bit = self.roster.standing(situation), self.bits[rule.id]
        if not (stand.live | stand.shadow) & bit:
            # What a case says of a rule out of its dates nobody can see.
            return
        points = 0
        if rule.reads_points:
            found = evaluate(self.program, situation)
            points = found.points if stand.live & bit else found.all_points
        hidden = masks(self.program, situation)
        states = dict(atom_states(rule, situation, hidden.for_rule(rule), points))
        for atom, text in self.atoms[rule.id]:
            state = states[atom]
            if state != "masked":
                yield self._goal(rule.id, "condition", text, _word(state), atom.span)
        said = rule_state(rule, reader_of(situation, points), hidden)
        yield self._goal(rule.id, "rule", "", "not fired" if said == "no" else said, rule.span)

    def _shown_of_exception(self, span: Span, situation: Situation) -> Iterator[Goal]:
        of, condition = self.exceptions[span]
        hidden = masks(self.program, situation).relaxing
        reader = reader_of(situation)
        if all(state == "masked" for _, state in condition_states(condition, reader, hidden)):
            return
        text = show_expression(condition, self.program.currency)
        yield self._goal(of, "exception", text, _word(truth(condition, reader, hidden)), span)

    def _shown_of_models(self, situation: Situation) -> Iterator[Goal]:
        used = {model.name for model in used_here(self.program, situation)}
        for name in self.event.models:
            if name not in used:
                state = "outside use"
            elif is_ok(name, situation):
                state = "answered"
            else:
                silent = situation.statuses.get(name, "unavailable")
                state = "abstained" if silent in OWN_ACTS else silent
            yield self._goal(name, "model", "", state, self.program.model(name).span)

    def suggested(self, goal: Goal, cases: Sequence[Named]) -> Suggestion | None:
        """The first single change of a case that shows the goal, tried out."""
        if goal.sort == "model":
            return None
        boundaries = self._boundaries(goal)
        for name, situation in cases[:TRIED_CASES]:
            offered = boundaries.candidates(situation, missing=True)
            changes = [change for found in offered.values() for change in found]
            # What is missing shows what is unknown; all else is better shown by a value.
            changes.sort(key=lambda change: (change.value is None) != (goal.state == "unknown"))
            for change in changes:
                after = changed(self.program, situation, (change,), self.tables)
                if after is not None and goal in self._shown_for(goal, after):
                    return Suggestion(name, change.shown(self.program.currency))
        return None

    def _boundaries(self, goal: Goal) -> Boundaries:
        key = goal.what if goal.sort == "exception" else f"{goal.of} {goal.what}"
        if key not in self.boundaries:
            self.boundaries[key] = Boundaries(self._conditions(goal), self.files)
        return self.boundaries[key]

    def _conditions(self, goal: Goal) -> Iterable[Expression]:
        if goal.sort == "exception":
            return (self.exceptions[goal.span][1],)
        rule = self.rules[goal.of]
        if rule.reads_points:
            return tuple(part for r in self.event.rules for part in (r.when, *r.exceptions))
        if goal.sort == "condition":
            return tuple(atom for atom, text in self.atoms[rule.id] if text == goal.what)
        return (rule.when, *rule.exceptions)

    def _shown_for(self, goal: Goal, situation: Situation) -> Iterator[Goal]:
        if goal.sort == "exception":
            return self._shown_of_exception(goal.span, situation)
        return self._shown_of_rule(self.rules[goal.of], situation)


def _word(state: bool | str | None) -> str:
    return "unknown" if state is None else "true" if state else "false"
