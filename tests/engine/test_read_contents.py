"""Which way a change of a list or a table goes, by the rules that read it."""

from __future__ import annotations

import pytest

from tests.engine.small_policy import policy_of
from tidegate.engine.differences import Detail, Effect
from tidegate.engine.read_contents import effect_of_contents, with_readers

HEAD = """
policy lists language 1
  currency EUR
  timezone "UTC"
event payment decided by default approve
  silent review
  id     text key
  at     time
  amount money
  card   token
list cards of token managed
let listed = card in cards
"""


def effect(rule: str, *, more: bool, fewer: bool = False) -> Effect:
    """What it means that `cards` holds more, or fewer, for a policy of this rule."""
    program = policy_of(HEAD + rule).program
    return effect_of_contents(program, "cards", more=more, fewer=fewer)


def rule(when: str, then: str = "decline", more: str = "  if unknown then decline") -> str:
    """A rule of this condition."""
    return f"rule first_one version 1\n  when {when}\n  then {then}\n{more}\n"


@pytest.mark.parametrize(
    ("text", "more", "fewer"),
    [
        (rule("card in cards"), "strengthens", "weakens"),
        (rule("listed and amount > 5 EUR"), "strengthens", "weakens"),
        (rule("not listed"), "weakens", "strengthens"),
        (rule("card not in cards or amount > 5 EUR"), "weakens", "strengthens"),
        (rule("not (amount < 5 EUR or card in cards)"), "weakens", "strengthens"),
        (rule("amount > 5 EUR", more="  except when card in cards"), "weakens", "strengthens"),
        (rule("card in cards", "add -5 points", "  if unknown then skip"), "weakens",
         "strengthens"),
        (rule("case when card in cards then 1 else 2 end = 1"), "may_weaken", "may_weaken"),
        (rule("card in cards", 'tag "seen"', "  if unknown then skip"), "changes", "changes"),
        (rule("card in cards", more="  shadow\n  if unknown then decline").replace(
            "  when", "  shadow\n  when").replace("  shadow\n  if", "  if"), "changes", "changes"),
        ("", "changes", "changes"),
    ],
)  # fmt: skip
def test_the_side_on_which_a_list_is_read_decides(text: str, more: Effect, fewer: Effect) -> None:
    """A card that is taken off the block list would be called no change."""
    assert effect(text, more=True) == more
    assert effect(text, more=False, fewer=True) == fewer


def test_the_gravest_of_several_readers_counts() -> None:
    """A rule that gains would hide one that loses."""
    both = rule("card in cards") + rule("card not in cards").replace("first_one", "second_one")
    assert effect(both, more=True) == "weakens"
    assert effect(rule("card in cards"), more=True, fewer=True) == "weakens"


GUARANTEE = "guarantee kept on payment\n  when card in cards\n  always at least review\n"
FEATURE = "feature seen = count of payment by card over 1h where card in cards\n"


@pytest.mark.parametrize("text", [GUARANTEE, FEATURE])
def test_what_is_no_rule_reads_lists_too(text: str) -> None:
    """A card that is taken off the list of a guarantee would be called no change."""
    assert effect(text, more=False, fewer=True) == "may_weaken"


def test_the_readers_are_named() -> None:
    """A reviewer would have to look for the rules that a list is about."""
    detail = Detail("contents", "1 values", "2 values", "changes", "1 added, 0 removed")
    program = policy_of(HEAD + rule("listed")).program
    assert with_readers(program, "cards", detail).note == "1 added, 0 removed; read by first_one"
    counting = FEATURE + rule("seen > 3", more="")
    program = policy_of(HEAD + counting).program
    assert with_readers(program, "cards", detail).note == "1 added, 0 removed; read by first_one"
    program = policy_of(HEAD).program
    assert with_readers(program, "cards", detail).note == "1 added, 0 removed; read by no rule"
