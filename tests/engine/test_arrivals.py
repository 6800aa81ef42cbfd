"""Arrivals that are worked out ahead are what the definition says."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tidegate.dsl.types import INT64_MAX, Value
from tidegate.engine.arrivals import Arrivals
from tidegate.engine.event import Admitted, admit
from tidegate.engine.features import Counted, arrival_of
from tidegate.rules import load_policy
from tidegate.service.event_examples import example_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
AT_US = 1_795_600_800_000_000


@pytest.mark.parametrize("example", ["first", "card", "handbook", "library", "scored"])
def test_they_are_the_same_for_every_event_of_every_shipped_policy(example: str) -> None:
    """With fields missing, labels reported, times at the ends, and late arrivals."""
    policy = load_policy(EXAMPLES / example)
    program, dice = policy.program, random.Random(1)
    made = Arrivals(program)
    contributions = 0
    for event in program.events:
        body = example_of(program, event)
        admitted = admit(program, event.name, body, rates=policy.rates, at_us=AT_US)
        assert isinstance(admitted, Admitted)
        labels = [label.name for label in program.labels if label.event == event.name]
        for _ in range(60):
            values: dict[str, Value | None] = {
                name: None if dice.random() < 0.2 else value
                for name, value in admitted.values.items()
            }
            at_us = dice.choice((0, AT_US, AT_US + 1, INT64_MAX - 5))
            received_us = at_us + dice.choice((0, 1, 10**15, 10**18)) if at_us <= AT_US else at_us
            values[event.at] = at_us
            reported = {name: at_us + dice.randrange(10**13) for name in labels}
            counted = Counted(event.name, "k", at_us, received_us, values, reported)
            expected = arrival_of(program, counted, policy.lists)
            assert made.of(counted, policy.lists) == expected
            contributions += sum(len(entry.contributions) for entry in expected.entries)
    assert contributions
