"""What an edit of rules changed since the last dry run over a snapshot, for people."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.simulation.mapping import WORDS
from tidegate.simulation.measures import Tally, Volume, measured
from tidegate.simulation.snapshot_replay import EventEdit
from tidegate.simulation.snapshot_run import SnapshotRun

_MOST_RULES = 10


def snapshot_lines(run: SnapshotRun) -> Iterator[str]:
    """What became of the snapshot, and what the last edit changed outside the warm-up."""
    size = f"{run.bytes / 10**6:,.1f} MB"
    if run.built:
        yield f"snapshot: built in {run.build_seconds:.1f} s, {size}: {run.built}"
    else:
        yield f"snapshot: {size}, fits; no file of the history was read"
    for edit in run.edits:
        yield from _event_lines(edit)
    yield f"decided in {run.seconds:.2f} s"


def _event_lines(edit: EventEdit) -> Iterator[str]:
    name = edit.event.name
    if edit.before is None:
        yield f"{name}: every row decided, {edit.rows:,}"
        return
    if not edit.edited:
        yield f"{name}: no rule differs from the last run; nothing to decide"
        return
    listed = ", ".join(edit.edited[:_MOST_RULES])
    more = f" and {len(edit.edited) - _MOST_RULES} more" if len(edit.edited) > _MOST_RULES else ""
    yield f"{name}: {listed}{more} changed; {edit.decided:,} of {edit.rows:,} rows decided again"
    yield f"  {'':24}{'before':>14}{'now':>14}{'difference':>14}"
    for place, word in enumerate(WORDS):
        yield _line(word, measured(edit.before.words[place]), measured(edit.now.words[place]))
    rules_now = tuple(rule.id for rule in edit.event.rules)
    for rule in edit.edited[:_MOST_RULES]:
        before = _fired(edit.before, edit.rules_before, rule)
        yield _line(f"{rule} fired", before, _fired(edit.now, rules_now, rule))


def _fired(tally: Tally, rules: tuple[str, ...], rule: str) -> Volume:
    if rule not in rules:
        return Volume()
    return measured(tally.rules[rules.index(rule)].fired)


def _line(what: str, before: Volume, now: Volume) -> str:
    return f"  {what:24}{before.count:>14,}{now.count:>14,}{now.count - before.count:>+14,}"
