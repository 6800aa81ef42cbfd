"""Power is cut below SQLite, writes and syncs fail: what was acknowledged is there afterwards."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.builders import decision, trusted
from tests.store.power import FULL, IOERR_FSYNC, IOERR_WRITE, OK, Layer, loaded_library
from tidegate.store.anchors import FileAnchor
from tidegate.store.errors import LedgerError
from tidegate.store.heads import Limits
from tidegate.store.ledger import open_ledger
from tidegate.store.reading import Reader
from tidegate.store.sqlite_storage import SqliteStorage
from tidegate.store.verification import verify_ledger
from tidegate.vault.memory import MemoryKeys

LIMITS = Limits(batch=3, checkpoint_leaves=7, checkpoint_seconds=1e9)
CUTS = 40


@pytest.fixture
def layer() -> Iterator[Layer]:
    """Give a layer below SQLite."""
    library = loaded_library()
    if library is None:
        pytest.skip("this Python has SQLite built in: no layer can be put below it")
    with Layer(library) as made:
        yield made


def after_cut(folder: Path, keys: MemoryKeys, acknowledged: dict[int, int]) -> list[str]:
    """What is wrong with the ledger that power loss left in `folder`."""
    url = f"sqlite:///{folder}/ledger.db"
    problems = []
    try:
        with open_ledger(url, keys, [FileAnchor(folder / "head")], limits=LIMITS) as ledger:
            for number, seq in acknowledged.items():
                again = ledger.append(decision(number)).result()
                if not again.repeated or again.seq != seq:
                    problems.append(f"{number} was acknowledged as {seq} and is lost")
    except LedgerError as error:
        return [str(error)]
    with Reader(url, keys.source) as reader:
        findings = verify_ledger(reader, trusted(keys), source=keys.source).findings
    return problems + [finding.said for finding in findings]


def cut_often(
    layer: Layer, tmp_path: Path, keys: MemoryKeys, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Write under load; at random moments take the picture of a power loss, and judge each."""
    import shutil

    monkeypatch.setattr("tidegate.store.sqlite_storage._BUSY_ROWS", 60)
    monkeypatch.setattr("tidegate.store.sqlite_storage._IDLE_ROWS", 60)
    dice = random.Random(7)
    (tmp_path / "live").mkdir()
    anchor = FileAnchor(tmp_path / "live" / "head")
    acknowledged: dict[int, int] = {}
    cuts: list[tuple[Path, dict[int, int]]] = []
    moments = set(dice.sample(range(40, 700), CUTS))

    def fail(_kind: str, number: int) -> int:
        # The writer's thread is in a call of SQLite: power goes before it takes effect.
        if number in moments:
            folder = tmp_path / f"cut{number}"
            folder.mkdir()
            told = dict(acknowledged)
            head = anchor.read()
            layer.cut(folder, dice)
            if head is not None:
                (folder / "head").write_text(head)
            cuts.append((folder, told))
        return OK

    url = f"sqlite:///{tmp_path}/live/ledger.db"
    open_ledger(url, keys, [anchor], limits=LIMITS).close()
    layer.fail = fail
    with open_ledger(url, keys, [anchor], limits=LIMITS) as ledger:
        number = 0
        while layer.calls < 720:
            waiting = {}
            for _ in range(dice.randrange(1, 5)):
                waiting[number] = ledger.append(decision(number))
                number += 1
            for sent, future in waiting.items():
                acknowledged[sent] = future.result().seq
    layer.fail = lambda _kind, _number: OK
    layer.dead = True
    assert len(cuts) > CUTS // 2
    problems = []
    for folder, told in cuts:
        problems += after_cut(folder, keys, told)
        shutil.rmtree(folder)
    return problems


def test_what_was_acknowledged_survives_a_loss_of_power(
    layer: Layer, tmp_path: Path, keys: MemoryKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cut_often(layer, tmp_path, keys, monkeypatch) == []


def test_a_weaker_setting_would_be_noticed(
    layer: Layer, tmp_path: Path, keys: MemoryKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the test: with `synchronous=NORMAL` a commit is not synced."""
    real = SqliteStorage.open

    def weaker(self: SqliteStorage) -> None:
        real(self)
        self._db.execute("PRAGMA synchronous = normal")

    monkeypatch.setattr(SqliteStorage, "open", weaker)
    problems = cut_often(layer, tmp_path, keys, monkeypatch)
    assert any("is lost" in one or "cut or rolled back" in one for one in problems), problems


@pytest.mark.parametrize("code", [FULL, IOERR_WRITE, IOERR_FSYNC])
def test_the_kth_write_or_sync_of_the_file_fails(
    layer: Layer, tmp_path: Path, keys: MemoryKeys, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """For every k: no acknowledgement without a record, and the next start is sound."""
    monkeypatch.setattr("tidegate.store.sqlite_storage._BUSY_ROWS", 20)
    monkeypatch.setattr("tidegate.store.sqlite_storage._IDLE_ROWS", 20)
    kind = "sync" if code == IOERR_FSYNC else "write"
    k = 0
    while True:
        folder = tmp_path / str(k)
        folder.mkdir()
        url = f"sqlite:///{folder}/ledger.db"
        open_ledger(url, keys, [FileAnchor(folder / "head")], limits=LIMITS).close()
        seen = 0
        failed = False

        def fail(called: str, _number: int, k: int = k) -> int:
            nonlocal seen, failed
            if called != kind:
                return OK
            seen += 1
            failed = failed or seen == k + 1
            return code if seen == k + 1 else OK

        layer.fail = fail
        acknowledged: dict[int, int] = {}
        try:
            with open_ledger(url, keys, [FileAnchor(folder / "head")], limits=LIMITS) as ledger:
                for number in range(12):
                    try:
                        acknowledged[number] = ledger.append(decision(number)).result().seq
                    except LedgerError:
                        continue
        except (LedgerError, sqlite3.Error):
            assert failed
        layer.fail = lambda _kind, _number: OK
        if not failed:
            break
        # What is on the disk when the process ends here, unsynced pages included.
        assert after_cut(folder, keys, acknowledged) == [], k
        k += 1
    assert k > 5
    assert len(acknowledged) == 12
