"""The tree is RFC 6962's, and its proofs prove nothing else."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.store.merkle import (
    EMPTY_ROOT,
    CompactRange,
    ProofError,
    Tree,
    leaf_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from tidegate.store.notes import Checkpoint, parse_checkpoint, parse_key, verify_checkpoint

TESSERA = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


def defined_root(hashes: list[bytes]) -> bytes:
    """The root as RFC 6962, 2.1 defines it."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha256(b"\1" + defined_root(hashes[:split]) + defined_root(hashes[split:])).digest()


HASHES = [leaf_hash(str(number).encode()) for number in range(70)]


def test_every_way_to_a_root_is_the_definition() -> None:
    compact = CompactRange()
    tree = Tree(HASHES)
    for size in range(len(HASHES) + 1):
        root = defined_root(HASHES[:size])
        assert compact.root() == tree_root(HASHES[:size]) == tree.root(size) == root
        if size < len(HASHES):
            compact.append(HASHES[size])
    assert defined_root([]) == EMPTY_ROOT


def test_every_proof_proves_and_no_other_leaf_size_or_root() -> None:
    tree = Tree(HASHES[:33])
    for size in range(1, 34):
        root = tree.root(size)
        for index in range(size):
            proof = tree.inclusion_proof(index, size)
            verify_inclusion(HASHES[index], index, size, proof, root)
            for wrong in (
                (HASHES[40], index, size, proof, root),
                (HASHES[index], (index + 1) % (size + 1), size, proof, root),
                (HASHES[index], index, size, [*proof, HASHES[0]], root),
                (HASHES[index], index, size, proof[:-1] if proof else [HASHES[0]], root),
                (HASHES[index], index, size, proof, HASHES[41]),
            ):
                with pytest.raises(ProofError):
                    verify_inclusion(*wrong)
    for new in range(34):
        for old in range(new + 1):
            proof = tree.consistency_proof(old, new)
            verify_consistency(old, new, tree.root(old), tree.root(new), proof)
            wrong_proof = [*proof, HASHES[0]]
            with pytest.raises(ProofError):
                verify_consistency(old, new, tree.root(old), tree.root(new), wrong_proof)
            with pytest.raises(ProofError):
                verify_consistency(old, new, HASHES[41], tree.root(new), proof)
            if old and old != new:
                with pytest.raises(ProofError):
                    verify_consistency(old, new, tree.root(old), HASHES[41], proof)
                with pytest.raises(ProofError):
                    verify_consistency(old, new, tree.root(old), tree.root(new), proof[:-1])


@given(st.integers(1, 70), st.data())
def test_a_proof_with_one_changed_bit_proves_nothing(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    tree = Tree(HASHES[:size])
    proof = tree.inclusion_proof(index)
    if not proof:
        return
    which, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    changed = (int.from_bytes(proof[which]) ^ 1 << bit).to_bytes(32)
    with pytest.raises(ProofError):
        verify_inclusion(
            HASHES[index],
            index,
            size,
            [*proof[:which], changed, *proof[which + 1 :]],
            tree.root(),
        )


def test_what_is_not_there_has_no_proof() -> None:
    tree = Tree(HASHES[:5])
    for call in (
        lambda: tree.inclusion_proof(5),
        lambda: tree.inclusion_proof(0, 6),
        lambda: tree.inclusion_proof(-1),
        lambda: tree.consistency_proof(3, 2),
        lambda: tree.consistency_proof(3, 6),
        lambda: tree.root(6),
    ):
        with pytest.raises(ProofError):
            call()


def tessera(shared: Path) -> tuple[list[bytes], list[Checkpoint]]:
    """The leaves of Tessera's published test log, and its checkpoints with valid signatures."""
    log = shared / "data" / "tlog" / "log"
    bundle = (log / "tile" / "entries" / "000.p" / "15").read_bytes()
    leaves = []
    while bundle:
        length = int.from_bytes(bundle[:2])
        leaves.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    key = parse_key(TESSERA)
    notes = sorted(log.glob("checkpoint*"))
    heads = [verify_checkpoint(path.read_text(encoding="utf-8"), [key]) for path in notes]
    return leaves, sorted(heads, key=lambda head: head.size)


def test_the_published_log_has_our_roots_and_proofs(shared: Path) -> None:
    """All checkpoints with signatures, all roots, and every proof between them."""
    leaves, heads = tessera(shared)
    hashes = [leaf_hash(leaf) for leaf in leaves]
    tiles = shared / "data" / "tlog" / "log" / "tile" / "0" / "000.p" / "15"
    assert b"".join(hashes) == tiles.read_bytes()
    tree = Tree(hashes)
    assert {head.size for head in heads} == set(range(16))
    assert len(heads) == 17  # `checkpoint` is the last one once more
    proofs = 0
    for new in heads:
        assert tree.root(new.size) == new.root
        for index in range(new.size):
            proof = tree.inclusion_proof(index, new.size)
            verify_inclusion(hashes[index], index, new.size, proof, new.root)
            proofs += 1
        for old in heads:
            if old.size <= new.size:
                proof = tree.consistency_proof(old.size, new.size)
                verify_consistency(old.size, new.size, old.root, new.root, proof)
    assert proofs == 120 + 15


def test_a_published_checkpoint_is_written_back_as_it_was(shared: Path) -> None:
    note = (shared / "data" / "tlog" / "log" / "checkpoint.7").read_text(encoding="utf-8")
    text = note.partition("\n\n")[0] + "\n"
    assert parse_checkpoint(text).text() == text
