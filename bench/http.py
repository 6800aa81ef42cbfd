"""Decisions over HTTP, durable, one core: the service beside FastAPI with SQLModel.

    python -m bench.http [--seconds N] [--rounds N] [--connections N] [--json FILE]

Servers run on core 0, the load generator (asyncio, keep-alive, in this file) on core 1. Every
answer means that its record is on stable storage.

- ours: `service/` as `tidegate serve` puts it together: a token verified once, card numbers looked
  for, 50 rules, an additive model, six windows, idempotency, the record encrypted under its
  subject's key in a Merkle tree, group commit;
- FastAPI + SQLModel: a Pydantic model of the same event, the same engine, model and windows, the
  same record in the clear and the idempotency key by a session and a commit for each request;
  no token, no scan, no encryption, no tree.

Both decide the same events, and before anything is measured their outcomes are compared. Rounds
are interleaved; ratios are medians of per-round ratios. The last lines have the times of answers at
half of the rate that was reached, beside the same service on a ledger that keeps nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from bench.http_servers import SIDES, TOKEN, prepare_policy, serve

SIDE_NAMES = {
    "ours": "service, durable",
    "memory": "service, ledger that keeps nothing",
    "baseline": "FastAPI + SQLModel, durable",
}
CARDS = 2_000
AIM_LEAN = 8.0
AIM_TAIL = 3.0


@dataclass(frozen=True, slots=True)
class Round:
    """One side in one round: answers a second, and times in milliseconds."""

    side: str
    rate: float
    p50_ms: float
    p99_ms: float
    failed: int


def payment(number: int) -> dict[str, Any]:
    """The event of a request, as both sides take it."""
    mixed = number * 2_654_435_761 % 2**32
    return {
        "id": f"p-{number}",
        "amount": f"{mixed % 60_000 / 100:.2f} EUR",
        "card": f"tok_card_{mixed % CARDS:05}",
        "card_country": ("FR", "DE", "IT", "US")[mixed // 7 % 4],
        "brand": ("visa", "mastercard", "cb")[mixed // 11 % 3],
        "mcc": ("5411", "5732", "5812", "7995")[mixed // 13 % 4],
        "merchant_country": "FR",
        "customer": f"tok_customer_{mixed % (CARDS // 2):05}",
        "ip_country": ("FR", "DE", "US")[mixed // 17 % 3],
        "email_domain": ("example.org", "example.com")[mixed // 19 % 2],
        "opened": "2026-01-15T12:00:00Z",
        "channel": ("ecom", "moto")[mixed // 23 % 2],
        "bot_score": f"0.{mixed % 1000:03}",
    }


def request(side: str, number: int) -> bytes:
    """The bytes of one request."""
    event = payment(number)
    content = json.dumps(event if side == "baseline" else {"event": event}).encode()
    head = (
        f"POST /v1/decisions/payment HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {TOKEN}\r\nIdempotency-Key: key-{number}\r\n"
        f"Tidegate-Deadline-Ms: 60000\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


# --- the load


class Connection(asyncio.Protocol):
    """A keep-alive connection that has one request under way at a time."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.transport: asyncio.Transport | None = None
        self.began = 0.0
        self.buffer = b""
        self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready for its first request."""
        self.transport = cast("asyncio.Transport", transport)

    def send(self, content: bytes, began: float) -> None:
        """Send a request that was due at `began`."""
        assert self.transport is not None
        self.began, self.waiting = began, True
        self.transport.write(content)

    def data_received(self, data: bytes) -> None:
        """Take an answer, whole or in parts."""
        self.buffer = self.buffer + data if self.buffer else data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        place = head.index(b"content-length:") + 15
        length = int(head[place:].split(b"\r\n", 1)[0])
        if len(self.buffer) < end + 4 + length:
            return
        content, self.buffer = self.buffer, b""
        self.waiting = False
        self.load.answered(self, time.perf_counter() - self.began, content, end + 4)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count what will not be answered."""
        del exc
        if self.waiting:
            self.load.failed += 1


class Load:
    """Requests of one side over many connections: as fast as they are answered, or at a rate."""

    def __init__(self, side: str, first: int, keep: int = 0) -> None:
        self.side = side
        self.next = first
        self.seconds: list[float] = []
        self.failed = 0
        self.kept: list[dict[str, Any]] = []
        self._keep = keep
        self._until = 0.0
        self._idle: list[Connection] = []
        self._rate = 0.0

    async def run(self, port: int, connections: int, seconds: float, rate: float = 0.0) -> Round:
        """Ask for so long; `rate` requests a second, or without pause where it is 0."""
        loop = asyncio.get_running_loop()
        opened = [
            (await loop.create_connection(lambda: Connection(self), "127.0.0.1", port))[1]
            for _ in range(connections)
        ]
        began = time.perf_counter()
        self._until, self._rate = began + seconds, rate
        self._idle = list(opened)
        if rate:
            await self._paced(began, rate)
        else:
            for connection in opened:
                self._ask(connection, time.perf_counter())
        while any(connection.waiting for connection in opened):
            await asyncio.sleep(0.005)
        took = time.perf_counter() - began
        for connection in opened:
            assert connection.transport is not None
            connection.transport.close()
        times = sorted(self.seconds)
        return Round(
            self.side,
            len(times) / took,
            times[len(times) // 2] * 1e3,
            times[len(times) * 99 // 100] * 1e3,
            self.failed,
        )

    async def _paced(self, began: float, rate: float) -> None:
        # A request that finds no connection free waits, and its time runs from when it was due.
        number = 0
        while (due := began + number / rate) < self._until:
            if (early := due - time.perf_counter()) > 0.0005:
                await asyncio.sleep(early)
            while not self._idle:
                await asyncio.sleep(0)
            self._ask(self._idle.pop(), due)
            number += 1
            if number % 16 == 0:
                await asyncio.sleep(0)

    def _ask(self, connection: Connection, due: float) -> None:
        connection.send(request(self.side, self.next), due)
        self.next += 1

    def answered(self, connection: Connection, took: float, content: bytes, body: int) -> None:
        """Take the time of an answer, and ask again."""
        self.seconds.append(took)
        if not content.startswith(b"HTTP/1.1 200"):
            self.failed += 1
        if len(self.kept) < self._keep:
            self.kept.append(json.loads(content[body:]))
        if self._rate:
            self._idle.append(connection)
        elif (now := time.perf_counter()) < self._until:
            self._ask(connection, now)


def run_load(load: Load, port: int, connections: int, seconds: float, rate: float = 0.0) -> Round:
    """One round on a loop of its own."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load.run(port, connections, seconds, rate))


# --- the servers


@contextmanager
def served(side: str, folder: Path, core: int | None) -> Iterator[int]:
    """A server in a process of its own; gives its port."""
    place = folder / side
    place.mkdir()
    prepare_policy(place / "policy")
    command = [sys.executable, "-m", "bench.http", "--serve", side, "--folder", str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if core is not None:
                os.sched_setaffinity(process.pid, {core})
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("port "):
                raise RuntimeError(f"`{side}` does not serve: {line}")
            yield int(line.split()[1])
        finally:
            process.terminate()
            process.wait(60)


def compare(ports: dict[str, int], events: int = 300) -> int:
    """Whether the sides decide the same; how many decisions were compared."""
    words: dict[str, dict[str, str]] = {}
    for side, port in ports.items():
        load = Load(side, 0, keep=events)
        # One after the other, so that windows hold the same.
        while len(load.kept) < events:
            run_load(load, port, 1, 0.2)
        words[side] = {found["key"]: found["outcome"]["word"] for found in load.kept}
    first, *others = words.values()
    for other in others:
        shared = first.keys() & other.keys()
        if any(first[key] != other[key] for key in shared):
            raise AssertionError("the sides decide differently")
    if len(set(first.values())) < 2:
        raise AssertionError("all payments are decided alike")
    return min(len(each) for each in words.values())


def measure(
    ports: dict[str, int], rounds: int, seconds: float, connections: int
) -> dict[str, list[Round]]:
    """Interleaved rounds of every side."""
    found: dict[str, list[Round]] = {side: [] for side in ports}
    begins = dict.fromkeys(ports, 10**6)
    for number in range(rounds + 1):
        for side, port in ports.items():
            load = Load(side, begins[side])
            result = run_load(load, port, connections, seconds)
            begins[side] = load.next
            if number:  # the first one warms up
                found[side].append(result)
    return found


def tails(ports: dict[str, int], rate: float, seconds: float, connections: int) -> dict[str, Round]:
    """The times of answers at a rate below what is reached."""
    found = {}
    for place, side in enumerate(("ours", "memory")):
        load = Load(side, (5 + place) * 10**7)
        found[side] = run_load(load, ports[side], connections, seconds, rate)
    return found


def report(found: dict[str, list[Round]], tail: dict[str, Round]) -> list[str]:
    """The table, and what the aims are held against."""
    lines = []
    for side, results in found.items():
        rate = statistics.median(r.rate for r in results)
        p50 = statistics.median(r.p50_ms for r in results)
        p99 = statistics.median(r.p99_ms for r in results)
        failed = sum(r.failed for r in results)
        lines.append(
            f"{SIDE_NAMES[side]:36} {rate:8,.0f}/s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms"
            + (f"   {failed} failed" if failed else "")
        )
    if {"ours", "baseline"} <= found.keys():
        pairs = zip(found["ours"], found["baseline"], strict=True)
        ratios = [ours.rate / theirs.rate for ours, theirs in pairs]
        lines.append(
            f"ours / FastAPI + SQLModel: {statistics.median(ratios):.1f} "
            f"({min(ratios):.1f} to {max(ratios):.1f}); the aim is {AIM_LEAN:.0f}"
        )
    for side, result in tail.items():
        lines.append(
            f"at half of that rate, {SIDE_NAMES[side]:36} p50 {result.p50_ms:6.2f} ms   "
            f"p99 {result.p99_ms:6.2f} ms"
        )
    if len(tail) == 2:
        ratio = tail["ours"].p99_ms / tail["memory"].p99_ms
        lines.append(f"p99, durable / kept nowhere: {ratio:.1f}; the aim is {AIM_TAIL:.0f}")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", choices=SIDES, help="(a server of this benchmark)")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args(arguments)
    if wanted.serve:
        serve(wanted.serve, wanted.folder)
        return 0
    cores = sorted(os.sched_getaffinity(0))
    server_core = cores[0] if len(cores) > 1 else None
    if server_core is not None:
        os.sched_setaffinity(0, set(cores[1:]))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ports = {s: stack.enter_context(served(s, Path(folder), server_core)) for s in SIDES}
        print(f"{compare(ports)} decisions agree")
        found = measure(ports, wanted.rounds, wanted.seconds, wanted.connections)
        rate = statistics.median(r.rate for r in found["ours"]) / 2
        tail = tails(ports, rate, wanted.seconds, wanted.connections)
    print("\n".join(report(found, tail)))
    if wanted.json:
        rounds = {side: [asdict(r) for r in results] for side, results in found.items()}
        figures = {"rounds": rounds, "tail": {s: asdict(r) for s, r in tail.items()}}
        wanted.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
