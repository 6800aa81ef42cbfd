"""Signed notes and checkpoints as C2SP has them (signed-note, tlog-checkpoint, tlog-proof).

A note is a text that ends in a newline, an empty line, and a line for each signature. A checkpoint
is a note of at least three lines: who keeps the log, how many leaves it has, the root over them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from tidegate.vault.keys import Signer

_ED25519 = b"\x01"
_DASH = "\N{EM DASH} "
_NAME = re.compile(r"[^\s+]+")
_PROOF = "c2sp.org/tlog-proof@v1"
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteError(ValueError):
    """A text is no note, no checkpoint or no key, or nobody who is trusted signed it."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Whose Ed25519 signatures are trusted: a name and the 32 raw bytes of the public key."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.public_key) != 32:
            raise NoteError("a key has a name without blanks or `+` and 32 bytes")

    @property
    def id(self) -> bytes:
        """Four bytes that lead from a signature to its key."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[:4]

    def text(self) -> str:
        """The key as verifiers read it: `name+id+base64`."""
        return f"{self.name}+{self.id.hex()}+{_to_base64(_ED25519 + self.public_key)}"


def parse_key(text: str) -> VerifierKey:
    """The key that `name+id+base64` stands for; `NoteError` for anything else."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3:
        raise NoteError("a verifier key reads `name+id+base64`")
    material = _from_base64(parts[2])
    if material[:1] != _ED25519:
        raise NoteError("only Ed25519 keys are known")
    key = VerifierKey(parts[0], material[1:])
    if key.id.hex() != parts[1]:
        raise NoteError("the id of the key is not that of its name and bytes")
    return key


def key_of(signer: Signer) -> VerifierKey:
    """The key that a signer's signatures verify with."""
    return VerifierKey(signer.name, signer.public_key)


def sign_note(text: str, signer: Signer) -> str:
    """The note of `text`, which ends in a newline."""
    if not text.endswith("\n") or "\n\n" in text:
        raise NoteError("a note's text ends in a newline and has no empty line")
    signature = signer.sign(text.encode())
    return f"{text}\n{_DASH}{signer.name} {_to_base64(key_of(signer).id + signature)}\n"


def verify_note(note: str, keys: Sequence[VerifierKey]) -> str:
    """The text of a note that one of `keys` signed; a wrong signature of a known key is refused."""
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise NoteError("the note has no signatures")
    text += "\n"
    if any(ord(character) < 0x20 and character != "\n" for character in note):
        raise NoteError("the note holds control characters")
    signed = False
    for line in signatures[:-1].split("\n"):
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not name:
            raise NoteError("a line below the note is no signature")
        raw = _from_base64(encoded)
        for key in keys:
            if key.name == name and key.id == raw[:4]:
                _verify(key, raw[4:], text)
                signed = True
    if not signed:
        raise NoteError("no key that is trusted signed the note")
    return text


def _verify(key: VerifierKey, signature: bytes, text: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, text.encode())
    except InvalidSignature:
        raise NoteError(f"the signature of {key.name} is wrong") from None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: its origin, the number of leaves and the root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{_to_base64(self.root)}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that a note's text holds; extension lines are allowed and not kept."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise NoteError("a checkpoint has three lines")
    if not _SIZE.fullmatch(lines[1]):
        raise NoteError("a checkpoint's second line is the number of leaves")
    root = _from_base64(lines[2])
    if len(root) != 32:
        raise NoteError("a checkpoint's third line is a hash of 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root)


def sign_checkpoint(size: int, root: bytes, signer: Signer) -> str:
    """The signed checkpoint of a log whose origin is the signer's name."""
    return sign_note(Checkpoint(signer.name, size, root).text(), signer)


def verify_checkpoint(note: str, keys: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint in a note signed by the key that is named like its origin."""
    text = verify_note(note, keys)
    checkpoint = parse_checkpoint(text)
    verify_note(note, [key for key in keys if key.name == checkpoint.origin])
    return checkpoint


def inclusion_note(index: int, proof: Sequence[bytes], checkpoint: str) -> str:
    """A `.tlog-proof`: the leaf's index, the proof, and the checkpoint that it leads to."""
    hashes = "".join(f"{_to_base64(hashed)}\n" for hashed in proof)
    return f"{_PROOF}\nindex {index}\n{hashes}\n{checkpoint}"


def parse_inclusion_note(note: str) -> tuple[int, list[bytes], str]:
    """Index, proof and checkpoint of a `.tlog-proof`."""
    head, separator, checkpoint = note.partition("\n\n")
    lines = head.split("\n")
    if not separator or lines[0] != _PROOF:
        raise NoteError(f"a proof begins with `{_PROOF}`")
    lines = lines[2:] if len(lines) > 1 and lines[1].startswith("extra ") else lines[1:]
    word, _, index = lines[0].partition(" ") if lines else ("", "", "")
    if word != "index" or not _SIZE.fullmatch(index):
        raise NoteError("a proof says `index` and a number")
    return int(index), [_from_base64(line) for line in lines[1:]], checkpoint


def _to_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _from_base64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("a line is not base64") from None
    if _to_base64(raw) != text:
        raise NoteError("a line is not base64 in its one form")
    return raw
