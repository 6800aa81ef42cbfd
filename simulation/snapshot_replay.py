"""One policy over the decisions of a snapshot, from what the last one was decided by.

A tally is a sum over rows. So where the last policy differs in some rules only, what the rows said
in which any of them says something else is taken away from its tally, and what they say now is put
in. Where more differs, every row is decided.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tidegate.dsl.program import EventType
from tidegate.engine.column_batch import Batch, Bits, count_rows
from tidegate.engine.column_chunk import CHUNK_ROWS, Binding, Known
from tidegate.engine.column_edit import Edit
from tidegate.engine.column_meaning import atoms_of, hashes_of
from tidegate.engine.column_outcome import ColumnSettler, compile_settler
from tidegate.engine.decision import Policy
from tidegate.simulation.assessment import Assessment, stops_of
from tidegate.simulation.baseline import Baseline
from tidegate.simulation.edited_rules import changed_lists, pairs_of, places_before, same_models
from tidegate.simulation.features import keys_name
from tidegate.simulation.joined_rows import join_rows
from tidegate.simulation.measures import MAX_OVERLAP_RULES, Decided, Tally, tally_up
from tidegate.simulation.needs import features_read
from tidegate.simulation.predicates import (
    Atoms,
    PickedTruths,
    Places,
    Predicates,
    SliceTruths,
    places_in,
)
from tidegate.simulation.result import BacktestResult
from tidegate.simulation.rows import Rows
from tidegate.simulation.snapshot import Snapshot
from tidegate.simulation.summary import summarise
from tidegate.simulation.tally_sums import exchange, reordered
from tidegate.simulation.times import Int64s
from tidegate.simulation.told import Told

MOST = 0.5
"""Above this share of rows to decide twice, all are decided once."""


@dataclass(frozen=True, slots=True)
class EventEdit:
    """What became of one event: its tallies before and now, and the rules that differ.

    `before` is None where every row was decided; `decided` is how many were.
    """

    event: EventType
    before: Tally | None
    rules_before: tuple[str, ...]
    now: Tally
    edited: tuple[str, ...]
    decided: int
    rows: int
    new_predicates: int


class SnapshotReplay(Assessment):
    """One dry run over a snapshot; it deletes what is kept of others' conditions if it `prunes`."""

    def __init__(
        self,
        policy: Policy,
        snapshot: Snapshot,
        told: Told,
        baseline: Baseline | None,
        *,
        prunes: bool = True,
    ) -> None:
        super().__init__(policy, told)
        self.prunes = prunes
        self.lists = hashes_of(policy.lists)
        self.baseline = baseline
        self.stored = {event.name: snapshot.rows_of(event) for event in self.events}
        self.predicates = {
            event.name: Predicates(snapshot.predicates_of(event), self.stored[event.name])
            for event in self.events
        }

    def run(self) -> dict[str, EventEdit]:
        """Every event decided, as far as that is needed."""
        return {event.name: self.event(event) for event in self.events}

    def result(self, edits: dict[str, EventEdit]) -> BacktestResult:
        """What the policy would have decided."""
        tallies = {name: self.of_inputs(name, edit.now) for name, edit in edits.items()}
        ties = {event.name: self.ties(event) for event in self.events}
        return summarise(self.told, tallies, self.facts, self.notes(), ties)

    def as_baseline(self, edits: dict[str, EventEdit]) -> Baseline:
        """This run, for the next one."""
        return Baseline(
            program=self.policy.program,
            lists=self.lists,
            frames={event.name: self._frame(event) for event in self.events if event.name in edits},
            tallies={name: edit.now for name, edit in edits.items()},
        )

    # one event

    def event(self, event: EventType) -> EventEdit:
        """One event decided, as far as that is needed."""
        side, new = self.deciding(event)
        return self._edited(event, side, new) or self._whole(event, side, new)

    def deciding(self, event: EventType) -> tuple[Deciding, int]:
        """How this policy decides; every condition is kept, so many of them newly."""
        settler = compile_settler(self.policy.program, event)
        atoms = atoms_of(settler.plan.plan, self.lists)
        new = self.predicates[event.name].add(atoms, self.policy.lists)
        return Deciding(self, settler, atoms, tuple(map(stops_of, event.rules))), new

    def _whole(self, event: EventType, side: Deciding, new_predicates: int) -> EventEdit:
        stored, tally = self.stored[event.name], Tally.of(len(event.rules))
        fields = {declared.name for declared in event.fields}
        inputs = sorted(name for name in stored.columns if name.split(".")[0] not in fields)
        for run in range(len(stored.rows)):
            rows = stored.slice(run)
            known = SliceTruths(self.predicates[event.name], side.atoms, run)
            tally_up(tally, side.decided(rows, known))
            self.count_missing(tally, rows, inputs)
        self._prune(event, side)
        count = stored.count
        return EventEdit(event, None, (), tally, (), count, count, new_predicates)

    def _edited(self, event: EventType, side: Deciding, new_predicates: int) -> EventEdit | None:
        """From the last run; None where that cannot be, or would be more work."""
        old = self.before(event)
        if old is None or self.baseline is None:
            return None
        was = self.baseline.program.event(event.name)
        lists = changed_lists(self.baseline.lists, self.lists)
        pairs = pairs_of(was, event, lists)
        stored, whole = self.stored[event.name], self.baseline.tallies[event.name]
        places = self.places(event, Edit(old.settler.plan, side.settler.plan, pairs), old, side)
        decided = sum(len(rows) for _, rows in places)
        if decided > MOST * stored.count:
            return None
        kept = places_before(was, event)
        gone = Tally.of(len(was.rules))
        come = Tally.of(len(event.rules))
        for some in portions(places):
            rows = join_rows(stored, some)
            for of, tally in ((old, gone), (side, come)):
                known = PickedTruths(self.predicates[event.name], of.atoms, some)
                tally_up(tally, of.decided(rows, known))
        now = exchange(reordered(whole, kept), reordered(gone, kept), come)
        self._prune(event, side, old)
        names = [
            event.rules[p.after].id if p.after is not None else was.rules[p.before or 0].id
            for p in pairs
        ]
        return EventEdit(
            event, whole, tuple(rule.id for rule in was.rules), now, tuple(names), decided,
            stored.count, new_predicates,
        )  # fmt: skip

    def _prune(self, event: EventType, *sides: Deciding) -> None:
        """Delete the conditions that none of these reads."""
        if self.prunes:
            read = (meaning for side in sides for meaning in side.atoms.values())
            self.predicates[event.name].keep_only(frozenset(read))

    def before(self, event: EventType) -> Deciding | None:
        """The last policy's side, where its figures hang on the same besides rules."""
        baseline = self.baseline
        if baseline is None or baseline.frames.get(event.name) != self._frame(event):
            return None
        lists = changed_lists(baseline.lists, self.lists)
        if not same_models(baseline.program, self.policy.program, event, lists):
            return None
        was = baseline.program.event(event.name)
        settler = compile_settler(baseline.program, was)
        atoms = atoms_of(settler.plan.plan, baseline.lists)
        if not all(map(self.predicates[event.name].holds, atoms.values())):
            return None
        return Deciding(self, settler, atoms, tuple(map(stops_of, was.rules)))

    def _frame(self, event: EventType) -> str:
        facts = self.facts[event.name]
        label = "" if facts.label is None else facts.label.name
        counts_overlaps = len(event.rules) <= MAX_OVERLAP_RULES
        warm_up = facts.warm_up
        return json.dumps(
            [warm_up.until_us, warm_up.event, label, facts.money, event.default, counts_overlaps]
        )

    def places(self, event: EventType, edit: Edit, old: Deciding, new: Deciding) -> Places:
        """The rows in which an edited rule says something else."""
        stored = self.stored[event.name]
        if not edit.pairs:
            return ()
        atoms = {**old.atoms, **new.atoms}
        found: list[Bits] = []
        for run in range(len(stored.rows)):
            rows = stored.slice(run)
            known = SliceTruths(self.predicates[event.name], atoms, run)
            batch = Batch(rows.count, rows.columns, self.policy.lists, rows.statuses)
            chunks = [edit.rows(chunk) for chunk in Binding(batch, known).chunks(CHUNK_ROWS)]
            found.append(np.concatenate([np.empty(0, np.uint8), *chunks]))
        if sum(map(count_rows, found)) > MOST * stored.count:
            return tuple((run, np.arange(count)) for run, count in enumerate(stored.rows))
        return tuple(places_in(found, stored.rows))

    # what the result needs besides

    def of_inputs(self, event: str, tally: Tally) -> Tally:
        """Without what is missing of inputs that this policy does not read."""
        inputs = self.facts[event].inputs
        return replace(tally, missing={k: n for k, n in tally.missing.items() if k[0] in inputs})

    def ties(self, event: EventType) -> int:
        """How many decisions share their time and a window's key with another."""
        source = self.told.mapping.source_of(event.name)
        given = {column.field.name for column in source.features} if source else set()
        read = [f for f in features_read(self.policy.program, event) if f.name not in given]
        return self.stored[event.name].tied(frozenset(map(keys_name, read)))


@dataclass(frozen=True, slots=True)
class Deciding:
    """One of two policies: how it decides, and which of its conditions are kept."""

    replay: SnapshotReplay
    settler: ColumnSettler
    atoms: Atoms
    stops: tuple[tuple[bool, bool], ...]

    def decided(self, rows: Rows, known: Known) -> Decided:
        """These rows decided."""
        lists = self.replay.policy.lists
        batch = Batch(rows.count, rows.columns, lists, rows.statuses)
        outcomes = self.settler.settle(batch, known=known)
        return replace(self.replay.decided(rows, outcomes), stops=self.stops)


def portions(places: Places) -> Iterator[Places]:
    """As many rows at a time as a chunk holds, or one slice of more."""
    held: list[tuple[int, Int64s]] = []
    count = 0
    for run, rows in places:
        if held and count + len(rows) > CHUNK_ROWS:
            yield held
            held, count = [], 0
        held.append((run, rows))
        count += len(rows)
    if held:
        yield held
