"""Managed lists: people add and remove values, each with a reason and, where wanted, an end.

A change is recorded first and acts once it is durable. Tokens are kept as the door keeps them, so
that a list never holds one as it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from tidegate.dsl.program import Program
from tidegate.dsl.types import Kind
from tidegate.engine.event import HashToken, keep_token
from tidegate.engine.values import format_time, parse_time
from tidegate.rules.tables import wrong_value
from tidegate.service.appending import record, wrong_field
from tidegate.service.callers import Caller
from tidegate.service.identifiers import Identifiers
from tidegate.service.managed_lists import NEVER_US, Change, Listed, ManagedLists
from tidegate.service.problems import FieldError, Problem, ProblemError, refused
from tidegate.service.recorded import PayloadError, read_payload, write_payload
from tidegate.store.entries import Entry

if TYPE_CHECKING:
    from tidegate.store.async_ledger import AsyncLedger
    from tidegate.store.reading import Read

KIND = "list"
MAX_VALUES = 10_000
"""So many values may be changed at once; longer lists are made in several steps."""
MAX_ENTRIES = 1_000_000
_RESTATED = 20_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants changed: values as they come, and until when the added ones stay."""

    add: Sequence[str] = ()
    remove: Sequence[str] = ()
    until_us: int = NEVER_US


class ListKeeper:
    """Changes managed lists, one after the other. For one loop."""

    def __init__(
        self,
        lists: ManagedLists,
        ledger: AsyncLedger,
        *,
        program: Program,
        clock_us: Callable[[], int],
        hash_token: HashToken = keep_token,
        workers: Executor | None = None,
    ) -> None:
        self._lists = lists
        self._ledger = ledger
        self._declared = {one.name: one for one in program.lists if not one.path}
        self._clock_us = clock_us
        self._hash_token = hash_token
        self._workers = workers
        self._ids = Identifiers()
        self._turn = asyncio.Lock()

    def summary(self) -> list[dict[str, Any]]:
        """Every managed list: its type, how much is on it, and the hash that decisions record."""
        self._lists.at(self._clock_us())
        return [
            {
                "list": name,
                "of": str(one.type),
                "entries": len(self._lists.entries(name)),
                "hash": self._lists.hash(name),
            }
            for name, one in self._declared.items()
        ]

    def entries(self, name: str, most: int, after: str = "") -> dict[str, Any]:
        """A page of a list, by value; tokens as they are kept."""
        self._check_known(name)
        self._lists.at(self._clock_us())
        found = [entry for entry in self._lists.entries(name) if entry.value > after]
        page = found[:most]
        return {
            "list": name,
            "hash": self._lists.hash(name),
            "entries": [_shown(entry) for entry in page],
            "next": page[-1].value if len(found) > most else None,
        }

    async def change(
        self, caller: Caller, name: str, wanted: Wanted, reason: str
    ) -> dict[str, Any]:
        """Change a list; what is on it then is answered once it acts."""
        self._check_known(name)
        async with self._turn:
            now_us = self._clock_us()
            if wanted.until_us <= now_us:
                raise wrong_field("until", "out_of_range", "`until` lies in the past")
            self._lists.at(now_us)
            change = Change(
                name,
                tuple(
                    Listed(value, now_us, wanted.until_us)
                    for value in self._values(name, "add", wanted.add)
                ),
                tuple(self._values(name, "remove", wanted.remove)),
            )
            await self._record(change, caller, reason, now_us)
        return {
            "list": name,
            "hash": self._lists.hash(name),
            "entries": len(self._lists.entries(name)),
        }

    async def restate(self, month: str) -> int:
        """Record again what stands in entries of earlier months than this; how many lists.

        Retention destroys old entries, and what they put on a list is to stay.
        """
        restated = 0
        async with self._turn:
            for name in self._declared:
                entries = self._lists.entries(name)
                if any(format_time(entry.since_us)[:7] < month for entry in entries):
                    await self._restate(name, entries)
                    restated += 1
        return restated

    async def _restate(self, name: str, entries: Sequence[Listed]) -> None:
        now_us = self._clock_us()
        for start in range(0, len(entries), _RESTATED):
            part = tuple(
                Listed(entry.value, now_us, entry.until_us)
                for entry in entries[start : start + _RESTATED]
            )
            change = Change(name, part)
            await record(self._ledger, self._entry(change, "", "restated", now_us))
            self._lists.put(change)

    async def _record(self, change: Change, caller: Caller, reason: str, at_us: int) -> None:
        entries = self._lists.prepared(change)
        if len(entries) > MAX_ENTRIES:
            raise refused("invalid_request", f"a list has at most {MAX_ENTRIES:,} entries")
        content = await asyncio.get_running_loop().run_in_executor(
            self._workers, self._lists.content, change.list, entries
        )
        if isinstance(content, str):
            raise refused("invalid_request", content)
        await record(self._ledger, self._entry(change, caller.principal, reason, at_us))
        # What expired meanwhile is gone from neither, and is dropped with the next look.
        self._lists.put(change, content)

    def _entry(self, change: Change, by: str, reason: str, at_us: int) -> Entry:
        added = [[e.value, e.since_us, e.until_us] for e in change.added]
        return Entry(
            KIND,
            self._ids.make(at_us),
            format_time(at_us),
            facts={
                "list": change.list,
                "added": len(added),
                "removed": len(change.removed),
            },
            payload=write_payload(
                {
                    "form": 1,
                    "by": by,
                    "reason": reason,
                    "added": added,
                    "removed": list(change.removed),
                }
            ),
        )

    def _values(self, name: str, member: str, values: Sequence[str]) -> Iterable[str]:
        """The values as they are kept, each once; `ProblemError` with all that are wrong."""
        kind = self._declared[name].type.kind
        if len(values) > MAX_VALUES:
            raise refused("invalid_request", f"at most {MAX_VALUES:,} values at once")
        errors = [
            FieldError("bad_value", f"{member}[{number}]", wrong)
            for number, value in enumerate(values)
            if (wrong := wrong_value(normalize("NFC", value), kind))
        ]
        if errors:
            raise ProblemError(Problem("invalid_request", errors=tuple(errors[:20])))
        plain = (normalize("NFC", value) for value in values)
        if kind is Kind.TOKEN:
            plain = (self._hash_token(name, value) for value in plain)
        return dict.fromkeys(plain)

    def _check_known(self, name: str) -> None:
        if name not in self._declared:
            raise refused("not_found", "the policy manages no such list")


def change_of(read: Read) -> Change | None:
    """The change that an entry of the ledger tells of; None where it was erased."""
    if read.leaf.kind != KIND or read.payload is None:
        return None
    try:
        head: Mapping[str, Any] = read_payload(read.payload).head
        added = tuple(Listed(str(v), int(s), int(u)) for v, s, u in head["added"])
        removed = tuple(map(str, head["removed"]))
    except (PayloadError, KeyError, TypeError, ValueError):
        return None
    return Change(str(read.leaf.facts["list"]), added, removed)


def restore(lists: ManagedLists, entries: Iterable[Read], now_us: int) -> None:
    """Make the lists what these entries of the ledger, in order, add up to."""
    # One list at a time is remade once, however often it was changed.
    held: dict[str, dict[str, Listed]] = {}
    for read in entries:
        change = change_of(read)
        if change is None:
            continue
        entries_of = held.setdefault(change.list, {})
        for value in change.removed:
            entries_of.pop(value, None)
        at_us = parse_time(read.leaf.at)
        for value in [v for v, e in entries_of.items() if e.until_us <= at_us]:
            del entries_of[value]
        entries_of.update((listed.value, listed) for listed in change.added)
    for name, found in held.items():
        lists.put(Change(name, tuple(found.values()), whole=True))
    lists.at(now_us)


def _shown(entry: Listed) -> dict[str, Any]:
    members: dict[str, Any] = {"value": entry.value, "since": format_time(entry.since_us)}
    if entry.until_us != NEVER_US:
        members["until"] = format_time(entry.until_us)
    return members
