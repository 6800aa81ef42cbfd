"""Many keys, each asked for several times at once, against the application in this process.

    make idempotency KEYS=500000

Each key is sent 1 to 5 times, concurrently and later again, some with another body. Every answer of
a key has to be the same, byte for byte; another body has to be refused; and the ledger has to hold
one decision for each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.service.builders import payment, running
from tidegate.service.assembly import Service

CONCURRENT = 200
_SHOWN = 10


@dataclass(slots=True)
class Found:
    """What came out: keys that were decided, requests sent, conflicts refused, what is wrong."""

    decided: int = 0
    requests: int = 0
    conflicts: int = 0
    faults: list[str] = field(default_factory=list)


class Retries:
    """Asks a service for `keys` decisions, each several times."""

    def __init__(self, service: Service, keys: int, seed: int) -> None:
        self._service = service
        self._keys = keys
        self._random = random.Random(seed)
        self._found = Found()
        self._bodies: dict[int, bytes] = {}

    async def run(self) -> Found:
        """All of them, so many at once."""
        for begin in range(0, self._keys, CONCURRENT):
            numbers = range(begin, min(begin + CONCURRENT, self._keys))
            again = [self._random.randrange(begin) for _ in range(20)] if begin else []
            plan = [n for n in numbers for _ in range(self._random.randint(1, 5))] + again
            self._random.shuffle(plan)
            await asyncio.gather(*(self._ask(number) for number in plan))
        self._found.decided = len(self._bodies)
        return self._found

    async def _ask(self, number: int) -> None:
        await asyncio.sleep(self._random.random() / 200)
        self._found.requests += 1
        changed = number in self._bodies and self._random.random() < 0.05
        event = payment(number, card=f"tok_{number % 997}")
        if changed:
            event["amount"] = "99.99 EUR"
        status, body = await ask(self._service, f"key-{number}", event)
        if changed:
            self._found.conflicts += status == 422
            if status != 422:
                self._fault(f"key {number}: another body was answered {status}")
        elif status != 200:
            self._fault(f"key {number}: {status}")
        elif self._bodies.setdefault(number, body) != body:
            self._fault(f"key {number}: two answers")

    def _fault(self, what: str) -> None:
        self._found.faults.append(what)


async def ask(service: Service, key: str, event: dict[str, Any]) -> tuple[int, bytes]:
    """One request, straight through the application."""
    raw = json.dumps({"event": event}).encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/decisions/payment",
        "raw_path": b"/v1/decisions/payment",
        "query_string": b"",
        "headers": [
            (b"authorization", b"Bearer shop"),
            (b"idempotency-key", key.encode()),
            (b"content-type", b"application/json"),
        ],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await service.app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


async def _main(keys: int, seed: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        rate = {"per_second": 1e9, "burst": 10**9}
        async with running(Path(folder), rate=rate, deciding={"remembered": keys // 10}) as (
            service,
            _,
        ):
            began = perf_counter()
            found = await Retries(service, keys, seed).run()
            seconds = perf_counter() - began
            recorded: dict[str, int] = {}
            for read in service.reader.entries(kinds=["decision"]):
                recorded[read.leaf.id] = recorded.get(read.leaf.id, 0) + 1
    if len(recorded) != keys or sum(recorded.values()) != keys:
        found.faults.append(f"{sum(recorded.values())} records for {keys} keys")
    for fault in found.faults[:_SHOWN]:
        print(f"fault: {fault}")
    print(
        f"{found.decided:,} keys, {found.requests:,} requests, {found.conflicts:,} conflicts "
        f"refused, {sum(recorded.values()):,} records, {len(found.faults)} faults, "
        f"{seconds:,.0f} s"
    )
    return 1 if found.faults else 0


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    return asyncio.run(_main(arguments.keys, arguments.seed))


if __name__ == "__main__":
    sys.exit(main())
