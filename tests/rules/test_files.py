"""No file of a policy is left out in silence, and what its lists and rates hold is documented."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.rules.folders import FILES, write_policy
from tests.rules.test_loading import codes, fired
from tidegate.rules import Loaded, read
from tidegate.rules.cases import read_cases

Seal = Callable[[Path], None]


def found(loaded: Loaded) -> list[tuple[str, str]]:
    """The code and the file of everything that is wrong."""
    return [(d.code, d.span.path) for d in loaded.diagnostics if d.severity.value != "note"]


# --- rule files ---


def test_a_link_that_leads_nowhere_is_said(tmp_path: Path) -> None:
    """Rules that lie behind it would be off, and the policy be called fine."""
    folder = write_policy(tmp_path)
    (folder / "more.tide").symlink_to("gone.tide")
    loaded = read(folder)
    assert found(loaded) == [("TG182", "more.tide")]
    assert "leads nowhere" in loaded.rendered()


def test_a_link_in_a_circle_is_said(tmp_path: Path) -> None:
    """The system refuses it, and Python once raised for it."""
    folder = write_policy(tmp_path)
    (folder / "more.tide").symlink_to("more.tide")
    assert found(read(folder)) == [("TG182", "more.tide")]


@pytest.mark.parametrize("path", ["rules", "rules/rules.tide"])
def test_rules_that_cannot_be_read_are_said(tmp_path: Path, seal: Seal, path: str) -> None:
    """A folder without the right to read it holds somebody's protection."""
    folder = write_policy(tmp_path)
    seal(folder / path)
    assert found(read(folder)) == [("TG182", path)]


def test_a_folder_that_cannot_be_read_is_named_as_it_was(tmp_path: Path, seal: Seal) -> None:
    """It is no folder without rules."""
    seal(write_policy(tmp_path))
    loaded = read(tmp_path)
    assert codes(loaded) == ["TG182"]
    assert f"`{tmp_path}` cannot be read: Permission denied" in loaded.rendered()


@pytest.mark.parametrize("sealed", ["policy.tide", "rules/rules.tide"])
def test_a_policy_that_cannot_be_read_is_not_called_absent(
    tmp_path: Path, seal: Seal, sealed: str
) -> None:
    """The next thing somebody does is to write a second one."""
    folder = write_policy(tmp_path)
    seal(folder / sealed)
    assert "TG202" not in codes(read(folder))
    assert "TG202" in codes(read(write_policy(tmp_path / "b", {"policy.tide": None})))


@pytest.mark.parametrize("name", ["more.TIDE", "rules/More.Tide"])
def test_a_suffix_in_capitals_is_said(tmp_path: Path, name: str) -> None:
    """Some systems make no difference between the two, and their users do not see one."""
    loaded = read(write_policy(tmp_path, {name: "# nothing"}))
    assert found(loaded) == [("TG184", name)]
    assert "rename it" in loaded.rendered()


def test_what_is_no_ordinary_file_is_said(tmp_path: Path) -> None:
    """Reading a pipe would wait for ever."""
    folder = write_policy(tmp_path)
    os.mkfifo(folder / "more.tide")
    assert found(read(folder)) == [("TG184", "more.tide")]


def test_a_link_to_a_folder_with_rules_is_said(tmp_path: Path) -> None:
    """It is not followed, and who made the link believes it is."""
    folder = write_policy(tmp_path / "shop")
    common = tmp_path / "common"
    (common / "deep").mkdir(parents=True)
    (folder / "common").symlink_to(common)
    assert found(read(folder)) == []
    (common / "deep" / "more.tide").touch()
    assert found(read(folder)) == [("TG184", "common")]
    (folder / "common").rename(folder / ".common")
    assert found(read(folder)) == []


# --- lists and rates ---


@pytest.mark.parametrize(
    ("file", "named"), [("lists/blocked.csv", "lists/blocked.csv"), ("rates.csv", "rates.csv")]
)
def test_a_list_that_cannot_be_read_is_said(
    tmp_path: Path, seal: Seal, file: str, named: str
) -> None:
    """Its rules would find nobody."""
    folder = write_policy(tmp_path)
    seal(folder / file)
    assert found(read(folder)) == [("TG182", named)]


@pytest.mark.parametrize("named", ["../outside.csv", "/etc/hostname"])
def test_rates_stay_in_the_folder(tmp_path: Path, named: str) -> None:
    """The same copy of a policy would convert otherwise on another machine."""
    (tmp_path / "outside.csv").write_text(FILES["rates.csv"])
    text = FILES["policy.tide"].replace("rates.csv", named)
    assert codes(read(write_policy(tmp_path / "shop", {"policy.tide": text}))) == ["TG701"]


def test_a_comment_is_no_value(tmp_path: Path) -> None:
    """A card taken off the list with `#` would be replaced by a card of that name."""
    content = '# March\nvalue\n  # tok_2\ntok_1\n"#17"\n'
    folder = write_policy(tmp_path, {"lists/blocked.csv": content})
    assert codes(read(folder)) == []
    assert fired(folder, card="tok_1") == ("blocked_card@1",)
    assert fired(folder, card="#17") == ("blocked_card@1",)
    assert fired(folder, card="# tok_2") == fired(folder, card="value") == ()


def test_comments_keep_the_numbers_of_lines(tmp_path: Path) -> None:
    """The line that is named has to be the line that is wrong."""
    bad = {"lists/near.csv": "# one\nFR\n# three\nfr\n", "rates.csv": "# one\ndate\n"}
    lines = {d.span.path: d.line for d in read(write_policy(tmp_path, bad)).diagnostics}
    assert (lines["lists/near.csv"], lines["rates.csv"]) == (4, 2)


@pytest.mark.parametrize("content", ["", "\n", "value\n", "# none yet\n"])
def test_an_empty_list_is_warned_of(tmp_path: Path, content: str) -> None:
    """An export that failed blocks nobody."""
    loaded = read(write_policy(tmp_path, {"lists/blocked.csv": content}))
    assert found(loaded) == [("TG709", "lists/blocked.csv")]
    assert loaded.policy is not None


@pytest.mark.parametrize("content", ["", "date,currency,rate\n"])
def test_empty_rates_are_warned_of(tmp_path: Path, content: str) -> None:
    """Every payment in another currency would be refused."""
    loaded = read(write_policy(tmp_path, {"rates.csv": content}))
    assert found(loaded) == [("TG709", "rates.csv")]


@pytest.mark.parametrize(("fence", "file"), [("list", "lists/blocked.csv"), ("rates", "rates.csv")])
def test_the_files_of_the_reference_can_be_read(tmp_path: Path, fence: str, file: str) -> None:
    """A person who copies one would copy an error."""
    page = (ROOT / "docs" / "language.md").read_text()
    (block,) = re.findall(rf"^```csv {fence}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    folder = write_policy(tmp_path, {file: block})
    assert codes(read(folder)) == []
    assert fired(folder, card="#17") == (("blocked_card@1",) if fence == "list" else ())


def test_a_broken_csv_is_told_in_our_words(tmp_path: Path) -> None:
    """A library's words say nothing to an analyst."""
    text = read(write_policy(tmp_path, {"lists/blocked.csv": '"tok_1\n'})).rendered()
    assert "a quote is not closed" in text
    assert "unexpected" not in text


# --- cases ---


@pytest.mark.parametrize("path", ["cases", "cases/a.yaml"])
def test_cases_that_cannot_be_read_are_said(tmp_path: Path, seal: Seal, path: str) -> None:
    """`holds no cases` sends its reader to write the first one over them."""
    folder = write_policy(tmp_path, {"cases/a.yaml": "[]"})
    seal(folder / path)
    assert [(d.code, d.span.path) for d in read_cases(folder).diagnostics] == [("TG182", path)]


def test_cases_in_capitals_are_said(tmp_path: Path) -> None:
    """They would never run."""
    problems = read_cases(write_policy(tmp_path, {"cases/a.YAML": "[]"})).diagnostics
    assert [(d.code, d.span.path) for d in problems] == [("TG801", "cases/a.YAML")]


@pytest.mark.parametrize("content", [b"- name: [a", b"- name: \xff", b"- \t- x: y: z"])
def test_bad_cases_are_told_in_our_words(tmp_path: Path, content: bytes) -> None:
    """What a library says of a stream, a token or a codec helps nobody."""
    (problem,) = read_cases(write_policy(tmp_path, {"cases/a.yaml": content})).diagnostics
    assert problem.message in (
        "from here on the file is no YAML",
        "byte 9 of the file is not UTF-8",
    )
    assert problem.line
