"""A signing key in a file: for development, and for people until a vault holds their keys.

The file is PKCS 8 in PEM, readable by its owner alone and encrypted with a passphrase (PBES2:
PBKDF2 with HMAC-SHA-256, AES-256-CBC). OpenSSL derives the key in 2,048 rounds only, so the
passphrase has to carry the weight: it is long.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MIN_PASSPHRASE = 16
MAX_KEY_FILE_BYTES = 2**14
OTHERS = 0o077


class KeyFileError(ValueError):
    """A key file cannot be made or used; the message says why and holds nothing of the key."""


@dataclass(frozen=True, slots=True)
class FileSigner:
    """A `vault.keys.Signer` whose key came from a file."""

    name: str
    _key: Ed25519PrivateKey = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """The 32 raw bytes of the public key."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature of `message`."""
        return self._key.sign(message)

    def named(self, name: str) -> FileSigner:
        """The same key under the name by which its public half is listed."""
        return FileSigner(name, self._key)


def make_key_file(path: Path, name: str, passphrase: bytes) -> FileSigner:
    """Write a new key to `path`, mode 0600; KeyFileError where anything is there already."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if len(passphrase) < MIN_PASSPHRASE:
        raise KeyFileError(f"the passphrase is shorter than {MIN_PASSPHRASE} characters")
    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise KeyFileError(f"`{path}` is there already, and a key is never overwritten") from None
    with os.fdopen(handle, "wb") as stream:
        os.fchmod(stream.fileno(), 0o600)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    return FileSigner(name, key)


def read_key_file(path: Path, passphrase: bytes) -> FileSigner:
    """The key in `path`, without a name yet; KeyFileError where it cannot be used."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    with path.open("rb") as stream:
        if os.fstat(stream.fileno()).st_mode & OTHERS:
            raise KeyFileError(f"`{path}` can be read or written by others: `chmod 600` it")
        content = stream.read(MAX_KEY_FILE_BYTES)
    try:
        key = serialization.load_pem_private_key(content, passphrase)
    except TypeError:
        raise KeyFileError(f"`{path}` is not encrypted: make a key with a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(f"`{path}` is no key, or the passphrase is another one") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"`{path}` holds no Ed25519 key")
    return FileSigner("", key)
