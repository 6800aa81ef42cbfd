"""The application: its routes, its OpenAPI, and what it says when a request cannot be read."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.service.builders import Client, payment, run, running
from tidegate.dsl.program import Program
from tidegate.engine.event import admit
from tidegate.rules import load_policy
from tidegate.service.access import access_table
from tidegate.service.event_examples import example_of, schema_of
from tidegate.service.explanations import AUDIENCES
from tidegate.service.hot import priority_of
from tidegate.service.problems import KINDS
from tidegate.service.settings import ClientSettings, Priority

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_openapi_tells_of_the_hot_route_and_its_examples_run(tmp_path: Path) -> None:
    """Every example of a body is sent as it stands, and decided."""

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            client = Client(service)
            described = (await client.get("/openapi.json")).json()
            hot = described["paths"]["/v1/decisions/{event}"]["post"]
            assert hot["security"] == [{"bearer": []}]
            examples = hot["requestBody"]["content"]["application/json"]["examples"]
            assert examples.keys() == {"payment"}
            for number, (name, example) in enumerate(examples.items()):
                answer = await client.http.post(
                    f"/v1/decisions/{name}",
                    json=example["value"],
                    headers={"idempotency-key": f"example-{number}"},
                )
                assert answer.status_code == 200, answer.text
                required = described["components"]["schemas"]["Decision"]["required"]
                assert answer.json().keys() >= set(required)
            batch = described["paths"]["/v1/decisions"]["post"]
            body = batch["requestBody"]["content"]["application/json"]["example"]
            answer = await client.http.post("/v1/decisions", json=body)
            assert [part["status"] for part in answer.json()["decisions"]] == [200]

    run(main())


def test_the_openapi_and_the_routes_are_those_of_the_table(tmp_path: Path) -> None:
    """Nothing is served that the table does not name; all of it is described."""

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            app = service.app.app
            served = service.app.served
            table = access_table()
            assert served <= set(table.entries)
            described = {
                (method.upper(), path)
                for path, item in app.openapi()["paths"].items()
                for method in item
            }
            assert described == served
            audiences = app.openapi()["paths"]["/v1/decisions/{decision}/explanation"]["get"]
            (audience,) = (p for p in audiences["parameters"] if p["name"] == "audience")
            assert tuple(audience["schema"]["enum"]) == AUDIENCES

    run(main())


@pytest.mark.parametrize("example", ["first", "card", "handbook", "library"])
def test_examples_of_shipped_policies_pass_the_door(example: str) -> None:
    """Made of declarations alone, for every event of every shipped policy."""
    policy = load_policy(EXAMPLES / example)
    program: Program = policy.program
    for event in program.events:
        body = example_of(program, event)
        admitted = admit(program, event.name, body, rates=policy.rates, at_us=1_795_600_800_000_000)
        assert not isinstance(admitted, tuple), admitted
        schema = schema_of(event)
        assert set(body) <= set(schema["properties"])
        assert set(schema["required"]) <= set(body)


def test_health_says_one_word(tmp_path: Path) -> None:
    """Anybody may ask whether it lives; more is for those with a token."""

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            nobody = Client(service, "nobody")
            assert (await nobody.get("/livez")).json() == {"status": "live"}
            for path in ("/readyz", "/openapi.json", "/v1/decisions/x"):
                assert (await nobody.get(path)).status_code == 401
            client = Client(service)
            assert (await client.get("/readyz")).json() == {"status": "ready"}
            service.decider.in_doubt = True
            not_ready = await client.get("/readyz")
            assert (not_ready.status_code, not_ready.json()) == (503, {"status": "not ready"})
            service.decider.in_doubt = False

    run(main())


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"authorization": ""}, 401, "no_token"),
        ({"authorization": "Bearer stranger"}, 403, "not_granted"),
        ({"authorization": "Bearer ada"}, 403, "human_identity"),
        ({"idempotency-key": ""}, 422, "invalid_request"),
        ({"idempotency-key": "x" * 256}, 422, "invalid_request"),
        ({"tidegate-deadline-ms": "soon"}, 422, "invalid_request"),
        ({"tidegate-deadline-ms": "0"}, 422, "invalid_request"),
        ({"tidegate-priority": "urgent"}, 422, "invalid_request"),
        ({"content": b"{"}, 400, "bad_json"),
        ({"content": b"\xff"}, 400, "bad_encoding"),
        ({"content": b"[]"}, 422, "invalid_request"),
        ({"content": b'{"event":{},"event":{}}'}, 400, "duplicate_key"),
        ({"content": b'{"event":[]}'}, 422, "invalid_request"),
        ({"content": b'{"event":{},"more":1}'}, 422, "invalid_request"),
        ({"content": b'{"event":{},"scores":1}'}, 422, "invalid_request"),
        ({"content": b"x" * 70_000}, 413, "too_large"),
        ({"path": "/v1/decisions/chargeback"}, 404, "not_found"),
        ({"path": "/v1/decisions/unknown"}, 422, "invalid_request"),
        ({"path": "/v1/decisions/payment/x"}, 404, "not_found"),
        ({"path": "/nowhere"}, 404, "not_found"),
        ({"path": "/livez"}, 405, "method_not_allowed"),
    ],
)
def test_what_cannot_be_taken_is_a_problem_and_no_decision(
    tmp_path: Path, change: dict[str, Any], status: int, code: str
) -> None:
    """Each with its code; nothing is recorded, no value comes back."""

    async def main() -> None:
        async with running(tmp_path) as (service, held):
            content = json.dumps({"event": payment(card="tok_unrepeatable")}).encode()
            path = change.get("path", "/v1/decisions/payment")
            if path.endswith("chargeback"):
                content = b'{"event":{"id":"c","payment":"p"}}'
            headers = {
                "authorization": "Bearer shop",
                "idempotency-key": "k",
                **{n: v for n, v in change.items() if n not in {"content", "path"}},
            }
            answer = await Client(service).http.post(
                path, content=change.get("content", content), headers=headers
            )
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["title"] == KINDS[code].title
            assert "tok_unrepeatable" not in answer.text
            assert held.entries == []

    run(main())


def test_an_event_that_is_not_decided_here_is_refused(tmp_path: Path) -> None:
    """Whoever may decide everything still does not decide a chargeback."""

    async def main() -> None:
        async with running(tmp_path) as (service, held):
            client = Client(service, "other")
            answer = await client.decide({"id": "c", "payment": "p"}, kind="chargeback")
            assert answer.status_code == 404
            assert held.entries == []

    run(main())


@pytest.mark.parametrize("own", ["high", "normal", "low"])
@pytest.mark.parametrize("asked", ["high", "normal", "low"])
def test_a_request_lowers_its_priority_and_never_raises_it(own: Priority, asked: str) -> None:
    """What the settings say of the client is the most that it gets."""
    order = ["low", "normal", "high"]
    found = priority_of([(b"tidegate-priority", asked.encode())], ClientSettings(priority=own))
    assert found == min(own, asked, key=order.index)


def test_a_header_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """Which of two keys counts would be a guess."""

    async def main() -> None:
        async with running(tmp_path) as (service, held):
            answer = await Client(service).http.post(
                "/v1/decisions/payment",
                json={"event": payment()},
                headers=[("idempotency-key", "a"), ("idempotency-key", "b")],
            )
            assert answer.status_code == 400
            assert held.entries == []

    run(main())


def test_callers_are_limited(tmp_path: Path) -> None:
    """A batch costs as much as its items."""

    async def main() -> None:
        rate = {"per_second": 0.001, "burst": 4}
        async with running(tmp_path, rate=rate) as (service, _):
            client = Client(service)
            items = [
                {"event_type": "payment", "idempotency_key": f"k{n}", "event": payment(n)}
                for n in range(3)
            ]
            assert (
                await client.http.post("/v1/decisions", json={"decisions": items})
            ).status_code == 200
            assert (await client.decide(payment(5))).status_code == 200
            assert (await client.decide(payment(6))).status_code == 429
            assert (await Client(service, "other").decide(payment(6))).status_code == 200

    run(main())


def test_a_caller_that_goes_away_leaves_nothing_behind(tmp_path: Path) -> None:
    """Before the body is whole there is no decision; after it, it is recorded all the same."""

    async def main() -> None:
        async with running(tmp_path) as (service, held):
            sent: list[Any] = []

            async def send(message: Any) -> None:
                sent.append(message)

            async def gone() -> dict[str, Any]:
                return {"type": "http.disconnect"}

            headers = [(b"authorization", b"Bearer shop"), (b"idempotency-key", b"k")]
            scope = {
                "type": "http",
                "method": "POST",
                "path": "/v1/decisions/payment",
                "raw_path": b"/v1/decisions/payment",
                "query_string": b"",
                "headers": headers,
            }
            await service.app(scope, gone, send)
            assert sent == []
            assert held.entries == []
            held.hold()
            client = Client(service)
            asked = asyncio.ensure_future(client.decide(payment()))
            await asyncio.sleep(0.1)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            held.let_go()
            answer = await client.decide(payment())
            assert answer.status_code == 200
            assert len(held.entries) == 1

    run(main())
