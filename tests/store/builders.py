"""Entries, and ledgers that were written by a given list of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg

from tidegate.store.database import parse_url
from tidegate.store.entries import Entry, Request
from tidegate.store.notes import VerifierKey, key_of
from tidegate.vault.memory import MemoryKeys

AT = "2026-11-25T08:00:00Z"


def decision(number: int, **changes: Any) -> Entry:
    """A decision about customer `number % 3`, with a payload and an idempotency key."""
    values: dict[str, Any] = {
        "kind": "decision",
        "id": f"d{number}",
        "at": AT,
        "facts": {"outcome": "approve", "reasons": ("R1", "R2"), "points": number},
        "payload": f"customer {number % 3} paid {number}.00".encode(),
        "subject": f"customer-{number % 3}",
        "transaction": f"tx-{number}",
        "request": request(number),
    }
    return Entry(**{**values, **changes})


def request(number: int, body: str = "") -> Request:
    """The request behind decision `number`."""
    return Request("shop", f"key-{number}", sha256(f"{number}{body}".encode()).digest())


def trusted(keys: MemoryKeys) -> list[VerifierKey]:
    """The verifier key of a ledger's signer."""
    return [key_of(keys.signer)]


@contextmanager
def raw(url: str) -> Iterator[Any]:
    """A connection past all guards: a tamperer with the database's own rights."""
    path = parse_url(url).path
    if path is not None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("DROP TRIGGER IF EXISTS leaves_no_update")
            connection.execute("DROP TRIGGER IF EXISTS leaves_no_delete")
            yield connection
        return
    with psycopg.connect(url, autocommit=True) as postgres:
        postgres.execute("DROP TRIGGER IF EXISTS leaves_no_change ON leaves")
        yield _Qmarks(postgres)


class _Qmarks:
    """PostgreSQL with SQLite's marks, so that one test serves both."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> Any:
        return self._connection.execute(statement.replace("?", "%s").encode(), values)


def files_of(folder: Path) -> bytes:
    """All bytes below a folder, to be searched."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
