"""Tokens: every way in which one can be wrong has its code, and none gets through."""

from __future__ import annotations

import asyncio
import hmac
import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tidegate.service.jwks import (
    FileFetcher,
    Freshness,
    JwksError,
    TrustedKeys,
    UrlFetcher,
    read_jwks,
)
from tidegate.service.problems import ProblemError
from tidegate.service.tokens import TokenRules, TokenVerifier, thumbprint_of

NOW = 1_795_600_000
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = Ed25519PrivateKey.generate()
STRANGER = Ed25519PrivateKey.generate()
THUMBPRINT = thumbprint_of(b"a certificate")
RULES = TokenRules("https://issuer.test", "tidegate")


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Fetched:
    """A key set that a test changes; None cannot be fetched."""

    content: bytes | None
    fetches: int = 0

    async def fetch(self) -> bytes:
        """What is there now."""
        self.fetches += 1
        if self.content is None:
            raise JwksError("down")
        return self.content


def entry(key: Any, kid: str) -> dict[str, Any]:
    """The key of a set that verifies what `key` signs."""
    algorithms: dict[str, Any] = {"rsa": RSAAlgorithm, "ec": ECAlgorithm, "ed": OKPAlgorithm}
    algorithm = algorithms[kid.rstrip("0123456789")]
    found: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return found | {"kid": kid}


def key_set(**keys: Any) -> bytes:
    """A key set."""
    return json.dumps({"keys": [entry(key, kid) for kid, key in keys.items()]}).encode()


@dataclass
class World:
    """A verifier whose clock and keys a test holds in its hand."""

    clock: Clock = field(default_factory=Clock)
    source: Fetched = field(default_factory=lambda: Fetched(key_set(rsa=RSA, ec=EC, ed=ED)))
    rules: TokenRules = RULES
    most: int = 10_000
    answer: bytes = b""

    def __post_init__(self) -> None:
        self.keys = TrustedKeys(self.source, self.clock, Freshness(300, 10, 3_600))
        self.verifier = TokenVerifier(self.rules, self.keys, self.clock, self.most)
        asyncio.run(self.keys.refresh())

    def code(self, token: str | bytes | None, thumbprint: str = "") -> str:
        """The code of the refusal; empty where the token is trusted."""
        sent = token.encode() if isinstance(token, str) else token
        header = None if sent is None else b"Bearer " + sent
        try:
            self.verifier.caller_of(header, thumbprint)
        except ProblemError as refusal:
            self.answer = refusal.problem.to_bytes()
            return refusal.problem.code
        return ""


def claims(**changed: Any) -> dict[str, Any]:
    """The claims of a token that is in order, with changes; None leaves one out."""
    usual = {
        "iss": "https://issuer.test",
        "aud": "tidegate",
        "sub": "checkout",
        "iat": NOW - 10,
        "exp": NOW + 590,
        "scope": "decide read_decisions",
        "tidegate_world": "client",
    } | changed
    return {name: value for name, value in usual.items() if value is not None}


def signed(
    key: Any = ED, algorithm: str = "EdDSA", kid: str | None = "ed", typ: str | None = "at+jwt",
    headers: Mapping[str, Any] | None = None, **changed: Any,
) -> str:  # fmt: skip
    """A token; `typ` None leaves it out."""
    said = {"typ": typ, **({} if kid is None else {"kid": kid}), **(headers or {})}
    return jwt.encode(claims(**changed), key, algorithm=algorithm, headers=said)


def by_hand(header: Mapping[str, Any], payload: bytes, secret: bytes | None = None) -> str:
    """A token that no library would make."""
    parts = [json.dumps(header).encode(), payload]
    text = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = b"" if secret is None else hmac.digest(secret, text, "sha256")
    return (text + b"." + urlsafe_b64encode(signature).rstrip(b"=")).decode()


def pem(key: Any) -> bytes:
    """The public key in PEM."""
    return bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(RSA, "RS256", "rsa"), (EC, "ES256", "ec"), (ED, "EdDSA", "ed")]
)
def test_a_token_in_order_makes_a_caller(key: Any, algorithm: str, kid: str) -> None:
    """Nobody could use the service with a key of this kind."""
    world = World()
    caller = world.verifier.caller_of(b"Bearer " + signed(key, algorithm, kid).encode())
    assert (caller.world, caller.name, caller.scopes) == (
        "client", "checkout", frozenset({"decide", "read_decisions"})
    )  # fmt: skip
    assert caller.names == {"checkout"}
    person = signed(key, algorithm, kid, sub="alice", tidegate_world="person", roles=["approver"])
    assert world.verifier.caller_of(b"bearer " + person.encode()).names == {"approver"}


HEADER = {"alg": "HS256", "typ": "at+jwt", "kid": "rsa"}
PAYLOAD = json.dumps(claims()).encode()
WRONG: dict[str, tuple[str | bytes | None, str]] = {
    "none at all": (None, "no_token"),
    "empty": ("", "bad_token"),
    "no JWT": ("abc", "bad_token"),
    "four parts": (signed() + ".x", "bad_token"),
    "not ASCII": (b"\xff.\xff.\xff", "bad_token"),
    "too long": ("a." + "b" * 9_000 + ".c", "bad_token"),
    "header is no JSON": ("YQ.YQ.YQ", "bad_token"),
    "header is a list": ("W10.e30.YQ", "bad_token"),
    "alg none": (by_hand({"alg": "none", "typ": "at+jwt", "kid": "ed"}, PAYLOAD), "bad_algorithm"),
    "alg None": (by_hand({"alg": "NonE", "typ": "at+jwt", "kid": "ed"}, PAYLOAD), "bad_algorithm"),
    "alg none of a stranger": (
        by_hand({"alg": "none", "typ": "at+jwt", "kid": "other"}, PAYLOAD),
        "bad_algorithm",
    ),
    "no alg": (by_hand({"typ": "at+jwt", "kid": "ed"}, PAYLOAD), "bad_algorithm"),
    "HS256 with the public key": (by_hand(HEADER, PAYLOAD, pem(RSA)), "bad_algorithm"),
    "HS256 with the raw key": (
        by_hand(HEADER | {"kid": "ed"}, PAYLOAD, ED.public_key().public_bytes_raw()),
        "bad_algorithm",
    ),
    "another key's algorithm": (signed(RSA, "RS256", "ec"), "bad_algorithm"),
    "an algorithm not taken": (signed(RSA, "PS256", "rsa"), "bad_algorithm"),
    "another typ": (signed(typ="JWT"), "bad_token_type"),
    "an id token": (signed(typ="id+jwt"), "bad_token_type"),
    "no typ": (signed(typ=None), "bad_token_type"),
    "an extension": (signed(headers={"crit": ["b64"], "b64": True}), "bad_token"),
    "no kid": (signed(kid=None), "unknown_key"),
    "a stranger's kid": (signed(STRANGER, kid="other"), "unknown_key"),
    "a stranger's signature": (signed(STRANGER), "bad_signature"),
    "signature cut off": (signed().rpartition(".")[0] + ".", "bad_signature"),
    "claims exchanged": (
        ".".join((signed().split(".")[0], signed(sub="x").split(".")[1], signed().split(".")[2])),
        "bad_signature",
    ),
    "expired": (signed(iat=NOW - 600, exp=NOW - 30), "token_expired"),
    "not yet": (signed(nbf=NOW + 31), "token_not_yet_valid"),
    "issued later": (signed(iat=NOW + 31, exp=NOW + 60), "token_from_the_future"),
    "lives too long": (signed(iat=NOW, exp=NOW + 3_601), "token_lives_too_long"),
    "ends before it begins": (signed(iat=NOW + 20, exp=NOW + 10), "token_lives_too_long"),
    "another audience": (signed(aud="other"), "wrong_audience"),
    "other audiences": (signed(aud=["other", "tidegate2"]), "wrong_audience"),
    "audience is an object": (signed(aud={"tidegate": 1}), "wrong_audience"),
    "another issuer": (signed(iss="https://issuer.test/"), "wrong_issuer"),
    **{
        f"no {claim}": (signed(**cast("Any", {claim: None})), "missing_claim")
        for claim in ("iss", "aud", "exp", "iat", "sub", "tidegate_world")
    },
    "exp is a text": (signed(exp=str(NOW + 60)), "bad_claim"),
    "exp is true": (signed(exp=True), "bad_claim"),
    "nbf is a list": (signed(nbf=[NOW]), "bad_claim"),
    "another world": (signed(tidegate_world="admin"), "bad_claim"),
    "world is a list": (signed(tidegate_world=["client"]), "bad_claim"),
    "a client with roles": (signed(roles=["approver"]), "bad_claim"),
    "roles are a text": (signed(tidegate_world="person", roles="approver"), "bad_claim"),
    "too many roles": (signed(tidegate_world="person", roles=["a"] * 51), "bad_claim"),
    "scope is a list": (signed(scope=["decide"]), "bad_claim"),
    "name is a card number": (signed(sub="shop-4111111111111111"), "bad_claim"),
    "name with a line": (signed(sub="a\nb"), "bad_claim"),
    "name is a number": (by_hand({"alg": "EdDSA"}, b"{}"), "bad_token_type"),
    "bound in another way": (signed(cnf={"jkt": "x"}), "bad_claim"),
    "bound in two ways": (signed(cnf={"x5t#S256": THUMBPRINT, "jkt": "x"}), "bad_claim"),
    "bound to nothing": (signed(cnf={}), "bad_claim"),
    "bound": (signed(cnf={"x5t#S256": THUMBPRINT}), "certificate_required"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_token_is_refused_by_its_code(what: str) -> None:
    """It would be trusted, or nobody could tell what is wrong with it."""
    token, code = WRONG[what]
    world = World()
    assert world.code(token) == code
    assert world.verifier.remembered == (code == "certificate_required")
    sent = token.encode() if isinstance(token, str) else token
    assert not sent or len(sent) < 10 or sent[:20] not in world.answer


def test_claims_named_twice_are_refused() -> None:
    """Two readers of one token would see two callers."""
    payload = json.dumps(claims()).encode()[:-1] + b',"sub":"admin"}'
    token = jwt.PyJWS().encode(payload, ED, "EdDSA", headers={"kid": "ed", "typ": "at+jwt"})
    assert World().code(token) == "bad_token"


def test_clocks_may_differ_by_thirty_seconds_and_no_more() -> None:
    """Clocks that differ a little would stop everything; a longer leeway would revive old ones."""
    world = World()
    assert world.code(signed(iat=NOW - 600, exp=NOW - 29)) == ""
    assert world.code(signed(iat=NOW + 30, exp=NOW + 60)) == ""
    assert world.code(signed(nbf=NOW + 30)) == ""
    with pytest.raises(ValueError, match="30"):
        TokenRules("i", "a", leeway_s=31)
    with pytest.raises(ValueError, match="day"):
        TokenRules("i", "a", max_lifetime_s=86_401)


def test_certificates() -> None:
    """A stolen token would work over the thief's connection."""
    world = World()
    bound = signed(cnf={"x5t#S256": THUMBPRINT})
    other = thumbprint_of(b"another certificate")
    for _ in range(2):  # verified, and remembered
        assert world.code(bound, THUMBPRINT) == ""
        assert world.code(bound, other) == "certificate_mismatch"
        assert world.code(bound) == "certificate_required"
    strict = World(rules=TokenRules(RULES.issuer, RULES.audience, bound=True))
    assert strict.code(signed(), THUMBPRINT) == "certificate_required"
    assert strict.code(bound, THUMBPRINT) == ""


def test_a_remembered_token_ends_with_its_time() -> None:
    """A token would live for as long as it is used."""
    world = World()
    token = signed()
    assert world.code(token) == ""
    assert world.verifier.remembered == 1
    world.clock.now = NOW + 590 + 29
    assert world.code(token) == ""
    world.clock.now = NOW + 590 + 30
    assert world.code(token) == "token_expired"


def test_remembered_tokens_are_few() -> None:
    """Ever new tokens would fill the memory."""
    world = World(most=3)
    for number in range(10):
        assert world.code(signed(sub=f"s{number}")) == ""
    assert world.verifier.remembered == 3


def test_a_withdrawn_key_verifies_nothing_that_it_verified_before() -> None:
    """A key that was stolen and withdrawn would go on in remembered tokens."""
    world = World()
    token, other = signed(), signed(EC, "ES256", "ec")
    assert (world.code(token), world.code(other)) == ("", "")
    world.source.content = key_set(ec=EC)
    asyncio.run(world.keys.refresh())
    assert (world.code(token), world.code(other)) == ("unknown_key", "")
    # The same id with another key is another key.
    world.source.content = key_set(ed=STRANGER)
    asyncio.run(world.keys.refresh())
    assert world.code(token) == "bad_signature"


def test_an_unknown_key_asks_for_one_refresh() -> None:
    """Rotated keys would be refused for minutes; made-up ones would drown the issuer."""
    world = World()
    new = signed(STRANGER, kid="ed2")
    world.source.content = key_set(ed=ED, ed2=STRANGER)
    world.clock.now += 10
    assert world.code(new) == "unknown_key"
    assert world.source.fetches == 1  # a decision does not wait for it
    assert asyncio.run(world.keys.refresh_if_due())
    assert world.code(new) == ""
    for number in range(50):
        assert world.code(signed(STRANGER, kid=f"made-up-{number}")) == "unknown_key"
        asyncio.run(world.keys.refresh_if_due())
    assert world.source.fetches == 2
    world.clock.now += 10
    asyncio.run(world.keys.refresh_if_due())
    assert world.source.fetches == 3


def test_keys_that_cannot_be_refreshed_expire() -> None:
    """A service cut off from its issuer would trust withdrawn keys for ever."""
    world = World()
    token = signed(iat=NOW, exp=NOW + 3_600)
    world.source.content = None
    world.clock.now += 3_599
    assert not asyncio.run(world.keys.refresh())
    assert world.keys.last_error == "down"
    assert world.code(token) == ""
    world.clock.now += 1
    assert world.code(token) == "keys_unavailable"
    assert World(source=Fetched(None)).code(token) == "keys_unavailable"


def test_a_broken_key_set_changes_nothing() -> None:
    """One bad answer of the issuer would stop every client."""
    world = World()
    for content in (
        b"",
        b"[]",
        b"{}",
        b'{"keys":1}',
        b'{"keys":[1]}',
        b"[" * 100_000,
        b"x" * 300_000,
    ):
        world.source.content = content
        assert not asyncio.run(world.keys.refresh())
        assert world.keys.last_error
    assert world.code(signed()) == ""


def test_which_keys_of_a_set_are_taken() -> None:
    """A key would verify that is too weak, not meant to, or known to everybody."""
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is what is refused
    for bad in (
        entry(weak, "rsa"),
        {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "ed"},
        entry(ED, "ed") | {"d": "x"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "h"},
    ):
        with pytest.raises(JwksError):
            read_jwks(json.dumps({"keys": [bad]}).encode())
    with pytest.raises(JwksError, match="once"):
        read_jwks(json.dumps({"keys": [entry(ED, "ed"), entry(STRANGER, "ed")]}).encode())
    left_out = [
        entry(ED, "ed") | {"use": "enc"},
        entry(RSA, "rsa") | {"alg": "PS256"},
        entry(ec.generate_private_key(ec.SECP384R1()), "ec"),
        {"kty": "XYZ", "kid": "x"},
        {name: value for name, value in entry(ED, "ed").items() if name != "kid"},
    ]
    assert read_jwks(json.dumps({"keys": left_out}).encode()) == {}


@contextmanager
def served(answers: dict[str, tuple[int, bytes]]) -> Iterator[str]:
    """Serve answers by path on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers[self.path]
            self.send_response(status)
            if status == 302:
                self.send_header("location", "/jwks")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_key_sets_come_from_files_and_urls(tmp_path: Path) -> None:
    """The issuer's keys would not be found where the settings say."""
    content = key_set(ed=ED)
    path = tmp_path / "jwks.json"
    path.write_bytes(content)
    answers = {
        "/jwks": (200, content),
        "/moved": (302, b""),
        "/down": (503, b""),
        "/big": (200, b" " * 300_000),
    }

    async def fetch_all(base: str) -> None:
        assert await FileFetcher(path).fetch() == content
        with pytest.raises(JwksError, match="cannot be read"):
            await FileFetcher(tmp_path / "none.json").fetch()
        async with httpx.AsyncClient(trust_env=False) as client:
            assert await UrlFetcher(f"{base}/jwks", client).fetch() == content
            for bad in ("moved", "down", "big"):
                with pytest.raises(JwksError):
                    await UrlFetcher(f"{base}/{bad}", client).fetch()
            with pytest.raises(JwksError, match="fetched"):
                await UrlFetcher("http://127.0.0.1:1/jwks", client).fetch()

    with served(answers) as base:
        asyncio.run(fetch_all(base))


def test_keys_are_kept_fresh_in_the_background() -> None:
    """A rotated key would only be known after a restart."""

    async def rotate() -> None:
        loop = asyncio.get_running_loop()
        source = Fetched(key_set(ed=ED))
        keys = TrustedKeys(source, loop.time, Freshness(every=60, pause=0.01, expires=60))
        task = asyncio.create_task(keys.keep_fresh())
        async with asyncio.timeout(20):
            while not keys.usable:
                await asyncio.sleep(0)
            source.content = key_set(ed=ED, ed2=STRANGER)
            while keys.find("ed2") is None:
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(rotate())


def test_thumbprints_are_those_of_rfc_8705() -> None:
    """No certificate would match what issuers write."""
    expected = urlsafe_b64encode(sha256(b"a certificate").digest()).decode().rstrip("=")
    assert expected == THUMBPRINT
    assert len(THUMBPRINT) == 43
