"""The issuer for development, `tidegate token`, and the first approver."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tidegate.cli.main import app
from tidegate.engine.grants import Grants
from tidegate.service.bootstrap import (
    FIRST_GRANTS,
    BootstrapError,
    permits_first_approver,
    read_first_approver,
    recorded_first_approver,
)
from tidegate.service.callers import Caller
from tidegate.service.issuer import (
    FILE_NAME,
    DevelopmentIssuer,
    IssuerError,
    load_issuer,
    secret_hash,
)
from tidegate.service.jwks import TrustedKeys
from tidegate.service.tokens import TokenRules, TokenVerifier

NOW = 1_795_600_000
FORM = b"grant_type=client_credentials&scope=decide+read_decisions"
BASIC = b"Basic " + b64encode(b"checkout:s3cret")


def clock() -> float:
    """A clock that stands."""
    return NOW


def issuer() -> DevelopmentIssuer:
    """An issuer with one client."""
    clients = {"checkout": secret_hash("s3cret")}
    return DevelopmentIssuer("http://127.0.0.1/dev", "tidegate", "development", clock, clients)


class Held:
    """A key set in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def fetch(self) -> bytes:
        """The key set."""
        return self.content


def caller(signed_by: DevelopmentIssuer, token: str, thumbprint: str = "") -> Caller:
    """Who the service takes the token's bearer for."""
    keys = TrustedKeys(Held(signed_by.jwks()), clock)
    asyncio.run(keys.refresh())
    rules = TokenRules(signed_by.issuer, signed_by.audience)
    return TokenVerifier(rules, keys, clock).caller_of(b"Bearer " + token.encode(), thumbprint)


def test_a_client_gets_a_token_that_the_service_trusts() -> None:
    """The README's first request would be refused."""
    made = issuer()
    by_form = FORM + b"&client_id=checkout&client_secret=s3cret"
    for answer in (made.answer(FORM, BASIC), made.answer(by_form)):
        assert answer.status == 200
        assert answer.headers["cache-control"] == "no-store"
        said = json.loads(answer.to_bytes())
        assert (said["token_type"], said["expires_in"]) == ("Bearer", 600)
        found = caller(made, said["access_token"])
        assert (found.world, found.name) == ("client", "checkout")
        assert found.scopes == {"decide", "read_decisions"}
        assert found.expires_at == NOW + 600
    bound = json.loads(made.answer(FORM, BASIC, "x" * 43).to_bytes())["access_token"]
    assert caller(made, bound, "x" * 43).thumbprint == "x" * 43


@pytest.mark.parametrize(
    ("form", "header", "error", "status"),
    [
        (FORM, None, "invalid_client", 401),
        (FORM, b"Basic " + b64encode(b"checkout:wrong"), "invalid_client", 401),
        (FORM, b"Basic " + b64encode(b"other:s3cret"), "invalid_client", 401),
        (FORM, b"Basic " + b64encode(b"checkout"), "invalid_client", 401),
        (FORM, b"Basic ???", "invalid_client", 401),
        (FORM, b"Bearer abc", "invalid_client", 401),
        (FORM, b"Basic " + b64encode(b"\xff:\xff"), "invalid_client", 401),
        (b"grant_type=password", BASIC, "unsupported_grant_type", 400),
        (b"scope=x", BASIC, "invalid_request", 400),
        (b"", BASIC, "invalid_request", 400),
        (b"\xff", BASIC, "invalid_request", 400),
        (FORM + b"&scope=stop", BASIC, "invalid_request", 400),
        (b"a=" + b"b" * 9_000, BASIC, "invalid_request", 400),
    ],
)
def test_requests_that_are_not_in_order_get_no_token(
    form: bytes, header: bytes | None, error: str, status: int
) -> None:
    """Somebody without the secret would get a token."""
    answer = issuer().answer(form, header)
    assert (answer.status, answer.members) == (status, {"error": error})


def test_an_unknown_client_is_not_let_in_by_an_empty_secret() -> None:
    """The hash that stands for nobody would be somebody's."""
    made = DevelopmentIssuer("i", "a", "development", clock)
    assert made.answer(FORM + b"&client_id=&client_secret=").status == 401


def test_it_refuses_production(tmp_path: Path) -> None:
    """Whoever reads one file would be anybody in production."""
    with pytest.raises(IssuerError, match="production"):
        replace(issuer(), mode="production")
    path = issuer().save(tmp_path)
    content = json.loads(path.read_text()) | {"mode": "production"}
    path.write_text(json.dumps(content))
    with pytest.raises(IssuerError, match="production"):
        load_issuer(tmp_path, clock)


def test_every_start_has_a_key_of_its_own() -> None:
    """A token of yesterday's service would work today."""
    first, second = issuer(), issuer()
    assert first.kid != second.kid
    assert first.jwks() != second.jwks()
    assert '"d"' not in first.jwks().decode()


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Everybody on the machine could sign tokens."""
    (tmp_path / FILE_NAME).write_text("of an earlier start")
    (tmp_path / FILE_NAME).chmod(0o666)
    path = issuer().save(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("{")
    with pytest.raises(IssuerError, match="cannot be read"):
        load_issuer(tmp_path, clock)


def test_the_command_signs_for_people_and_machines(tmp_path: Path) -> None:
    """There would be no way to try what people do."""
    made = issuer()
    made.save(tmp_path)
    runner = CliRunner()
    state = ["--state", str(tmp_path)]
    scope = ["--scope", "review_cases"]
    run = runner.invoke(app, ["token", "alice", *state, "--role", "analyst", *scope])
    assert run.exit_code == 0, run.output
    keys = TrustedKeys(Held(made.jwks()), clock)
    asyncio.run(keys.refresh())
    import time

    verifier = TokenVerifier(TokenRules(made.issuer, made.audience), keys, time.time)
    found = verifier.caller_of(b"Bearer " + run.output.strip().encode())
    assert (found.world, found.name) == ("person", "alice")
    assert found.roles == {"analyst"}
    assert found.scopes == {"review_cases"}
    run = runner.invoke(app, ["token", "shop", *state, "--client"])
    assert verifier.caller_of(b"Bearer " + run.output.strip().encode()).names == {"shop"}
    assert runner.invoke(app, ["token", "shop", *state, "--client", "--role", "a"]).exit_code != 0
    assert runner.invoke(app, ["token", "a", "--state", str(tmp_path / "none")]).exit_code != 0


START = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
FILE = {"name": "alice@example.test", "issuer": "https://idp.test", "until": "2026-11-27T08:00:00Z"}
ALICE = Caller("person", "alice@example.test", frozenset({"staff"}))


def test_the_first_approver_may_approve_until_a_release_is_active() -> None:
    """Nobody could approve the first release, or one person every later one."""
    first = read_first_approver(json.dumps(FILE).encode(), START)
    idp = FILE["issuer"]

    def allowed(
        who: Caller, verb: str, issuer: str = idp, at: datetime = START, *, released: bool = False
    ) -> bool:
        found = permits_first_approver(first, who, issuer, at, released=released)
        if found is None:
            return False
        return FIRST_GRANTS.permission(found.world, found.names, verb).allowed

    assert allowed(ALICE, "approve_release")
    assert allowed(ALICE, "activate_release")
    assert not allowed(ALICE, "author_release")
    assert not allowed(ALICE, "approve_release", released=True)
    assert not allowed(ALICE, "approve_release", issuer="https://other.test")
    assert not allowed(ALICE, "approve_release", at=START + timedelta(days=2))
    assert not allowed(replace(ALICE, name="bob"), "approve_release")
    assert not allowed(Caller("client", ALICE.name), "approve_release")
    assert not Grants(()).permission("person", ALICE.names, "approve_release").allowed


def test_the_ledger_remembers_the_first_approver_without_a_name() -> None:
    """A person's name would stand in what cannot be erased."""
    first = read_first_approver(json.dumps(FILE).encode(), START)
    assert "alice" not in json.dumps(first.facts)
    assert b"alice@example.test" in first.payload
    assert recorded_first_approver(first.payload, first.facts) == first


@pytest.mark.parametrize(
    "changed",
    [
        {"until": "2026-11-25T08:00:00Z"},
        {"until": "2026-12-03T08:00:00Z"},
        {"until": "tomorrow"},
        {"until": None},
        {"name": ""},
        {"name": "two words"},
        {"name": 1},
        {"issuer": ""},
        {"role": "admin"},
    ],
)
def test_files_that_are_not_in_order_name_nobody(changed: dict[str, object]) -> None:
    """A slip would make somebody approver, or for ever."""
    with pytest.raises(BootstrapError):
        read_first_approver(json.dumps(FILE | changed).encode(), START)
    for content in (b"", b"[]", b"\xff", b"{" * 5_000, b" " * 5_000):
        with pytest.raises(BootstrapError):
            read_first_approver(content, START)
