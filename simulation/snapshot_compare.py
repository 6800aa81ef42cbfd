"""Both revisions over the decisions of a snapshot, row by row only where they say something else.

It says, figure by figure, what the plain way says (`compare`). One snapshot has to serve both: it
holds what either reads. Where both read something of one name and mean something else by it, there
is none, and the history is read twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np

from tidegate.dsl.program import EventType, Program
from tidegate.engine.column_chunk import Known
from tidegate.engine.column_edit import Edit
from tidegate.engine.column_meaning import ListHashes, atoms_of, hashes_of
from tidegate.engine.column_outcome import ColumnSettler
from tidegate.engine.lowered import validations_of
from tidegate.rules.gate import Segments
from tidegate.rules.policy import Policy
from tidegate.simulation.backtest import Progress
from tidegate.simulation.baseline import NAME, RuleTexts, load_baseline, save_baseline
from tidegate.simulation.checked_mapping import CheckedMapping, load_mapping
from tidegate.simulation.compare import (
    NO_SEGMENTS,
    Compared,
    compared,
    events_of_both,
    hybrids_of,
    of_before,
    share_facts,
)
from tidegate.simulation.edited_rules import changed_lists, pairs_of, places_before
from tidegate.simulation.effects import EventPair
from tidegate.simulation.history import CHUNK_ROWS
from tidegate.simulation.hybrids import Hybrids
from tidegate.simulation.joined_rows import join_rows
from tidegate.simulation.kept_words import KeptWords
from tidegate.simulation.mapping import MappingError, Problem
from tidegate.simulation.measures import Classed, Decided, Small, Tally, Volume, measured, tally_up
from tidegate.simulation.pairs import FLIPS_SHOWN, Keys, PairTally
from tidegate.simulation.predicates import PickedTruths, Places, Predicates, SliceTruths
from tidegate.simulation.rows import Rows
from tidegate.simulation.segments import SegmentTally
from tidegate.simulation.snapshot import (
    Snapshot,
    StaleError,
    build_snapshot,
    is_snapshot,
    open_snapshot,
)
from tidegate.simulation.snapshot_parts import Parts, parts_of, why_stale
from tidegate.simulation.snapshot_replay import MOST, Deciding, SnapshotReplay, portions
from tidegate.simulation.speed import Sample
from tidegate.simulation.stored_rows import StoredRows
from tidegate.simulation.tally_sums import exchange, reordered
from tidegate.simulation.times import Int64s

COMPARED = "compared.json"
"""Beside the snapshot, the last revision that was compared with, and its counts."""


@dataclass(frozen=True, slots=True)
class SnapshotComparison:
    """A comparison with what became of the snapshot.

    `built` says why it was built; `decided` how many rows were decided by both, of how many.
    """

    compared: Compared
    built: str
    build_seconds: float
    seconds: float
    bytes: int
    decided: int
    rows: int


def compare_with_snapshot(
    before: Policy,
    after: Policy,
    mapping_path: Path,
    folder: Path,
    *,
    key: bytes,
    shown: int = FLIPS_SHOWN,
    by: Mapping[str, Sequence[Segments]] = NO_SEGMENTS,
    progress: Progress | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> SnapshotComparison:
    """The comparison of `compare_runs`, from the snapshot in `folder`, made where it has to be.

    StaleError where no snapshot can serve both; it says why. MappingError as there.
    """
    if not is_snapshot(folder):
        message, help_ = "is no snapshot and not empty", "name an empty folder, or a new one"
        raise MappingError([Problem(str(folder), "--snapshot", message, help_)])
    if validations_of(before.models) or validations_of(after.models):
        raise StaleError("the validation of a model ends at some time")
    began, built = perf_counter(), ""
    mapping = load_mapping(mapping_path, after.program)
    mappings = _mapping_before(mapping_path, before), mapping
    also = {event: frozenset(one.field for one in found) for event, found in by.items()}
    asked = {f"{event}.{name}": "" for event, names in also.items() for name in names}
    needed = {**_needed_by_both((before, after), mappings), **asked}
    try:
        snapshot = open_snapshot(folder, needed)
    except StaleError as stale:
        built = str(stale)
        both = _of_both(before, after)
        parts = parts_of(both, load_mapping(mapping_path, both.program)) | asked
        if lacks := why_stale(needed, parts):
            raise StaleError(lacks) from None
        snapshot = build_snapshot(
            folder, both, mapping_path, parts,
            chunk_rows=chunk_rows, also=also, progress=progress,
        )  # fmt: skip
    opened = perf_counter()
    found = _Comparing(before, after, mappings, snapshot, folder, key=key, shown=shown, by=by)
    result = found.run()
    return SnapshotComparison(
        compared=result,
        built=built,
        build_seconds=opened - began if built else 0.0,
        seconds=perf_counter() - opened,
        bytes=snapshot.bytes,
        decided=found.decided,
        rows=found.rows,
    )


def _mapping_before(path: Path, before: Policy) -> CheckedMapping:
    try:
        return load_mapping(path, before.program)
    except MappingError as error:
        raise of_before(error) from None


def _needed_by_both(
    policies: tuple[Policy, Policy], mappings: tuple[CheckedMapping, CheckedMapping]
) -> Parts:
    """What a snapshot has to hold to serve both; StaleError where nothing does."""
    old, new = map(parts_of, policies, mappings)
    differing = [name for name in old if name in new and old[name] != new[name]]
    differing += [
        f"event {event.name}" for event in mappings[0].events if f"event {event.name}" not in new
    ]
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise StaleError(f"{', '.join(differing[:3])}{more} differ between the revisions")
    return {**old, **new}


def _of_both(before: Policy, after: Policy) -> Policy:
    """A policy that reads what either reads; nothing is ever decided by it."""
    was, now = before.program, after.program
    features = {f.name: f for f in (*was.features, *now.features)}
    events = tuple(_event_of_both(event, was) for event in now.events)
    lists = {**before.lists, **after.lists}
    program = replace(now, features=tuple(features.values()), events=events)
    tables = {**before.tables, **after.tables}
    return replace(after, program=program, lists=lists, tables=tables)


def _event_of_both(event: EventType, was: Program) -> EventType:
    old = next((e for e in was.events if e.name == event.name), None)
    if old is None or not event.decided:
        return event
    mine = {rule.id for rule in event.rules}
    others = [
        replace(rule, name=f"{rule.name} before", replaces=None)
        for rule in old.rules
        if rule.id not in mine or rule not in event.rules
    ]
    inputs = {item.name: item for item in (*event.inputs, *old.inputs)}
    return replace(
        event,
        rules=(*event.rules, *others),
        inputs=tuple(inputs.values()),
        lets=(*event.lets, *old.lets),
    )


class _Comparing:
    """One comparison under way."""

    def __init__(
        self,
        before: Policy,
        after: Policy,
        mappings: tuple[CheckedMapping, CheckedMapping],
        snapshot: Snapshot,
        folder: Path,
        *,
        key: bytes,
        shown: int,
        by: Mapping[str, Sequence[Segments]],
    ) -> None:
        self.folder = folder
        self.by = by
        self.key, self.shown = key, shown
        self.texts = RuleTexts(before.program)
        baseline = load_baseline(folder, self.texts, COMPARED)
        told = (snapshot.told(mappings[0], before), snapshot.told(mappings[1], after))
        self.old = SnapshotReplay(before, snapshot, told[0], baseline, prunes=False)
        self.new = SnapshotReplay(after, snapshot, told[1], None, prunes=False)
        self.own_warm_up_us = self.old.own_warm_up_us, self.new.own_warm_up_us
        self.names = events_of_both(self.old, self.new)
        share_facts(self.old, self.new)
        self.decided = 0
        self.rows = 0

    def run(self) -> Compared:
        """Every event that both decide."""
        edits = {name: self.old.event(_event(self.old, name)) for name in self.names}
        self.new.baseline = self.old.as_baseline(edits)
        pairs = [self._pair(name, edits[name].now) for name in self.names]
        save_baseline(self.folder, self.new.baseline, self.texts, COMPARED)
        return compared(self.old, self.new, pairs)

    def _pair(self, name: str, before: Tally) -> EventPair:
        hybrids, no_hybrids = hybrids_of(self.old.policy, self.new.policy, name)
        pair = _Pair(self, name, before, hybrids)
        after = pair.run()
        self.decided += pair.decided
        self.rows += pair.stored.count
        events = _event(self.old, name), _event(self.new, name)
        if not (self.folder / NAME).exists():
            pair.prune()
        return EventPair(
            event=name,
            before=self.old.of_inputs(name, before),
            after=self.new.of_inputs(name, after),
            ties_before=self.old.ties(events[0]),
            ties_after=self.new.ties(events[1]),
            pairs=pair.pairs,
            only=(Volume(), Volume()),
            own_warm_up_us=(self.own_warm_up_us[0][name], self.own_warm_up_us[1][name]),
            hybrids=hybrids,
            no_hybrids=no_hybrids,
            sample=self._sample(pair.stored),
            segments=tuple(s for tally in pair.segments for s in tally.segments()),
        )

    def _sample(self, stored: StoredRows) -> Sample | None:
        for run, count in enumerate(stored.rows):
            if count:
                rows = stored.slice(run)
                return Sample(self.old.policy, self.new.policy, rows, rows)
        return None


class _Pair:
    """One event."""

    def __init__(
        self, comparing: _Comparing, name: str, before: Tally, hybrids: Hybrids | None
    ) -> None:
        self.old, self.new = comparing.old, comparing.new
        self.name = name
        self.before = before
        self.hybrids = hybrids
        self.pairs = PairTally(name, comparing.key, comparing.shown)
        self.was, self.now = _event(self.old, name), _event(self.new, name)
        self.stored = self.new.stored[name]
        self.predicates = self.new.predicates[name]
        self.before_side, _ = self.old.deciding(self.was)
        self.after_side, _ = self.new.deciding(self.now)
        currency = self.new.policy.program.currency
        self.segments = tuple(SegmentTally(one, currency) for one in comparing.by.get(name, ()))
        self.words = KeptWords(comparing.folder, self.old.policy, self.was)
        self.changed: dict[int, list[tuple[Int64s, Small]]] = {}
        self.decided = 0

    def run(self) -> Tally:
        """The tally of the revision after, and everything in pairs."""
        places = self._places()
        if places is None:
            return self._whole()
        gone, come = Tally.of(len(self.was.rules)), Tally.of(len(self.now.rules))
        for some in portions(places):
            rows = join_rows(self.stored, some)
            known = [
                PickedTruths(self.predicates, side.atoms, some)
                for side in (self.before_side, self.after_side)
            ]
            before, after = self._decided(rows, known[0], known[1])
            tally_up(gone, before)
            tally_up(come, after)
            self._add(rows, before, after, _PickedKeys(self.stored, some), some)
            self._note(some, after.outcomes.word)
        self._add_alike(gone)
        self._add_segments()
        kept = places_before(self.was, self.now)
        return exchange(reordered(self.before, kept), reordered(gone, kept), come)

    def _places(self) -> Places | None:
        """The rows in which a rule says something else; None where all are to be decided."""
        if self.new.before(self.now) is None:
            return None
        lists = changed_lists(hashes_of(self.old.policy.lists), hashes_of(self.new.policy.lists))
        pairs = pairs_of(self.was, self.now, lists)
        sides = self.before_side, self.after_side
        edit = Edit(sides[0].settler.plan, sides[1].settler.plan, pairs)
        places = self.new.places(self.now, edit, *sides)
        self.decided = sum(len(rows) for _, rows in places)
        return None if self.decided > MOST * self.stored.count else places

    def _whole(self) -> Tally:
        """Every row decided by both."""
        tally = Tally.of(len(self.now.rules))
        self.decided = self.stored.count
        for run in range(len(self.stored.rows)):
            rows = self.stored.slice(run)
            known = [
                SliceTruths(self.predicates, side.atoms, run)
                for side in (self.before_side, self.after_side)
            ]
            before, after = self._decided(rows, known[0], known[1])
            tally_up(tally, after)
            every = ((run, np.arange(rows.count)),)
            self._add(rows, before, after, _PickedKeys(self.stored, every), every)
            self._segment(rows, (before.outcomes.word, after.outcomes.word))
        tally.missing, tally.without_money = self.before.missing, self.before.without_money
        return tally

    def _decided(self, rows: Rows, *known: Known) -> tuple[Decided, Decided]:
        """The same rows as each decides them."""
        after = self.after_side.decided(rows, known[1])
        before = self.before_side.decided(rows, known[0])
        return replace(after, outcomes=before.outcomes, stops=self.before_side.stops), after

    def _add(self, rows: Rows, before: Decided, after: Decided, keys: Keys, places: Places) -> None:
        self.pairs.add(before, after, keys)
        if self.hybrids is not None:
            known = _KnownOf(self.predicates, hashes_of(self.hybrids.lists), places)
            self.hybrids.add(rows, before, after, known)

    def _add_alike(self, gone: Tally) -> None:
        """The rows that were not decided again: both say the same of them."""
        words = [_less(*of) for of in zip(self.before.words, gone.words, strict=True)]
        looked = sum(self.before.review_days.values()) - sum(gone.review_days.values())
        rows = sum(measured(classed).count for classed in words)
        self.pairs.add_alike(words, looked, rows)

    # segments need the outcome of every row

    def _note(self, places: Places, words: Small) -> None:
        """What the revision after says of picked rows."""
        start = 0
        for run, rows in places:
            self.changed.setdefault(run, []).append((rows, words[start : start + len(rows)]))
            start += len(rows)

    def _add_segments(self) -> None:
        """Every row, by the outcome before and the one that was found instead of it."""
        if not self.segments:
            return
        words = self.words.read(self.stored.count)
        if words is None:
            words = self._words_before()
            self.words.keep(words)
        for run, start in enumerate(np.cumsum([0, *self.stored.rows[:-1]]).tolist()):
            rows = self.stored.slice(run)
            was = words[start : start + rows.count]
            now = was.copy()
            for places, found in self.changed.get(run, ()):
                now[places] = found
            self._segment(rows, (was, now))

    def _segment(self, rows: Rows, words: tuple[Small, Small]) -> None:
        for tally in self.segments:
            column = rows.columns[tally.by.field]
            tally.add(column, words, self.new.classes(rows), self.new.money(rows))

    def _words_before(self) -> Small:
        """The outcome of each row by the revision before."""
        found = [np.empty(0, np.int8)]
        for run in range(len(self.stored.rows)):
            known = SliceTruths(self.predicates, self.before_side.atoms, run)
            found.append(self.before_side.decided(self.stored.slice(run), known).outcomes.word)
        return np.concatenate(found)

    def prune(self) -> None:
        """Delete the conditions that neither reads."""
        sides: tuple[Deciding, ...] = (self.before_side, self.after_side)
        read = (meaning for side in sides for meaning in side.atoms.values())
        self.predicates.keep_only(frozenset(read))


def _less(whole: Classed, gone: Classed) -> Classed:
    return tuple(
        Volume(a.count - b.count, a.minor - b.minor) for a, b in zip(whole, gone, strict=True)
    )


class _PickedKeys:
    """The keys of picked rows, one slice after another."""

    def __init__(self, stored: StoredRows, places: Places) -> None:
        self.stored = stored
        self.places = places
        self._starts = np.cumsum([0, *(len(rows) for _, rows in places)])

    def __call__(self, wanted: Int64s) -> list[str]:
        """The keys of rows, by their place among the picked ones."""
        found: list[str] = []
        parts = np.searchsorted(self._starts, wanted, side="right") - 1
        for part, place in zip(parts.tolist(), wanted.tolist(), strict=True):
            run, rows = self.places[part]
            found += self.stored.keys(run, rows[[place - self._starts[part]]])
        return found


class _KnownOf:
    """What is kept about picked rows for a policy between both."""

    def __init__(self, predicates: Predicates, lists: ListHashes, places: Places) -> None:
        self.predicates = predicates
        self.lists = lists
        self.places = places

    def __call__(self, settler: ColumnSettler) -> Known:
        atoms = atoms_of(settler.plan.plan, self.lists)
        kept = {node: meaning for node, meaning in atoms.items() if self.predicates.holds(meaning)}
        return PickedTruths(self.predicates, kept, self.places)


def _event(replay: SnapshotReplay, name: str) -> EventType:
    return replay.policy.program.event(name)
