"""Cases: the queue, claims, verdicts that become labels, and contests."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.service.builders import run
from tests.service.office import POLICY, Clock, decided, get, kinds, office, post, word
from tidegate.service.assembly import Service
from tidegate.service.case_log import KINDS, cases_of
from tidegate.store.cases import CaseReader
from tidegate.vault.memory import MemoryKeys


async def queue(service: Service, who: str = "rita", **params: str) -> list[dict[str, Any]]:
    """The cases that somebody sees."""
    found: list[dict[str, Any]] = (await get(service, who, "/v1/cases", **params))["cases"]
    return found


def rows_are_what_entries_add_up_to(service: Service, url: str) -> int:
    """How many cases there are, where table and ledger say the same of them."""
    derived = cases_of(service.reader.entries(kinds=KINDS))
    with CaseReader(url) as reader:
        stored = {case.id: case for case in reader.everything()}
    assert derived == stored
    return len(stored)


def test_a_review_waits_until_a_verdict_which_is_a_label(
    tmp_path: Path, url: str, keys: MemoryKeys
) -> None:
    """Nobody would look at a held payment, or what they found would teach nobody anything."""
    clock = Clock()

    async def main() -> None:
        async with office(tmp_path, ledger=url, keys=keys, parts={"clock_us": clock}) as (
            service,
            _,
        ):
            after = await decided(service, 1, origin="FR")  # not on the list
            assert after["outcome"]["review"] == "none"
            held = await decided(service, 2, amount="400.00 EUR", card="tok_a")
            late = await decided(service, 3)  # whose origin is unknown: reviewed afterwards
            assert held["outcome"]["review"] == "before"
            assert late["outcome"]["review"] == "after"
            first, second = await queue(service)
            assert (first["case_id"], second["case_id"]) == (
                held["decision_id"],
                late["decision_id"],
            )
            assert (first["priority"], second["priority"]) == (1, 2)
            path = f"/v1/cases/{held['decision_id']}"
            verdict = {"verdict": "fraud", "reason": "the card was stolen"}
            assert (await post(service, "rita", f"{path}/verdict", verdict)).status_code == 409
            claimed = await post(service, "rita", f"{path}/claim")
            assert claimed.json()["claimed_by"] == "person:rita"
            assert (await post(service, "omar", f"{path}/claim")).status_code == 409
            assert (await post(service, "omar", f"{path}/verdict", verdict)).status_code == 409
            assert [one["case_id"] for one in await queue(service, queue="mine")] == [
                held["decision_id"]
            ]
            closed = await post(service, "rita", f"{path}/verdict", verdict)
            assert closed.json()["verdict"] == "fraud"
            again = await post(service, "rita", f"{path}/verdict", {**verdict, "verdict": "good"})
            assert again.status_code == 409
            (label,) = service.reader.of_kinds(("label",))
            assert label.leaf.about == held["decision_id"]
            assert label.leaf.facts["value"] is True
            clock.pass_minutes(2)
            assert await word(service, 4, card="tok_a", origin="FR") == "decline"
            steps = (await get(service, "rita", path))["steps"]
            assert [(one["step"], one["by"]) for one in steps] == [
                ("claim", "person:rita"),
                ("verdict", "person:rita"),
            ]
            assert steps[1]["reason"] == "the card was stolen"
            assert kinds(service)[-1] == "read"
            assert rows_are_what_entries_add_up_to(service, url) == 2
        async with office(tmp_path, ledger=url, keys=keys, parts={"clock_us": clock}) as (
            service,
            _,
        ):
            assert await word(service, 5, card="tok_a", origin="FR") == "decline"

    run(main())


def test_a_good_verdict_is_recorded_and_an_unsure_one_says_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with office(tmp_path) as (service, _):
            for number, verdict in ((1, "good"), (2, "unsure")):
                found = await decided(service, number, amount="400.00 EUR")
                path = f"/v1/cases/{found['decision_id']}"
                await post(service, "rita", f"{path}/claim")
                body = {"verdict": verdict, "reason": "asked"}
                assert (await post(service, "rita", f"{path}/verdict", body)).status_code == 200
            (label,) = service.reader.of_kinds(("label",))
            assert label.leaf.facts["value"] is False
            assert not service.decider.windows.reported
            assert [c["verdict"] for c in await queue(service, queue="closed")] == [
                "good",
                "unsure",
            ]
            assert rows_are_what_entries_add_up_to(service, f"sqlite:///{tmp_path}/data/ledger.db")

    run(main())


def test_a_claim_expires_and_can_be_given_back(tmp_path: Path) -> None:
    """A case would stay with somebody who went home."""
    clock = Clock()

    async def main() -> None:
        async with office(tmp_path, parts={"clock_us": clock}) as (service, _):
            found = await decided(service, 1, amount="400.00 EUR")
            path = f"/v1/cases/{found['decision_id']}"
            await post(service, "rita", f"{path}/claim")
            assert await queue(service) == []
            clock.pass_minutes(31)
            (free,) = await queue(service)
            assert (free["state"], "claimed_by" in free) == ("open", False)
            body = {"verdict": "good", "reason": "late"}
            assert (await post(service, "rita", f"{path}/verdict", body)).status_code == 409
            assert (await post(service, "omar", f"{path}/claim")).status_code == 200
            assert (await post(service, "rita", f"{path}/claim")).status_code == 409
            reason = {"reason": "not mine"}
            assert (await post(service, "rita", f"{path}/release", reason)).status_code == 409
            assert (await post(service, "omar", f"{path}/release", reason)).status_code == 200
            assert len(await queue(service)) == 1
            assert rows_are_what_entries_add_up_to(service, f"sqlite:///{tmp_path}/data/ledger.db")

    run(main())


def test_of_two_at_once_one_claims(tmp_path: Path) -> None:
    """Two people would work on one case."""

    async def main() -> None:
        async with office(tmp_path) as (service, _):
            found = await decided(service, 1, amount="400.00 EUR")
            path = f"/v1/cases/{found['decision_id']}/claim"
            answers = await asyncio.gather(
                *(post(service, who, path) for who in ("rita", "omar") * 5)
            )
            winners = {a.json()["claimed_by"] for a in answers if a.status_code == 200}
            assert len(winners) == 1
            assert sorted(a.status_code for a in answers) == [200] * 5 + [409] * 5

    run(main())


def test_a_contest_opens_a_case_before_all_others(tmp_path: Path) -> None:
    """A person's right to have a person look at it would have no way in."""

    async def main() -> None:
        async with office(tmp_path) as (service, _):
            await decided(service, 1, amount="400.00 EUR")
            found = await decided(service, 2, origin="FR")
            path = f"/v1/decisions/{found['decision_id']}/contest"
            body = {"statement": "I bought this myself."}
            opened = await post(service, "shop", path, body)
            assert opened.status_code == 201
            again = await post(service, "shop", path, body)
            assert (again.status_code, again.json()["case_id"]) == (200, opened.json()["case_id"])
            first, *_ = await queue(service)
            assert (first["case_id"], first["cause"]) == (opened.json()["case_id"], "contest")
            shown = await get(service, "rita", f"/v1/cases/{first['case_id']}")
            assert shown["steps"][0]["statement"] == body["statement"]
            assert (await post(service, "gateway", path, body)).status_code == 403
            assert (await post(service, "lena", path, body)).status_code == 403
            missing = f"/v1/decisions/{first['case_id']}/contest"
            assert (await post(service, "shop", missing, body)).status_code == 404
            assert (await post(service, "shop", path, {"statement": " "})).status_code == 422
            table = f"sqlite:///{tmp_path}/data/ledger.db"
            assert rows_are_what_entries_add_up_to(service, table) == 2

    run(main())


def test_the_scope_of_a_grant_holds_for_a_contest(tmp_path: Path) -> None:
    """`till` may read payments up to 100 EUR and so contest no larger one."""

    async def main() -> None:
        async with office(tmp_path) as (service, _):
            small = await decided(service, 1, amount="90.00 EUR")
            large = await decided(service, 2, amount="400.00 EUR")
            for found, status in ((small, 201), (large, 403)):
                path = f"/v1/decisions/{found['decision_id']}/contest"
                answer = await post(service, "till", path, {"statement": "why?"})
                assert answer.status_code == status

    run(main())


def test_pages_follow_each_other(tmp_path: Path, url: str, keys: MemoryKeys) -> None:
    async def main() -> None:
        async with office(tmp_path, ledger=url, keys=keys) as (service, _):
            for number in range(7):
                await decided(service, number, amount="400.00 EUR" if number % 2 else "1.00 EUR")
            seen: list[str] = []
            after = ""
            while True:
                page = await get(service, "rita", "/v1/cases", most="2", after=after)
                seen += [case["case_id"] for case in page["cases"]]
                after = page["next"]
                if after is None:
                    break
            whole = [case["case_id"] for case in await queue(service)]
            assert seen == whole
            assert len(set(seen)) == 7

    run(main())


def test_only_those_with_the_grant_see_cases(tmp_path: Path) -> None:
    policy = POLICY.replace(
        "  may review_cases, read_decisions\n",
        "  may review_cases, read_decisions\n  on payment when amount <= 1 EUR\n",
    )
    assert policy != POLICY

    async def main() -> None:
        async with office(tmp_path, policy=policy) as (service, _):
            found = await decided(service, 1, amount="400.00 EUR")
            # A scope with a condition is unknown for a case, and unknown is no.
            assert await queue(service) == []
            answer = await post(service, "rita", f"/v1/cases/{found['decision_id']}/claim")
            assert answer.json()["code"] == "out_of_grant"
            for who in ("shop", "lena"):
                path = f"/v1/cases/{found['decision_id']}/claim"
                assert (await post(service, who, path)).status_code == 403

    run(main())
