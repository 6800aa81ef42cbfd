"""What consumers are told of a decision: as much as their grants show of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from tidegate.dsl.lists import Lists
from tidegate.dsl.types import Value
from tidegate.engine.grants import Grants
from tidegate.service.answers import answer_of, to_bytes
from tidegate.service.outbox import Consumer, Message
from tidegate.service.problems import ProblemError
from tidegate.store.side_tables import Deliveries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.service.decisions import Found
    from tidegate.store.reading import Read


class ReadsBySeq(Protocol):
    """`store.reading.Reader` is one."""

    def by_seq(self, seq: int) -> Read:
        """The entry with this number."""
        ...


class Recipients:
    """Which consumers are told of a decision: those whose grant lets them read it."""

    def __init__(self, consumers: Sequence[Consumer], grants: Grants) -> None:
        self._consumers = tuple(consumers)
        self._grants = grants

    def of(
        self, event: str, values: Mapping[str, Value | None], lists: Lists, at_us: int
    ) -> Deliveries | None:
        """The deliveries of a decision; None where nobody is told."""
        names = tuple(
            consumer.name
            for consumer in self._consumers
            if self._grants.permission(
                "client", frozenset({consumer.client}), "read_decisions", event,
                values=values, lists=lists,
            ).allowed
        )  # fmt: skip
        return Deliveries(names, at_us) if names else None


class DecisionMessages:
    """Makes the messages of recorded decisions. For threads."""

    def __init__(
        self,
        reader: ReadsBySeq,
        found: Callable[[Read], Found],
        grants: Grants,
        lists: Callable[[], Lists],
    ) -> None:
        """`found` reads a decision's entry; it raises `ProblemError` where that cannot be."""
        self._reader = reader
        self._found = found
        self._grants = grants
        self._lists = lists

    def message(self, seq: int, client: str) -> Message | None:
        """None where it was erased, or no grant lets the client read it any more."""
        read = self._reader.by_seq(seq)
        try:
            found = self._found(read)
        except ProblemError:
            return None
        decided = found.explained.decided
        permission = self._grants.permission(
            "client",
            frozenset({client}),
            "read_decisions",
            decided.event,
            values=None if found.counted is None else found.counted.values,
            lists=self._lists(),
        )
        if not permission.allowed:
            return None
        body = {
            "type": "decision",
            "timestamp": decided.at,
            "data": answer_of(found.explained.program, decided, permission.sees),
        }
        return Message(decided.id, to_bytes(body))
