"""An issuer of tokens for development: a key made at start, clients with secrets, ten minutes.

It refuses to exist in production, where the identity provider of the house issues tokens. Its key
lies in one file that its owner alone can read, so that `tidegate token` can sign for people while
the service runs.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote_plus
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from tidegate.engine.grants import World
from tidegate.service.tokens import WORLD_CLAIM

Mode = Literal["production", "development"]

LIFETIME_S = 600
MOST_FORM_BYTES = 8_192
FILE_NAME = "development-issuer.json"


class IssuerError(Exception):
    """The development issuer cannot be used as asked."""


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What `POST /oauth/token` answers, after RFC 6749, 5."""

    status: int
    members: Mapping[str, object]

    @property
    def headers(self) -> dict[str, str]:
        """Nobody keeps a token for us; a client that failed may try another way."""
        headers = {"content-type": "application/json", "cache-control": "no-store"}
        return headers | ({"www-authenticate": "Basic"} if self.status == 401 else {})

    def to_bytes(self) -> bytes:
        """The body."""
        return json.dumps(self.members).encode()


@dataclass(frozen=True)
class DevelopmentIssuer:
    """Signs tokens with Ed25519. `clients`: SHA-256 of each client's secret, by name.

    `clock` gives seconds since 1970; `mode` is that of the service.
    """

    issuer: str
    audience: str
    mode: Mode
    clock: Callable[[], float]
    clients: Mapping[str, bytes] = field(default_factory=dict)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)

    def __post_init__(self) -> None:
        if self.mode != "development":
            raise IssuerError(
                "the development issuer signs no tokens in production: name the issuer and the "
                "key set of your identity provider in the settings"
            )

    @property
    def kid(self) -> str:
        """The key's id: its thumbprint, so that another key never has it."""
        return sha256(self.key.public_key().public_bytes_raw()).hexdigest()[:32]

    def jwks(self) -> bytes:
        """The key set that verifies its tokens."""
        public = OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        entry = public | {"kid": self.kid, "use": "sig", "alg": "EdDSA"}
        return json.dumps({"keys": [entry]}).encode()

    def answer(
        self, form: bytes, authorization: bytes | None = None, thumbprint: str = ""
    ) -> TokenAnswer:
        """Answer a request for a token by client credentials (RFC 6749, 4.4).

        The secret comes with HTTP Basic or in the form. Where the connection has a certificate the
        token is bound to it.
        """
        asked = _read_form(form)
        if asked is None or "grant_type" not in asked:
            return _failure("invalid_request")
        if asked.get("grant_type") != "client_credentials":
            return _failure("unsupported_grant_type")
        client, secret = _credentials(asked, authorization)
        if not self._knows(client, secret):
            return _failure("invalid_client", 401)
        scopes = asked.get("scope", "").split()
        token = self.sign("client", client, scopes=scopes, thumbprint=thumbprint)
        return TokenAnswer(
            200,
            {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": LIFETIME_S,
                "scope": " ".join(scopes),
            },
        )

    def sign(
        self,
        world: World,
        name: str,
        *,
        roles: Collection[str] = (),
        scopes: Iterable[str] = (),
        thumbprint: str = "",
    ) -> str:
        """A token of ten minutes."""
        if roles and world == "client":
            raise IssuerError("roles are for people")
        now = int(self.clock())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": name,
            "iat": now,
            "exp": now + LIFETIME_S,
            "jti": str(uuid4()),
            "scope": " ".join(scopes),
            WORLD_CLAIM: world,
        }
        if roles:
            claims["roles"] = sorted(roles)
        if thumbprint:
            claims["cnf"] = {"x5t#S256": thumbprint}
        headers = {"kid": self.kid, "typ": "at+jwt"}
        return jwt.encode(claims, self.key, algorithm="EdDSA", headers=headers)

    def save(self, folder: Path) -> Path:
        """Keep the key in `folder`, readable by its owner alone; the file of an earlier start goes.

        Secrets of clients are not kept.
        """
        path = folder / FILE_NAME
        content = {
            "mode": self.mode,
            "issuer": self.issuer,
            "audience": self.audience,
            "key": self.key.private_bytes_raw().hex(),
        }
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file)
        return path

    def _knows(self, client: str, secret: str) -> bool:
        expected = self.clients.get(client, b"\x00" * 32)
        return compare_digest(sha256(secret.encode()).digest(), expected)


def load_issuer(folder: Path, clock: Callable[[], float]) -> DevelopmentIssuer:
    """The issuer whose key the running service keeps in `folder`; `IssuerError` where none is."""
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_text())
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(content["key"]))
        issuer, audience, mode = content["issuer"], content["audience"], content["mode"]
    except FileNotFoundError:
        raise IssuerError(
            f"no development issuer keeps its key in {folder}: start "
            "`tidegate serve --development`; in production your identity provider issues tokens"
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise IssuerError(f"{path} cannot be read: start the service again") from None
    return DevelopmentIssuer(issuer, audience, mode, clock, key=key)


def secret_hash(secret: str) -> bytes:
    """What `DevelopmentIssuer.clients` keeps of a secret. Secrets are random, so no salt."""
    return sha256(secret.encode()).digest()


def _failure(error: str, status: int = 400) -> TokenAnswer:
    return TokenAnswer(status, {"error": error})


def _read_form(form: bytes) -> dict[str, str] | None:
    if len(form) > MOST_FORM_BYTES:
        return None
    try:
        fields = parse_qs(form.decode(), keep_blank_values=True, strict_parsing=True)
    except ValueError:
        return None
    # A parameter that comes twice is an error (RFC 6749, 3.2).
    if any(len(values) != 1 for values in fields.values()):
        return None
    return {name: values[0] for name, values in fields.items()}


def _credentials(asked: Mapping[str, str], authorization: bytes | None) -> tuple[str, str]:
    if authorization is None:
        return asked.get("client_id", ""), asked.get("client_secret", "")
    kind, _, coded = authorization.partition(b" ")
    try:
        decoded = b64decode(coded, validate=True).decode()
    except ValueError:
        return "", ""
    client, _, secret = decoded.partition(":")
    return (unquote_plus(client), unquote_plus(secret)) if kind.lower() == b"basic" else ("", "")
