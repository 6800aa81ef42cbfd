"""The k-th operation of the database fails, for every k: never an acknowledgement without a record.

Faults are injected between writer and driver, before or after the operation took effect: a full
disk, an I/O error, a lost connection. `tests/store/test_power.py` injects them below SQLite.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.store.builders import AT, decision, trusted
from tests.store.servers import new_database
from tidegate.store.database import parse_url, prepare
from tidegate.store.errors import LedgerStoppedError, LedgerUnavailableError
from tidegate.store.heads import Limits, read_heads
from tidegate.store.ledger import Ledger, open_ledger, storage_of
from tidegate.store.reading import Reader
from tidegate.store.storage import Storage
from tidegate.store.verification import verify_ledger
from tidegate.vault.keys import KeyDestroyedError
from tidegate.vault.memory import MemoryKeys

LIMITS = Limits(batch=4, checkpoint_leaves=6, checkpoint_seconds=1e9)


@dataclass(slots=True)
class Plan:
    """Which operation fails, how, and whether it took effect first; `count` is how many ran.

    fail_at: by its number; fail_on: the first of that name, once.
    """

    fail_at: int = -1
    fail_on: str = ""
    error: Callable[[], BaseException] = RuntimeError
    after: bool = False
    count: int = 0
    failed: str = ""

    def run(self, what: str, operation: Callable[[], Any]) -> Any:
        self.count += 1
        if self.count - 1 != self.fail_at and what != self.fail_on:
            return operation()
        self.failed, self.fail_on = what, ""
        if self.after:
            operation()
        raise self.error()


def with_faults(storage: Storage, plan: Plan) -> Storage:
    """`storage`, with each of its operations passing through the plan."""

    class Faulty(type(storage)):  # type: ignore[misc]
        def begin(self) -> None:
            plan.run("begin", super().begin)

        def commit(self) -> None:
            plan.run("commit", super().commit)

        def tidy(self, *, idle: bool) -> None:
            plan.run("tidy", lambda: super(Faulty, self).tidy(idle=idle))

        def _read(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            found = plan.run("read", lambda: super(Faulty, self)._read(statement, values))
            return list(found)

        def _insert(
            self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
        ) -> None:
            plan.run(f"insert {table}", lambda: super(Faulty, self)._insert(table, columns, rows))

    storage.__class__ = Faulty
    return storage


def full(code: int) -> Callable[[], sqlite3.Error]:
    def make() -> sqlite3.Error:
        error = sqlite3.OperationalError("injected")
        error.sqlite_errorcode = code
        return error

    return make


FAULTS: dict[str, dict[str, Callable[[], BaseException]]] = {
    "sqlite": {
        "full": full(sqlite3.SQLITE_FULL),
        "busy": full(sqlite3.SQLITE_BUSY),
        "write": full(sqlite3.SQLITE_IOERR_WRITE),
        "fsync": full(sqlite3.SQLITE_IOERR_FSYNC),
    },
    "postgres": {
        "full": lambda: errors.DiskFull("injected"),
        "lost": lambda: psycopg.OperationalError("injected"),
        "io": lambda: errors.IoError("injected"),
    },
}
CASES = [
    (kind, name, after) for kind, faults in FAULTS.items() for name in faults for after in (0, 1)
]


@pytest.fixture
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Give a maker of empty ledgers of a kind."""
    template = tmp_path / "template.db"
    numbers = iter(range(10_000))
    servers: list[str] = []

    def make(kind: str) -> str:
        if kind == "sqlite":
            prepare(parse_url(f"sqlite:///{template}"))
            copy = tmp_path / f"{next(numbers)}.db"
            shutil.copy(template, copy)
            return f"sqlite:///{copy}"
        if not servers:
            servers.append(new_database(request.getfixturevalue("server")))
            prepare(parse_url(servers[0]), migrate=True)
        with psycopg.connect(servers[0], autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")  # past the triggers
            connection.execute("TRUNCATE leaves, payloads, data_keys, requests, checkpoints")
        return servers[0]

    return make


def scenario(url: str, keys: MemoryKeys, plan: Plan) -> tuple[dict[int, int], str]:
    """Send 14 decisions, twice where one was not acknowledged; the acknowledged ones' numbers."""
    place = parse_url(url)
    prepare(place)
    storage = storage_of(place)
    storage.open()
    heads = read_heads(storage, keys.signer, [])
    plan.count = 0
    ledger = Ledger(with_faults(storage, plan), keys, heads, LIMITS)
    acknowledged: dict[int, int] = {}
    for attempt in (1, 2, 3):
        waiting = []
        for number in range(14):
            if number in acknowledged:
                continue
            try:
                waiting.append((number, ledger.append(decision(number, id=f"{number}.{attempt}"))))
            except LedgerStoppedError:
                break
        for number, future in waiting:
            try:
                acknowledged[number] = future.result().seq
            except LedgerUnavailableError:
                continue
    failed_before = plan.failed
    ledger.close()  # an operation that failed after the last answer has been looked at by now
    return acknowledged, ledger.state if failed_before else "closed"


@pytest.mark.parametrize(("kind", "name", "after"), CASES)
def test_whichever_operation_fails_nothing_is_acknowledged_without_a_record(
    fresh: Callable[[str], str], keys: MemoryKeys, kind: str, name: str, after: int
) -> None:
    fatal = name in {"write", "fsync", "io"}
    k = 0
    while True:
        url = fresh(kind)
        plan = Plan(k, error=FAULTS[kind][name], after=bool(after))
        acknowledged, state = scenario(url, keys, plan)
        if not plan.failed:
            break
        where = (k, plan.failed, state)
        if state != "closed":
            assert (state == "stopped") == fatal, where
        if not fatal:
            assert set(acknowledged) == set(range(14)), where
        # A restart finds every acknowledged decision in its place, each key once.
        with open_ledger(url, keys) as ledger:
            for number in range(14):
                again = ledger.append(decision(number)).result()
                if number in acknowledged:
                    assert again.repeated, where
                    assert again.seq == acknowledged[number], where
            assert ledger.head.size == 14, where
        with Reader(url, keys.source) as reader:
            verified = verify_ledger(reader, trusted(keys), source=keys.source)
            assert verified.findings == (), where
            assert verified.opened == 14
        k += 1
    assert k > 15  # every kind of operation had its turn


def test_a_commit_that_took_effect_unnoticed_is_found_by_its_key(
    fresh: Callable[[str], str], keys: MemoryKeys
) -> None:
    """The connection is lost after the commit: not acknowledged, recorded, found again."""
    url = fresh("postgres")
    storage = storage_of(parse_url(url))
    storage.open()
    plan = Plan(error=lambda: psycopg.OperationalError("lost"), after=True)
    heads = read_heads(storage, keys.signer, [])
    ledger = Ledger(with_faults(storage, plan), keys, heads, Limits(checkpoint_seconds=1e9))
    ledger.append(decision(0)).result()
    plan.fail_on = "commit"
    with pytest.raises(LedgerUnavailableError):
        ledger.append(decision(1)).result()
    assert plan.failed == "commit"
    again = ledger.append(decision(1)).result()
    assert (again.repeated, again.seq) == (True, 1)
    assert ledger.append(decision(2)).result().seq == 2
    ledger.close()


def test_an_erasure_that_took_effect_unnoticed_is_finished(
    fresh: Callable[[str], str], keys: MemoryKeys
) -> None:
    """What the subject does afterwards must not be sealed under the key that is gone."""
    url = fresh("sqlite")
    storage = storage_of(parse_url(url))
    storage.open()
    plan = Plan(error=FAULTS["sqlite"]["busy"], after=True)
    heads = read_heads(storage, keys.signer, [])
    ledger = Ledger(with_faults(storage, plan), keys, heads, Limits(checkpoint_seconds=1e9))
    ledger.append(decision(1)).result()
    with Reader(url) as reader:
        ((key_id, wrapped),) = reader.wrapped_keys().items()
    ledger._call(lambda: None)
    plan.fail_on, plan.count = "commit", 0
    with pytest.raises(LedgerUnavailableError):
        ledger.erase("customer-1", entry_id="e", at=AT, reason="asked")
    assert plan.failed == "commit"
    ledger.append(decision(4)).result()
    with pytest.raises(KeyDestroyedError):
        keys.source.unwrap(key_id, wrapped or b"")
    with Reader(url, keys.source) as reader:
        assert [read.payload for read in reader.entries(kinds=("decision",))] == [
            None,
            decision(4).payload,
        ]
        assert verify_ledger(reader, trusted(keys), source=keys.source).findings == ()
    ledger.close()


def test_a_killed_session_is_made_anew(
    fresh: Callable[[str], str], keys: MemoryKeys, server: str
) -> None:
    url = fresh("postgres")
    with open_ledger(url, keys) as ledger, psycopg.connect(server, autocommit=True) as other:
        acknowledged = {}
        for number in range(40):
            if number % 4 == 3:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'tidegate ledger'"
                )
            try:
                acknowledged[number] = ledger.append(decision(number)).result().seq
            except LedgerUnavailableError:
                acknowledged[number] = ledger.append(decision(number)).result().seq
        assert sorted(acknowledged.values()) == list(range(40))


def test_a_server_without_fsync_is_refused(keys: MemoryKeys, server: str) -> None:
    """It would acknowledge what a power cut takes back."""
    url = new_database(server)
    prepare(parse_url(url), migrate=True)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
        try:
            for _ in range(500):
                if connection.execute("SHOW fsync").fetchone() == ("off",):
                    break
            with pytest.raises(Exception, match="fsync off"):
                open_ledger(url, keys)
        finally:
            connection.execute("ALTER SYSTEM RESET fsync")
            connection.execute("SELECT pg_reload_conf()")
