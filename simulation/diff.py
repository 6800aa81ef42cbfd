"""A comparison of two revisions, in words and, where a history is given, by what it does."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from tidegate.engine.policy_differences import Subject, policy_differences
from tidegate.rules.cases import Cases
from tidegate.rules.gate import Segments
from tidegate.rules.policy import Policy
from tidegate.rules.revisions import Revision
from tidegate.simulation.backtest import Progress
from tidegate.simulation.compare import NO_SEGMENTS, Compared, compare_runs
from tidegate.simulation.comparison import Comparison, Side, Timing, Words
from tidegate.simulation.pairs import FLIPS_SHOWN
from tidegate.simulation.speed import measure

KEY_BYTES = 16
"""How long a key for pseudonyms is at least."""
NOTHING_BEFORE = "there is no policy before that could decide the history"


@dataclass(frozen=True, slots=True)
class DiffRun:
    """A comparison, with what became of the snapshot, line by line."""

    comparison: Comparison
    told: tuple[str, ...]


def compare(
    before: Revision,
    after: Revision,
    mapping: Path | str | None = None,
    *,
    key: bytes | None = None,
    shown: int = FLIPS_SHOWN,
    by: Mapping[str, Sequence[Segments]] = NO_SEGMENTS,
    progress: Progress | None = None,
) -> DiffRun:
    """Compare two revisions, both without errors; `before` may be absent.

    `key` makes pseudonyms of payments (16 bytes at least); without it each run has one of its own,
    so that nothing links them. `shown` payments of each kind of flip are named. `by` names, for each
    event, the fields by which segments are made. MappingError where the history cannot be used.
    """
    old, new = _policy(before), _policy(after)
    assert new is not None, "the revision after has a policy"
    words = Words(
        policy_differences(
            None if old is None else _subject(old, before.cases), _subject(new, after.cases)
        ),
        old is None or old.hash != new.hash,
    )
    sides = _side(before, old), _side(after, new)
    if mapping is None or old is None:
        why = NOTHING_BEFORE if mapping is not None else ""
        return DiffRun(Comparison(*sides, words, None, why, None), ())
    began = perf_counter()
    found, told = _over(
        old, new, mapping, key or secrets.token_bytes(KEY_BYTES),
        shown=shown, by=by, progress=progress,
    )  # fmt: skip
    took = perf_counter() - began
    timing = Timing(round(1000 * took), tuple(map(measure, found.samples)))
    return DiffRun(Comparison(*sides, words, found.effects, "", timing), told)


def _over(
    old: Policy,
    new: Policy,
    mapping: Path | str,
    key: bytes,
    *,
    shown: int,
    by: Mapping[str, Sequence[Segments]],
    progress: Progress | None,
) -> tuple[Compared, tuple[str, ...]]:
    found = compare_runs(old, new, mapping, key=key, shown=shown, by=by, progress=progress)
    return found, ()


def _policy(revision: Revision) -> Policy | None:
    return None if revision.loaded is None else revision.loaded.policy


def _subject(policy: Policy, cases: Cases) -> Subject:
    return Subject(policy.program, policy.lists, policy.sources, _by_name(cases))


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
