"""Rows beside the ledger: written in the transaction of the entry that they follow from.

Cases are what the entries about them add up to, kept so that they can be asked for by state and
age. Deliveries are decisions that a consumer has not taken yet. Neither holds what was decided:
that is in the ledger alone, encrypted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Literal, TypeAlias

CaseState: TypeAlias = Literal["open", "claimed", "closed"]
Delivery: TypeAlias = tuple[int, str]
"""The number of an entry and the consumer that is to get it."""


@dataclass(frozen=True, slots=True)
class Case:
    """A decision that a person is to look at.

    id: the decision's for a review, one of its own for a contest. priority: lower comes first.
    claimed_by, claimed_until_us: who works on it, and until when nobody else may. verdict: fraud,
    good, unsure, or empty while there is none. Times are UTC microseconds.
    """

    id: str
    decision: str
    cause: str
    event: str
    priority: int
    opened_us: int
    state: CaseState = "open"
    claimed_by: str = ""
    claimed_until_us: int = 0
    verdict: str = ""
    closed_us: int = 0


CASE_COLUMNS = tuple(field.name for field in fields(Case))


@dataclass(frozen=True, slots=True)
class Deliveries:
    """To whom an entry is to be delivered, and from when on (UTC microseconds)."""

    consumers: tuple[str, ...]
    due_us: int


DELIVERY_COLUMNS = ("seq", "consumer", "created_us", "due_us", "attempts")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that is due. `attempts` were made in vain since `created_us`."""

    seq: int
    consumer: str
    created_us: int
    attempts: int

    @property
    def delivery(self) -> Delivery:
        """What names it."""
        return self.seq, self.consumer


@dataclass(frozen=True, slots=True)
class Postponed:
    """A delivery that failed, and when it is to be tried again."""

    delivery: Delivery
    attempts: int
    due_us: int


def case_row(case: Case) -> tuple[object, ...]:
    """The values of `CASE_COLUMNS`."""
    return astuple(case)


def delivery_rows(seq: int, deliveries: Deliveries) -> list[tuple[object, ...]]:
    """The values of `DELIVERY_COLUMNS`, a row a consumer."""
    due_us = deliveries.due_us
    return [(seq, consumer, due_us, due_us, 0) for consumer in deliveries.consumers]


def upsert(table: str, columns: Sequence[str], key: str) -> str:
    """A statement that inserts a row, or takes the place of the one with the same key."""
    names, marks = ",".join(columns), ",".join("?" * len(columns))
    changes = ",".join(f"{name}=excluded.{name}" for name in columns if name != key)
    return (
        f"INSERT INTO {table} ({names}) VALUES ({marks}) "  # noqa: S608 - names of our own
        f"ON CONFLICT ({key}) DO UPDATE SET {changes}"
    )
