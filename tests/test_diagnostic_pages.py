r"""Every diagnostic code has its page, and what the page shows is true.

A page holds a wrong and a right text (```` ```tide wrong ````, ```` ```tide right ````), each read
together with `docs/diagnostics/_preamble.tide`. In a block marked `escaped`, `\u202e` stands for
the character, so that no page holds a hidden one. A block without a word after `tide` is parsed
alone. A code that a text alone cannot bring about (a limit of size, a file of a folder) has a page
without blocks.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import Diagnostic, render
from tidegate.dsl.parser import parse
from tidegate.dsl.source import Source

PAGES = ROOT / "docs" / "diagnostics"
PREAMBLE = Source("preamble.tide", (PAGES / "_preamble.tide").read_text(encoding="utf-8"))
FOLDERS = ("dsl", "models", "rules", "engine", "simulation", "cli")
CODE = re.compile(r"\"(TG\d{3})\"")
BLOCK = re.compile(r"^```tide (wrong|right)( escaped)?\n(.*?)^```", re.MULTILINE | re.DOTALL)

PLAIN = re.compile(r"^```tide\n(.*?)^```", re.MULTILINE | re.DOTALL)


def codes() -> dict[str, Path]:
    """Every code in the sources, with a file that raises it."""
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return {code: path for path in files for code in CODE.findall(path.read_text(encoding="utf-8"))}


def pages() -> dict[str, str]:
    """The text of every page by its code."""
    return {p.stem: p.read_text(encoding="utf-8") for p in sorted(PAGES.glob("TG*.md"))}


def found(text: str) -> tuple[tuple[Diagnostic, ...], Source]:
    """What is said about `text` together with the preamble."""
    source = Source("example.tide", text)
    files = [parse(PREAMBLE), parse(source)]
    said = check([f.file for f in files]).diagnostics
    return (*files[0].diagnostics, *files[1].diagnostics, *said), source


def blocks() -> list[tuple[str, str, str]]:
    """Every example: its code, whether it is wrong or right, its text."""
    return [
        (code, kind, _characters(text) if escaped else text)
        for code, page in pages().items() for kind, escaped, text in BLOCK.findall(page)
    ]  # fmt: skip


def _characters(text: str) -> str:
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)


def test_every_code_has_its_page_and_every_page_its_code() -> None:
    """A person would look for a code in vain, or read about one that no longer exists."""
    assert sorted(codes().keys() - pages().keys()) == []
    assert sorted(pages().keys() - codes().keys()) == []


def test_the_titles_and_fences_are_what_this_reads() -> None:
    """An example with a misspelt fence would never be executed."""
    for code, page in pages().items():
        assert re.match(rf"# {code}: [^A-Z].*[^.]\n", page), code
        fences = re.findall(r"^```tide.*$", page, re.MULTILINE)
        assert len(fences) == len(BLOCK.findall(page)) + len(PLAIN.findall(page)), code
        kinds = [kind for kind, _, _ in BLOCK.findall(page)]
        assert not kinds or {"wrong", "right"} == set(kinds), code
        assert page.isprintable() or all(c == "\n" or c.isprintable() for c in page), code


@pytest.mark.parametrize(
    ("code", "kind", "text"), blocks(), ids=[f"{c}-{k}-{i}" for i, (c, k, _) in enumerate(blocks())]
)
def test_a_wrong_example_is_wrong_and_a_right_one_right(code: str, kind: str, text: str) -> None:
    """A page would show the way into an error instead of out of it."""
    diagnostics, source = found(text)
    sources = {PREAMBLE.path: PREAMBLE, source.path: source}
    shown = "\n".join(render(d, sources) for d in diagnostics)
    assert (code in {d.code for d in diagnostics}) == (kind == "wrong"), shown
    errors = [d for d in diagnostics if d.severity.value == "error"]
    assert kind == "wrong" or not errors, shown


def test_plain_examples_can_be_read() -> None:
    """A page would show a text that is none."""
    for code, page in pages().items():
        for text in PLAIN.findall(page):
            assert parse(Source("example.tide", text)).diagnostics == (), code


def test_the_preamble_is_right() -> None:
    """Every example would be wrong for the preamble's sake."""
    assert [d for d in found("")[0] if d.severity.value == "error"] == []


def test_most_codes_are_shown_by_an_example() -> None:
    """Pages without examples would become the habit."""
    shown = {code for code, _, _ in blocks()}
    own = {code for code in pages() if code < "TG500" and not code.startswith("TG18")}
    two_revisions = ["TG451", "TG452", "TG453", "TG454"]
    assert sorted(own - shown) == [
        "TG108", "TG112", "TG191", "TG225", "TG244", "TG407", *two_revisions
    ]  # fmt: skip
