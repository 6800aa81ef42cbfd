"""The writer's connection to PostgreSQL: synchronous commits, an advisory lock, COPY."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from psycopg import errors, sql

from tidegate.store.errors import LedgerError, SecondWriterError
from tidegate.store.storage import Storage

_LOCK = 0x7469646567617465  # "tidegate"
_COPY_FROM = 8
"""From so many rows on, COPY is faster than a prepared statement."""
_FATAL = (errors.IoError, errors.DataCorrupted, errors.IndexCorrupted, errors.InternalError)


class PostgresStorage(Storage):
    """A connection to a server; after a lost one `open` makes another."""

    errors = (psycopg.Error, OSError)

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    @property
    def _db(self) -> psycopg.Connection[tuple[Any, ...]]:
        assert self._connection is not None, "the storage is open"
        return self._connection

    def open(self) -> None:
        """Connect, and take the lock that ends with the session."""
        self.close()
        connection = psycopg.connect(
            self._url, autocommit=True, connect_timeout=10, application_name="tidegate ledger"
        )
        self._connection = connection
        connection.execute("SET synchronous_commit = on")
        connection.execute("SET default_transaction_isolation = 'read committed'")
        for name in ("fsync", "full_page_writes"):
            if self._read(f"SHOW {name}") != [("on",)]:
                raise LedgerError(f"the server runs with {name} off: what it commits may be lost")
        if self._read("SELECT pg_try_advisory_lock(?)", (_LOCK,)) != [(True,)]:
            self.close()
            raise SecondWriterError("another process writes to this ledger")

    def close(self) -> None:
        """Give up connection and lock."""
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def is_fatal(self, error: BaseException) -> bool:
        """Damage, failed writes of the server and rows that are there already."""
        return isinstance(error, (*_FATAL, psycopg.IntegrityError))

    def begin(self) -> None:
        """Begin a transaction; a connection that was lost is made anew before."""
        if self._connection is None or self._connection.closed or self._connection.broken:
            self.open()
        self._db.execute("BEGIN")

    def commit(self) -> None:
        """Return when the server's log is synced."""
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction, or drop the connection where that cannot be said."""
        if self._connection is None:
            return
        try:
            if self._connection.closed:
                self.close()
            elif self._connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self.close()

    def tidy(self, *, idle: bool) -> None:
        """Nothing: the server does it."""

    def empty_log(self) -> None:
        """Nothing: the server's log is archived and goes by its own rules (docs/ledger.md)."""

    def _read(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(_marks(statement), values).fetchall()

    def _write(self, statement: str, values: Sequence[Any] = ()) -> int:
        return self._db.execute(_marks(statement), values).rowcount

    def _read_in(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        query = _marks(statement.replace("IN ({in})", "= ANY(?)"))
        return self._db.execute(query, (list(values),), prepare=True).fetchall()

    def _insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        names = sql.SQL(",").join(map(sql.Identifier, columns))
        if len(rows) < _COPY_FROM:
            marks = sql.SQL(",").join([sql.Placeholder()] * len(columns))
            statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})")
            query = statement.format(sql.Identifier(table), names, marks)
            with self._db.cursor() as cursor:
                cursor.executemany(query, rows)
            return
        copy_in = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
        with self._db.cursor() as cursor, cursor.copy(copy_in) as copy:
            for row in rows:
                copy.write_row(row)

    def _stream(self, statement: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        with self._db.transaction(), self._db.cursor(name="tidegate_stream") as cursor:
            cursor.itersize = 10_000
            cursor.execute(_marks(statement), values)
            yield from cursor


def _marks(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()
