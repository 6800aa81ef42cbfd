"""Saves the windows now and then, forgets what no decision can see, and clears up after errors.

The windows are copied on the loop, which is quick, for their parts never change; they are written
on a thread. A copy is saved only once all that was under way when it was made is durable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.engine.features import Counted, Report
from tidegate.engine.values import format_time
from tidegate.engine.windows import Changes, WindowState
from tidegate.service.decider import Decider
from tidegate.service.identifiers import Identifiers
from tidegate.service.labels import relearn
from tidegate.service.settings import WindowSettings
from tidegate.service.window_recovery import CountedEvents
from tidegate.service.window_snapshot import WindowSnapshot, windows_meaning, write_snapshot
from tidegate.store.entries import Entry
from tidegate.store.errors import LedgerError

if TYPE_CHECKING:
    from tidegate.store.async_ledger import AsyncLedger
    from tidegate.vault.keys import KeySource

_LOG = logging.getLogger("tidegate.windows")
_SLICE = 2_000
"""So many changes are made to the windows at a stretch while decisions wait."""
_LOOK_SECONDS = 0.05


class WindowKeeper:
    """Keeps the windows of one decider, as two tasks of its loop."""

    def __init__(
        self,
        decider: Decider,
        events: CountedEvents,
        ledger: AsyncLedger,
        source: KeySource,
        *,
        path: Path,
        settings: WindowSettings,
        clock_us: Callable[[], int],
        readers: Executor | None = None,
    ) -> None:
        self._decider = decider
        self._events = events
        self._ledger = ledger
        self._source = source
        self._path = path
        self._settings = settings
        self._clock_us = clock_us
        self._readers = readers
        self._meaning = windows_meaning(decider.windows.program)
        self._ids = Identifiers()
        self._saved_at = decider.through

    async def keep_saving(self) -> None:
        """Save every so often; ends when it is cancelled."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(min(1.0, self._settings.save_seconds))
            events = self._decider.through - self._saved_at
            due = loop.time() - last >= self._settings.save_seconds
            if events and (due or events >= self._settings.save_events):
                last = loop.time()
                try:
                    await self.save()
                except OSError as error:
                    _LOG.warning("the windows could not be saved: %s", error.strerror)

    async def keep_certain(self) -> None:
        """After an error of the ledger, find out what it holds; ends when it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._decider.in_doubt and self._decider.waiting == 0:
                await self.clear_up()

    async def save(self) -> bool:
        """Save the windows as they are now; whether that could be done."""
        decider = self._decider
        if decider.in_doubt:
            return False
        windows = decider.windows
        failures, start, latest_us = decider.failures, decider.through + 1, windows.latest_us
        state = WindowState(
            windows.state.horizon_us, dict(windows.state.buckets), dict(windows.state.seen)
        )
        snapshot = WindowSnapshot(start, latest_us, self._meaning, state, dict(windows.reported))
        await decider.landed()
        if decider.failures != failures:
            return False
        loop = asyncio.get_running_loop()
        old = await loop.run_in_executor(self._readers, self._write, snapshot)
        self._saved_at = start - 1
        await self._forget(old)
        return True

    def _write(self, snapshot: WindowSnapshot) -> Changes:
        """On a thread: write what is still needed, and give what is not."""
        old = snapshot.state.forget(snapshot.latest_us)
        snapshot.state.apply(old)
        needed = {
            name: known
            for name, known in snapshot.reported.items()
            if max(known.values()) + snapshot.state.horizon_us >= snapshot.latest_us
        }
        snapshot.reported.clear()
        snapshot.reported.update(needed)
        write_snapshot(self._path, snapshot, self._source)
        return old

    async def _forget(self, old: Changes) -> None:
        """Drop from the windows what no decision can see any more, a slice at a time."""
        windows = self._decider.windows
        for begin in range(0, len(old.buckets), _SLICE):
            names = [name for name, _ in old.buckets[begin : begin + _SLICE]]
            windows.prune(names)
            await asyncio.sleep(0)
        for begin in range(0, len(old.seen), _SLICE):
            windows.state.apply(Changes((), old.seen[begin : begin + _SLICE]))
            await asyncio.sleep(0)

    async def clear_up(self) -> bool:
        """Let the ledger record that it is there, take in what it holds, and decide again."""
        at_us = self._clock_us()
        entry = Entry("heartbeat", self._ids.make(at_us), format_time(at_us))
        try:
            recorded = await self._ledger.append(entry)
        except LedgerError:
            return False
        loop = asyncio.get_running_loop()
        start = self._decider.through + 1
        found, labels = await loop.run_in_executor(self._readers, self._read, start, recorded.seq)
        windows, lists = self._decider.windows, self._decider.lists
        for counted in found:
            windows.take(counted, lists, self._events.find)
            windows.latest_us = max(windows.latest_us, counted.received_us)
        relearn(windows, labels, lists, self._events.find)
        self._decider.is_certain(recorded.seq)
        return True

    def _read(self, start: int, end: int) -> tuple[list[Counted], list[tuple[Report, int]]]:
        counted = [counted for _, _, counted in self._events.since(start, end)]
        return counted, list(self._events.labels_since(start, end))
