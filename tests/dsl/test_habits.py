"""What is said about comparisons that people write by the habit of other languages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import Diagnostic, Severity, render
from tidegate.dsl.parser import parse
from tidegate.dsl.source import Source

POLICY = """policy shop language 1 currency GBP timezone "Europe/London"
event payout decided by default approve
  silent review
  id text key
  at time
  amount money max 20000 GBP
  fee money?
  land country
  kind one of ("instant-bank", card)
  email text
  age count min 18 max 120
  risk number min 0 max 1
param cut count = 130 from 121 to 200
label fraud of payout known after 7d
"""
MISREAD = (
    "amount.original > 5 GBP", "5 USD <= amount.original", "fee = null", "none != fee",
    "weekday(at) in (sat, sun)", "weekday(at) = monday", 'weekday(at) = "Monday"',
    "month(at) = jan", "kind = instant-bank", "kind != instant-bnk", "land = gb", "amount > 5",
    "amount + 1 > fee", "amount in (5, 6)", "at > 1/2/2026",
)  # fmt: skip
NEVER = (
    "hour(at) = 25", "hour(at) > 23", "hour(at) < 0", "amount > 30000 GBP",
    "amount >= 20000.01 GBP", "30000 GBP < amount", "age <= 17", "age = 17", "age > cut",
    "cut > 200", "risk > 1", "amount * 2 > 50000 GBP", "age between 121 and 130",
    "fee > 5 GBP and hour(at) = 24",
)  # fmt: skip
PERCENT = ('email like "%@x.com"', 'email like "x%"', 'email not like "%x%"')
FINE = (
    "hour(at) = 0", "hour(at) >= 23", "amount >= 20000 GBP", "age = 120", "age != 17", "cut > age",
    "risk >= 1", "hour(at) < 24", "1 = 2", "age > 200 - cut", 'email like "*50%"',
    'email like "5% of *"', 'email contains "%"',
)  # fmt: skip


def said(condition: str, policy: str = POLICY) -> tuple[list[Diagnostic], str]:
    """What is said about a rule with `condition`, and how it is shown."""
    text = f"{policy}rule r version 1\n  when {condition}\n  then hold\n  if unknown then skip\n"
    source = Source("p.tide", text)
    parsed = parse(source)
    assert parsed.diagnostics == ()
    found = [d for d in check([parsed.file]).diagnostics if d.code != "TG412"]
    return found, "\n".join(render(d, {source.path: source}) for d in found)


@pytest.mark.parametrize("condition", MISREAD)
def test_a_habit_is_one_error(condition: str) -> None:
    """A person would be led to something that is wrong as well, or read two errors for one."""
    found, shown = said(condition)
    assert {d.severity for d in found} == {Severity.ERROR}, shown
    assert len({d.message for d in found}) == 1, shown


@pytest.mark.parametrize(
    ("condition", "code"), [(c, "TG324") for c in NEVER] + [(c, "TG323") for c in PERCENT]
)
def test_what_never_holds_is_a_warning(condition: str, code: str) -> None:
    """A rule would be thought to protect, and never fire."""
    found, shown = said(condition)
    assert [(d.code, d.severity) for d in found] == [(code, Severity.WARNING)], shown


@pytest.mark.parametrize("condition", FINE)
def test_what_can_hold_is_none(condition: str) -> None:
    """People would learn to overlook the warning."""
    assert said(condition)[1] == ""


def test_the_sentences(golden: Callable[[str, str], None]) -> None:
    """A sentence would change without anybody reading it."""
    texts = [said(condition)[1] for condition in (*MISREAD, *NEVER, *PERCENT)]
    golden("checks/habits.txt", "\n\n".join(texts) + "\n")
