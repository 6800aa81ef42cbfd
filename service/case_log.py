"""Cases as the ledger tells of them: which entries open, move and close one.

The rows that are kept for queries are what these entries add up to, no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from tidegate.dsl.program import EventType
from tidegate.engine.record import Record
from tidegate.engine.values import parse_time
from tidegate.service.recorded import PayloadError, read_payload
from tidegate.store.entries import Leaf
from tidegate.store.side_tables import Case

if TYPE_CHECKING:
    from tidegate.store.reading import Read

Looks = Literal["", "before", "after"]
"""When a person is to look at a decision: before the payment goes on, after it, or never."""
Verdict = Literal["fraud", "good", "unsure"]

CONTEST: Final = "contest"
STEP: Final = "case"
KINDS: Final = ("decision", CONTEST, STEP, "label")
"""The kinds of entries that cases are made of."""

CONTESTED_PRIORITY = 0
_PRIORITIES: Final = {"before": 1, "after": 2}


def looks_of(event: EventType, record: Record | None) -> Looks:
    """Whether a decision is to be looked at; without a record it was the event's `silent`."""
    if record is None:
        return "before" if event.silent in ("review", "hold") else ""
    if record.outcome.word == "review" or record.outcome.review == "before":
        return "before"
    return "after" if record.outcome.review == "after" else ""


def case_of_review(decision: str, event: str, looks: Looks, at_us: int) -> Case | None:
    """The case that a decision opens, if it opens one; it has the decision's id."""
    if not looks:
        return None
    return Case(decision, decision, "review", event, _PRIORITIES[looks], at_us)


def case_of_contest(case_id: str, decision: str, event: str, at_us: int) -> Case:
    """The case that a person's contest opens."""
    return Case(case_id, decision, "contest", event, CONTESTED_PRIORITY, at_us)


def claimed(case: Case, by: str, until_us: int) -> Case:
    """The case while somebody works on it."""
    return replace(case, state="claimed", claimed_by=by, claimed_until_us=until_us)


def released(case: Case) -> Case:
    """The case back in the queue."""
    return replace(case, state="open", claimed_by="", claimed_until_us=0)


def closed(case: Case, verdict: Verdict, at_us: int) -> Case:
    """The case with its verdict; who gave it is in the ledger."""
    return replace(
        case, state="closed", claimed_by="", claimed_until_us=0, verdict=verdict, closed_us=at_us
    )


def cases_of(entries: Iterable[Read]) -> dict[str, Case]:
    """All cases, by id, from the entries of `KINDS` in order."""
    cases: dict[str, Case] = {}
    for read in entries:
        found = _after(cases, read)
        if found is not None:
            cases[found.id] = found
    return cases


def _after(cases: dict[str, Case], read: Read) -> Case | None:
    """The case that the entry is about as it is after it."""
    leaf = read.leaf
    facts, at_us = leaf.facts, parse_time(leaf.at)
    if leaf.kind == "decision":
        return case_of_review(leaf.id, str(facts["event"]), facts.get("looks", ""), at_us)
    if leaf.kind == CONTEST:
        return case_of_contest(leaf.id, leaf.about, str(facts["event"]), at_us)
    case = cases.get(str(facts.get("case", "")))
    if case is None:
        return None
    return _stepped(case, leaf, read, at_us)


def _stepped(case: Case, leaf: Leaf, read: Read, at_us: int) -> Case | None:
    step = leaf.facts.get("step")
    if step == "claim":
        return claimed(case, _by(read), int(leaf.facts["until_us"]))
    if step == "release":
        return released(case)
    if step == "verdict":
        return closed(case, leaf.facts["verdict"], at_us)
    return None


def _by(read: Read) -> str:
    """Who did it; empty once that was erased."""
    if read.payload is None:
        return ""
    try:
        return str(read_payload(read.payload).head.get("by", ""))
    except PayloadError:
        return ""
