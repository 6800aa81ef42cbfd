"""A key file holds a key for its owner alone, and nothing shows the key."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tidegate.vault.key_file import FileSigner, KeyFileError, make_key_file, read_key_file
from tidegate.vault.keys import Signer

PASSPHRASE = b"correct horse battery staple"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a place for a key."""
    return tmp_path / "ada.key.pem"


def write(path: Path, content: bytes) -> None:
    """Write a file for its owner alone."""
    path.write_bytes(content)
    path.chmod(0o600)


def pem(key: Ed25519PrivateKey | X25519PrivateKey, *, locked: bool = True) -> bytes:
    """Give a key as PKCS 8."""
    lock = serialization.BestAvailableEncryption(PASSPHRASE) if locked else (
        serialization.NoEncryption()
    )  # fmt: skip
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock
    )  # fmt: skip


def test_a_key_that_was_made_signs(path: Path) -> None:
    """A key would be written that is another one than was shown."""
    made: Signer = make_key_file(path, "ada", PASSPHRASE)
    read = read_key_file(path, PASSPHRASE).named("ada")
    assert (read.name, read.public_key) == ("ada", made.public_key)
    Ed25519PublicKey.from_public_bytes(made.public_key).verify(read.sign(b"this"), b"this")


def test_two_keys_are_two(path: Path) -> None:
    """Everybody would sign for everybody."""
    first = make_key_file(path, "ada", PASSPHRASE)
    assert first.public_key != make_key_file(path.with_name("b"), "ada", PASSPHRASE).public_key


def test_only_the_owner_reads_it_whatever_the_umask_says(path: Path) -> None:
    """A file that others read is theirs, too."""
    before = os.umask(0)
    try:
        make_key_file(path, "ada", PASSPHRASE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_file_is_encrypted(path: Path) -> None:
    """The passphrase would be for nothing."""
    make_key_file(path, "ada", PASSPHRASE)
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")


def test_nothing_is_overwritten(path: Path) -> None:
    """A key that is gone takes every later signature with it."""
    make_key_file(path, "ada", PASSPHRASE)
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="never overwritten"):
        make_key_file(path, "ada", PASSPHRASE)
    assert path.read_bytes() == before
    link = path.with_name("link")
    link.symlink_to(path.with_name("nowhere"))
    with pytest.raises(KeyFileError):
        make_key_file(link, "ada", PASSPHRASE)


def test_a_short_passphrase_is_refused(path: Path) -> None:
    """Two thousand rounds protect no short word."""
    with pytest.raises(KeyFileError, match="shorter than 16"):
        make_key_file(path, "ada", b"x" * 15)
    assert not path.exists()
    make_key_file(path, "ada", b"x" * 16)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_reach_is_not_used(path: Path, mode: int) -> None:
    """Somebody else may have read or exchanged it."""
    make_key_file(path, "ada", PASSPHRASE)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_key_file(path, PASSPHRASE)


@pytest.mark.parametrize(("content", "said"), [
    (b"", "is no key"),
    (b"nonsense", "is no key"),
    (pem(Ed25519PrivateKey.generate(), locked=False), "is not encrypted"),
    (pem(X25519PrivateKey.generate()), "holds no Ed25519 key"),
])  # fmt: skip
def test_what_is_no_locked_ed25519_key_is_refused(path: Path, content: bytes, said: str) -> None:
    """A stack trace would show what the file holds."""
    write(path, content)
    with pytest.raises(KeyFileError, match=said):
        read_key_file(path, PASSPHRASE)


def test_another_passphrase_opens_nothing(path: Path) -> None:
    """Any word would do."""
    make_key_file(path, "ada", PASSPHRASE)
    with pytest.raises(KeyFileError, match="passphrase is another one"):
        read_key_file(path, b"another horse battery staple")


def test_the_key_has_no_face(path: Path) -> None:
    """A log of an error would hold the key."""
    signer = make_key_file(path, "ada", PASSPHRASE)
    assert repr(signer) == "FileSigner(name='ada')"
    assert isinstance(signer, FileSigner)
