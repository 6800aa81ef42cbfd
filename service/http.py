"""What every route shares of HTTP: who is asking, reading a body, answering."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, TypeAlias

from tidegate.service.problems import Problem, ProblemError

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]


class Disconnected(Exception):  # noqa: N818 - nobody is left to be told
    """The caller went away before the request was whole."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """The body of a request; refused as soon as it is longer than `limit`."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit:
            raise ProblemError(_too_large(limit))
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body", False):
        if size > limit:
            raise ProblemError(_too_large(limit))
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > limit:
        raise ProblemError(_too_large(limit))
    return b"".join(parts)


def header(headers: Headers, name: bytes) -> str:
    """The value of a header that stands once; empty where it is absent.

    A header that stands twice is refused: which one counts would be a guess.
    """
    found = [value for known, value in headers if known == name]
    if not found:
        return ""
    if len(found) > 1:
        shown = name.decode()
        raise ProblemError(Problem("bad_request", f"the header `{shown}` stands more than once"))
    return found[0].decode("latin-1")


async def send_json(
    send: Send, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    """Answer with JSON."""
    pairs = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", b"%d" % len(body)),
    ]
    if headers:
        pairs += [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


async def send_problem(send: Send, problem: Problem) -> None:
    """Answer with a problem."""
    body = problem.to_bytes()
    pairs = [
        (name.encode(), value.encode("latin-1")) for name, value in problem.all_headers().items()
    ]
    pairs.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": problem.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def _too_large(limit: int) -> Problem:
    # What is left of the body is not read, so the connection cannot go on.
    return Problem(
        "too_large", f"a body has at most {limit} bytes", headers={"connection": "close"}
    )
