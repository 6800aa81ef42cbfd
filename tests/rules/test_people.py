"""The people's file: what it lists is trusted, so whatever is not right refuses all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.registry_samples import ADA, BEN, at_us
from tidegate.models.people import People, key_text
from tidegate.rules.people import read_people

REGISTRY = "8f2c" * 8
KEY_A, KEY_B = key_text(ADA.public_key), key_text(BEN.public_key)


def said(folder: Path, text: str) -> list[tuple[int | None, str, str]]:
    """Line, message and help of what is wrong."""
    path = folder / "people.yaml"
    if text.startswith("people:\n"):
        text += f"registry: {REGISTRY}\n"
    path.write_text(text, encoding="utf-8")
    found = read_people(path)
    assert not isinstance(found, People)
    assert {d.code for d in found} == {"TG821"}
    return [(d.line, d.message, d.help) for d in found]


def test_rows_are_read(tmp_path: Path) -> None:
    """Somebody would have another role, or a key that does not end."""
    path = tmp_path / "people.yaml"
    path.write_text(
        f"registry: {REGISTRY}\n"
        f"people:\n"
        f"  - {{name: ada, roles: [author], key: '{KEY_A}', until: 2027-06-30}}\n"
        f"  - {{name: ada, roles: [approver, operator], key: '{KEY_B}'}}\n"
    )
    people = read_people(path)
    assert isinstance(people, People)
    old, new = people.owner(ADA.public_key), people.owner(BEN.public_key)
    assert old is not None
    assert new is not None
    assert (old.name, old.roles, old.until_us) == (
        "ada", frozenset({"author"}), at_us("2027-06-30T00:00:00Z"),
    )  # fmt: skip
    assert (new.name, new.roles, new.until_us) == ("ada", frozenset({"approver", "operator"}), None)
    assert people.names == {"ada"}


@pytest.mark.parametrize(("row", "line", "message", "help_text"), [
    (f"name: ada, roles: [approvr], key: '{KEY_A}'", 2, "`approvr` is no role",
     "did you mean `approver`?"),
    (f"name: ada, roles: [chief], key: '{KEY_A}'", 2, "`chief` is no role",
     "author, approver, operator are"),
    (f"name: ada, roles: [], key: '{KEY_A}'", 2, "`ada` has no role", ""),
    (f"name: Ada, roles: [author], key: '{KEY_A}'", 2,
     "`Ada` is no name: small letters, digits, `.`, `_` and `-` are", ""),
    ("name: ada, roles: [author], key: abc", 2,
     "the key of `ada` is not `ed25519:` and 64 digits of small hex",
     "`tidegate models key` prints the line"),
    (f"name: ada, roles: [author], key: '{KEY_A.upper()}'", 2,
     "the key of `ada` is not `ed25519:` and 64 digits of small hex",
     "`tidegate models key` prints the line"),
    (f"name: ada, roles: [author], key: '{key_text(bytes(32))}'", 2,
     "the key of `ada` is one for which anybody can sign", ""),
    (f"name: ada, roles: [author], key: '{KEY_A}', until: 2027-02-30", 2,
     "`2027-02-30` is no date", "write it as 2027-06-30"),
    (f"name: ada, role: [author], key: '{KEY_A}'", 2, "`roles` is not there", ""),
    (f"name: ada, roles: author, key: '{KEY_A}'", 2,
     "it is `people:` and below it a list: each row has a name, roles and a key", ""),
    ("roles: [author], name: 3, key: x", 2, "`name` does not hold what stands there", ""),
])  # fmt: skip
def test_a_row_that_is_not_right_is_told(
    tmp_path: Path, row: str, line: int, message: str, help_text: str
) -> None:
    """A row would be left out in silence, or be taken for another one."""
    assert (line, message, help_text) in said(tmp_path, f"people:\n  - {{{row}}}\n")


def test_a_word_that_is_not_known_is_told(tmp_path: Path) -> None:
    """`untill` would end nothing."""
    row = f"{{name: ada, roles: [author], key: '{KEY_A}', untill: 2027-01-01}}"
    (found,) = said(tmp_path, f"people:\n  - {row}\n")
    assert found == (2, "`untill` is nothing that is said of people", "did you mean `until`?")


def test_one_key_has_one_name(tmp_path: Path) -> None:
    """One key would be an author and the approver of it."""
    rows = "".join(
        f"  - {{name: {name}, roles: [author], key: '{KEY_A}'}}\n" for name in ("ada", "eve")
    )  # fmt: skip
    assert said(tmp_path, f"people:\n{rows}") == [(3, "`ada` and `eve` have one key", "")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        f"registry: {'5a' * 16}\npeople: 3",
        f"registry: {'5a' * 16}\npeople: {{a: b}}",
        "a: [",
        "people: *x",
    ],
)
def test_what_is_no_list_of_people_is_refused(tmp_path: Path, text: str) -> None:
    """A broken file would look like one without people."""
    assert len(said(tmp_path, text)) == 1


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """An exception would end the command."""
    found = read_people(tmp_path / "people.yaml")
    assert not isinstance(found, People)


@pytest.mark.parametrize(("text", "line", "message"), [
    ("", None, "`registry` is not there"),
    ("registry: staging\n", 1, "`staging` is no id of a registry: 32 digits of small hex"),
    (f"registry: {'AB' * 16}\n", 1,
     f"`{'AB' * 16}` is no id of a registry: 32 digits of small hex"),
])  # fmt: skip
def test_a_file_names_its_registry(
    tmp_path: Path, text: str, line: int | None, message: str
) -> None:
    """A registry that was copied from staging would serve in production."""
    (tmp_path / "people.yaml").write_text(f"{text}people: []\n")
    found = read_people(tmp_path / "people.yaml")
    assert not isinstance(found, People)
    (one,) = found
    assert (one.message, one.help) == (
        message, "`tidegate models key NAME --first` prints the beginning of a file, with a new id",
    )  # fmt: skip
    assert line is None or one.line == line
    (tmp_path / "people.yaml").write_text(f"registry: {REGISTRY}\npeople: []\n")
    people = read_people(tmp_path / "people.yaml")
    assert isinstance(people, People)
    assert people.registry == REGISTRY
