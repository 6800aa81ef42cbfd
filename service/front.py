"""What stands before every other route: the door, and problems instead of stack traces."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from tidegate.service.door import Door
from tidegate.service.hot import PATH, HotDecisions
from tidegate.service.http import (
    Disconnected,
    Message,
    Receive,
    Scope,
    Send,
    read_body,
    send_problem,
)
from tidegate.service.problems import Problem, ProblemError

_LOG = logging.getLogger("tidegate.front")
BODY = "tidegate.body"
"""Where in the scope's state a route finds what the door made of the body; None without one."""


class Front:
    """The application as the server calls it: the hot route first, then the door, then the rest.

    `forms` are paths that take a form and no JSON. `served` are method and path of every route.
    """

    def __init__(
        self,
        app: Any,
        hot: HotDecisions,
        door: Door,
        *,
        forms: Collection[str] = (),
        served: Collection[tuple[str, str]] = (),
    ) -> None:
        self.app = app
        self.served = frozenset(served)
        self._hot = hot
        self._door = door
        self._forms = frozenset(forms)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection: a request, or the life of the server."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["method"] == "POST" and scope["path"].startswith(PATH) and is_hot(scope["path"]):
            await self._hot(scope, receive, send)
        else:
            await self._other(scope, receive, send)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            self._door.check_target(scope.get("raw_path", b""), scope.get("query_string", b""))
            self._door.check_headers(scope["headers"])
            raw = await read_body(receive, self._door.limits.body_bytes)
            state = scope.setdefault("state", {})
            if scope["path"] in self._forms:
                self._door.check_target(b"", raw)
            else:
                state[BODY] = self._door.read_body(raw) if raw else None
            await self.app(scope, _replayed(raw, receive), watched)
        except ProblemError as error:
            await send_problem(send, error.problem)
        except Disconnected:
            return
        except Exception:  # noqa: BLE001 - the last line of defence
            _LOG.exception("a request failed")
            if not begun:
                await send_problem(send, Problem("internal"))


def is_hot(path: str) -> bool:
    """Whether a POST to this path asks for one decision."""
    return "/" not in path[len(PATH) :] and len(path) > len(PATH)


def _replayed(raw: bytes, receive: Receive) -> Receive:
    """The body once more, for whoever reads it, then what the connection says."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": raw, "more_body": False}

    return again
