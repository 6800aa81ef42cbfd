"""The shipped libraries: released versions stand for ever, and every template does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.rules.folders import write_policy
from tidegate import load_policy
from tidegate.dsl import tree
from tidegate.dsl.diagnostics import Severity
from tidegate.dsl.formatter import format_source
from tidegate.dsl.phrases import print_literal
from tidegate.dsl.templates import Template, cut_file, faults
from tidegate.rules import read
from tidegate.rules.libraries import FOLDER, read_library, shipped

RELEASED = {
    ("card_testing", 1): "cf28c8ea9bcd12c5904cc35208dd0c99d80dc421d94e41ce6bfb365a05b88c24",
    ("velocity", 1): "9c92e58753ca7ac8993dcfafb42f608d309397cd10112b9795a3a11fde99eecd",
}
"""What each released version holds. A line is added with a release and never changed."""

USES = """
library velocity version 1
library card_testing version 1
apply velocity.tries as a version 1 with who = card
apply velocity.spend as b version 1 with who = card, limit = 500 EUR
apply velocity.jump as c version 1 with who = card
apply velocity.many_cards as d version 1 with who = ip_address
apply card_testing.small_amounts as e version 1 with who = card, small = 5 EUR
apply card_testing.declines as f version 1
  counting payment with who = card, answer_who = card, declined = was_declined
apply card_testing.many_cards as g version 1 with who = ip_address, small = 5 EUR
let was_declined = amount > 5 EUR
"""


def templates(name: str, version: int) -> dict[str, Template]:
    """The templates of a library, by name."""
    files = shipped()[name, version].files
    return {t.name: t for file in files for t in cut_file(file)[1]}


def every_template() -> list[tuple[str, int, Template]]:
    """All templates that come with the product."""
    return [(n, v, t) for n, v in shipped() for t in templates(n, v).values()]


def test_a_released_version_is_never_edited() -> None:
    """A policy that names a version would decide otherwise after an update."""
    assert {key: library.hash for key, library in shipped().items()} == RELEASED


def test_an_edited_file_has_another_hash(tmp_path: Path) -> None:
    """The test above would not see an edit, or one that only renames a file."""
    name = "tries.tide"
    (tmp_path / name).write_text("# one\n")
    first = read_library(tmp_path).hash
    (tmp_path / name).write_text("# two\n")
    second = read_library(tmp_path).hash
    (tmp_path / name).rename(tmp_path / "others.tide")
    assert len({first, second, read_library(tmp_path).hash}) == 3


def test_libraries_are_sound_and_in_the_style_of_the_house() -> None:
    """A policy would be refused for what it cannot mend."""
    for library in shipped().values():
        for source in library.sources.values():
            assert format_source(source).text == source.text
    for name, _, template in every_template():
        assert list(faults(template)) == [], name


@pytest.mark.parametrize("key", [("who", "token"), ("who", "text")])
def test_every_template_can_be_used(tmp_path: Path, key: tuple[str, str]) -> None:
    """A template would not compile in anybody's policy."""
    policy = write_policy(tmp_path)
    shop = (policy / "policy.tide").read_text().replace("card    token", f"card    {key[1]}")
    (policy / "policy.tide").write_text(shop)
    (policy / "uses.tide").write_text(USES)
    if key[1] == "text":
        (policy / "rules" / "rules.tide").unlink()
    loaded = read(policy)
    assert [d for d in loaded.diagnostics if d.severity is not Severity.NOTE] == []
    assert loaded.policy is not None
    names = {rule.name for rule in loaded.policy.program.event("payment").rules}
    assert names >= set("abcdefg")
    assert len(every_template()) == 7


def test_the_hash_of_the_policy_covers_the_libraries_that_it_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two policies that decide otherwise would have one name."""
    without = load_policy(write_policy(tmp_path)).hash
    (tmp_path / "uses.tide").write_text("library velocity version 1\n")
    first = load_policy(tmp_path).hash
    library = shipped()["velocity", 1]
    changed = type(library)(library.files, library.sources, "0" * 64)
    other = {**shipped(), ("velocity", 1): changed}
    monkeypatch.setattr("tidegate.rules.loading.shipped", lambda: other)
    assert len({without, first, load_policy(tmp_path).hash}) == 3


def test_a_message_shows_the_line_of_the_library(tmp_path: Path) -> None:
    """A person would be told of a place in a file that nobody shows."""
    use = "library velocity version 1\napply velocity.spend as a version 1"
    use += " with who = card, limit = at"
    folder = write_policy(tmp_path, {"uses.tide": f"{use}\n"})
    assert "`limit` is a money, and `at` a time" in read(folder).rendered()
    folder = write_policy(tmp_path, {"uses.tide": f"{use.replace('= at', '= odd')}\nlet odd = 5\n"})
    shown = read(folder).rendered()
    assert f"--> {FOLDER}/velocity/1/velocity.tide:" in shown
    assert "applied here" in shown


def test_a_version_or_a_library_that_is_not_there(tmp_path: Path) -> None:
    """A person would not know what there is."""
    text = "library velocity version 7\nlibrary speed version 1\n"
    shown = read(write_policy(tmp_path, {"uses.tide": text})).rendered()
    assert "library `velocity` has no version 7" in shown
    assert "there is version 1" in shown
    assert "no library is called `speed`" in shown


def _described(name: str, version: int, template: Template) -> list[str]:
    """The lines by which the page of libraries tells of a template."""
    head = template.head
    assert head.text is not None
    lines = [f"### `{name}.{template.name}`", f"{head.text.value}."]
    for takes in head.takes:
        assert takes.text is not None, (name, version, takes.name.text)
        kinds = " or ".join(f"`{kind.word}`" for kind in takes.types)
        kinds += f" of `{takes.event.text}`" if takes.event else ""
        lines.append(f"| `{takes.name.text}` | {kinds} | {_value(takes)} | {takes.text.value} |")
    return lines


def _value(takes: tree.TakesClause) -> str:
    if takes.value is None or takes.low is None or takes.high is None:
        return "to be given"
    bounds = f"{print_literal(takes.low)} to {print_literal(takes.high)}"
    return f"{print_literal(takes.value)}, from {bounds}"


def test_the_page_tells_of_every_template() -> None:
    """A template would be there that nobody can look up, or with other defaults than it has."""
    page = (ROOT / "docs" / "libraries.md").read_text()
    for name, version, template in every_template():
        for line in _described(name, version, template):
            assert line in page, f"docs/libraries.md lacks:\n{line}"
    known = {f"{name}.{t.name}" for name, _, t in every_template()}
    assert set(re.findall(r"^### `(.*)`$", page, re.MULTILINE)) == known
