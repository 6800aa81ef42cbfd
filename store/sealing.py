"""Payloads under encryption: AES-256-GCM, a salt inside, and what the leaf says of it.

Associated data ties a ciphertext to the entry's id, the form and the data key: it opens nowhere
else.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tidegate.store.entries import PayloadFacts
from tidegate.store.errors import TamperedLedgerError

SEAL_SCHEMA = b"tidegate.payload/1"
SALT_BYTES = 32
NONCE_BYTES = 12
RANDOM_BYTES = SALT_BYTES + NONCE_BYTES
"""How much randomness one payload takes."""


@dataclass(slots=True)  # frozen ones cost three times as much, once a record
class Sealed:
    """A payload as it is stored. `lookup` is the keyed hash of the transaction, or None."""

    key_id: bytes
    lookup: bytes | None
    nonce: bytes
    ciphertext: bytes

    def hash(self) -> str:
        """SHA-256 (hex) of everything stored, each part with its length where that can differ."""
        lookup = self.lookup or b""
        head = bytes((len(self.key_id), len(lookup), len(self.nonce)))
        hashed = sha256(head + self.key_id + lookup + self.nonce)
        hashed.update(self.ciphertext)
        return hashed.hexdigest()


def seal(
    entry_id: str,
    plaintext: bytes,
    key_id: bytes,
    cipher: AESGCM,
    *,
    lookup: bytes | None,
    random: bytes,
) -> tuple[Sealed, PayloadFacts]:
    """`plaintext` under encryption, and what the leaf says of it. `random` is used only here."""
    salt, nonce = random[:SALT_BYTES], random[SALT_BYTES:]
    ciphertext = cipher.encrypt(nonce, salt + plaintext, _associated(entry_id, key_id))
    sealed = Sealed(key_id, lookup, nonce, ciphertext)
    commitment = hmac.digest(salt, plaintext, "sha256").hex()
    return sealed, PayloadFacts(commitment, sealed.hash())


def open_sealed(entry_id: str, sealed: Sealed, facts: PayloadFacts, key: bytes) -> bytes:
    """The plaintext; `TamperedLedgerError` where it is not what the leaf committed to."""
    if sealed.hash() != facts.sealed:
        raise TamperedLedgerError("the payload is not the one that was sealed")
    try:
        opened = AESGCM(key).decrypt(
            sealed.nonce, sealed.ciphertext, _associated(entry_id, sealed.key_id)
        )
    except InvalidTag:
        raise TamperedLedgerError("the payload does not open under its key") from None
    salt, plaintext = opened[:SALT_BYTES], opened[SALT_BYTES:]
    if not hmac.compare_digest(hmac.digest(salt, plaintext, "sha256").hex(), facts.commitment):
        raise TamperedLedgerError("the payload is not the one that the leaf commits to")
    return plaintext


def _associated(entry_id: str, key_id: bytes) -> bytes:
    return b"%b\0%b\0%b" % (SEAL_SCHEMA, entry_id.encode(), key_id)
