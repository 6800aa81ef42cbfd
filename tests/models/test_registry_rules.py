"""Who may do what with a version, and when: each rule broken once."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.models.card_samples import CARD
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
    model,
    people_of,
    person,
    signer,
    write_version,
)
from tidegate.models.cards import read_card, write_card
from tidegate.models.people import People, Person
from tidegate.models.problems import Problem
from tidegate.models.reading import write_model
from tidegate.models.registry import Registry, Request, act
from tidegate.models.registry_log import Entry, start_of
from tidegate.models.standing import advance, beginning
from tidegate.vault.key_file import FileSigner

pytestmark = pytest.mark.usefixtures("unsynced")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with one version that nobody registered yet."""
    write_version(tmp_path / NAME, 1)
    return tmp_path / NAME


def test_a_version_goes_its_way(folder: Path) -> None:
    """The usual way would be closed."""
    registered = done(folder, ADA, "register", 1).standing
    assert (registered.versions[1].registered.who, registered.active) == ("ada", None)
    approved = done(folder, BEN, "approve", 1).standing.versions[1]
    assert approved.approved is not None
    assert (approved.approved.who, approved.validated_until) == ("ben", "2027-06-30")
    assert approved.validated_until_us == at_us("2027-06-30T00:00:00Z")
    activated = done(folder, OLA, "activate", 1).standing
    assert activated.active == activated.versions[1]
    stopped = done(folder, OLA, "disable").standing
    assert stopped.disabled is not None
    assert (stopped.disabled.who, stopped.disabled.reason) == ("ola", "disable for a test")
    assert done(folder, OLA, "enable").standing.disabled is None


@pytest.mark.parametrize(
    ("who", "action", "allowed"),
    [(who, action, action in may)
     for who, may in ((ADA, ("register", "withdraw")), (BEN, ("approve", "withdraw")),
                      (OLA, ("activate", "rollback", "disable")))
     for action in ("register", "approve", "activate", "rollback", "disable", "withdraw")],
    ids=lambda value: getattr(value, "name", str(value)),
)  # fmt: skip
def test_each_action_needs_its_role(
    tmp_path: Path, who: FileSigner, action: str, allowed: bool
) -> None:
    """An author would put a model into service alone."""
    folder = active_folder(tmp_path, 1, 2)
    for number in (3, 4, 5):
        write_version(folder, number)
    done(folder, ADA, "register", 4)
    done(folder, ADA, "register", 5)
    done(folder, BEN, "approve", 5)
    version: int | None = {"register": 3, "approve": 4, "activate": 5, "withdraw": 4}.get(action)
    found = ask(folder, who, action, version)  # type: ignore[arg-type]
    assert kind(found) == ("fine" if allowed else "role_missing")


def test_the_author_does_not_approve(folder: Path) -> None:
    """Whoever has both roles would need nobody."""
    done(folder, ALL, "register", 1)
    found = ask(folder, ALL, "approve", 1)
    assert kind(found) == "self_approval"
    assert str(found) == "`all` registered version 1, and its author cannot approve it"
    assert kind(ask(folder, BEN, "approve", 1)) == "fine"


def test_the_author_does_not_approve_with_a_second_key(folder: Path) -> None:
    """A new key would make a new person."""
    people = people_of([*ROWS, person("all", "approver", seed="second")])
    done(folder, ALL, "register", 1)
    second = signer("all", "second")
    assert kind(ask(folder, second, "approve", 1, people=people)) == "self_approval"


def test_the_authors_key_does_not_approve_under_another_name(folder: Path) -> None:
    """Should a file ever give one key two names, the key would approve itself."""

    class Careless(People):
        """Whoever asks owns the key."""

        def __contains__(self, name: object) -> bool:
            return True

        def owner(self, key: bytes) -> Person | None:
            """Say what the entry says."""
            return Person("eve", key, frozenset({"approver"}))

    registry = done(folder, ADA, "register", 1)
    first = registry.lines[0].entry
    entry = replace(
        first, sequence=2, previous=registry.head.hash, action="approve", who="eve", files={},
        validated_until="2027-06-30",
    )  # fmt: skip
    found = advance(registry.standing, entry, registry.head, Careless())
    assert isinstance(found, Problem)
    assert found.kind == "self_approval"


def test_strangers_and_foreign_keys_are_refused(folder: Path) -> None:
    """A name alone would be enough."""
    eve = signer("eve")
    assert kind(ask(folder, eve, "register", 1)) == "unknown_person"
    found = ask(folder, signer("ada", "eve"), "register", 1)
    assert kind(found) == "foreign_key"
    assert str(found) == "`ada` used a key that is not theirs: nobody's that is listed"
    found = ask(folder, signer("ada", "ben"), "register", 1)
    assert str(found) == "`ada` used a key that is not theirs: it is `ben`'s"
    assert not (folder / "log.jsonl").exists()


def test_a_key_that_ended_signs_no_more(folder: Path) -> None:
    """Somebody who left would go on approving; what they signed before would be lost."""
    people = people_of([person("ada", "author", until_us=START_US + 60_000_000), *ROWS[1:]])
    assert kind(ask(folder, ADA, "register", 1, people=people)) == "fine"
    write_version(folder, 2)
    assert kind(ask(folder, ADA, "register", 2, minutes=1, people=people)) == "key_ended"
    both = people_of([*people_rows(people), person("ada", "author", seed="new")])
    new = signer("ada", "new")
    assert kind(ask(folder, new, "register", 2, minutes=1, people=both)) == "fine"


def people_rows(people: People) -> list[Person]:
    """Give the rows whose keys the tests know."""
    found = [people.owner(who.public_key) for who in (ADA, BEN, OLA, ALL)]
    return [row for row in found if row is not None]


def test_a_version_is_registered_once(folder: Path) -> None:
    """One number would stand for two contents in the records of decisions."""
    done(folder, ADA, "register", 1)
    assert kind(ask(folder, ADA, "register", 1)) == "registered_before"
    done(folder, ADA, "withdraw", 1)
    assert kind(ask(folder, ADA, "register", 1)) == "registered_before"


def test_only_what_is_registered_is_approved_and_only_what_is_approved_is_activated(
    folder: Path,
) -> None:
    """A step would be skipped."""
    assert kind(ask(folder, BEN, "approve", 1)) == "not_registered"
    assert kind(ask(folder, OLA, "activate", 1)) == "not_registered"
    done(folder, ADA, "register", 1)
    assert kind(ask(folder, OLA, "activate", 1)) == "not_approved"
    done(folder, BEN, "approve", 1)
    done(folder, OLA, "activate", 1)
    assert kind(ask(folder, OLA, "activate", 1)) == "active_already"


def test_an_approval_is_of_the_content_that_was_seen(folder: Path) -> None:
    """An approver would sign for something that was exchanged meanwhile."""
    content = done(folder, ADA, "register", 1).standing.versions[1].content
    other = Request("approve", "fine", START_US, 1, "0" * 64, "2027-06-30")
    assert kind(act(folder, PEOPLE, BEN, other)) == "hash_mismatch"
    assert kind(act(folder, PEOPLE, BEN, replace(other, content=content))) == "fine"


@pytest.mark.parametrize(("until", "expected"), [
    ("2026-11-25", "validated_until_past"),
    ("2026-11-26", "fine"),
    ("soon", "no_date"),
    ("2026-11-26T00:00:00Z", "no_date"),
])  # fmt: skip
def test_a_validation_lasts_beyond_the_approval(folder: Path, until: str, expected: str) -> None:
    """A model would be approved for a time that is over."""
    done(folder, ADA, "register", 1)
    assert kind(ask(folder, BEN, "approve", 1, until=until)) == expected


def test_an_approval_needs_its_date(folder: Path) -> None:
    """A model would be valid for ever."""
    done(folder, ADA, "register", 1)
    assert kind(act(folder, PEOPLE, BEN, Request("approve", "fine", START_US, 1))) == "no_date"


def test_an_expired_version_is_activated_only_after_another_approval(folder: Path) -> None:
    """A model that nobody looked at for a year would come into service."""
    done(folder, ADA, "register", 1)
    ask(folder, BEN, "approve", 1, until="2026-11-26")
    days = 24 * 60
    assert kind(ask(folder, OLA, "activate", 1, minutes=days)) == "validation_expired"
    assert kind(ask(folder, BEN, "approve", 1, minutes=days, until="2027-11-26")) == "fine"
    assert kind(ask(folder, OLA, "activate", 1, minutes=days)) == "fine"


def test_time_does_not_go_back(folder: Path) -> None:
    """A key that ended could be used in the past."""
    assert kind(ask(folder, ADA, "register", 1, minutes=5)) == "fine"
    assert kind(ask(folder, BEN, "approve", 1, minutes=4)) == "time_goes_back"
    assert kind(ask(folder, BEN, "approve", 1, minutes=5)) == "fine"


def test_rollback_goes_back_step_by_step(tmp_path: Path) -> None:
    """The version before would be another one than the one before."""
    folder = active_folder(tmp_path, 1, 2, 3)
    assert done(folder, OLA, "rollback").standing.activations == (1, 2)
    assert done(folder, OLA, "rollback").standing.activations == (1,)
    assert kind(ask(folder, OLA, "rollback")) == "nothing_before"
    assert done(folder, OLA, "activate", 3).standing.activations == (1, 3)


def test_rollback_leaves_out_what_was_withdrawn_and_what_is_active(tmp_path: Path) -> None:
    """A version that was taken back would serve again; or nothing would change."""
    folder = active_folder(tmp_path, 1, 2, 3)
    done(folder, BEN, "withdraw", 2)
    assert done(folder, OLA, "rollback").standing.activations == (1,)
    done(folder, OLA, "activate", 3)
    done(folder, OLA, "activate", 1)
    done(folder, BEN, "withdraw", 3)
    assert kind(ask(folder, OLA, "rollback")) == "nothing_before"


def test_what_was_withdrawn_never_serves(tmp_path: Path) -> None:
    """A withdrawn version would come back."""
    folder = active_folder(tmp_path, 1, 2)
    assert kind(ask(folder, BEN, "withdraw", 2)) == "is_active"
    done(folder, BEN, "withdraw", 1)
    assert kind(ask(folder, OLA, "activate", 1)) == "withdrawn"
    assert kind(ask(folder, BEN, "approve", 1)) == "withdrawn"
    assert kind(ask(folder, BEN, "withdraw", 1)) == "withdrawn"


def test_authors_take_back_only_what_is_theirs_and_not_approved(folder: Path) -> None:
    """An author would take the version away that a rollback needs."""
    for version in (2, 3):
        write_version(folder, version)
    done(folder, ALL, "register", 1)
    done(folder, ADA, "register", 2)
    done(folder, BEN, "approve", 2)
    done(folder, ADA, "register", 3)
    assert kind(ask(folder, ADA, "withdraw", 1)) == "role_missing"
    assert kind(ask(folder, ADA, "withdraw", 2)) == "role_missing"
    assert kind(ask(folder, ADA, "withdraw", 9)) == "not_registered"
    assert kind(ask(folder, ADA, "withdraw", 3)) == "fine"
    assert kind(ask(folder, BEN, "withdraw", 2)) == "fine"


def test_disable_stops_at_any_time_and_once(folder: Path) -> None:
    """The emergency stop would ask for something first; or an enable would stay unseen."""
    assert kind(ask(folder, OLA, "enable")) == "not_disabled"
    assert done(folder, OLA, "disable").standing.disabled is not None
    assert kind(ask(folder, OLA, "disable")) == "disabled_already"
    assert done(folder, OLA, "enable").standing.disabled is None


def test_a_stopped_model_is_mended_before_it_goes_on(tmp_path: Path) -> None:
    """A bad version would serve for a moment between `enable` and `rollback`."""
    folder = active_folder(tmp_path, 1, 2)
    done(folder, OLA, "disable")
    done(folder, OLA, "rollback")
    after = done(folder, OLA, "enable").standing
    assert (after.activations, after.disabled) == ((1,), None)


@pytest.mark.parametrize("action", ["disable", "enable"])
def test_a_stop_names_the_version_that_is_active(tmp_path: Path, action: str) -> None:
    """The log would say of another version that it was stopped."""
    folder = active_folder(tmp_path, 1, 2)
    if action == "enable":
        done(folder, OLA, "disable")
    registry = done(folder, BEN, "withdraw", 1)
    entry = replace(
        registry.lines[-1].entry, sequence=registry.head.sequence + 1, action=action,  # type: ignore[arg-type]
        previous=registry.head.hash, who="ola", key=OLA.public_key.hex(),
    )  # fmt: skip
    found = advance(registry.standing, entry, registry.head, PEOPLE)
    assert isinstance(found, Problem)
    assert found.kind == "not_active"


def test_a_rollback_names_the_version_that_was_before(tmp_path: Path) -> None:
    """A crafted entry would jump to any version."""
    registry = done(active_folder(tmp_path, 1, 2, 3), BEN, "approve", 1)
    entry = replace(
        registry.lines[-1].entry, action="rollback", who="ola", key=OLA.public_key.hex(),
        validated_until="",
    )  # fmt: skip
    found = advance(registry.standing, entry, registry.head, PEOPLE)
    assert isinstance(found, Problem)
    assert found.kind == "not_before"


def test_the_content_is_that_of_the_files() -> None:
    """The log would name files, and the approval another content."""
    entry = Entry(
        1, start_of(NAME, REGISTRY).hash, "2026-11-25T09:00:00Z", "register", NAME, 1,
        "0" * 64, "ada",
        ADA.public_key.hex(), "fine", files={"model.json": "0" * 64},
    )  # fmt: skip
    found = advance(beginning(NAME, REGISTRY), entry, start_of(NAME, REGISTRY), PEOPLE)
    assert isinstance(found, Problem)
    assert found.kind == "hash_mismatch"


@pytest.mark.parametrize("reason", [
    "", "  ", "two\nlines", "hidden \u202e text", "e\u0301 is not composed", "x" * 501,
    "card 4111 1111 1111 1111 was hit", "\u2800", "\u3164\u115f", "\u2800 ...", "...!",
])  # fmt: skip
def test_every_action_has_a_reason_that_can_be_read(folder: Path, reason: str) -> None:
    """A log would say what was done and not why, or hold what it must not hold."""
    found = act(folder, PEOPLE, ADA, Request("register", reason, START_US, 1))
    assert kind(found) == "no_reason"
    assert "4111" not in str(found)


# --- what is registered


def test_a_version_without_a_folder_is_refused(folder: Path) -> None:
    """The log would name what nobody has."""
    assert str(ask(folder, ADA, "register", 7)) == "7/: `7/` is no folder"
    assert kind(ask(folder, ADA, "register")) == "not_whole"


@pytest.mark.parametrize("name", [
    "card.json", "card.md", "contributions.json", "model.json", "reference.json", "reliability.svg",
])  # fmt: skip
def test_every_file_of_a_version_is_asked_for(folder: Path, name: str) -> None:
    """A model would be approved that nobody could look at."""
    (folder / "1" / name).unlink()
    found = ask(folder, ADA, "register", 1)
    assert kind(found) == "not_whole"
    assert str(found) == f"1/: the folder lacks `{name}`"


@pytest.mark.parametrize("field", [
    "owner", "intended_use", "label_cutoff", "label_delay", "data_hash", "features_hash",
    "model_hash", "limits", "metrics",
])  # fmt: skip
def test_a_card_says_everything(folder: Path, field: str) -> None:
    """A model would be registered of which nobody knows what it is for."""
    path = folder / "1" / "card.json"
    card = read_card(path.read_bytes())
    nothing: object = () if field in ("limits", "metrics") else ""
    path.write_bytes(write_card(replace(card, **{field: nothing})))  # type: ignore[arg-type]
    found = ask(folder, ADA, "register", 1)
    assert kind(found) == "card_incomplete"
    assert str(found) == f"1/card.json: the card does not say `{field}`"


def test_a_card_is_a_card(folder: Path) -> None:
    """Any file of that name would do."""
    (folder / "1" / "card.json").write_text("{}")
    assert kind(ask(folder, ADA, "register", 1)) == "no_card"


def test_a_model_is_a_portable_model(folder: Path) -> None:
    """A pickle would be approved, and run one day."""
    (folder / "1" / "model.json").write_bytes(b"\x80\x04K\x01.")
    assert kind(ask(folder, ADA, "register", 1)) == "not_a_model"
    (folder / "1" / "model.json").write_text("{}")
    assert kind(ask(folder, ADA, "register", 1)) == "not_a_model"


def test_a_pickle_beside_the_model_is_refused(folder: Path) -> None:
    """Somebody would load it."""
    (folder / "1" / "model.pkl").write_bytes(b"anything")
    found = ask(folder, ADA, "register", 1)
    assert kind(found) == "not_a_model"
    assert isinstance(found, Problem)
    assert found.place == "1/model.pkl"


def test_model_card_and_folder_agree(folder: Path) -> None:
    """The card would speak of another model than the one that serves."""
    path = folder / "1" / "card.json"
    card, right = read_card(path.read_bytes()), path.read_bytes()
    for wrong, expected in (
        (replace(card, model="other"), "named_otherwise"),
        (replace(card, version=2), "named_otherwise"),
        (replace(card, model_hash=CARD.model_hash), "hash_mismatch"),
    ):
        path.write_bytes(write_card(wrong))
        assert kind(ask(folder, ADA, "register", 1)) == expected
    path.write_bytes(right)
    (folder / "1" / "model.json").write_bytes(write_model(model(2)))
    found = ask(folder, ADA, "register", 1)
    assert kind(found) == "named_otherwise"
    assert str(found) == (
        "1/model.json: says it is `boosting` version 2, and lies as `boosting` version 1"
    )


def test_a_folder_is_named_like_its_model(tmp_path: Path) -> None:
    """A log would be readable under a name that no policy can write."""
    write_version(tmp_path / "No-Name", 1)
    assert kind(ask(tmp_path / "No-Name", ADA, "register", 1)) == "no_model_name"


def test_a_log_is_of_its_folder(tmp_path: Path) -> None:
    """An approved log would be carried over to another model."""
    folder = active_folder(tmp_path, 1)
    shutil.copytree(folder, tmp_path / "other")
    found = ask(tmp_path / "other", OLA, "disable")
    assert kind(found) == "log_broken"
    assert "the entry is about `boosting`, and the folder is `other`'s" in str(found)


def test_a_refusal_writes_nothing(folder: Path) -> None:
    """A refused entry would stay in the log and break it."""
    done(folder, ADA, "register", 1)
    before = (folder / "log.jsonl").read_bytes()
    for who in (ADA, OLA):
        assert kind(ask(folder, who, "approve", 1)) == "role_missing"
    assert (folder / "log.jsonl").read_bytes() == before


def test_a_signer_that_signs_something_else_writes_nothing(folder: Path) -> None:
    """A key store that is broken would break the log for everybody."""

    class Broken:
        """Signs, but not this."""

        name = "ada"
        public_key = ADA.public_key

        def sign(self, message: bytes) -> bytes:
            """Sign half of it."""
            return ADA.sign(message[:10])

    found = act(folder, PEOPLE, Broken(), Request("register", "fine", START_US, 1))
    assert kind(found) == "bad_signature"
    assert not (folder / "log.jsonl").exists()


def test_an_entry_can_be_read_without_tidegate(folder: Path) -> None:
    """An auditor would need our code to look."""
    registry = done(folder, ADA, "register", 1)
    (line,) = (folder / "log.jsonl").read_text().splitlines()
    assert isinstance(registry, Registry)
    assert {k: json.loads(line)[k] for k in ("action", "version", "who", "reason", "at")} == {
        "action": "register", "version": 1, "who": "ada", "reason": "register for a test",
        "at": "2026-11-25T09:00:00Z",
    }  # fmt: skip
