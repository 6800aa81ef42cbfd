"""The same service on PostgreSQL: one decision for a key, windows from the ledger, reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.builders import Client, payment, run, running
from tests.service.idempotency import Retries
from tests.service.test_decider import decisions, tries
from tests.store.servers import new_database, postgres_server
from tidegate.store.database import parse_url, prepare
from tidegate.store.errors import LedgerUnavailableError
from tidegate.vault.memory import MemoryKeys


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Give the URL of a PostgreSQL server."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def ledger(server: str) -> str:
    """Give the URL of an empty ledger."""
    url = new_database(server)
    prepare(parse_url(url), migrate=True)
    return url


def test_decisions_survive_a_restart(tmp_path: Path, ledger: str) -> None:
    """Bodies, windows and explanations come back; another body is refused."""
    keys = MemoryKeys()

    async def main() -> None:
        async with running(tmp_path, keys=keys, ledger=ledger) as (service, held):
            client = Client(service, "other")
            bodies = [(await client.decide(payment(n))).content for n in range(3)]
            held.fail_after = LedgerUnavailableError("the connection was lost")
            assert (await client.decide(payment(3))).status_code == 503
        (tmp_path / "data" / "windows.snapshot").unlink(missing_ok=True)
        async with running(tmp_path, keys=keys, ledger=ledger) as (service, _):
            assert tries(service) == 4
            client = Client(service, "other")
            answers = await asyncio.gather(
                *(client.decide(payment(n)) for n in range(3) for _ in "ab")
            )
            assert [answer.content for answer in answers[::2]] == bodies
            assert [answer.content for answer in answers[1::2]] == bodies
            lost = await client.decide(payment(3))
            assert lost.headers["idempotent-replayed"] == "true"
            assert (await client.decide(payment(9), "key-p-0")).status_code == 422
            assert len(decisions(service)) == 4
            assert tries(service) == 4
            decision = answers[0].json()["decision_id"]
            found = await Client(service, "ada").get(
                f"/v1/decisions/{decision}/explanation", audience="analyst"
            )
            assert found.status_code == 200
            assert [r.leaf.kind for r in service.reader.about(decision)] == ["decision", "read"]

    run(main())


def test_keys_under_concurrent_retries_have_one_record_each(tmp_path: Path, ledger: str) -> None:
    """The short form of `make idempotency`."""

    async def main() -> None:
        async with running(tmp_path, ledger=ledger, deciding={"remembered": 20}) as (service, _):
            found = await Retries(service, keys=120, seed=2).run()
            assert found.faults == []
            assert len(decisions(service)) == 120

    run(main())
