"""A policy from text, without a folder: what engine tests decide with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import has_errors, render
from tidegate.dsl.lists import ListContent, Lists
from tidegate.dsl.parser import parse
from tidegate.dsl.program import Program
from tidegate.dsl.rates import Rates
from tidegate.dsl.source import Source
from tidegate.dsl.tables import Tables
from tidegate.rules.models import Models


@dataclass(frozen=True)
class SmallPolicy:
    """Stands in for `tidegate.rules.Policy`."""

    program: Program
    hash: str
    lists: Lists = field(default_factory=dict)
    rates: Rates | None = None
    tables: Tables = field(default_factory=dict)
    models: Models = field(default_factory=dict)


def policy_of(
    text: str, lists: Mapping[str, ListContent | None] | None = None, rates: Rates | None = None
) -> SmallPolicy:
    """The checked policy; every error of the text fails the test."""
    source = Source("policy.tide", text)
    parsed = parse(source)
    checked = check([parsed.file])
    problems = (*parsed.diagnostics, *checked.diagnostics)
    assert not has_errors(problems), "\n".join(render(p, {source.path: source}) for p in problems)
    assert checked.program is not None
    return SmallPolicy(
        checked.program, hashlib.sha256(text.encode()).hexdigest(), lists or {}, rates
    )


CARDS = """
policy cards language 1
  "Cards of a shop"
  currency EUR
  timezone "Europe/Paris"
  rates "rates/ecb.csv"

event payment decided by default approve
  "A card payment"
  silent        review
  id            text key
  at            time
  amount        money max 1000000 EUR
  card          token
  customer      token?
  ip_address    ip? coarse /24 /48
  card_country  country
  ip_country    country?
  channel       one of (ecom, pos, moto)

param burst_limit count = 5 from 3 to 20

feature tries   = count of payment by card over 10m
feature typical = average of amount of payment by card over 30d
let     ratio   = amount / typical

list blocked of token from "lists/blocked.csv"
list trusted of token managed

model boosting version 3
  external
  score fraud_score
  use payment when amount <= 1000 EUR
  may review, step_up
  until 2027-06-30
  if unavailable then review because model_down

reason burst "Many payments on one card"
  message "We could not accept this card right now."
  retry never
reason stolen "The card is on the block list" message "We could not accept this card."
reason risky "The score is high" message "Please confirm this payment."
reason unusual "Several unusual signs" message "We are checking this payment."
reason covert "We want to look at it later" message "You are being watched."
reason model_down "There was no score" message "We are checking this payment."

step_up strong rank 2
  "A passkey or a 3DS challenge"
  try passkey, three_ds
  within 10m
  if failed then decline because risky
  if abandoned then decline because risky
  if unavailable then review before because unusual

group velocity
  "Bursts"
  except when customer in trusted

rule burst version 2
  "Small payments in a burst look like card testing"
  in velocity
  when tries >= burst_limit and amount < 5 EUR
  then decline because burst

rule blocked version 1
  mandatory
  when card in blocked
  then decline because stolen

rule risky version 4
  when fraud_score >= 0.85 and amount > 50 EUR
  then step_up strong because risky

rule too_risky version 1
  when fraud_score >= 0.99
  then step_up strong because risky, review because covert

rule country_gap version 1
  shadow
  when ip_country != card_country and (ratio otherwise 1) > 3
  then hold because unusual
  if unknown then review because unusual

rule night version 1
  when hour(at) between 1 and 5
  then add 15 points

rule dear version 1
  when amount > 1000 EUR
  then add 70 points

rule points_high version 1
  when points >= 80
  then review before because unusual

rule dollars version 1
  when amount.original > 100 and channel != "ecom"
  then tag "dear", advise acquirer = "us_bank"

rule spring version 1
  from 2026-03-01
  until 2026-06-01
  when amount > 1 EUR
  then hold because unusual
"""
"""A policy with one of everything that a record or an explanation shows."""

BLOCKED = ListContent(frozenset({"tok_blocked_card_1"}))
TRUSTED = ListContent(frozenset({"cus_trusted_1"}))


def cards(rates: Rates | None = None) -> SmallPolicy:
    """The policy `CARDS` with its lists."""
    return policy_of(CARDS, {"blocked": BLOCKED, "trusted": TRUSTED}, rates)


def payment(**fields: object) -> dict[str, object]:
    """The body of a plain payment, with some fields otherwise; None leaves one out."""
    body: dict[str, object] = {
        "id": "p-1",
        "at": "2026-11-23T14:00:00+01:00",
        "amount": "20.00 EUR",
        "card": "tok_4kX9pQ2mLw",
        "customer": "cus_8812736450",
        "ip_address": "192.0.2.77",
        "card_country": "FR",
        "ip_country": "FR",
        "channel": "ecom",
    }
    return {name: value for name, value in {**body, **fields}.items() if value is not None}
