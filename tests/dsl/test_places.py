"""Where an error is shown: the word concerned, in as much of its line as can be read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import MAX_EXCERPT, Diagnostic, render
from tidegate.dsl.parser import parse
from tidegate.dsl.source import Source, Span

POLICY = """policy shop language 1 currency GBP timezone "Europe/London"
event payout decided by default approve
  silent review
  id text key
  at time
  land country
  email text
  age count
label fraud of payout known after 7d
"""


def shown(text: str) -> str:
    """Everything that is said about `text`."""
    source = Source("p.tide", text)
    found = check([parse(source).file]).diagnostics
    return "\n".join(render(d, {source.path: source}) for d in found)


def test_the_word_concerned_is_underlined(golden: Callable[[str, str], None]) -> None:
    """A whole feature would be underlined, and a person look for what is wrong in it."""
    features = """let bad = fraud
feature a = count of payout by email over 1h where land = "GB" and fraud
feature b = count of payout by email over 1h where land = "GB" and not bad
feature c = sum of age of payout by email over 1h where a > 3
"""
    golden("checks/places.txt", shown(POLICY + features) + "\n")


@pytest.mark.parametrize("before", [0, 50, 5_000, 9_900])
def test_a_long_line_is_cut_around_its_place(before: int) -> None:
    """A terminal would be filled with a line in which nobody finds the place."""
    line = f"{'a' * before}BAD{'z' * (10_000 - before)}"
    source = Source("p.tide", f"# first\n{line}\n")
    start = source.text.index("BAD")
    bad = Diagnostic("TG101", "this is bad", Span("p.tide", start, start + 3))
    _, place, _, text, mark = render(bad, {"p.tide": source}).splitlines()
    column = mark.index("^")
    assert place == f"  --> p.tide:2:{before + 1}"
    assert (text[column : column + 3], mark.count("^")) == ("BAD", 3)
    assert len(text) < MAX_EXCERPT + 20
    assert ("…" in text[:column]) == (before > MAX_EXCERPT)


def test_a_long_place_is_cut_with_its_line() -> None:
    """The mark would be longer than what it marks."""
    source = Source("p.tide", "z" * 10_000)
    bad = Diagnostic("TG101", "all bad", Span("p.tide", 0, 10_000))
    *_, text, mark = render(bad, {"p.tide": source}).splitlines()
    assert len(mark) == len(text)
