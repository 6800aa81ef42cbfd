"""A changed byte, a line that is gone or elsewhere, a foreign signature: noticed and named."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.models.registry_samples import (
    ADA,
    BEN,
    NAME,
    OLA,
    PEOPLE,
    REGISTRY,
    ROWS,
    START_US,
    active_folder,
    ask,
    done,
    kind,
    people_of,
    person,
    signer,
    write_version,
)
from tidegate.models.manifest import MAX_FILES, differences, read_files
from tidegate.models.people import Person
from tidegate.models.problems import Problem
from tidegate.models.registry import (
    NotServing,
    Registry,
    Serving,
    read_registry,
    serving_version,
)
from tidegate.models.registry_log import (
    Entry,
    Head,
    read_head,
    read_log,
    signed_line,
    start_of,
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with two versions, the second one active, that no test changes."""
    return active_folder(tmp_path_factory.mktemp("kept"), 1, 2)


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    """Give a copy of it to change."""
    return Path(shutil.copytree(kept, tmp_path / NAME))


def read(folder: Path) -> Registry | Problem:
    """Read a registry as a service does."""
    return read_registry(folder, PEOPLE)


def rewrite(folder: Path, content: bytes) -> Registry | Problem:
    """Put another log there, and read it."""
    (folder / "log.jsonl").write_bytes(content)
    return read(folder)


def log(folder: Path) -> bytes:
    """Give the bytes of the log."""
    return (folder / "log.jsonl").read_bytes()


def flips(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Give every content in which one byte is another: each bit of it, and all."""
    for place in range(len(content)):
        for mask in (1 << place % 8, 0xFF, 0x20):
            yield place, content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]


def test_every_byte_of_the_log_is_under_guard(kept: Path) -> None:
    """Somebody who can write to the log could change what it says."""
    content = log(kept)
    line_of = [0]
    for byte in content:
        line_of.append(line_of[-1] + (byte == 0x0A))
    for place, changed in flips(content):
        lines = read_log(changed, NAME)
        if isinstance(lines, Problem):
            found: Problem | Registry = lines
        else:  # the form is right, so it is for the signatures and the rules to notice
            found = rewrite_aside(kept, changed)
        assert isinstance(found, Problem), f"byte {place} was changed unseen"
        assert found.message
        line = int(found.place.rpartition(":")[2])
        assert line == line_of[place] + 1, (place, found)


def rewrite_aside(kept: Path, changed: bytes) -> Registry | Problem:
    """Read a changed log beside the versions that it speaks of."""
    aside = kept.parent / "aside" / NAME
    aside.mkdir(parents=True, exist_ok=True)
    return rewrite(aside, changed)


def test_every_byte_of_every_file_is_under_guard(folder: Path) -> None:
    """A model would score otherwise than the one that was approved."""
    looked_at = 0
    for path in sorted((folder / "2").iterdir()):
        content = path.read_bytes()
        for place in range(len(content)):
            path.write_bytes(
                content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :]
            )
            found = read_files(folder, 2)
            assert not isinstance(found, Problem)
            registered = registered_files(folder)
            (wrong,) = differences(2, found.digests, registered)
            assert (wrong.kind, wrong.place) == ("hash_mismatch", f"2/{path.name}"), place
            looked_at += 1
        path.write_bytes(content)
    assert looked_at > 2_000


_REGISTERED: dict[Path, dict[str, str]] = {}


def registered_files(folder: Path) -> dict[str, str]:
    """Give what the log says of version 2; reading it once is enough."""
    if folder not in _REGISTERED:
        entries = [json.loads(line) for line in log(folder).splitlines()]
        _REGISTERED[folder] = next(
            e["files"] for e in entries if (e["action"], e["version"]) == ("register", 2)
        )
    return _REGISTERED[folder]


@pytest.mark.parametrize("name", [
    "card.json", "card.md", "contributions.json", "model.json", "reference.json", "reliability.svg",
])  # fmt: skip
def test_a_changed_file_is_named_and_its_version_refused(folder: Path, name: str) -> None:
    """The version would serve; or nobody would know what to bring back."""
    path = folder / "2" / name
    path.write_bytes(path.read_bytes() + b" ")
    registry = read(folder)
    assert isinstance(registry, Registry)
    (fault,) = registry.faults[2]
    assert (fault.kind, fault.place) == ("hash_mismatch", f"2/{name}")
    assert str(fault) == f"2/{name}: does not hold what was registered"
    answer = serving_version(folder, 2, PEOPLE)
    assert isinstance(answer, Serving)
    assert (answer.version, answer.instead_of, answer.problems) == (1, 2, (fault,))


def test_what_is_served_are_the_bytes_that_were_verified(folder: Path) -> None:
    """Between the check and the use somebody could exchange the file."""
    answer = serving_version(folder, 2, PEOPLE)
    assert isinstance(answer, Serving)
    assert answer.model_json == (folder / "2" / "model.json").read_bytes()
    assert answer.card_json == (folder / "2" / "card.json").read_bytes()
    assert (answer.author, answer.approver) == ("ada", "ben")
    assert "tries" not in repr(answer)


@pytest.mark.parametrize("action", ["approve", "activate", "rollback", "enable"])
def test_a_version_that_is_not_whole_comes_no_nearer_to_serving(
    tmp_path: Path, action: str
) -> None:
    """An approver would sign for files that are not the registered ones."""
    folder = active_folder(tmp_path, 1, 2)
    broken, who = {"approve": (1, BEN), "rollback": (1, OLA)}.get(action, (2, OLA))
    if action == "activate":
        done(folder, OLA, "rollback")
    if action == "enable":
        done(folder, OLA, "disable")
    page = folder / str(broken) / "card.md"
    right = page.read_bytes()
    page.write_text("better than it is")
    version = broken if action in ("approve", "activate") else None
    assert kind(ask(folder, who, action, version)) == "hash_mismatch"  # type: ignore[arg-type]
    page.write_bytes(right)
    assert kind(ask(folder, who, action, version)) == "fine"  # type: ignore[arg-type]


def test_the_stop_works_though_files_are_broken(folder: Path) -> None:
    """The emergency stop would fail in an emergency."""
    (folder / "2" / "model.json").write_text("{}")
    assert kind(ask(folder, OLA, "disable")) == "fine"


def test_files_that_come_or_go_are_noticed(folder: Path) -> None:
    """Something would lie beside the model that nobody approved."""
    (folder / "2" / "extra.json").write_text("{}")
    (folder / "2" / "card.md").unlink()
    registry = read(folder)
    assert isinstance(registry, Registry)
    assert [str(fault) for fault in registry.faults[2]] == [
        "2/card.md: is not there, and was registered",
        "2/extra.json: was not registered, and is there",
    ]


def test_a_withdrawn_version_may_be_deleted(folder: Path) -> None:
    """Old versions would have to be kept for ever, or every look would complain."""
    done(folder, BEN, "withdraw", 1)
    shutil.rmtree(folder / "1")
    registry = read(folder)
    assert isinstance(registry, Registry)
    assert registry.faults == {}


def test_links_pipes_and_folders_are_no_files_of_a_model(folder: Path, tmp_path: Path) -> None:
    """A link could point to another file at each look; a pipe would hold up the service."""
    path = folder / "2" / "card.md"
    content = path.read_text()
    (tmp_path / "elsewhere").write_text(content)
    makers: dict[str, Callable[[], None]] = {
        "is a link, no ordinary file": lambda: path.symlink_to(tmp_path / "elsewhere"),
        "is no ordinary file": lambda: os.mkfifo(path),
        "cannot be read: Is a directory": path.mkdir,
    }
    for said, make in makers.items():
        path.unlink()
        make()
        found = read_files(folder, 2)
        assert isinstance(found, Problem)
        assert found.message in (said, "is no ordinary file")
        assert found.place == "2/card.md"
        if path.is_dir():
            path.rmdir()
            path.touch()
    shutil.rmtree(folder / "2")
    (folder / "2").symlink_to(folder / "1")
    assert kind_of(read_files(folder, 2)) == "not_whole"


def kind_of(found: object) -> str:
    """Give the kind of a problem."""
    assert isinstance(found, Problem), found
    return found.kind


def test_a_folder_is_read_within_bounds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile folder would fill the memory."""
    (folder / "2" / "Card.md").write_text("")
    assert kind_of(read_files(folder, 2)) == "not_whole"
    for number in range(MAX_FILES):
        (folder / "1" / f"x{number}").touch()
    assert str(read_files(folder, 1)) == f"1/: more than {MAX_FILES} files"
    (folder / "2" / "Card.md").unlink()
    monkeypatch.setattr("tidegate.models.manifest.MAX_FILE_BYTES", 100)
    assert str(read_files(folder, 2)) == "2/card.json: is larger than 64 MiB"
    monkeypatch.setattr("tidegate.models.registry.MAX_LOG_BYTES", 10)
    monkeypatch.setattr("tidegate.models.registry_log.MAX_LOG_BYTES", 10)
    assert str(read(folder)) == "log.jsonl: the log is larger than 16 MiB"


# --- the log as a whole


def test_a_line_that_is_gone_elsewhere_or_twice_is_noticed(folder: Path) -> None:
    """An approval could be taken out, or a stop."""
    lines = log(folder).splitlines(keepends=True)
    for place in range(len(lines)):
        if place < len(lines) - 1:
            assert kind(rewrite(folder, b"".join(lines[:place] + lines[place + 1 :]))) == (
                "log_broken"
            )
            swapped = [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]
            assert kind(rewrite(folder, b"".join(swapped))) == "log_broken"
        twice = [*lines[: place + 1], *lines[place:]]
        assert kind(rewrite(folder, b"".join(twice))) == "log_broken"
    assert kind(rewrite(folder, b"".join(lines))) == "fine"


def test_numbers_that_were_mended_do_not_hide_a_missing_line(folder: Path) -> None:
    """The chain, not the number, is what holds."""
    lines = read_log(log(folder), NAME)
    assert not isinstance(lines, Problem)
    forged = replace(lines[3].entry, sequence=3)
    whole = log(folder).splitlines(keepends=True)
    found = rewrite(folder, b"".join([*whole[:2], signed_line(forged, ADA)]))
    assert str(found) == "log.jsonl:3: the entry does not follow the one before it"


def test_a_tail_that_was_cut_off_is_noticed_by_whoever_kept_the_head(folder: Path) -> None:
    """A stop could be cut off the log."""
    before = log(folder)
    done(folder, OLA, "disable")
    registry = read(folder)
    assert isinstance(registry, Registry)
    head = registry.head
    assert kind(rewrite(folder, before)) == "fine"
    found = read_registry(folder, PEOPLE, expected=head)
    assert kind(found) == "log_cut_short"
    assert str(found) == "log.jsonl: the log has 6 entries, and 7 were seen"
    answer = serving_version(folder, 2, PEOPLE, expected=head)
    assert isinstance(answer, NotServing)
    assert answer.why == "refused"
    (folder / "log.jsonl").unlink()
    assert kind(read_registry(folder, PEOPLE, expected=head)) == "log_cut_short"


def test_a_log_that_took_another_way_is_noticed(folder: Path) -> None:
    """A whole, rightly signed log could be put in the place of the one that was seen."""
    before = log(folder)
    done(folder, OLA, "disable")
    seen = read(folder)
    assert isinstance(seen, Registry)
    (folder / "log.jsonl").write_bytes(before)
    done(folder, OLA, "rollback")
    done(folder, OLA, "disable")
    found = read_registry(folder, PEOPLE, expected=seen.head)
    assert kind(found) == "log_replaced"
    assert str(found) == "log.jsonl:7: entry 7 is another one than was seen"
    assert kind(ask_expecting(folder, seen.head)) == "log_replaced"


def ask_expecting(folder: Path, head: Head) -> Registry | Problem:
    """Ask for something on the ground of a head that was seen."""
    from tidegate.models.registry import Request, act

    return act(folder, PEOPLE, OLA, Request("enable", "go on", START_US), expected=head)


def test_a_log_that_went_on_is_fine(folder: Path) -> None:
    """Every later entry would look like an attack."""
    seen = read(folder)
    assert isinstance(seen, Registry)
    done(folder, OLA, "rollback")
    assert kind(read_registry(folder, PEOPLE, expected=seen.head)) == "fine"
    assert kind(read_registry(folder, PEOPLE, expected=start_of(NAME, REGISTRY))) == "fine"


def test_a_foreign_signature_is_noticed(folder: Path) -> None:
    """Anybody could write an entry in somebody's name."""
    lines = read_log(log(folder), NAME)
    assert not isinstance(lines, Problem)
    forged = replace(
        lines[-1].entry, sequence=7, previous=lines[-1].head.hash, action="disable"
    )  # fmt: skip
    good = log(folder)
    assert kind(rewrite(folder, good + signed_line(forged, OLA))) == "fine"
    found = rewrite(folder, good + signed_line(forged, signer("eve")))
    assert kind(found) == "bad_signature"
    assert str(found) == "log.jsonl:7: the signature is not that of `ola`"


def test_a_signature_of_another_entry_is_noticed(folder: Path) -> None:
    """A right signature could be moved to another entry."""
    whole = [json.loads(line) for line in log(folder).splitlines()]
    whole[-1]["reason"] = "because I say so"
    text = "".join(
        json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n" for line in whole
    )  # fmt: skip
    assert kind(rewrite(folder, text.encode())) == "bad_signature"


def test_what_the_rules_forbid_is_refused_when_it_is_read_too(folder: Path) -> None:
    """Somebody with a key could write to the log without our commands."""
    lines = read_log(log(folder), NAME)
    assert not isinstance(lines, Problem)
    forged = replace(
        lines[-1].entry, sequence=7, previous=lines[-1].head.hash, action="approve", who="ada",
        key=ADA.public_key.hex(), validated_until="2030-01-01",
    )  # fmt: skip
    found = rewrite(folder, log(folder) + signed_line(forged, ADA))
    assert str(found) == "log.jsonl:7: `ada` may not approve: that takes an approver"


def test_somebody_who_is_no_longer_listed_is_no_longer_believed(folder: Path) -> None:
    """A key that was found to be stolen would stay good."""
    without = people_of([row for row in ROWS if row.name != "ben"])
    answer = serving_version(folder, 2, without)
    assert isinstance(answer, NotServing)
    assert answer.said == "version 2 does not serve: the key of `ben` is not among the people's"
    ended = people_of([*without_name("ben"), person("ben", "approver", until_us=START_US + 1)])
    assert kind(read_registry(folder, ended)) == "fine"


def without_name(name: str) -> list[Person]:
    """Give all rows but somebody's."""
    return [row for row in ROWS if row.name != name]


@pytest.mark.parametrize(("change", "said"), [
    (lambda line: {**line, "extra": 1}, "the line is no entry"),
    (lambda line: {**line, "schema": "other/1"}, "the entry's schema is not"),
    (lambda line: {**line, "sequence": True}, "`sequence` is not what an entry holds there"),
    (lambda line: {**line, "sequence": 2}, "entry 2 stands where 1 belongs"),
    (lambda line: {**line, "version": 0}, "`version` is not what"),
    (lambda line: {**line, "version": 10**10}, "`version` is not what"),
    (lambda line: {**line, "at": "2026-11-25T10:00:00+01:00"}, "`at` is not what"),
    (lambda line: {**line, "at": "2026-11-25"}, "`at` is not what"),
    (lambda line: {**line, "action": "delete"}, "`action` is not what"),
    (lambda line: {**line, "content": ""}, "`content` is not what"),
    (lambda line: {**line, "previous": "00"}, "`previous` is not what"),
    (lambda line: {**line, "key": "AA"}, "`key` is not what"),
    (lambda line: {**line, "who": "Ada"}, "`who` is not what"),
    (lambda line: {**line, "who": "\N{CYRILLIC SMALL LETTER A}da"}, "`who` is not what"),
    (lambda line: {**line, "reason": ""}, "`reason` is not what"),
    (lambda line: {**line, "reason": "\ud800"}, "`reason` is not what"),
    (lambda line: {**line, "validated_until": "2027-06-30"}, "`validated_until` is not what"),
    (lambda line: {**line, "files": {}}, "`files` is not what"),
    (lambda line: {**line, "files": {"../x": "0" * 64}}, "`files` is not what"),
    (lambda line: {**line, "files": {"x": 1}}, "`files` is not what"),
    (lambda line: {**line, "signature": "AB" * 64}, "the signature is none"),
    (lambda line: {**line, "signature": 3}, "the signature is none"),
    (lambda line: {**line, "model": "../x"}, "`model` is not what"),
    (lambda line: [line], "the line is no entry"),
])  # fmt: skip
def test_a_line_has_one_form(folder: Path, change: object, said: str) -> None:
    """A reader would take what the writer never writes, and two readers would differ."""
    line = json.loads(log(folder).splitlines()[0])
    changed = json.dumps(change(line), sort_keys=True, separators=(",", ":"))  # type: ignore[operator]
    found = rewrite(folder, f"{changed}\n".encode())
    assert kind(found) == "log_broken"
    assert str(found).startswith(f"log.jsonl:1: {said}")


def test_a_line_has_one_spelling(folder: Path) -> None:
    """What is signed and what is read could be two things."""
    first = log(folder).splitlines()[0].decode()
    for changed in (
        first.replace('":"', '": "', 1),
        first.replace('"register"', r'"\u0072egister"', 1),
        first.replace('{"action"', '{"action":"disable","action"', 1),
        f" {first}",
    ):
        assert changed != first
        found = rewrite(folder, f"{changed}\n".encode())
        assert str(found) == "log.jsonl:1: the line is not in its canonical form"
    assert "the line has no end" in str(rewrite(folder, first.encode()))
    assert "the line is no JSON" in str(rewrite(folder, b"\n"))
    assert "the line is no JSON" in str(rewrite(folder, b"[" * 100_000 + b"\n"))


def test_a_log_that_cannot_be_read_is_said(folder: Path) -> None:
    """A folder without rights would look like one without versions."""
    (folder / "log.jsonl").unlink()
    assert isinstance(read(folder), Registry)
    (folder / "log.jsonl").mkdir()
    assert str(read(folder)) == "log.jsonl: the log is no ordinary file"
    assert kind(read(folder / "nowhere")) == "unreadable"


def test_heads_are_read_as_they_are_written() -> None:
    """A head that was kept could not be given back."""
    head = Head(12, "ab" * 32)
    assert read_head(str(head)) == head
    for text in ("", "12", "12:", f"012:{'ab' * 32}", f"x:{'ab' * 32}", f"1:{'AB' * 32}"):
        assert read_head(text) is None


def test_an_entry_is_signed_under_a_name_of_its_own() -> None:
    """A signature that a key gave elsewhere would be good for the log."""
    entry = Entry(
        1, start_of(NAME, REGISTRY).hash, "2026-11-25T09:00:00Z", "disable", NAME, 0, "", "ola",
        OLA.public_key.hex(), "stop",
    )  # fmt: skip
    seen: list[bytes] = []

    class Watching:
        """Keeps what is signed."""

        name = "ola"
        public_key = OLA.public_key

        def sign(self, message: bytes) -> bytes:
            """Sign it."""
            seen.append(message)
            return OLA.sign(message)

    line = json.loads(signed_line(entry, Watching()))
    line.pop("signature")
    text = json.dumps(line, sort_keys=True, separators=(",", ":"))
    assert seen == [f"tidegate-model-log-1\n{text}".encode()]


def test_people_share_no_key_and_use_no_broken_one() -> None:
    """One key would be two people; or anybody could sign."""
    from tests.models.registry_samples import person as row

    for rows, said in (
        ([row("ada", "author"), row("eve", "author", seed="ada")], "have one key"),
        ([row("Ada", "author")], "is no name"),
        ([row("\N{CYRILLIC SMALL LETTER A}da", "author")], "is no name"),
        ([row("ada")], "has no role"),
        ([replace(row("ada", "author"), key=b"short")], "does not have 32 bytes"),
        ([replace(row("ada", "author"), key=bytes([1, *[0] * 31]))], "anybody can sign"),
        ([replace(row("ada", "author"), key=bytes([1, *[0] * 30, 0x80]))], "anybody can sign"),
    ):
        with pytest.raises(ValueError, match=said):
            people_of(rows)


def test_a_key_of_small_order_is_a_real_danger() -> None:
    """The guard above would be for nothing."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    identity = bytes([1, *[0] * 31])
    forged = identity + bytes(32)
    Ed25519PublicKey.from_public_bytes(identity).verify(forged, b"whatever you like")


def test_reading_does_not_change_anything(folder: Path) -> None:
    """A look could be an action."""
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    write_version(folder, 3)
    shutil.rmtree(folder / "3")
    before[folder] = folder.stat().st_mtime_ns
    read(folder)
    assert {p: p.stat().st_mtime_ns for p in [folder, *folder.rglob("*")]} == before
