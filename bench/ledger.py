"""Durable records a second: our ledger beside raw inserts, SQLModel and a hash-chained file.

    taskset -c 0 python -m bench.ledger [--records N] [--rounds N] [--json FILE]

Every side is answered record by record, and each answer means that the record is on stable storage:

- ours: everything included: canonical leaf, Merkle tree, salted commitment, AES-256-GCM under a key
  of the subject and month, keyed hashes, idempotency key looked up and kept, payload, lookup by
  transaction. 32 and 128 coroutines, each sends its next record when the last one is durable;
- raw: `sqlite3`, WAL and FULL, one transaction a record: the record, its id and its idempotency
  key, in the clear and without a hash;
- SQLModel: the same by a session and a commit for each record;
- file: the floor: one file, a SHA-256 chain, the same coroutines and the same batching, one
  `fdatasync` a batch; nothing can be found in it again, nothing is encrypted.

Rounds are interleaved; ratios are medians of per-round ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel, create_engine

from tidegate.store.async_ledger import AsyncLedger
from tidegate.store.entries import Entry, Request
from tidegate.store.ledger import open_ledger
from tidegate.store.reading import Reader
from tidegate.vault.memory import MemoryKeys

SUBJECTS = 5_000
CLIENTS = (32, 128)


@dataclass(frozen=True, slots=True)
class Input:
    """What every side records: an id, an idempotency key, the hash of the request, 1.9 kB."""

    id: str
    key: str
    hash: bytes
    subject: str
    payload: bytes


def make_inputs(count: int) -> list[Input]:
    """`count` records with texts that do not compress away."""
    made = []
    for number in range(count):
        seed = hashlib.sha256(str(number).encode()).hexdigest()
        payload = (seed * 30)[:1_900].encode()
        subject = f"customer-{number * 7919 % SUBJECTS}"
        made.append(Input(f"d-{number:012}", f"key-{seed}", bytes.fromhex(seed), subject, payload))
    return made


# --- ours


async def _drive(inputs: list[Input], clients: int, send: Callable[[Input], Any]) -> None:
    remaining = iter(inputs)

    async def client() -> None:
        for item in remaining:
            await send(item)

    await asyncio.gather(*(client() for _ in range(clients)))


def ours(folder: Path, inputs: list[Input], clients: int) -> float:
    """Records a second through the ledger."""
    url = f"sqlite:///{folder}/ledger.db"
    keys = MemoryKeys()
    with open_ledger(url, keys) as ledger:

        async def run() -> float:
            face = AsyncLedger(ledger)

            def send(item: Input) -> Any:
                return face.append(
                    Entry(
                        "decision",
                        item.id,
                        "2026-11-25T08:00:00Z",
                        facts={"outcome": "approve", "policy": "shop", "reasons": ("R1", "R2")},
                        payload=item.payload,
                        subject=item.subject,
                        transaction=item.id,
                        request=Request("shop", item.key, item.hash),
                    )
                )

            begun = time.perf_counter()
            await _drive(inputs, clients, send)
            return time.perf_counter() - begun

        seconds = asyncio.run(run())
    with Reader(url, keys.source) as reader:
        assert reader.size() == len(inputs)
        assert reader.about(inputs[-1].id)[0].payload == inputs[-1].payload
    return len(inputs) / seconds


# --- one by one


def raw(folder: Path, inputs: list[Input]) -> float:
    """Records a second by raw `sqlite3`, one transaction each."""
    connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("PRAGMA synchronous = full")
    connection.execute("CREATE TABLE records (seq INTEGER PRIMARY KEY, id TEXT, payload BLOB)")
    connection.execute("CREATE UNIQUE INDEX ids ON records (id)")
    connection.execute("CREATE TABLE keys (key TEXT PRIMARY KEY, hash BLOB, seq) WITHOUT ROWID")
    begun = time.perf_counter()
    for seq, item in enumerate(inputs):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO records VALUES (?, ?, ?)", (seq, item.id, item.payload))
        connection.execute("INSERT INTO keys VALUES (?, ?, ?)", (item.key, item.hash, seq))
        connection.execute("COMMIT")
    seconds = time.perf_counter() - begun
    connection.close()
    return len(inputs) / seconds


class _Base(SQLModel, registry=registry()):
    """Tables of the benchmark alone."""


class BenchRecord(_Base, table=True):
    """A record as one would write it by SQLModel."""

    __tablename__ = "bench_records"

    seq: int = Field(primary_key=True)
    id: str = Field(unique=True)
    payload: bytes


class BenchKey(_Base, table=True):
    """Its idempotency key."""

    __tablename__ = "bench_keys"

    key: str = Field(primary_key=True)
    hash: bytes
    seq: int


def by_sqlmodel(folder: Path, inputs: list[Input]) -> float:
    """Records a second by SQLModel, one session and one commit each."""
    from sqlalchemy import event

    engine = create_engine(f"sqlite:///{folder}/sqlmodel.db")

    @event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("PRAGMA synchronous = full")

    _Base.metadata.create_all(engine)
    begun = time.perf_counter()
    for seq, item in enumerate(inputs):
        with Session(engine) as session:
            session.add(BenchRecord(seq=seq, id=item.id, payload=item.payload))
            session.add(BenchKey(key=item.key, hash=item.hash, seq=seq))
            session.commit()
    seconds = time.perf_counter() - begun
    engine.dispose()
    return len(inputs) / seconds


# --- the floor


class ChainedFile:
    """A writer thread that appends what waits, chained, and syncs once a batch."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._loop = loop
        self._last = bytes(32)
        self._queue: SimpleQueue[tuple[Input, asyncio.Future[bytes]] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def append(self, item: Input) -> asyncio.Future[bytes]:
        """Done with the hash of the record when it is synced."""
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._queue.put((item, future))
        return future

    def close(self) -> None:
        """Write what waits, and end."""
        self._queue.put(None)
        self._thread.join()
        os.close(self._file)

    def _run(self) -> None:
        waiting = self._queue.get()
        while waiting is not None:
            batch = []
            while waiting is not None:
                batch.append(waiting)
                if len(batch) >= 512:
                    break
                try:
                    waiting = self._queue.get_nowait()
                except Empty:
                    break
            done, parts = [], []
            for item, future in batch:
                self._last = hashlib.sha256(self._last + item.payload).digest()
                parts.append(self._last + len(item.payload).to_bytes(4) + item.payload)
                done.append((future, self._last))
            os.write(self._file, b"".join(parts))
            os.fdatasync(self._file)
            self._loop.call_soon_threadsafe(_settle, done)
            waiting = self._queue.get()


def _settle(done: list[tuple[asyncio.Future[bytes], bytes]]) -> None:
    for future, hashed in done:
        future.set_result(hashed)


def chained_file(folder: Path, inputs: list[Input], clients: int) -> float:
    """Records a second into a file."""

    async def run() -> float:
        writer = ChainedFile(folder / "chain", asyncio.get_running_loop())
        begun = time.perf_counter()
        await _drive(inputs, clients, writer.append)
        seconds = time.perf_counter() - begun
        writer.close()
        return seconds

    return len(inputs) / asyncio.run(run())


# --- the comparison


def measure(inputs: list[Input], rounds: int, place: Path | None) -> list[dict[str, float]]:
    """Records a second of every side, round by round."""
    few = inputs[: max(200, len(inputs) // 10)]
    sides: dict[str, Callable[[Path], float]] = {
        "raw": lambda folder: raw(folder, few),
        "sqlmodel": lambda folder: by_sqlmodel(folder, few),
    }
    for clients in CLIENTS:
        sides[f"file {clients}"] = lambda folder, n=clients: chained_file(  # type: ignore[misc]
            folder, inputs, n
        )
        sides[f"ours {clients}"] = lambda folder, n=clients: ours(  # type: ignore[misc]
            folder, inputs, n
        )
    results = []
    for number in range(rounds):
        found = {}
        names = list(sides)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            folder = Path(tempfile.mkdtemp(prefix="tidegate-bench-", dir=place))
            try:
                found[name] = sides[name](folder)
            finally:
                shutil.rmtree(folder)
        results.append(found)
    return results


def main() -> None:
    """Measure, print the table, and keep it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--place", type=Path, help="a folder on the disk to be measured")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    results = measure(make_inputs(asked.records), asked.rounds, asked.place)
    table = {}
    print(f"{'':<12}{'records/s':>12}{'x SQLModel':>12}{'x raw':>10}{'x file':>10}")
    for name in results[0]:
        kind, _, clients = name.partition(" ")
        row = {"records_s": statistics.median(one[name] for one in results)}
        against = {"x_sqlmodel": "sqlmodel", "x_raw": "raw", "x_file": f"file {clients}"}
        for column, other in against.items():
            if kind == "ours":
                row[column] = statistics.median(one[name] / one[other] for one in results)
        table[name] = row
        ratios = "".join(
            f"{row[c]:>{w}.2f}" if c in row else " " * w
            for c, w in zip(against, (12, 10, 10), strict=True)
        )
        print(f"{name:<12}{row['records_s']:>12,.0f}{ratios}")
    print("aims: ours at least 10 x SQLModel one by one, at least half of the file")
    if asked.json:
        asked.json.write_text(json.dumps({"rounds": results, "medians": table}, indent=1))


if __name__ == "__main__":
    main()
