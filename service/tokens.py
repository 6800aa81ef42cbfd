"""Bearer tokens (RFC 6750, RFC 9068): a signed JWT becomes a caller, or the request is refused.

A token is verified once and remembered by its hash until it expires or the keys change. Each way
in which a token can be wrong has its own code; what is wrong is said, what was sent is not.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Any, cast

from jwt import PyJWS
from jwt.exceptions import InvalidSignatureError, PyJWTError

from tidegate.dsl.card_numbers import holds_card_number
from tidegate.engine.grants import World
from tidegate.service.callers import Caller
from tidegate.service.jwks import TrustedKeys, VerifyingKey
from tidegate.service.problems import ProblemError, refused

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
WORLD_CLAIM = "tidegate_world"
_WORLDS = frozenset({"client", "person"})
MOST_BYTES = 8_192
_MOST_ROLES = 50
_LATEST = 1 << 53
"""Beyond it a JSON number need not be exact."""

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_NAME = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token has to be.

    leeway_s: how far clocks may differ, at most 30 seconds. max_lifetime_s: from `iat` to `exp`.
    types: values of the header `typ` that are taken, in small letters. bound: whether every token
    has to be bound to a certificate.
    """

    issuer: str
    audience: str
    max_lifetime_s: int = 3_600
    leeway_s: int = 30
    types: frozenset[str] = frozenset({"at+jwt", "application/at+jwt"})
    bound: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.leeway_s <= 30:
            raise ValueError("clocks may differ by 0 to 30 seconds")
        if not 0 < self.max_lifetime_s <= 86_400:
            raise ValueError("a token lives at most a day")


@dataclass(frozen=True, slots=True)
class _Remembered:
    caller: Caller
    until: float


class TokenVerifier:
    """Verifies the tokens of one issuer. `clock` gives seconds since 1970."""

    def __init__(
        self,
        rules: TokenRules,
        keys: TrustedKeys,
        clock: Callable[[], float],
        most_remembered: int = 10_000,
    ) -> None:
        self._rules = rules
        self._keys = keys
        self._clock = clock
        self._most = most_remembered
        self._remembered: dict[bytes, _Remembered] = {}
        self._generation = keys.generation

    @property
    def remembered(self) -> int:
        """How many tokens are remembered now."""
        return len(self._remembered)

    def caller_of(self, authorization: bytes | None, thumbprint: str = "") -> Caller:
        """Who sent the header `Authorization`; `ProblemError` where that cannot be trusted.

        `thumbprint`: SHA-256 of the client's certificate, base64url without padding; empty where
        the connection has none.
        """
        if authorization is None or authorization[:7].lower() != b"bearer ":
            raise refused("no_token", "send a header `Authorization: Bearer …`")
        token = authorization[7:].strip()
        if not self._keys.usable:
            # Even a remembered token hangs on keys that may have been withdrawn since.
            raise refused("keys_unavailable", "the issuer's keys are not there or too old")
        if self._generation != self._keys.generation:
            self._remembered.clear()
            self._generation = self._keys.generation
        key = sha256(token).digest()
        known = self._remembered.get(key)
        if known is not None and self._clock() < known.until:
            caller = known.caller
        else:
            caller = self._verify(token)
            self._remember(key, caller)
        self._check_binding(caller, thumbprint)
        return caller

    def _remember(self, key: bytes, caller: Caller) -> None:
        self._remembered.pop(key, None)
        while len(self._remembered) >= self._most:
            del self._remembered[next(iter(self._remembered))]
        until = caller.expires_at + self._rules.leeway_s
        self._remembered[key] = _Remembered(caller, until)

    def _check_binding(self, caller: Caller, thumbprint: str) -> None:
        if not caller.thumbprint:
            if self._rules.bound:
                raise refused("certificate_required", "tokens have to be bound to a certificate")
        elif not thumbprint:
            raise refused("certificate_required")
        elif not compare_digest(caller.thumbprint.encode(), thumbprint.encode()):
            raise refused("certificate_mismatch")

    def _verify(self, sent: bytes) -> Caller:
        if len(sent) > MOST_BYTES:
            raise refused("bad_token", f"a token has at most {MOST_BYTES} bytes")
        token = sent.decode("latin-1")
        if not _SHAPE.fullmatch(token):
            raise refused("bad_token", "a token is three parts of base64url with dots between")
        key = self._key_of(token)
        try:
            payload = PyJWS().decode(token, key.key, algorithms=[key.algorithm])
        except InvalidSignatureError:
            raise refused("bad_signature") from None
        except (PyJWTError, ValueError, TypeError):
            raise refused("bad_token") from None
        return self._caller(_read_object(cast("bytes", payload)))

    def _key_of(self, token: str) -> VerifyingKey:
        try:
            header = PyJWS().get_unverified_header(token)
        except (PyJWTError, ValueError, TypeError, RecursionError):
            raise refused("bad_token", "its header cannot be read") from None
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise refused("bad_algorithm", f"taken are {', '.join(sorted(ALGORITHMS))}")
        if "crit" in header:
            raise refused("bad_token", "its header asks for an extension")
        if str(header.get("typ", "")).lower() not in self._rules.types:
            raise refused("bad_token_type", f"taken are {', '.join(sorted(self._rules.types))}")
        kid = header.get("kid")
        if not isinstance(kid, str):
            raise refused("unknown_key", "its header names no key (`kid`)")
        key = self._keys.find(kid)
        if key is None:
            raise refused("unknown_key", "", "the keys are being fetched anew: try again")
        if algorithm != key.algorithm:
            raise refused("bad_algorithm", "its key is for another algorithm")
        return key

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        rules = self._rules
        for claim in ("iss", "aud", "exp", "iat", "sub", WORLD_CLAIM):
            if claims.get(claim) is None:
                raise refused("missing_claim", f"`{claim}` is missing")
        if claims["iss"] != rules.issuer:
            raise refused("wrong_issuer")
        audience = claims["aud"]
        if rules.audience not in (audience if isinstance(audience, list) else [audience]):
            raise refused("wrong_audience")
        self._check_times(claims)
        world = claims[WORLD_CLAIM]
        if not isinstance(world, str) or world not in _WORLDS:
            raise _bad_claim(WORLD_CLAIM, "is `client` or `person`")
        roles = _roles(claims.get("roles", []))
        if roles and world == "client":
            raise _bad_claim("roles", "is for people")
        return Caller(
            world=cast("World", world),
            name=_name(claims["sub"]),
            roles=roles,
            scopes=_scopes(claims.get("scope", "")),
            thumbprint=_thumbprint(claims.get("cnf")),
            expires_at=int(claims["exp"]),
        )

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now, leeway = self._clock(), self._rules.leeway_s
        expires, issued = _instant(claims, "exp"), _instant(claims, "iat")
        if expires + leeway <= now:
            raise refused("token_expired")
        if issued - leeway > now:
            raise refused("token_from_the_future")
        if claims.get("nbf") is not None and _instant(claims, "nbf") - leeway > now:
            raise refused("token_not_yet_valid")
        if not 0 < expires - issued <= self._rules.max_lifetime_s:
            longest = f"at most {self._rules.max_lifetime_s} seconds from `iat` to `exp`"
            raise refused("token_lives_too_long", longest)


def thumbprint_of(certificate: bytes) -> str:
    """What `x5t#S256` says of a certificate in DER (RFC 8705): base64url of its SHA-256."""
    return urlsafe_b64encode(sha256(certificate).digest()).rstrip(b"=").decode()


def _read_object(payload: bytes) -> Mapping[str, Any]:
    try:
        claims = json.loads(payload, object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        raise refused("bad_token", "its claims cannot be read") from None
    if not isinstance(claims, dict):
        raise refused("bad_token", "its claims are no object")
    return claims


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    claims = dict(pairs)
    if len(claims) != len(pairs):
        raise ValueError
    return claims


def _instant(claims: Mapping[str, Any], claim: str) -> float:
    value = claims[claim]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < _LATEST:
        raise _bad_claim(claim, "is a number of seconds since 1970")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise _bad_claim("sub", "is a name of 1 to 200 printable ASCII characters")
    if holds_card_number(value):
        raise _bad_claim("sub", "looks like a card number")
    return value


def _roles(value: object) -> frozenset[str]:
    if (
        not isinstance(value, list)
        or len(value) > _MOST_ROLES
        or not all(isinstance(role, str) and _NAME.fullmatch(role) for role in value)
    ):
        raise _bad_claim("roles", f"is a list of at most {_MOST_ROLES} names")
    return frozenset(value)


def _scopes(value: object) -> frozenset[str]:
    if not isinstance(value, str):
        raise _bad_claim("scope", "is a text of words with spaces between")
    return frozenset(value.split())


def _thumbprint(confirmation: object) -> str:
    """A binding of another kind cannot be checked here, so it is not taken for none."""
    if confirmation is None:
        return ""
    if isinstance(confirmation, dict) and set(confirmation) == {"x5t#S256"}:
        thumbprint = confirmation["x5t#S256"]
        if isinstance(thumbprint, str) and re.fullmatch(r"[A-Za-z0-9_-]{43}", thumbprint):
            return thumbprint
    raise _bad_claim("cnf", "binds to a certificate by `x5t#S256`, or is left out")


def _bad_claim(claim: str, what: str) -> ProblemError:
    return refused("bad_claim", f"`{claim}` {what}")
