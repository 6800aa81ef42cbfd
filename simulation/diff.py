"""A comparison of two revisions, in words and, where a history is given, by what it does."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from tidegate.engine.model_differences import ModelFiles
from tidegate.engine.policy_differences import Subject, policy_differences
from tidegate.rules.cases import Cases
from tidegate.rules.gate import Segments
from tidegate.rules.policy import Policy
from tidegate.rules.revisions import Revision, changed_files
from tidegate.simulation.backtest import Progress
from tidegate.simulation.compare import NO_SEGMENTS, Compared, compare_runs
from tidegate.simulation.comparison import Comparison, Side, Timing, Words
from tidegate.simulation.mapping import read_mapping
from tidegate.simulation.pairs import FLIPS_SHOWN
from tidegate.simulation.snapshot import StaleError
from tidegate.simulation.snapshot_compare import SnapshotComparison, compare_with_snapshot
from tidegate.simulation.speed import measure

KEY_BYTES = 16
"""How long a key for pseudonyms is at least."""
Lines = tuple[str, ...]
NOTHING_BEFORE = "there is no policy before that could decide the history"


@dataclass(frozen=True, slots=True)
class DiffRun:
    """A comparison, with what became of the snapshot, line by line."""

    comparison: Comparison
    told: Lines


def compare(
    before: Revision,
    after: Revision,
    mapping: Path | str | None = None,
    *,
    snapshot: Path | None = None,
    key: bytes | None = None,
    shown: int = FLIPS_SHOWN,
    by: Mapping[str, Sequence[Segments]] = NO_SEGMENTS,
    progress: Progress | None = None,
) -> DiffRun:
    """Compare two revisions, both without errors; `before` may be absent.

    `key` makes pseudonyms of payments (16 bytes at least); without it each run has one of its own,
    so that nothing links them. `shown` payments of each kind of flip are named. `snapshot` is the
    folder of a snapshot, made where it has to be. `by` names, for each event, the fields by which
    segments are made. MappingError where the history cannot be used.
    """
    old, new = _policy(before), _policy(after)
    assert new is not None, "the revision after has a policy"
    words = Words(
        policy_differences(None if old is None else _subject(old, before), _subject(new, after)),
        old is None or old.hash != new.hash,
    )
    sides = _side(before, old), _side(after, new)
    if mapping is not None:
        words = replace(words, measure=changed_files(before, _measured_with(Path(mapping))))
    if mapping is None or old is None:
        why = NOTHING_BEFORE if mapping is not None else ""
        return DiffRun(Comparison(*sides, words, None, why, None), ())
    began = perf_counter()
    asked = _Asked(Path(mapping), key or secrets.token_bytes(KEY_BYTES), shown, by, progress)
    found, told = asked.over(old, new, snapshot)
    took = perf_counter() - began
    timing = Timing(round(1000 * took), tuple(map(measure, found.samples)))
    return DiffRun(Comparison(*sides, words, found.effects, "", timing), told)


def _measured_with(mapping: Path) -> list[Path]:
    """The mapping and the files of its history."""
    sources = read_mapping(mapping).content.sources
    return [mapping, *(file for source in sources for file in mapping.parent.glob(source.file))]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for of a history."""

    mapping: Path
    key: bytes
    shown: int
    by: Mapping[str, Sequence[Segments]]
    progress: Progress | None

    def over(self, old: Policy, new: Policy, snapshot: Path | None) -> tuple[Compared, Lines]:
        """Both policies over the history, with what became of the snapshot."""
        if snapshot is None:
            return self._plain(old, new), ()
        try:
            found = compare_with_snapshot(
                old, new, self.mapping, snapshot,
                key=self.key, shown=self.shown, by=self.by, progress=self.progress,
            )  # fmt: skip
        except StaleError as stale:
            said = f"snapshot: it cannot serve both, and the history was read twice: {stale}"
            return self._plain(old, new), (said,)
        return found.compared, tuple(_lines(found))

    def _plain(self, old: Policy, new: Policy) -> Compared:
        return compare_runs(
            old, new, self.mapping,
            key=self.key, shown=self.shown, by=self.by, progress=self.progress,
        )  # fmt: skip


def _lines(found: SnapshotComparison) -> Iterator[str]:
    size = f"{found.bytes / 10**6:,.1f} MB"
    if found.built:
        yield f"snapshot: built in {found.build_seconds:.1f} s, {size}: {found.built}"
    else:
        yield f"snapshot: {size}, fits both; no file of the history was read"
    yield f"{found.decided:,} of {found.rows:,} rows decided by both in {found.seconds:.2f} s"


def _policy(revision: Revision) -> Policy | None:
    return None if revision.loaded is None else revision.loaded.policy


def _subject(policy: Policy, revision: Revision) -> Subject:
    return Subject(
        policy.program,
        policy.lists,
        policy.tables,
        policy.sources,
        _by_name(revision.cases),
        policy.rates,
        {m: ModelFiles(of, revision.cards.get(m)) for m, of in policy.models.items()},
    )


def _by_name(cases: Cases) -> Mapping[str, object]:
    found: dict[str, list[str]] = {}
    for located in cases.cases:
        found.setdefault(located.case.name, []).append(located.case.model_dump_json())
    return found


def _side(revision: Revision, policy: Policy | None) -> Side:
    if policy is None:
        return Side(revision.name, revision.commit, "", "", 0, True)
    rules = sum(len(event.rules) for event in policy.program.events)
    return Side(revision.name, revision.commit, policy.program.name, policy.hash, rules, False)
