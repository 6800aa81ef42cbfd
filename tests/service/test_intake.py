"""Events and labels that are told: once each, in any order, recorded, never in a decision's way."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from tests.service.builders import Client, run
from tests.service.office import Clock, decided, get, kinds, office, post, word
from tidegate.engine.features import admit, new_state, read
from tidegate.engine.windows import WindowState
from tidegate.service.alerts import Alert
from tidegate.service.assembly import Service
from tidegate.service.window_recovery import needed_from, recover
from tidegate.service.windows import Windows
from tidegate.store.errors import LedgerUnavailableError
from tidegate.vault.memory import MemoryKeys

EVENTS = int(os.environ.get("TIDEGATE_INTAKE_EVENTS", "1500"))
"""100,000 once, in the note."""
CARDS = max(5, EVENTS // 50)
NOW = datetime.now(UTC)


def at(minutes: float = 0) -> str:
    """A time so many minutes ago."""
    return (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def refund(number: int, **changes: Any) -> dict[str, Any]:
    """A refund of one of the cards."""
    return {
        "id": f"r-{number}",
        "at": at(number % 600),
        "card": f"tok_{number % CARDS}",
        "amount": f"{number % 90 + 1}.00 EUR",
        **changes,
    }


def chargeback(number: int, payment: str, **changes: Any) -> dict[str, Any]:
    """What makes a payment a fraud."""
    return {
        "id": f"cb-{number}", "at": at(), "payment": payment, "kind": "fraudulent", **changes
    }  # fmt: skip


def same(one: WindowState, two: WindowState) -> bool:
    """Whether two states hold the same."""
    return dict(one.buckets) == dict(two.buckets) and dict(one.seen) == dict(two.seen)


def rebuilt(service: Service) -> Windows:
    """The windows as a start without a snapshot makes them."""
    windows = Windows(service.policy.program)
    events = service.keeper._events
    start = needed_from(windows, events, service.decider.windows.latest_us)
    recover(windows, events, service.decider.lists, start)
    return windows


def in_order(service: Service) -> WindowState:
    """The state after each recorded event came once, sorted by its own time."""
    program, state = service.policy.program, new_state(service.policy.program)
    unique = {
        (counted.event, counted.key): counted for _, _, counted in service.keeper._events.since(0)
    }
    for counted in sorted(unique.values(), key=lambda one: (one.at_us, one.key)):
        labels = service.decider.windows.reported.get((counted.event, counted.key), {})
        known = type(counted)(
            counted.event, counted.key, counted.at_us, counted.received_us, counted.values, labels
        )
        state.apply(admit(program, state, known, service.decider.lists))
    return state


def test_copies_in_any_order_lead_to_the_state_of_each_once_in_order(
    tmp_path: Path, url: str, keys: MemoryKeys
) -> None:
    """A gateway that sends twice, late and mixed up would shift what rules count."""
    rng = Random(7)
    clock = Clock()
    sent = [("refund", refund(n)) for n in range(EVENTS)]
    sent += [("chargeback", chargeback(n, f"p-{n % 40}")) for n in range(EVENTS // 10)]
    sent += rng.sample(sent, len(sent) // 5)
    rng.shuffle(sent)

    async def main() -> None:
        async with office(
            tmp_path,
            ledger=url,
            keys=keys,
            parts={"clock_us": clock},
            intake={"labels_an_hour": 10**6},
            rate={"burst": 10**6},
        ) as (service, _):
            for number in range(20):
                await decided(service, number)
            statuses: list[str] = []
            for start in range(0, len(sent), 100):
                for kind in ("refund", "chargeback"):
                    part = [body for name, body in sent[start : start + 100] if name == kind]
                    if part:
                        answer = await post(
                            service, "gateway", f"/v1/events/{kind}", {"events": part}
                        )
                        assert answer.status_code == 200, answer.text
                        statuses += [one["status"] for one in answer.json()["results"]]
            for number in range(20, 40):
                await decided(service, number)  # whose labels came first
            unique = EVENTS + EVENTS // 10
            assert statuses.count("accepted") == unique
            assert statuses.count("duplicate") == len(sent) - unique
            assert kinds(service).count("event") == unique
            state = service.decider.windows.state
            assert same(state, in_order(service))
            assert same(state, rebuilt(service).state)

    run(main())


def test_what_was_told_is_counted_by_the_next_decision_and_keeps_its_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with office(tmp_path) as (service, _):
            answer = await post(
                service, "gateway", "/v1/events/refund", {"event": refund(1, at=at(90))}
            )
            assert answer.json()["status"] == "accepted"
            program = service.policy.program
            (counted,) = [c for _, _, c in service.keeper._events.since(0) if c.event == "refund"]
            assert counted.received_us - counted.at_us > 89 * 60 * 10**6
            payment = program.event("payment")
            values = {**counted.values, "at": service.decider.windows.latest_us + 1, "id": "x"}
            assert read(program, service.decider.windows.state, payment, values)[
                "frauds_2d"
            ].value == 0  # fmt: skip
            assert len(service.decider.windows.state.buckets) == 2

    run(main())


def test_a_label_counts_from_its_report_whichever_came_first(tmp_path: Path) -> None:
    """A card with a fraud would go on being approved, or be declined for what nobody said."""
    clock = Clock()

    async def main() -> None:
        async with office(tmp_path, parts={"clock_us": clock}) as (service, _):
            assert await word(service, 1, card="tok_a") == "approve"
            assert await word(service, 2, card="tok_a") == "approve"
            said = await post(
                service, "gateway", "/v1/events/chargeback", {"event": chargeback(1, "p-1")}
            )
            assert said.json()["status"] == "accepted"
            clock.pass_minutes(2)
            assert await word(service, 3, card="tok_a") == "decline"
            # Before its payment: it waits for it.
            await post(service, "gateway", "/v1/events/chargeback", {"event": chargeback(2, "p-9")})
            assert await word(service, 9, card="tok_b") == "approve"
            clock.pass_minutes(2)
            assert await word(service, 10, card="tok_b") == "decline"
            assert same(service.decider.windows.state, rebuilt(service).state)

    run(main())


def test_a_label_can_be_said_without_an_event(tmp_path: Path, url: str, keys: MemoryKeys) -> None:
    clock = Clock()
    body = {"label": "fraud", "event": "payment", "key": "p-1"}

    async def main() -> None:
        parts = {"clock_us": clock}
        async with office(tmp_path, ledger=url, keys=keys, parts=parts) as (service, _):
            await decided(service, 1, card="tok_a")
            first = await post(service, "shop", "/v1/labels", body)
            again = await post(service, "shop", "/v1/labels", body)
            assert (first.json()["status"], again.json()["status"]) == ("accepted", "duplicate")
            assert first.json()["id"] == again.json()["id"]
            other = await post(service, "shop", "/v1/labels", {**body, "value": False})
            assert other.json()["code"] == "conflict"
            clock.pass_minutes(2)
            assert await word(service, 2, card="tok_a") == "decline"
            missing = await post(service, "shop", "/v1/labels", {**body, "label": "abuse"})
            assert missing.status_code == 404
            assert same(service.decider.windows.state, rebuilt(service).state)
        async with office(tmp_path, ledger=url, keys=keys, parts=parts) as (service, _):
            assert await word(service, 3, card="tok_a") == "decline"

    run(main())


def test_the_same_key_with_another_content_is_a_conflict(tmp_path: Path) -> None:
    """Whoever sent first would be overwritten, or two events be one."""

    async def main() -> None:
        async with office(tmp_path) as (service, held):
            held.hold()
            first = asyncio.ensure_future(
                post(service, "gateway", "/v1/events/refund", {"event": refund(1)})
            )
            copy = asyncio.ensure_future(
                post(service, "shop", "/v1/events/refund", {"event": refund(1)})
            )
            await asyncio.sleep(0.1)
            changed = {"event": refund(1, amount="999.00 EUR")}
            during = await post(service, "gateway", "/v1/events/refund", changed)
            assert not first.done()
            held.let_go()
            assert (await first).json()["status"] == "accepted"
            assert (await copy).json()["status"] == "duplicate"
            after = await post(service, "gateway", "/v1/events/refund", changed)
            assert (during.status_code, after.status_code) == (409, 409)
            assert kinds(service).count("event") == 1
            assert same(service.decider.windows.state, in_order(service))

    run(main())


def test_nothing_is_acknowledged_or_counted_that_is_not_recorded(tmp_path: Path) -> None:
    async def main() -> None:
        async with office(tmp_path) as (service, held):
            empty = dict(service.decider.windows.state.buckets)
            held.fail_before = LedgerUnavailableError("gone")
            answer = await post(service, "gateway", "/v1/events/refund", {"event": refund(1)})
            assert answer.status_code == 503
            assert dict(service.decider.windows.state.buckets) == empty
            held.fail_before = None
            held.fail_after = LedgerUnavailableError("recorded, but nobody heard")
            for _ in range(200):
                if not service.decider.in_doubt:
                    break
                await asyncio.sleep(0.02)
            await post(service, "gateway", "/v1/events/chargeback", {"event": chargeback(1, "p")})
            held.fail_after = None
            for _ in range(200):
                if not service.decider.in_doubt:
                    break
                await asyncio.sleep(0.02)
            again = await post(
                service, "gateway", "/v1/events/chargeback", {"event": chargeback(1, "p")}
            )
            assert again.json()["status"] == "duplicate"
            assert same(service.decider.windows.state, in_order(service))

    run(main())


def test_decisions_have_their_turn_while_a_batch_comes_in(tmp_path: Path) -> None:
    """A thousand events at once would hold up every payment behind them."""

    async def main() -> None:
        async with office(tmp_path, intake={"at_a_stretch": 5}) as (service, held):
            batch = {"events": [refund(n) for n in range(300)]}
            taking = asyncio.ensure_future(post(service, "gateway", "/v1/events/refund", batch))
            sizes = [0]
            while not taking.done():
                await asyncio.sleep(0)
                sizes.append(len(held.entries))
            assert (await taking).status_code == 200
            assert sizes[-1] == 300
            assert max(b - a for a, b in pairwise(sizes)) <= 5

    run(main())


def test_labels_beyond_the_cap_are_kept_apart_until_a_person_lets_them_in(
    tmp_path: Path, url: str, keys: MemoryKeys
) -> None:
    """One compromised merchant could teach every model that its rivals are fraudsters."""
    told: list[Alert] = []
    clock = Clock()

    async def main() -> None:
        async with office(
            tmp_path,
            parts={"alert": told.append, "clock_us": clock},
            ledger=url,
            keys=keys,
            intake={"labels_an_hour": 3, "sources": {"chargeback": "shop"}},
        ) as (service, _):
            await decided(service, 1, card="tok_a")
            bad = [chargeback(n, f"p-{n}", shop="evil") for n in range(5, 0, -1)]
            answer = await post(service, "gateway", "/v1/events/chargeback", {"events": bad})
            results = [one["status"] for one in answer.json()["results"]]
            assert results == ["accepted"] * 3 + ["quarantined"] * 2
            good = await post(
                service,
                "gateway",
                "/v1/events/chargeback",
                {"event": chargeback(9, "p-8", shop="fine")},
            )
            assert good.json()["status"] == "accepted"
            again = await post(service, "gateway", "/v1/events/chargeback", {"event": bad[-1]})
            assert again.json()["status"] == "quarantined"
            assert told == [Alert("labels_quarantined", "client:gateway")]
            clock.pass_minutes(2)
            assert await word(service, 20, card="tok_a") == "approve"
            (waiting,) = (await get(service, "rita", "/v1/quarantine"))["sources"]
            assert (waiting["source"], waiting["events"]) == ("shop=evil", 2)
            body = {"source": "shop=evil", "reason": "checked with the shop"}
            assert (
                await post(service, "gateway", "/v1/quarantine/let_in", body)
            ).status_code == 403
            let_in = await post(service, "rita", "/v1/quarantine/let_in", body)
            assert let_in.json() == {"let_in": 2}
            assert await word(service, 21, card="tok_a") == "decline"
            assert (await get(service, "rita", "/v1/quarantine"))["sources"] == []
            more = [chargeback(n, f"p-{n}", shop="evil") for n in (30, 31)]
            await post(service, "gateway", "/v1/events/chargeback", {"events": more})
            away = await post(service, "rita", "/v1/quarantine/turn_away", body)
            assert away.json() == {"turned_away": 2}
            assert (await get(service, "rita", "/v1/quarantine"))["sources"] == []
            assert same(service.decider.windows.state, rebuilt(service).state)

    run(main())


def test_a_label_of_a_payment_that_is_being_recorded_waits_for_it(tmp_path: Path) -> None:
    """It would be in the ledger and in no window until the next start."""
    clock = Clock()

    async def main() -> None:
        async with office(tmp_path, parts={"clock_us": clock}) as (service, held):
            held.hold()
            deciding = asyncio.ensure_future(decided(service, 1, card="tok_a"))
            await asyncio.sleep(0.1)
            body = {"event": chargeback(1, "p-1")}
            telling = asyncio.ensure_future(post(service, "gateway", "/v1/events/chargeback", body))
            await asyncio.sleep(0.1)
            assert not telling.done()
            held.let_go()
            await deciding
            assert (await telling).json()["status"] == "accepted"
            clock.pass_minutes(2)
            assert await word(service, 2, card="tok_a") == "decline"
            assert same(service.decider.windows.state, rebuilt(service).state)

    run(main())


def test_who_may_tell_of_what(tmp_path: Path) -> None:
    async def main() -> None:
        async with office(tmp_path) as (service, _):
            body = {"event": refund(1)}
            assert (await post(service, "till", "/v1/events/refund", body)).status_code == 403
            assert (await post(service, "rita", "/v1/events/refund", body)).status_code == 403
            assert (await post(service, "nobody", "/v1/events/refund", body)).status_code == 401
            payment = await post(service, "shop", "/v1/events/payment", {"event": {"id": "p"}})
            assert payment.status_code == 404
            assert (await post(service, "shop", "/v1/events/other", body)).status_code == 404

    run(main())


def test_what_cannot_be_taken_in_is_said_item_by_item(tmp_path: Path) -> None:
    async def main() -> None:
        async with office(tmp_path) as (service, _):
            events = [refund(1), {"id": "r-2"}, refund(3, at="2031-01-01T00:00:00Z"), refund(4)]
            answer = await post(service, "shop", "/v1/events/refund", {"events": events})
            results = answer.json()["results"]
            assert [one["status"] for one in results] == [
                "accepted", "refused", "refused", "accepted",
            ]  # fmt: skip
            assert results[1]["problem"]["errors"][0]["code"] == "missing_field"
            assert results[2]["problem"]["errors"][0]["code"] == "in_the_future"
            bad: Any
            for bad in ({}, {"events": []}, {"events": {}}, {"event": 1}, {"x": 1}, []):
                refused = await post(service, "shop", "/v1/events/refund", bad)
                assert refused.status_code == 422, bad
            card = refund(5, id="4111 1111 1111 1111")
            refused = await post(service, "shop", "/v1/events/refund", {"event": card})
            assert refused.json()["code"] == "sensitive_data_refused"
            assert "4111" not in refused.text

    run(main())


def test_too_much_at_once_is_refused_as_a_whole(tmp_path: Path) -> None:
    async def main() -> None:
        async with office(tmp_path, intake={"waiting": 3, "batch": 10}) as (service, _):
            batch = {"events": [refund(n) for n in range(4)]}
            answer = await post(service, "shop", "/v1/events/refund", batch)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "event" not in kinds(service)
            assert (await Client(service, "shop").get("/v1/quarantine")).status_code == 403

    run(main())
