"""Reading, erasure and retention: what is gone is said to be gone, and all still verifies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.builders import AT, decision, files_of, raw, trusted
from tidegate.store.backup import back_up, restore
from tidegate.store.entries import Entry
from tidegate.store.errors import (
    ErasedError,
    LedgerError,
    LedgerUnavailableError,
    TamperedLedgerError,
    UnknownEntryError,
)
from tidegate.store.ledger import open_ledger
from tidegate.store.reading import Reader
from tidegate.store.verification import verify_ledger
from tidegate.vault.keys import DataKey, KeyDestroyedError
from tidegate.vault.memory import MemoryKeys, MemoryKeySource, MemoryTokenHasher

LATER = "2026-11-26T08:00:00Z"


def test_a_decision_is_found_with_all_that_is_about_it(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        for number in range(5):
            ledger.append(decision(number)).result()
        ledger.append(Entry("label", "l1", AT, about="d2", facts={"fraud": True})).result()
        ledger.append(Entry("read", "a1", AT, about="d2", facts={"who": "role:auditor"})).result()
    with Reader(url, keys.source) as reader:
        assert [read.leaf.kind for read in reader.about("d2")] == ["decision", "label", "read"]
        assert reader.about("d9") == []
        (found,) = reader.by_transaction(keys.hasher, "tx-3")
        assert found.payload == b"customer 0 paid 3.00"
        assert reader.by_transaction(keys.hasher, "tx-9") == []
        with pytest.raises(UnknownEntryError):
            reader.by_seq(7)
        kinds = [read.leaf.kind for read in reader.entries(kinds=("decision", "read"))]
        assert kinds == ["decision"] * 5 + ["read"]
        assert [read.leaf.seq for read in reader.entries(2, 4)] == [2, 3]


def test_a_transaction_is_found_by_every_version_of_the_key(url: str, keys: MemoryKeys) -> None:
    old, new = bytes(32), bytes(range(32))
    keys.hasher = MemoryTokenHasher({1: old})
    with open_ledger(url, keys) as ledger:
        ledger.append(decision(1)).result()
    keys.hasher = MemoryTokenHasher({1: old, 2: new})
    with open_ledger(url, keys) as ledger:
        ledger.append(decision(2, transaction="tx-1")).result()
    with Reader(url, keys.source) as reader:
        assert [read.leaf.seq for read in reader.by_transaction(keys.hasher, "tx-1")] == [0, 1]


def test_replay_reads_more_than_one_part(tmp_path: Path, keys: MemoryKeys) -> None:
    url = f"sqlite:///{tmp_path}/l.db"
    with open_ledger(url, keys) as ledger:
        for future in [ledger.append(decision(n)) for n in range(2_345)]:
            future.result()
    with Reader(url, keys.source, keys_kept=2) as reader:
        read = [(one.leaf.seq, one.payload) for one in reader.entries()]
    assert read == [(n, decision(n).payload) for n in range(2_345)]


def test_one_key_a_subject_and_month(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        for number in range(12):
            ledger.append(decision(number)).result()
        ledger.append(decision(12, at="2026-12-01T00:00:00Z")).result()
    with open_ledger(url, keys) as ledger:  # keys are found again
        ledger.append(decision(13)).result()
    with Reader(url, keys.source) as reader:
        assert len(reader.wrapped_keys()) == 3 + 1
        assert all(read.payload is not None for read in reader.entries())


def test_an_erased_subject_cannot_be_read_and_all_verifies(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        for number in range(9):
            ledger.append(decision(number)).result()
        with Reader(url, keys.source) as reader:
            assert reader.by_seq(1).payload  # its key is in the reader's memory now
            erased = ledger.erase("customer-1", entry_id="e1", at=LATER, reason="asked")
            for number in range(9):
                read = reader.by_seq(number)
                if number % 3 == 1:
                    assert read.payload is None
                    assert isinstance(read.erased, ErasedError)
                    assert read.erased.seq == erased.seq
                else:
                    assert read.payload == decision(number).payload
            (found,) = reader.by_transaction(keys.hasher, "tx-4")
            assert found.payload is None
        # The customer comes back, under a new key.
        ledger.append(decision(10, at=LATER)).result()
    with Reader(url, keys.source) as reader:
        assert reader.by_seq(10).payload == decision(10).payload
        verified = verify_ledger(reader, trusted(keys), source=keys.source)
    assert verified.findings == ()
    assert (verified.payloads, verified.opened, verified.erased) == (10, 7, 3)


def test_an_erased_key_leaves_no_trace_in_the_files(tmp_path: Path, keys: MemoryKeys) -> None:
    url = f"sqlite:///{tmp_path}/l.db"
    with open_ledger(url, keys) as ledger:
        for number in range(9):
            ledger.append(decision(number)).result()
        with Reader(url) as reader:
            before = reader.wrapped_keys()
        assert all(wrapped and wrapped in files_of(tmp_path) for wrapped in before.values())
        ledger.erase("customer-1", entry_id="e1", at=LATER, reason="asked")
        with Reader(url) as reader:
            gone = [key for key, wrapped in reader.wrapped_keys().items() if wrapped is None]
        (key_id,) = gone
        wrapped = before[key_id]
        assert wrapped is not None
        assert wrapped not in files_of(tmp_path)
        subject = keys.hasher.hash("subject", b"customer-1")
        assert subject not in files_of(tmp_path)
        with pytest.raises(KeyDestroyedError):  # also out of a backup
            keys.source.unwrap(key_id, wrapped)


def test_retention_takes_old_months_and_says_so(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        for number in range(6):
            month = 1 + number // 2
            ledger.append(decision(number, at=f"2025-0{month}-15T00:00:00Z")).result()
        with pytest.raises(ValueError, match="over"):
            ledger.expire("2025-03", entry_id="x", at="2025-03-20T00:00:00Z", reason="r")
        erased = ledger.expire("2025-03", entry_id="x", at=LATER, reason="13 months")
        # Their idempotency keys are free again, those of later months are not.
        assert not ledger.append(decision(0)).result().repeated
        assert ledger.append(decision(5)).result().repeated
    with Reader(url, keys.source) as reader:
        reads = list(reader.entries(0, 6))
        assert [read.payload is None for read in reads] == [True] * 4 + [False] * 2
        assert all(read.erased and read.erased.seq == erased.seq for read in reads[:4])
        assert len(list(reader.payloads())) == 3
        verified = verify_ledger(reader, trusted(keys), source=keys.source)
    assert verified.findings == ()
    assert verified.erased == 4


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE data_keys SET wrapped = NULL", "key of leaf 0 is gone and no leaf says so"),
        ("DELETE FROM data_keys", "data key of leaf 0 is missing"),
        ("DELETE FROM payloads", "payload of leaf 0 is gone and no leaf says so"),
        ("UPDATE payloads SET lookup = key_id", "payload of leaf 0 was changed"),
        ("UPDATE payloads SET nonce = key_id", "payload of leaf 0 was changed"),
        ("UPDATE leaves SET about = 'd1'", "columns of leaf 0 were changed"),
        ("UPDATE leaves SET hash = leaf", "leaf 0 was changed"),
    ],
)
def test_reading_notices_what_was_changed(
    url: str, keys: MemoryKeys, statement: str, said: str
) -> None:
    with open_ledger(url, keys) as ledger:
        ledger.append(decision(0)).result()
    with raw(url) as database:
        database.execute(statement)
    with Reader(url, keys.source) as reader, pytest.raises(TamperedLedgerError, match=said):
        reader.by_seq(0)


def test_a_damaged_key_fails_its_own_entries_alone(url: str, keys: MemoryKeys) -> None:
    with open_ledger(url, keys) as ledger:
        for number in range(3):
            ledger.append(decision(number)).result()
    with raw(url) as database:
        database.execute(
            "UPDATE data_keys SET wrapped = id WHERE subject = ?",
            (keys.hasher.hash("subject", b"customer-1"),),
        )
    with open_ledger(url, keys) as ledger:
        futures = [ledger.append(decision(number)) for number in range(3, 6)]
        errors = [future.exception() for future in futures]
        assert [error is None for error in errors] == [True, False, True]
        assert ledger.state == "open"
        assert ledger.head.size == 5


class Sealable(MemoryKeySource):
    """A source that can be made to fail."""

    sealed = False

    def new_key(self) -> DataKey:
        if self.sealed:
            raise OSError("sealed")
        return super().new_key()


def test_a_source_that_is_down_fails_what_needs_a_new_key(url: str, keys: MemoryKeys) -> None:
    keys.source = source = Sealable(bytes(32))
    with open_ledger(url, keys) as ledger:
        ledger.append(decision(0)).result()
        source.sealed = True
        with pytest.raises(LedgerUnavailableError, match="sealed"):
            ledger.append(decision(1)).result()
        assert ledger.append(decision(3)).result().seq == 1
        source.sealed = False
        assert ledger.append(decision(1)).result().seq == 2


def test_a_backup_is_taken_beside_the_writer_and_restored(tmp_path: Path, keys: MemoryKeys) -> None:
    url = f"sqlite:///{tmp_path}/a/l.db"
    with open_ledger(url, keys) as ledger:
        for number in range(20):
            ledger.append(decision(number)).result()
        ledger.checkpoint()
        verified = back_up(url, tmp_path / "backup.db", trusted(keys))
        assert verified.leaves == 20
        with pytest.raises(LedgerError, match="there already"):
            back_up(url, tmp_path / "backup.db", trusted(keys))
        head = ledger.checkpoint()
    copy = f"sqlite:///{tmp_path}/b/l.db"
    assert restore(tmp_path / "backup.db", copy, trusted(keys), [head]).covered == 20
    with open_ledger(copy, keys) as ledger:
        assert ledger.append(decision(7)).result().repeated
        newer = ledger.append(decision(20)).result()
        head = ledger.checkpoint()
    assert newer.seq == 20
    with pytest.raises(TamperedLedgerError, match="rolled back"):
        restore(tmp_path / "backup.db", f"sqlite:///{tmp_path}/c/l.db", trusted(keys), [head])
    assert not (tmp_path / "c" / "l.db").exists()
    assert [path.name for path in (tmp_path / "c").iterdir()] == []
    with pytest.raises(LedgerError, match="pg_dump"):
        back_up("postgresql://x", tmp_path / "x", trusted(keys))
    with pytest.raises(LedgerError, match="not there"):
        restore(tmp_path / "nothing", f"sqlite:///{tmp_path}/d/l.db", trusted(keys), [])


def test_a_damaged_ledger_is_not_backed_up(tmp_path: Path, keys: MemoryKeys) -> None:
    url = f"sqlite:///{tmp_path}/l.db"
    with open_ledger(url, keys) as ledger:
        ledger.append(decision(0)).result()
    with raw(url) as database:
        database.execute("UPDATE payloads SET nonce = key_id")
    with pytest.raises(TamperedLedgerError, match="payload of leaf 0"):
        back_up(url, tmp_path / "backup.db", trusted(keys))
    assert not (tmp_path / "backup.db").exists()
