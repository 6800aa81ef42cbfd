"""Both revisions of a policy over one history, row by row: what changes for whom.

The plain way: both read the history, slice by slice, and decide every row. A row counts where both
doors take it in; from when on it is measured, its class and its money are those of the revision
after, so that both are held against the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from tidegate.dsl.program import EventType
from tidegate.engine.column_meaning import hashes_of
from tidegate.engine.decision import Policy
from tidegate.rules.gate import Segments
from tidegate.simulation.assessment import Assessment
from tidegate.simulation.backtest import DryRun, Progress, nothing_decided
from tidegate.simulation.comparison import Effects
from tidegate.simulation.edited_rules import changed_lists
from tidegate.simulation.effects import EventPair, effects_of
from tidegate.simulation.history import CHUNK_ROWS
from tidegate.simulation.hybrids import Hybrids, changed_rules, why_no_marginals
from tidegate.simulation.mapping import MappingError, Problem
from tidegate.simulation.measures import Tally, Volume, tally_up, total, volumes
from tidegate.simulation.pairs import FLIPS_SHOWN, PairTally
from tidegate.simulation.rows import Rows
from tidegate.simulation.score_changes import ScoreTally, changed_models
from tidegate.simulation.segments import SegmentTally
from tidegate.simulation.speed import Sample
from tidegate.simulation.times import Int64s
from tidegate.simulation.warm_up import WarmUp

NO_SEGMENTS: Mapping[str, Sequence[Segments]] = {}


@dataclass(frozen=True, slots=True)
class Compared:
    """The effects, and of each event some rows to measure the speed of both evaluators with."""

    effects: Effects
    samples: tuple[Sample, ...]


def compare_runs(
    before: Policy,
    after: Policy,
    mapping_path: Path | str,
    *,
    key: bytes,
    shown: int = FLIPS_SHOWN,
    by: Mapping[str, Sequence[Segments]] = NO_SEGMENTS,
    progress: Progress | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> Compared:
    """Decide the history by both policies. `key` makes pseudonyms of the payments that are shown.

    `by` names, for each event, the fields by which segments are made.

    MappingError says what is wrong with the mapping or the files, for which of the two, or that
    nothing was decided by both.
    """
    also = {event: frozenset(one.field for one in found) for event, found in by.items()}
    new = DryRun(after, mapping_path, also=also, chunk_rows=chunk_rows)
    old = _run_before(before, mapping_path, chunk_rows)
    # A row whose time one of them cannot read cuts the slices otherwise.
    old.history.span = replace(old.history.span, cuts_us=new.history.span.cuts_us)
    events = events_of_both(old, new)
    share_facts(old, new)
    pairs = {name: _Pair(old, new, name, key, shown, by=by.get(name, ())) for name in events}
    for parts in zip(old.slices(), new.slices(), strict=True):
        was, now = ({rows.event.name: rows for rows in part} for part in parts)
        for name in events:
            pairs[name].add(was[name], now[name])
        if progress is not None:
            read = sum(intake.rows for intake in new.history.intakes.values())
            progress(read, new.history.span.rows)
    if not any(intake.accepted for name, intake in new.history.intakes.items() if name in pairs):
        raise MappingError(nothing_decided(new))
    return compared(old, new, [pair.done() for pair in pairs.values()])


def _run_before(policy: Policy, mapping_path: Path | str, chunk_rows: int) -> DryRun:
    try:
        return DryRun(policy, mapping_path, chunk_rows=chunk_rows)
    except MappingError as error:
        raise of_before(error) from None


def of_before(error: MappingError) -> MappingError:
    """The same problems, said to be of the revision before."""
    help_ = "give a mapping that fits both revisions, or leave it out to compare the words alone"
    return MappingError(
        Problem(p.file, p.key, f"{p.message} (for the revision before)", p.help or help_)
        for p in error.problems
    )


def events_of_both(old: Assessment, new: Assessment) -> tuple[str, ...]:
    """The events that both decide over this history."""
    mine = {event.name for event in old.events}
    return tuple(event.name for event in new.events if event.name in mine)


def share_facts(old: Assessment, new: Assessment) -> None:
    """Let both measure the same: from the later warm-up on, by the label and money of `new`."""
    for name in events_of_both(old, new):
        was, now = old.facts[name], new.facts[name]
        later = max(was.warm_up, now.warm_up, key=_until)
        new.facts[name] = replace(now, warm_up=later)
        old.facts[name] = replace(was, warm_up=later, label=now.label, money=now.money)


def _until(found: WarmUp) -> int:
    return found.until_us


def compared(old: Assessment, new: Assessment, pairs: list[EventPair]) -> Compared:
    """The effects of what was counted, with rows to measure the speed with."""
    samples = tuple(pair.sample for pair in pairs if pair.sample is not None)
    return Compared(effects_of(old, new, pairs), samples)


def hybrids_of(old: Policy, new: Policy, event: str) -> tuple[Hybrids | None, str]:
    """The policies between both, or why there are none."""
    lists = changed_lists(hashes_of(old.lists), hashes_of(new.lists))
    names = changed_rules(old.program.event(event), new.program.event(event), lists)
    if why := why_no_marginals(old, new, event, len(names)):
        return None, why
    return Hybrids(old, new, event, names), ""


class _Pair:
    """One event under way."""

    def __init__(
        self,
        old: DryRun,
        new: DryRun,
        name: str,
        key: bytes,
        shown: int,
        *,
        by: Sequence[Segments],
    ) -> None:
        self.old = old
        self.new = new
        self.name = name
        self.own_warm_up = _own_warm_ups(old, new, name)
        self.tallies = tuple(Tally.of(len(_event(run, name).rules)) for run in (old, new))
        self.pairs = PairTally(name, key, shown)
        currency = new.policy.program.currency
        self.segments = tuple(SegmentTally(one, currency) for one in by)
        models = changed_models(old.policy, new.policy, _event(new, name))
        self.scores = tuple(ScoreTally(old.policy, new.policy, name, model) for model in models)
        self.only = [Volume(), Volume()]
        self.hybrids, self.no_hybrids = hybrids_of(old.policy, new.policy, name)
        self.sample: Sample | None = None

    def add(self, was: Rows, now: Rows) -> None:
        """The rows of one slice, as each door takes them in."""
        before, after = self._aligned(was, now)
        outcomes = self.old.settle(before), self.new.settle(after)
        new = self.new.decided(after, outcomes[1])
        old = replace(new, outcomes=outcomes[0], stops=self.old.facts[self.name].stops)
        for run, rows, tally, decided in (
            (self.old, before, self.tallies[0], old), (self.new, after, self.tallies[1], new)
        ):  # fmt: skip
            tally_up(tally, decided)
            run.count_missing(tally, rows, run.facts[self.name].inputs)
        self.pairs.add(old, new, lambda places: after.keys[places].to_list())
        for segments in self.segments:
            words = old.outcomes.word, new.outcomes.word
            segments.add(after.columns[segments.by.field], words, new.classes, new.money)
        for scores in self.scores:
            scores.add(before, after, new.classes)
        if self.hybrids is not None:
            both = {**before.columns, **after.columns}
            self.hybrids.add(replace(after, columns=both), old, new)
        if self.sample is None and after.count:
            self.sample = Sample(self.old.policy, self.new.policy, before, after)

    def _aligned(self, was: Rows, now: Rows) -> tuple[Rows, Rows]:
        """The rows that both take in; those of one alone are counted."""
        if was.keys.equals(now.keys) and np.array_equal(was.at_us, now.at_us):
            return was, now
        frames = [
            pl.DataFrame({"key": rows.keys, "at": rows.at_us}).with_row_index("row")
            for rows in (was, now)
        ]
        both = frames[0].join(frames[1], on=("key", "at"), how="inner").sort("row_right")
        places = both["row"].to_numpy().astype(np.int64), both["row_right"].to_numpy()
        kept = places[0], places[1].astype(np.int64)
        for side, (run, rows) in enumerate(((self.old, was), (self.new, now))):
            self._count_alone(side, run, rows, kept[side])
        return was.at(kept[0]), now.at(kept[1])

    def _count_alone(self, side: int, run: DryRun, rows: Rows, kept: Int64s) -> None:
        alone = np.ones(rows.count, np.bool_)
        alone[kept] = False
        alone &= rows.at_us >= self.new.facts[self.name].warm_up.until_us
        money = run.money(rows)[alone]
        self.only[side] += total(volumes(np.zeros(len(money), np.int64), 1, money))

    def done(self) -> EventPair:
        """What was counted."""
        ties = self.old.ties[self.name], self.new.ties[self.name]
        return EventPair(
            self.name, self.tallies[0], self.tallies[1], ties[0], ties[1], self.pairs,
            (self.only[0], self.only[1]), self.own_warm_up, self.hybrids, self.no_hybrids,
            self.sample, tuple(s for tally in self.segments for s in tally.segments()),
            tuple(scores.change() for scores in self.scores),
        )  # fmt: skip


def _event(run: Assessment, name: str) -> EventType:
    return run.policy.program.event(name)


def _own_warm_ups(old: Assessment, new: Assessment, name: str) -> tuple[int, int]:
    """Where each would begin to measure alone."""
    return old.own_warm_up_us[name], new.own_warm_up_us[name]
