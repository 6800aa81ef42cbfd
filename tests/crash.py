"""`make crash KILLS=300`: kill -9 of the writer at random moments under load, on both databases.

    python -m tests.crash [--kills N] [--backend sqlite|postgres] [--seed N]

A parent that never dies keeps the list of what was acknowledged, which the writer tells it through
a pipe, byte by byte. Writers are forked from a warm process. After each kill the next writer sends
again what was not acknowledged, and some of what was. At the end: every acknowledged key is in the
ledger once, under the number that was told, and the ledger verifies.

What this covers: the process dies. It does not cover lost power: the system still writes what it
was given. `tests/store/test_power.py` is for that.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from tests.store.builders import decision, trusted
from tests.store.servers import new_database, postgres_server
from tidegate.store.anchors import FileAnchor
from tidegate.store.batches import Recorded
from tidegate.store.database import parse_url, prepare
from tidegate.store.errors import SecondWriterError
from tidegate.store.heads import Limits
from tidegate.store.ledger import Ledger, open_ledger
from tidegate.store.reading import Reader
from tidegate.store.verification import verify_ledger
from tidegate.vault.memory import MemoryKeys

LIMITS = Limits(batch=16, checkpoint_leaves=40, checkpoint_seconds=0.05)
IN_FLIGHT = 48
_ACK = struct.Struct("<II")


@dataclass(slots=True)
class Figures:
    """What happened. `lost` and `doubled` have to stay empty."""

    kills: int = 0
    acknowledged: int = 0
    repeated: int = 0
    worst_start_s: float = 0.0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Kept:
    """A ledger and what survives its writers."""

    url: str
    keys: MemoryKeys
    anchor: FileAnchor

    def open(self) -> Ledger:
        """A writer; a server may take a moment to notice that the last one died."""
        for _ in range(500):
            try:
                return open_ledger(self.url, self.keys, [self.anchor], limits=LIMITS)
            except SecondWriterError:
                time.sleep(0.01)
        return open_ledger(self.url, self.keys, [self.anchor], limits=LIMITS)


def crash(url: str, folder: Path, kills: int, seed: int) -> Figures:
    """Kill writers of the ledger at `url`; its keys and its head are kept in `folder`."""
    dice = random.Random(seed)
    kept = Kept(url, MemoryKeys.kept(folder / "keys.json"), FileAnchor(folder / "head"))
    figures = Figures()
    acknowledged: dict[int, int] = {}
    sent = 0
    while figures.kills < kills:
        resent = dice.sample(sorted(acknowledged), min(8, len(acknowledged)))
        numbers = [*(n for n in range(sent) if n not in acknowledged), *resent]
        told, started = _one_writer(kept, numbers, sent, dice)
        figures.kills += 1
        figures.worst_start_s = max(figures.worst_start_s, started)
        for number, seq in told:
            sent = max(sent, number + 1)
            if acknowledged.setdefault(number, seq) != seq:
                figures.problems.append(
                    f"key {number} was told as {acknowledged[number]} and {seq}"
                )
            figures.acknowledged += 1
    _judge(kept, acknowledged, figures)
    return figures


def _one_writer(
    kept: Kept, numbers: list[int], first_new: int, dice: random.Random
) -> tuple[list[tuple[int, int]], float]:
    """Fork a writer, kill it some time after it began; what it acknowledged, and its start."""
    reading, writing = os.pipe()
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        code = 1
        try:
            _write(kept, numbers, first_new, writing)
        except BaseException as error:  # noqa: BLE001 - the parent has to hear of it
            os.write(2, f"the writer ended by itself: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        assert pipe.read(1) == b"!", "the writer did not start"
        started = time.monotonic() - begun
        time.sleep(dice.uniform(0, 0.06))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        content = b""
        while part := pipe.read(65_536):
            content += part
    whole = len(content) - len(content) % _ACK.size
    return list(_ACK.iter_unpack(content[:whole])), started


def _write(kept: Kept, numbers: list[int], first_new: int, pipe: int) -> None:
    """Send decisions until killed; each is told when it is acknowledged and not before."""
    ledger = kept.open()
    os.write(pipe, b"!")

    def tell(number: int) -> Callable[[Future[Recorded]], None]:
        return lambda future: _tell(pipe, number, future.result().seq)

    waiting: list[Future[Recorded]] = []
    number = first_new
    while True:
        current = numbers.pop() if numbers else number
        number += current == number
        future = ledger.append(decision(current))
        future.add_done_callback(tell(current))
        waiting.append(future)
        if len(waiting) > IN_FLIGHT:
            waiting.pop(0).result()


def _tell(pipe: int, number: int, seq: int) -> None:
    os.write(pipe, _ACK.pack(number, seq))  # shorter than PIPE_BUF: whole or not at all


def _judge(kept: Kept, acknowledged: dict[int, int], figures: Figures) -> None:
    with kept.open() as ledger:
        for number, seq in acknowledged.items():
            again = ledger.append(decision(number)).result()
            if not again.repeated:
                figures.problems.append(f"key {number} was acknowledged as {seq} and is lost")
            elif again.seq != seq:
                figures.problems.append(f"key {number} was told as {seq} and is {again.seq}")
            figures.repeated += 1
    with Reader(kept.url, kept.keys.source) as reader:
        ids = [read.leaf.id for read in reader.entries(kinds=("decision",))]
        if len(ids) != len(set(ids)):
            figures.problems.append("a decision is recorded twice")
        if len(ids) < len(acknowledged):
            figures.problems.append("there are fewer decisions than were acknowledged")
        head = kept.anchor.read()
        heads = [head] if head is not None else []
        verified = verify_ledger(reader, trusted(kept.keys), heads, kept.keys.source)
    figures.problems += [finding.said for finding in verified.findings]


def main() -> int:
    """Run it on one backend or both, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--backend", choices=("sqlite", "postgres"))
    parser.add_argument("--seed", type=int, default=20_261_125)
    asked = parser.parse_args()
    worst = 0
    for backend in [asked.backend] if asked.backend else ["sqlite", "postgres"]:
        with tempfile.TemporaryDirectory(prefix="tidegate-crash-") as name:
            folder = Path(name)
            if backend == "sqlite":
                figures = crash(f"sqlite:///{folder}/ledger.db", folder, asked.kills, asked.seed)
            else:
                with postgres_server() as server:
                    url = new_database(server)
                    prepare(parse_url(url), migrate=True)
                    figures = crash(url, folder, asked.kills, asked.seed)
        print(
            f"{backend}: {figures.kills:,} kills, {figures.acknowledged:,} acknowledgements, "
            f"{figures.repeated:,} keys asked for again, {len(figures.problems)} problems; "
            f"slowest start {figures.worst_start_s:.2f} s; "
            f"below {3 / figures.kills:.2%} failures a kill (95 %)"
        )
        for problem in figures.problems[:20]:
            print(f"  {problem}")
        worst = max(worst, bool(figures.problems))
    return worst


if __name__ == "__main__":
    sys.exit(main())
