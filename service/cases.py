"""Cases: decisions that a person is to look at, or that a person contests.

A case is claimed for a while, so that no two people work on it, and closed with a verdict; a
verdict of fraud or good is a label of the event from then on. Every step is an entry of the ledger,
and the row that is asked for is written with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tidegate.dsl.program import Program
from tidegate.engine.features import Counted
from tidegate.engine.grants import Grants
from tidegate.engine.values import format_time
from tidegate.service.appending import record
from tidegate.service.callers import Caller
from tidegate.service.case_log import (
    CONTEST,
    STEP,
    Verdict,
    case_of_contest,
    claimed,
    closed,
    released,
)
from tidegate.service.identifiers import Identifiers, is_identifier
from tidegate.service.labels import LabelConflictError, Labels, Said, label_of
from tidegate.service.problems import refused
from tidegate.service.recorded import PayloadError, read_payload, write_payload
from tidegate.store.cases import CaseReader, Place, place_of
from tidegate.store.entries import Entry
from tidegate.store.side_tables import Case

if TYPE_CHECKING:
    from tidegate.service.settings import CaseSettings
    from tidegate.store.async_ledger import AsyncLedger
    from tidegate.store.reading import Read, Reader

Which = Literal["waiting", "mine", "closed"]
MAX_STATEMENT = 4_000


class FindsDecisions(Protocol):
    """Reads decisions for whoever may see them; `service.decisions.Decisions` does."""

    async def event_of(self, caller: Caller, decision_id: str) -> str:
        """The type of the decided event; `ProblemError` where the caller may not see it."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """Some cases of a queue, and where the next page begins; None on the last one."""

    cases: tuple[Case, ...]
    next: Place | None


class Cases:
    """For one loop; reads on threads, and one step at a time."""

    def __init__(
        self,
        reader: CaseReader,
        entries: Reader,
        ledger: AsyncLedger,
        labels: Labels,
        *,
        find: Callable[[str], Counted | None],
        settings: CaseSettings,
        program: Program,
        grants: Grants,
        clock_us: Callable[[], int],
        readers: Executor | None = None,
    ) -> None:
        """`find` gives the event of a decision by the decision's id; it is called on a thread."""
        self._reader = reader
        self._entries = entries
        self._ledger = ledger
        self._labels = labels
        self._find = find
        self._settings = settings
        self._program = program
        self._grants = grants
        self._clock_us = clock_us
        self._readers = readers
        self._ids = Identifiers()
        self._turn = asyncio.Lock()

    # --- looking

    async def page(
        self, caller: Caller, which: Which, most: int, after: Place | None = None
    ) -> Page:
        """A page of a queue: of those cases whose events the caller may work on."""
        found = await self._read(self._page, caller, which, most + 1, after)
        shown = [case for case in found[:most] if self._may(caller, case)]
        return Page(tuple(shown), place_of(found[most - 1]) if len(found) > most else None)

    async def look(self, caller: Caller, case_id: str) -> dict[str, Any]:
        """A case with its steps; that a person reads it is recorded before it is shown."""
        case = await self._case(caller, case_id)
        steps = await self._read(self._steps, case)
        at_us = self._clock_us()
        entry = Entry(
            "read",
            self._ids.make(at_us),
            format_time(at_us),
            about=case.decision,
            facts={"what": "case"},
            payload=caller.principal.encode(),
            subject=caller.principal,
        )
        await record(self._ledger, entry)
        return {**shown(case, self._clock_us()), "steps": steps}

    # --- steps

    async def claim(self, caller: Caller, case_id: str) -> Case:
        """Work on a case, or go on working on it: nobody else may until the claim expires."""
        async with self._turn:
            case = await self._case(caller, case_id)
            now_us = self._clock_us()
            self._check_open(case)
            if self._is_held(case, now_us) and case.claimed_by != caller.principal:
                raise refused("conflict", "somebody else works on this case")
            until_us = now_us + self._settings.claim_minutes * 60 * 10**6
            new = claimed(case, caller.principal, until_us)
            await self._step(new, caller, now_us, {"step": "claim", "until_us": until_us})
            return new

    async def release(self, caller: Caller, case_id: str, reason: str) -> Case:
        """Put a case back that the caller works on."""
        async with self._turn:
            case = await self._own(caller, case_id)
            new = released(case)
            await self._step(new, caller, self._clock_us(), {"step": "release"}, reason)
            return new

    async def close(self, caller: Caller, case_id: str, verdict: Verdict, reason: str) -> Case:
        """Give a verdict on a case that the caller works on.

        Given again by the same person it is the same verdict; another one is refused.
        """
        async with self._turn:
            case = await self._own(caller, case_id)
            facts = {"case": case.id, "step": "verdict", "verdict": verdict}
            said = None if verdict == "unsure" else await self._label(caller, case, verdict)
            if said is None:
                now_us = self._clock_us()
                new = closed(case, verdict, now_us)
                await self._step(new, caller, now_us, facts, reason)
                return new
            made: list[Case] = []

            def close_at(at_us: int) -> Case:
                made.append(closed(case, verdict, at_us))
                return made[0]

            try:
                await self._labels.say(
                    said, about=case.decision, facts=facts, case=close_at, reason=reason
                )
            except LabelConflictError:
                raise refused("conflict", "this case has another verdict") from None
            return made[0]

    async def contest(
        self, caller: Caller, decisions: FindsDecisions, decision_id: str, statement: str
    ) -> tuple[Case, bool]:
        """Open a case because the person concerned contests a decision; whether it is new.

        While one is open, contesting again adds nothing.
        """
        event = await decisions.event_of(caller, decision_id)
        async with self._turn:
            for known in await self._read(self._reader.of_decision, decision_id):
                if known.cause == "contest" and known.state != "closed":
                    return known, False
            at_us = self._clock_us()
            case = case_of_contest(self._ids.make(at_us), decision_id, event, at_us)
            entry = Entry(
                CONTEST,
                case.id,
                format_time(at_us),
                about=decision_id,
                facts={"event": event},
                payload=write_payload({"form": 1, "by": caller.principal, "statement": statement}),
                case=case,
            )
            await record(self._ledger, entry)
            return case, True

    async def _step(
        self,
        case: Case,
        caller: Caller,
        at_us: int,
        facts: Mapping[str, object],
        reason: str = "",
    ) -> None:
        entry = Entry(
            STEP,
            self._ids.make(at_us),
            format_time(at_us),
            about=case.decision,
            facts={"case": case.id, **facts},
            payload=write_payload({"form": 1, "by": caller.principal, "reason": reason}),
            case=case,
        )
        await record(self._ledger, entry)

    async def _label(self, caller: Caller, case: Case, verdict: Verdict) -> Said | None:
        """What the verdict says about the event; None where the policy has no such label."""
        name = self._settings.label
        if label_of(self._program, name, case.event) is None:
            return None
        counted = await self._read(self._find, case.decision)
        if counted is None:
            return None
        return Said(
            name, case.event, counted.key, verdict == "fraud", caller.principal, f"case {case.id}"
        )

    # --- who may what

    async def _case(self, caller: Caller, case_id: str) -> Case:
        case: Case | None = None
        if is_identifier(case_id):
            case = await self._read(self._reader.case, case_id)
        if case is None:
            raise refused("not_found", "there is no such case")
        if not self._may(caller, case):
            raise refused("out_of_grant")
        return case

    async def _own(self, caller: Caller, case_id: str) -> Case:
        case = await self._case(caller, case_id)
        self._check_open(case)
        if not self._is_held(case, self._clock_us()) or case.claimed_by != caller.principal:
            raise refused("conflict", "you do not work on this case", "claim it first")
        return case

    def _may(self, caller: Caller, case: Case) -> bool:
        permission = self._grants.permission(caller.world, caller.names, "review_cases", case.event)
        return permission.allowed

    def _check_open(self, case: Case) -> None:
        if case.state == "closed":
            raise refused("conflict", "this case has its verdict")

    def _is_held(self, case: Case, now_us: int) -> bool:
        return case.state == "claimed" and now_us < case.claimed_until_us

    # --- reading, on threads

    async def _read(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work, *arguments)

    def _page(self, caller: Caller, which: Which, most: int, after: Place | None) -> list[Case]:
        now_us = self._clock_us()
        if which == "mine":
            return self._reader.claimed_by(caller.principal, now_us, most, after)
        if which == "closed":
            return self._reader.closed(most, after)
        return self._reader.waiting(now_us, most, after)

    def _steps(self, case: Case) -> list[dict[str, Any]]:
        steps = []
        for read in self._entries.about(case.decision):
            leaf = read.leaf
            own = leaf.id == case.id if leaf.kind == CONTEST else leaf.facts.get("case") == case.id
            if leaf.kind in (CONTEST, STEP, "label") and own:
                step = CONTEST if leaf.kind == CONTEST else str(leaf.facts["step"])
                steps.append({"step": step, "at": leaf.at, **_told(read)})
        return steps


def _told(read: Read) -> dict[str, str]:
    """Who did it and why, as far as it was not erased."""
    if read.payload is None:
        return {}
    try:
        head = read_payload(read.payload).head
    except PayloadError:
        return {}
    label = head.get("label") or {}
    told = {
        "by": head.get("by") or label.get("by", ""),
        "reason": head.get("reason", ""),
        "statement": head.get("statement", ""),
    }
    return {name: str(text) for name, text in told.items() if text}


def shown(case: Case, now_us: int) -> dict[str, Any]:
    """A case as it is answered; a claim that has expired is none."""
    members: dict[str, Any] = {
        "case_id": case.id,
        "decision_id": case.decision,
        "cause": case.cause,
        "event": case.event,
        "priority": case.priority,
        "opened_at": format_time(case.opened_us),
        "state": case.state,
    }
    if case.state == "claimed" and now_us < case.claimed_until_us:
        members["claimed_by"] = case.claimed_by
        members["claimed_until"] = format_time(case.claimed_until_us)
    elif case.state == "claimed":
        members["state"] = "open"
    if case.state == "closed":
        members["verdict"] = case.verdict
        members["closed_at"] = format_time(case.closed_us)
    return members
