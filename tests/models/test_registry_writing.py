"""Writing the log: whole or not at all, whatever fails and whoever else writes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.models.registry_samples import (
    ADA,
    BEN,
    NAME,
    OLA,
    PEOPLE,
    START_US,
    active_folder,
    ask,
    done,
    kind,
    write_version,
)
from tidegate.models import registry as registry_module
from tidegate.models.durable import FileChanged, replace_durably
from tidegate.models.registry import Registry, Request, act, read_registry
from tidegate.models.registry_log import signed_line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder in which a version is active and another one lies ready."""
    folder = active_folder(tmp_path, 1)
    write_version(folder, 2)
    return folder


def failing(monkeypatch: pytest.MonkeyPatch, name: str, nth: int) -> Callable[[], int]:
    """Let the n-th call of a function of the system fail, and say how often it was called."""
    real: Callable[..., Any] = getattr(os, name)
    calls = 0

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise OSError(28, "No space left on device")
        return real(*arguments, **named)

    monkeypatch.setattr(os, name, call)
    return lambda: calls


@pytest.mark.parametrize("name", ["open", "fsync", "replace", "fdopen"])
def test_a_failure_at_any_step_leaves_the_old_log_or_the_new_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A full disk would leave half a log, and no version would serve any more."""
    failed = 0
    for nth in range(1, 60):
        before = (folder / "log.jsonl").read_bytes()
        with monkeypatch.context() as patch:
            calls = failing(patch, name, nth)
            try:
                found = ask(folder, OLA, "disable")
            except OSError:
                failed += 1
            else:
                if calls() < nth:
                    assert kind(found) == "fine"
                    break
                failed += 1  # reading was refused, as a value
        after = (folder / "log.jsonl").read_bytes()
        assert after == before or after.startswith(before)
        registry = read_registry(folder, PEOPLE)
        assert isinstance(registry, Registry), registry
        assert registry.faults == {}
        if after != before:
            done(folder, OLA, "enable")
    else:
        pytest.fail("never came to its end")
    assert failed >= (2 if name == "fsync" else 1)
    assert sorted(p.name for p in folder.iterdir()) == ["1", "2", "log.jsonl"]


DYING = """
import os, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.models.registry_samples import OLA, ask
name, nth = sys.argv[2], int(sys.argv[3])
real, calls = getattr(os, name), 0

def dying(*arguments, **named):
    global calls
    calls += 1
    if calls == nth:
        os.kill(os.getpid(), 9)
    return real(*arguments, **named)

setattr(os, name, dying)
ask(Path(sys.argv[1]), OLA, "disable")
"""


@pytest.mark.parametrize(("name", "nth"), [("fsync", 1), ("replace", 1), ("fsync", 2)])
def test_a_kill_at_any_step_leaves_a_log_that_goes_on(folder: Path, name: str, nth: int) -> None:
    """A crash would lose the log, its lock would stay, or a draft would be in the way."""
    before = (folder / "log.jsonl").read_bytes()
    script = DYING.format(root=str(ROOT))
    finished = subprocess.run(
        [sys.executable, "-c", script, str(folder), name, str(nth)],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert finished.returncode == -9, finished.stderr
    after = (folder / "log.jsonl").read_bytes()
    written = (name, nth) == ("fsync", 2)
    assert (after != before) == written
    assert after.startswith(before)
    done(folder, OLA, "enable" if written else "disable")
    assert sorted(p.name for p in folder.iterdir()) == ["1", "2", "log.jsonl"]


def test_the_files_of_a_version_are_on_the_disk_before_the_log_names_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut the log would name files that are empty."""
    order: list[str] = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(handle: int) -> None:
        order.append(os.path.relpath(Path(f"/proc/self/fd/{handle}").readlink(), folder))
        real_sync(handle)

    def replace(*arguments: Any) -> None:
        order.append("replaced")
        real_replace(*arguments)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    done(folder, ADA, "register", 2)
    files = sorted(f"2/{path.name}" for path in (folder / "2").iterdir())
    assert order == [*files, "2", ".log.jsonl.new", "replaced", "."]


def test_somebody_else_who_wrote_meanwhile_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two entries would be lost."""
    real = signed_line

    def slow(*arguments: Any) -> bytes:
        monkeypatch.setattr(registry_module, "signed_line", real)
        assert kind(ask(folder, OLA, "disable")) == "fine"
        return real(*arguments)

    monkeypatch.setattr(registry_module, "signed_line", slow)
    found = ask(folder, ADA, "register", 2)
    assert kind(found) == "fine"
    registry = read_registry(folder, PEOPLE)
    assert isinstance(registry, Registry)
    assert registry.standing.disabled is not None
    assert 2 in registry.standing.versions


def test_of_many_writers_none_is_lost(folder: Path) -> None:
    """Two people at once would overwrite each other."""
    for version in range(3, 11):
        write_version(folder, version)
    outcomes: dict[int, str] = {}

    def register(version: int) -> None:
        for _ in range(200):
            found = ask(folder, ADA, "register", version)
            outcomes[version] = kind(found)
            if outcomes[version] != "log_changed":
                return

    threads = [threading.Thread(target=register, args=(v,)) for v in range(3, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    registry = read_registry(folder, PEOPLE)
    assert isinstance(registry, Registry), registry
    assert set(outcomes.values()) == {"fine"}
    assert sorted(registry.standing.versions) == [1, *range(3, 11)]


def test_a_file_is_replaced_only_where_it_is_as_it_was_read(tmp_path: Path) -> None:
    """The last guard against two writers would be missing."""
    path = tmp_path / "log"
    replace_durably(path, b"", b"one")
    with pytest.raises(FileChanged):
        replace_durably(path, b"", b"two")
    replace_durably(path, b"one", b"one, two")
    assert path.read_bytes() == b"one, two"
    assert [p.name for p in tmp_path.iterdir()] == ["log"]


def test_a_link_in_the_place_of_the_draft_is_not_followed(tmp_path: Path) -> None:
    """Somebody could have the log written over a file of their choice."""
    path, victim = tmp_path / "log", tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / ".log.new").symlink_to(victim)
    replace_durably(path, b"", b"one")
    assert victim.read_bytes() == b"mine"
    assert path.read_bytes() == b"one"


def test_a_writer_waits_for_the_one_who_writes(folder: Path) -> None:
    """Between look and replacement somebody else could write."""
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    found: list[str] = []
    thread = threading.Thread(
        target=lambda: found.append(kind(ask(folder, OLA, "disable")))
    )  # fmt: skip
    thread.start()
    thread.join(0.3)
    assert found == []
    os.close(handle)
    thread.join()
    assert found == ["fine"]


def test_what_is_done_is_returned_as_it_is_read(folder: Path) -> None:
    """The answer would be of another log than the one on the disk."""
    done(folder, ADA, "register", 2)
    request = Request("approve", "looked at it", START_US, 2, "", "2027-01-01")
    after = act(folder, PEOPLE, BEN, request)
    assert isinstance(after, Registry)
    again = read_registry(folder, PEOPLE)
    assert isinstance(again, Registry)
    assert (after.head, after.standing) == (again.head, again.standing)
    assert after.standing.model == NAME
