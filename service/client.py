"""A small client: decisions with retries under one key, and what stands where there is none.

    from tidegate.service.client import Client, Credentials

    with Client("http://127.0.0.1:8080", Credentials("checkout", secret)) as client:
        decision = client.decide("payment", payment, key="order-1", silent="review")
        decision.word                         # approve, review, step_up or decline
        client.explanation(decision.id, "subject")

Every retry is the same request byte for byte, so it gets the same decision. Where none comes in
time, the event's `silent` answer stands, which the caller gives: nothing is ever made up here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

import httpx

Word = Literal["approve", "review", "step_up", "decline"]
Audience = Literal["subject", "merchant", "analyst", "auditor"]

_RETRIED = frozenset({429, 502, 503, 504})
_EARLIER_S = 30.0
"""So long before a token ends, a new one is fetched."""


class RequestRefused(Exception):  # noqa: N818 - named as the service's own refusals
    """The service refused the request; `code` is that of the problem, `problem` all of it."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", ""))
        self.problem = problem
        super().__init__(f"{status} {self.code}: {problem.get('title', '')}")


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision. `word` is the one word for simple callers, `body` the whole answer.

    decided_by: `tidegate`, or `fallback` where no answer came and the caller's `silent` stands;
    then `id` is empty and `body` too. `body` is the same for every retry of a key.
    """

    word: Word
    id: str = ""
    mode: str = "silent"
    decided_by: Literal["tidegate", "fallback"] = "tidegate"
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The codes of the reasons, the main one first."""
        return tuple(str(reason["code"]) for reason in self.body.get("reasons", ()))


@dataclass(frozen=True, slots=True)
class Credentials:
    """A client's name and secret, for a token by client credentials."""

    name: str
    secret: str = field(repr=False)
    scopes: Sequence[str] = ("decide", "read_decisions")
    path: str = "/oauth/token"


class Client:
    """Talks to one service; `close` it, or use it in `with`. For one thread.

    `credentials` are a client's, or a function that gives a bearer token. `http` replaces the
    connection: for certificates of one's own, and for tests.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | Callable[[], str],
        *,
        http: httpx.Client | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = http or httpx.Client(base_url=url)
        self._credentials = credentials
        self._clock = clock
        self._sleep = sleep
        self._token = ""
        self._token_until = float("-inf")

    def decide(
        self,
        event_type: str,
        event: Mapping[str, Any],
        *,
        key: str,
        silent: Word,
        scores: Mapping[str, Any] | None = None,
        deadline_ms: int = 2_000,
    ) -> Decision:
        """Decide an event, retried under its key until the deadline; else `silent` stands.

        `RequestRefused` where the service says no: a retry would not help.
        """
        members = {"event": dict(event)} | ({"scores": dict(scores)} if scores else {})
        content = json.dumps(members, ensure_ascii=False).encode()
        ends = self._clock() + deadline_ms / 1_000
        pause = 0.02
        while (left := ends - self._clock()) > 0:
            headers = {
                "idempotency-key": key,
                "tidegate-deadline-ms": str(max(int(left * 1_000), 1)),
                "content-type": "application/json",
            }
            try:
                answer = self._send(
                    "POST", f"/v1/decisions/{event_type}", left, content=content, headers=headers
                )
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code not in _RETRIED:
                body = _members(answer)
                return Decision(
                    body["outcome"]["word"], body["decision_id"], body["mode"], body=body
                )
            self._sleep(min(pause, max(ends - self._clock(), 0.0)))
            pause = min(pause * 2, 0.5)
        return Decision(silent, decided_by="fallback")

    def decision(self, decision_id: str) -> Mapping[str, Any]:
        """A decision as it was recorded, as far as the caller's grants show it."""
        return _members(self._send("GET", f"/v1/decisions/{decision_id}", 10.0))

    def explanation(self, decision_id: str, audience: Audience = "subject") -> Mapping[str, Any]:
        """Why it fell, as this audience is told."""
        path = f"/v1/decisions/{decision_id}/explanation"
        return _members(self._send("GET", path, 10.0, params={"audience": audience}))

    def close(self) -> None:
        """Give up the connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _send(
        self,
        method: str,
        path: str,
        timeout_s: float,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        said = {"authorization": f"Bearer {self._bearer(timeout_s)}", **(headers or {})}
        return self._http.request(
            method, path, content=content, headers=said, params=params, timeout=timeout_s
        )

    def _bearer(self, timeout_s: float) -> str:
        if callable(self._credentials):
            return self._credentials()
        if self._clock() >= self._token_until:
            known = self._credentials
            answer = self._http.post(
                known.path,
                data={"grant_type": "client_credentials", "scope": " ".join(known.scopes)},
                auth=(known.name, known.secret),
                timeout=timeout_s,
            )
            found = _members(answer)
            self._token = str(found["access_token"])
            self._token_until = self._clock() + float(found["expires_in"]) - _EARLIER_S
        return self._token


def _members(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        members = answer.json()
    except ValueError:
        members = {}
    if answer.status_code >= 400 or not isinstance(members, dict):
        raise RequestRefused(answer.status_code, members if isinstance(members, dict) else {})
    return members
