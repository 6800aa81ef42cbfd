"""A large policy is checked in reasonable time, and its mistakes can be read."""

from __future__ import annotations

import pytest

from tidegate.dsl import rules_together
from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import Diagnostic, Severity
from tidegate.dsl.parser import parse
from tidegate.dsl.source import Source

HEAD = """policy shop language 1 currency EUR timezone "UTC"
event payout decided by default approve silent review
  id text key
  at time
  amount money
"""
MANY = 300


def checked(*rules: str) -> list[Diagnostic]:
    """Every error of a policy with `rules`."""
    parsed = parse(Source("p.tide", HEAD + "\n".join(rules)))
    assert parsed.diagnostics == ()
    found = check([parsed.file]).diagnostics
    return [d for d in found if d.severity is Severity.ERROR]


def advising(number: int, value: str) -> str:
    """A rule that advises `value`."""
    return f'rule r{number} version 1 when amount > {number} EUR then advise route = "{value}"'


def test_a_rule_is_said_to_contradict_once() -> None:
    """Three hundred rules that contradict each other would be 44,850 errors."""
    found = checked(*(advising(n, f"v{n}") for n in range(MANY)))
    assert [d.code for d in found] == ["TG432"] * (MANY - 1)


def test_rules_that_advise_the_same_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand of them would be fifty million pairs."""
    compared = 0
    real = rules_together._contradict

    def counting(one: object, other: object) -> bool:
        nonlocal compared
        compared += 1
        return real(one, other)  # type: ignore[arg-type]

    monkeypatch.setattr(rules_together, "_contradict", counting)
    assert checked(*(advising(n, "same") for n in range(MANY))) == []
    assert compared == 0


def test_a_slip_that_is_repeated_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is wrong in every rule would be compared with every name each time."""
    asked: list[str] = []

    def asking(word: str, _names: set[str]) -> str:
        asked.append(word)
        return ""

    monkeypatch.setattr("tidegate.dsl.expressions.nearest", asking)
    found = checked(*(f"rule r{n} version 1 when amuont > {n} EUR then hold" for n in range(MANY)))
    assert len(found) == MANY
    assert asked == ["amuont"]
