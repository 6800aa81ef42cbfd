"""The servers that `bench.http` measures, and the policy that they decide by."""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import FastAPI, Header
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import event
from sqlalchemy.orm import registry
from sqlmodel import Field as Column
from sqlmodel import Session, SQLModel, create_engine

from tidegate import Engine, load_policy
from tidegate.dsl.types import COUNT, NUMBER, Kind, Type
from tidegate.engine.features import Counted
from tidegate.models.portable import UNIT, Axis, Input, PortableModel, TableTerm
from tidegate.models.reading import write_model
from tidegate.service.assembly import Parts, opened
from tidegate.service.authentication import authentication
from tidegate.service.callers import Caller
from tidegate.service.settings import Settings
from tidegate.service.windows import Windows
from tidegate.store.batches import Recorded
from tidegate.store.entries import Entry
from tidegate.store.heads import Head
from tidegate.store.ledger import Ledger, Receiver

SIDES = ("ours", "baseline", "memory")
TOKEN = "bench"
FIFTY = Path(__file__).parent / "policies" / "fifty"
_MODEL = """
feature spend_7d = sum of amount of payment by card over 7d

model additive version 1
  "An additive model over the card's habits"
  from "models/additive"
  reads amount, tries_10m, tries_24h, spend_24h, spend_7d, ratio
  score fraud_score
  use payment
  may review, hold, decline, prefer, step_up, relax, advise
  if unavailable then review because score_high

grant client bench
  may decide, read_decisions
  sees outcome, reasons
"""


def prepare_policy(folder: Path) -> None:
    """The fifty rules with a score that is worked out here, six windows and a grant."""
    shutil.copytree(FIFTY, folder)
    path = folder / "fifty.tide"
    text = path.read_text()
    field = "  fraud_score      number min 0 max 1\n"
    assert field in text
    path.write_text(text.replace(field, "") + _MODEL)
    models = folder / "models" / "additive" / "1"
    models.mkdir(parents=True)
    (models / "model.json").write_bytes(write_model(additive_model()))


def additive_model() -> PortableModel:
    """Six inputs with sixteen steps each, rising; scores from next to nothing to nearly one."""
    money = Type(Kind.MONEY)
    inputs = (
        Input("amount", money, currency="EUR"),
        Input("tries_10m", COUNT),
        Input("tries_24h", COUNT),
        Input("spend_24h", money, currency="EUR"),
        Input("spend_7d", money, currency="EUR"),
        Input("ratio", NUMBER, takes_missing=True),
    )
    widths = (4_000, 1, 2, 8_000, 20_000, 400_000)
    unit = UNIT
    terms = tuple(
        TableTerm(
            (Axis(place, tuple(width * step for step in range(1, 16))),),
            (*(unit * (step - 6) // 12 for step in range(16)), 0),
        )
        for place, width in enumerate(widths)
    )
    return PortableModel("additive", 1, "additive", "logit", inputs, -2 * unit, terms)


def serve(side: str, folder: Path) -> None:
    """Serve until the process is ended; says its port first."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if side == "baseline":
            runner.run(_run(baseline(folder)))
        else:
            runner.run(_service(folder, durable=side == "ours"))


async def _run(app: Any) -> None:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(2048)
    config = uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", access_log=False, log_level="warning"
    )
    print(f"port {sock.getsockname()[1]}", flush=True)
    await uvicorn.Server(config).serve(sockets=[sock])


# --- the service


class KeepsNothing:
    """A ledger that says at once that an entry is recorded."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._head = Head(0, b"")
        self._seq = 0

    def submit(self, entry: Entry, whom: object, receiver: Receiver) -> None:
        """Answer from the same thread; nothing is kept."""
        self._seq += 1
        receiver.settle([(whom, Recorded(self._seq, entry.id, b"", b"", self._head))])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


class _Known:
    """Verifies a real token under the name that the load sends: verified once, then remembered."""

    def __init__(self, verifier: Any, token: str) -> None:
        self._verifier = verifier
        self._token = b"Bearer " + token.encode()

    def caller_of(self, authorization: bytes | None, thumbprint: str = "") -> Caller:
        """The caller of the token that stands behind the load's."""
        assert authorization == b"Bearer " + TOKEN.encode()
        caller: Caller = self._verifier.caller_of(self._token, thumbprint)
        return caller


async def _service(folder: Path, *, durable: bool) -> None:
    settings = Settings.model_validate(
        {
            "policy": str(folder / "policy"),
            "data": str(folder / "data"),
            "rate": {"per_second": 1e9, "burst": 10**9},
        }
    )
    settings.data_folder.mkdir()
    async with authentication(settings, "http://127.0.0.1", {}) as trusted:
        assert trusted.issuer is not None
        token = trusted.issuer.sign("client", "bench", scopes=["decide"])
        verifier = _Known(trusted.verifier, token)
        ledger: Any = None if durable else KeepsNothing
        async with opened(settings, Parts(verifier, ledger=ledger)) as service:
            await _run(service.app)


# --- FastAPI + SQLModel

Country = Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]


class Payment(BaseModel):
    """The event as the usual stack validates it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(min_length=1)]
    amount: Annotated[str, StringConstraints(pattern=r"^\d+\.\d\d EUR$")]
    card: Annotated[str, Field(min_length=1)]
    card_country: Country
    brand: Literal["visa", "mastercard", "amex", "cb"]
    mcc: str
    merchant_country: Country
    customer: str | None = None
    ip_country: Country | None = None
    email_domain: str | None = None
    opened: Annotated[AwareDatetime | None, Field(strict=False)] = None
    channel: Literal["ecom", "pos", "moto"]
    bot_score: Annotated[str, StringConstraints(pattern=r"^\d(\.\d{1,6})?$")]


class _Base(SQLModel, registry=registry()):
    """Tables of their own: those of the ledger are compared with its migrations."""


class DecisionRow(_Base, table=True):
    """A decision in the clear, by its key."""

    __tablename__ = "decisions"

    id: str = Column(primary_key=True)
    key: str = Column(unique=True)
    record: bytes


class OutcomeAnswer(BaseModel):
    """What is answered of an outcome."""

    word: str
    disposition: str
    authentication: str
    review: str
    reasons: Sequence[str]


class DecisionAnswer(BaseModel):
    """The answer."""

    decision_id: str
    key: str
    outcome: OutcomeAnswer


def baseline(folder: Path) -> FastAPI:
    """The usual stack: `async def`, Pydantic in and out, one session and commit a request."""
    policy = load_policy(folder / "policy")
    engine, windows = Engine(policy), Windows(policy.program)
    database = create_engine(f"sqlite:///{folder}/decisions.db")

    @event.listens_for(database, "connect")
    def make_durable(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    _Base.metadata.create_all(database, tables=[DecisionRow.__table__])  # type: ignore[attr-defined]
    app = FastAPI()

    @app.post("/v1/decisions/payment")
    async def decide(payment: Payment, idempotency_key: Annotated[str, Header()]) -> DecisionAnswer:
        at_us = max(time.time_ns() // 1_000, windows.latest_us + 1)
        windows.latest_us = at_us
        admitted = engine.admit(payment.model_dump(exclude_none=True), "payment", at_us=at_us)
        features: Any = windows.read(admitted.event, admitted.values)
        decision = engine.decide_admitted(admitted, features=features)
        counted = Counted("payment", admitted.key, at_us, at_us, admitted.values)
        windows.take(counted, policy.lists)
        row = DecisionRow(id=f"{at_us}", key=idempotency_key, record=decision.record_bytes)
        with Session(database) as session:
            session.add(row)
            session.commit()
        found = decision.outcome
        outcome = OutcomeAnswer(
            word=found.word,
            disposition=found.disposition,
            authentication=found.authentication,
            review=found.review,
            reasons=found.reasons,
        )
        return DecisionAnswer(decision_id=f"{at_us}", key=admitted.key, outcome=outcome)

    return app
