"""What a request is refused with: problem details for HTTP (RFC 9457).

Each code has its status and title here and a line in docs/api.md. A problem never holds a value of
the request: it says where and what kind, in words of ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tidegate.engine.event import Refusal

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:tidegate:problem:"
"""A problem's `type` is this and its code."""

REALM = "tidegate"


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """What every problem of one code has in common."""

    status: int
    title: str


KINDS: Mapping[str, ProblemKind] = {
    code: ProblemKind(status, title)
    for status, codes in {
        400: {
            "bad_encoding": "The body is not UTF-8",
            "bad_json": "The body is not JSON",
            "bad_number": "A number of the body cannot be held",
            "bad_request": "The request cannot be read",
            "duplicate_key": "An object of the body names a field twice",
            "too_deep": "The body is nested too deep",
        },
        401: {
            "bad_algorithm": "The token is signed in a way that is not taken",
            "bad_claim": "A claim of the token has no form that is taken",
            "bad_signature": "The token's signature does not match",
            "bad_token": "The token cannot be read",
            "bad_token_type": "The token is of another type",
            "certificate_mismatch": "The token is bound to another certificate",
            "certificate_required": "The token is bound to a certificate, and none was shown",
            "missing_claim": "The token lacks a claim",
            "no_token": "The request has no bearer token",
            "token_expired": "The token has expired",
            "token_from_the_future": "The token says it was issued later than now",
            "token_lives_too_long": "The token lives longer than is taken",
            "token_not_yet_valid": "The token is not valid yet",
            "unknown_key": "The token is signed with a key that is not known",
            "wrong_audience": "The token is for another service",
            "wrong_issuer": "The token is from another issuer",
        },
        403: {
            "human_identity": "People do not use this route",
            "insufficient_scope": "The token's scope does not cover this route",
            "machine_identity": "Machines do not use this route",
            "not_granted": "No grant of the policy allows this",
            "out_of_grant": "The grant does not cover this event",
        },
        404: {"not_found": "There is no such thing here"},
        405: {"method_not_allowed": "The route does not take this method"},
        409: {"conflict": "The request does not fit the state of what it is about"},
        413: {"too_large": "The request is too large"},
        415: {"unsupported_media_type": "The body is of a type that is not taken"},
        422: {
            "idempotency_conflict": "The idempotency key was used for another request",
            "invalid_request": "The request was read, but is not in order",
            "sensitive_data_refused": "The request holds data that is never taken in",
        },
        429: {"rate_limited": "Too many requests"},
        431: {"headers_too_large": "The headers are too large"},
        500: {"internal": "The service failed"},
        503: {
            "keys_unavailable": "Tokens cannot be verified now",
            "overloaded": "The service has more to do than it can",
            "unavailable": "The service cannot record, and answers nothing it cannot record",
        },
    }.items()
    for code, title in codes.items()
}
"""Every code, its status and its title."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong: at `path` (empty: the whole), with a way out in `help`."""

    code: str
    path: str
    message: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is refused. `code` is one of `KINDS`; `retry_after` is in whole seconds."""

    code: str
    detail: str = ""
    help: str = ""
    errors: tuple[FieldError, ...] = ()
    retry_after: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.code not in KINDS:
            raise ValueError(f"`{self.code}` is no code of a problem")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.code].status

    @property
    def title(self) -> str:
        """The same for every problem of its code."""
        return KINDS[self.code].title

    def to_json(self) -> dict[str, object]:
        """The members of the answer; empty ones are left out."""
        members: dict[str, object] = {
            "type": TYPE_PREFIX + self.code,
            "title": self.title,
            "status": self.status,
            "code": self.code,
        }
        if self.detail:
            members["detail"] = self.detail
        if self.help:
            members["help"] = self.help
        if self.errors:
            members["errors"] = [_members_of(error) for error in self.errors]
        return members

    def to_bytes(self) -> bytes:
        """The body of the answer."""
        return json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":")).encode()

    def all_headers(self) -> dict[str, str]:
        """The answer's headers, names in small letters; a 401 says how to authenticate."""
        headers = {"content-type": MEDIA_TYPE, "cache-control": "no-store"}
        if self.status == 401:
            headers["www-authenticate"] = _challenge(self.code)
        elif self.code == "insufficient_scope":
            headers["www-authenticate"] = f'Bearer realm="{REALM}", error="insufficient_scope"'
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        return headers | dict(self.headers)


class ProblemError(Exception):
    """Ends the handling of a request: the answer is `problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def refused(code: str, detail: str = "", help: str = "") -> ProblemError:  # noqa: A002
    """A problem without errors of single fields, ready to be raised."""
    return ProblemError(Problem(code, detail, help))


def invalid(refusals: Iterable[Refusal]) -> Problem:
    """The problem of an event that the engine's door refused."""
    errors = tuple(FieldError(r.code, r.path, r.message, r.help) for r in refusals)
    if any(error.code == "card_number" for error in errors):
        return Problem("sensitive_data_refused", errors=errors)
    return Problem("invalid_request", errors=errors)


def _members_of(error: FieldError) -> dict[str, str]:
    members = {"code": error.code, "path": error.path, "message": error.message}
    return members | {"help": error.help} if error.help else members


def _challenge(code: str) -> str:
    """RFC 6750, 3: without a token no error is named."""
    if code == "no_token":
        return f'Bearer realm="{REALM}"'
    return f'Bearer realm="{REALM}", error="invalid_token", error_description="{KINDS[code].title}"'
