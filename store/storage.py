"""What the writer needs of a database, and the statements that both kinds share.

One connection, used by one thread. The statements are plain SQL by the raw driver: row by row
through an ORM costs ten times as much (`bench/ledger.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tidegate.store.sealing import Sealed

LeafTuple: TypeAlias = tuple[int, bytes, str, str, bytes]
"""seq, hash, kind, about, leaf."""
KeyTuple: TypeAlias = tuple[bytes, str, bytes | None, bytes]
"""id, month, subject, wrapped."""

LEAF_COLUMNS = ("seq", "hash", "kind", "about", "leaf")
PAYLOAD_COLUMNS = ("seq", "key_id", "lookup", "nonce", "ciphertext")
KEY_COLUMNS = ("id", "month", "subject", "wrapped")
REQUEST_COLUMNS = ("key", "hash", "seq")


@dataclass(slots=True)
class Rows:
    """All that one batch inserts, in the order of its columns."""

    leaves: list[LeafTuple] = field(default_factory=list)
    payloads: list[tuple[Any, ...]] = field(default_factory=list)
    keys: list[KeyTuple] = field(default_factory=list)
    requests: list[tuple[bytes, bytes, int]] = field(default_factory=list)

    def add_payload(self, seq: int, sealed: Sealed) -> None:
        """A payload of leaf `seq`."""
        self.payloads.append((seq, sealed.key_id, sealed.lookup, sealed.nonce, sealed.ciphertext))


class Storage(ABC):
    """A connection that writes. Every method may raise one of `errors`."""

    errors: tuple[type[BaseException], ...]
    """What the driver raises."""

    # --- the connection

    @abstractmethod
    def open(self) -> None:
        """Connect, and refuse (`SecondWriterError`) where another process writes."""

    @abstractmethod
    def close(self) -> None:
        """Give up connection and lock; never raises one of `errors`."""

    @abstractmethod
    def is_fatal(self, error: BaseException) -> bool:
        """Whether nothing that this database says can be relied on after `error`."""

    @abstractmethod
    def begin(self) -> None:
        """Begin a transaction that writes."""

    @abstractmethod
    def commit(self) -> None:
        """Return when the transaction is on stable storage."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo the transaction; never raises one of `errors`."""

    @abstractmethod
    def tidy(self, *, idle: bool) -> None:
        """Do what a database wants done between transactions."""

    @abstractmethod
    def empty_log(self) -> None:
        """Leave nothing of what was erased behind in the database's log, where that is in hand."""

    # --- statements

    @abstractmethod
    def _read(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query; `?` stands for a value."""

    @abstractmethod
    def _write(self, statement: str, values: Sequence[Any] = ()) -> int:
        """How many rows a statement changed."""

    @abstractmethod
    def _read_in(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a query whose `{in}` is the list of values."""

    @abstractmethod
    def _insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows."""

    @abstractmethod
    def _stream(self, statement: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, a part at a time."""

    def insert(self, rows: Rows) -> None:
        """Insert a batch; keys first, so that no payload is ever without one."""
        if rows.keys:
            self._insert("data_keys", KEY_COLUMNS, rows.keys)
        self._insert("leaves", LEAF_COLUMNS, rows.leaves)
        if rows.payloads:
            self._insert("payloads", PAYLOAD_COLUMNS, rows.payloads)
        if rows.requests:
            self._insert("requests", REQUEST_COLUMNS, rows.requests)

    def head(self) -> tuple[int, bytes | None]:
        """The number of leaves and the hash of the last one."""
        rows = self._read("SELECT seq, hash FROM leaves ORDER BY seq DESC LIMIT 1")
        return (rows[0][0] + 1, bytes(rows[0][1])) if rows else (0, None)

    def hashes(self) -> Iterator[tuple[int, bytes]]:
        """Number and hash of every leaf, in order."""
        for seq, hashed in self._stream("SELECT seq, hash FROM leaves ORDER BY seq", ()):
            yield seq, bytes(hashed)

    def leaves_from(self, seq: int) -> Iterator[LeafTuple]:
        """All leaves from `seq` on, in order."""
        statement = "SELECT seq, hash, kind, about, leaf FROM leaves WHERE seq >= ? ORDER BY seq"
        for number, hashed, kind, about, leaf in self._stream(statement, (seq,)):
            yield number, bytes(hashed), kind, about, bytes(leaf)

    def leaf(self, seq: int) -> LeafTuple:
        """One leaf, which is there."""
        statement = "SELECT seq, hash, kind, about, leaf FROM leaves WHERE seq = ?"
        ((number, hashed, kind, about, leaf),) = self._read(statement, (seq,))
        return number, bytes(hashed), kind, about, bytes(leaf)

    def requests(self, keys: Sequence[bytes]) -> dict[bytes, tuple[bytes, int]]:
        """Hash and leaf number of those requests that are known."""
        statement = "SELECT key, hash, seq FROM requests WHERE key IN ({in})"
        return {bytes(key): (bytes(h), seq) for key, h, seq in self._read_in(statement, keys)}

    def keys_of(self, subjects: Sequence[bytes]) -> list[tuple[bytes, bytes, str, bytes]]:
        """Subject, id, month and wrapped form of the keys of these subjects."""
        statement = "SELECT subject, id, month, wrapped FROM data_keys WHERE subject IN ({in})"
        return [
            (bytes(subject), bytes(key_id), month, bytes(wrapped))
            for subject, key_id, month, wrapped in self._read_in(statement, subjects)
        ]

    def erase_keys(self, ids: Sequence[bytes], seq: int) -> None:
        """Drop the wrapped form and the subject of these keys; leaf `seq` says so."""
        for key_id in ids:
            self._write(
                "UPDATE data_keys SET subject = NULL, wrapped = NULL, erased_seq = ? WHERE id = ?",
                (seq, key_id),
            )

    def keys_before(self, month: str) -> list[bytes]:
        """The keys of all months before this one that still have a wrapped form."""
        statement = "SELECT id FROM data_keys WHERE month < ? AND wrapped IS NOT NULL"
        return [bytes(key_id) for (key_id,) in self._read(statement, (month,))]

    def drop_payloads_before(self, month: str) -> int:
        """Delete payloads and requests of all months before this one; how many payloads went."""
        old = "SELECT id FROM data_keys WHERE month < ?"
        last = f"SELECT max(seq) FROM payloads WHERE key_id IN ({old})"  # noqa: S608
        self._write(f"DELETE FROM requests WHERE seq <= ({last})", (month,))  # noqa: S608
        return self._write(f"DELETE FROM payloads WHERE key_id IN ({old})", (month,))  # noqa: S608

    def last_checkpoint(self) -> tuple[int, str] | None:
        """Size and note of the newest checkpoint."""
        rows = self._read("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1")
        return (rows[0][0], rows[0][1]) if rows else None

    def insert_checkpoint(self, size: int, note: str) -> None:
        """Keep a checkpoint."""
        self._insert("checkpoints", ("size", "note"), [(size, note)])
