"""Tokens as the service keeps them: keyed hashes, the same for the same token in every field."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

from tidegate.engine.event import HashToken

if TYPE_CHECKING:
    from tidegate.vault.keys import TokenHasher

_DOMAIN = "token"


def token_hasher(hasher: TokenHasher) -> HashToken:
    """What the door does with a token. Events that share a card share its pseudonym.

    The key's version stands in front, then 32 bytes in base64url.
    """

    def hashed(_field: str, token: str) -> str:
        full = hasher.hash(_DOMAIN, token.encode())
        version = int.from_bytes(full[:2])
        return f"h{version}_{urlsafe_b64encode(full[2:]).decode().rstrip('=')}"

    return hashed
