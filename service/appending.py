"""What routes share when they record something: errors of the ledger as problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.service.problems import FieldError, Problem, ProblemError
from tidegate.store.errors import LedgerBusyError, LedgerError

if TYPE_CHECKING:
    from tidegate.store.async_ledger import AsyncLedger
    from tidegate.store.batches import Recorded
    from tidegate.store.entries import Entry

MAX_REASON = 500
"""So many characters a reason may have."""


async def record(ledger: AsyncLedger, entry: Entry) -> Recorded:
    """Record an entry; `ProblemError` where it is not durable."""
    try:
        return await ledger.append(entry)
    except LedgerError as error:
        raise ProblemError(not_recorded(error)) from None


def not_recorded(error: LedgerError) -> Problem:
    """What a caller is told of an entry that was not acknowledged."""
    if isinstance(error, LedgerBusyError):
        return Problem("overloaded", "too much waits to be recorded", retry_after=1)
    return Problem(
        "unavailable",
        "the ledger does not record, and nothing is done that is not recorded",
        "send the same request again",
        retry_after=1,
    )


def text_of(body: object, name: str, most: int = MAX_REASON) -> str:
    """A text that the body must hold; `ProblemError` where it does not."""
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise wrong_field(name, "missing_field", f"`{name}` is a text and not empty")
    if len(value) > most:
        raise wrong_field(name, "too_long", f"`{name}` has at most {most} characters")
    if any(ord(c) < 32 and c not in "\n\t" for c in value):
        raise wrong_field(name, "wrong_type", f"`{name}` holds control characters")
    return value.strip()


def wrong_field(path: str, code: str, message: str, help: str = "") -> ProblemError:  # noqa: A002
    """One field of the body is not in order."""
    return ProblemError(Problem("invalid_request", errors=(FieldError(code, path, message, help),)))


def members(body: object, known: frozenset[str]) -> dict[str, object]:
    """The body as an object with no other members than these."""
    if not isinstance(body, dict):
        raise ProblemError(Problem("invalid_request", "the body is an object"))
    if body.keys() - known:
        names = ", ".join(sorted(known))
        raise ProblemError(Problem("invalid_request", f"the body holds {names} and nothing else"))
    return body
