"""The writer's connection to SQLite: a write-ahead log, every commit synced, one process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tidegate.store.errors import LedgerError, SecondWriterError
from tidegate.store.storage import Storage

_BUSY_ROWS = 20_000
"""After so many rows the log is moved into the database even while entries wait."""
_IDLE_ROWS = 1_000
_MANY = 500
_FATAL = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
}


class SqliteStorage(Storage):
    """A connection to the database in a file.

    After a failed sync the system may hold pages that are on no disk and call them clean: every
    I/O error is fatal. A full disk is not; what was not committed is undone.
    """

    errors = (sqlite3.Error, OSError)

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None
        self._tidied = 0

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._connection is not None, "the storage is open"
        return self._connection

    def open(self) -> None:
        """Connect with full durability, under a lock that ends with the process."""
        if self._lock is None:
            self._lock = _lock(self._path.with_name(self._path.name + ".writer"))
        connection = sqlite3.connect(
            self._path, timeout=10, isolation_level=None, check_same_thread=False
        )
        self._connection = connection
        self._tidied = 0
        settings = {
            "journal_mode": "wal",
            "synchronous": 2,  # FULL: the log is synced before a commit returns
            "fullfsync": 1,  # where the system's sync leaves data in the drive's cache
            "checkpoint_fullfsync": 1,
            "secure_delete": 1,  # what is erased is overwritten
            "wal_autocheckpoint": 0,  # `tidy` does it, and sees its errors
        }
        for name, wanted in settings.items():
            (found,) = connection.execute(f"PRAGMA {name} = {wanted}").fetchone() or (None,)
            if found is None:
                (found,) = connection.execute(f"PRAGMA {name}").fetchone()
            if found != wanted:
                raise LedgerError(f"SQLite keeps {name} at {found}, not {wanted}")
        connection.execute("PRAGMA journal_size_limit = 67108864")

    def close(self) -> None:
        """Give up connection and lock."""
        if self._connection is not None:
            # What was acknowledged is in the log already.
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def is_fatal(self, error: BaseException) -> bool:
        """I/O errors, damage and rows that are there already; not a full or a busy disk."""
        code = getattr(error, "sqlite_errorcode", None)
        return not isinstance(error, sqlite3.Error) or code is None or code & 0xFF in _FATAL

    def begin(self) -> None:
        """Begin a transaction that writes."""
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Return when the log is synced."""
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction."""
        # Where this fails, the next look at the head tells what there is.
        with contextlib.suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def tidy(self, *, idle: bool) -> None:
        """Move the log into the database, early where nobody waits."""
        rows = self._db.total_changes
        if rows - self._tidied > (_IDLE_ROWS if idle else _BUSY_ROWS):
            self._tidied = rows
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def empty_log(self) -> None:
        """Move all of the log into the database and cut it: nothing erased stays behind in it."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _read(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(statement, values).fetchall()

    def _write(self, statement: str, values: Sequence[Any] = ()) -> int:
        return self._db.execute(statement, values).rowcount

    def _read_in(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        found = []
        for start in range(0, len(values), _MANY):
            part = values[start : start + _MANY]
            marks = ",".join("?" * len(part))
            found += self._db.execute(statement.replace("{in}", marks), part).fetchall()
        return found

    def _insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        marks = ",".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({','.join(columns)}) VALUES ({marks})"  # noqa: S608
        self._db.executemany(statement, rows)

    def _stream(self, statement: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        yield from self._db.execute(statement, values)


def _lock(path: Path) -> int:
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise SecondWriterError(f"another process writes to this ledger (`{path}`)") from None
    return handle
