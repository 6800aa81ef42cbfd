"""Development keys: what they wrap, hash and sign, and the file that they are kept in."""

from __future__ import annotations

import hmac
import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tidegate.vault.key_file import KeyFileError
from tidegate.vault.keys import KeyDestroyedError
from tidegate.vault.memory import (
    MemoryKeys,
    MemoryKeySource,
    MemoryTokenHasher,
)


def test_a_key_is_unwrapped_by_its_source_alone() -> None:
    source = MemoryKeySource(bytes(32))
    made = source.new_key()
    assert source.unwrap(made.id, made.wrapped) == made.plaintext
    assert len(made.plaintext) == 32
    other = source.new_key()
    assert other.id != made.id
    for key_id, wrapped, by in (
        (made.id, made.wrapped, MemoryKeySource(bytes(31) + b"1")),
        (other.id, made.wrapped, source),
        (made.id, made.wrapped[:-1], source),
        (made.id, b"", source),
    ):
        with pytest.raises(KeyDestroyedError):
            by.unwrap(key_id, wrapped)


def test_a_key_shows_no_secret() -> None:
    made = MemoryKeySource(bytes(32)).new_key()
    assert made.plaintext.hex() not in repr(made)
    assert "plaintext" not in repr(made)


def test_hashes_have_a_version_and_a_domain() -> None:
    old = MemoryTokenHasher({1: bytes(32)})
    both = MemoryTokenHasher({1: bytes(32), 2: bytes(range(32))})
    assert old.hash("subject", b"a") == old.hash("subject", b"a")
    assert old.hash("subject", b"a")[:2] == b"\0\1"
    by_the_book = hmac.digest(bytes(32), b"subject\0a", "sha256")
    assert old.hash("subject", b"a") == b"\0\1" + by_the_book
    assert old.hash("other", b"a")[2:] != old.hash("subject", b"a")[2:]
    assert both.hash("subject", b"a")[:2] == b"\0\2"
    assert both.hashes("subject", b"a") == (both.hash("subject", b"a"), old.hash("subject", b"a"))
    pinned = MemoryTokenHasher({1: bytes(32), 2: bytes(range(32))}, pinned=1)
    assert pinned.hash("subject", b"a") == old.hash("subject", b"a")


def test_kept_keys_survive_a_restart_in_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first = MemoryKeys.kept(path)
    made, gone = first.source.new_key(), first.source.new_key()
    first.source.destroy(gone.id)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = MemoryKeys.kept(path)
    assert again.source.unwrap(made.id, made.wrapped) == made.plaintext
    with pytest.raises(KeyDestroyedError, match="destroyed"):
        again.source.unwrap(gone.id, gone.wrapped)
    assert again.hasher.hash("a", b"b") == first.hasher.hash("a", b"b")
    assert again.signer.public_key == first.signer.public_key
    signature = again.signer.sign(b"hello")
    Ed25519PublicKey.from_public_bytes(first.signer.public_key).verify(signature, b"hello")


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    MemoryKeys.kept(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        MemoryKeys.kept(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"form": "tidegate.development-keys/1"}'])
def test_what_is_no_file_of_keys(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="not a file of development keys"):
        MemoryKeys.kept(path)


def test_a_damaged_file_is_refused_without_showing_a_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    MemoryKeys.kept(path)
    data = json.loads(path.read_text())
    data["signing"] = "zz" + data["signing"]
    path.write_text(json.dumps(data))
    with pytest.raises(KeyFileError) as refused:
        MemoryKeys.kept(path)
    assert data["signing"][2:] not in str(refused.value)
