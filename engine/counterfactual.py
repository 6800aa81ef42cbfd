"""What would have had to be otherwise for a decision to come out otherwise.

The smallest sets of changed inputs, at most three, each of which changes the outcome while no part
of it does. Every one is decided again by the same settlement as the decision itself, with every
clamp on the models, so a score causes nothing here that it may not cause there.

They are for the analyst alone: what would have been approved teaches fraud.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import combinations
from typing import Literal

from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.program import (
    NO_ACTIONS,
    Authentication,
    Disposition,
    Expression,
    InList,
    Input,
    Ladder,
    Program,
    Review,
    Rule,
)
from tidegate.dsl.tables import Tables
from tidegate.dsl.types import INTEGER_KINDS, Kind, Value
from tidegate.dsl.unknowns import walk
from tidegate.engine.boundaries import DAY_US, Boundaries
from tidegate.engine.changes import Change, changed
from tidegate.engine.evaluator import Evaluator, evaluator_of
from tidegate.engine.expression_text import show_value
from tidegate.engine.lowered import lowered_program
from tidegate.engine.record import Record
from tidegate.engine.replay import situation_of
from tidegate.engine.score_explanation import ContributionExplanation, explain_scores
from tidegate.engine.situation import Outcome, Settled, Situation

MOST_CHANGES = 3
"""Four things that must be otherwise at once explain nothing."""
MOST_PARTS = 3
"""So many contributions to a score are told."""
MAX_TRIALS = 5_000
"""So many events are decided at most in one search."""
NO_TABLES: Tables = {}
Word = Literal["approve", "review", "step_up", "decline"]


_RUNGS: dict[Word, tuple[tuple[Ladder, int], ...]] = {
    "approve": (),
    "review": (("disposition", Disposition.HOLD), ("review", Review.BEFORE)),
    "step_up": (("authentication", Authentication.PREFERRED),),
    "decline": (("disposition", Disposition.DECLINE),),
}
"""What has to be asked for, so that the outcome can be this word."""


class NotForCustomersError(ValueError):
    """A counterfactual was asked for somebody who must not have it."""


class UnknownNameError(LookupError):
    """The event reads no such input and tests no such list."""


@dataclass(frozen=True, slots=True)
class InputChange:
    """One change as people read it. `source`: `field`, `feature`, `score` or `list`.

    `before` and `after` are texts; `after` is empty where any other value does, and both are
    `missing` where there is none.
    """

    name: str
    source: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """Changes that together would have led to `word`; no part of them does.

    `held` are the models that read what is changed, and whose score stays as it was all the same.
    """

    changes: tuple[InputChange, ...]
    word: str
    reasons: tuple[str, ...]
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """What made a score what it was, where another score would have led elsewhere.

    `parts` are the largest contributions that pulled the other way. They can be checked; that
    changing one of them is enough is not said.
    """

    score: str
    model: str
    version: int
    parts: tuple[ContributionExplanation, ...]


@dataclass(frozen=True, slots=True)
class Counterfactuals:
    """What was found, fewest changes first and then the smallest.

    `complete`: every set of at most three changes that was worth trying was tried; otherwise the
    search ended after `trials` events. `behind` has the parts of the scores that would have to be
    otherwise.
    """

    event: str
    key: str
    word: str
    to: str
    found: tuple[Counterfactual, ...]
    trials: int
    complete: bool
    behind: tuple[ScoreParts, ...] = ()

    def __str__(self) -> str:
        """The text that `render_counterfactuals` gives."""
        from tidegate.engine.counterfactual_text import render_counterfactuals

        return render_counterfactuals(self)


@dataclass(frozen=True, slots=True)
class Found:
    """One set of changes with the event that they make and what is decided about it."""

    changes: tuple[Change, ...]
    situation: Situation
    settled: Settled


def counterfactuals(
    program: Program,
    record: Record,
    *,
    audience: Literal["analyst"],
    to: Word = "approve",
    keep: Collection[str] = (),
    missing: bool = False,
    tables: Tables = NO_TABLES,
    trials: int = MAX_TRIALS,
) -> Counterfactuals:
    """The smallest changes of what `record` was decided from that would have led to `to`.

    `keep` names inputs and lists that are held; with `missing`, present inputs may be missing.
    `NotForCustomersError` for any audience but the analyst, `UnknownNameError` for a name in `keep`
    that the event does not read.
    """
    if audience != "analyst":
        raise NotForCustomersError("what would have been approved is not told to customers")
    program = lowered_program(program, record.lowered)
    event = program.event(record.event.type)
    situation = situation_of(program, event, record)
    search = Search(program, situation, tables, to=to, keep=keep, missing=missing, trials=trials)
    found = tuple(search.found())
    return Counterfactuals(
        event=event.name,
        key=_key(record, situation, program),
        word=record.outcome.word,
        to=to,
        found=tuple(_told(program, situation, record, one) for one in found),
        trials=search.tried,
        complete=search.complete,
        behind=tuple(_behind(program, situation, record, found)),
    )


def _key(record: Record, situation: Situation, program: Program) -> str:
    of = situation.event.field(situation.event.key).type
    key = record.event.key
    return show_value(key, of, program.currency).strip('"') if of.kind is Kind.TOKEN else key


def _told(program: Program, situation: Situation, record: Record, found: Found) -> Counterfactual:
    changes = tuple(_input_change(program, situation, change) for change in found.changes)
    outcome = found.settled.outcome
    held = tuple(_held(program, record, {change.name for change in found.changes}))
    return Counterfactual(changes, outcome.word, outcome.reasons, held)


def _held(program: Program, record: Record, changed: set[str]) -> Iterator[str]:
    """The models that scored the event and read one of these, unless their score is changed too."""
    for name, facts in sorted(record.scored.items()):
        model = program.model(name)
        read = {part for expression in model.reads for part in _read_by(expression)}
        if facts.inputs and read & changed and model.score not in changed:
            yield name


def _behind(
    program: Program, situation: Situation, record: Record, found: tuple[Found, ...]
) -> Iterator[ScoreParts]:
    """For each loaded model whose score is changed, what pulled it away from where it would be."""
    wanted = {change.name: change.value for one in found for change in one.changes}
    for score in explain_scores(program, record):
        after, before = wanted.get(score.score_name), None
        if score.contributions and score.score_name in wanted:
            before = _entry(situation, score.score_name)[1]
        if not isinstance(after, int) or not isinstance(before, int):
            continue
        pulled = (part for part in score.contributions if (part.amount > 0) == (before > after))
        parts = tuple(pulled)[:MOST_PARTS]
        if parts:
            yield ScoreParts(score.score_name, score.model, score.version, parts)


def _input_change(program: Program, situation: Situation, change: Change) -> InputChange:
    def shown(value: Value | None) -> str:
        return "missing" if value is None else show_value(value, change.type, program.currency)

    if change.sort != "input":
        on = change.sort == "on_list"
        there = situation.lists.get(change.name)
        before = "unreadable" if there is None else "off the list" if on else "on the list"
        name = f"{shown(change.value)} in {change.name}"
        return InputChange(name, "list", before, "on the list" if on else "off the list")
    entry, before_value = _entry(situation, change.name)
    after = "" if change.other else shown(change.value)
    return InputChange(change.name, entry.source, shown(before_value), after)


def _entry(situation: Situation, name: str) -> tuple[Input, Value | None]:
    pairs = zip(situation.event.inputs, situation.values, strict=True)
    return next((entry, value) for entry, value in pairs if entry.name == name)


# --- the search --------------------------------------------------------------------------------


@dataclass
class Search:
    """Tries sets of changes of one event, small ones first; lives for one search.

    A set is worth trying where, after each of its changes but the last, the next one touches what
    stands in the way. `tried` counts the events that were decided.
    """

    program: Program
    situation: Situation
    tables: Tables = field(default_factory=dict)
    to: Word = "approve"
    keep: Collection[str] = ()
    missing: bool = False
    trials: int = MAX_TRIALS
    tried: int = 0
    complete: bool = True
    _known: dict[frozenset[Change], Found | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        event = self.situation.event
        self.conditions = tuple(
            dict.fromkeys(part for rule in event.rules for part in (rule.when, *rule.exceptions))
        )
        uses = (self.program.model(name).use_when for name in event.models)
        self.conditions += tuple(use for use in uses if use is not None)
        self.boundaries = Boundaries(self.conditions)
        self.evaluator = _evaluator(self.program, self.situation)
        self._check_kept()
        self.reads = {rule.id: frozenset(_reads(rule)) for rule in event.rules}
        self.nodes = {
            rule.id: frozenset(
                id(node) for part in (rule.when, *rule.exceptions) for node in walk(part)
            )
            for rule in event.rules
        }

    def _check_kept(self) -> None:
        known = {entry.name for entry in self.situation.event.inputs}
        known |= {
            node.list for c in self.conditions for node in walk(c) if isinstance(node, InList)
        }
        for name in self.keep:
            if name not in known:
                near = nearest(name, known)
                raise UnknownNameError(
                    f"`{self.situation.event.name}` reads no `{name}`"
                    + (f"; {near}" if near else "")
                )

    def found(self) -> Iterator[Found]:
        """The smallest sets that lead to the outcome: of each set of inputs the nearest one."""
        base = self.decided(())
        assert base is not None
        if base.settled.outcome.word == self.to:
            return
        solved: list[frozenset[object]] = []
        frontier: dict[frozenset[Change], Found] = {frozenset(): base}
        for _ in range(MOST_CHANGES):
            best: dict[frozenset[object], Found] = {}
            following: dict[frozenset[Change], Found] = {}
            for one in frontier.values():
                for found in self._with_one_more(one):
                    subjects = frozenset(change.subject for change in found.changes)
                    if any(known <= subjects for known in solved):
                        continue
                    if found.settled.outcome.word != self.to:
                        following[frozenset(found.changes)] = found
                        continue
                    rival = best.get(subjects)
                    if rival is None or self.distance(found) < self.distance(rival):
                        best[subjects] = found
            solved += best
            yield from sorted(best.values(), key=self._order)
            if not self.complete:
                return
            frontier = following

    def _with_one_more(self, one: Found) -> Iterator[Found]:
        names, turning = self._wanted(one.settled)
        taken = {change.subject for change in one.changes}
        offered = self.boundaries.candidates(
            one.situation, missing=self.missing, names=names, turning=turning
        )
        for changes in offered.values():
            for change in changes:
                if change.subject in taken or change.name in self.keep:
                    continue
                found = self.decided((*one.changes, change))
                if found is not None and self.is_whole(found):
                    yield found

    def is_whole(self, found: Found) -> bool:
        """Whether no part of the changes does it already."""
        if found.settled.outcome.word != self.to:
            return True
        parts = (part for size in range(1, len(found.changes))
                 for part in combinations(found.changes, size))  # fmt: skip
        decided = [self.decided(part) for part in parts]
        # A part that was not decided for want of trials might do it.
        return self.complete and all(
            one is None or one.settled.outcome.word != self.to for one in decided
        )

    def decided(self, changes: Iterable[Change]) -> Found | None:
        """The event with these changes; None where one cannot be made, or trials are used up."""
        ordered = tuple(sorted(changes, key=lambda c: (c.name, c.sort, str(c.value))))
        key = frozenset(ordered)
        if key not in self._known:
            if self.tried >= self.trials:
                self.complete = False
                return None
            self.tried += 1
            situation = changed(self.program, self.situation, ordered, self.tables)
            self._known[key] = (
                None
                if situation is None
                else Found(ordered, situation, self.evaluator.settle(situation))
            )
        return self._known[key]

    def _wanted(self, settled: Settled) -> tuple[frozenset[str], frozenset[int]]:
        """The inputs that one of the next changes must touch, and the nodes that are to turn.

        What stands in the way must cease, and what is lacking be asked for: by a rule, or by a
        model that is silent.
        """
        event, names = self.situation.event, {self.situation.event.at}
        nodes: set[int] = set()
        blocking = 0
        for ladder, rules in settled.winners:
            if self._blocks(ladder, settled.outcome):
                blocking |= rules
        for index, rule in enumerate(event.rules):
            if blocking >> index & 1 or _asks(rule, self.to):
                for bearing in self._bearing_on(rule):
                    names |= self.reads[bearing.id]
                    nodes |= self.nodes[bearing.id]
                names |= self._rollouts(rule)
        for name in event.models:
            model = self.program.model(name)
            names |= {model.score} | set(_read_by(model.use_when) if model.use_when else ())
        return frozenset(names), frozenset(nodes)

    def _blocks(self, ladder: str, outcome: Outcome) -> bool:
        """Whether what was asked for on this ladder is more than the wanted outcome has."""
        if ladder == "authentication":
            return self.to in ("approve", "review")
        return self.to == "approve" or outcome.disposition == "decline"

    def _bearing_on(self, rule: Rule) -> Iterator[Rule]:
        """The rule, and where it reads points those that add them."""
        yield rule
        if rule.reads_points:
            yield from (other for other in self.situation.event.rules if _adds(other))

    def _rollouts(self, rule: Rule) -> set[str]:
        """What the share of any of its versions goes by."""
        versions = (r for r in self.situation.event.rules if r.name == rule.name)
        return {version.rollout.field for version in versions if version.rollout}

    def distance(self, found: Found) -> Fraction:
        """How far all changes go together, each between 0 and 2 where it has a length, else 1."""
        return sum((self._length(change) for change in found.changes), Fraction(0))

    def _length(self, change: Change) -> Fraction:
        if change.sort != "input" or change.type.kind not in INTEGER_KINDS:
            return Fraction(1)
        before, after = _entry(self.situation, change.name)[1], change.value
        if not isinstance(before, int) or not isinstance(after, int):
            return Fraction(1)
        away = abs(after - before)
        whole = DAY_US if change.type.kind is Kind.TIME else max(abs(before), abs(after))
        return Fraction(away, max(whole, 1))

    def _order(self, found: Found) -> tuple[Fraction, tuple[str, ...]]:
        return self.distance(found), tuple(change.name for change in found.changes)


def _evaluator(program: Program, situation: Situation) -> Evaluator:
    """The compiled evaluator with every list read from the event: here contents may change."""
    lists = tuple(replace(declared, path="") for declared in program.lists)
    return evaluator_of(replace(program, lists=lists), situation.event, {}, "compiled")


def _asks(rule: Rule, word: Word) -> bool:
    """Whether the rule asks for what makes the outcome `word`."""
    return any(
        ask.ladder == ladder and ask.rung >= rung
        for ladder, rung in _RUNGS[word]
        for actions in (rule.then, rule.unknown or NO_ACTIONS)
        for ask in actions.asks
    )


def _adds(rule: Rule) -> bool:
    return bool(rule.then.points or (rule.unknown is not None and rule.unknown.points))


def _reads(rule: Rule) -> Iterator[str]:
    """What a change can touch of a rule: its inputs, and `in LIST` for its lists."""
    for condition in (rule.when, *rule.exceptions):
        yield from _read_by(condition)


def _read_by(condition: Expression) -> Iterator[str]:
    for node in walk(condition):
        if isinstance(node, Input):
            yield node.lookup.key if node.lookup else node.name
            # What follows from a field is changed through it.
            yield node.name.partition(".")[0]
        elif isinstance(node, InList):
            yield f"in {node.list}"
