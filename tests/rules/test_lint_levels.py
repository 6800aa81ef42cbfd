"""`lint.yaml`: levels, what is ignored and why, and everything that is wrong with it at once."""

from __future__ import annotations

from pathlib import Path

from tidegate.dsl.diagnostics import Severity
from tidegate.dsl.source import NOWHERE
from tidegate.rules.lint_levels import Levels, read_levels
from tidegate.rules.lints import BY_CODE, LINTS, finding


def levels(folder: Path, text: str) -> Levels:
    """What is read of a file."""
    (folder / "lint.yaml").write_text(text, encoding="utf-8")
    return read_levels(folder)


def test_names_and_codes_call_the_same_lints(tmp_path: Path) -> None:
    """A level would be set that nothing reads."""
    found = levels(tmp_path, "levels: {no-owner: error, TG723: off, implied-rule: note}\n")
    assert found.diagnostics == ()
    named = [finding(lint, "x", NOWHERE) for lint in ("no-owner", "unused", "implied-rule")]
    said = [(f.diagnostic.code, f.diagnostic.severity) for f in found.weighed(named)]
    assert said == [("TG721", Severity.ERROR), ("TG732", Severity.NOTE)]


def test_without_a_file_the_usual_levels_hold(tmp_path: Path) -> None:
    """A folder would be judged by levels that nobody set."""
    found = read_levels(tmp_path)
    assert {name: found.of(name) for name in LINTS} == {n: x.usual for n, x in LINTS.items()}
    assert len(BY_CODE) == len(LINTS)


def test_what_is_ignored_is_ignored_at_its_name_alone(tmp_path: Path) -> None:
    """One exception would silence every rule."""
    found = levels(tmp_path, "ignore:\n  - {lint: unused, name: a, because: soon}\n")
    named = [finding("unused", "x", NOWHERE, name=name) for name in ("a", "b")]
    assert [f.name for f in found.weighed(named)] == ["b"]


def test_an_entry_that_ignores_nothing_is_told(tmp_path: Path) -> None:
    """It would stay for ever, and hide the next finding at this name."""
    text = """ignore:
  - {lint: unused, name: a, because: soon}
  - {lint: never-fires, name: b, because: waits for the first}
"""
    found = levels(tmp_path, text)
    told = [(f.diagnostic.code, f.diagnostic.line) for f in found.weighed([])]
    assert told == [("TG752", 2)]
    assert len(list(found.weighed([], history=True))) == 2


def test_everything_wrong_comes_at_once(tmp_path: Path) -> None:
    """A person would mend the file one error at a time."""
    text = """levels:
  no-ownr: error
  unused: warn
  TG723: off
ignore:
  - {lint: implied-rul, because: x}
  - {lint: unused, because: " "}
"""
    found = levels(tmp_path, text)
    assert [(d.code, d.line, d.message, d.help) for d in found.diagnostics] == [
        ("TG751", 2, "no lint is called `no-ownr`", "did you mean `no-owner`?"),
        ("TG751", 3, "no level is called `warn`", "did you mean `warning`?"),
        ("TG751", 4, "`unused` comes twice, by name and by code", ""),
        ("TG751", 6, "no lint is called `implied-rul`", "did you mean `implied-rule`?"),
        ("TG751", 7, "say why this is ignored", ""),
    ]


def test_a_reason_is_asked_for_and_keys_are_known(tmp_path: Path) -> None:
    """A finding would be silenced without a word."""
    found = levels(tmp_path, "level: {}\nignore:\n  - {lint: unused, nam: x}\n")
    assert sorted((d.line, d.message, d.help) for d in found.diagnostics) == [
        (1, "`level` is no part of `lint.yaml`", "did you mean `levels`?"),
        (3, "`because` is not there", ""),
        (3, "`nam` is no part of `lint.yaml`", "did you mean `name`?"),
    ]
