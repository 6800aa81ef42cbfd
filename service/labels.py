"""Labels: what turned out about an event, said by a client, by a person, or by another event.

A label that is true counts from the moment at which it was recorded: no decision before sees it.
One that is false is recorded and changes nothing, for what nobody called true counts as false.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.dsl.program import Label, Program
from tidegate.engine.features import Counted, Report
from tidegate.engine.values import format_time
from tidegate.engine.windows import EventName
from tidegate.service.identifiers import Identifiers
from tidegate.service.inflow import Inflow
from tidegate.service.recorded import PayloadError, read_payload, write_payload
from tidegate.store.entries import Entry, Request
from tidegate.store.errors import RequestConflictError

if TYPE_CHECKING:
    from tidegate.dsl.lists import Lists
    from tidegate.service.windows import FindCounted, Windows
    from tidegate.store.batches import Recorded
    from tidegate.store.reading import Read
    from tidegate.store.side_tables import Case

LABEL = "label"
"""The kind of such entries in the ledger."""
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Said:
    """A label as it was said. `by`: the principal; `source`: what it was said with."""

    label: str
    event: str
    key: str
    value: bool
    by: str
    source: str

    @property
    def name(self) -> EventName:
        """The event it is about."""
        return self.event, self.key


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of it: the entry's id, and whether it had been recorded before."""

    id: str
    repeated: bool


class LabelConflictError(Exception):
    """The same source said something else about the same event before."""


def label_of(program: Program, name: str, event: str) -> Label | None:
    """The label with this name, if it is one of such events."""
    return next((one for one in program.labels if (one.name, one.event) == (name, event)), None)


class Found:
    """Looks events up for the windows, before the moment in which nothing may wait.

    `landing` says of an event whether it is on its way to the ledger: then it is asked for again.
    """

    def __init__(
        self,
        find: FindCounted,
        landing: Callable[[EventName], bool],
        readers: Executor | None = None,
    ) -> None:
        self._find = find
        self._landing = landing
        self._readers = readers

    async def among(
        self, names: Iterable[EventName], windows: Windows
    ) -> Mapping[EventName, Counted]:
        """Those of the events that the windows hold and the ledger gives back."""
        found: dict[EventName, Counted] = {}
        loop = asyncio.get_running_loop()
        for name in names:
            again = name in windows.state.seen
            while again:
                again = self._landing(name)
                counted = await loop.run_in_executor(self._readers, self._find, name)
                if counted is not None:
                    found[name] = counted
                    break
                if again:
                    await asyncio.sleep(_PAUSE_SECONDS)
        return found


class Labels:
    """Records labels and takes them into the windows. For one loop."""

    def __init__(self, inflow: Inflow, found: Found) -> None:
        self._inflow = inflow
        self._found = found
        self._ids = Identifiers()

    async def say(
        self,
        said: Said,
        *,
        about: str = "",
        facts: Mapping[str, object] | None = None,
        case: Callable[[int], Case] | None = None,
        reason: str = "",
    ) -> Receipt:
        """Record a label; `ProblemError` or `LabelConflictError` where that cannot be done.

        The same source says one thing about one event, once. `case`: given the time of the record,
        the case that ends with it. `about`: a decision's id.
        """
        owner = self._inflow.owner
        self._inflow.check_certain()
        found = await self._found.among([said.name] if said.value else [], owner.windows)
        self._inflow.check_certain()
        at_us = self._inflow.stamp()
        entry = Entry(
            LABEL,
            self._ids.make(at_us),
            format_time(at_us),
            about=about,
            facts={"label": said.label, "event": said.event, "value": said.value, **(facts or {})},
            payload=write_payload(
                {
                    "form": 1,
                    "label": {"key": said.key, "by": said.by, "source": said.source},
                    "reason": reason,
                }
            ),
            transaction=f"{said.event}:{said.key}",
            request=_request(said),
            case=None if case is None else case(at_us),
        )
        undo = self._take(said, at_us, found)
        try:
            recorded = await self._inflow.submit(entry, undo)
        except RequestConflictError:
            raise LabelConflictError from None
        return _receipt(recorded)

    def _take(
        self, said: Said, at_us: int, found: Mapping[EventName, Counted]
    ) -> Callable[[], None]:
        if not said.value:
            return _nothing
        windows, lists = self._inflow.owner.windows, self._inflow.owner.lists
        report = Report(said.label, said.event, said.key)
        labelled = windows.report(report, at_us, lists, found.get)
        return lambda: windows.take_back(labelled, lists, found.get)


def _request(said: Said) -> Request:
    named = json.dumps([said.label, said.event, said.key])
    digest = hashlib.sha256(json.dumps(said.value).encode()).digest()
    return Request(f"label {said.source}", named, digest)


def _receipt(recorded: Recorded) -> Receipt:
    return Receipt(recorded.id, recorded.repeated)


def _nothing() -> None:
    """There is nothing to undo."""


# --- from the ledger ---------------------------------------------------------------------------


def recorded_labels(
    entries: Iterable[Read], times: Callable[[str], int]
) -> Iterator[tuple[Report, int]]:
    """The true labels among these entries, each with its time; erased ones are gone."""
    for read in entries:
        leaf = read.leaf
        if leaf.kind != LABEL or not leaf.facts.get("value") or read.payload is None:
            continue
        try:
            key = read_payload(read.payload).head["label"]["key"]
        except (PayloadError, KeyError, TypeError):
            continue
        yield Report(str(leaf.facts["label"]), str(leaf.facts["event"]), str(key)), times(leaf.at)


def relearn(
    windows: Windows, labels: Iterable[tuple[Report, int]], lists: Lists, find: FindCounted
) -> int:
    """Take recorded labels into windows that hold their events; how many that were."""
    count = 0
    for report, at_us in labels:
        windows.report(report, at_us, lists, find)
        windows.latest_us = max(windows.latest_us, at_us)
        count += 1
    return count
