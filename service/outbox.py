"""The outbox: decisions on their way to consumers, each at least once, never in a decision's way.

What is to be delivered was written in the transaction of the decision. A consumer takes a message
with an answer of the 200s; all else, a redirect included, is a failure and is tried again, later
each time. A consumer that fails is asked with one message at a time until it takes one. What it has
not taken for days is given up, kept, and somebody is told. The order is not promised, and a message
may come twice: consumers go by its id.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import httpx

from tidegate.service.alerts import Alert, Tell, to_log
from tidegate.service.webhooks import SignsWebhooks, headers_of
from tidegate.store.errors import LedgerError
from tidegate.store.side_tables import Delivery, Postponed, Waiting

if TYPE_CHECKING:
    from tidegate.service.settings import OutboxSettings

_LOG = logging.getLogger("tidegate.outbox")
_DAY_US = 86_400 * 10**6
_POLL_SECONDS = 1.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Consumer:
    """Who gets decisions, as settings say. `client` is whose grants say which, and what of them."""

    name: str
    url: str
    client: str
    signs: SignsWebhooks = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: `id` is that of the decision."""

    id: str
    body: bytes = field(repr=False)


class ReadsOutbox(Protocol):
    """`store.outbox.OutboxReader` is one."""

    def due(self, consumer: str, now_us: int, most: int) -> list[Waiting]:
        """The deliveries that are due."""
        ...


class KeepsOutbox(Protocol):
    """`store.ledger.Ledger` is one."""

    def finish_deliveries(self, done: Sequence[Delivery], failed: Sequence[Postponed]) -> None:
        """Say what came of deliveries."""
        ...

    def give_up_deliveries(self, consumer: str, before_us: int) -> int:
        """Never try again what was not taken since then."""
        ...


class RendersMessages(Protocol):
    """Makes the message of an entry, on a thread."""

    def message(self, seq: int, client: str) -> Message | None:
        """None where there is nothing to be told: erased, or no grant shows it any more."""
        ...


@dataclass(slots=True)
class Health:
    """How a consumer does: `failures` since it last took a message."""

    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    failures: int = 0


class Outbox:
    """Delivers to each consumer on its own; `run` until it is cancelled."""

    def __init__(
        self,
        reader: ReadsOutbox,
        keeper: KeepsOutbox,
        messages: RendersMessages,
        consumers: Sequence[Consumer],
        settings: OutboxSettings,
        *,
        clock_us: Callable[[], int],
        threads: Executor | None = None,
        tell: Tell = to_log,
        spread: Callable[[float, float], float] = random.uniform,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._reader = reader
        self._keeper = keeper
        self._messages = messages
        self._settings = settings
        self._clock_us = clock_us
        self._threads = threads
        self._tell = tell
        self._spread = spread
        self._client = client or http_client(settings)
        self._wakes = {consumer.name: asyncio.Event() for consumer in consumers}
        self.consumers = tuple(consumers)
        self.health = {consumer.name: Health() for consumer in consumers}

    def wake(self) -> None:
        """Something was recorded that is to be delivered."""
        for wake in self._wakes.values():
            wake.set()

    async def run(self) -> None:
        """Deliver; ends when it is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for consumer in self.consumers:
                    group.create_task(self._serve(consumer))
        finally:
            await self._client.aclose()

    async def _serve(self, consumer: Consumer) -> None:
        health, wake = self.health[consumer.name], self._wakes[consumer.name]
        while True:
            wake.clear()
            try:
                tried = await self.deliver_due(consumer)
            except LedgerError as error:
                _LOG.warning("deliveries cannot be settled: %s", type(error).__name__)
                tried = 0
            except Exception:  # noqa: BLE001 - one consumer's trouble is no other's
                _LOG.exception("deliveries failed")
                tried = 0
            if health.failures:
                await asyncio.sleep(self._pause(health.failures))
            elif not tried:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), _POLL_SECONDS)

    async def deliver_due(self, consumer: Consumer) -> int:
        """Deliver what is due now, at most a handful; how many were tried."""
        health = self.health[consumer.name]
        most = 1 if health.failures else self._settings.at_once
        now_us = self._clock_us()
        due = await self._on_thread(self._reader.due, consumer.name, now_us, most)
        if not due:
            return 0
        results = await asyncio.gather(*(self._deliver(consumer, one) for one in due))
        done = [one.delivery for one, taken in zip(due, results, strict=True) if taken]
        failed = [one for one, taken in zip(due, results, strict=True) if not taken]
        health.delivered += len(done)
        health.failed += len(failed)
        health.failures = 0 if done else health.failures + 1
        later = [self._postponed(one) for one in failed]
        await self._on_thread(self._keeper.finish_deliveries, done, later)
        if failed:
            await self._give_up(consumer)
        return len(due)

    async def _deliver(self, consumer: Consumer, waiting: Waiting) -> bool:
        """Whether the consumer has it, or there is nothing to be had."""
        message = await self._on_thread(self._messages.message, waiting.seq, consumer.client)
        if message is None:
            return True
        seconds = self._clock_us() // 10**6
        headers = headers_of(message.id, message.body, seconds, consumer.signs)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                # What it answers besides its status is not read.
                async with self._client.stream(
                    "POST", consumer.url, content=message.body, headers=headers
                ) as answer:
                    return answer.is_success
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            _LOG.info("webhook %s: %s", consumer.name, type(error).__name__)
            return False

    def _postponed(self, waiting: Waiting) -> Postponed:
        attempts = waiting.attempts + 1
        return Postponed(
            waiting.delivery, attempts, self._clock_us() + int(self._pause(attempts) * 10**6)
        )

    def _pause(self, failures: int) -> float:
        """Seconds until the next try: twice as long each time, and never all at one moment."""
        settings = self._settings
        longest = min(
            settings.retry_seconds * 2 ** min(failures - 1, 32), settings.longest_retry_seconds
        )
        return self._spread(longest / 2, longest)

    async def _give_up(self, consumer: Consumer) -> None:
        before_us = self._clock_us() - int(self._settings.give_up_days * _DAY_US)
        count = await self._on_thread(self._keeper.give_up_deliveries, consumer.name, before_us)
        if count:
            self.health[consumer.name].given_up += count
            self._tell(Alert("webhook_given_up", consumer.name))

    async def _on_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


def http_client(settings: OutboxSettings) -> httpx.AsyncClient:
    """A client that follows no redirect, takes no proxy from its environment, keeps no cookie."""
    return httpx.AsyncClient(
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(settings.timeout_seconds, connect=settings.timeout_seconds / 2),
        headers={"user-agent": "tidegate"},
    )
