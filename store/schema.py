"""The tables of the ledger. `migrations/` makes them; a test holds the two against each other."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, text
from sqlmodel import Field, SQLModel

_NUMBER: Any = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite's row number is an INTEGER and nothing else."""


class LeafRow(SQLModel, table=True):
    """A leaf: numbers without a gap, from 0. Rows are never changed and never deleted."""

    __tablename__ = "leaves"
    __table_args__ = (Index("leaves_about", "about"),)

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
