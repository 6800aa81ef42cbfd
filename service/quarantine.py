"""Events that were kept apart because their source reported too many labels.

What waits is read from the ledger; a person lets a source's events in, or turns them away.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.engine.values import format_time
from tidegate.service.appending import record
from tidegate.service.callers import Caller
from tidegate.service.identifiers import Identifiers
from tidegate.service.intake import LET_IN, QUARANTINE, TURNED_AWAY, Intake, Kept
from tidegate.service.recorded import EventForms, PayloadError, read_payload, write_payload
from tidegate.store.entries import Entry

if TYPE_CHECKING:
    from tidegate.store.async_ledger import AsyncLedger
    from tidegate.store.reading import Read, Reader


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many events of a source wait, the oldest since `since`."""

    source: str
    events: int
    since: str


class Quarantine:
    """For one loop; the ledger is read on threads."""

    def __init__(
        self,
        intake: Intake,
        reader: Reader,
        ledger: AsyncLedger,
        forms: EventForms,
        *,
        clock_us: Callable[[], int],
        readers: Executor | None = None,
    ) -> None:
        self._intake = intake
        self._reader = reader
        self._ledger = ledger
        self._forms = forms
        self._clock_us = clock_us
        self._readers = readers
        self._ids = Identifiers()

    async def waiting(self) -> list[Waiting]:
        """What waits, by source, the most first."""
        kept = await self._kept()
        counts = Counter(one.source for one, _ in kept)
        since: dict[str, str] = {}
        for one, at in kept:
            since.setdefault(one.source, at)
        return [Waiting(source, n, since[source]) for source, n in counts.most_common()]

    async def let_in(self, caller: Caller, source: str, reason: str) -> int:
        """Let a source's events count from now on; how many those are."""
        return await self._intake.let_in(await self._of(source), caller.principal, reason)

    async def turn_away(self, caller: Caller, source: str, reason: str) -> int:
        """Leave a source's events out for good; how many those are."""
        kept = await self._of(source)
        at_us = self._clock_us()
        for one in kept:
            entry = Entry(
                TURNED_AWAY,
                self._ids.make(at_us),
                format_time(at_us),
                about=one.id,
                payload=write_payload({"form": 1, "by": caller.principal, "reason": reason}),
            )
            await record(self._ledger, entry)
        return len(kept)

    async def _of(self, source: str) -> list[Kept]:
        return [one for one, _ in await self._kept() if one.source == source]

    async def _kept(self) -> list[tuple[Kept, str]]:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read)

    def _read(self) -> list[tuple[Kept, str]]:
        """On a thread: what was kept apart and not settled since, in order."""
        kept: dict[str, tuple[Kept, str]] = {}
        for read in self._reader.of_kinds((QUARANTINE, LET_IN, TURNED_AWAY)):
            if read.leaf.kind != QUARANTINE:
                kept.pop(read.leaf.about, None)
                continue
            one = self._one(read)
            if one is not None:
                kept[one.id] = one, read.leaf.at
        return list(kept.values())

    def _one(self, read: Read) -> Kept | None:
        """The event of an entry; None where it was erased or is not of this policy."""
        if read.payload is None:
            return None
        try:
            payload = read_payload(read.payload)
            counted = self._forms.counted(payload)
        except PayloadError:
            return None
        source = str(payload.head.get("source", ""))
        return None if counted is None else Kept(read.leaf.id, source, counted)
