"""What is said to follow from a text follows for every input; what does not is not said."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random

import pytest

from tests.engine.small_policy import policy_of
from tidegate.dsl.program import EventType, Expression, Program
from tidegate.dsl.types import Value
from tidegate.engine.interpreter import evaluate
from tidegate.engine.narrowing import any_implies, denies, implies
from tidegate.engine.situation import Situation

HEAD = """
policy p language 1
  currency EUR
  timezone "UTC"

event pay decided by default approve
  silent   review
  id       text key
  at       time
  items    count?  max 1000
  lots     count?  max 1000
  channel  one of (ecom, moto, pos)?

let both = items + lots
let many = items >= 2
"""
ATOMS = (
    *(f"{name} {op} {value}" for name, op, value in product(
        ("items", "lots"), (">", ">=", "<", "<=", "=", "!="), (1, 2, 3)
    )),
    *(f"{value} {op} items" for op, value in product((">", "<="), (1, 2))),
    'channel = "ecom"', 'channel != "ecom"', 'channel in ("ecom", "pos")', 'channel in ("pos")',
    'channel not in ("ecom")', "both >= 3", "both > 4", "many", "items between 1 and 2",
)  # fmt: skip
VALUES = (None, 0, 1, 2, 3, 4)
CHANNELS = (None, "ecom", "moto", "pos")


def condition(rng: Random, depth: int) -> str:
    """A random condition."""
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(ATOMS)
    if rng.random() < 0.2:
        return f"not ({condition(rng, depth - 1)})"
    parts = [condition(rng, depth - 1) for _ in range(rng.choice((2, 2, 3)))]
    return f"({rng.choice((' and ', ' or ')).join(parts)})"


def conditions(texts: list[str]) -> tuple[Program, EventType, list[Expression]]:
    """Each of the texts as the condition of a rule."""
    rules = [
        f"rule r{i:03} version 1\n  when {text}\n  then review\n  if unknown then skip\n"
        for i, text in enumerate(texts)
    ]
    program = policy_of("\n".join([HEAD, *rules])).program
    event = program.event("pay")
    return program, event, [rule.when for rule in event.rules]


def situations(event: EventType) -> Iterator[Situation]:
    """Every input that could tell two of the conditions apart."""
    for items, lots, channel in product(VALUES, VALUES, CHANNELS):
        values: dict[str, Value | None] = {
            "id": "p", "at": 0, "items": items, "lots": lots, "channel": channel,
        }  # fmt: skip
        yield Situation(event, tuple(values[item.name] for item in event.inputs), {})


def truths(texts: list[str]) -> tuple[list[Expression], list[tuple[set[int], set[int]]]]:
    """The conditions, and of each where it is true and where it is false."""
    program, event, found = conditions(texts)
    where: list[tuple[set[int], set[int]]] = [(set(), set()) for _ in found]
    for number, situation in enumerate(situations(event)):
        said = evaluate(program, situation, frozenset())
        for place, (true, false) in enumerate(where):
            if said.fired >> place & 1:
                true.add(number)
            elif not said.unknown >> place & 1:
                false.add(number)
    return found, where


@pytest.mark.parametrize("seed", range(12))
def test_what_is_said_to_follow_follows(seed: int) -> None:
    """A weaker protection would be called a stronger one."""
    rng = Random(seed)
    texts = list(dict.fromkeys(condition(rng, 2) for _ in range(34)))
    found, where = truths(texts)
    for (left, (true, false)), (right, (also_true, also_false)) in product(
        zip(found, where, strict=True), repeat=2
    ):
        if implies(left, right):
            assert true <= also_true, (left, right)
        if denies(left, right):
            assert false <= also_false, (left, right)


@pytest.mark.parametrize(
    ("left", "right", "follows"),
    [
        ("items >= 3", "items >= 2", True),
        ("items >= 2", "items >= 3", False),
        ("items > 2", "items >= 3", True),
        ("items = 2", "items >= 2", True),
        ("items = 2", "items != 3", True),
        ("3 <= items", "items > 1", True),
        ("items >= 2", "lots >= 2", False),
        ("items >= 3 and lots > 1", "items >= 2", True),
        ("items >= 2", "items >= 2 or lots > 1", True),
        ("not (items < 2)", "items >= 1", False),  # true, and not looked for
        ("not (items < 3)", "not (items < 2)", True),
        ("not (items < 2)", "not (items < 3)", False),
        ('channel = "ecom"', 'channel in ("ecom", "pos")', True),
        ('channel in ("ecom", "pos")', 'channel = "ecom"', False),
        ('channel = "ecom"', 'channel != "pos"', True),
        ("both > 4", "both >= 3", True),
        ("many and lots > 1", "items >= 2", True),
    ],
)
def test_what_people_change_is_told(left: str, right: str, follows: bool) -> None:
    """Every change would be one that may weaken, and nobody would read them any more."""
    _, _, found = conditions([left, right])
    assert implies(*found) is follows


def test_a_set_of_exceptions_follows_from_a_smaller_one() -> None:
    """A moved exception would look like a new one."""
    _, _, (wide, narrow, other) = conditions(["items >= 2", "items >= 3", "lots > 1"])
    assert any_implies([narrow], [wide, other])
    assert not any_implies([narrow, other], [wide])
    assert any_implies([], [wide])
