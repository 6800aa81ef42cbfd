"""What a security watch wants to know, as typed events for a sink.

No event holds a token, a secret or a value of a request: routes are templates, places are names of
fields, principals are world and name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from tidegate.service.callers import Caller
from tidegate.service.problems import Problem

Seen = TypeVar("Seen")

UNKNOWN = "unknown"
"""The principal of a request whose token was not trusted."""


@dataclass(frozen=True, slots=True)
class AccessDenied:
    """A caller who is known was refused: `code` is that of the problem."""

    kind: ClassVar[str] = "access_denied"
    route: str
    principal: str
    code: str


@dataclass(frozen=True, slots=True)
class BadToken:
    """A token was refused."""

    kind: ClassVar[str] = "bad_token"
    route: str
    code: str


@dataclass(frozen=True, slots=True)
class SensitiveDataRefused:
    """Card numbers, tracks or codes were sent. `places`: pairs of kind and path."""

    kind: ClassVar[str] = "sensitive_data_refused"
    route: str
    principal: str
    places: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CredentialSharing:
    """One credential was seen from two principals, or one token from two certificates."""

    kind: ClassVar[str] = "credential_sharing"
    credential: str
    principals: tuple[str, str]


@dataclass(frozen=True, slots=True)
class RateLimited:
    """A caller sent more than it may."""

    kind: ClassVar[str] = "rate_limited"
    route: str
    principal: str


@dataclass(frozen=True, slots=True)
class FirstApproverUsed:
    """The first approver, whom a file named, used that right."""

    kind: ClassVar[str] = "first_approver_used"
    principal: str


SecurityEvent = (
    AccessDenied
    | BadToken
    | SensitiveDataRefused
    | CredentialSharing
    | RateLimited
    | FirstApproverUsed
)


class SecuritySink(Protocol):
    """Takes events: a log, a counter, the ledger. It must not wait."""

    def tell(self, event: SecurityEvent) -> None:
        """Take one event."""
        ...


def event_of(problem: Problem, route: str, caller: Caller | None) -> SecurityEvent | None:
    """What the watch is told of a refusal; None where it is of no interest to it."""
    principal = caller.principal if caller else UNKNOWN
    if problem.code == "sensitive_data_refused":
        places = tuple((error.code, error.path) for error in problem.errors)
        return SensitiveDataRefused(route, principal, places)
    if problem.code == "rate_limited":
        return RateLimited(route, principal)
    if problem.status == 401:
        return BadToken(route, problem.code)
    return AccessDenied(route, principal, problem.code) if problem.status == 403 else None


class SharingWatch:
    """Notices credentials in more hands than one; remembers at most `most` of them.

    A certificate belongs to one principal. A token that is bound to no certificate and comes over
    two of them is shared as well. Each pair is told once for as long as it is remembered.
    """

    def __init__(self, tell: Callable[[SecurityEvent], None], most: int = 10_000) -> None:
        self._tell = tell
        self._most = most
        self._owners: dict[str, str] = {}
        self._certificates: dict[bytes, str] = {}
        self._told: dict[tuple[str, str, str], None] = {}

    def see(self, caller: Caller, token_hash: bytes, thumbprint: str) -> None:
        """Look at a request whose token was trusted; `thumbprint` is that of its connection."""
        if not thumbprint:
            return
        owner = self._owners.setdefault(thumbprint, caller.principal)
        if owner != caller.principal:
            self._report("certificate", owner, caller.principal)
        # One that is bound to another certificate was refused before.
        first = self._certificates.setdefault(token_hash, thumbprint)
        if first != thumbprint:
            self._report("token", caller.principal, caller.principal)
        _keep(self._owners, self._most)
        _keep(self._certificates, self._most)
        _keep(self._told, self._most)

    def _report(self, credential: str, first: str, second: str) -> None:
        if (credential, first, second) not in self._told:
            self._told[credential, first, second] = None
            self._tell(CredentialSharing(credential, (first, second)))


def _keep(seen: dict[Seen, Any], most: int) -> None:
    while len(seen) > most:
        del seen[next(iter(seen))]
