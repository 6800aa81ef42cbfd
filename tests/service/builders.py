"""Services for tests: a small policy, callers by name, ledgers that are slow or fail on demand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import httpx

from tidegate.service.assembly import Parts, Service, opened
from tidegate.service.callers import Caller
from tidegate.service.problems import refused
from tidegate.service.settings import Settings
from tidegate.store.entries import Entry
from tidegate.store.errors import LedgerUnavailableError
from tidegate.store.ledger import Ledger, Outcome, Receiver
from tidegate.vault.memory import MemoryKeys

SCOPES = frozenset({"decide", "read_decisions", "watch", "send_events"})
SHOP = Caller("client", "shop", scopes=SCOPES)
OTHER = Caller("client", "other", scopes=SCOPES)
BLIND = Caller("client", "blind", scopes=SCOPES)
ANALYST = Caller("person", "ada", frozenset({"analyst"}), SCOPES)
AUDITOR = Caller("person", "ben", frozenset({"auditor"}), SCOPES)
STRANGER = Caller("client", "stranger", scopes=SCOPES)
CALLERS = {caller.name: caller for caller in (SHOP, OTHER, BLIND, ANALYST, AUDITOR, STRANGER)}

POLICY = """
policy small language 1
  "A small shop"
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

feature tries_1h = count of payment by card over 1h
feature spend_1h = sum of amount of payment by card over 1h
feature countries_1d = distinct origin of payment by card over 1d
feature frauds_2d = count of payment by card over 2d delayed 1d where fraud

label fraud of payment known after 1d from chargeback matching payment

reason burst "Many payments on one card" message "Please try later." retry after
reason large "A large payment" message "Please confirm this payment."

step_up strong rank 1
  "A 3DS challenge"
  try three_ds
  within 10m
  if failed      then decline because large
  if unavailable then review before because large

rule burst version 1
  when tries_1h >= 3
  then decline because burst

rule large version 1
  when amount > 300 EUR
  then step_up strong because large

grant client shop
  may decide, read_decisions, send_events
  on payment when amount <= 5000 EUR
  sees outcome, reasons

grant client other
  may decide, read_decisions
  sees outcome, reasons, rules, features, record

grant client blind
  may decide

grant role analyst
  may read_decisions
  sees outcome, reasons, rules, features, scores

grant role auditor
  may read_decisions, read_audit
  sees outcome, reasons, rules, features, scores, record
"""


class ByName:
    """Takes `Bearer NAME` for the caller of that name."""

    def caller_of(self, authorization: bytes | None, thumbprint: str = "") -> Caller:
        """Who says to be sending this."""
        name = (authorization or b"").removeprefix(b"Bearer ").decode()
        if name not in CALLERS:
            raise refused("no_token")
        return replace(CALLERS[name], thumbprint=thumbprint)


class Held:
    """A ledger that can be told to hold back what it is given, or to fail."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.entries: list[Entry] = []
        self.fail_before: Exception | None = None
        """What comes instead of recording."""
        self.fail_after: Exception | None = None
        """What comes though it was recorded."""
        self.open = Event()
        self.open.set()
        self._held: list[tuple[Entry, object, Receiver]] = []

    def submit(self, entry: Entry, whom: object, receiver: Receiver) -> None:
        """Record, now or once it is let go."""
        self.entries.append(entry)
        if not self.open.is_set():
            self._held.append((entry, whom, receiver))
        elif self.fail_before is not None:
            receiver.settle([(whom, _error(self.fail_before))])
        else:
            self.ledger.submit(entry, whom, _Turned(self.fail_after, receiver))

    def hold(self) -> None:
        """From now on nothing is recorded."""
        self.open.clear()

    def let_go(self) -> None:
        """Record what was held, and all that comes."""
        self.open.set()
        held, self._held = self._held, []
        for entry, whom, receiver in held:
            self.ledger.submit(entry, whom, receiver)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)


class _Turned:
    """Hands on outcomes, or errors in their place."""

    def __init__(self, error: Exception | None, receiver: Receiver) -> None:
        self.error = error
        self.receiver = receiver

    def settle(self, outcomes: Sequence[tuple[object, Outcome]]) -> None:
        """Called on the writer's thread."""
        if self.error is None:
            self.receiver.settle(outcomes)
        else:
            self.receiver.settle([(whom, _error(self.error)) for whom, _ in outcomes])


def _error(error: Exception) -> LedgerUnavailableError:
    assert isinstance(error, LedgerUnavailableError)
    return error


def write_policy(folder: Path, text: str = POLICY) -> Path:
    """A policy's folder with one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.tide").write_text(text)
    return folder


def settings_of(folder: Path, **changes: Any) -> Settings:
    """Settings whose policy and data lie in `folder`."""
    values: dict[str, Any] = {"policy": str(folder / "policy"), "data": str(folder / "data")}
    deciding = {"deadline_ms": 60_000, **changes.pop("deciding", {})}
    return Settings.model_validate({**values, "deciding": deciding, **changes}, strict=False)


class Client:
    """Sends requests to an application in this process."""

    def __init__(self, service: Service, name: str = "shop") -> None:
        self.service = service
        transport = httpx.ASGITransport(app=service.app)
        headers = {"authorization": f"Bearer {name}"}
        self.http = httpx.AsyncClient(
            transport=transport, base_url="http://tidegate", headers=headers
        )

    async def decide(
        self, event: Mapping[str, Any], key: str = "", kind: str = "payment", **headers: str
    ) -> httpx.Response:
        """Ask for a decision; the event's id is its key where none is said."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(
            f"/v1/decisions/{kind}",
            content=json.dumps({"event": event}).encode(),
            headers={"idempotency-key": key or f"key-{event.get('id')}", **said},
        )

    async def get(self, path: str, **params: str) -> httpx.Response:
        """Read something."""
        return await self.http.get(path, params=params)


def payment(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A payment of 12.34 EUR; another number is another payment of the same card."""
    return {"id": f"p-{number}", "amount": "12.34 EUR", "card": "tok_1", **changes}


@asynccontextmanager
async def running(
    folder: Path,
    *,
    policy: str = POLICY,
    parts: Callable[[Parts], Parts] = lambda parts: parts,
    keys: MemoryKeys | None = None,
    **changes: Any,
) -> AsyncIterator[tuple[Service, Held]]:
    """A service on a ledger that can be held; the folder keeps its state."""
    write_policy(folder / "policy", policy)
    held: list[Held] = []

    def hold(ledger: Ledger) -> Any:
        held.append(Held(ledger))
        return held[0]

    made = parts(Parts(ByName(), keys=keys, ledger=hold))
    async with opened(settings_of(folder, **changes), made) as service:
        yield service, held[0]


def run(test: Any) -> None:
    """Run a coroutine to its end, on a loop of its own."""
    asyncio.run(test)
