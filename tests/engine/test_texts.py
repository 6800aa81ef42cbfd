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
