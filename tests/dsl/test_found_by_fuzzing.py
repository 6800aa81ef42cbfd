"""Texts on which a long fuzz run found the parser wrong."""

from __future__ import annotations

import pytest

from tidegate.dsl.formatter import format_source
from tidegate.dsl.parser import parse
from tidegate.dsl.source import Source

STEP_UP = "step_up plain rank 2\n  try passkey\n  within 10m\n"


@pytest.mark.parametrize("name", ["least", "prefer", "typical"])
def test_a_declaration_that_ends_in_any_name_is_followed_by_a_step_up(name: str) -> None:
    """Two declarations would be lost because a feature is called `least`."""
    found = parse(Source("p.tide", f"let x = {name}\n{STEP_UP}"))
    assert not found.diagnostics
    assert len(found.file.declarations) == 2


@pytest.mark.parametrize(
    "text",
    [
        "rule r version 1\n  when true\n  then prefer\n    step_up plain\n  if unknown then skip\n",
        "guarantee g on p\n  when true\n  always at least\n    step_up\n",
    ],
)
def test_a_step_up_within_a_declaration_stays_there(text: str) -> None:
    """An action that goes on in the next line would open a declaration."""
    found = parse(Source("p.tide", text))
    assert not found.diagnostics
    assert len(found.file.declarations) == 1


@pytest.mark.parametrize("word", ["never", "except", "may", "on"])
def test_a_word_of_the_language_is_no_permission(word: str) -> None:
    """A grant would be read with a permission that the formatter cannot write again."""
    text = f"grant role chief\n  may {word}, stop\n"
    assert parse(Source("p.tide", text)).diagnostics
    assert "TG191" not in {d.code for d in format_source(Source("p.tide", text)).diagnostics}
