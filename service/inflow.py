"""How events and labels get into the windows besides decisions.

As with decisions, one stretch without a pause stamps what came, hands it to the ledger's writer and
takes it into the windows, so that the order of times, of the ledger and of the windows is one. What
is not recorded after all is taken out again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tidegate.dsl.lists import Lists
from tidegate.service.appending import not_recorded
from tidegate.service.problems import Problem, ProblemError
from tidegate.service.windows import Windows
from tidegate.store.batches import Recorded
from tidegate.store.errors import LedgerError, LedgerUnavailableError, RequestConflictError

if TYPE_CHECKING:
    from tidegate.store.entries import Entry
    from tidegate.store.ledger import Outcome, Receiver

_LOG = logging.getLogger("tidegate.inflow")
_LANDING_SECONDS = 0.005


class Appends(Protocol):
    """What is needed of a ledger; `store.ledger.Ledger` is one."""

    def submit(self, entry: Entry, whom: object, receiver: Receiver) -> None:
        """Record `entry`; the receiver hears on another thread what came of it."""
        ...


class OwnsWindows(Protocol):
    """Who has the windows and knows how far they are right; `service.decider.Decider` does."""

    windows: Windows
    in_doubt: bool
    failures: int
    through: int

    lists: Lists

    def look_at_lists(self, at_us: int) -> None:
        """Read the managed lists as they are at this time from now on."""
        ...


@dataclass(slots=True, eq=False)
class _Flight:
    future: asyncio.Future[Recorded]
    undo: Callable[[], None]


class Inflow:
    """For one loop: everything but `settle` is called on it."""

    def __init__(
        self,
        owner: OwnsWindows,
        ledger: Appends,
        *,
        clock_us: Callable[[], int],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.owner = owner
        self._ledger = ledger
        self._clock_us = clock_us
        self._loop = loop or asyncio.get_running_loop()
        self._flights: set[_Flight] = set()

    @property
    def waiting(self) -> int:
        """How much is not durable yet."""
        return len(self._flights)

    def check_certain(self) -> None:
        """`ProblemError` while nobody knows what the ledger holds."""
        if self.owner.in_doubt:
            raise ProblemError(
                Problem("unavailable", "it is being found out what was recorded", retry_after=1)
            )

    def stamp(self) -> int:
        """When this came: later than everything that was decided or came before."""
        windows = self.owner.windows
        windows.latest_us = max(self._clock_us(), windows.latest_us + 1)
        self.owner.look_at_lists(windows.latest_us)
        return windows.latest_us

    def submit(self, entry: Entry, undo: Callable[[], None]) -> asyncio.Future[Recorded]:
        """Record what was taken into the windows; `undo` takes it out again where that fails.

        `undo` is called too where the same request was recorded before. The future fails with
        `RequestConflictError` or `ProblemError`.
        """
        flight = _Flight(self._loop.create_future(), undo)
        try:
            self._ledger.submit(entry, flight, self)
        except LedgerError as error:
            undo()
            raise ProblemError(not_recorded(error)) from None
        self._flights.add(flight)
        return flight.future

    async def landed(self) -> None:
        """Return when all that is under way now is durable, or has failed."""
        flights = set(self._flights)
        while flights & self._flights:
            await asyncio.sleep(_LANDING_SECONDS)

    def settle(self, outcomes: Sequence[tuple[object, Outcome]]) -> None:
        """Called by the ledger's writer on its own thread, once a batch."""
        try:
            self._loop.call_soon_threadsafe(self._settled, outcomes)
        except RuntimeError:
            _LOG.warning("a batch was recorded after the loop had ended")

    def _settled(self, outcomes: Sequence[tuple[object, Outcome]]) -> None:
        for flight, outcome in outcomes:
            assert isinstance(flight, _Flight)
            self._flights.discard(flight)
            if isinstance(outcome, Recorded):
                if outcome.repeated:
                    flight.undo()
                else:
                    self.owner.through = max(self.owner.through, outcome.seq)
                if not flight.future.done():
                    flight.future.set_result(outcome)
            else:
                self._failed(flight, outcome)

    def _failed(self, flight: _Flight, error: LedgerError) -> None:
        flight.undo()
        if isinstance(error, RequestConflictError):
            raised: Exception = error
        else:
            self.owner.failures += 1
            if isinstance(error, LedgerUnavailableError):
                self.owner.in_doubt = True
            raised = ProblemError(not_recorded(error))
        if not flight.future.done():
            flight.future.set_exception(raised)
