"""Decisions as they are read back from the ledger, for whoever may see them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.engine.features import Counted
from tidegate.engine.grants import Grants
from tidegate.engine.record import RecordError, parse_record
from tidegate.engine.values import format_time
from tidegate.service.answers import Decided, answer_of
from tidegate.service.callers import Caller
from tidegate.service.explanations import NEEDED, Audience, Explained, explanation_for
from tidegate.service.identifiers import Identifiers, is_identifier
from tidegate.service.policy_shelf import PolicyShelf
from tidegate.service.problems import ProblemError, refused
from tidegate.service.recorded import EventForms, PayloadError, read_payload
from tidegate.store.entries import Entry
from tidegate.store.errors import ErasedError, LedgerError, UnknownEntryError

if TYPE_CHECKING:
    from tidegate.store.async_ledger import AsyncLedger
    from tidegate.store.reading import Read, Reader


@dataclass(frozen=True, slots=True)
class Found:
    """A decision as it was recorded, with the event behind it."""

    explained: Explained
    counted: Counted | None


class Decisions:
    """Reads decisions. What a person reads is recorded before it is shown."""

    def __init__(
        self,
        reader: Reader,
        ledger: AsyncLedger,
        shelf: PolicyShelf,
        grants: Grants,
        *,
        clock_us: Callable[[], int],
        readers: Executor | None = None,
    ) -> None:
        self._reader = reader
        self._ledger = ledger
        self._shelf = shelf
        self._grants = grants
        self._clock_us = clock_us
        self._readers = readers
        self._ids = Identifiers()

    async def read(self, caller: Caller, decision_id: str) -> dict[str, Any]:
        """A decision, as far as the caller may see it."""
        found, sees = await self._seen(caller, decision_id)
        await self._note(caller, decision_id, "decision")
        return answer_of(found.explained.program, found.explained.decided, sees)

    async def explain(self, caller: Caller, decision_id: str, audience: Audience) -> dict[str, Any]:
        """Why it was decided, as this audience is told."""
        found, sees = await self._seen(caller, decision_id)
        if not sees & NEEDED[audience]:
            raise refused("not_granted", f"no grant shows what the audience `{audience}` is told")
        await self._note(caller, decision_id, f"explanation:{audience}")
        return explanation_for(audience, found.explained)

    async def event_of(self, caller: Caller, decision_id: str) -> str:
        """The type of the decided event, for a caller who may read the decision."""
        found, _ = await self._seen(caller, decision_id)
        return found.explained.decided.event

    def counted(self, decision_id: str) -> Counted | None:
        """On a thread of readers: the event of a decision, as far as it can still be read."""
        try:
            return self._find(decision_id).counted
        except ProblemError:
            return None

    async def _seen(self, caller: Caller, decision_id: str) -> tuple[Found, frozenset[str]]:
        if not is_identifier(decision_id):
            raise refused("not_found", "there is no such decision")
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._readers, self._find, decision_id)
        event = found.explained.decided.event
        values = None if found.counted is None else found.counted.values
        permission = self._grants.permission(
            caller.world, caller.names, "read_decisions", event, values=values
        )
        if not permission.allowed:
            scoped = permission.why == "out_of_scope"
            raise refused("out_of_grant" if scoped else "not_granted")
        return found, permission.sees

    async def _note(self, caller: Caller, decision_id: str, what: str) -> None:
        """Record that a person read it; nothing is shown where that cannot be recorded."""
        if caller.world != "person":
            return
        at_us = self._clock_us()
        entry = Entry(
            "read",
            self._ids.make(at_us),
            format_time(at_us),
            about=decision_id,
            facts={"what": what},
            payload=caller.principal.encode(),
            subject=caller.principal,
        )
        try:
            await self._ledger.append(entry)
        except LedgerError:
            raise refused(
                "unavailable", "that a person reads this cannot be recorded, so it is not shown"
            ) from None

    def _find(self, decision_id: str) -> Found:
        """On a thread of readers."""
        try:
            entries = self._reader.about(decision_id)
        except UnknownEntryError:
            entries = []
        for read in entries:
            if read.leaf.kind == "decision" and read.leaf.id == decision_id:
                return self.found(read)
        raise refused("not_found", "there is no such decision")

    def found(self, read: Read) -> Found:
        """The decision of its own entry; `ProblemError` where it cannot be read any more."""
        facts = read.leaf.facts
        program = self._shelf.program(str(facts["policy"]))
        if program is None:
            # Another policy would tell another story.
            raise refused("not_found", "the policy that decided it is not kept here any more")
        if read.payload is None:
            raise refused("not_found", _gone(read.erased))
        try:
            payload = read_payload(read.payload)
            record = parse_record(payload.record) if payload.record else None
            counted = EventForms(program).counted(payload)
        except (PayloadError, RecordError):
            raise refused("internal", "the recorded decision is of a form unknown here") from None
        decided = Decided(
            read.leaf.id,
            str(facts["event"]),
            counted.key if counted is not None else "",
            read.leaf.at,
            str(facts["policy"]),
            facts["cause"],
            record,
        )
        return Found(Explained(decided, read.leaf, program), counted)


def _gone(erased: ErasedError | None) -> str:
    return "its data were erased" if erased is not None else "it holds no data"
