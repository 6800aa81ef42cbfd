"""The issuer's public keys: read from a JSON Web Key Set, kept fresh beside the decisions.

A lookup never waits: it answers from what is there and at most asks for a refresh.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

MOST_BYTES = 262_144
MOST_KEYS = 100
FEWEST_RSA_BITS = 2048
_KINDS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


class JwksError(Exception):
    """A key set could not be fetched or read; what was there before stands."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key and the one algorithm that it verifies: the key says it, never a token."""

    kid: str
    algorithm: str
    key: PublicKey


class KeyFetcher(Protocol):
    """Where a key set comes from."""

    async def fetch(self) -> bytes:
        """The bytes of the key set; `JwksError` where they cannot be had."""
        ...


@dataclass(frozen=True, slots=True)
class FileFetcher:
    """A key set in a file."""

    path: Path

    async def fetch(self) -> bytes:
        """The bytes of the file."""
        try:
            return await asyncio.to_thread(self.path.read_bytes)
        except OSError as error:
            raise JwksError(f"the key set cannot be read: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class UrlFetcher:
    """A key set behind a URL: redirects are not followed. `client` verifies certificates."""

    url: str
    client: httpx.AsyncClient
    timeout_s: float = 5.0

    async def fetch(self) -> bytes:
        """The body of the answer."""
        content = bytearray()
        try:
            async with self.client.stream("GET", self.url, timeout=self.timeout_s) as answer:
                if answer.status_code != 200:
                    raise JwksError(f"the key set answers {answer.status_code}")
                async for chunk in answer.aiter_bytes():
                    content += chunk
                    if len(content) > MOST_BYTES:
                        raise JwksError(f"a key set has at most {MOST_BYTES} bytes")
        except httpx.HTTPError as error:
            raise JwksError(f"the key set cannot be fetched: {type(error).__name__}") from None
        return bytes(content)


def read_jwks(content: bytes) -> dict[str, VerifyingKey]:
    """The keys of a set that verify signatures of ours, by id.

    Keys of other kinds, curves and uses are left out. `JwksError` where the set cannot be read,
    names a key twice, holds a private or symmetric key, or an RSA key of less than 2048 bits.
    """
    if len(content) > MOST_BYTES:
        raise JwksError(f"a key set has at most {MOST_BYTES} bytes")
    try:
        entries = json.loads(content)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise JwksError("a key set is a JSON object with a list `keys`") from None
    if not isinstance(entries, list) or len(entries) > MOST_KEYS:
        raise JwksError(f"a key set lists at most {MOST_KEYS} keys")
    keys: dict[str, VerifyingKey] = {}
    for entry in entries:
        key = _read_key(entry)
        if key is None:
            continue
        if key.kid in keys:
            raise JwksError("a key set names each key once")
        keys[key.kid] = key
    return keys


def _read_key(entry: Any) -> VerifyingKey | None:
    if not isinstance(entry, dict):
        raise JwksError("each key of a set is an object")
    if "d" in entry or "k" in entry:
        raise JwksError("a key set holds public keys alone")
    kid, algorithm = entry.get("kid"), _KINDS.get(str(entry.get("kty")))
    if not isinstance(kid, str) or not 0 < len(kid) <= 200 or algorithm is None:
        return None
    if entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
        return None
    if entry.get("crv") not in {None, "P-256", "Ed25519"}:
        return None
    try:
        key = PyJWK(entry, algorithm).key
    except (PyJWTError, ValueError, TypeError):
        raise JwksError("a key of the set cannot be read") from None
    return VerifyingKey(kid, algorithm, _usable(key))


def _usable(key: object) -> PublicKey:
    if isinstance(key, RSAPublicKey) and key.key_size >= FEWEST_RSA_BITS:
        return key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    if isinstance(key, Ed25519PublicKey):
        return key
    raise JwksError(f"an RSA key has at least {FEWEST_RSA_BITS} bits, an elliptic one is P-256")


@dataclass(frozen=True, slots=True)
class Freshness:
    """How keys are kept, in seconds.

    every: between refreshes. pause: the least between two that an unknown key asks for.
    expires: from when on keys that could not be refreshed verify nothing any more.
    """

    every: float = 300.0
    pause: float = 10.0
    expires: float = 3_600.0


class TrustedKeys:
    """The keys of one issuer as they are now. `clock` counts seconds and never goes back."""

    def __init__(
        self,
        fetcher: KeyFetcher,
        clock: Callable[[], float],
        freshness: Freshness | None = None,
    ) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._freshness = freshness or Freshness()
        self._keys: Mapping[str, VerifyingKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._wanted = asyncio.Event()
        self.generation = 0
        """Raised whenever the keys change: what was verified before is to be verified again."""
        self.last_error = ""

    @property
    def usable(self) -> bool:
        """Whether keys are there that are not too old."""
        if self._fetched_at is None:
            return False
        return self._clock() - self._fetched_at < self._freshness.expires

    def find(self, kid: str) -> VerifyingKey | None:
        """The key called `kid`; None where there is none now, and then a refresh is asked for."""
        key = self._keys.get(kid)
        if key is None:
            self._wanted.set()
        return key

    async def refresh(self) -> bool:
        """Fetch the keys now; False where that failed: those before stand until they expire."""
        self._tried_at = self._clock()
        self._wanted.clear()
        try:
            keys = read_jwks(await self._fetcher.fetch())
        except JwksError as error:
            self.last_error = str(error)
            return False
        if keys != self._keys:
            self._keys = keys
            self.generation += 1
        self._fetched_at = self._clock()
        self.last_error = ""
        return True

    async def refresh_if_due(self) -> bool:
        """Fetch where the time has come or an unknown key was asked for; whether it was tried."""
        since = self._since_try()
        if since >= self._freshness.every or (
            self._wanted.is_set() and since >= self._freshness.pause
        ):
            await self.refresh()
            return True
        return False

    async def keep_fresh(self) -> None:
        """Refresh for as long as the task runs; the service starts it and cancels it."""
        while True:
            await self.refresh_if_due()
            since = self._since_try()
            try:
                left = max(self._freshness.every - since, 0.01)
                await asyncio.wait_for(self._wanted.wait(), left)
            except TimeoutError:
                continue
            await asyncio.sleep(max(self._freshness.pause - self._since_try(), 0.01))

    def _since_try(self) -> float:
        return float("inf") if self._tried_at is None else self._clock() - self._tried_at
