"""Managed lists and snoozes: recorded with who and why, kept, ended, read by decisions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.service.builders import run
from tests.service.office import POLICY, Clock, decided, get, kinds, office, post, word
from tidegate.dsl.lists import ListContent
from tidegate.engine.record import parse_record
from tidegate.service.assembly import Service
from tidegate.service.managed_lists import Change, Listed, ManagedLists
from tidegate.service.recorded import read_payload
from tidegate.service.snoozes import Snooze, SnoozedRules
from tidegate.vault.memory import MemoryKeys


def until(**ahead: float) -> str:
    """A time to come."""
    return (datetime.now(UTC) + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")


def change(add: list[str] | None = None, **rest: Any) -> dict[str, Any]:
    """A change of a list."""
    return {"add": add or [], "reason": "checked", **rest}


def last_record(service: Service) -> Any:
    """The record of the last decision."""
    *_, read = service.reader.entries(kinds=["decision"])
    assert read.payload is not None
    return parse_record(read_payload(read.payload).record)


async def burst(service: Service, start: int, **changes: Any) -> str:
    """The word on the fourth payment of a card within the hour."""
    for number in range(start, start + 3):
        await decided(service, number, card="tok_regular", origin="FR", **changes)
    return await word(service, start + 3, card="tok_regular", origin="FR", **changes)


def test_a_list_acts_once_it_is_recorded_and_after_a_restart(
    tmp_path: Path, url: str, keys: MemoryKeys
) -> None:
    """What a person put on a list would be forgotten, or act though nobody can say who did it."""

    async def main() -> None:
        path = "/v1/lists/trusted/changes"
        async with office(tmp_path, ledger=url, keys=keys) as (service, _):
            assert await burst(service, 1) == "decline"
            empty = last_record(service).lists["trusted"]
            assert empty.members == ()
            added = await post(service, "lena", path, change(["tok_regular", "tok_other"]))
            assert added.json()["entries"] == 2
            assert await word(service, 9, card="tok_regular", origin="FR") == "approve"
            facts = last_record(service).lists["trusted"]
            assert facts.hash == added.json()["hash"] != empty.hash
            assert len(facts.members) == 1
            shown = await get(service, "lena", "/v1/lists/trusted")
            assert "tok_regular" not in json.dumps(shown)  # kept as the door keeps tokens
            (read,) = service.reader.of_kinds(("list",))
            assert read.payload is not None
            assert b"tok_regular" not in read.payload
            assert read_payload(read.payload).head["by"] == "person:lena"
        async with office(tmp_path, ledger=url, keys=keys) as (service, _):
            assert await word(service, 10, card="tok_regular", origin="FR") == "approve"
            assert last_record(service).lists["trusted"].hash == facts.hash
            gone = await post(service, "lena", path, change(remove=["tok_regular"]))
            assert gone.json()["entries"] == 1
            assert await word(service, 11, card="tok_regular", origin="FR") == "decline"
        async with office(tmp_path, ledger=url, keys=keys) as (service, _):
            assert await word(service, 12, card="tok_regular", origin="FR") == "decline"

    run(main())


def test_an_entry_of_a_list_ends_by_itself(tmp_path: Path) -> None:
    """Trust for a weekend would be trust for ever."""
    clock = Clock()

    async def main() -> None:
        async with office(tmp_path, parts={"clock_us": clock}) as (service, _):
            body = change(["FR"], until=until(minutes=30))
            await post(service, "lena", "/v1/lists/countries/changes", body)
            assert (await decided(service, 1, origin="FR"))["outcome"]["review"] == "after"
            clock.pass_minutes(31)
            assert (await decided(service, 2, origin="FR"))["outcome"]["review"] == "none"
            assert (await get(service, "lena", "/v1/lists/countries"))["entries"] == []
            past = change(["FR"], until=until(minutes=-5))
            answer = await post(service, "lena", "/v1/lists/countries/changes", past)
            assert answer.json()["errors"][0]["code"] == "out_of_range"

    run(main())


def test_what_a_list_cannot_hold_is_refused_by_place(tmp_path: Path) -> None:
    async def main() -> None:
        async with office(tmp_path) as (service, _):
            path = "/v1/lists/countries/changes"
            bad = await post(service, "lena", path, change(["FR", "XX", "Narnia"]))
            assert [one["path"] for one in bad.json()["errors"]] == ["add[1]", "add[2]"]
            assert "Narnia" not in bad.text
            card = await post(
                service, "lena", "/v1/lists/trusted/changes", change(["4111111111111111"])
            )
            assert card.json()["code"] == "sensitive_data_refused"
            for body in (
                change(),
                {"add": ["FR"]},
                change(["FR"], x=1),
                {"add": "FR", "reason": "x"},
            ):
                assert (await post(service, "lena", path, body)).status_code == 422
            unknown = await post(service, "lena", "/v1/lists/no/changes", change(["a"]))
            assert unknown.status_code == 404
            for who in ("rita", "shop"):
                assert (await post(service, who, path, change(["FR"]))).status_code == 403
            assert "list" not in kinds(service)

    run(main())


def test_lists_outlive_the_retention_of_their_entries(tmp_path: Path) -> None:
    """Retention destroys the keys of old months, and a list would be empty at the next start."""
    clock, keys = Clock(), MemoryKeys()

    async def main() -> None:
        async with office(tmp_path, keys=keys, parts={"clock_us": clock}) as (service, _):
            await post(service, "lena", "/v1/lists/countries/changes", change(["FR", "DE"]))
            clock.pass_minutes(60 * 24 * 40)
            month = datetime.fromtimestamp(clock() / 1e6, UTC).strftime("%Y-%m")
            assert await service.office.lists.restate(month) == 1
            assert await service.office.lists.restate(month) == 0
            clock.pass_minutes(60 * 24 * 40)
            now = datetime.fromtimestamp(clock() / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            service.ledger.expire(month, entry_id="expired-1", at=now, reason="retention")
        async with office(tmp_path, keys=keys, parts={"clock_us": clock}) as (service, _):
            entries = (await get(service, "lena", "/v1/lists/countries"))["entries"]
            assert [one["value"] for one in entries] == ["DE", "FR"]

    run(main())


def test_a_snapshot_is_never_changed() -> None:
    """A decision under way would see half of a change."""
    from tidegate.dsl.program import ListDeclaration
    from tidegate.dsl.source import Span
    from tidegate.dsl.types import Kind, Type

    span = Span("p.tide", 0, 0)
    declared = [
        ListDeclaration("a", Type(Kind.TEXT), span),
        ListDeclaration("b", Type(Kind.TEXT), span, "lists/b.csv"),
    ]
    fixed = {"b": ListContent(frozenset({"x"}))}
    lists = ManagedLists(declared, fixed)
    before = lists.at(0)
    assert before["a"] == ListContent()
    assert before["b"] is fixed["b"]
    lists.put(Change("a", (Listed("one", 0, 10), Listed("two", 0, 20), Listed("three", 0))))
    full = lists.at(1)
    assert before["a"] == ListContent()
    assert lists.at(9) is full
    assert lists.at(10)["a"] == ListContent(frozenset({"two", "three"}))
    assert lists.at(20)["a"] == ListContent(frozenset({"three"}))
    assert full["a"] == ListContent(frozenset({"one", "two", "three"}))
    lists.put(Change("gone", (Listed("x", 0),)))  # of a policy that was


def snooze(**changes: Any) -> dict[str, Any]:
    """A snooze of `large` for one customer."""
    return {
        "event": "payment",
        "rule": "large",
        "field": "customer",
        "value": "cus_1",
        "until": until(hours=2),
        "reason": "furnishes an office",
        **changes,
    }


def test_a_snooze_silences_one_rule_for_one_key_until_its_time(
    tmp_path: Path, url: str, keys: MemoryKeys
) -> None:
    """It would silence the rule for everybody, or for ever, or leave no trace."""
    clock = Clock()

    async def main() -> None:
        changes: dict[str, Any] = {"amount": "400.00 EUR", "origin": "FR"}
        parts = {"clock_us": clock}
        async with office(tmp_path, ledger=url, keys=keys, parts=parts) as (service, _):
            assert await word(service, 1, customer="cus_1", **changes) == "review"
            answer = await post(service, "lena", "/v1/snoozes", snooze())
            assert answer.status_code == 200, answer.text
            made = answer.json()
            assert await word(service, 2, customer="cus_1", **changes) == "approve"
            record = last_record(service)
            assert record.rules.snoozed == {"large@1": made["snooze_id"]}
            assert record.rules.fired == ("large@1",)
            assert record.shadow_word == "review"
            assert service.decider.engine.replay(record).identical
            assert await word(service, 3, customer="cus_2", **changes) == "review"
            assert await word(service, 4, **changes) == "review"
            shown = (await get(service, "lena", "/v1/snoozes"))["snoozes"]
            assert [one["reason"] for one in shown] == ["furnishes an office"]
            assert "cus_1" not in json.dumps(shown)
        async with office(tmp_path, ledger=url, keys=keys, parts=parts) as (service, _):
            assert await word(service, 5, customer="cus_1", **changes) == "approve"
            clock.pass_minutes(121)
            assert await word(service, 6, customer="cus_1", **changes) == "review"
            assert (await get(service, "lena", "/v1/snoozes"))["snoozes"] == []

    run(main())


def test_a_snooze_stands_in_the_explanation(tmp_path: Path) -> None:
    async def main() -> None:
        async with office(tmp_path) as (service, _):
            made = (await post(service, "lena", "/v1/snoozes", snooze())).json()
            found = await decided(service, 1, amount="400.00 EUR", customer="cus_1", origin="FR")
            path = f"/v1/decisions/{found['decision_id']}/explanation"
            told = await get(service, "rita", path, audience="analyst")
            assert made["snooze_id"] in json.dumps(told)

    run(main())


def test_a_snooze_can_be_ended(tmp_path: Path) -> None:
    async def main() -> None:
        changes: dict[str, Any] = {"amount": "400.00 EUR", "origin": "FR", "customer": "cus_1"}
        async with office(tmp_path) as (service, _):
            made = (await post(service, "lena", "/v1/snoozes", snooze())).json()
            path = f"/v1/snoozes/{made['snooze_id']}"
            reason = {"reason": "done"}
            assert (await post(service, "rita", path, reason, "DELETE")).status_code == 403
            assert (await post(service, "lena", path, reason, "DELETE")).status_code == 200
            assert (await post(service, "lena", path, reason, "DELETE")).status_code == 404
            assert await word(service, 1, **changes) == "review"
        async with office(tmp_path) as (service, _):
            assert (await get(service, "lena", "/v1/snoozes"))["snoozes"] == []
            assert await word(service, 2, **changes) == "review"

    run(main())


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"rule": "odd"}, 409),  # mandatory
        ({"rule": "none"}, 404),
        ({"event": "refund"}, 404),
        ({"field": "amount", "value": "1.00 EUR"}, 422),
        ({"field": "none"}, 422),
        ({"value": 5}, 422),
        ({"value": None}, 422),
        ({"value": "4111111111111111"}, 422),
        ({"until": until(days=31)}, 422),
        ({"until": until(days=-1)}, 422),
        ({"until": "tomorrow"}, 422),
        ({"until": None}, 422),
        ({"reason": ""}, 422),
        ({"reason": "x" * 501}, 422),
        ({"extra": 1}, 422),
    ],
)
def test_what_cannot_be_snoozed(tmp_path: Path, changes: dict[str, Any], status: int) -> None:
    """A mandatory rule could be switched off, or a rule for longer than anybody looks."""

    async def main() -> None:
        async with office(tmp_path) as (service, _):
            answer = await post(service, "lena", "/v1/snoozes", snooze(**changes))
            assert answer.status_code == status, answer.text
            assert "snooze" not in kinds(service)
            assert not service.office.snoozes.current.all

    run(main())


def test_only_people_with_the_grant_snooze(tmp_path: Path) -> None:
    policy = POLICY.replace("  may manage_lists, snooze\n", "  may manage_lists\n")

    async def main() -> None:
        async with office(tmp_path, policy=policy) as (service, _):
            for who in ("lena", "rita", "shop"):
                assert (await post(service, who, "/v1/snoozes", snooze())).status_code == 403

    run(main())


def test_the_earliest_of_several_snoozes_is_named_and_others_do_not_reach() -> None:
    def one(name: str, value: str, start: int, end: int) -> Snooze:
        return Snooze(name, "payment", "large", "card", value, start, end, "person:x", "why")

    rules = SnoozedRules([one("a", "c1", 10, 20), one("b", "c1", 10, 30), one("c", "c2", 0, 99)])
    assert rules.of("payment", {"card": "c1"}, 10) == {"large": "a"}
    assert rules.of("payment", {"card": "c1"}, 9) == {}
    assert rules.of("payment", {"card": "c1"}, 20) == {"large": "b"}
    assert rules.of("payment", {"card": "c1"}, 30) == {}
    assert rules.of("payment", {"card": None}, 10) == {}
    assert rules.of("refund", {"card": "c1"}, 10) == {}
