"""Policies between two revisions: one change put in alone, or one taken out.

They can be made where both revisions read the same of the same history: then any rule of either can
stand beside those of the other. A list of another content has both contents, each under a name of
its own, so that a rule reads the list of its own revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from tidegate.dsl.lists import ListContent, Lists
from tidegate.dsl.program import EventType, InList, Input, Program, Rule
from tidegate.engine.column_batch import Batch
from tidegate.engine.column_chunk import Known
from tidegate.engine.column_meaning import hashes_of
from tidegate.engine.column_outcome import ColumnSettler, compile_settler
from tidegate.engine.decision import Policy
from tidegate.engine.lowered import validations_of
from tidegate.simulation.comparison import Marginal, OutcomeShift
from tidegate.simulation.edited_rules import changed_lists, pairs_of, same_models
from tidegate.simulation.lookups import lookups_of
from tidegate.simulation.mapping import WORDS
from tidegate.simulation.measures import FRAUD, GOOD, WARM_UP, Decided, Volume, volumes
from tidegate.simulation.model_scores import model_hash
from tidegate.simulation.needs import features_read
from tidegate.simulation.plain_program import lists_in
from tidegate.simulation.rows import Rows

MOST_MARGINALS = 20
"""Above so many changed rules, single ones are not looked at."""
_APPROVE = WORDS.index("approve")
_AFTER = "\0after"
"""Behind the name of a list in rules of the revision after, where its content differs."""


def changed_rules(old: EventType, new: EventType, lists: frozenset[str]) -> tuple[str, ...]:
    """The names of the rules that say something else."""
    pairs = pairs_of(old, new, lists)
    names = {new.rules[p.after].name for p in pairs if p.after is not None}
    names |= {old.rules[p.before].name for p in pairs if p.before is not None}
    return tuple(sorted(names))


def why_no_marginals(old: Policy, new: Policy, event: str, changed: int) -> str:
    """Why single changes cannot be told apart; empty where they can."""
    was, now = old.program, new.program
    lists = changed_lists(hashes_of(old.lists), hashes_of(new.lists))
    before, after = was.event(event), now.event(event)
    if _declared(before) != _declared(after) or _units(old) != _units(new):
        return "the event's fields, its currency, zone or rates differ"
    if not same_models(was, now, after, lists) or _a_file_differs(old, new, after):
        return "a model, or what it may do, differs"
    if validations_of(old.models) or validations_of(new.models):
        return "the validation of a model ends at some time"
    features = {f.name: f for f in features_read(was, before)}
    for feature in features_read(now, after):
        if feature.name in features and features[feature.name] != feature:
            return f"feature `{feature.name}` counts something else"
        if lists & set(lists_in(feature.where)):
            return f"feature `{feature.name}` reads a list that differs"
    if table := _table_that_differs(old, new, event):
        return f"table `{table}` differs"
    if was.labels != now.labels:
        return "a label differs"
    if changed > MOST_MARGINALS:
        return f"{changed} rules differ; single ones are looked at where {MOST_MARGINALS} do"
    return ""


def _a_file_differs(old: Policy, new: Policy, event: EventType) -> bool:
    """Whether one version of a model lies there as two files."""
    return any(
        model_hash(old, old.program.model(name)) != model_hash(new, new.program.model(name))
        for name in event.models
    )


def _table_that_differs(old: Policy, new: Policy, event: str) -> str:
    """A table in which something of one name is read, and it is another thing."""
    known = {item.name: lookup for item, lookup in lookups_of(old.program.event(event))}
    for item, lookup in lookups_of(new.program.event(event)):
        if item.name in known:
            contents = (policy.tables[lookup.table].hash for policy in (old, new))
            if known[item.name] != lookup or len(set(contents)) > 1:
                return lookup.table
    return ""


def _declared(event: EventType) -> EventType:
    return replace(event, rules=(), inputs=(), lets=(), models=(), text="", default=None, silent="")


def _units(policy: Policy) -> tuple[object, ...]:
    program = policy.program
    rates = policy.rates.hash if policy.rates is not None else ""
    return program.currency, program.zone, rates


KnownOf = Callable[[ColumnSettler], Known | None]
"""What is kept about the rows that a settler decides."""


def nothing_known(_: ColumnSettler) -> None:
    """Everything has to be worked out."""


@dataclass(slots=True)
class MarginalTally:
    """What one change moves: by outcome, and how many payments flip or are stopped."""

    shifts: dict[int, Volume]
    flipped: Volume
    fraud: int
    good: int

    @staticmethod
    def nothing() -> MarginalTally:
        """An empty one."""
        return MarginalTally({}, Volume(), 0, 0)

    def add(self, without: Any, with_: Any, rows: Decided) -> None:
        """Outcomes without the change and with it, of the same rows."""
        moved = np.flatnonzero((without != with_) & (rows.classes != WARM_UP))
        if not len(moved):
            return
        money, classes = rows.money[moved], rows.classes[moved]
        was, now = without[moved].astype(np.int64), with_[moved].astype(np.int64)
        gone, come = volumes(was, len(WORDS), money), volumes(now, len(WORDS), money)
        for word in range(len(WORDS)):
            more = Volume(come[word].count - gone[word].count, come[word].minor - gone[word].minor)
            self.shifts[word] = self.shifts.get(word, Volume()) + more
        minor = sum(money.tolist())
        self.flipped = self.flipped + Volume(len(moved), minor)
        stopped = (was == _APPROVE).astype(np.int64) - (now == _APPROVE)
        self.fraud += int(stopped[classes == FRAUD].sum())
        self.good += int(stopped[classes == GOOD].sum())

    def said(self) -> tuple[OutcomeShift, ...]:
        """By outcome, in their order."""
        found = (self.shifts.get(word, Volume()) for word in range(len(WORDS)))
        return tuple(
            OutcomeShift(word, volume.count, volume.minor)
            for word, volume in zip(WORDS, found, strict=True)
        )


class Hybrids:
    """The policies between two revisions of one event, each decided where rows are given."""

    def __init__(self, old: Policy, new: Policy, event: str, names: tuple[str, ...]) -> None:
        lists = changed_lists(hashes_of(old.lists), hashes_of(new.lists))
        alike = _After(lists)
        self.lists: Lists = _both(old.lists, new.lists, lists)
        was, now = old.program.event(event), alike.event(new.program.event(event))
        self.names = names
        inputs, lets = _joined(was, now)
        self._alone = {}
        self._without = {}
        for name in names:
            alone = replace(was, rules=_exchanged(was, now, name), inputs=inputs, lets=lets)
            less = replace(now, rules=_exchanged(now, was, name), inputs=inputs, lets=lets)
            self._alone[name] = _settler(old.program, alone)
            self._without[name] = _settler(new.program, less)
        self.tallies = {name: (MarginalTally.nothing(), MarginalTally.nothing()) for name in names}

    def add(
        self, rows: Rows, before: Decided, after: Decided, known: KnownOf = nothing_known
    ) -> None:
        """Decide rows that both revisions have decided."""
        batch = Batch(rows.count, rows.columns, self.lists, rows.statuses)
        for name in self.names:
            alone, last = self.tallies[name]
            put_in, taken_out = (
                settler.settle(batch, known=known(settler)).word
                for settler in (self._alone[name], self._without[name])
            )
            alone.add(before.outcomes.word, put_in, after)
            last.add(taken_out, after.outcomes.word, after)

    def marginals(self) -> tuple[Marginal, ...]:
        """What each change does, those that flip most first."""
        found = (
            Marginal(
                name,
                alone.said(), alone.flipped, alone.fraud, alone.good,
                last.said(), last.flipped, last.fraud, last.good,
            )
            for name, (alone, last) in self.tallies.items()
        )  # fmt: skip
        return tuple(
            sorted(found, key=lambda m: (-m.flipped_alone.count, -m.flipped_last.count, m.rule))
        )


def _settler(program: Program, event: EventType) -> ColumnSettler:
    return compile_settler(program, event)


def _exchanged(base: EventType, other: EventType, name: str) -> tuple[Rule, ...]:
    """The rules of `base` with all versions of one name as `other` has them."""
    kept = [rule for rule in base.rules if rule.name != name]
    kept += [rule for rule in other.rules if rule.name == name]
    return tuple(sorted(kept, key=lambda rule: (rule.name, rule.version)))


def _joined(old: EventType, new: EventType) -> tuple[tuple[Input, ...], tuple[Any, ...]]:
    inputs = {item.name: item for item in (*old.inputs, *new.inputs)}
    return tuple(inputs.values()), (*old.lets, *new.lets)


def _both(old: Lists, new: Lists, differing: frozenset[str]) -> dict[str, ListContent | None]:
    mine = {name: content for name, content in new.items() if name not in old}
    after = {f"{name}{_AFTER}": new[name] for name in differing if name in new}
    return {**old, **mine, **after}


@dataclass(frozen=True, slots=True)
class _After:
    """Rules of the revision after, which read their own contents of these lists."""

    lists: frozenset[str]

    def event(self, event: EventType) -> EventType:
        """The event with such rules."""
        if not self.lists:
            return event
        return replace(event, rules=tuple(map(self._part, event.rules)))

    def _part(self, part: Any) -> Any:
        if isinstance(part, tuple):
            return tuple(map(self._part, part))
        if not self.lists & set(lists_in(part)) or not is_dataclass(part):
            return part
        if isinstance(part, InList) and part.list in self.lists:
            return replace(part, list=f"{part.list}{_AFTER}", operand=self._part(part.operand))
        made: Any = part
        return replace(made, **dict(self._fields(part)))

    def _fields(self, part: Any) -> Iterator[tuple[str, Any]]:
        for declared in fields(part):
            value = getattr(part, declared.name)
            if isinstance(value, tuple) or is_dataclass(value):
                yield declared.name, self._part(value)
