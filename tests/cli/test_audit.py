"""`tidegate audit`: what it prints of a ledger, and how it ends when something is wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run, json_of
from tests.store.builders import decision, raw
from tidegate.cli.audit import DATABASE, HEAD, KEYS
from tidegate.store.anchors import FileAnchor
from tidegate.store.ledger import open_ledger
from tidegate.vault.memory import MemoryKeys


@pytest.fixture
def ledger(run: Run, tmp_path: Path) -> Path:
    """Give the folder of a ledger with five decisions."""
    run("audit", "init")
    with open_ledger(DATABASE, MemoryKeys.kept(KEYS), [FileAnchor(HEAD)]) as opened:
        for number in range(5):
            opened.append(decision(number)).result()
    return tmp_path / "tidegate-data"


def test_a_sound_ledger(run: Run, ledger: Path) -> None:
    assert run("audit", "verify", "--payloads").stdout == (
        "sound: 6 leaves, 6 under a signed head, 5 payloads (5 opened), 0 erased\n"
    )
    found = json_of(run("audit", "verify", "--json"))
    assert found["sound"]
    assert (found["leaves"], found["opened"], found["findings"]) == (6, 0, [])
    assert ledger.is_dir()


def test_a_changed_leaf_ends_with_1_and_is_named(run: Run, ledger: Path) -> None:
    with raw(DATABASE) as database:
        database.execute("UPDATE leaves SET leaf = hash WHERE seq = 3")
    result = run("audit", "verify", code=1)
    assert "error: leaf 3 cannot be read" in result.output
    assert "not sound: 6 leaves" in result.output
    found = json_of(run("audit", "verify", "--json", code=1))
    assert not found["sound"]
    assert {one["seq"] for one in found["findings"]} == {3}
    result = run("audit", "checkpoint", "--sign")
    assert result.exit_code == 0  # covered by a head already, and hashes are what they were
    result = run("audit", "backup", "copy.db", code=1)
    assert "the copy is not sound" in result.stderr
    assert not Path("copy.db").exists()
    assert ledger.is_dir()


def test_a_rolled_back_ledger_is_named(run: Run, ledger: Path) -> None:
    old = (ledger / "ledger.db").read_bytes()
    with open_ledger(DATABASE, MemoryKeys.kept(KEYS), [FileAnchor(HEAD)]) as opened:
        opened.append(decision(9)).result()
    (ledger / "ledger.db").write_bytes(old)
    result = run("audit", "verify", code=1)
    assert "error: the ledger was rolled back or cut" in result.output
    result = run("audit", "checkpoint", "--sign", code=1)
    assert "cut or rolled back: it has 6 leaves, the anchored head has 7" in result.stderr


def test_a_proof_verifies_with_the_program_of_the_export(run: Run, ledger: Path) -> None:
    proof = run("audit", "prove", "d3", "--leaf", "leaf").stdout
    key = run("audit", "key").stdout.strip()
    run("audit", "export", "exported")
    Path("proof").write_text(proof)
    program = [sys.executable, "-I", "exported/verify.py"]
    arguments = ["--proof", "proof", "--leaf", "leaf", "--key", key]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "sound: this is leaf 4 of 6\n")
    arguments = ["exported", "--key", key, "--head", str(ledger / "head")]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    leaf = Path("leaf").read_bytes()
    Path("leaf").write_bytes(leaf.replace(b"approve", b"decline"))
    arguments = ["--proof", "proof", "--leaf", "leaf", "--key", key]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1


def test_a_changed_export_is_named(run: Run, ledger: Path) -> None:
    run("audit", "export", "exported")
    file = Path("exported/payloads.jsonl")
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"nonce":"', b'"nonce":"00', 1))
    result = run("audit", "verify", "exported", code=1)
    assert "error: the payload of leaf 1 was changed" in result.output
    assert "not sound: 6 leaves" in result.output
    assert not json_of(run("audit", "verify", "exported", "--json", code=1))["sound"]
    assert ledger.is_dir()


def test_what_is_not_there(run: Run) -> None:
    for arguments in (
        ["verify"],
        ["verify", "--key", "a+b+c"],
        ["prove", "1"],
        ["checkpoint"],
        ["checkpoint", "--sign"],
        ["key"],
        ["export", "x"],
        ["backup", "x"],
        ["restore", "x"],
        ["verify", "--database", "mysql://x"],
    ):
        result = run("audit", *arguments, code=3)
        assert result.stderr.startswith("error: "), arguments


def test_a_running_writer_is_said(run: Run, ledger: Path) -> None:
    with open_ledger(DATABASE, MemoryKeys.kept(KEYS), [FileAnchor(HEAD)]):
        result = run("audit", "checkpoint", "--sign", code=3)
    assert "another process writes" in result.stderr
    assert "help: stop the service first" in result.stderr
    assert ledger.is_dir()


def test_a_lost_anchor_is_said_with_a_way_out(run: Run, ledger: Path) -> None:
    (ledger / "head").unlink()
    result = run("audit", "checkpoint", "--sign", code=1)
    assert "--new-anchor" in result.stderr
    run("audit", "checkpoint", "--sign", "--new-anchor")
    assert (ledger / "head").exists()


def test_restoring_into_an_older_state_is_refused(run: Run, ledger: Path) -> None:
    run("audit", "backup", "copy.db")
    with open_ledger(DATABASE, MemoryKeys.kept(KEYS), [FileAnchor(HEAD)]) as opened:
        opened.append(decision(9)).result()
    keep = Path("keep")
    shutil.copytree(ledger, keep)
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (ledger / name).unlink(missing_ok=True)
    result = run("audit", "restore", "copy.db", code=1)
    assert "rolled back" in result.stderr
    assert not (ledger / "ledger.db").exists()
