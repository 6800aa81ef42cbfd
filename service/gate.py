"""Whom a route lets in: a trusted token, the rate of its caller, and the table of access."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import Request

from tidegate.engine.grants import Grants
from tidegate.service.access import Access, AccessTable, check_caller
from tidegate.service.callers import Caller
from tidegate.service.http import Scope, header
from tidegate.service.limits import RateLimits
from tidegate.service.problems import Problem, ProblemError
from tidegate.service.security_events import SecurityEvent, event_of


class VerifiesTokens(Protocol):
    """`service.tokens.TokenVerifier` is one."""

    def caller_of(self, authorization: bytes | None, thumbprint: str = "") -> Caller:
        """Who sent the header; `ProblemError` where that cannot be trusted."""
        ...


THUMBPRINT = "tidegate_thumbprint"
"""Where the server puts the thumbprint of a client's certificate, among the TLS extension."""


def no_sink(_event: SecurityEvent) -> None:
    """Where nobody watches."""


class Gate:
    """Lets callers in, route by route, and tells the watch whom it did not."""

    def __init__(
        self,
        verifier: VerifiesTokens,
        table: AccessTable,
        grants: Grants,
        limits: RateLimits,
        tell: Callable[[SecurityEvent], None] = no_sink,
    ) -> None:
        self.grants = grants
        self.table = table
        self._verifier = verifier
        self._limits = limits
        self._tell = tell

    def enter(self, access: Access, scope: Scope) -> Caller:
        """The caller of a request who may use the route at all; `ProblemError` for all others."""
        caller: Caller | None = None
        try:
            authorization = header(scope["headers"], b"authorization")
            caller = self._verifier.caller_of(
                authorization.encode("latin-1") if authorization else None, thumbprint(scope)
            )
            self._limits.take(caller.principal)
            check_caller(access, caller, self.grants)
        except ProblemError as error:
            self.tell(error.problem, access.route, caller)
            raise
        return caller

    def take(self, caller: Caller, cost: int) -> None:
        """Count what a request asks for beyond its one."""
        self._limits.take(caller.principal, cost)

    def tell(self, problem: Problem, route: str, caller: Caller | None) -> None:
        """Tell the watch of a refusal that it wants to know of."""
        event = event_of(problem, route, caller)
        if event is not None:
            self._tell(event)

    def admits(self, method: str, path: str) -> Callable[[Request], Awaitable[Caller]]:
        """A dependency for FastAPI: the caller of this route."""
        access = self.table.of(method, path)

        async def caller_of(request: Request) -> Caller:
            return self.enter(access, request.scope)

        return caller_of


def thumbprint(scope: Scope) -> str:
    """That of the client's certificate, as the server's TLS extension gives it; else empty."""
    extension = scope.get("extensions", {}).get("tls", {})
    found = extension.get(THUMBPRINT, "")
    return found if isinstance(found, str) else ""
