"""The tables of the ledger. `migrations/` makes them; a test holds the two against each other."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, text
from sqlmodel import Field, SQLModel

_NUMBER: Any = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite's row number is an INTEGER and nothing else."""


RARE_KINDS = "kind NOT IN ('decision', 'event')"
"""Which entries can be found by their kind, as the index and every query of it say."""


class LeafRow(SQLModel, table=True):
    """A leaf: numbers without a gap, from 0. Rows are never changed and never deleted."""

    __tablename__ = "leaves"
    __table_args__ = (
        Index("leaves_about", "about"),
        Index(
            "leaves_kind",
            "kind",
            "seq",
            sqlite_where=text(RARE_KINDS),
            postgresql_where=text(RARE_KINDS),
        ),
    )

    seq: int = Field(primary_key=True, sa_type=_NUMBER, sa_column_kwargs={"autoincrement": False})
    hash: bytes = Field(sa_type=LargeBinary)
    kind: str
    about: str
    leaf: bytes = Field(sa_type=LargeBinary)


class PayloadRow(SQLModel, table=True):
    """The encrypted part of a leaf; goes when its month's retention ends."""

    __tablename__ = "payloads"
    __table_args__ = (
        Index(
            "payloads_lookup",
            "lookup",
            sqlite_where=text("lookup IS NOT NULL"),
            postgresql_where=text("lookup IS NOT NULL"),
        ),
    )

    seq: int = Field(primary_key=True, sa_type=_NUMBER, sa_column_kwargs={"autoincrement": False})
    key_id: bytes = Field(sa_type=LargeBinary)
    lookup: bytes | None = Field(default=None, sa_type=LargeBinary)
    nonce: bytes = Field(sa_type=LargeBinary)
    ciphertext: bytes = Field(sa_type=LargeBinary)


class DataKeyRow(SQLModel, table=True):
    """A wrapped data key. `subject` is a keyed hash; of a destroyed key only id and month stay.

    Keys without a subject are for entries that concern nobody; each start makes one of its own.
    """

    __tablename__ = "data_keys"
    __table_args__ = (
        Index(
            "data_keys_subject",
            "subject",
            "month",
            unique=True,
            sqlite_where=text("subject IS NOT NULL"),
            postgresql_where=text("subject IS NOT NULL"),
        ),
    )

    id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    month: str
    subject: bytes | None = Field(default=None, sa_type=LargeBinary)
    wrapped: bytes | None = Field(default=None, sa_type=LargeBinary)
    erased_seq: int | None = Field(default=None, sa_type=_NUMBER)


class RequestRow(SQLModel, table=True):
    """Which leaf answered a request: keyed hashes of client and key, and of the body."""

    __tablename__ = "requests"
    __table_args__ = {"sqlite_with_rowid": False}

    key: bytes = Field(primary_key=True, sa_type=LargeBinary)
    hash: bytes = Field(sa_type=LargeBinary)
    seq: int = Field(sa_type=_NUMBER)


class CheckpointRow(SQLModel, table=True):
    """A signed head over the first `size` leaves."""

    __tablename__ = "checkpoints"

    size: int = Field(primary_key=True, sa_type=_NUMBER, sa_column_kwargs={"autoincrement": False})
    note: str


class CaseRow(SQLModel, table=True):
    """A case as the entries about it add up to; see `store.side_tables.Case`."""

    __tablename__ = "cases"
    __table_args__ = (Index("cases_queue", "state", "priority", "opened_us", "id"),)

    id: str = Field(primary_key=True)
    decision: str = Field(index=True)
    cause: str
    event: str
    priority: int
    opened_us: int = Field(sa_type=_NUMBER)
    state: str
    claimed_by: str
    claimed_until_us: int = Field(sa_type=_NUMBER)
    verdict: str
    closed_us: int = Field(sa_type=_NUMBER)


class DeliveryRow(SQLModel, table=True):
    """An entry that a consumer has not taken yet; without `due_us` it was given up."""

    __tablename__ = "outbox"
    __table_args__ = (Index("outbox_due", "consumer", "due_us"),)

    seq: int = Field(primary_key=True, sa_type=_NUMBER, sa_column_kwargs={"autoincrement": False})
    consumer: str = Field(primary_key=True)
    created_us: int = Field(sa_type=_NUMBER)
    due_us: int | None = Field(default=None, sa_type=_NUMBER)
    attempts: int
