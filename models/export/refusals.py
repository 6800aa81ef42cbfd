"""Why an estimator has no portable form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that cannot be represented exactly, and a way out."""

    message: str
    help: str

    def __str__(self) -> str:
        return f"{self.message}; {self.help}"


class ExportRefused(ValueError):  # noqa: N818 - the word of the field, as in EventRefused
    """An estimator, its inputs or its file cannot be exported; `reasons` holds at least one."""

    def __init__(self, reasons: Iterable[Reason]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("\n".join(map(str, self.reasons)))


def refusal(message: str, way_out: str) -> ExportRefused:
    """The exception for a single reason, to be raised."""
    return ExportRefused((Reason(message, way_out),))


def reason_of(problem: str) -> Reason:
    """A problem of `ModelRefused`, which holds its way out behind the last colon."""
    message, colon, way_out = problem.rpartition(": ")
    return Reason(message, way_out) if colon else Reason(problem, "train a smaller model")
