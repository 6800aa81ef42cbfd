"""One decision for a key, recorded before it is answered, whatever goes wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event

import httpx
import pytest

from tests.service.builders import POLICY, Client, payment, run, running
from tidegate.dsl.types import Value
from tidegate.engine.features import Counted
from tidegate.engine.values import format_time
from tidegate.models.scored import Scored, Unavailable
from tidegate.service.assembly import Parts, Service
from tidegate.service.recorded import EventForms, read_payload, write_payload
from tidegate.service.window_snapshot import SnapshotError, read_snapshot
from tidegate.store.entries import Entry, Leaf
from tidegate.store.errors import LedgerUnavailableError
from tidegate.vault.memory import MemoryKeys


def decisions(service: Service) -> list[Leaf]:
    """The decisions that are recorded, in order."""
    return [read.leaf for read in service.reader.entries(kinds=["decision"])]


def tries(service: Service) -> int:
    """How many payments of the card the windows hold now."""
    buckets = service.decider.windows.state.buckets
    index = [f.name for f in service.policy.program.features].index("tries_1h")
    return sum(len(b.contributions) for (feature, _), b in buckets.items() if feature == index)


def test_concurrent_requests_share_one_record_and_one_body(tmp_path: Path) -> None:
    """Fifty at once, on a ledger that is slow, and fifty more after it."""

    async def main() -> None:
        async with running(tmp_path) as (service, held):
            client = Client(service)
            held.hold()
            first = [asyncio.ensure_future(client.decide(payment())) for _ in range(50)]
            await asyncio.sleep(0.2)
            assert not any(each.done() for each in first)
            held.let_go()
            answers = await asyncio.gather(*first)
            answers += await asyncio.gather(*(client.decide(payment()) for _ in range(50)))
            assert {answer.status_code for answer in answers} == {200}
            assert len({answer.content for answer in answers}) == 1
            assert len(decisions(service)) == 1
            assert tries(service) == 1

    run(main())


def test_another_body_for_a_key_is_refused_while_under_way_and_after(tmp_path: Path) -> None:
    """The key is the client's promise that it is the same request."""

    async def main() -> None:
        async with running(tmp_path) as (service, held):
            client = Client(service)
            held.hold()
            first = asyncio.ensure_future(client.decide(payment(), "k"))
            await asyncio.sleep(0.1)
            other = asyncio.ensure_future(client.decide(payment(amount="1.00 EUR"), "k"))
            await asyncio.sleep(0.1)
            assert not other.done()
            held.let_go()
            assert (await first).status_code == 200
            during = await other
            after = await client.decide(payment(amount="1.00 EUR"), "k")
            for answer in (during, after):
                assert answer.status_code == 422
                assert answer.json()["code"] == "idempotency_conflict"
                assert answer.headers["content-type"] == "application/problem+json"
            assert len(decisions(service)) == 1

    run(main())


def test_a_wrong_body_under_way_does_not_keep_the_right_one_from_its_answer(tmp_path: Path) -> None:
    """Memory has forgotten the key: both wait until the ledger says whose it is."""

    async def main() -> None:
        async with running(tmp_path, deciding={"remembered": 0}) as (service, held):
            client = Client(service)
            first = await client.decide(payment(), "k")
            held.hold()
            wrong = asyncio.ensure_future(client.decide(payment(2), "k"))
            await asyncio.sleep(0.1)
            right = asyncio.ensure_future(client.decide(payment(), "k"))
            await asyncio.sleep(0.1)
            held.let_go()
            assert (await wrong).status_code == 422
            assert (await right).content == first.content
            assert tries(service) == 1

    run(main())


def test_keys_belong_to_their_caller(tmp_path: Path) -> None:
    """Two clients with the same key have two decisions."""

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            one = await Client(service, "shop").decide(payment(), "k")
            other = await Client(service, "other").decide(payment(2), "k")
            assert one.json()["decision_id"] != other.json()["decision_id"]
            assert len(decisions(service)) == 2

    run(main())


@pytest.mark.parametrize("restarted", [False, True])
def test_what_memory_forgot_the_ledger_knows(tmp_path: Path, restarted: bool) -> None:
    """With no answers in memory, and after a restart, retries get the recorded bytes."""
    keys = MemoryKeys()

    async def first() -> bytes:
        async with running(tmp_path, keys=keys, deciding={"remembered": 0}) as (service, _):
            answer = await Client(service).decide(payment())
            if not restarted:
                await again(service, answer.content)
            return answer.content

    async def again(service: Service, expected: bytes) -> None:
        before = tries(service)
        client = Client(service)
        answers = await asyncio.gather(*(client.decide(payment()) for _ in range(10)))
        assert {answer.content for answer in answers} == {expected}
        assert all(answer.headers["idempotent-replayed"] == "true" for answer in answers)
        conflict = await client.decide(payment(2), "key-p-1")
        assert conflict.status_code == 422
        assert len(decisions(service)) == 1
        assert tries(service) == before == 1

    async def second(expected: bytes) -> None:
        async with running(tmp_path, keys=keys) as (service, _):
            await again(service, expected)

    async def main() -> None:
        answer = await first()
        if restarted:
            await second(answer)

    run(main())


def test_times_increase_strictly_whatever_the_clock_does(tmp_path: Path) -> None:
    """The clock stands still, then goes back; the order of times is that of the ledger."""
    clock = iter([1_000_000, 1_000_000, 1_000_000, 5, 5, 2_000_000, *([0] * 100)])

    def parts(made: Parts) -> Parts:
        return replace(made, clock_us=lambda: next(clock))

    async def main() -> None:
        async with running(tmp_path, parts=parts) as (service, _):
            client = Client(service)
            for number in range(6):
                await client.decide(payment(number))
            times = [counted.at_us for _, _, counted in service.keeper._events.since(0)]
            assert len(set(times)) == 6
            assert times == sorted(times)

    run(main())


def test_times_increase_over_a_restart(tmp_path: Path) -> None:
    """The clock of the machine was set back meanwhile."""
    keys = MemoryKeys()

    async def one(at_us: int, number: int) -> str:
        def parts(made: Parts) -> Parts:
            return replace(made, clock_us=lambda: at_us)

        async with running(tmp_path, keys=keys, parts=parts) as (service, _):
            answer = await Client(service).decide(payment(number))
            return str(answer.json()["at"])

    async def main() -> None:
        first = await one(1_795_600_800_000_000, 1)
        second = await one(1_795_600_700_000_000, 2)
        assert first == "2026-11-25T10:00:00Z"
        assert second == "2026-11-25T10:00:00.000001Z"

    run(main())


def test_windows_hold_what_came_before_and_never_the_event_itself(tmp_path: Path) -> None:
    """The fourth payment of a card sees three; asked again, it sees what it saw."""

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            client = Client(service, "other")
            seen = []
            for number in range(4):
                answer = (await client.decide(payment(number))).json()
                seen.append(answer["features"]["tries_1h"])
            again = (await client.decide(payment(0), "another key")).json()
            assert seen == ["0", "1", "2", "3"]
            assert again["features"]["tries_1h"] == "3"
            assert tries(service) == 4

    run(main())


def test_nothing_is_answered_before_it_is_recorded(tmp_path: Path) -> None:
    """While the ledger holds it back, the caller waits."""

    async def main() -> None:
        async with running(tmp_path) as (service, held):
            held.hold()
            asked = asyncio.ensure_future(Client(service).decide(payment()))
            await asyncio.sleep(0.2)
            assert len(held.entries) == 1
            assert not asked.done()
            assert decisions(service) == []
            held.let_go()
            assert (await asked).status_code == 200

    run(main())


def test_a_stuck_disk_means_503_and_the_recorded_decision_for_the_retry(tmp_path: Path) -> None:
    """At the deadline nothing is durable, so nothing is answered; later it is."""

    async def main() -> None:
        async with running(tmp_path) as (service, held):
            client = Client(service)
            held.hold()
            late = await client.decide(payment(), tidegate_deadline_ms="50")
            assert late.status_code == 503
            assert late.json()["code"] == "unavailable"
            assert late.headers["retry-after"] == "1"
            waiting = asyncio.ensure_future(client.decide(payment()))
            await asyncio.sleep(0.05)
            held.let_go()
            retried = await waiting
            once_more = await client.decide(payment())
            assert retried.status_code == once_more.status_code == 200
            assert retried.content == once_more.content
            (leaf,) = decisions(service)
            assert leaf.id == retried.json()["decision_id"]
            assert leaf.facts["mode"] == "normal"
            assert tries(service) == 1

    run(main())


class Slow:
    """Blocks a decision until it is let go, by a clock that the engine asks for nothing else."""

    def __init__(self) -> None:
        self.go = Event()
        self.finished = Event()

    def score(
        self, _model: str, _values: Sequence[Value | None], _within_us: int | None
    ) -> Scored | Unavailable:
        """Wait, then give no score."""
        self.go.wait(30)
        self.finished.set()
        return Unavailable("slow")


def slow_engine(service: Service, slow: Slow) -> None:
    """Let every decision of this service wait."""
    engine = service.decider.engine
    decide = engine.decide_admitted

    def waiting(*arguments: object, **named: object) -> object:
        slow.score("", (), None)
        return decide(*arguments, **named)  # type: ignore[arg-type]

    engine.decide_admitted = waiting  # type: ignore[method-assign, assignment]


def test_a_slow_model_means_the_silent_answer_which_stays(tmp_path: Path) -> None:
    """It is recorded before the deadline; what the model says later is discarded."""
    slow = Slow()

    async def main() -> None:
        async with running(tmp_path, parts=lambda made: replace(made, scorer=slow)) as (
            service,
            held,
        ):
            slow_engine(service, slow)
            client = Client(service)
            answer = await client.decide(payment(), tidegate_deadline_ms="400")
            assert answer.status_code == 200
            body = answer.json()
            assert body["mode"] == "silent"
            assert body["cause"] == "deadline"
            assert body["outcome"]["word"] == "review"
            slow.go.set()
            await asyncio.get_running_loop().run_in_executor(None, slow.finished.wait, 30)
            await asyncio.sleep(0.1)
            assert len(held.entries) == 1
            assert (await client.decide(payment())).content == answer.content
            assert tries(service) == 1
            # And with the model quick again decisions are normal.
            assert (await client.decide(payment(2))).json()["mode"] == "normal"

    run(main())


def test_a_result_that_comes_while_the_silent_answer_is_recorded_is_discarded(
    tmp_path: Path,
) -> None:
    """The disk is slow, too: still one entry for the key, and it is the silent one."""
    slow = Slow()

    async def main() -> None:
        async with running(tmp_path, parts=lambda made: replace(made, scorer=slow)) as (
            service,
            held,
        ):
            slow_engine(service, slow)
            held.hold()
            client = Client(service)
            assert (await client.decide(payment(), tidegate_deadline_ms="300")).status_code == 503
            assert len(held.entries) == 1
            slow.go.set()
            await asyncio.get_running_loop().run_in_executor(None, slow.finished.wait, 30)
            await asyncio.sleep(0.2)
            assert len(held.entries) == 1
            held.let_go()
            answer = await client.decide(payment())
            assert answer.json()["mode"] == "silent"
            (leaf,) = decisions(service)
            assert leaf.facts["cause"] == "deadline"

    run(main())


def test_decisions_on_threads_are_the_same(tmp_path: Path) -> None:
    """Where scores are waited for, a quick decision is recorded as it is in line."""
    slow = Slow()
    slow.go.set()

    async def main() -> None:
        async with running(tmp_path, parts=lambda made: replace(made, scorer=slow)) as (
            service,
            _,
        ):
            client = Client(service, "other")
            answers = await asyncio.gather(*(client.decide(payment(n)) for n in range(5)))
            bodies = [answer.json() for answer in answers]
            assert sorted(b["features"]["tries_1h"] for b in bodies) == ["0", "1", "2", "3", "4"]
            bad = await client.decide({**payment(9), "amount": "x"})
            assert bad.status_code == 422

    run(main())


def test_load_is_shed_from_low_priority_first_and_every_request_is_recorded(
    tmp_path: Path,
) -> None:
    """Beyond its bound a caller gets the silent answer, and that is its decision."""
    deciding = {"low_waiting": 2, "normal_waiting": 4, "high_waiting": 6}
    clients = {"other": {"priority": "high"}}

    async def main() -> None:
        async with running(tmp_path, deciding=deciding, clients=clients) as (service, held):
            shop, other = Client(service), Client(service, "other")
            held.hold()
            asked: list[asyncio.Future[httpx.Response]] = []

            async def ask(client: Client, number: int, **said: str) -> None:
                asked.append(asyncio.ensure_future(client.decide(payment(number), **said)))
                await asyncio.sleep(0.03)

            for number in range(3):
                await ask(shop, number, tidegate_priority="low")
            # A request may lower its client's priority and never raise it.
            for number in range(3, 6):
                await ask(shop, number, tidegate_priority="high")
            await ask(other, 6)
            held.let_go()
            bodies = [(await each).json() for each in asked]
            modes = [body["mode"] for body in bodies]
            assert modes == ["normal", "normal", "silent", "normal", "silent", "silent", "silent"]
            assert {b["cause"] for b in bodies if b["mode"] == "silent"} == {"overload"}
            assert len(decisions(service)) == 7
            assert tries(service) == 7
            await ask(other, 7)
            assert (await asked[-1]).json()["mode"] == "normal"

    run(main())


def test_what_was_not_recorded_leaves_the_windows(tmp_path: Path) -> None:
    """The append fails: 503, the payment does not count, and deciding goes on after a look."""

    async def main() -> None:
        async with running(tmp_path) as (service, held):
            client = Client(service, "other")
            await client.decide(payment(1))
            before = dict(service.decider.windows.state.buckets)
            held.fail_before = LedgerUnavailableError("the disk is full")
            failed = await client.decide(payment(2))
            assert failed.status_code == 503
            assert service.decider.windows.state.buckets == before
            assert ("payment", "p-2") not in service.decider.windows.state.seen
            refused = await client.decide(payment(3))
            assert refused.status_code == 503  # in doubt: nothing is decided
            assert len(held.entries) == 2
            held.fail_before = None
            answer = await until_decided(client, payment(3))
            assert answer.json()["features"]["tries_1h"] == "1"
            assert len(decisions(service)) == 2

    run(main())


async def until_decided(client: Client, event: dict[str, object]) -> httpx.Response:
    """Ask again and again, as clients do."""
    for _ in range(600):
        answer = await client.decide(event)
        if answer.status_code == 200:
            return answer
        assert answer.status_code == 503
        await asyncio.sleep(0.02)
    pytest.fail("the service never decides again")


def test_what_was_recorded_after_all_counts_after_all(tmp_path: Path) -> None:
    """The commit is not acknowledged though it is there: the ledger's word is taken."""

    async def main() -> None:
        async with running(tmp_path) as (service, held):
            client = Client(service, "other")
            await client.decide(payment(1))
            held.fail_after = LedgerUnavailableError("the connection was lost")
            failed = await client.decide(payment(2))
            assert failed.status_code == 503
            held.fail_after = None
            third = await until_decided(client, payment(3))
            assert third.json()["features"]["tries_1h"] == "2"
            second = await client.decide(payment(2))
            assert second.headers["idempotent-replayed"] == "true"
            assert second.json()["features"]["tries_1h"] == "1"
            assert len(decisions(service)) == 3
            assert tries(service) == 3

    run(main())


@pytest.mark.parametrize("lost", [0, 1])
def test_an_event_stays_while_another_decision_of_it_is_recorded(tmp_path: Path, lost: int) -> None:
    """Two keys decide one payment; one is not recorded, before or after the other is."""

    async def main() -> None:
        async with running(tmp_path) as (service, held):
            client = Client(service, "other")
            held.hold()
            asked = []
            for key in ("a", "b"):
                asked.append(asyncio.ensure_future(client.decide(payment(1), key)))
                await asyncio.sleep(0.05)
            (_, whom, receiver) = held._held.pop(lost)
            error = LedgerUnavailableError("lost")
            if lost == 0:
                receiver.settle([(whom, error)])
                assert (await asked[lost]).status_code == 503
            held.let_go()
            assert (await asked[1 - lost]).status_code == 200
            if lost == 1:
                receiver.settle([(whom, error)])
                assert (await asked[lost]).status_code == 503
            assert tries(service) == 1

    run(main())


def chargeback(service: Service, key: str, at_us: int) -> tuple[Entry, Counted]:
    """A chargeback of payment `p-1`, as the intake records it."""
    values: dict[str, Value | None] = {"id": key, "at": at_us, "payment": "p-1"}
    counted = Counted("chargeback", key, at_us, at_us, values)
    head = {"form": 1, "event": EventForms(service.policy.program).full(counted)}
    entry = Entry(
        "event",
        f"e-{key}",
        format_time(at_us),
        payload=write_payload(head),
        transaction=f"chargeback:{key}",
    )
    return entry, counted


def test_events_that_are_not_decided_count_once_they_are_recorded(tmp_path: Path) -> None:
    """A chargeback labels its payment; one that is not recorded leaves no label."""
    keys = MemoryKeys()

    async def main() -> None:
        async with running(tmp_path, keys=keys) as (service, held):
            decider, find = service.decider, service.keeper._events.find
            answer = await Client(service).decide(payment())
            assert answer.status_code == 200
            before = dict(decider.windows.state.buckets)
            entry, counted = chargeback(service, "c-1", time.time_ns() // 1_000)
            assert decider.windows.reports(counted, {}) == (("payment", "p-1"),)
            held.fail_before = LedgerUnavailableError("lost")
            with pytest.raises(LedgerUnavailableError):
                await decider.count(entry, counted, find)
            assert decider.windows.reported == {}
            assert decider.windows.state.buckets == before
            held.fail_before = None
            assert await service.keeper.clear_up()
            recorded = await decider.count(entry, counted, find)
            assert recorded.seq == service.reader.size() - 1
            assert decider.windows.reported == {("payment", "p-1"): {"fraud": counted.at_us}}
            assert decider.windows.state.buckets != before
            expected = dict(decider.windows.state.buckets)
        (tmp_path / "data" / "windows.snapshot").unlink()
        async with running(tmp_path, keys=keys) as (service, _):
            assert service.decider.windows.state.buckets == expected

    run(main())


def test_an_engine_that_fails_means_the_silent_answer(tmp_path: Path) -> None:
    """A defect never approves anything."""

    def broken(*_arguments: object, **_named: object) -> object:
        raise ZeroDivisionError

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            service.decider.engine.decide_admitted = broken  # type: ignore[method-assign, assignment]
            body = (await Client(service).decide(payment())).json()
            assert (body["mode"], body["cause"]) == ("silent", "engine_failed")
            assert body["outcome"]["word"] == "review"

    run(main())


def test_a_crash_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    """Without a snapshot the windows come from the ledger; with one, from both."""
    keys = MemoryKeys()

    async def main() -> None:
        async with running(tmp_path, keys=keys) as (service, held):
            client = Client(service, "other")
            for number in range(3):
                await client.decide(payment(number))
            assert await service.keeper.save()
            snapshot = (tmp_path / "data" / "windows.snapshot").read_bytes()
            for number in range(3, 6):
                await client.decide(payment(number))
            held.fail_before = LedgerUnavailableError("lost")
            await client.decide(payment(6))
            expected = dict(service.decider.windows.state.buckets)
            latest_us = service.decider.windows.latest_us
        for content in (snapshot, None, snapshot[:-1], b"nonsense"):
            path = tmp_path / "data" / "windows.snapshot"
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
            async with running(tmp_path, keys=keys) as (service, _):
                windows = service.decider.windows
                assert windows.state.buckets == expected
                assert len(windows.state.seen) == 6
                assert windows.latest_us <= latest_us

    run(main())


def test_a_snapshot_waits_for_what_is_under_way(tmp_path: Path) -> None:
    """It holds nothing that is not durable; where that fails, none is written."""

    async def main() -> None:
        async with running(tmp_path) as (service, held):
            client = Client(service)
            held.hold()
            asked = asyncio.ensure_future(client.decide(payment()))
            await asyncio.sleep(0.05)
            saving = asyncio.ensure_future(service.keeper.save())
            await asyncio.sleep(0.1)
            assert not saving.done()
            (_, whom, receiver) = held._held.pop(0)
            receiver.settle([(whom, LedgerUnavailableError("lost"))])
            assert (await asked).status_code == 503
            assert await saving is False
            with pytest.raises(SnapshotError, match="none yet"):
                read_snapshot(
                    tmp_path / "data" / "windows.snapshot",
                    service.policy.program,
                    MemoryKeys().source,
                )

    run(main())


def test_another_policy_that_counts_the_same_takes_the_snapshot(tmp_path: Path) -> None:
    """A new rule changes nothing of the windows; a new feature does."""
    keys = MemoryKeys()
    more_rules = (
        POLICY + "\nrule more version 1\n  when amount > 9000 EUR\n  then decline because large\n"
    )
    longer = POLICY.replace("by card over 1h", "by card over 2h")

    async def main() -> None:
        async with running(tmp_path, keys=keys) as (service, _):
            await Client(service).decide(payment())
        path = tmp_path / "data" / "windows.snapshot"
        async with running(tmp_path, keys=keys, policy=more_rules) as (service, _):
            read_snapshot(path, service.policy.program, keys.source)
            assert tries(service) == 1
        async with running(tmp_path, keys=keys, policy=longer) as (service, _):
            with pytest.raises(SnapshotError, match="counts something else"):
                read_snapshot(path, service.policy.program, keys.source)
            assert tries(service) == 1

    run(main())


def test_records_are_under_the_key_of_whom_they_concern(tmp_path: Path) -> None:
    """Erasing a card's holder makes its decisions unreadable, and a retry says so."""
    keys = MemoryKeys()

    async def main() -> None:
        async with running(tmp_path, keys=keys, deciding={"remembered": 0}) as (service, held):
            client = Client(service, "other")
            first = await client.decide(payment(1, customer="tok_ada"))
            await client.decide(payment(2, customer="tok_ben"))
            await client.decide(payment(3))
            subjects = [entry.subject for entry in held.entries]
            assert len(set(subjects)) == 3
            assert all(subject is not None and "tok_" not in subject for subject in subjects)
            (read,) = service.reader.about(first.json()["decision_id"])
            assert read.payload is not None
            assert read_payload(read.payload).answer.encode() == first.content
            assert subjects[0] is not None
            service.ledger.erase(
                subjects[0], entry_id="e1", at="2026-11-26T00:00:00Z", reason="asked for"
            )
            gone = await client.decide(payment(1, customer="tok_ada"))
            assert gone.status_code == 409
            kept = await client.decide(payment(2, customer="tok_ben"))
            assert kept.status_code == 200

    run(main())


def test_tokens_are_hashed_before_anything_is_kept(tmp_path: Path) -> None:
    """No file of the service holds a token as it was sent."""

    async def main() -> None:
        async with running(tmp_path) as (service, _):
            await Client(service).decide(payment(1, card="tok_secret_0815", customer="tok_c_4711"))
            await service.keeper.save()
        kept = b"".join(p.read_bytes() for p in (tmp_path / "data").rglob("*") if p.is_file())
        assert b"tok_secret_0815" not in kept
        assert b"tok_c_4711" not in kept

    run(main())


def test_many_keys_with_concurrent_retries_have_one_record_each(tmp_path: Path) -> None:
    """The short form of `make idempotency`."""
    from tests.service.idempotency import Retries

    async def main() -> None:
        async with running(tmp_path, deciding={"remembered": 50}) as (service, _):
            found = await Retries(service, keys=300, seed=1).run()
            assert found.faults == []
            assert found.decided == 300
            assert len(decisions(service)) == 300

    run(main())
