"""Signed notes and checkpoints: what verifies, and that nothing else does."""

from __future__ import annotations

import base64

import pytest

from tidegate.store import offline_verifier
from tidegate.store.merkle import Tree, leaf_hash
from tidegate.store.notes import (
    NoteError,
    inclusion_note,
    key_of,
    parse_checkpoint,
    parse_inclusion_note,
    parse_key,
    sign_checkpoint,
    sign_note,
    verify_checkpoint,
    verify_note,
)
from tidegate.vault.memory import seeded_signer

SIGNER = seeded_signer("example.com/ledger", bytes(range(32)))
OTHER = seeded_signer("example.com/other", bytes(range(1, 33)))
KEY = key_of(SIGNER)
ROOT = bytes(range(32))
RFC_8032 = """
d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a::e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c:72:92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025:af82:6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
"""
"""Public key, message, signature of test vectors 1 to 3 of RFC 8032, 7.1."""


def test_a_checkpoint_verifies_here_and_with_the_offline_verifier() -> None:
    note = sign_checkpoint(7, ROOT, SIGNER)
    assert verify_checkpoint(note, [KEY]).root == ROOT
    assert offline_verifier.read_checkpoint(note, offline_verifier.read_key(KEY.text())) == (
        7,
        ROOT,
    )


def test_a_key_is_read_as_it_is_written() -> None:
    assert parse_key(KEY.text()) == KEY
    name, key_id, raw = KEY.text().split("+", 2)
    for wrong in (
        f"{name}+{key_id}",
        f"{name}+00000000+{raw}",
        f"{name}x+{key_id}+{raw}",
        f"{name}+{key_id}+{raw[:-4]}",
        f"{name}+{key_id}+!!",
    ):
        with pytest.raises(NoteError):
            parse_key(wrong)
        with pytest.raises(offline_verifier.WrongError):
            offline_verifier.read_key(wrong)


def test_every_changed_byte_of_a_checkpoint_is_refused() -> None:
    note = sign_checkpoint(123, ROOT, SIGNER).encode()
    offline = offline_verifier.read_key(KEY.text())
    for place in range(len(note)):
        for bit in (1, 4, 0x20):
            changed = bytearray(note)
            changed[place] ^= bit
            text = changed.decode(errors="surrogateescape")
            with pytest.raises((NoteError, UnicodeEncodeError)):
                verify_checkpoint(text, [KEY])
            with pytest.raises((offline_verifier.WrongError, UnicodeEncodeError)):
                offline_verifier.read_checkpoint(text, offline)


def test_a_note_of_somebody_else_is_refused() -> None:
    with pytest.raises(NoteError, match="no key that is trusted"):
        verify_note(sign_note("hello\n", OTHER), [KEY])


def test_another_origin_needs_its_own_signature() -> None:
    """A trusted witness must not be able to speak as the log."""
    foreign = sign_note(f"{SIGNER.name}\n7\n{base64.b64encode(ROOT).decode()}\n", OTHER)
    with pytest.raises(NoteError):
        verify_checkpoint(foreign, [KEY, key_of(OTHER)])


def test_a_second_signature_does_no_harm() -> None:
    note = sign_checkpoint(7, ROOT, SIGNER)
    cosigned = note + sign_note(note.partition("\n\n")[0] + "\n", OTHER).partition("\n\n")[2]
    assert verify_checkpoint(cosigned, [KEY]).size == 7
    place = len(cosigned) - 40
    wrong = cosigned[:place] + ("A" if cosigned[place] != "A" else "B") + cosigned[place + 1 :]
    with pytest.raises(NoteError):
        verify_checkpoint(wrong, [KEY, key_of(OTHER)])


@pytest.mark.parametrize(
    "text", ["", "a\n1\n", "a\n01\nAAAA\n", "a\n-1\nAAAA\n", "a\n1\nAAAA\n", "a\n1\n\nb\n"]
)
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(NoteError):
        parse_checkpoint(text)


def test_a_text_that_cannot_be_a_note_is_not_signed() -> None:
    for text in ("no newline", "two\n\nparts\n"):
        with pytest.raises(NoteError):
            sign_note(text, SIGNER)


def test_a_proof_is_read_as_it_is_written_and_verifies_offline() -> None:
    leaves = [str(number).encode() for number in range(11)]
    tree = Tree([leaf_hash(leaf) for leaf in leaves])
    note = sign_checkpoint(11, tree.root(), SIGNER)
    key = offline_verifier.read_key(KEY.text())
    for index, leaf in enumerate(leaves):
        proof = tree.inclusion_proof(index)
        text = inclusion_note(index, proof, note)
        assert parse_inclusion_note(text) == (index, proof, note)
        assert offline_verifier.verify_proof(text, leaf, key) == (index, 11)
        with pytest.raises(offline_verifier.WrongError):
            offline_verifier.verify_proof(text, leaf + b"!", key)
        with pytest.raises(offline_verifier.WrongError):
            offline_verifier.verify_proof(
                text.replace(f"index {index}", f"index {(index + 1) % 11}"), leaf, key
            )
    for wrong in ("", "c2sp.org/tlog-proof@v1\n\n", "x\nindex 1\n\n"):
        with pytest.raises(NoteError):
            parse_inclusion_note(wrong)


def test_plain_ed25519_is_that_of_the_rfc() -> None:
    """What its vectors are verifies; a changed one, and a second form of one, does not."""
    vectors = [line.split(":") for line in RFC_8032.split()]
    for public, message, signature in vectors:
        key, said, signed = (bytes.fromhex(part) for part in (public, message, signature))
        assert offline_verifier.ed25519_verifies(key, said, signed)
        assert not offline_verifier.ed25519_verifies(key, said + b"!", signed)
        assert not offline_verifier.ed25519_verifies(key, said, signed[:62] + b"\1\1")
        order = offline_verifier.L
        again = (int.from_bytes(signed[32:], "little") + order).to_bytes(32, "little")
        assert not offline_verifier.ed25519_verifies(key, said, signed[:32] + again)
    assert not offline_verifier.ed25519_verifies(b"\xff" * 32, b"", bytes(64))
    assert not offline_verifier.ed25519_verifies(bytes(31), b"", bytes(64))
