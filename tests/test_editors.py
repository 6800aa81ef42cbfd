"""What editors are given beside the server: the grammar for colours, and the extension."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tidegate.dsl.words import FUNCTIONS, RESERVED

EDITORS = ROOT / "docs" / "editors"
COLOURS: dict[str, Any] = json.loads((EDITORS / "tidegate.tmLanguage.json").read_text("utf-8"))
EXAMPLES = sorted((ROOT / "examples").rglob("*.tide"))


def grammar_words() -> set[str]:
    """Every word that the grammar itself spells."""
    text = (ROOT / "dsl" / "grammar.lark").read_text("utf-8")
    listed = re.findall(r"^[A-Z_]+(?:\.\d+)?: /\(([a-z|_]+)\)\\b/$", text, re.MULTILINE)
    return {*re.findall(r'"([a-z_]+)"', text), *(w for words in listed for w in words.split("|"))}


def coloured_words() -> set[str]:
    """Every word that a pattern of the colours spells."""
    patterns = [p["match"] for p in COLOURS["patterns"] if "match" in p]
    lists = (re.search(r"\((?:\?:)?([a-z_]+(?:\|[a-z_]+)+)\)", p) for p in patterns)
    numbers = {"us", "ms", "s", "m", "h", "d", "w"}
    return {word for found in lists if found for word in found[1].split("|")} - numbers


def test_the_colours_know_the_words_of_the_grammar_and_no_others() -> None:
    wanted = grammar_words()
    assert len(wanted) > 120
    assert wanted <= coloured_words()
    assert coloured_words() <= wanted | RESERVED | FUNCTIONS


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_word_of_an_example_has_a_colour(path: Path) -> None:
    """The first pattern that matches at the nearest place wins, as in an editor."""
    patterns = [re.compile(p.get("match") or r'"[^"]*"') for p in COLOURS["patterns"]]
    for line in path.read_text("utf-8").splitlines():
        at = 0
        while at < len(line):
            found = [m for p in patterns if (m := p.search(line, at)) and m.end() > at]
            match = min(found, key=lambda m: m.start(), default=None)
            plain = line[at : match.start() if match else None]
            assert not re.search(r"\w", plain), plain
            at = match.end() if match else len(line)


def test_the_extension_names_files_that_are_there() -> None:
    folder = EDITORS / "vscode"
    package = json.loads((folder / "package.json").read_text("utf-8"))
    assert (folder / package["main"]).is_file()
    (language,) = package["contributes"]["languages"]
    rules = json.loads((folder / language["configuration"]).read_text("utf-8"))
    assert rules["comments"] == {"lineComment": "#"}
    (colours,) = package["contributes"]["grammars"]
    assert colours["scopeName"] == COLOURS["scopeName"]
    assert (EDITORS / Path(colours["path"]).name).is_file()
