"""`audit verify`: the whole ledger in its database, and every place where it is not what it was.

The offline verifier (`offline_verifier.py`) does the same for an export and shares nothing with
this file or with the writer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.store.entries import EntryError, Leaf, parse_leaf
from tidegate.store.errors import TamperedLedgerError
from tidegate.store.merkle import CompactRange, leaf_hash
from tidegate.store.notes import Checkpoint, NoteError, VerifierKey, verify_checkpoint
from tidegate.store.reading import Reader, covers
from tidegate.store.sealing import Sealed, open_sealed
from tidegate.vault.keys import KeyDestroyedError

if TYPE_CHECKING:
    from tidegate.vault.keys import KeySource


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `seq` is the first leaf concerned, None where none is named.

    kind: changed, missing, swapped, cut, rolled_back, payload, key, checkpoint, anchor.
    """

    kind: str
    seq: int | None
    said: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what was found. The ledger is sound where `findings` is empty.

    covered: how many leaves the newest valid checkpoint covers; later ones are signed by nobody.
    opened: payloads that were decrypted and compared; erased: those that a leaf says are gone.
    """

    leaves: int
    covered: int
    checkpoints: int
    payloads: int
    opened: int
    erased: int
    findings: tuple[Finding, ...]


def verify_ledger(
    reader: Reader,
    keys: Sequence[VerifierKey],
    heads: Sequence[str] = (),
    source: KeySource | None = None,
) -> Verified:
    """Look at every leaf, payload and checkpoint.

    keys: whose checkpoints count. heads: notes that were kept elsewhere (anchors). source: opens
    payloads, too; without it their ciphertext is compared with the leaf and not decrypted.
    """
    findings: list[Finding] = []
    signed = _signed(reader, keys, heads, findings)
    leaves, covered, size = _leaves(reader, signed, findings)
    counts = _payloads(reader, leaves, source, findings)
    findings.sort(key=lambda finding: (finding.seq is None, finding.seq or 0))
    return Verified(size, covered, len(signed), *counts, tuple(findings))


@dataclass(frozen=True, slots=True)
class _Signed:
    """A head that somebody signed, and where it was found."""

    what: str
    checkpoint: Checkpoint
    anchored: bool


def _signed(
    reader: Reader, keys: Sequence[VerifierKey], heads: Sequence[str], findings: list[Finding]
) -> list[_Signed]:
    signed = []
    named = [(f"checkpoint {size}", note, size) for size, note in reader.checkpoints()]
    for what, note, size in [*named, *(("the anchored head", note, None) for note in heads)]:
        try:
            checkpoint = verify_checkpoint(note, keys)
        except NoteError as error:
            kind = "anchor" if size is None else "checkpoint"
            findings.append(Finding(kind, None, f"{what}: {error}"))
            continue
        if size is not None and checkpoint.size != size:
            findings.append(Finding("checkpoint", None, f"{what} is of {checkpoint.size} leaves"))
        signed.append(_Signed(what, checkpoint, anchored=size is None))
    return sorted(signed, key=lambda one: one.checkpoint.size)


def _leaves(
    reader: Reader, signed: Sequence[_Signed], findings: list[Finding]
) -> tuple[dict[int, Leaf], int, int]:
    """Every leaf by its place, how many a valid head covers, and how many there are."""
    compact = CompactRange()
    by_place: dict[int, Leaf] = {}
    roots: dict[int, bytes] = {0: compact.root()}
    sizes = {one.checkpoint.size for one in signed}
    size, wrong = 0, set[int]()
    for place, hashed, kind, about, content in reader.leaves():
        if place != size:
            findings.append(_missing(size, place - 1))
            wrong.add(size)
        size = place + 1
        leaf = _leaf(place, hashed, content, findings)
        if leaf is None or leaf.seq != place or leaf_hash(content) != hashed:
            wrong.add(place)
        if leaf is not None:
            by_place[place] = leaf
            if (leaf.kind, leaf.about) != (kind, about):
                said = f"the columns of leaf {place} were changed"
                findings.append(Finding("changed", place, said))
        compact.append(leaf_hash(content))
        if size in sizes:
            roots[size] = compact.root()
    _check_order(by_place, findings)
    for place, leaf in by_place.items():
        if leaf.checkpoint and leaf.checkpoint not in sizes:
            said = f"leaf {place} was recorded after a checkpoint over {leaf.checkpoint} leaves"
            findings.append(Finding("checkpoint", None, f"{said}, which is missing"))
            break
    covered = _check_heads(signed, roots, size, wrong, findings)
    return by_place, covered, size


def _check_heads(
    signed: Sequence[_Signed],
    roots: dict[int, bytes],
    size: int,
    wrong: set[int],
    findings: list[Finding],
) -> int:
    """Compare signed heads with the roots; how many leaves the newest valid one covers."""
    good = 0
    for one in signed:
        wanted = one.checkpoint.size
        if wanted > size:
            findings.append(_cut(one, size))
        elif roots.get(wanted) == one.checkpoint.root:
            good = wanted
        else:
            # A leaf that was named already explains it; all heads after the first are as wrong.
            if not any(good <= place < wanted for place in wrong):
                findings.append(_between(one, good))
            return good
    return good


def _missing(first: int, last: int) -> Finding:
    which = f"leaf {first} is" if last == first else f"leaves {first} to {last} are"
    return Finding("missing", first, f"{which} missing")


def _leaf(place: int, hashed: bytes, content: bytes, findings: list[Finding]) -> Leaf | None:
    try:
        leaf = parse_leaf(content)
    except EntryError as error:
        findings.append(Finding("changed", place, f"leaf {place} cannot be read: {error}"))
        return None
    if leaf_hash(content) != hashed:
        findings.append(Finding("changed", place, f"leaf {place} was changed"))
    return leaf


def _check_order(by_place: dict[int, Leaf], findings: list[Finding]) -> None:
    for place, leaf in by_place.items():
        if leaf.seq == place:
            continue
        other = by_place.get(leaf.seq)
        if other is not None and other.seq == place:
            if place < leaf.seq:
                said = f"leaves {place} and {leaf.seq} stand in each other's place"
                findings.append(Finding("swapped", place, said))
        else:
            said = f"leaf {leaf.seq} stands in the place of leaf {place}"
            findings.append(Finding("changed", place, said))


def _between(one: _Signed, good: int) -> Finding:
    last = one.checkpoint.size - 1
    which = f"leaf {good} was" if last == good else f"one of the leaves {good} to {last} was"
    said = f"{which} changed together with its hash: {one.what} is of other leaves"
    return Finding("changed", good, said)


def _cut(one: _Signed, size: int) -> Finding:
    if one.anchored:
        said = f"the ledger was rolled back or cut: it ends with {size} leaves, {one.what} has "
        return Finding("rolled_back", size, f"{said}{one.checkpoint.size}")
    said = f"the tail was cut: it ends with {size} leaves, {one.what} was signed over "
    return Finding("cut", size, f"{said}{one.checkpoint.size}")


def _payloads(
    reader: Reader, leaves: dict[int, Leaf], source: KeySource | None, findings: list[Finding]
) -> tuple[int, int, int]:
    """How many payloads there are, how many were opened, how many are said to be erased."""
    said = [leaf for leaf in leaves.values() if leaf.kind == "erased"]
    wrapped = reader.wrapped_keys()
    count = opened = erased = 0
    seen = set()
    for seq, sealed in reader.payloads():
        count += 1
        seen.add(seq)
        leaf = leaves.get(seq)
        if leaf is None or leaf.payload is None:
            if leaf is not None:
                findings.append(
                    Finding("payload", seq, f"leaf {seq} has no payload, but one is kept")
                )
            continue
        if sealed.hash() != leaf.payload.sealed:
            findings.append(Finding("payload", seq, f"the payload of leaf {seq} was changed"))
        elif wrapped.get(sealed.key_id) is None:
            if any(covers(one, leaf, sealed.key_id) for one in said):
                erased += 1
            else:
                text = f"the data key of leaf {seq} is gone and no leaf says so"
                findings.append(Finding("key", seq, text))
        elif source is not None:
            problem = _open(source, leaf, sealed, wrapped[sealed.key_id] or b"")
            opened += problem is None
            if problem is not None:
                findings.append(Finding("payload", seq, f"leaf {seq}: {problem}"))
    for seq, leaf in leaves.items():
        if leaf.payload is not None and seq not in seen:
            if any(covers(one, leaf, None) for one in said):
                erased += 1
            else:
                text = f"the payload of leaf {seq} is gone and no leaf says so"
                findings.append(Finding("payload", seq, text))
    return count, opened, erased


def _open(source: KeySource, leaf: Leaf, sealed: Sealed, wrapped: bytes) -> str | None:
    assert leaf.payload is not None
    try:
        open_sealed(leaf.id, sealed, leaf.payload, source.unwrap(sealed.key_id, wrapped))
    except (KeyDestroyedError, TamperedLedgerError) as error:
        return str(error)
    return None
