"""Windows from the ledger: what it holds is taken in again, in order, from an entry on.

As copies and other orders change nothing, reading from too early is right, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tidegate.dsl.lists import Lists
from tidegate.engine.features import Counted, Report, horizon_us
from tidegate.engine.values import format_time, parse_time
from tidegate.engine.windows import EventName
from tidegate.service.labels import LABEL, recorded_labels, relearn
from tidegate.service.recorded import EventForms, PayloadError, read_payload
from tidegate.service.windows import Windows

if TYPE_CHECKING:
    from tidegate.store.reading import Read, Reader
    from tidegate.vault.keys import TokenHasher

COUNTED_KINDS = ("decision", "event", "event_let_in")
"""The kinds of entries whose events the windows count."""
_MARGIN_US = 86_400 * 10**6
"""Clocks jump: so much further back than the longest window the ledger is read."""


def transaction_of(event: str, key: str) -> str:
    """What the entries of an event are found by."""
    return f"{event}:{key}"


class CountedEvents:
    """The events that the ledger holds, as windows count them. For several threads."""

    def __init__(self, reader: Reader, hasher: TokenHasher, forms: EventForms) -> None:
        self._reader = reader
        self._hasher = hasher
        self._forms = forms

    def find(self, name: EventName) -> Counted | None:
        """The event as it was first taken in; None where it cannot be read any more."""
        for read in self._reader.by_transaction(self._hasher, transaction_of(*name)):
            if read.leaf.kind not in COUNTED_KINDS:
                continue
            counted = self._counted(read)
            if counted is not None and (counted.event, counted.key) == name:
                return counted
        return None

    def since(self, start: int, end: int | None = None) -> Iterator[tuple[int, str, Counted]]:
        """Number, kind and event of every entry from `start` on that holds one."""
        for read in self._reader.entries(start, end, COUNTED_KINDS):
            counted = self._counted(read)
            if counted is not None:
                yield read.leaf.seq, read.leaf.kind, counted

    def labels_since(self, start: int, end: int | None = None) -> Iterator[tuple[Report, int]]:
        """The labels that no event reported, from entry `start` on, each with its time."""
        entries = self._reader.of_kinds((LABEL,), start)
        return recorded_labels(
            (read for read in entries if end is None or read.leaf.seq < end), parse_time
        )

    def first_needed(self, program_horizon_us: int, latest_us: int) -> int:
        """The first entry that may still be in a window at `latest_us`."""
        at = format_time(max(latest_us - program_horizon_us - _MARGIN_US, 0))
        low, high = 0, self._reader.size()
        while low < high:
            middle = (low + high) // 2
            if self._reader.by_seq(middle).leaf.at < at:
                low = middle + 1
            else:
                high = middle
        return low

    def _counted(self, read: Read) -> Counted | None:
        if read.payload is None:
            return None
        try:
            return self._forms.counted(read_payload(read.payload))
        except PayloadError:
            return None


def recover(windows: Windows, events: CountedEvents, lists: Lists, start: int) -> int:
    """Take in what the ledger holds from `start` on; how many events that were."""
    taken = 0
    for _, _, counted in events.since(start):
        windows.take(counted, lists, events.find)
        windows.latest_us = max(windows.latest_us, counted.received_us)
        taken += 1
    return taken + relearn(windows, events.labels_since(start), lists, events.find)


def needed_from(windows: Windows, events: CountedEvents, now_us: int) -> int:
    """Where to begin without a snapshot."""
    return events.first_needed(horizon_us(windows.program), now_us)
