"""A policy with models of its own: small enough that a score is worked out by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from tests.engine.small_policy import SmallPolicy, policy_of
from tidegate.dsl.types import COUNT, MONEY, NUMBER, Kind, Type
from tidegate.models.portable import Axis, Input, LinearTerm, PortableModel, TableTerm
from tidegate.models.reading import read_model, write_model
from tidegate.rules.models import LoadedModel, StoppedModel

CHANNELS = ("ecom", "pos", "moto")

TEXT = """
policy shop language 1
  currency EUR
  timezone "Europe/Paris"

event payment decided by default approve
  silent   review
  id       text key
  at       time
  amount   money max 10000 EUR
  card     token
  channel  one of (ecom, pos, moto)
  tip      money?

feature tries = count of payment by card over 10m
let     share = amount / 100 EUR

model boosting version 3
  from "models/boosting"
  reads share, channel, amount, tip, tries
  score risk
  use payment when amount <= 5000 EUR
  may review, step_up, relax
  until 2027-06-30
  within 20ms
  if unavailable then review before because down

model challenger version 1
  shadow
  from "models/challenger"
  reads amount
  score challenged
  use payment
  may decline
  if unavailable then decline because risky, add 50 points

model vendor version 1
  external
  score vendor_score from 0 to 99
  use payment
  may review
  if unavailable then tag "no_vendor"

reason risky "The score is high" message "Please confirm this payment."
reason down "There was no score" message "We are checking this payment."

step_up strong rank 1 "A challenge"
  try passkey
  within 10m
  if failed then decline because risky
  if unavailable then review before because risky

rule risky version 1
  when risk >= 0.5
  then step_up strong because risky

rule seen version 1
  when risk >= 0.2
  then review because risky

rule dear version 1
  when amount > 4000 EUR
  then hold because risky
  except when risk < 0.1

rule vendor_says version 1
  when vendor_score >= 90
  then review because risky

rule challenge version 1
  shadow
  when challenged >= 0.5
  then decline because risky

rule many version 1
  shadow
  when points >= 40
  then hold because risky
"""

WORDS = Type(Kind.WORD, CHANNELS)
BOOSTING = PortableModel(
    name="boosting",
    version=3,
    family="additive",
    link="logit",
    unit=10**9,
    base=-2_000_000_000,
    inputs=(
        Input("amount", MONEY, "EUR", low=0, high=400_000),
        Input("channel", WORDS, categories=CHANNELS),
        Input("tries", COUNT, low=0, high=100),
        Input("tip", MONEY, "EUR", low=0, high=100_000, takes_missing=True),
        Input("share", NUMBER, low=0, high=10**9),
    ),
    terms=(
        TableTerm((Axis(0, (10_000, 100_000)),), (-300_000_001, 500_000_000, 2_500_000_000, 0)),
        TableTerm((Axis(1),), (0, -100_000_000, 700_000_000, 0, 0)),
        TableTerm((Axis(2, (3,)),), (-50_000_000, 900_000_000, 0)),
        TableTerm((Axis(3, (1,)),), (0, 10_000_000, 123_456_789)),
        TableTerm((Axis(4, (2_000_000,)), Axis(1)), (*(0,) * 5, *(250_000_000,) * 5, *(0,) * 5)),
    ),
)
CHALLENGER = PortableModel(
    name="challenger",
    version=1,
    family="logistic_regression",
    link="logit",
    unit=10**9,
    base=0,
    inputs=(Input("amount", MONEY, "EUR", low=0, high=1_000_000),),
    terms=(LinearTerm(0, 10_000.0, 50_000.0),),
)


def loaded(model: PortableModel, validated_until_us: int | None = None) -> LoadedModel:
    """The model as it is read from its file."""
    content = write_model(model)
    digest = hashlib.sha256(content).hexdigest()
    return LoadedModel(read_model(content), digest, validated_until_us)


def scored_policy(
    text: str = TEXT, models: Mapping[str, LoadedModel | StoppedModel] | None = None
) -> SmallPolicy:
    """The policy with its two models, some of them otherwise."""
    both = {"boosting": loaded(BOOSTING), "challenger": loaded(CHALLENGER)}
    return replace(policy_of(text), models={**both, **(models or {})})


def payment(**fields: object) -> dict[str, object]:
    """The body of a payment of 20 EUR, with some fields otherwise."""
    body: dict[str, object] = {
        "id": "p-1",
        "at": "2026-11-23T14:00:00+01:00",
        "amount": "20.00 EUR",
        "card": "tok_4kX9pQ2mLw",
        "channel": "ecom",
    }
    return {**body, **fields}
