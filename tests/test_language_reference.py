"""The language reference is a policy, and what it says of its example event is true."""

from __future__ import annotations

import json
import re

import pytest

from tests.conftest import ROOT
from tests.engine.small_policy import policy_of
from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import has_errors, render
from tidegate.dsl.parser import parse
from tidegate.dsl.source import Source
from tidegate.dsl.words import (
    CLAUSES,
    DECLARATIONS,
    FUNCTIONS,
    OPERATORS,
    TYPE_WORDS,
)
from tidegate.engine import Engine
from tidegate.rules.libraries import shipped

PAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")


def blocks(fence: str) -> list[str]:
    """The contents of the fenced blocks that open with `fence`."""
    return re.findall(rf"^```{re.escape(fence)}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def conditions() -> list[str]:
    """Every condition that the page calls true."""
    return [line for block in blocks("tide true") for line in block.splitlines()]


def test_every_block_can_be_read_by_itself() -> None:
    """A person who copies a block would copy an error."""
    for block in blocks("tide"):
        assert parse(Source("block.tide", block)).diagnostics == ()


def test_the_blocks_together_are_a_policy() -> None:
    """The page would show declarations that do not fit each other."""
    source = Source("language.md", "\n".join(blocks("tide")))
    found = check([parse(source).file]).diagnostics
    assert not has_errors(found), "\n".join(render(d, {source.path: source}) for d in found)


def test_the_templates_of_the_page_can_be_applied() -> None:
    """The page would show a template that nobody can use."""
    policy = "\n".join(blocks("tide") + blocks("tide apply"))
    texts = {"language.md": policy, "template.tide": "\n".join(blocks("tide template"))}
    sources = {name: Source(name, text) for name, text in texts.items()}
    libraries = {name: library.files for name, library in shipped().items()}
    parsed = [parse(source) for source in sources.values()]
    checked = check([p.file for p in parsed], shipped=libraries)
    found = (*parsed[0].diagnostics, *parsed[1].diagnostics, *checked.diagnostics)
    assert not has_errors(found), "\n".join(render(d, sources) for d in found)
    assert checked.program is not None
    rules = {rule.name for rule in checked.program.event("payment").rules}
    assert rules >= {"card_tries", "mail_tries", "cards_of_customer"}
    assert {"card_tries_seen"} <= {feature.name for feature in checked.program.features}


@pytest.mark.parametrize("condition", conditions())
def test_what_the_page_calls_true_is_true(condition: str) -> None:
    """A person would write a condition after the page that never fires."""
    policy, event = blocks("tide")[:2]
    (example,) = blocks("json event")
    rule = f"rule example version 1 when {condition} then hold"
    parsed = parse(Source("p.tide", f"{policy}\n{event}\n{rule}"))
    may_be_unknown = any(d.code == "TG411" for d in check([parsed.file]).diagnostics)
    text = f"{policy}\n{event}\n{rule}{' if unknown then skip' if may_be_unknown else ''}"
    decision = Engine(policy_of(text)).decide(json.loads(example), features={})
    assert decision.outcome.disposition == "hold"


def test_the_page_knows_every_word() -> None:
    """A word of the language would be documented nowhere."""
    words = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`[^`\n]+`|^```.*?^```", PAGE,
                re.MULTILINE | re.DOTALL))))  # fmt: skip
    known = {*DECLARATIONS, *CLAUSES, *OPERATORS, *TYPE_WORDS, *FUNCTIONS}
    assert sorted(known - words) == []


def test_every_function_is_shown_at_work() -> None:
    """A function would be there that nobody can look up."""
    shown = {name for line in conditions() for name in re.findall(r"([a-z_]+)\(", line)}
    assert shown >= FUNCTIONS
