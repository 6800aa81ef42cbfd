"""Reading decisions and why they fell: by grants, by audience, recorded where people read."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.builders import POLICY, Client, payment, run, running
from tidegate.engine.record import parse_record
from tidegate.service.assembly import Service
from tidegate.service.explanations import AUDIENCES
from tidegate.service.recorded import read_payload
from tidegate.store.errors import LedgerUnavailableError
from tidegate.vault.memory import MemoryKeys


async def a_step_up(service: Service) -> str:
    """The id of a decision that steps up, made by `other`."""
    answer = await Client(service, "other").decide(payment(1, amount="420.00 EUR"))
    assert answer.json()["outcome"]["word"] == "step_up"
    return str(answer.json()["decision_id"])


def test_what_is_read_is_what_was_answered(tmp_path: Path) -> None:
    """For the caller who decided it, byte for byte."""

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            for name in ("shop", "other"):
                client = Client(service, name)
                answer = await client.decide(payment(1, amount="420.00 EUR"), f"of {name}")
                read = await client.get(f"/v1/decisions/{answer.json()['decision_id']}")
                assert read.content == answer.content

    run(main())


def test_answers_show_what_the_grant_sees(tmp_path: Path) -> None:
    """One decision, five readers."""
    shown = {
        "shop": {"outcome", "reasons"},
        "other": {"outcome", "reasons", "rules", "points", "fields", "features", "record"},
        "ada": {"outcome", "reasons", "rules", "points", "fields", "features", "scores"},
        "ben": {"outcome", "reasons", "rules", "points", "fields", "features", "scores", "record"},
    }
    always = {"decision_id", "event", "key", "at", "mode", "policy"}

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            decision = await a_step_up(service)
            for name, members in shown.items():
                read = await Client(service, name).get(f"/v1/decisions/{decision}")
                assert read.json().keys() - always == members, name
            # Without `sees` the outcome alone is shown.
            answer = await Client(service, "blind").decide(payment(2))
            assert answer.json().keys() - always == {"outcome"}

    run(main())


def test_readers_need_a_grant_for_that_event(tmp_path: Path) -> None:
    """The shop's grant ends at 5000 EUR; a stranger has none; nobody guesses ids."""

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            answer = await Client(service, "other").decide(payment(1, amount="6000 EUR"))
            large = answer.json()["decision_id"]
            expected = {"shop": 403, "stranger": 403, "blind": 403, "other": 200, "ada": 200}
            for name, status in expected.items():
                for path in (f"/v1/decisions/{large}", f"/v1/decisions/{large}/explanation"):
                    assert (await Client(service, name).get(path)).status_code == status, name
            client = Client(service)
            for unknown in ("01a21217-d3a2-71e7-927a-5816f2b5b5e9", "x", "%00"):
                assert (await client.get(f"/v1/decisions/{unknown}")).status_code == 404

    run(main())


def test_audiences_are_told_what_is_theirs(tmp_path: Path) -> None:
    """Every audience by every reader; who may not see the parts is not told."""
    may = {
        "shop": {"subject", "merchant"},
        "other": {"subject", "merchant", "analyst", "auditor"},
        "ada": {"subject", "merchant", "analyst"},
        "ben": {"subject", "merchant", "analyst", "auditor"},
    }

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            decision = await a_step_up(service)
            for name, allowed in may.items():
                for audience in AUDIENCES:
                    answer = await Client(service, name).get(
                        f"/v1/decisions/{decision}/explanation", audience=audience
                    )
                    expected = 200 if audience in allowed else 403
                    assert answer.status_code == expected, (name, audience)
            bad = await Client(service).get(
                f"/v1/decisions/{decision}/explanation", audience="everybody"
            )
            assert bad.status_code == 422
            assert "everybody" not in bad.text

    run(main())


def texts(value: Any) -> Iterator[str]:
    """Every text and number in an answer."""
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    else:
        yield str(value)


def test_persons_and_merchants_are_told_no_rule_threshold_or_value(tmp_path: Path) -> None:
    """Nothing of the policy's constants, names of rules, fields or the payment's own values."""

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            decision = await a_step_up(service)
            for audience in ("subject", "merchant"):
                answer = await Client(service).get(
                    f"/v1/decisions/{decision}/explanation", audience=audience
                )
                said = " ".join(texts(answer.json())).replace(decision, "")
                for secret in ("300", "large", "amount >", "tries_1h", "420", "tok_", "h1_"):
                    assert secret not in said.replace("Large", ""), (audience, secret)
            subject = (await Client(service).get(f"/v1/decisions/{decision}/explanation")).json()
            assert subject["reasons"] == ["Please confirm this payment."]
            assert subject["data_used"] == ["the amount of the payment"]
            assert f"/v1/decisions/{decision}/contest" in subject["contest"]
            analyst = await Client(service, "ada").get(
                f"/v1/decisions/{decision}/explanation", audience="analyst"
            )
            assert "large" in analyst.text
            assert "300.00 EUR" in analyst.text

    run(main())


def test_the_auditor_gets_the_record_and_its_place(tmp_path: Path) -> None:
    """The record in the answer is, canonically, the record in the ledger."""

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            decision = await a_step_up(service)
            answer = await Client(service, "ben").get(
                f"/v1/decisions/{decision}/explanation", audience="auditor"
            )
            (first, *_) = service.reader.about(decision)
            assert first.payload is not None
            record = read_payload(first.payload).record
            plain = json.dumps(
                answer.json()["record"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
            )
            assert plain.encode() == record
            assert parse_record(record).event.key == "p-1"
            assert answer.json()["ledger"]["seq"] == first.leaf.seq

    run(main())


def test_what_people_read_is_recorded_before_they_see_it(tmp_path: Path) -> None:
    """Each read of a person is an entry about the decision; a machine's is none."""

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            decision = await a_step_up(service)
            await Client(service, "other").get(f"/v1/decisions/{decision}")
            assert [read.leaf.kind for read in service.reader.about(decision)] == ["decision"]
            await Client(service, "ada").get(f"/v1/decisions/{decision}")
            await Client(service, "ben").get(
                f"/v1/decisions/{decision}/explanation", audience="auditor"
            )
            reads = [r for r in service.reader.about(decision) if r.leaf.kind == "read"]
            assert [read.leaf.facts["what"] for read in reads] == [
                "decision",
                "explanation:auditor",
            ]
            assert [read.payload for read in reads] == [b"person:ada", b"person:ben"]
            assert b"person:" not in b"".join(read.content for read in reads)

    run(main())


def test_nothing_is_shown_where_the_read_cannot_be_recorded(tmp_path: Path) -> None:
    """The ledger takes nothing: the person waits."""

    class Refusing:
        def append(self, _entry: object) -> asyncio.Future[None]:
            raise LedgerUnavailableError("no")

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            decision = await a_step_up(service)
            service.decisions._ledger = Refusing()  # type: ignore[assignment]
            answer = await Client(service, "ada").get(f"/v1/decisions/{decision}")
            assert answer.status_code == 503
            assert "outcome" not in answer.text

    run(main())


def test_old_decisions_are_explained_by_the_policy_that_made_them(tmp_path: Path) -> None:
    """A new policy serves; where the old one is not kept, that is said and nothing guessed."""
    keys = MemoryKeys()
    newer = POLICY.replace("amount > 300 EUR", "amount > 500 EUR")

    async def main() -> None:
        async with running(tmp_path, keys=keys) as (service, _):
            decision = await a_step_up(service)
            old = service.policy.hash
        async with running(tmp_path, keys=keys, policy=newer) as (service, _):
            ada = Client(service, "ada")
            path = f"/v1/decisions/{decision}/explanation"
            answer = await ada.get(path, audience="analyst")
            assert "300.00 EUR" in answer.text
            assert "500.00 EUR" not in answer.text
            assert service.policy.hash != old
        shutil.rmtree(tmp_path / "data" / "policies" / old)
        async with running(tmp_path, keys=keys, policy=newer) as (service, _):
            answer = await Client(service, "ada").get(path, audience="analyst")
            assert answer.status_code == 404

    run(main())


@pytest.mark.parametrize("audience", AUDIENCES)
def test_silent_answers_are_explained_too(tmp_path: Path, audience: str) -> None:
    """No record, no rules; every audience is told that much."""

    async def main() -> None:
        deciding = {"low_waiting": 0, "normal_waiting": 0, "high_waiting": 0}
        async with running(tmp_path, deciding=deciding) as (service, _):
            answer = (await Client(service).decide(payment())).json()
            assert answer["cause"] == "overload"
            found = await Client(service, "ben").get(
                f"/v1/decisions/{answer['decision_id']}/explanation", audience=audience
            )
            assert found.status_code == 200
            assert re.search("review|checked|silent", found.text)
            read = await Client(service).get(f"/v1/decisions/{answer['decision_id']}")
            assert read.json() == answer

    run(main())


def test_several_events_are_decided_at_once(tmp_path: Path) -> None:
    """Each for its own key, in order; what is wrong with one leaves the others alone."""

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            client = Client(service)

            def item(number: int, **changes: Any) -> dict[str, Any]:
                return {
                    "event_type": "payment",
                    "idempotency_key": f"k{number}",
                    "event": payment(number),
                } | changes

            items = [item(n) for n in range(4)]
            items.insert(2, item(7, event=payment(7, amount="9000 EUR")))
            answer = await client.http.post("/v1/decisions", json={"decisions": items})
            parts = answer.json()["decisions"]
            assert [part["status"] for part in parts] == [200, 200, 403, 200, 200]
            words = [p["decision"]["outcome"]["word"] for p in parts if p["status"] == 200]
            assert words == ["approve", "approve", "approve", "decline"]
            again = await client.http.post("/v1/decisions", json={"decisions": items})
            assert again.content == answer.content
            wrong: list[Any] = [{}, {"decisions": []}, {"decisions": {}}, []]
            for bad in (*wrong, {"decisions": [1], "x": 1}):
                refused = await client.http.post("/v1/decisions", json=bad)
                assert refused.status_code == 422
            many = {"decisions": [item(n) for n in range(101)]}
            assert (await client.http.post("/v1/decisions", json=many)).status_code == 422

    run(main())
