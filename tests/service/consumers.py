"""A consumer of webhooks that behaves as badly as it is told, on a port of this machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tidegate.service.webhooks import verify

Behaves = Callable[[int], str]
"""Given how many requests came before: an HTTP status, `hang`, `twice`, `drop` or `to URL`."""


def well(_count: int) -> str:
    """Take everything."""
    return "200"


@dataclass
class Seen:
    """What came, and which decisions the consumer took for new by their id."""

    secret: bytes
    behaves: Behaves = well
    requests: int = 0
    taken: dict[str, bytes] = field(default_factory=dict)
    repeated: int = 0
    url: str = ""
    now: Callable[[], float] = time.time

    def take(self, headers: dict[str, str], body: bytes) -> None:
        """Verify a message, and take it once."""
        message_id = verify(headers, body, [self.secret], int(self.now()))
        if message_id in self.taken:
            self.repeated += 1
            assert self.taken[message_id] == body
        self.taken[message_id] = body


@asynccontextmanager
async def consumer(secret: bytes, behaves: Behaves = well) -> AsyncIterator[Seen]:
    """A consumer that listens while the block runs."""
    seen = Seen(secret, behaves)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _one(seen, reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    seen.url = f"http://127.0.0.1:{port}/hook"
    try:
        yield seen
    finally:
        server.close()


async def _one(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in head[1:] if ": " in line)
    raw = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(raw["content-length"]))
    does = seen.behaves(seen.requests)
    seen.requests += 1
    if does == "drop":
        return False
    if does == "hang":
        await asyncio.sleep(30)
        return False
    if does.startswith("to "):
        moved = b"HTTP/1.1 307 Moved\r\nlocation: %b\r\ncontent-length: 0\r\n\r\n"
        writer.write(moved % does[3:].encode())
        await writer.drain()
        return True
    if does in ("200", "204", "twice"):
        seen.take(raw, body)
    status = b"200" if does == "twice" else does.encode()
    answer = b"HTTP/1.1 %b X\r\ncontent-length: 2\r\n\r\nok" % status
    writer.write(answer * (2 if does == "twice" else 1))
    await writer.drain()
    return True
