"""Ledgers for tests, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.servers import new_database, postgres_server
from tidegate.store.database import parse_url, prepare
from tidegate.vault.memory import MemoryKeys


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Give the URL of a PostgreSQL server."""
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty ledger of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    made = new_database(request.getfixturevalue("server"))
    prepare(parse_url(made), migrate=True)
    return made


@pytest.fixture
def keys() -> MemoryKeys:
    """Give keys that live as long as the test."""
    return MemoryKeys()
