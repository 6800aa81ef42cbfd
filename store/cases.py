"""Reading cases: the queue, one case, the cases of a decision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from sqlmodel import Session, col, or_, select

from tidegate.store.connected_reader import ConnectedReader
from tidegate.store.schema import CaseRow
from tidegate.store.side_tables import CASE_COLUMNS, Case


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of the queue ends: what comes after it is on the next one."""

    priority: int
    opened_us: int
    id: str


def place_of(case: Case) -> Place:
    """Where the case stands in the queue."""
    return Place(case.priority, case.opened_us, case.id)


class CaseReader(ConnectedReader):
    """Reads the cases beside one ledger. Thread-safe; `close` it, or use it in `with`."""

    def case(self, case_id: str) -> Case | None:
        """The case with this id, if there is one."""
        with Session(self._engine) as session:
            row = session.get(CaseRow, case_id)
            return None if row is None else _case(row)

    def of_decision(self, decision: str) -> list[Case]:
        """All cases of a decision, the oldest first."""
        with Session(self._engine) as session:
            found = (
                select(CaseRow)
                .where(CaseRow.decision == decision)
                .order_by(col(CaseRow.opened_us), col(CaseRow.id))
            )
            return [_case(row) for row in session.exec(found)]

    def waiting(self, now_us: int, most: int, after: Place | None = None) -> list[Case]:
        """The cases that somebody may claim, the most urgent and then the oldest first."""
        free = or_(
            col(CaseRow.state) == "open",
            (col(CaseRow.state) == "claimed") & (col(CaseRow.claimed_until_us) <= now_us),
        )
        return self._page((free,), most, after)

    def claimed_by(
        self, person: str, now_us: int, most: int, after: Place | None = None
    ) -> list[Case]:
        """The cases that this person works on now."""
        own = (
            CaseRow.state == "claimed",
            CaseRow.claimed_by == person,
            col(CaseRow.claimed_until_us) > now_us,
        )
        return self._page(own, most, after)

    def closed(self, most: int, after: Place | None = None) -> list[Case]:
        """The cases with a verdict."""
        return self._page((CaseRow.state == "closed",), most, after)

    def everything(self) -> list[Case]:
        """All cases by id: to be held against what the ledger adds up to."""
        with Session(self._engine) as session:
            rows = session.exec(select(CaseRow).order_by(col(CaseRow.id)))
            return [_case(row) for row in rows]

    def _page(self, wanted: Iterable[object], most: int, after: Place | None) -> list[Case]:
        order = (col(CaseRow.priority), col(CaseRow.opened_us), col(CaseRow.id))
        found = select(CaseRow).where(*cast("Sequence[bool]", tuple(wanted)))
        if after is not None:
            first, second, third = order
            found = found.where(
                or_(
                    first > after.priority,
                    (first == after.priority) & (second > after.opened_us),
                    (first == after.priority) & (second == after.opened_us) & (third > after.id),
                )
            )
        with Session(self._engine) as session:
            return [_case(row) for row in session.exec(found.order_by(*order).limit(most))]


def _case(row: CaseRow) -> Case:
    return Case(**{name: getattr(row, name) for name in CASE_COLUMNS})
