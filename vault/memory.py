"""Keys for development: in memory, and where wanted in one file, so that a restart finds them.

Not for production. Whoever reads the file, or the memory of the process, has every key; a real
vault gives data keys by the piece and keeps the key that wraps them. The file has mode 0600 and is
replaced whole: nobody sees half of one.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import tempfile
from pathlib import Path
from threading import Lock
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tidegate.vault.key_file import FileSigner, KeyFileError
from tidegate.vault.keys import DataKey, KeyDestroyedError, KeySource, Signer, TokenHasher

_FORM = "tidegate.development-keys/1"


class MemoryKeys:
    """All keys that a service needs, made once: a source of data keys, a hasher and a signer.

    `MemoryKeys()` lives as long as the process, `MemoryKeys.kept(path)` as long as its file.
    """

    __slots__ = ("hasher", "signer", "source")

    source: KeySource
    hasher: TokenHasher
    signer: Signer

    def __init__(self, name: str = "tidegate.local/ledger") -> None:
        self.source = MemoryKeySource(secrets.token_bytes(32))
        self.hasher = MemoryTokenHasher({1: secrets.token_bytes(32)})
        self.signer = seeded_signer(name, secrets.token_bytes(32))

    @classmethod
    def kept(cls, path: Path, name: str = "tidegate.local/ledger") -> MemoryKeys:
        """The keys in the file `path`, which is made where it is absent.

        `KeyFileError` where others may read the file, or where it is no file of keys.
        """
        data = _read(path) if path.exists() else _new(path, name)
        try:
            keys = cls.__new__(cls)
            destroyed = {bytes.fromhex(key) for key in data["destroyed"]}
            keys.source = MemoryKeySource(bytes.fromhex(data["wrapping"]), destroyed, path)
            keys.hasher = MemoryTokenHasher(
                {int(v): bytes.fromhex(key) for v, key in data["tokens"].items()}
            )
            keys.signer = seeded_signer(str(data["name"]), bytes.fromhex(data["signing"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise KeyFileError(f"`{path}` is not a file of development keys") from None
        return keys


class MemoryKeySource:
    """Wraps data keys by AES-256-GCM under one key of its own."""

    __slots__ = ("_cipher", "_destroyed", "_lock", "_path")

    def __init__(
        self, wrapping: bytes, destroyed: set[bytes] | None = None, path: Path | None = None
    ) -> None:
        if len(wrapping) != 32:
            raise ValueError("the wrapping key has 32 bytes")
        self._cipher = AESGCM(wrapping)
        self._destroyed = destroyed or set()
        self._path = path
        self._lock = Lock()

    def new_key(self) -> DataKey:
        """A fresh data key with a random id of 16 bytes."""
        random = os.urandom(60)
        key_id, plaintext, nonce = random[:16], random[16:48], random[48:]
        return DataKey(key_id, plaintext, nonce + self._cipher.encrypt(nonce, plaintext, key_id))

    def unwrap(self, key_id: bytes, wrapped: bytes) -> bytes:
        """The plaintext of a key; `KeyDestroyedError` where it was destroyed or changed."""
        if key_id in self._destroyed:
            raise KeyDestroyedError(f"key {key_id.hex()} was destroyed")
        try:
            return self._cipher.decrypt(wrapped[:12], wrapped[12:], key_id)
        except (InvalidTag, ValueError):
            raise KeyDestroyedError(f"key {key_id.hex()} cannot be unwrapped") from None

    def destroy(self, key_id: bytes) -> None:
        """Refuse this key from now on, also out of a backup that still has its wrapped form."""
        with self._lock:
            self._destroyed.add(key_id)
            if self._path is not None:
                data = _read(self._path)
                data["destroyed"] = sorted({*data["destroyed"], key_id.hex()})
                _write(self._path, data)


class MemoryTokenHasher:
    """HMAC-SHA-256 by keys with versions; the highest is pinned unless another one is named."""

    __slots__ = ("_keys",)

    def __init__(self, keys: dict[int, bytes], pinned: int | None = None) -> None:
        if not keys or any(len(key) != 32 for key in keys.values()):
            raise ValueError("a hasher has keys of 32 bytes")
        first = max(keys) if pinned is None else pinned
        order = sorted(keys, key=lambda version: (version != first, -version))
        self._keys = [_VersionedKey(version, keys[version]) for version in order]

    def hash(self, domain: str, token: bytes) -> bytes:
        """The hash of `token` by the pinned version."""
        return self._keys[0].hash(b"%b\0%b" % (domain.encode(), token))

    def hashes(self, domain: str, token: bytes) -> tuple[bytes, ...]:
        """The hashes by every version, the pinned one first."""
        message = b"%b\0%b" % (domain.encode(), token)
        return tuple(key.hash(message) for key in self._keys)


class _VersionedKey:
    """HMAC-SHA-256 (RFC 2104) whose first blocks are hashed once: faster on short tokens."""

    __slots__ = ("_inner", "_outer", "_prefix")

    def __init__(self, version: int, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
        self._prefix = version.to_bytes(2)

    def hash(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return self._prefix + outer.digest()


def seeded_signer(name: str, seed: bytes) -> FileSigner:
    """A signer whose Ed25519 key is made of a seed of 32 bytes."""
    return FileSigner(name, Ed25519PrivateKey.from_private_bytes(seed))


def _new(path: Path, name: str) -> dict[str, Any]:
    data: dict[str, Any] = {
        "form": _FORM,
        "name": name,
        "wrapping": secrets.token_hex(32),
        "tokens": {"1": secrets.token_hex(32)},
        "signing": secrets.token_hex(32),
        "destroyed": [],
    }
    _write(path, data)
    return data


def _read(path: Path) -> dict[str, Any]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeyFileError(f"`{path}` can be read by others (mode {mode:o}): chmod 600 {path}")
    try:
        data = json.loads(path.read_bytes())
    except ValueError:
        data = None
    if not isinstance(data, dict) or data.get("form") != _FORM:
        raise KeyFileError(f"`{path}` is not a file of development keys")
    return data


def _write(path: Path, data: dict[str, Any]) -> None:
    """Replace the file whole; `mkstemp` makes it with mode 0600."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(data, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# The protocols are kept: a slip in a signature is found here and not where it is used.
_: tuple[type[KeySource], type[TokenHasher], type[Signer]] = (
    MemoryKeySource,
    MemoryTokenHasher,
    FileSigner,
)
