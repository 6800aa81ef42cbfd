"""Copies of the embedded ledger, verified before they count. Of PostgreSQL: `pg_dump`, see
docs/ledger.md.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from tidegate.store.database import parse_url, sync_folder
from tidegate.store.errors import LedgerError, TamperedLedgerError
from tidegate.store.reading import Reader
from tidegate.store.verification import Verified, verify_ledger

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.store.notes import VerifierKey


def back_up(url: str, target: Path, keys: Sequence[VerifierKey]) -> Verified:
    """Copy the ledger at `url` into the file `target` while its writer goes on, and verify it.

    `LedgerError` where the target is there already, `TamperedLedgerError` where the copy is not
    sound; it is removed then.
    """
    source = _path(url)
    return _copy(source, target, keys, ())


def restore(backup: Path, url: str, keys: Sequence[VerifierKey], heads: Sequence[str]) -> Verified:
    """Put a backup in the place of a ledger that is gone, and verify it against `heads`.

    `LedgerError` where a ledger is there, `TamperedLedgerError` where the backup is older than an
    anchored head: what was recorded after it is lost, and a person has to decide what follows.
    """
    return _copy(backup, _path(url), keys, heads)


def _copy(
    source: Path, target: Path, keys: Sequence[VerifierKey], heads: Sequence[str]
) -> Verified:
    if not source.exists():
        raise LedgerError(f"`{source}` is not there")
    if target.exists():
        raise LedgerError(f"`{target}` is there already")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.draft")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with (
            closing(sqlite3.connect(source, timeout=10)) as old,
            closing(sqlite3.connect(draft)) as new,
        ):
            old.backup(new)
            new.execute("PRAGMA journal_mode = delete")
        with Reader(f"sqlite:///{draft}") as reader:
            verified = verify_ledger(reader, keys, heads)
        if verified.findings:
            raise TamperedLedgerError(
                "the copy is not sound: " + "; ".join(one.said for one in verified.findings[:5])
            )
        handle = os.open(draft, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        draft.rename(target)
        sync_folder(target.parent)
    finally:
        draft.unlink(missing_ok=True)
    return verified


def _path(url: str) -> Path:
    path = parse_url(url).path
    if path is None:
        raise LedgerError("a PostgreSQL ledger is backed up by pg_dump: see docs/ledger.md")
    return path
