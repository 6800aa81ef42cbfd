"""The benchmark of many rules, small: all sides decide alike; nothing is timed.

The other engines are extras of `make bench` and are compared there.
"""

from __future__ import annotations

import pytest

from bench import generate, many_rules
from tidegate.rules import load_policy


@pytest.mark.parametrize(("kind", "count"), [("usual", 60), ("usual", 400), ("adversarial", 300)])
def test_the_index_branching_code_and_the_chain_agree(kind: str, count: int) -> None:
    """The benchmark would compare different questions."""
    rules = many_rules.SETS[kind](count)
    lists = load_policy(generate.FOLDER).lists
    sides = many_rules.sides_of(rules, many_rules.program_of(rules), lists)
    wrong, fired, unknown = many_rules.disagreements(sides, generate.events(1_500, seed=9))
    assert wrong == 0
    assert fired > 0
    assert unknown > 0
