"""Stopping a model: it works whatever an author, a thief or a broken disk did to the log."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.models.registry_samples import (
    ADA,
    ALL,
    BEN,
    NAME,
    OLA,
    PEOPLE,
    REGISTRY,
    ROWS,
    START_US,
    active_folder,
    ask,
    at_us,
    done,
    kind,
    people_of,
    person,
    signer,
    write_version,
)
from tidegate.models import durable, registry_log
from tidegate.models import registry as registry_module
from tidegate.models.durable import FileChanged
from tidegate.models.manifest import content_hash
from tidegate.models.people import People
from tidegate.models.problems import Problem
from tidegate.models.registry import (
    NotServing,
    Registry,
    Request,
    Serving,
    act,
    read_registry,
    serving_version,
)
from tidegate.models.registry_log import read_log, signed_line
from tidegate.models.serving import DeclaredModel, ServingModels
from tidegate.models.standing import MAX_WAITING
from tidegate.models.stop_file import STOP_FILE, signed_stop
from tidegate.models.stopping import Stopped, disable, enable
from tidegate.vault.key_file import FileSigner

MINUTE_US = 60_000_000
LATER = "9999-12-31T23:59:59Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder in which two versions were active, the second one is."""
    return active_folder(tmp_path, 1, 2)


def add(folder: Path, who: FileSigner, **changes: Any) -> None:
    """Write an entry to the log as somebody does who can write to the file."""
    log = folder / "log.jsonl"
    lines = read_log(log.read_bytes(), NAME)
    assert not isinstance(lines, Problem), lines
    last = lines[-1]
    entry = replace(
        last.entry, sequence=len(lines) + 1, previous=last.head.hash, who=who.name,
        key=who.public_key.hex(), **changes,
    )  # fmt: skip
    log.write_bytes(log.read_bytes() + signed_line(entry, who))


def stop(folder: Path, who: FileSigner = OLA, *, minutes: int = 0, people: People = PEOPLE) -> Any:
    """Disable the model."""
    now_us = START_US + minutes * MINUTE_US
    return disable(
        folder, people, who, Request("disable", "stop it", now_us), now_us=now_us
    )  # fmt: skip


def start(folder: Path, *, minutes: int = 0) -> Registry | Problem:
    """Enable the model."""
    now_us = START_US + minutes * MINUTE_US
    return enable(folder, PEOPLE, OLA, Request("enable", "go on", now_us), now_us=now_us)


def why(folder: Path, people: People = PEOPLE) -> str:
    """Say why no version serves; `serves` where one does."""
    answer = serving_version(folder, 9, people)
    return answer.why if isinstance(answer, NotServing) else "serves"


def break_log(folder: Path) -> bytes:
    """Change one byte of the log; what it was."""
    log = folder / "log.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
    return whole


# --- entries are of now


def test_an_entry_that_is_to_come_is_neither_written_nor_read(folder: Path) -> None:
    """An author would date an entry 9999, and nobody could add one after it."""
    write_version(folder, 3)
    request = Request("register", "a new version", at_us(LATER), 3)
    assert kind(act(folder, PEOPLE, ADA, request)) == "not_now"
    whole = (folder / "log.jsonl").read_bytes()
    add(folder, BEN, action="approve", at=LATER, validated_until="9999-12-31", version=2)
    found = read_registry(folder, PEOPLE)
    assert kind(found) == "dated_ahead"
    assert str(found) == (
        f"log.jsonl:7: the entry of `ben` is dated {LATER}, which is to come"
    )  # fmt: skip
    assert isinstance(stop(folder), Stopped)
    (folder / "log.jsonl").write_bytes(whole)
    assert why(folder) == "disabled"


def test_clocks_may_differ_by_minutes_and_a_stop_waits_for_none(folder: Path) -> None:
    """A machine whose clock is ahead would keep an operator from stopping."""
    write_version(folder, 3)
    ahead = Request("register", "a new version", START_US + 5 * MINUTE_US, 3)
    assert kind(act(folder, PEOPLE, ADA, ahead, now_us=START_US)) == "fine"
    assert kind(ask(folder, OLA, "rollback")) == "time_goes_back"
    after = stop(folder)
    assert isinstance(after, Registry)
    assert after.lines[-1].entry.at == "2026-11-25T09:05:00Z"
    too_far = replace(ahead, at_us=START_US + 5 * MINUTE_US + 1_000_000)
    assert kind(act(folder, PEOPLE, ADA, too_far, now_us=START_US)) == "not_now"


def test_a_key_that_ended_does_not_sign_for_a_day_before(tmp_path: Path) -> None:
    """Somebody who left would go on approving, dated to when they were there."""
    folder = tmp_path / NAME
    write_version(folder, 1)
    done(folder, ADA, "register", 1)
    end_us = START_US + MINUTE_US
    people = people_of(
        [*(r for r in ROWS if r.name != "ben"), person("ben", "approver", until_us=end_us)]
    )
    request = Request("approve", "fine", end_us - 1_000_000, 1, "", "2027-06-30")
    assert kind(act(folder, people, BEN, request, now_us=end_us)) == "key_ended"
    assert kind(act(folder, people, BEN, request, now_us=end_us + 60 * MINUTE_US)) == "not_now"
    assert kind(act(folder, people, BEN, request, now_us=end_us - 1)) == "fine"


# --- a log that somebody fills


def test_an_author_does_not_fill_the_log(tmp_path: Path, unsynced: None) -> None:
    """Registrations without end would leave no room for a stop."""
    del unsynced
    folder = tmp_path / NAME
    for version in range(1, MAX_WAITING + 3):
        write_version(folder, version)
    for version in range(1, MAX_WAITING + 1):
        done(folder, ADA, "register", version)
    assert kind(ask(folder, ADA, "register", MAX_WAITING + 1)) == "too_many_waiting"
    done(folder, ADA, "withdraw", 1)
    assert kind(ask(folder, ADA, "register", MAX_WAITING + 1)) == "too_many_waiting"
    assert kind(ask(folder, ALL, "register", MAX_WAITING + 2)) == "fine"
    done(folder, BEN, "withdraw", 2)
    assert kind(ask(folder, ADA, "register", MAX_WAITING + 1)) == "fine"


def test_the_limit_holds_for_a_log_that_was_written_by_hand(folder: Path) -> None:
    """An author with a script would not ask us."""
    files = {"model.json": "0" * 64}
    for version in range(10, 11 + MAX_WAITING):
        add(
            folder, ADA, action="register", version=version, files=files,
            content=content_hash(NAME, version, files),
        )  # fmt: skip
    assert kind(read_registry(folder, PEOPLE)) == "too_many_waiting"


def test_the_end_of_the_log_is_the_operators(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An approver's or author's entries would take the last bytes."""
    size = len((folder / "log.jsonl").read_bytes())
    monkeypatch.setattr(registry_log, "MAX_LOG_BYTES", size + 2**20)
    write_version(folder, 3)
    assert kind(ask(folder, ADA, "register", 3)) == "log_full"
    assert kind(ask(folder, BEN, "approve", 2)) == "log_full"
    assert kind(ask(folder, OLA, "disable")) == "fine"


def test_a_full_log_takes_a_stop_beside_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop would fail for want of a kilobyte."""
    size = len((folder / "log.jsonl").read_bytes())
    monkeypatch.setattr(registry_log, "MAX_LOG_BYTES", size)
    monkeypatch.setattr(registry_log, "OPERATORS_BYTES", 0)
    assert isinstance(stop(folder), Stopped)
    assert why(folder) == "disabled"


# --- others who write


def test_an_entry_is_written_again_where_others_wrote(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes often would keep an operator from stopping."""
    real, failures = durable.replace_durably, 3

    def busy(*arguments: Any) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise FileChanged
        real(*arguments)

    monkeypatch.setattr(registry_module, "replace_durably", busy)
    assert kind(ask(folder, OLA, "disable")) == "fine"
    failures = 10**9
    assert kind(ask(folder, OLA, "enable")) == "log_changed"
    failures = 1
    assert kind(ask(folder, OLA, "enable")) == "fine"


def test_a_rollback_is_not_done_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two operators who go back at once would go back by two versions."""
    write_version(folder, 3)
    done(folder, ADA, "register", 3)
    done(folder, BEN, "approve", 3)
    done(folder, OLA, "activate", 3)
    real = durable.replace_durably

    def busy(*_arguments: Any) -> None:
        monkeypatch.setattr(registry_module, "replace_durably", real)
        done(folder, OLA, "rollback")
        raise FileChanged

    monkeypatch.setattr(registry_module, "replace_durably", busy)
    assert kind(ask(folder, OLA, "rollback")) == "log_changed"
    registry = read_registry(folder, PEOPLE)
    assert isinstance(registry, Registry)
    assert registry.standing.activations == (1, 2)


def test_a_lock_that_nobody_releases_holds_no_stop_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody who can read the folder can lock it."""
    import fcntl

    monkeypatch.setattr(durable, "WAIT_SECONDS", 0.05)
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        assert kind(ask(folder, OLA, "rollback")) == "log_locked"
        assert isinstance(stop(folder), Stopped)
        assert why(folder) == "disabled"
    finally:
        os.close(handle)


def test_a_folder_that_takes_nothing_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator would believe that the model is stopped."""

    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        stop(folder)
    assert why(folder) == "serves"
    assert sorted(p.name for p in folder.iterdir() if "stop" in p.name) == []


# --- the stop beside a log


def test_a_broken_log_is_stopped_and_serves_again_once_it_is_whole(folder: Path) -> None:
    """One flipped byte would make the emergency stop impossible."""
    models = ServingModels({NAME: DeclaredModel(folder, 9)})
    models.refresh(PEOPLE)
    whole = break_log(folder)
    models.refresh(PEOPLE)
    assert isinstance(models.served.models[NAME], Serving)
    stopped = stop(folder)
    assert isinstance(stopped, Stopped)
    assert (stopped.stop.who, stopped.stop.reason) == ("ola", "stop it")
    assert stopped.because.place == "log.jsonl:6"
    answer = models.refresh(PEOPLE).served.models[NAME]
    assert isinstance(answer, NotServing)
    assert (answer.why, answer.said) == (
        "disabled", "`ola` disabled the model at 2026-11-25T09:00:00Z: stop it",
    )  # fmt: skip
    assert why(folder) == "disabled"
    assert isinstance(start(folder), Problem)
    (folder / "log.jsonl").write_bytes(whole)
    assert why(folder) == "disabled"
    assert isinstance(models.refresh(PEOPLE).served.models[NAME], NotServing)
    after = start(folder)
    assert isinstance(after, Registry)
    assert [line.entry.action for line in after.lines[-2:]] == ["disable", "enable"]
    assert after.lines[-2].entry.reason == "stopped beside the log by ola at 2026-11-25T09:00:00Z"
    assert not (folder / STOP_FILE).exists()
    assert why(folder) == "serves"
    assert isinstance(models.refresh(PEOPLE).served.models[NAME], Serving)


def test_a_stop_that_was_taken_back_does_not_come_again(folder: Path) -> None:
    """Whoever kept the file would stop the model at will."""
    whole = break_log(folder)
    stop(folder)
    kept = (folder / STOP_FILE).read_bytes()
    (folder / "log.jsonl").write_bytes(whole)
    assert kind(start(folder)) == "fine"
    (folder / STOP_FILE).write_bytes(kept)
    assert why(folder) == "serves"
    break_log(folder)
    assert isinstance(stop(folder, minutes=1), Stopped)


def test_a_stop_that_was_seen_holds_though_its_file_is_deleted(folder: Path) -> None:
    """Whoever can write to the folder would undo the stop."""
    models = ServingModels({NAME: DeclaredModel(folder, 9)})
    models.refresh(PEOPLE)
    whole = break_log(folder)
    stop(folder)
    models.refresh(PEOPLE)
    (folder / STOP_FILE).unlink()
    (folder / "log.jsonl").write_bytes(whole)
    assert isinstance(models.refresh(PEOPLE).served.models[NAME], NotServing)
    done(folder, OLA, "disable")
    now_us = START_US + MINUTE_US
    act(folder, PEOPLE, OLA, Request("enable", "go on", now_us), now_us=now_us)
    again = models.refresh(PEOPLE, now_us=now_us).served.models[NAME]
    assert isinstance(again, Serving)


@pytest.mark.parametrize("change", [
    lambda: signed_stop(NAME, REGISTRY, ADA, "stop", START_US),
    lambda: signed_stop(NAME, REGISTRY, signer("eve"), "stop", START_US),
    lambda: signed_stop(NAME, REGISTRY, signer("ola", "eve"), "stop", START_US),
    lambda: signed_stop("other", REGISTRY, OLA, "stop", START_US),
    lambda: signed_stop(NAME, "aa" * 16, OLA, "stop", START_US),
    lambda: signed_stop(NAME, REGISTRY, OLA, "stop", at_us(LATER)),
    lambda: signed_stop(NAME, REGISTRY, OLA, "stop", START_US).replace(b'"stop"', b'"go"'),
    lambda: signed_stop(NAME, REGISTRY, OLA, " ", START_US),
    lambda: b"{}", lambda: b"", lambda: b"\xff" * 100, lambda: b"[" * 10_000,
    lambda: signed_stop(NAME, REGISTRY, OLA, "stop", START_US) + b" " * 2**14,
])  # fmt: skip
def test_what_no_operator_signed_stops_nothing_and_is_told(
    folder: Path, change: Callable[[], bytes]
) -> None:
    """Anybody who can write to the folder would stop the model; or nobody would hear of it."""
    (folder / STOP_FILE).write_bytes(change())
    assert why(folder) == "serves"
    registry = read_registry(folder, PEOPLE)
    assert isinstance(registry, Registry)
    (fault,) = registry.faults[0]
    assert fault.place == STOP_FILE
    assert kind(ask(folder, OLA, "disable")) == "fine"


def test_every_byte_of_a_stop_is_under_guard(folder: Path) -> None:
    """Another reason or another day would stand there."""
    content = signed_stop(NAME, REGISTRY, OLA, "stop", START_US)
    for place in range(len(content)):
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        (folder / STOP_FILE).write_bytes(changed)
        assert why(folder) == "serves", place


def test_only_an_operator_stops_beside_the_log(folder: Path) -> None:
    """An author would break the log and stop the model."""
    break_log(folder)
    for who in (ADA, BEN, signer("eve")):
        assert isinstance(stop(folder, who), Problem)
    ended = people_of([*ROWS[:2], person("ola", "operator", until_us=START_US)])
    assert kind(stop(folder, people=ended)) == "key_ended"
    assert not (folder / STOP_FILE).exists()


def test_a_stop_is_written_beside_a_log_that_is_no_file(folder: Path) -> None:
    """A pipe or a device in its place would hang the stop, or fill the memory."""
    log = folder / "log.jsonl"
    makers: tuple[Callable[[], None], ...] = (
        lambda: os.mkfifo(log), lambda: log.symlink_to("/dev/zero"), log.mkdir,
    )  # fmt: skip
    for make in makers:
        log.unlink()
        make()
        assert kind(read_registry(folder, PEOPLE)) == "log_broken"
        assert isinstance(stop(folder), Stopped)
        if log.is_dir():
            log.rmdir()
            log.touch()


# --- people who are trusted no more


def without(*names: str) -> People:
    """Give all rows but those of somebody."""
    return people_of([row for row in ROWS if row.name not in names])


@pytest.mark.parametrize("name", ["ada", "ben"])
def test_what_a_stolen_key_let_serve_stops_and_is_told(folder: Path, name: str) -> None:
    """A key would be taken away, and what it approved would go on serving."""
    models = ServingModels({NAME: DeclaredModel(folder, 9)})
    models.refresh(PEOPLE)
    refreshed = models.refresh(without(name))
    answer = refreshed.served.models[NAME]
    assert isinstance(answer, NotServing)
    assert answer.why == "distrusted"
    assert f"the key of `{name}` is not among the people's" in answer.said
    assert [p.kind for p in refreshed.problems[NAME]] == ["distrusted"]
    assert why(folder, without(name)) == "distrusted"
    assert isinstance(stop(folder, people=without(name)), Registry)


def test_a_stolen_key_stops_its_work_though_the_log_is_broken(folder: Path) -> None:
    """One more flipped byte would keep the thief's work serving."""
    models = ServingModels({NAME: DeclaredModel(folder, 9)})
    models.refresh(PEOPLE)
    break_log(folder)
    assert isinstance(models.refresh(PEOPLE).served.models[NAME], Serving)
    answer = models.refresh(without("ben")).served.models[NAME]
    assert isinstance(answer, NotServing)
    assert answer.why == "distrusted"


def test_others_go_on_after_a_key_was_taken_away(tmp_path: Path) -> None:
    """The model would be lost with the key."""
    folder = active_folder(tmp_path, 1)
    write_version(folder, 2)
    done(folder, ADA, "register", 2)
    carl = signer("carl")
    people = people_of([*ROWS, person("carl", "approver")])
    assert kind(ask(folder, carl, "approve", 2, people=people)) == "fine"
    assert kind(ask(folder, OLA, "activate", 2, people=people)) == "fine"
    left = people_of([*(r for r in ROWS if r.name != "ben"), person("carl", "approver")])
    assert why(folder, left) == "serves"
    gone = without("nobody")  # carl's row is deleted: back to what ben approved
    assert why(folder, gone) == "distrusted"
    assert kind(ask(folder, OLA, "activate", 2, people=gone)) == "distrusted"
    assert kind(ask(folder, OLA, "rollback", people=gone)) == "fine"
    answer = serving_version(folder, 9, gone)
    assert isinstance(answer, Serving)
    assert answer.version == 1
    assert kind(ask(folder, BEN, "approve", 2, people=gone)) == "fine"
    assert kind(ask(folder, OLA, "activate", 2, people=gone)) == "fine"
    assert why(folder, gone) == "serves"
    for readers in (people, left, gone):  # the same log, whoever is trusted
        assert isinstance(read_registry(folder, readers), Registry)


def test_what_nobody_trusts_lets_nothing_serve(folder: Path) -> None:
    """A stranger would go back to an old version, or take a stop away."""
    eve = signer("eve")
    add(folder, eve, action="activate", version=1, content=content_of(folder, 1))
    assert why(folder) == "distrusted"
    assert kind(ask(folder, OLA, "activate", 1)) == "fine"
    assert why(folder) == "serves"
    done(folder, OLA, "disable")
    add(folder, eve, action="enable")
    assert why(folder) == "distrusted"


def content_of(folder: Path, version: int) -> str:
    """Give what a version was registered with."""
    registry = read_registry(folder, PEOPLE)
    assert isinstance(registry, Registry)
    return registry.standing.versions[version].content


def test_a_stranger_does_not_stop_what_serves(folder: Path) -> None:
    """Whoever can write to the folder would stop a running service with any key."""
    models = ServingModels({NAME: DeclaredModel(folder, 9)})
    models.refresh(PEOPLE)
    add(folder, signer("eve"), action="disable")
    refreshed = models.refresh(PEOPLE)
    assert isinstance(refreshed.served.models[NAME], Serving)
    assert [p.kind for p in refreshed.problems[NAME]] == ["distrusted"]
    write_version(folder, 3)
    done(folder, ADA, "register", 3)
    assert isinstance(models.refresh(PEOPLE).served.models[NAME], Serving)
    assert kind(ask(folder, OLA, "rollback")) == "fine"
    assert isinstance(models.refresh(PEOPLE).served.models[NAME], NotServing)


def test_a_strangers_approval_does_not_undo_a_right_one(folder: Path) -> None:
    """Any key would stop the model by approving it."""
    add(folder, signer("eve"), action="approve", validated_until="2099-01-01")
    answer = serving_version(folder, 9, PEOPLE)
    assert isinstance(answer, Serving)
    assert (answer.approver, answer.validated_until_us) == ("ben", at_us("2027-06-30T00:00:00Z"))


def test_an_entry_that_an_ended_key_dates_back_is_seen_by_whoever_kept_the_head(
    folder: Path,
) -> None:
    """Written to the file, dated to before the end: a reader alone cannot know; the head does."""
    seen = read_registry(folder, PEOPLE)
    assert isinstance(seen, Registry)
    whole = (folder / "log.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    (folder / "log.jsonl").write_bytes(b"".join(lines[:-1]))
    add(folder, BEN, action="approve", version=2, validated_until="2099-01-01")
    assert isinstance(read_registry(folder, PEOPLE), Registry)
    assert kind(read_registry(folder, PEOPLE, expected=seen.head)) == "log_replaced"


# --- one place, one registry


def test_a_registry_does_not_serve_in_another_place(tmp_path: Path) -> None:
    """Staging's folder, copied, would serve in production, where nobody approved it."""
    staging, production = People(ROWS, "aa" * 16), People(ROWS, "bb" * 16)
    folder = tmp_path / NAME
    write_version(folder, 1)
    for who, action in ((ADA, "register"), (BEN, "approve"), (OLA, "activate")):
        assert kind(ask(folder, who, action, 1, people=staging)) == "fine"  # type: ignore[arg-type]
    assert why(folder, staging) == "serves"
    assert why(folder, production) == "refused"
    assert kind(read_registry(folder, production)) == "other_registry"
    assert kind(read_registry(folder, PEOPLE)) == "other_registry"
    assert not isinstance(read_log((folder / "log.jsonl").read_bytes(), NAME), Problem)


RACING = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.models.registry_samples import OLA, ask, kind
found = [kind(ask(Path(sys.argv[1]), OLA, ("disable", "enable")[n % 2])) for n in range(8)]
print(",".join(found))
"""


def test_of_many_who_write_at_once_none_is_turned_away(folder: Path) -> None:
    """A script that writes all the time would keep an operator from stopping."""
    script = RACING.format(root=str(ROOT))
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(folder)],
            env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    found = [kind for process in running for kind in process.communicate()[0].strip().split(",")]
    assert len(found) == 24
    assert set(found) <= {"fine", "disabled_already", "not_disabled"}
    assert isinstance(read_registry(folder, PEOPLE), Registry)
