"""Reading the outbox: what is due for a consumer, and how much was given up."""

from __future__ import annotations

from sqlalchemy import func
from sqlmodel import Session, col, select

from tidegate.store.connected_reader import ConnectedReader
from tidegate.store.schema import DeliveryRow
from tidegate.store.side_tables import Waiting


class OutboxReader(ConnectedReader):
    """Reads the deliveries beside one ledger. Thread-safe; `close` it, or use it in `with`."""

    def due(self, consumer: str, now_us: int, most: int) -> list[Waiting]:
        """The deliveries that are due, those that wait longest first."""
        with Session(self._engine) as session:
            found = (
                select(DeliveryRow)
                .where(DeliveryRow.consumer == consumer, col(DeliveryRow.due_us) <= now_us)
                .order_by(col(DeliveryRow.due_us), col(DeliveryRow.seq))
                .limit(most)
            )
            return [
                Waiting(row.seq, row.consumer, row.created_us, row.attempts)
                for row in session.exec(found)
            ]

    def next_due_us(self, consumer: str) -> int | None:
        """When the next delivery is due; None where nothing waits."""
        with Session(self._engine) as session:
            found = select(func.min(col(DeliveryRow.due_us))).where(
                DeliveryRow.consumer == consumer
            )
            return session.exec(found).one()

    def counts(self, consumer: str) -> tuple[int, int]:
        """How many deliveries wait, and how many were given up."""
        with Session(self._engine) as session:
            found = select(func.count(), func.count(col(DeliveryRow.due_us))).where(
                DeliveryRow.consumer == consumer
            )
            total, waiting = session.exec(found).one()
            return int(waiting), int(total) - int(waiting)
