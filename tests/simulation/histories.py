"""Crowded random histories of a small policy, as Python rows and as files with their mapping.

A row is what a client would have sent, with what the history adds: times of receipt and of reports,
scores, the outcome at the time. There are ties, late and early arrivals, copies of keys, missing
values and rows that the door refuses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import polars as pl
import yaml

from tidegate.engine.values import format_time
from tidegate.rules.loading import load_policy
from tidegate.rules.policy import Policy

HOUR_US = 3_600 * 10**6
DAY_US = 24 * HOUR_US
START_US = 1_790_000_000 * 10**6
ADDRESSES = ("192.0.2.1", "192.0.2.77", "198.51.100.9", "2001:db8::1", None)

POLICY = """
policy small language 1
  currency EUR
  timezone "Europe/Paris"

event payment decided by default approve
  silent      review
  id          text    key
  at          time
  amount      money   max 10000 EUR
  card        token
  customer    token?
  payer       token?
  origin      country?
  address     ip?     coarse /24 /48
  items       count?
  weight      number?
  gap         duration?
  verified    flag?
  channel     one of (ecom, pos)
  note        text?   lenient folded

event refund
  id          text    key
  at          time
  amount      money
  card        token

event chargeback
  id          text    key
  at          time
  payment     text
  kind        one of (fraudulent, dispute)

label fraud   of payment known after 2d from chargeback matching payment where kind = "fraudulent"
label dispute of payment known after 1d

list watched of token from "lists/watched.csv"

feature tries      = count of payment by card over 2h
feature spent      = sum of amount of payment by card over 1d where channel = "ecom"
feature usual      = average of amount of payment by card over 3d
feature least      = minimum of amount of payment by customer over 2d
feature most_items = maximum of items of payment by customer, channel over 2d
feature places     = distinct origin of payment by customer over 3d
feature networks   = distinct address of payment by card over 3d
feature first_seen = first at of payment by customer over 5d
feature last_seen  = last at of payment by all over 1d delayed 1h
feature refunded   = sum of amount of refund by card over 4d
feature paid_for   = count of payment by payer = customer over 3d
feature frauds     = count of payment by card over 5d delayed 2d where fraud
feature lost       = sum of amount of payment by card over 6d delayed 2d where fraud and not dispute
feature watching   = count of payment by channel over 1d where card in watched
feature heavy      = maximum of weight of payment by card over 2d where (items otherwise 1) > 1

feature idle       = since last payment by customer over 2d
feature known_for  = since first payment by card over 4d delayed 1h where channel = "ecom"
feature spread     = deviation of amount of payment by card over 3d
feature uneven     = deviation of weight of payment by channel over calendar day
  where (items otherwise 1) > 1
feature this_day   = count of payment by card over calendar day
feature that_day   = sum of amount of payment by channel
  over calendar day in "Pacific/Auckland" delayed 1h
feature bad_day    = count of payment by channel
  over calendar day in "America/New_York" delayed 2d where fraud
feature day_lands  = distinct origin of payment by card over calendar day

let ratio = amount / usual

model judge version 1
  external
  score risk
  use payment when amount <= 5000 EUR
  may review, step_up
  until 2026-10-05
  within 20ms
  if unavailable then review because strange

reason strange "Something is strange" message "We check this."

step_up confirm rank 1
  try app
  within 10m
  if failed then decline because strange
  if abandoned then decline because strange
  if unavailable then review because strange

rule burst version 1
  when tries >= 3 and amount < 40 EUR
  then decline because strange

rule unlike version 1
  when ratio >= 2 or least < 5 EUR
  then step_up confirm because strange
  if unknown then review before because strange

rule spread version 1
  when places >= 3 or networks >= 3
  then add 30 points
  if unknown then add 10 points

rule marked version 1
  when frauds >= 1 or lost > 50 EUR
  then add 40 points

rule dear version 1
  when spent > 200 EUR or refunded > 30 EUR or paid_for >= 2
  then add 20 points
  if unknown then skip

rule sum_up version 1
  when points >= 50
  then review before because strange

rule risky version 1
  when risk >= 0.7
  then step_up confirm because strange

rule odd version 1
  shadow
  when most_items > 3 or heavy > 1.5 or watching >= 1 or days_since(first_seen) >= 2
  then decline because strange
  except when note = "friend"
  if unknown then review before because strange

rule quiet version 1
  when at - last_seen > 3h and verified
  then review because strange
  if unknown then skip

rule unsteady version 1
  when idle < 30m or known_for > 2d or amount > usual + spread * 2 or uneven > 0.5
  then add 15 points
  if unknown then add 5 points

rule a_day version 1
  when this_day >= 2 or that_day > 300 EUR or bad_day >= 2 or day_lands >= 2
  then add 10 points

rule part version 1
  rollout 50% by customer as wave1
  when origin = "FR"
  then decline because strange
  if unknown then skip
"""


@dataclass(slots=True)
class Row:
    """One event as it was sent, with what the history adds: `label_us` is when `own_label` was
    reported."""

    event: str
    body: dict[str, object]
    at_us: int
    received_us: int
    score: str = ""
    past: str = ""
    label_us: int | None = None
    own_label: str = "dispute"
    order: int = 0


@dataclass(slots=True)
class SmallHistory:
    """A policy with a history of it, and the mapping in its file."""

    policy: Policy
    mapping: Path
    rows: list[Row] = field(default_factory=list)


def sub(text: str, old: str, new: str) -> str:
    """The text with its one `old` replaced."""
    assert text.count(old) == 1
    return text.replace(old, new)


def write_policy(folder: Path) -> Policy:
    """The small policy, in a folder of its own."""
    (folder / "lists").mkdir(parents=True)
    (folder / "policy.tide").write_text(POLICY)
    (folder / "lists" / "watched.csv").write_text("value\nc1\nc9\n")
    return load_policy(folder)


def small_history(
    rng: Random, folder: Path, *, rows: int, received: bool, parquet: bool
) -> SmallHistory:
    """A random history of that many payments, written to `folder`."""
    policy = write_policy(folder / "policy")
    payments = [_payment(rng, number, received) for number in range(rows)]
    refunds = [_refund(rng, number, received) for number in range(rows // 6)]
    chargebacks = [_chargeback(rng, number, rows, received) for number in range(rows // 4)]
    if rng.random() < 0.6:
        payments.sort(key=lambda row: row.at_us)
    for sent in (payments, refunds, chargebacks):
        for order, row in enumerate(sent):
            row.order = order
    _write(folder / "payments", payments, received, parquet)
    _write(folder / "refunds", refunds, received, parquet)
    _write(folder / "chargebacks", chargebacks, received, parquet)
    mapping = folder / "mapping.yaml"
    mapping.write_text(yaml.safe_dump(_mapping(received, parquet)))
    return SmallHistory(policy, mapping, [*payments, *refunds, *chargebacks])


def _at(rng: Random) -> int:
    """Whole quarters of an hour over nine days, so that many times are equal."""
    return START_US + rng.randrange(9 * 96) * (HOUR_US // 4)


def _received(rng: Random, at_us: int, received: bool) -> int:
    if not received:
        return at_us
    return at_us + rng.choice((0, 0, 0, HOUR_US // 2, -HOUR_US // 4, rng.randrange(2 * DAY_US)))


def _payment(rng: Random, number: int, received: bool) -> Row:
    at_us = _at(rng)
    whole = rng.choice((5, 30, 120, 900, 6000, 11000)) + rng.randrange(10)
    body: dict[str, object] = {
        # Some keys come twice, some never.
        "id": f"p{rng.choice((number, number, number, number, rng.randrange(number + 1)))}",
        "at": format_time(at_us),
        "amount": f"{whole}.{rng.randrange(100):02} EUR",
        "card": f"c{rng.randrange(5)}",
        "customer": rng.choice((None, "u1", "u2", "u3", "u3")),
        "payer": rng.choice((None, "u1", "u3")),
        "origin": rng.choice((None, "FR", "DE", "US", "FR")),
        "address": rng.choice(ADDRESSES),
        "items": rng.choice((None, 1, 2, 5)),
        "weight": rng.choice((None, "0.5", "1.25", "2")),
        "gap": rng.choice((None, "10m", "2h")),
        "verified": rng.choice((None, True, False)),
        "channel": rng.choice(("ecom", "pos")),
        "note": rng.choice((None, "FRIEND", "friend", "x\ty")),
    }
    if rng.random() < 0.04:
        body[rng.choice(("card", "amount", "at", "channel"))] = None
    if rng.random() < 0.03:
        body["origin"] = "XX"
    if rng.random() < 0.03:
        body["card"] = "4111 1111 1111 1111"
    score = rng.choice(("0.2", "0.7", "0.95", "1.5", "unavailable", "abstained"))
    dispute_us = at_us + rng.randrange(3 * DAY_US) if rng.random() < 0.3 else None
    past = rng.choice(("ok", "ok", "no", "auth"))
    return Row("payment", body, at_us, _received(rng, at_us, received), score, past, dispute_us)


def _refund(rng: Random, number: int, received: bool) -> Row:
    at_us = _at(rng)
    body: dict[str, object] = {
        "id": f"r{rng.randrange(number + 1)}",
        "at": format_time(at_us),
        "amount": f"{rng.randrange(50)}.50 EUR",
        "card": f"c{rng.randrange(6)}",
    }
    return Row("refund", body, at_us, _received(rng, at_us, received))


def _chargeback(rng: Random, number: int, payments: int, received: bool) -> Row:
    at_us = _at(rng)
    body: dict[str, object] = {
        "id": f"k{number}",
        "at": format_time(at_us),
        "payment": f"p{rng.randrange(payments + 3)}",
        "kind": rng.choice(("fraudulent", "fraudulent", "dispute")),
    }
    return Row("chargeback", body, at_us, _received(rng, at_us, received))


# --- files -------------------------------------------------------------------------------------


def _write(path: Path, rows: list[Row], received: bool, parquet: bool) -> None:
    names = list(rows[0].body) if rows else []
    data: dict[str, list[object]] = {name: [row.body[name] for row in rows] for name in names}
    if "amount" in data:
        data["amount"] = [None if a is None else str(a).split()[0] for a in data["amount"]]
    if "score" not in data and rows and rows[0].event == "payment":
        silent = ("unavailable", "abstained")
        data["score"] = [None if row.score in silent else row.score for row in rows]
        data["status"] = [row.score if row.score in silent else "ok" for row in rows]
        data["past"] = [row.past for row in rows]
        data["dispute"] = [None if row.label_us is None else "yes" for row in rows]
        data["disputed"] = [
            None if row.label_us is None else format_time(row.label_us) for row in rows
        ]
    if received:
        data["received"] = [format_time(row.received_us) for row in rows]
    data["seq"] = [row.order for row in rows]
    frame = pl.DataFrame(data)
    if parquet:
        _typed(frame).write_parquet(path.with_suffix(".parquet"))
    else:
        flags = [name for name, dtype in frame.schema.items() if dtype == pl.Boolean]
        frame = frame.with_columns(
            pl.col(name).replace_strict({True: "true", False: "false"}, return_dtype=pl.String)
            for name in flags
        )
        frame.write_csv(path.with_suffix(".csv"))


def _typed(frame: pl.DataFrame) -> pl.DataFrame:
    """With times, amounts and weights as a warehouse would hold them."""
    times = [name for name in ("at", "received", "disputed") if name in frame.columns]
    frame = frame.with_columns(
        pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_zone="UTC", time_unit="us")
        for name in times
    )
    numbers = [name for name in ("amount", "weight", "score") if name in frame.columns]
    return frame.with_columns(pl.col(name).cast(pl.Float64) for name in numbers)


def _mapping(received: bool, parquet: bool) -> dict[str, object]:
    ending = "parquet" if parquet else "csv"
    amount = {"column": "amount", "unit": "major", "currency": "EUR"}
    names = ("card", "customer", "payer", "origin", "address", "items", "weight", "gap", "verified")
    rest = {"order": "seq"} | ({"received": "received"} if received else {})
    dispute = {"column": "dispute", "true_values": ["yes"], "reported": "disputed"}
    payment = {
        "event": "payment",
        "file": f"payments.{ending}",
        "fields": {"id": "id", "at": "at", "amount": amount, "channel": "channel", "note": "note"}
        | {name: name for name in names},
        "labels": {"dispute": dispute},
        "scores": {"risk": {"column": "score", "status": {"column": "status"}}},
        "outcome": {
            "column": "past",
            "values": {"ok": "approve", "no": "decline", "auth": "step_up"},
        },
    }
    refund = {
        "event": "refund",
        "file": f"refunds.{ending}",
        "fields": {"id": "id", "at": "at", "amount": amount, "card": "card"},
    }
    chargeback = {
        "event": "chargeback",
        "file": f"chargebacks.{ending}",
        "fields": {"id": "id", "at": "at", "payment": "payment", "kind": "kind"},
    }
    return {"label": "fraud", "sources": [payment | rest, refund | rest, chargeback | rest]}
