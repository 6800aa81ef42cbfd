"""Webhooks as Standard Webhooks has them: where they may go, how they are signed and verified.

What is signed is `id.timestamp.body`. `v1` is HMAC-SHA-256 with a secret that both sides know,
`v1a` Ed25519 with a key that only the sender has.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tidegate.vault.keys import Signer

PREFIX = "whsec_"
TOLERANCE_SECONDS = 300
_SECRET_BYTES = range(24, 65)


class WebhookError(ValueError):
    """A target or a secret cannot be used, or a message is not what was signed."""


class SignsWebhooks(Protocol):
    """Signs messages to one consumer."""

    def signature(self, signed: bytes) -> str:
        """The value of `webhook-signature`."""
        ...


class SharedSecret:
    """HMAC by secrets that are never shown; several while one takes the place of another."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Sequence[bytes]) -> None:
        if not secrets:
            raise WebhookError("a webhook is signed with a secret")
        self._secrets = tuple(secrets)

    def __repr__(self) -> str:
        return f"SharedSecret({len(self._secrets)})"

    def signature(self, signed: bytes) -> str:
        """One signature a secret."""
        return " ".join(
            "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
            for secret in self._secrets
        )


class OwnKey:
    """Ed25519 by a key that never leaves its signer."""

    __slots__ = ("_signer",)

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def signature(self, signed: bytes) -> str:
        """The one signature."""
        return "v1a," + base64.b64encode(self._signer.sign(signed)).decode()


def read_secret(path: Path) -> bytes:
    """The secret in a file that only its owner may read: `whsec_` and 24 to 64 bytes in base64."""
    try:
        if path.stat().st_mode & 0o077:
            raise WebhookError(f"`{path}` can be read by others: chmod 600 {path}")
        return parse_secret(path.read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise WebhookError(f"`{path}` cannot be read: {type(error).__name__}") from None


def parse_secret(text: str) -> bytes:
    """The bytes of a secret as it is written; `WebhookError` never shows it."""
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.startswith(PREFIX) or len(secret) not in _SECRET_BYTES:
        raise WebhookError(f"a secret is `{PREFIX}` and 24 to 64 bytes in base64")
    return secret


def headers_of(
    message_id: str, body: bytes, now_seconds: int, signs: SignsWebhooks
) -> dict[str, str]:
    """The headers of a message that is sent now."""
    signed = f"{message_id}.{now_seconds}.".encode() + body
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(now_seconds),
        "webhook-signature": signs.signature(signed),
    }


def verify(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes], now_seconds: int
) -> str:
    """The id of a message that was signed with one of these secrets in the last 5 minutes.

    For consumers, who then drop what they have seen with this id. `WebhookError` for all else.
    """
    message_id, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not sent.isascii() or not sent.isdigit() or len(sent) > 12:
        raise WebhookError("the message has no id or no time")
    if abs(now_seconds - int(sent)) > TOLERANCE_SECONDS:
        raise WebhookError("the message is too old, or of the future")
    wanted = SharedSecret(secrets).signature(f"{message_id}.{sent}.".encode() + body).split(" ")
    given = headers.get("webhook-signature", "").split(" ")
    if not any(hmac.compare_digest(a.encode(), b.encode()) for a in wanted for b in given):
        raise WebhookError("no signature matches")
    return message_id


def wrong_target(url: str, *, development: bool) -> str:
    """What is wrong with a target; empty where nothing is.

    Targets come from settings alone. Without TLS a message goes to this machine only, and that in
    development.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "this is no URL"
    if not url.isascii() or any(c.isspace() for c in url) or not parts.hostname:
        return "this is no URL"
    if parts.username is not None or parts.password is not None:
        return "a URL holds no user and no password"
    if parts.fragment:
        return "a URL of a webhook has no fragment"
    if port == 0:
        return "there is no port 0"
    if parts.scheme == "https":
        return ""
    if parts.scheme == "http" and development and _is_loopback(parts.hostname):
        return ""
    return "a webhook goes to https, or in development to http on this machine"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
