"""The writer: durable, gap-free, once per key, alone; and what it refuses to start on."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.store.builders import AT, decision, files_of, raw, request, trusted
from tidegate.engine.record import canonical_bytes
from tidegate.store.anchors import AnchorConflictError, FileAnchor
from tidegate.store.async_ledger import AsyncLedger
from tidegate.store.batches import Recorded
from tidegate.store.database import REVISIONS, parse_url, prepare
from tidegate.store.entries import (
    MAX_LEAF_BYTES,
    MAX_PAYLOAD_BYTES,
    Entry,
    EntryError,
    parse_leaf,
)
from tidegate.store.errors import (
    LedgerBusyError,
    LedgerError,
    LedgerStoppedError,
    LedgerUnavailableError,
    RequestConflictError,
    SchemaError,
    SecondWriterError,
    TamperedLedgerError,
)
from tidegate.store.heads import Limits
from tidegate.store.ledger import open_ledger
from tidegate.store.merkle import leaf_hash, tree_root
from tidegate.store.notes import key_of, verify_checkpoint
from tidegate.store.reading import Reader
from tidegate.store.verification import verify_ledger
from tidegate.vault.memory import MemoryKeys, seeded_signer


def test_what_is_acknowledged_can_be_read(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        recorded = [f.result() for f in [ledger.append(decision(n)) for n in range(50)]]
    assert [one.seq for one in recorded] == list(range(50))
    with Reader(url, keys.source) as reader:
        for number, one in enumerate(recorded):
            read = reader.by_seq(number)
            assert read.content == one.leaf
            assert leaf_hash(one.leaf) == one.hash
            assert read.payload == decision(number).payload
            assert read.leaf.facts == {
                "outcome": "approve",
                "points": number,
                "reasons": ["R1", "R2"],
            }
        assert reader.size() == 50


def test_a_leaf_is_canonical_json_without_anything_personal(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        one = ledger.append(decision(1, about="d0", facts={"é": "ü", "none": None})).result()
    leaf = json.loads(one.leaf)
    assert canonical_bytes(leaf) == one.leaf
    names = "about", "at", "checkpoint", "facts", "id", "kind", "payload", "schema", "seq"
    assert tuple(sorted(leaf)) == names
    assert b"customer" not in one.leaf
    assert b"tx-1" not in one.leaf


def test_nothing_personal_is_stored_in_the_clear(tmp_path: Path, keys: MemoryKeys) -> None:
    with open_ledger(f"sqlite:///{tmp_path}/l.db", keys) as ledger:
        for number in range(20):
            ledger.append(decision(number)).result()
    stored = files_of(tmp_path)
    assert b"approve" in stored
    for secret in (b"customer", b"tx-", b"key-1", b"shop"):
        assert secret not in stored


def test_the_head_is_that_of_the_leaves(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        futures = [ledger.append(decision(n)) for n in range(30)]
        recorded = [f.result() for f in futures]
        note = ledger.checkpoint()
    for one in recorded:
        hashes = [other.hash for other in recorded[: one.head.size]]
        assert one.head.size > one.seq
        assert one.head.root == tree_root(hashes)
    checkpoint = verify_checkpoint(note, trusted(keys))
    assert checkpoint.size == 30
    assert checkpoint.root == tree_root([one.hash for one in recorded])


def test_a_key_gives_its_record_back(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        first = ledger.append(decision(1)).result()
        again = ledger.append(decision(1, id="other")).result()
        assert again == replace(first, repeated=True, head=again.head)
        with pytest.raises(RequestConflictError) as conflict:
            ledger.append(decision(1, request=request(1, "other body"))).result()
        assert conflict.value.seq == first.seq
        assert ledger.head.size == 1
    with open_ledger(url, keys) as ledger:
        assert ledger.append(decision(1)).result().seq == first.seq
        assert ledger.head.size == 1


def test_keys_of_different_clients_are_different(url: str, keys: MemoryKeys) -> None:
    """Also where one name and key run into the other."""
    one, other = (
        replace(request(1), client="ab", key="c"),
        replace(request(1), client="a", key="bc"),
    )
    with open_ledger(url, keys) as ledger:
        assert not ledger.append(decision(1, request=one)).result().repeated
        assert not ledger.append(decision(2, request=other)).result().repeated


def test_duplicates_in_one_batch_get_one_record(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        held = hold(ledger)
        same = [ledger.append(decision(7, id=f"try{n}")) for n in range(20)]
        other = ledger.append(decision(7, request=request(7, "other")))
        held.set()
        results = [future.result() for future in same]
        assert len({one.seq for one in results}) == 1
        assert sum(not one.repeated for one in results) == 1
        assert {one.id for one in results} == {"try0"}
        with pytest.raises(RequestConflictError):
            other.result()
        assert ledger.head.size == 1


def hold(ledger: Any) -> threading.Event:
    """Keep the writer busy until the event is set, so that what is sent becomes one batch."""
    event, begun = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        event.wait()

    threading.Thread(target=lambda: ledger._call(wait), daemon=True).start()
    begun.wait()
    return event


def test_many_threads_with_retries_get_one_record_a_key(url: str, keys: MemoryKeys) -> None:
    seen: dict[int, set[tuple[int, bytes]]] = {n: set() for n in range(60)}

    def client(start: int) -> None:
        for n in range(60):
            number = (n + start) % 60
            one = ledger.append(decision(number, id=f"d{number}-{start}")).result()
            seen[number].add((one.seq, one.leaf))

    with open_ledger(url, keys) as ledger:
        threads = [threading.Thread(target=client, args=(start,)) for start in (0, 0, 20, 40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ledger.head.size == 60
    assert all(len(records) == 1 for records in seen.values())


def test_entries_without_payload_key_or_subject(url: str, keys: MemoryKeys) -> None:
    bare = Entry("heartbeat", "h1", AT)
    nobody = Entry("release", "r1", AT, payload=b"content")
    with open_ledger(url, keys) as ledger:
        assert parse_leaf(ledger.append(bare).result().leaf).payload is None
        ledger.append(nobody).result()
        ledger.append(replace(nobody, id="r2")).result()
    with Reader(url, keys.source) as reader:
        assert [read.payload for read in reader.entries()] == [None, b"content", b"content"]
        assert len(reader.wrapped_keys()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "Decision"},
        {"kind": 'x","y":"'},
        {"id": ""},
        {"id": 'a"b'},
        {"id": "a\n"},
        {"id": "é"},
        {"about": "a b"},
        {"at": "2026-11-25 08:00:00"},
        {"at": "2026-13-25T08:00:00Z"},
        {"at": "2026-11-25T08:00:00Z\n"},
        {"facts": {"score": 0.5}},
        {"facts": {"list": [1]}},
        {"facts": {1: "a"}},
        {"facts": {"half": "\ud800"}},
        {"facts": {"e": "e\u0301"}},
        {"facts": {"long": "x" * MAX_LEAF_BYTES}},
        {"facts": ("a",)},
        {"payload": None},
        {"payload": b"x" * (MAX_PAYLOAD_BYTES + 1)},
    ],
)
def test_what_cannot_be_recorded_is_refused_at_once(
    tmp_path: Path, keys: MemoryKeys, changes: dict[str, Any]
) -> None:
    """And does not take the others of its batch with it."""
    with open_ledger(f"sqlite:///{tmp_path}/l.db", keys) as ledger:
        with pytest.raises(EntryError):
            ledger.append(decision(1, **changes))
        assert ledger.append(decision(2)).result().seq == 0


def test_a_second_writer_is_refused_until_the_first_is_gone(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        with pytest.raises(SecondWriterError):
            open_ledger(url, keys)
        assert ledger.append(decision(1)).result().seq == 0
    open_ledger(url, keys).close()


def test_after_close_nothing_is_taken(url: str, keys: MemoryKeys) -> None:
    ledger = open_ledger(url, keys)
    waiting = [ledger.append(decision(n)) for n in range(10)]
    ledger.close()
    ledger.close()
    assert [future.result().seq for future in waiting] == list(range(10))
    with pytest.raises(LedgerStoppedError):
        ledger.append(decision(11))
    assert ledger.state == "closed"


def test_too_many_that_wait_are_refused(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys, limits=Limits(waiting=3)) as ledger:
        held = hold(ledger)
        waiting = [ledger.append(decision(n)) for n in range(3)]
        with pytest.raises(LedgerBusyError):
            ledger.append(decision(3))
        held.set()
        assert [future.result().seq for future in waiting] == [0, 1, 2]


def test_a_batch_is_bounded(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys, limits=Limits(batch=4)) as ledger:
        held = hold(ledger)
        waiting = [ledger.append(decision(n)) for n in range(10)]
        held.set()
        assert [future.result().head.size for future in waiting] == [4] * 4 + [8] * 4 + [10] * 2


def test_another_hand_stops_the_writer(url: str, keys: MemoryKeys) -> None:
    """A row that it did not write: it acknowledges nothing and does not mend anything."""
    ledger = open_ledger(url, keys)
    ledger.append(decision(0)).result()
    with raw(url) as database:
        database.execute(
            "INSERT INTO leaves (seq, hash, kind, about, leaf) "
            "SELECT 1, hash, kind, about, leaf FROM leaves"
        )
    with pytest.raises(LedgerStoppedError, match="somebody else wrote"):
        ledger.append(decision(1)).result()
    with pytest.raises(LedgerStoppedError):
        ledger.append(decision(2))
    assert ledger.state == "stopped"
    ledger.close()


def test_a_changed_last_leaf_stops_the_writer(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        ledger.append(decision(0)).result()
        with raw(url) as database:
            database.execute("UPDATE leaves SET hash = ? WHERE seq = 0", (bytes(32),))
        with pytest.raises(LedgerStoppedError):
            ledger.append(decision(1)).result()


def test_the_database_itself_refuses_to_change_a_leaf(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        ledger.append(decision(0)).result()
    engine = parse_url(url).engine()
    for statement in ("UPDATE leaves SET kind = 'x'", "DELETE FROM leaves"):
        with engine.connect() as connection, pytest.raises(Exception, match="never changed"):
            connection.execute(text(statement))
    engine.dispose()


# --- heads and anchors


def test_heads_are_signed_in_time_and_anchored(url: str, keys: MemoryKeys, tmp_path: Path) -> None:
    anchor = FileAnchor(tmp_path / "head")
    limits = Limits(batch=5, checkpoint_leaves=10, checkpoint_seconds=1e9)
    with open_ledger(url, keys, [anchor], limits=limits) as ledger:
        for future in [ledger.append(decision(n)) for n in range(25)]:
            future.result()
        ledger._call(lambda: None)  # the head is signed after its batch was acknowledged
        head = verify_checkpoint(anchor.read() or "", trusted(keys))
        assert head.size >= 10
    assert verify_checkpoint(anchor.read() or "", trusted(keys)).size == 25
    with Reader(url) as reader:
        sizes = [size for size, _ in reader.checkpoints()]
        assert sizes[-1] == 25
        assert max(b - a for a, b in zip([0, *sizes], sizes, strict=False)) <= 15
        last = parse_leaf(reader.by_seq(24).content)
        assert last.checkpoint in sizes


def test_a_head_is_signed_by_and_by_without_traffic(
    url: str, keys: MemoryKeys, tmp_path: Path
) -> None:
    anchor = FileAnchor(tmp_path / "head")
    with open_ledger(url, keys, [anchor], limits=Limits(checkpoint_seconds=0.01)) as ledger:
        ledger.append(decision(0)).result()
        for _ in range(1_000):
            if verify_checkpoint(anchor.read() or "", trusted(keys)).size == 1:
                return
            threading.Event().wait(0.01)
    pytest.fail("no head was signed")


def test_an_anchor_that_cannot_be_reached_does_not_stop_deciding(
    url: str, keys: MemoryKeys
) -> None:
    class Down:
        def __init__(self) -> None:
            self.notes: list[str] = []
            self.down = False

        def read(self) -> str | None:
            return self.notes[-1] if self.notes else None

        def put(self, note: str, previous: str | None) -> None:
            if self.down:
                raise OSError("no route")
            assert previous == self.read()
            self.notes.append(note)

    anchor = Down()
    with open_ledger(url, keys, [anchor]) as ledger:
        anchor.down = True
        ledger.append(decision(0)).result()
        ledger.checkpoint()
        assert "no route" in ledger.why
        assert ledger.append(decision(1)).result().seq == 1
        anchor.down = False
        ledger.checkpoint()
        assert ledger.why == ""
    sizes = [verify_checkpoint(note, trusted(keys)).size for note in anchor.notes]
    assert sizes == [0, 2]


def test_an_anchor_that_holds_another_head_stops_the_writer(
    url: str, keys: MemoryKeys, tmp_path: Path
) -> None:
    anchor = FileAnchor(tmp_path / "head")
    with open_ledger(url, keys, [anchor]) as ledger:
        ledger.append(decision(0)).result()
        (tmp_path / "head").write_text("somebody else was here")
        with pytest.raises(LedgerStoppedError):
            ledger.checkpoint()
        with pytest.raises(LedgerStoppedError):
            ledger.append(decision(1))


class Failing:
    """A signer that is out of reach."""

    name = "tidegate.local/ledger"
    public_key = bytes(32)

    def sign(self, message: bytes) -> bytes:
        raise TimeoutError(f"sealed, {len(message)} bytes unsigned")


def test_a_signer_that_fails_leaves_the_ledger_open(url: str, keys: MemoryKeys) -> None:
    real = keys.signer
    keys.signer = Failing()
    ledger = open_ledger(url, keys)
    ledger.append(decision(0)).result()
    with pytest.raises(LedgerUnavailableError, match="sealed"):
        ledger.checkpoint()
    assert ledger.append(decision(1)).result().seq == 1
    ledger.close()
    keys.signer = real
    with open_ledger(url, keys) as ledger:
        assert verify_checkpoint(ledger.checkpoint(), trusted(keys)).size == 2


def test_a_rolled_back_database_refuses_to_start(tmp_path: Path, keys: MemoryKeys) -> None:
    """Everything in it agrees; only the head kept elsewhere knows better."""
    path = tmp_path / "ledger.db"
    anchor = FileAnchor(tmp_path / "elsewhere" / "head")
    with open_ledger(f"sqlite:///{path}", keys, [anchor]) as ledger:
        ledger.append(decision(0)).result()
    old = path.read_bytes()
    with open_ledger(f"sqlite:///{path}", keys, [anchor]) as ledger:
        ledger.append(decision(1)).result()
    path.write_bytes(old)
    for leftover in ("ledger.db-wal", "ledger.db-shm"):
        (tmp_path / leftover).unlink(missing_ok=True)
    with pytest.raises(TamperedLedgerError, match="cut or rolled back: it has 1 leaves"):
        open_ledger(f"sqlite:///{path}", keys, [anchor])
    path.unlink()
    with pytest.raises(TamperedLedgerError, match="cut or rolled back: it has 0 leaves"):
        open_ledger(f"sqlite:///{path}", keys, [anchor])


def three(url: str, keys: MemoryKeys, anchor: FileAnchor) -> None:
    with open_ledger(url, keys, [anchor]) as ledger:
        for number in range(3):
            ledger.append(decision(number)).result()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM leaves WHERE seq = 1", "leaf 1 is missing"),
        ("DELETE FROM leaves WHERE seq = 2", "cut or rolled back"),
        ("UPDATE leaves SET hash = (SELECT hash FROM leaves WHERE seq = 0)", "was changed"),
        ("UPDATE checkpoints SET size = 2", "is of 3 leaves and kept as of 2"),
        ("UPDATE checkpoints SET note = replace(note, '3', '2')", "not signed by this ledger's"),
    ],
)
def test_a_ledger_that_disagrees_with_its_heads_refuses_to_start(
    url: str, keys: MemoryKeys, tmp_path: Path, statement: str, said: str
) -> None:
    anchor = FileAnchor(tmp_path / "head")
    three(url, keys, anchor)
    with raw(url) as database:
        database.execute(statement)
    with pytest.raises(TamperedLedgerError, match=said):
        open_ledger(url, keys, [anchor])
    with pytest.raises(LedgerError):  # and nothing was mended by trying
        open_ledger(url, keys, [anchor])


def test_a_changed_leaf_after_the_last_head_refuses_to_start(url: str, keys: MemoryKeys) -> None:
    keys.signer = Failing()
    with open_ledger(url, keys) as ledger:
        ledger.append(decision(0)).result()
    with raw(url) as database:
        database.execute("UPDATE leaves SET leaf = ?", (b"{}",))
    with pytest.raises(TamperedLedgerError, match="leaf 0 was changed"):
        open_ledger(url, keys)


def test_an_empty_anchor_beside_a_signed_ledger_is_refused_unless_it_is_new(
    url: str, keys: MemoryKeys, tmp_path: Path
) -> None:
    three(url, keys, FileAnchor(tmp_path / "head"))
    new = FileAnchor(tmp_path / "new")
    with pytest.raises(TamperedLedgerError, match="anchor is empty"):
        open_ledger(url, keys, [new])
    open_ledger(url, keys, [new], adopt=True).close()
    assert verify_checkpoint(new.read() or "", trusted(keys)).size == 3


def test_a_new_signer_needs_the_old_key_to_be_trusted(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        ledger.append(decision(0)).result()
    old = key_of(keys.signer)
    keys.signer = seeded_signer(keys.signer.name, bytes(32))
    with pytest.raises(TamperedLedgerError, match="not signed by this ledger's key"):
        open_ledger(url, keys)
    with open_ledger(url, keys, trusted=[old]) as ledger:
        ledger.append(decision(1)).result()
    with Reader(url) as reader:
        assert not verify_ledger(reader, [old, key_of(keys.signer)]).findings


def test_two_anchors_agree_on_the_head(tmp_path: Path) -> None:
    anchor = FileAnchor(tmp_path / "head")
    assert anchor.read() is None
    anchor.put("one\n", None)
    anchor.put("two\n", "one\n")
    assert anchor.read() == "two\n"
    for previous in (None, "one\n"):
        with pytest.raises(AnchorConflictError):
            anchor.put("three\n", previous)


# --- the schema


def test_the_migrations_make_the_tables_of_the_schema(url: str, keys: MemoryKeys) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlmodel import SQLModel

    from tidegate.store import schema

    open_ledger(url, keys).close()
    engine = parse_url(url).engine()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, SQLModel.metadata) == []
        assert schema.LeafRow.__tablename__ in SQLModel.metadata.tables
    engine.dispose()
    folder = Path(__file__).parents[2] / "store" / "migrations"
    steps = [step.revision for step in ScriptDirectory(str(folder)).walk_revisions()]
    assert tuple(reversed(steps)) == REVISIONS


def test_a_newer_schema_is_refused(url: str, keys: MemoryKeys) -> None:
    open_ledger(url, keys).close()
    with raw(url) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match="newer release"):
        open_ledger(url, keys)
    with pytest.raises(SchemaError, match="newer release"):
        Reader(url)


def test_a_server_is_migrated_by_command_alone(server: str, keys: MemoryKeys) -> None:
    from tests.store.servers import new_database

    made = new_database(server)
    with pytest.raises(SchemaError, match="audit migrate"):
        open_ledger(made, keys)
    prepare(parse_url(made), migrate=True)
    open_ledger(made, keys).close()


def test_the_embedded_ledger_is_nobody_elses_to_read(tmp_path: Path, keys: MemoryKeys) -> None:
    with open_ledger(f"sqlite:///{tmp_path}/l.db", keys) as ledger:
        ledger.append(decision(0)).result()
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes


def test_only_known_databases() -> None:
    with pytest.raises(SchemaError):
        parse_url("mysql://x")


# --- for asyncio


def test_coroutines_are_woken_once_a_batch(url: str, keys: MemoryKeys) -> None:
    async def run() -> tuple[list[Recorded], int]:
        loop = asyncio.get_running_loop()
        calls = 0
        plain = loop.call_soon_threadsafe

        def counted(*arguments: Any, **names: Any) -> Any:
            nonlocal calls
            calls += 1
            return plain(*arguments, **names)

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]
        face = AsyncLedger(ledger)
        held = hold(ledger)
        futures = [face.append(decision(n)) for n in range(100)]
        futures[3].cancel()
        held.set()
        recorded = await asyncio.gather(*futures[:3], *futures[4:])
        with pytest.raises(RequestConflictError):
            await face.append(decision(0, request=request(0, "other")))
        return recorded, calls

    with open_ledger(url, keys) as ledger:
        recorded, calls = asyncio.run(run())
        assert [one.seq for one in recorded] == [0, 1, 2, *range(4, 100)]
        assert calls == 2
        assert ledger.head.size == 100


def test_a_closed_loop_does_not_stop_the_writer(tmp_path: Path, keys: MemoryKeys) -> None:
    with open_ledger(f"sqlite:///{tmp_path}/l.db", keys) as ledger:
        held = hold(ledger)

        async def leave() -> None:
            AsyncLedger(ledger).append(decision(0))

        asyncio.run(leave())
        held.set()
        assert ledger.append(decision(1)).result().seq == 1


def test_a_cancelled_future_does_not_stop_the_writer(tmp_path: Path, keys: MemoryKeys) -> None:
    with open_ledger(f"sqlite:///{tmp_path}/l.db", keys) as ledger:
        held = hold(ledger)
        gone: Future[Recorded] = ledger.append(decision(0))
        assert gone.cancel()
        held.set()
        assert ledger.append(decision(1)).result().seq == 1


def test_an_anchor_holds_a_head_before_the_first_leaf(
    url: str, keys: MemoryKeys, tmp_path: Path
) -> None:
    """Else a crash between the first checkpoint and its anchor would look like a lost anchor."""
    anchor = FileAnchor(tmp_path / "head")
    ledger = open_ledger(url, keys, [anchor])
    try:
        assert verify_checkpoint(anchor.read() or "", trusted(keys)).size == 0
    finally:
        ledger.close()


def test_a_role_with_the_rights_of_the_page_is_enough(server: str, keys: MemoryKeys) -> None:
    """And with no more it cannot change a leaf."""
    import psycopg

    from tests.store.servers import new_database

    url = new_database(server)
    prepare(parse_url(url), migrate=True)
    name = f"service_{url.rpartition('tidegate_')[2].partition('?')[0]}"
    with psycopg.connect(url, autocommit=True) as owner:
        for statement in (
            f"CREATE ROLE {name} LOGIN",
            f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {name}",
            f"GRANT UPDATE ON data_keys TO {name}",
            f"GRANT DELETE ON payloads, requests TO {name}",
        ):
            owner.execute(statement.encode())
    service = url.replace("//postgres:@", f"//{name}:@")
    with open_ledger(service, keys) as ledger:
        ledger.append(decision(0, at="2025-01-01T00:00:00Z")).result()
        ledger.append(decision(1)).result()
        assert ledger.append(decision(1)).result().repeated
        ledger.erase("customer-1", entry_id="e", at=AT, reason="asked")
        ledger.expire("2025-02", entry_id="x", at=AT, reason="retention")
    for statement in ("UPDATE leaves SET kind = 'x'", "TRUNCATE leaves", "DROP TABLE leaves"):
        with psycopg.connect(service) as tamperer, pytest.raises(psycopg.Error):
            tamperer.execute(statement.encode())
