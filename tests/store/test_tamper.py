"""Whatever is done to a ledger is named by `verify`, in the database and offline.

One small ledger with every kind of leaf is tampered with byte by byte, leaf by leaf.
"""

from __future__ import annotations

import ast
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from tests.store.builders import AT, decision, raw, trusted
from tidegate.store import offline_verifier
from tidegate.store.entries import Entry
from tidegate.store.export import export_ledger
from tidegate.store.heads import Limits
from tidegate.store.ledger import open_ledger
from tidegate.store.merkle import leaf_hash
from tidegate.store.reading import Reader
from tidegate.store.verification import verify_ledger
from tidegate.vault.memory import MemoryKeys

LEAVES = 12


@dataclass(frozen=True, slots=True)
class Sound:
    """A ledger, its export, the key of its signer and a head that was kept elsewhere."""

    folder: Path
    key: str
    head: str
    keys: MemoryKeys

    @property
    def database(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def export(self) -> Path:
        return self.folder / "export"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """Write a ledger with three checkpoints, an erased subject and an expired month."""
    folder, keys = tmp_path_factory.mktemp("sound"), MemoryKeys()
    url = f"sqlite:///{folder}/ledger.db"
    with open_ledger(url, keys, limits=Limits(checkpoint_seconds=1e9)) as ledger:
        ledger.append(decision(0, at="2025-01-01T00:00:00Z")).result()
        for number in range(1, 5):
            ledger.append(decision(number)).result()
        ledger.checkpoint()
        ledger.append(Entry("label", "l1", AT, about="d2", facts={"fraud": True})).result()
        ledger.erase("customer-2", entry_id="e1", at=AT, reason="asked")
        ledger.expire("2025-02", entry_id="e2", at=AT, reason="retention")
        ledger.checkpoint()
        for number in range(5, 9):
            ledger.append(decision(number)).result()
        head = ledger.checkpoint()
    with Reader(url) as reader:
        assert export_ledger(reader, folder / "export").leaves == LEAVES
    return Sound(folder, trusted(keys)[0].text(), head, keys)


@pytest.fixture
def copy(sound: Sound, tmp_path: Path) -> Sound:
    """Give a copy of it to be broken."""
    shutil.copytree(sound.folder, tmp_path / "copy")
    return Sound(tmp_path / "copy", sound.key, sound.head, sound.keys)


def offline(copy: Sound, *, head: bool = True) -> list[str]:
    key = offline_verifier.read_key(copy.key)
    heads = [copy.head] if head else []
    return offline_verifier.Export(copy.export, key, heads).verify()


def online(copy: Sound, *, head: bool = True) -> list[str]:
    with Reader(f"sqlite:///{copy.database}") as reader:
        verified = verify_ledger(
            reader, trusted(copy.keys), [copy.head] if head else [], copy.keys.source
        )
    return [finding.said for finding in verified.findings]


def test_what_was_not_touched_is_sound(sound: Sound) -> None:
    assert offline(sound) == []
    assert online(sound) == []


FILES = ["leaves.jsonl", "hashes.txt", "payloads.jsonl", "checkpoints.jsonl"]


@pytest.mark.parametrize("name", FILES)
def test_every_byte_of_an_export_counts(sound: Sound, tmp_path: Path, name: str) -> None:
    """Each byte is changed in turn, in three ways; each change is found."""
    folder = tmp_path / "export"
    shutil.copytree(sound.export, folder)
    content = (folder / name).read_bytes()
    # Plain-Python signatures take some milliseconds: whole lines are judged without them below.
    stride = 7 if name == "checkpoints.jsonl" else 1
    key = offline_verifier.read_key(sound.key)
    missed = []
    for place in range(0, len(content), stride):
        for flip in (0x01, 0x20, 0x80):
            changed = bytearray(content)
            changed[place] ^= flip
            (folder / name).write_bytes(changed)
            if not Quick(folder, key, [sound.head]).verify():
                missed.append((place, flip))
    assert missed == []


class Quick(offline_verifier.Export):
    """An export whose checkpoint notes are verified once each, not once a mutation."""

    known: ClassVar[dict[tuple[str, str], tuple[int, bytes]]] = {}

    def verify(self) -> list[str]:
        real = offline_verifier.read_checkpoint

        def remembered(note: str, key: offline_verifier.Key) -> tuple[int, bytes]:
            if (note, key[0]) not in self.known:
                self.known[note, key[0]] = real(note, key)
            return self.known[note, key[0]]

        offline_verifier.read_checkpoint = remembered
        try:
            return super().verify()
        finally:
            offline_verifier.read_checkpoint = real


@pytest.mark.parametrize("name", FILES)
def test_every_cut_of_an_export_is_found(sound: Sound, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "export"
    shutil.copytree(sound.export, folder)
    content = (folder / name).read_bytes()
    key = offline_verifier.read_key(sound.key)
    ends = [place for place, byte in enumerate(content) if byte == 10]
    for end in [*ends, *range(0, len(content), 97)]:
        (folder / name).write_bytes(content[:end])
        found = Quick(folder, key, [sound.head]).verify()
        assert found, (name, end)


def lines(copy: Sound, name: str) -> list[bytes]:
    return (copy.export / name).read_bytes().splitlines(keepends=True)


def write(copy: Sound, name: str, content: list[bytes]) -> None:
    (copy.export / name).write_bytes(b"".join(content))


@pytest.mark.parametrize("place", range(LEAVES - 1))
def test_a_deleted_leaf_is_named_offline(copy: Sound, place: int) -> None:
    """Together with its hash and its payload."""
    for name in ("leaves.jsonl", "hashes.txt"):
        kept = lines(copy, name)
        del kept[place]
        write(copy, name, kept)
    payloads = [line for line in lines(copy, "payloads.jsonl") if b'"seq":%d}' % place not in line]
    write(copy, "payloads.jsonl", payloads)
    found = offline(copy)
    assert f"leaf {place} is missing" in found
    # Leaf 7 says that retention took the payload of leaf 0.
    assert len(found) == (2 if place == 7 else 1)


@pytest.mark.parametrize("place", range(LEAVES - 1))
def test_two_swapped_leaves_are_named_offline(copy: Sound, place: int) -> None:
    other = (place + 3) % LEAVES
    first, second = sorted((place, other))
    for name in ("leaves.jsonl", "hashes.txt"):
        kept = lines(copy, name)
        kept[first], kept[second] = kept[second], kept[first]
        write(copy, name, kept)
    assert offline(copy) == [f"leaves {first} and {second} stand in each other's place"]


def test_a_doubled_leaf_is_named_offline(copy: Sound) -> None:
    for name in ("leaves.jsonl", "hashes.txt"):
        kept = lines(copy, name)
        write(copy, name, [*kept[:4], kept[3], *kept[4:]])
    assert "leaf 3 stands again after leaf 3" in offline(copy)


@pytest.mark.parametrize("left", range(LEAVES))
def test_a_cut_tail_is_named_offline(copy: Sound, left: int) -> None:
    """With the checkpoints that say more cut, too: the head kept elsewhere tells."""
    for name in ("leaves.jsonl", "hashes.txt"):
        write(copy, name, lines(copy, name)[:left])
    with_checkpoints = offline(copy, head=False)
    assert any("the tail was cut" in one for one in with_checkpoints)
    notes = {5: 1, 8: 2, 12: 3}
    write(
        copy,
        "checkpoints.jsonl",
        lines(copy, "checkpoints.jsonl")[: sum(size <= left for size in notes)],
    )
    write(
        copy,
        "payloads.jsonl",
        [
            line
            for line in lines(copy, "payloads.jsonl")
            if int(line.rpartition(b":")[2].rstrip(b"}\n")) < left
        ],
    )
    found = offline(copy)
    assert any("rolled back" in one and f"there are {left} leaves" in one for one in found)


@pytest.mark.parametrize("place", range(LEAVES))
def test_a_leaf_changed_together_with_its_hash_is_placed_between_heads(
    copy: Sound, place: int
) -> None:
    leaf = lines(copy, "leaves.jsonl")
    leaf[place] = leaf[place].replace(b'"at":"202', b'"at":"212')
    write(copy, "leaves.jsonl", leaf)
    hashes = lines(copy, "hashes.txt")
    hashes[place] = leaf_hash(leaf[place].rstrip(b"\n")).hex().encode() + b"\n"
    write(copy, "hashes.txt", hashes)
    first = max(size for size in (0, 5, 8) if size <= place)
    last = min(size for size in (5, 8, 12) if size > place) - 1
    found = [one for one in offline(copy) if "together with its hash" in one]
    assert len(found) == 1
    assert found[0].startswith(f"one of the leaves {first} to {last} was changed")


def test_another_key_verifies_nothing(sound: Sound) -> None:
    key = offline_verifier.read_key(trusted(MemoryKeys())[0].text())
    export = offline_verifier.Export(sound.export, key, [])
    found = export.verify()
    assert sum("is not valid: the key did not sign it" in one for one in found) == 3
    assert export.covered == 0


def test_the_offline_verifier_stands_alone(sound: Sound, tmp_path: Path) -> None:
    """It imports nothing but the standard library, and runs from a copy far from the project."""
    source = Path(offline_verifier.__file__)
    tree = ast.parse(source.read_text(encoding="utf-8"))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
    program = shutil.copy(source, tmp_path / "verifier.py")
    (tmp_path / "head").write_text(sound.head, encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str]:
        finished = subprocess.run(
            [sys.executable, "-I", program, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return finished.returncode, finished.stdout

    asked = [str(sound.export), "--key", sound.key, "--head", "head"]
    code, said = run(*asked)
    assert (code, said) == (
        0,
        "sound: 12 leaves, 12 under a signed head, 8 payloads, 1 taken by retention\n",
    )
    broken = tmp_path / "broken"
    shutil.copytree(sound.export, broken)
    leaves = (broken / "leaves.jsonl").read_bytes()
    (broken / "leaves.jsonl").write_bytes(leaves.replace(b"approve", b"decline", 1))
    code, said = run(str(broken), *asked[1:])
    assert code == 1
    assert said.splitlines()[0] == "leaf 0 was changed: it has not the hash that is kept of it"
    assert said.splitlines()[-1].startswith("NOT SOUND")
    assert run(str(sound.export), "--key", "nonsense")[0] == 1
    assert run(str(tmp_path / "nowhere"), *asked[1:])[0] == 1


# --- in the database


@pytest.mark.parametrize("place", range(LEAVES))
def test_every_leaf_in_the_database_counts(copy: Sound, place: int) -> None:
    """Every byte of a leaf, one after the other: the leaf is named."""
    url = f"sqlite:///{copy.database}"
    with raw(url) as database:
        ((content,),) = database.execute("SELECT leaf FROM leaves WHERE seq = ?", (place,))
        content = bytes(content)
        # Each look at the whole ledger takes some milliseconds.
        for position in range(place % 5, len(content), 5):
            changed = bytearray(content)
            changed[position] ^= 1
            database.execute("UPDATE leaves SET leaf = ? WHERE seq = ?", (bytes(changed), place))
            found = online(copy)
            assert any(f"leaf {place} " in one for one in found), (position, found)
    assert online(copy)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM leaves WHERE seq = 3", "leaf 3 is missing"),
        ("DELETE FROM leaves WHERE seq IN (3, 4)", "leaves 3 to 4 are missing"),
        ("DELETE FROM leaves WHERE seq > 9", "the tail was cut: it ends with 10 leaves"),
        ("UPDATE leaves SET hash = zeroblob(32) WHERE seq = 2", "leaf 2 was changed"),
        ("UPDATE leaves SET kind = 'x' WHERE seq = 2", "the columns of leaf 2 were changed"),
        ("UPDATE payloads SET ciphertext = nonce WHERE seq = 4", "the payload of leaf 4 was chan"),
        ("DELETE FROM payloads WHERE seq = 4", "the payload of leaf 4 is gone and no leaf says"),
        ("UPDATE data_keys SET wrapped = NULL", "the data key of leaf 1 is gone and no leaf"),
        ("UPDATE data_keys SET wrapped = id WHERE wrapped IS NOT NULL", "leaf 1: key"),
        ("UPDATE checkpoints SET note = replace(note, '8', '9')", "checkpoint 8: "),
        ("UPDATE checkpoints SET size = 7 WHERE size = 8", "checkpoint 7 is of 8 leaves"),
    ],
)
def test_what_was_done_to_the_database_is_named(copy: Sound, statement: str, said: str) -> None:
    with raw(f"sqlite:///{copy.database}") as database:
        database.execute(statement)
    found = online(copy)
    assert any(said in one for one in found), found


def test_swapped_rows_are_named(copy: Sound) -> None:
    with raw(f"sqlite:///{copy.database}") as database:
        database.execute("UPDATE leaves SET seq = 100 WHERE seq = 2")
        database.execute("UPDATE leaves SET seq = 2 WHERE seq = 5")
        database.execute("UPDATE leaves SET seq = 5 WHERE seq = 100")
    assert "leaves 2 and 5 stand in each other's place" in online(copy)


@pytest.mark.parametrize("place", range(LEAVES))
def test_a_row_rewritten_with_its_hash_is_placed_between_heads(copy: Sound, place: int) -> None:
    with raw(f"sqlite:///{copy.database}") as database:
        ((content,),) = database.execute("SELECT leaf FROM leaves WHERE seq = ?", (place,))
        changed = bytes(content).replace(b'"at":"202', b'"at":"212')
        database.execute(
            "UPDATE leaves SET leaf = ?, hash = ? WHERE seq = ?",
            (changed, leaf_hash(changed), place),
        )
    first = max(size for size in (0, 5, 8) if size <= place)
    assert any(
        one.startswith(f"one of the leaves {first} to") and "together with its hash" in one
        for one in online(copy)
    )


def test_a_rolled_back_file_is_named(sound: Sound, tmp_path: Path) -> None:
    """An old copy in which everything agrees, down to its last checkpoint."""
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(sound.database)) as now, closing(sqlite3.connect(old)) as then:
        now.backup(then)
        then.execute("DROP TRIGGER leaves_no_delete")
        for table in ("leaves", "payloads"):
            then.execute(f"DELETE FROM {table} WHERE seq >= 8")  # noqa: S608
        then.execute("DELETE FROM checkpoints WHERE size > 8")
        then.commit()
    copy = Sound(tmp_path, sound.key, sound.head, sound.keys)
    old.rename(copy.database)
    assert online(copy, head=False) == []
    assert online(copy) == [
        "the ledger was rolled back or cut: it ends with 8 leaves, the anchored head has 12"
    ]


def test_an_erased_leaf_that_names_no_such_key_excuses_nothing(copy: Sound) -> None:
    """A tamperer destroys another key than the one that the leaf names."""
    with raw(f"sqlite:///{copy.database}") as database:
        database.execute("UPDATE data_keys SET wrapped = NULL, erased_seq = 6")
    assert any("no leaf says so" in one for one in online(copy))
