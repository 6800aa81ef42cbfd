"""What is said of a regular expression that cannot be used, and where."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.dsl.test_checks import PREAMBLE, checked
from tidegate.dsl.diagnostics import Severity, render
from tidegate.dsl.patterns import MAX_PATTERN, fault, is_bound, matches

WRONG = (
    "^x(?=a)$", "^(?!test)", "(?<=a)b$", "(?<!a)b$", r"^(a)\\1$", "^(?P<x>a)(?P=x)$",
    r"^(?<x>a)\\k<x>$", "^(?>a)", "^(?#a)", "^(?P<1-2>a)", "^[a", "^(a", "^a(b))", "^a{2000}",
    "^x{3,2}", "^((a{100}){100}){100}", "^a++", "*a", "^[z-a]", r"^\\pX", r"^\\q", r"^a\\C$",
    r"^\"\\\\\\q", r"^(\\pL{50}){9}", r"^ab\\", f"^{'a' * MAX_PATTERN}", "^a{900}b{900}c{900}$",
)  # fmt: skip


def said(condition: str) -> str:
    """What is said of a rule with this condition; notes are left out."""
    text = f"rule r version 1 when {condition} then hold if unknown then skip"
    _, source, diagnostics = checked(text)
    sources = {PREAMBLE.path: PREAMBLE, source.path: source}
    found = [d for d in diagnostics if d.severity is not Severity.NOTE]
    return "\n".join(render(d, sources) for d in found)


def test_what_is_said_of_each_wrong_pattern(golden: Callable[[str, str], None]) -> None:
    """A pattern would fail when the rule is met, or the message would point at all of it."""
    texts = [said(f'email matches "{pattern}"') for pattern in WRONG]
    assert all("[TG330]" in text for text in texts)
    texts += [said('email matches "evil"'), said('tries matches "^1$"')]
    golden("checks/patterns.txt", "\n\n".join(texts) + "\n")


def test_a_folded_text_has_no_letter_that_folds_to_two() -> None:
    """`straße` would never be found in a folded text, and nobody would be told."""
    fields = "silent review id text key at time mail text folded"
    rule = 'rule r version 1 on visit when mail matches "^{}$" then hold'
    text = f"event visit decided by default approve {fields}\n{rule}"
    wrong = [d for d in checked(text.format("straße"))[2] if d.severity is Severity.ERROR]
    assert [(d.code, d.help) for d in wrong] == [("TG330", "write `ss`")]
    right = [d for d in checked(text.format("STRASSE"))[2] if d.severity is Severity.ERROR]
    assert not right


@pytest.mark.parametrize("pattern", ["^a", "a$", ".*a", "a.*", r"\Aa", r"a\z", "(?i)^a", "(^a|^b)"])
def test_a_pattern_that_says_where_it_stands_is_not_warned_of(pattern: str) -> None:
    """A warning that nothing silences is read by nobody."""
    assert is_bound(pattern)


@pytest.mark.parametrize("pattern", ["a", "(?i)a", "a|b", "[$]a", "a^b"])
def test_a_pattern_that_may_stand_anywhere_is_warned_of(pattern: str) -> None:
    """`example.com` would hold for `example.com.evil.test`."""
    assert not is_bound(pattern)


def test_a_pattern_takes_time_linear_in_the_text() -> None:
    """One text of a customer would stop every decision: this would never end."""
    assert fault("^(a+)+$") is None
    assert not matches("a" * 100_000 + "b", "^(a+)+$")


def test_a_text_that_utf_8_cannot_hold_is_only_another_text() -> None:
    """A lone surrogate would end the decision."""
    assert not matches("\ud800", "^a$")
    assert matches("a\ud800", "^a")
