"""`POST /v1/decisions/{event}`: the one route of the payment path, without a framework around it.

It is a plain ASGI callable. The application hands it its requests before any middleware, mounts it
as a route and lists it in the OpenAPI like every other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from tidegate.service.decider import Answer, Call, Decider
from tidegate.service.door import Door
from tidegate.service.gate import Gate
from tidegate.service.http import (
    Disconnected,
    Headers,
    Receive,
    Scope,
    Send,
    header,
    read_body,
    send_json,
    send_problem,
)
from tidegate.service.problems import FieldError, Problem, ProblemError, refused
from tidegate.service.settings import ClientSettings, Priority

_LOG = logging.getLogger("tidegate.hot")

PATH = "/v1/decisions/"
ROUTE = "/v1/decisions/{event}"
_MEMBERS = frozenset({"event", "scores"})
_PRIORITIES: Mapping[str, int] = {"low": 0, "normal": 1, "high": 2}
_KEY_LENGTH = 255


class HotDecisions:
    """Decides one event a request."""

    def __init__(
        self,
        decider: Decider,
        door: Door,
        gate: Gate,
        clients: Mapping[str, ClientSettings],
    ) -> None:
        self._decider = decider
        self._door = door
        self._gate = gate
        self._access = gate.table.of("POST", ROUTE)
        self._clients = clients

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        started = asyncio.get_running_loop().time()
        try:
            answer = await self._answer(scope, receive, started)
        except ProblemError as error:
            await send_problem(send, error.problem)
        except Disconnected:
            return
        except Exception:  # noqa: BLE001 - the last line of defence
            _LOG.exception("a request for a decision failed")
            await send_problem(send, Problem("internal"))
        else:
            replayed = {"idempotent-replayed": "true"} if answer.repeated else None
            await send_json(send, answer.body, 200, replayed)

    async def _answer(self, scope: Scope, receive: Receive, started: float) -> Answer:
        headers = scope["headers"]
        self._door.check_target(scope.get("raw_path", b""), scope.get("query_string", b""))
        self._door.check_headers(headers)
        caller = self._gate.enter(self._access, scope)
        event = scope["path"][len(PATH) :]
        raw = await read_body(receive, self._door.limits.body_bytes)
        body, scores = members_of(self._door.read_body(raw))
        call = Call(
            caller.principal,
            caller.world,
            caller.names,
            event,
            idempotency_key(header(headers, b"idempotency-key")),
            request_hash(event, raw),
            body,
            scores,
            priority_of(headers, self._clients.get(caller.name)),
            deadline_of(headers),
            started,
        )
        return await self._decider.decide(call)


def request_hash(event: str, raw: bytes) -> bytes:
    """What makes two requests the same: the event's type and the body, byte for byte."""
    return sha256(b"%d:%b%b" % (len(event), event.encode(), raw)).digest()


def members_of(body: Any) -> tuple[Mapping[str, object], Mapping[str, Any]]:
    """The event and the scores of a request's body."""
    if not isinstance(body, dict) or not isinstance(body.get("event"), dict):
        raise refused(
            "invalid_request",
            "the body is an object whose `event` holds the event's fields",
            'send {"event": {"id": "p-1", …}}, and `scores` beside it for external models',
        )
    if body.keys() - _MEMBERS:
        errors = (FieldError("unknown_field", "", "the body holds `event` and `scores` only"),)
        raise ProblemError(Problem("invalid_request", errors=errors))
    scores = body.get("scores", {})
    if not isinstance(scores, dict):
        raise refused("invalid_request", "`scores` is an object, by name the scores")
    return body["event"], scores


def idempotency_key(text: str) -> str:
    """The key of a request, or a refusal where there is none."""
    # Structured-field strings stand in quotes (draft-ietf-httpapi-idempotency-key-header).
    key = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if not 0 < len(key) <= _KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise refused(
            "invalid_request",
            f"a decision needs an idempotency key of 1 to {_KEY_LENGTH} printable ASCII characters",
            "send `Idempotency-Key: …`, new for each payment and the same for its retries",
        )
    return key


def deadline_of(headers: Headers) -> int:
    """The deadline in milliseconds, 0 where the caller says none."""
    text = header(headers, b"tidegate-deadline-ms")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 8 and int(text) > 0):
        raise refused("invalid_request", "`Tidegate-Deadline-Ms` is a whole number of milliseconds")
    return int(text)


def priority_of(headers: Headers, client: ClientSettings | None) -> Priority:
    """The client's declared priority; a request may only ask for a lower one."""
    own: Priority = "normal" if client is None else client.priority
    asked = header(headers, b"tidegate-priority")
    if not asked:
        return own
    if asked not in _PRIORITIES:
        raise refused("invalid_request", "`Tidegate-Priority` is high, normal or low")
    if _PRIORITIES[asked] < _PRIORITIES[own]:
        return "low" if asked == "low" else "normal"
    return own
