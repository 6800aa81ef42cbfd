"""Rows beside the ledger: with their entry or not at all, on both kinds of database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.store.builders import decision, raw
from tidegate.store import database
from tidegate.store.cases import CaseReader, Place, place_of
from tidegate.store.database import parse_url
from tidegate.store.errors import LedgerError, RequestConflictError
from tidegate.store.ledger import open_ledger, storage_of
from tidegate.store.outbox import OutboxReader
from tidegate.store.reading import Reader
from tidegate.store.side_tables import Case, Deliveries, Postponed
from tidegate.vault.memory import MemoryKeys


def case(number: int, **changes: Any) -> Case:
    """A case of decision `number`."""
    made = Case(f"d{number}", f"d{number}", "review", "payment", 1, 1_000 + number)
    return replace(made, **changes)


def sent(number: int, *consumers: str) -> Any:
    """A decision with a case that two consumers are to be told of."""
    names = consumers or ("books", "stock")
    return decision(number, case=case(number), deliveries=Deliveries(names, 1_000 + number))


def test_rows_are_written_with_their_entry_once(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        futures = [ledger.append(sent(n)) for n in range(20)]
        futures += [ledger.append(sent(n)) for n in range(20)]  # retries of the same requests
        assert [f.result().repeated for f in futures] == [False] * 20 + [True] * 20
        other = replace(sent(1), request=decision(1, request=None).request)
        assert other.request is None
        ledger.append(decision(50, case=case(1, state="closed", verdict="good"))).result()
    with OutboxReader(url) as outbox, CaseReader(url) as cases:
        assert outbox.counts("books") == outbox.counts("stock") == (20, 0)
        assert [w.seq for w in outbox.due("books", 2_000, 5)] == [0, 1, 2, 3, 4]
        assert outbox.due("books", 999, 5) == []
        assert outbox.next_due_us("books") == 1_000
        assert outbox.next_due_us("nobody") is None
        assert len(cases.everything()) == 20
        assert cases.case("d1") == case(1, state="closed", verdict="good")
        assert cases.case("d2") == case(2)
        assert cases.case("none") is None


def test_a_refused_entry_leaves_no_row(url: str, keys: MemoryKeys) -> None:
    """A consumer would be told of a decision that was never made."""
    with open_ledger(url, keys) as ledger:
        ledger.append(decision(1)).result()
        bad = replace(sent(2), request=replace(decision(1).request, hash=b"other"))  # type: ignore[type-var]
        with pytest.raises(RequestConflictError):
            ledger.append(bad).result()
    with OutboxReader(url) as outbox, CaseReader(url) as cases:
        assert outbox.counts("books") == (0, 0)
        assert cases.everything() == []


@pytest.mark.parametrize("table", ["cases", "outbox"])
def test_an_entry_whose_row_cannot_be_written_is_not_recorded(
    url: str, keys: MemoryKeys, table: str
) -> None:
    """Half of a decision would be there: recorded, and nobody told."""
    ledger = open_ledger(url, keys)
    with raw(url) as tampered:
        tampered.execute(f"ALTER TABLE {table} RENAME TO gone")
    with pytest.raises(LedgerError):
        ledger.append(sent(1)).result()
    with raw(url) as tampered:
        tampered.execute(f"ALTER TABLE gone RENAME TO {table}")
    ledger.close()
    with Reader(url) as reader:
        assert reader.size() == 0
    with open_ledger(url, keys) as ledger:
        assert not ledger.append(sent(1)).result().repeated


def test_what_comes_of_deliveries(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger, OutboxReader(url) as outbox:
        for future in [ledger.append(sent(n)) for n in range(4)]:
            future.result()
        later = Postponed((1, "books"), 3, 9_000)
        ledger.finish_deliveries([(0, "books"), (99, "books")], [later])
        assert [w.delivery for w in outbox.due("books", 2_000, 9)] == [(2, "books"), (3, "books")]
        assert [(w.seq, w.attempts) for w in outbox.due("books", 9_000, 9)][-1] == (1, 3)
        assert outbox.counts("stock") == (4, 0)
        assert ledger.give_up_deliveries("books", 1_003) == 2
        assert ledger.give_up_deliveries("books", 1_003) == 0
        assert outbox.counts("books") == (1, 2)
        assert ledger.revive_deliveries("books", 5) == 2
        assert [w.seq for w in outbox.due("books", 5, 9)] == [1, 2]
        # The ledger goes on as if nothing had been.
        assert ledger.append(decision(9)).result().seq == 4


def test_the_queue_in_pages(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger, CaseReader(url) as cases:
        for n in range(9):
            own = case(n, priority=n % 3, opened_us=1_000 + n // 2)
            ledger.append(decision(n, case=own)).result()
        held = case(3, priority=0, opened_us=1_001, state="claimed", claimed_until_us=50)
        ledger.append(decision(20, case=replace(held, claimed_by="person:x"))).result()
        whole = cases.waiting(50, 99)
        assert whole == sorted(whole, key=lambda c: (c.priority, c.opened_us, c.id))
        assert len(whole) == 9
        assert len(cases.waiting(49, 99)) == 8
        assert [c.id for c in cases.claimed_by("person:x", 49, 9)] == ["d3"]
        assert cases.claimed_by("person:x", 50, 9) == []
        paged: list[Case] = []
        after: Place | None = None
        while page := cases.waiting(50, 2, after):
            paged += page
            after = place_of(page[-1])
        assert paged == whole
        assert cases.of_decision("d4") == [case(4, priority=1, opened_us=1_002)]
        assert cases.closed(9) == []


def test_rare_entries_are_found_by_kind(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        for n in range(30):
            kind = "list" if n % 10 == 0 else "decision"
            ledger.append(decision(n, kind=kind)).result()
    with Reader(url, keys.source) as reader:
        assert [r.leaf.seq for r in reader.of_kinds(("list", "snooze"))] == [0, 10, 20]
        assert [r.leaf.seq for r in reader.of_kinds(("list",), 10)] == [10, 20]
        assert all(r.payload for r in reader.of_kinds(("list",)))
        assert list(reader.of_kinds(("snooze",))) == []


def test_more_of_a_kind_than_are_read_at_once(
    url: str, keys: MemoryKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.store.reading._PART", 4)
    with open_ledger(url, keys) as ledger:
        for future in [ledger.append(decision(n, kind="list")) for n in range(12)]:
            future.result()
    with Reader(url) as reader:
        assert [r.leaf.seq for r in reader.of_kinds(("list",))] == list(range(12))


def test_a_ledger_of_the_release_before_goes_on(
    tmp_path: Path, keys: MemoryKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was recorded before there were cases would be lost, or not be found."""
    url = f"sqlite:///{tmp_path}/old.db"
    monkeypatch.setattr(database, "REVISION", "0001")
    database.prepare(parse_url(url))
    with raw(url) as old:
        found = old.execute("SELECT name FROM sqlite_master WHERE name = 'cases'").fetchall()
        assert found == []
    with open_ledger(url, keys) as ledger:
        ledger.append(decision(0)).result()
    monkeypatch.undo()
    with open_ledger(url, keys) as ledger:
        assert ledger.append(decision(0)).result().repeated
        ledger.append(sent(1)).result()
    with OutboxReader(url) as outbox:
        assert outbox.counts("books") == (1, 0)


def test_a_lost_connection_is_not_the_end_of_deliveries(url: str, keys: MemoryKeys) -> None:
    """A transaction that failed would leave the ledger shut."""
    with open_ledger(url, keys) as ledger:
        ledger.append(sent(1)).result()
        storage = ledger._storage
        commit: Callable[[], None] = storage.commit
        error = storage.errors[0]

        def fail() -> None:
            raise error("the disk is full")

        storage.commit = fail  # type: ignore[method-assign]
        with pytest.raises(LedgerError):
            ledger.finish_deliveries([(0, "books")], [])
        storage.commit = commit  # type: ignore[method-assign]
        if ledger.state != "stopped":  # SQLite calls an error without a code the end
            assert ledger.append(decision(2)).result().seq == 1
    assert storage_of(parse_url(url)).errors
