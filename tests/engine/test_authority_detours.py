"""No model gets more authority by a detour: docs/authority.md, each block of it tried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import pytest

from tests.conftest import ROOT
from tests.engine.noninterference import (
    ANSWERS,
    Tally,
    answered,
    by_columns,
    differences,
    generated_batch,
    subsets,
)
from tests.engine.small_policy import policy_of
from tests.situations_generated import generated_lists
from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import Severity
from tidegate.dsl.parser import parse
from tidegate.dsl.program import Disposition
from tidegate.dsl.source import Source
from tidegate.engine.column_outcome import compile_settler

PAGE = (ROOT / "docs" / "authority.md").read_text(encoding="utf-8")
ROWS = 800
NAMED = {
    "A variable",
    "A list",
    "Points",
    "Two models together",
    "An exception",
    "A negation",
    "The result of a step-up",
    "A model of a model",
    "A default value",
    "A rule in the shadow",
    "A case",
    "A decision table",
    "A template",
    "A feature over our own outcome",
}


class Detour(NamedTuple):
    """One block of the page below a heading, and what it says happens."""

    name: str
    fence: str
    text: str
    says: str


def base() -> str:
    """The policy that every detour is added to."""
    (block,) = re.findall(r"^```tide\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(block)


def table() -> dict[str, list[str]]:
    """By detour, what the table says of each of its blocks."""
    rows = re.findall(r"^\| \[(.+?)\]\(#(.+?)\) \| (.+?) \|$", PAGE, re.MULTILINE)
    assert all(anchor == name.lower().replace(" ", "-") for name, anchor, _ in rows)
    return {name: said.split(", ") for name, _, said in rows}


def detours() -> Iterator[Detour]:
    """Every block of every section, beside its cell of the table."""
    said = table()
    for name, section in re.findall(r"^### (.+?)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL):
        blocks = re.findall(r"^```tide (\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        for (fence, text), says in zip(blocks, said[name], strict=True):
            yield Detour(name, fence, text, says)


def of(*fences: str) -> list[object]:
    """The detours with such a fence, as parameters."""
    return [
        pytest.param(one, id=one.name.replace(" ", "_")) for one in detours() if one.fence in fences
    ]


def test_every_detour_is_in_the_table_and_none_is_forgotten() -> None:
    """A detour could be taken off the page, and nobody would try it any more."""
    assert [*dict.fromkeys(one.name for one in detours())] == [*table()]
    assert set(table()) >= NAMED
    said = {one.fence: {d.says for d in detours() if d.fence == one.fence} for one in detours()}
    assert set(said) == {"refused", "capped", "inert"}
    assert said["capped"] == {"capped"}
    assert said["inert"] == {"inert"}


@pytest.mark.parametrize("detour", of("refused"))
def test_a_detour_is_refused(detour: Detour) -> None:
    """A model would cause what it may not, through rules that look as if they did not ask it."""
    parsed = parse(Source("detour.tide", base() + detour.text))
    found = (*parsed.diagnostics, *check([parsed.file]).diagnostics)
    errors = {one.code for one in found if one.severity is Severity.ERROR}
    assert errors == {detour.says}


@pytest.mark.parametrize("detour", of("capped", "inert"))
def test_a_detour_leads_nowhere(detour: Detour) -> None:
    """What compiles would cause, at run time, what the model may not."""
    program, rng = policy_of(base() + detour.text).program, Random(7)
    event = program.event("payment")
    lists = generated_lists(rng, program, 0.0)
    batch = generated_batch(rng, program, event, lists, ROWS)
    assert list(differences(program, event, batch, Tally())) == []
    settler = compile_settler(program, event)
    answers = [(models, answer) for models in subsets(program, event) for answer in ANSWERS]
    asked = {
        int(settler.settle(answered(program, batch, models, answer)).capped["disposition"].max())
        for models, answer in answers
    }
    assert (Disposition.DECLINE in asked) == (detour.fence == "capped")


def test_who_may_decline_does() -> None:
    """The detours would lead nowhere because nothing leads anywhere."""
    rule = "rule declines version 1 when block_score >= 0.9 then decline because risky"
    program, rng = policy_of(base() + rule).program, Random(7)
    event = program.event("payment")
    batch = generated_batch(rng, program, event, generated_lists(rng, program, 0.0), ROWS)
    high = answered(program, batch, frozenset({"blocks"}), 900_000)
    assert (by_columns(program, event)(high)["disposition"] == Disposition.DECLINE).all()


def test_points_of_a_model_that_may_decline_do() -> None:
    """The same through points: the way itself is open."""
    (block,) = (one.text for one in detours() if one.name == "Points")
    text = base() + block.replace("look_score", "block_score")
    program, rng = policy_of(text).program, Random(7)
    event = program.event("payment")
    batch = generated_batch(rng, program, event, generated_lists(rng, program, 0.0), ROWS)
    high = answered(program, batch, frozenset({"blocks"}), 900_000)
    declined = by_columns(program, event)(high)["disposition"] == Disposition.DECLINE
    assert 0 < declined.sum() < ROWS
