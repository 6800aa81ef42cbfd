"""One mistake is one error: what uses a declaration that is wrong is not called wrong as well."""

from __future__ import annotations

import pytest

from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import Diagnostic, Severity, in_order
from tidegate.dsl.parser import parse
from tidegate.dsl.source import Source

POLICY = """
policy shop language 1 currency GBP timezone "Europe/London"
event payout decided by default approve
  silent review
  id text key
  at time
  amount money
  card token
  country_code country
  kind one of (bank, card)
event refund
  id text key
  at time
  card token
reason big "Large" message "We are checking this payment."
param cut money = 50 GBP
param much count = 3 from 1 to 5
param favourite one of (bank, card) = "bank"
param weight count = 20
feature tries = count of payout by card over 1h
feature frauds = count of payout by card over 28d delayed 7d where fraud
label fraud of payout known after 7d
feature refunds = count of refund by card over 1d
let large = amount > cut
let spare = amount > cut
list blocked of token managed
step_up strong rank 1 try passkey within 10m
  if failed then decline because big
  if unavailable then hold because big
model trees version 1 from "models/trees" reads amount score risk use payout may step_up
  if unavailable then review because big
group velocity if unknown then skip
rule many version 1 in velocity
  when (amount > cut and tries > much or risk > 0.5) and country_code = "GB" and frauds = 0
  then step_up strong because big
rule bank version 1 when kind = favourite then hold
rule original version 1 when amount.original > 5 and refunds > 1 then hold
rule blocked_card version 1 in velocity when card in blocked then decline because big
rule sum version 1 when large and hour(at) > 3 then add weight points
rule sum_up version 2 rollout 10% by card replaces version 1 when points > 10 then hold
rule sum_up version 1 when points > 20 then hold
guarantee seen when amount > 100 GBP always at least review
grant client web may decide on payout when amount < 10 GBP
"""
MISTAKES = {
    "field named for a type": ("  card token\n  c", "  card token\n  country country\n  c"),
    "field of two types": ("  card token\n  c", "  card token text\n  c"),
    "field of a wrong enumeration": ("country_code country", "country_code one of (GB, GB)"),
    "field without a type": ("  at time\n  amount", "  at moment\n  amount"),
    "key of a wrong enumeration": ("  card token\n  c", "  card one of (a, a)\n  c"),
    "amount of a wrong enumeration": ("amount money", "amount one of (a, a)"),
    "event without a time": ("  at time\n  amount", "  amount"),
    "amount without a currency": ("50 GBP", "50 EUR"),
    "param that does not parse": ("param cut money = 50 GBP", "param cut money == 50 GBP"),
    "param of a wrong type": ("much count = 3 from", "much flag = 3 from"),
    "param that adds points": ("weight count = 20", "weight count"),
    "param that is a word": ('(bank, card) = "bank"', "(bank, card) = bank,"),
    "feature": ("tries = count of payout", "tries = count payout"),
    "feature of a label": ("frauds = count of payout", "frauds = counts of payout"),
    "label": ("known after 7d", "known 7d"),
    "let": ("let large = amount > cut", "let large = = amount > cut"),
    "list": ("blocked of token managed", "blocked of token"),
    "list of a wrong type": ("blocked of token managed", "blocked of money managed"),
    "misspelt word": ("list blocked", "lst blocked"),
    "reason": ('reason big "Large"', "reason big Large"),
    "step_up": ("try passkey within 10m", "try passkey inside 10m"),
    "model": ("may step_up", "may step up"),
    "model without a use": ("use payout may", "may"),
    "group": ("group velocity if", "group velocity Bursts if"),
    "older version that does not parse": ("version 1 when points > 20", "version 1 when points >"),
    "older version that does not type": ("points > 20 then", "points > 20 and amount then"),
    "a second policy": ("reason", 'policy a language 1 currency EUR timezone "UTC"\nreason'),
    "a first policy": ("policy", 'policy a language 1 currency EUR timezone "UTC"\npolicy'),
    "policy that does not parse": ("currency GBP", "currency gbp"),
    "policy without a currency": ("currency GBP ", ""),
    "unknown currency": ("currency GBP", "currency GBX"),
}  # fmt: skip


def errors(text: str) -> list[Diagnostic]:
    """Every error of `text`."""
    parsed = parse(Source("p.tide", text))
    found = in_order([*parsed.diagnostics, *check([parsed.file]).diagnostics])
    return [d for d in found if d.severity is Severity.ERROR]


def test_the_policy_is_right() -> None:
    """Every mistake below would be one of many."""
    assert errors(POLICY) == []


@pytest.mark.parametrize(("right", "wrong"), MISTAKES.values(), ids=MISTAKES)
def test_one_mistake_is_one_error(right: str, wrong: str) -> None:
    """A person would look for the mistake among twenty errors that come from it."""
    assert POLICY.count(right) == 1
    found = errors(POLICY.replace(right, wrong))
    assert len(found) == 1, "\n".join(d.message for d in found)


def test_the_first_policy_is_the_one_that_stands_first() -> None:
    """A person would be told to look at the wrong one of two."""
    again = 'policy a language 1 currency GBP timezone "Europe/London"'
    (found,) = errors(f"{POLICY}{again}\n")
    assert found.span.start == len(POLICY) + len("policy ")


def test_other_mistakes_are_still_found() -> None:
    """A second mistake would hide behind the first."""
    text = POLICY.replace("let large =", "let large = =").replace("in blocked", "in blokced")
    assert sorted(d.code for d in errors(text)) == ["TG101", "TG208"]


def test_a_file_that_is_too_large_hides_its_names() -> None:
    """Everything that the file declares would be called unknown wherever it is used."""
    large = parse(Source("large.tide", "#" * (2**20 + 1))).file
    text = POLICY.replace("param cut", "param other").replace("list blocked", "list other")
    uses = parse(Source("uses.tide", text)).file
    assert [d for d in check([uses]).diagnostics if d.severity is Severity.ERROR]
    assert [d for d in check([large, uses]).diagnostics if d.severity is Severity.ERROR] == []
