"""The ledger for asyncio: the loop is woken once a batch, not once a record."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidegate.store.batches import Recorded

if TYPE_CHECKING:
    from tidegate.store.entries import Entry
    from tidegate.store.ledger import Ledger, Outcome


class AsyncLedger:
    """A ledger as coroutines of one loop see it. Closing stays with the ledger itself."""

    __slots__ = ("_ledger", "_loop")

    def __init__(self, ledger: Ledger, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._ledger = ledger
        self._loop = loop or asyncio.get_running_loop()

    def append(self, entry: Entry) -> asyncio.Future[Recorded]:
        """Record `entry`; to be awaited on the loop. Raises and ends as `Ledger.append` does.

        An entry whose awaiting is cancelled is recorded all the same.
        """
        future: asyncio.Future[Recorded] = self._loop.create_future()
        self._ledger.submit(entry, future, self)
        return future

    def settle(self, outcomes: Sequence[tuple[object, Outcome]]) -> None:
        """Called by the writer: hand a batch to the loop."""
        # On a closed loop nobody waits any more, and what was recorded stays.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_settle, outcomes)


def _settle(outcomes: Sequence[tuple[object, Outcome]]) -> None:
    for future, outcome in outcomes:
        assert isinstance(future, asyncio.Future)
        if future.done():
            continue
        if isinstance(outcome, Recorded):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)
