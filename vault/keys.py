"""What the rest of Tidegate needs of keys, and nothing of where they are kept.

Standard library only: implementations are in `vault/memory.py` (development) and in the adapter
to a real vault.
"""

from __future__ import annotations

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
