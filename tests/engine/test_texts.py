"""How a text of a policy meets the text of an event."""

from __future__ import annotations

import pytest

from tests.engine.small_policy import policy_of
from tidegate.engine import Decision, Engine

POLICY = """
policy texts language 1 currency EUR timezone "Europe/Paris"
event visit decided by default approve
  silent review
  id text key
  at time
  channel one of (web, "café")
param word text = "café"
reason odd "Odd" message "Très étrange"
"""
COMPOSED, DECOMPOSED = "é", "e\u0301"


def decided(text: str, **fields: object) -> Decision:
    """What `text` decides about a visit."""
    body = {"id": "v-1", "at": "2026-11-23T10:00:00Z", "channel": "web"}
    return Engine(policy_of(text)).decide({**body, **fields})


@pytest.mark.parametrize("condition", [
    'id = "café"',
    'id in ("café", "bar")',
    'id starts with "café"',
    'id ends with "é"',
    'id contains "fé"',
    'id like "c*é"',
    'id matches "^caf.$"',
    'id matches "é$"',
    "id = word",
    'before(id, "é") = "caf"',
    'channel = "café"',
])  # fmt: skip
@pytest.mark.parametrize("spelling", [COMPOSED, DECOMPOSED])
def test_a_letter_matches_however_it_was_typed(condition: str, spelling: str) -> None:
    """A rule would never fire because an editor wrote one letter as two characters."""
    rule = f"rule example version 1 when {condition} then hold"
    if "before" in condition:
        rule += " if unknown then skip"
    text = f"{POLICY}{rule}".replace(COMPOSED, spelling)

    for arriving in ("café", "cafe\u0301"):
        assert decided(text, id=arriving, channel=arriving).outcome.disposition == "hold"


def test_what_a_policy_says_is_composed_too() -> None:
    """A tag with a letter of two characters would be no text that a record can hold."""
    rule = 'rule example version 1 when id != "" then hold because odd, tag "é", advise to = "é"'
    decision = decided(f"{POLICY}{rule}".replace(COMPOSED, DECOMPOSED))

    assert decision.outcome.tags == ("é",)
    assert decision.outcome.advice == (("to", "é"),)
    assert "Très étrange" in decision.explain("customer").messages


FOLDED = f"""{POLICY.replace("  channel", "  mail text? folded" + chr(10) + "  channel")}
param vip text = "ANN"
let named = mail
let somebody = "Ann"
"""


@pytest.mark.parametrize("condition", [
    'mail = "Ann"',
    '"Ann" = mail',
    "mail = vip",
    "mail = somebody",
    'mail in ("Ann", "Bob")',
    'mail starts with "An"',
    'mail ends with "NN"',
    'mail contains "N"',
    'mail like "*N"',
    'mail matches "^A.N$"',
    'lower(id) matches "^A[N]{2}$"',
    'named = "Ann"',
    '(mail otherwise "Nobody") = "Ann"',
    'case when id = "" then "Nobody" else mail end = "Ann"',
    'before(mail, "N") = "A"',
    'lower(mail) = "ANN"',
    'lower(id) = "ANN"',
    'lower(id) in ("ANN")',
])  # fmt: skip
def test_a_literal_is_folded_as_the_text_beside_it(condition: str) -> None:
    """A condition with a capital would never hold, and nobody would be told."""
    assert holds(condition, id="aNN", mail="aNN")
    assert not holds(condition, id="Eve", mail="Eve")


def holds(condition: str, **fields: object) -> bool:
    """Whether the condition is true of a visit."""
    rule = f"rule example version 1 when (({condition}) otherwise false) = true then hold"
    return decided(FOLDED + rule, **fields).outcome.disposition == "hold"


def test_a_letter_that_folds_to_two_matches_too() -> None:
    """Folding is more than writing in lower case."""
    assert holds('mail = "STRASSE"', mail="straße")
    assert holds('mail = "Straße"', mail="strasse")
    assert not holds('lower(id) = "Strasse"', id="Straße")


def test_a_literal_that_stands_for_a_missing_text_is_found_again() -> None:
    """Folding one side alone would make a difference where none is written."""
    assert holds('(mail otherwise "Nobody") = "Nobody"')
    assert holds('(mail otherwise "Nobody") = "nobody"')
    inner = 'case when id = "x" then "Abe" else "Bob" end'
    assert holds(f'case when id = "" then mail else ({inner}) end = "Abe"', id="x")


def test_a_text_that_is_not_folded_is_compared_as_written() -> None:
    """A literal would match what it does not say."""
    assert not holds('id matches "^Ann$"', id="ann")
    assert holds('id matches "(?i)^Ann$"', id="ann")
    assert holds('id matches "n{2}.*"', id="Anna")
    assert not holds('id matches "^nn"', id="Anna")
    assert holds('id = "Ann"', id="Ann")
    assert not holds('id = "Ann"', id="ann")
    assert not holds('(mail otherwise id) = "Ann"', id="ann")
