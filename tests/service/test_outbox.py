"""Decisions on their way to consumers: each once by its id, whatever the consumer does."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.service.builders import run
from tests.service.consumers import Behaves, Seen, consumer, well
from tests.service.office import Clock, decided, office
from tidegate.service.alerts import Alert
from tidegate.service.assembly import Service
from tidegate.service.back_office import consumers_of
from tidegate.service.settings import Settings, SettingsError
from tidegate.service.webhooks import (
    SharedSecret,
    WebhookError,
    headers_of,
    parse_secret,
    read_secret,
    verify,
    wrong_target,
)
from tidegate.store.errors import LedgerUnavailableError
from tidegate.store.outbox import OutboxReader
from tidegate.vault.memory import MemoryKeys

SECRET = bytes(range(32))
QUICK = {"retry_seconds": 0.02, "longest_retry_seconds": 0.1, "timeout_seconds": 0.2}


def secret_file(folder: Path, secret: bytes = SECRET, mode: int = 0o600) -> str:
    """A file with a secret."""
    path = folder / f"secret-{mode:o}"
    path.write_text(f"whsec_{base64.b64encode(secret).decode()}\n")
    path.chmod(mode)
    return str(path)


def webhooks(folder: Path, url: str, client: str = "shop", **more: Any) -> dict[str, Any]:
    """Settings with one consumer."""
    hook = {"url": url, "client": client, "secrets": (secret_file(folder),)}
    return {**QUICK, **more, "webhooks": {"books": hook}}


async def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something holds."""
    for _ in range(int(seconds / 0.02)):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it does not come about")


async def exactly_once(service: Service, seen: Seen, url: str, count: int) -> None:
    """Every decision came, each once by its id, and nothing waits."""
    await until(lambda: len(seen.taken) == count)
    with OutboxReader(url) as reader:
        await until(lambda: reader.counts("books") == (0, 0))
    ids = {read.leaf.id for read in service.reader.entries(kinds=["decision"])}
    assert seen.taken.keys() == ids


def every_third(does: str) -> Behaves:
    """Two messages in three are met with this."""
    return lambda count: "200" if count % 3 == 2 else does


@pytest.mark.parametrize(
    "behaves",
    [
        well,
        every_third("500"),
        every_third("404"),
        every_third("drop"),
        every_third("hang"),
        every_third("to http://127.0.0.1:1/elsewhere"),
        lambda _count: "twice",
    ],
    ids=["well", "500", "404", "drop", "hang", "redirect", "twice"],
)
def test_a_consumer_gets_each_decision_once_by_its_id(
    tmp_path: Path, url: str, keys: MemoryKeys, behaves: Behaves
) -> None:
    """A decision would be lost to whoever acts on it, or be acted on twice."""

    async def main() -> None:
        async with consumer(SECRET, behaves) as seen:
            outbox = webhooks(tmp_path, seen.url)
            async with office(tmp_path, ledger=url, keys=keys, outbox=outbox) as (service, _):
                for number in range(5):
                    await decided(service, number)
                found = await decided(service, 5)
                await exactly_once(service, seen, url, 6)
                sent = json.loads(seen.taken[found["decision_id"]])
                assert sent == {"type": "decision", "timestamp": found["at"], "data": found}

    run(main())


def test_a_redirect_is_never_followed(tmp_path: Path) -> None:
    """Whoever answers for a consumer could send decisions to any service inside."""

    async def main() -> None:
        async with (
            consumer(SECRET) as inside,
            consumer(SECRET, lambda _count: f"to {inside.url}") as seen,
            office(tmp_path, outbox=webhooks(tmp_path, seen.url)) as (service, _),
        ):
            await decided(service, 1)
            await until(lambda: seen.requests >= 2)
            assert inside.requests == 0

    run(main())


def test_an_answer_that_was_lost_brings_the_message_again(tmp_path: Path) -> None:
    """Taken, but never said so: at least once means twice here, and the id tells."""

    async def main() -> None:
        async with consumer(SECRET) as seen:
            url = f"sqlite:///{tmp_path}/data/ledger.db"
            async with office(tmp_path, outbox=webhooks(tmp_path, seen.url)) as (service, _):
                keeper = service.office.outbox._keeper
                first = True

                class Forgets:
                    def finish_deliveries(self, done: Any, failed: Any) -> None:
                        nonlocal first
                        if first and done:
                            first = False
                            raise LedgerUnavailableError("gone")
                        keeper.finish_deliveries(done, failed)

                    def give_up_deliveries(self, consumer: str, before_us: int) -> int:
                        return keeper.give_up_deliveries(consumer, before_us)

                service.office.outbox._keeper = Forgets()
                await decided(service, 1)
                await exactly_once(service, seen, url, 1)
                assert seen.repeated == 1

    run(main())


def test_a_dead_consumer_costs_no_decision_and_gets_all_when_it_is_back(
    tmp_path: Path, url: str, keys: MemoryKeys
) -> None:
    """Fault isolation, over a restart."""

    async def main() -> None:
        async with consumer(SECRET, lambda _count: "hang") as seen:
            outbox = webhooks(tmp_path, seen.url)
            async with office(tmp_path, ledger=url, keys=keys, outbox=outbox) as (service, _):
                for number in range(30):
                    await decided(service, number)
                await until(lambda: service.office.outbox.health["books"].failures > 2)
                assert seen.requests <= 20  # one at a time once it fails
                assert not seen.taken
            seen.behaves = well
            async with office(tmp_path, ledger=url, keys=keys, outbox=outbox) as (service, _):
                await exactly_once(service, seen, url, 30)

    run(main())


def test_what_is_not_taken_for_days_is_given_up_kept_and_told(
    tmp_path: Path, url: str, keys: MemoryKeys
) -> None:
    clock, told = Clock(), list[Alert]()

    async def main() -> None:
        async with consumer(SECRET, lambda _count: "500") as seen:
            seen.now = lambda: clock() / 1e6
            outbox = webhooks(tmp_path, seen.url, give_up_days=7)
            parts = {"clock_us": clock, "alert": told.append}
            async with office(tmp_path, ledger=url, keys=keys, outbox=outbox, parts=parts) as (
                service,
                _,
            ):
                await decided(service, 1)
                await until(lambda: seen.requests >= 2)
                with OutboxReader(url) as reader:
                    assert reader.counts("books") == (1, 0)
                    clock.pass_minutes(60 * 24 * 8)
                    await until(lambda: reader.counts("books") == (0, 1))
                    assert told == [Alert("webhook_given_up", "books")]
                    before = seen.requests
                    await asyncio.sleep(0.3)
                    assert seen.requests == before
                    seen.behaves = well
                    revived = await asyncio.to_thread(
                        service.ledger.revive_deliveries, "books", clock()
                    )
                    assert revived == 1
                    service.office.outbox.wake()
                    await until(lambda: reader.counts("books") == (0, 0))
                assert len(seen.taken) == 1

    run(main())


def test_a_consumer_is_told_what_its_grants_show_and_no_more(tmp_path: Path) -> None:
    """`till` reads payments up to 100 EUR, and of these the outcome alone."""

    async def main() -> None:
        async with consumer(SECRET) as seen:
            outbox = webhooks(tmp_path, seen.url, "till")
            async with office(tmp_path, outbox=outbox) as (service, _):
                await decided(service, 1, amount="400.00 EUR")
                small = await decided(service, 2, amount="90.00 EUR")
                await until(lambda: bool(seen.taken))
                await asyncio.sleep(0.2)
                assert seen.taken.keys() == {small["decision_id"]}
                (body,) = seen.taken.values()
                data = json.loads(body)["data"]
                assert "outcome" in data
                assert "reasons" not in data

    run(main())


def test_what_was_erased_meanwhile_is_not_sent(tmp_path: Path) -> None:
    async def main() -> None:
        async with consumer(SECRET, lambda _count: "500") as seen:
            url = f"sqlite:///{tmp_path}/data/ledger.db"
            async with office(tmp_path, outbox=webhooks(tmp_path, seen.url)) as (service, held):
                found = await decided(service, 1, customer="cus_1")
                subject = held.entries[-1].subject
                assert subject is not None
                await asyncio.to_thread(
                    lambda: service.ledger.erase(
                        subject, entry_id="erased-1", at=found["at"], reason="asked"
                    )
                )
                await asyncio.sleep(0.5)  # an attempt that was under way comes to its end
                seen.behaves = well
                with OutboxReader(url) as reader:
                    await until(lambda: reader.counts("books") == (0, 0))
                assert not seen.taken

    run(main())


def test_an_unrecorded_decision_is_never_delivered(tmp_path: Path) -> None:
    """The outbox is written with the decision or not at all."""

    async def main() -> None:
        async with consumer(SECRET) as seen:
            url = f"sqlite:///{tmp_path}/data/ledger.db"
            async with office(tmp_path, outbox=webhooks(tmp_path, seen.url)) as (service, held):
                held.fail_before = LedgerUnavailableError("gone")
                with pytest.raises(AssertionError):
                    await decided(service, 1)
                held.fail_before = None
                await until(lambda: not service.decider.in_doubt)
                await decided(service, 2)
                await exactly_once(service, seen, url, 1)

    run(main())


# --- targets and signatures


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "http://10.0.0.1/hook",
        "http://169.254.169.254/latest",
        "http://localhost.example.com/",
        "http://[::ffff:10.0.0.1]/",
        "https://user:secret@example.com/",
        "https://example.com/#x",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https:///hook",
        "ftp://example.com/",
        "file:///etc/passwd",
        "//example.com/",
        "",
    ],
)
def test_targets_that_are_refused(url: str) -> None:
    """Decisions would go in the clear, or to a service inside that trusts its network."""
    assert wrong_target(url, development=True)
    assert wrong_target(url, development=False)


def test_loopback_without_tls_is_for_development() -> None:
    for url in ("http://127.0.0.1:8000/x", "http://[::1]/x", "http://localhost/x"):
        assert not wrong_target(url, development=True)
        assert wrong_target(url, development=False)
    assert not wrong_target("https://example.com:8443/hook?tenant=1", development=False)


def test_settings_name_all_that_is_wrong_with_consumers(tmp_path: Path) -> None:
    hook = {
        "url": "http://example.com/",
        "client": "shop",
        "secrets": (secret_file(tmp_path, mode=0o644), str(tmp_path / "none")),
    }
    settings = Settings.model_validate({"outbox": {"webhooks": {"books": hook}}}, strict=False)
    with pytest.raises(SettingsError) as error:
        consumers_of(settings)
    assert "books.url" in str(error.value)
    assert "chmod 600" in str(error.value)


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    signs = SharedSecret([read_secret(Path(secret_file(tmp_path)))])
    text = base64.b64encode(SECRET).decode()
    assert text not in repr(signs) + str(signs)
    with pytest.raises(WebhookError) as error:
        parse_secret(f"whsec_{text}!")
    assert text not in str(error.value)
    for bad in ("", "whsec_", text, "whsec_c2hvcnQ="):
        with pytest.raises(WebhookError):
            parse_secret(bad)


def test_a_signature_of_the_standard_is_verified() -> None:
    """The vector of the Standard Webhooks specification's libraries."""
    secret = parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    body = b'{"test": 2432232314}'
    assert verify(headers, body, [secret], 1614265330) == headers["webhook-id"]
    made = headers_of(headers["webhook-id"], body, 1614265330, SharedSecret([secret]))
    assert made["webhook-signature"] == headers["webhook-signature"]


def test_signatures_that_do_not_hold() -> None:
    signs, body = SharedSecret([SECRET, SECRET[::-1]]), b"{}"
    good = headers_of("id", body, 1_000, signs)
    assert verify(good, body, [SECRET[::-1]], 1_300) == "id"  # while secrets are exchanged
    for changes, now, sent in (
        ({}, 1_301, body),
        ({}, 699, body),
        ({}, 1_000, b"{ }"),
        ({"webhook-id": "other"}, 1_000, body),
        ({"webhook-timestamp": "1001"}, 1_000, body),
        ({"webhook-timestamp": "-1"}, 1_000, body),
        ({"webhook-id": ""}, 1_000, body),
        ({"webhook-signature": "v1,"}, 1_000, body),
        ({"webhook-signature": "v1,äöü"}, 1_000, body),
    ):
        with pytest.raises(WebhookError):
            verify({**good, **changes}, sent, [SECRET], now)
    with pytest.raises(WebhookError):
        verify(good, body, [b"x" * 32], 1_000)
