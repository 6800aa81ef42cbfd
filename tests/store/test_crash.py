"""The short form of `make crash`: 30 kills of the writer on each database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import crash
from tidegate.store.ledger import Ledger


def test_nothing_acknowledged_is_lost_or_doubled(url: str, tmp_path: Path) -> None:
    figures = crash(url, tmp_path, kills=30, seed=1)
    assert figures.problems == []
    assert figures.kills == 30
    assert figures.acknowledged > 30


def test_an_early_acknowledgement_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the test: a writer that acknowledges before it commits loses some."""
    from tidegate.store import sqlite_storage

    real = Ledger._attempt

    def hasty(self: Ledger, batch):  # type: ignore[no-untyped-def]
        commit = self._storage.commit
        self._storage.commit = lambda: None  # type: ignore[method-assign]
        try:
            return real(self, batch)
        finally:
            self._storage.commit = commit  # type: ignore[method-assign]

    def begin(self: sqlite_storage.SqliteStorage) -> None:
        if self._db.in_transaction:
            self._db.execute("COMMIT")
        self._db.execute("BEGIN IMMEDIATE")

    monkeypatch.setattr(Ledger, "_attempt", hasty)
    monkeypatch.setattr(sqlite_storage.SqliteStorage, "begin", begin)
    figures = crash(f"sqlite:///{tmp_path}/ledger.db", tmp_path, kills=15, seed=1)
    assert any("is lost" in problem or "was told as" in problem for problem in figures.problems)
