"""A service with everything beside decisions: a policy, the people who work on it, a consumer."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from tests.service.builders import Client, Held, running
from tidegate.service.assembly import Parts, Service
from tidegate.service.callers import Caller
from tidegate.service.problems import refused

SCOPES = frozenset(
    {
        "decide",
        "read_decisions",
        "send_events",
        "watch",
        "review_cases",
        "manage_lists",
        "snooze",
    }
)
CALLERS = {
    caller.name: caller
    for caller in (
        Caller("client", "shop", scopes=SCOPES),
        Caller("client", "gateway", scopes=SCOPES),
        Caller("client", "till", scopes=SCOPES),
        Caller("person", "rita", frozenset({"reviewer"}), SCOPES),
        Caller("person", "omar", frozenset({"reviewer"}), SCOPES),
        Caller("person", "lena", frozenset({"operator"}), SCOPES),
    )
}
POLICY = """
policy office language 1
  "A shop with a back office"
  currency EUR
  timezone "Europe/Paris"

event payment decided by default approve
  silent   review
  id       text  key
  at       time
  amount   money max 10000 EUR
  card     token
  customer token?
  origin   country?

event chargeback
  id      text key
  at      time
  payment text
  kind    text
  shop    text?

event refund
  id      text key
  at      time
  card    token
  amount  money

feature tries_1h   = count of payment by card over 1h
feature refunds_1d = count of refund by card over 1d
feature refunded   = sum of amount of refund by card over 1d
feature frauds_2d  = count of payment by card over 2d delayed 1m where fraud

label fraud of payment known after 1m from chargeback matching payment
  where kind = "fraudulent"

list trusted of token managed
list countries of country managed

reason burst "Many payments on one card" message "Please try later." retry after
reason large "A large payment" message "We are checking this payment."
reason odd   "From an odd place" message "We are checking this payment."
reason frauded "A card with frauds" message "We could not accept this card."

rule burst version 1
  when tries_1h >= 3
  then decline because burst
  except when card in trusted

rule large version 1
  when amount > 300 EUR
  then review before because large

rule odd version 1
  mandatory
  when origin in countries
  then review after because odd
  if unknown then review after because odd

rule frauds version 1
  when frauds_2d >= 1
  then decline because frauded

grant client shop
  may decide, read_decisions, send_events
  sees outcome, reasons

grant client gateway
  may send_events

grant client till
  may read_decisions
  on payment when amount <= 100 EUR
  sees outcome

grant role reviewer
  may review_cases, read_decisions
  sees outcome, reasons, rules

grant role operator
  may manage_lists, snooze
"""


class ByName:
    """Takes `Bearer NAME` for the caller of that name."""

    def caller_of(self, authorization: bytes | None, thumbprint: str = "") -> Caller:
        """Who says to be sending this."""
        name = (authorization or b"").removeprefix(b"Bearer ").decode()
        if name not in CALLERS:
            raise refused("no_token")
        return replace(CALLERS[name], thumbprint=thumbprint)


class Clock:
    """The time of this machine, and as much later as is wanted."""

    def __init__(self) -> None:
        self.ahead_us = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000 + self.ahead_us

    def pass_minutes(self, minutes: float) -> None:
        """Let time pass."""
        self.ahead_us += int(minutes * 60 * 10**6)


@asynccontextmanager
async def office(
    folder: Path, *, policy: str = POLICY, parts: Mapping[str, Any] | None = None, **changes: Any
) -> AsyncIterator[tuple[Service, Held]]:
    """A running service of that policy."""

    def changed(made: Parts) -> Parts:
        return replace(made, verifier=ByName(), **(parts or {}))

    async with running(folder, policy=policy, parts=changed, **changes) as found:
        yield found


async def post(
    service: Service, who: str, path: str, body: object = None, method: str = "POST"
) -> httpx.Response:
    """Send a body as this caller."""
    content = b"" if body is None else json.dumps(body).encode()
    return await Client(service, who).http.request(method, path, content=content)


async def get(service: Service, who: str, path: str, **params: str) -> Any:
    """What this caller reads there."""
    answer = await Client(service, who).http.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def word(service: Service, number: int, **changes: Any) -> str:
    """What is decided on a payment, in one word."""
    found: str = (await decided(service, number, **changes))["outcome"]["word"]
    return found


async def decided(service: Service, number: int, **changes: Any) -> dict[str, Any]:
    """The decision on a payment."""
    event = {"id": f"p-{number}", "amount": "12.34 EUR", "card": f"tok_{number}", **changes}
    answer = await Client(service, "shop").decide(event)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def kinds(service: Service) -> list[str]:
    """The kinds of all entries, in order."""
    return [read.leaf.kind for read in service.reader.entries()]
