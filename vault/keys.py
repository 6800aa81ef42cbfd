"""What the rest of Tidegate needs of keys, and nothing of where they are kept.

Standard library only: implementations are in `vault/memory.py` (development) and in the adapter
to a real vault.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class Signer(Protocol):
    """Signs with one private key that never leaves it. Ed25519 (RFC 8032)."""

    @property
    def name(self) -> str:
        """Who signs, as public keys are listed by name."""
        ...

    @property
    def public_key(self) -> bytes:
        """The 32 raw bytes of the public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature of `message`."""
        ...


class KeyDestroyedError(Exception):
    """A data key cannot be unwrapped any more: destroyed, or its wrapped form was changed."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key for payloads: `plaintext` (32 bytes) stays in memory, `wrapped` is what is stored.

    `id` is random and says nothing of what the key is for.
    """

    id: bytes
    plaintext: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)


class KeySource(Protocol):
    """Makes data keys and wraps them under a key that never leaves it."""

    def new_key(self) -> DataKey:
        """A fresh data key with a random id of 16 bytes."""
        ...

    def unwrap(self, key_id: bytes, wrapped: bytes) -> bytes:
        """The 32 bytes of a key's plaintext; `KeyDestroyedError` where there is none any more."""
        ...

    def destroy(self, key_id: bytes) -> None:
        """Refuse this key from now on, where it can; whoever calls this drops the wrapped form."""
        ...


class TokenHasher(Protocol):
    """Makes keyed hashes of tokens, by a key whose version is pinned and part of the hash."""

    def hash(self, domain: str, token: bytes) -> bytes:
        """The hash of `token` by the pinned version: 2 bytes of version, 32 of HMAC-SHA-256.

        Equal tokens of different domains have unrelated hashes.
        """
        ...

    def hashes(self, domain: str, token: bytes) -> tuple[bytes, ...]:
        """The hashes by every version that may be in use, the pinned one first."""
        ...
