"""The head of the tree: rebuilt when the ledger is opened, extended, signed, put to anchors."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.store.anchors import AnchorConflictError, HeadAnchor
from tidegate.store.entries import EntryError, parse_leaf
from tidegate.store.errors import LedgerUnavailableError, TamperedLedgerError
from tidegate.store.merkle import CompactRange, leaf_hash
from tidegate.store.notes import (
    NoteError,
    VerifierKey,
    key_of,
    sign_checkpoint,
    verify_checkpoint,
)

if TYPE_CHECKING:
    from tidegate.store.storage import LeafTuple, Storage
    from tidegate.vault.keys import Signer


@dataclass(frozen=True, slots=True)
class Limits:
    """How the writer works.

    A head is signed after `checkpoint_leaves` leaves, and `checkpoint_seconds` after a leaf that
    none covers. At most `waiting` entries wait; more are refused.
    """

    batch: int = 512
    waiting: int = 50_000
    checkpoint_leaves: int = 10_000
    checkpoint_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Head:
    """How many leaves there are, and the root over them."""

    size: int
    root: bytes


@dataclass(slots=True)
class Anchored:
    """An anchor, what it holds, and why it could not be given more."""

    anchor: HeadAnchor
    note: str | None
    why: str = ""


class Heads:
    """The tree's head in memory, and which heads were signed and anchored.

    `signed` is the size of the newest checkpoint, `last_hash` the hash of the last leaf.
    """

    __slots__ = ("_compact", "_due_from", "_signer", "anchored", "head", "last_hash", "note")

    def __init__(self, signer: Signer, note: str | None, anchored: list[Anchored]) -> None:
        self._compact = CompactRange()
        self._signer = signer
        self._due_from: float | None = None
        self.anchored = anchored
        self.note = note
        self.last_hash: bytes | None = None
        self.head = Head(0, self._compact.root())

    @property
    def signed(self) -> int:
        """The size of the newest checkpoint, 0 where there is none."""
        return int(self.note.split("\n", 2)[1]) if self.note is not None else 0

    def extend(self, hashes: Sequence[bytes]) -> None:
        """Take in the hashes of leaves that are durable."""
        if not hashes:
            return
        append = self._compact.append
        for hashed in hashes:
            append(hashed)
        self.last_hash = hashes[-1]
        self.head = Head(self._compact.size, self._compact.root())
        if self._due_from is None:
            self._due_from = time.monotonic()

    def seconds_to_due(self, limits: Limits) -> float | None:
        """When a head is to be signed at the latest; None where all is signed."""
        if self._due_from is None:
            return None
        return max(0.0, self._due_from + limits.checkpoint_seconds - time.monotonic())

    def is_due(self, limits: Limits) -> bool:
        """Whether a head is to be signed now."""
        if self._due_from is None:
            return False
        return (
            self.head.size - self.signed >= limits.checkpoint_leaves
            or self.seconds_to_due(limits) == 0.0
        )

    def sign(self, storage: Storage) -> str:
        """Sign the head, keep the note, put it to every anchor, and give it.

        An anchor that cannot be reached is told in `why` and tried again with the next head; one
        that holds another head than was put there is an `AnchorConflictError`. Whatever the signer
        raises is a `LedgerUnavailableError`, and the head is signed later.
        """
        # Tried again after the usual time where this fails.
        self._due_from = time.monotonic()
        if self.note is None or self.signed != self.head.size:
            try:
                note = sign_checkpoint(self.head.size, self.head.root, self._signer)
            except Exception as error:
                raise LedgerUnavailableError(f"the head was not signed: {error}") from error
            try:
                storage.begin()
                storage.insert_checkpoint(self.head.size, note)
                storage.commit()
            except BaseException:
                storage.rollback()
                raise
            self.note = note
        for anchored in self.anchored:
            self._put(anchored)
        if all(anchored.note == self.note for anchored in self.anchored):
            self._due_from = None
        assert self.note is not None
        return self.note

    def _put(self, anchored: Anchored) -> None:
        if anchored.note == self.note or self.note is None:
            return
        try:
            anchored.anchor.put(self.note, anchored.note)
        except AnchorConflictError:
            raise
        except Exception as error:  # noqa: BLE001 - an anchor is a foreign system
            anchored.why = f"{type(error).__name__}: {error}"
        else:
            anchored.note, anchored.why = self.note, ""


def read_heads(
    storage: Storage,
    signer: Signer,
    anchors: Sequence[HeadAnchor],
    trusted: Sequence[VerifierKey] = (),
    *,
    adopt: bool = False,
) -> Heads:
    """The head of the ledger in `storage`, rebuilt from its leaf hashes.

    `TamperedLedgerError` where numbers have a gap, where the newest checkpoint or an anchored head
    is not the head of so many first leaves, where a leaf after the newest checkpoint has another
    hash than is stored, or where an anchor is empty beside a ledger with checkpoints; `adopt` lets
    the last one pass, for a new anchor. An empty anchor gets the head of now; what it raises then
    is not caught. trusted: keys of earlier signers.
    """
    keys = [key_of(signer), *trusted]
    newest = storage.last_checkpoint()
    note = newest[1] if newest is not None else None
    anchored = [Anchored(anchor, anchor.read()) for anchor in anchors]
    wanted: dict[int, list[tuple[str, bytes]]] = {}
    if newest is not None:
        _want(wanted, "the newest checkpoint", newest[1], keys, size=newest[0])
    for anchor in anchored:
        if anchor.note is not None:
            _want(wanted, "the anchored head", anchor.note, keys)
        elif newest is not None and not adopt:
            raise TamperedLedgerError(
                "the anchor is empty beside a ledger that was anchored or signed before: "
                "if the anchor is new, run `tidegate audit checkpoint --sign --new-anchor`"
            )
    heads = Heads(signer, note, anchored)
    _rebuild(heads, storage, wanted)
    for hashed in storage.leaves_from(heads.signed):
        check_leaf(hashed)
    # An anchor holds a head before the first leaf that it could miss is written.
    for anchor in anchored:
        if anchor.note is None:
            first = sign_checkpoint(heads.head.size, heads.head.root, signer)
            anchor.anchor.put(first, None)
            anchor.note = first
    if heads.head.size == heads.signed and all(a.note == note for a in anchored):
        heads._due_from = None
    return heads


def check_leaf(row: LeafTuple) -> None:
    """`TamperedLedgerError` unless a stored leaf is what its hash and its columns say."""
    seq, hashed, kind, about, content = row
    if leaf_hash(content) != hashed:
        raise TamperedLedgerError(f"leaf {seq} was changed")
    try:
        leaf = parse_leaf(content)
    except EntryError as error:
        raise TamperedLedgerError(f"leaf {seq} cannot be read: {error}") from None
    if leaf.seq != seq:
        raise TamperedLedgerError(f"leaf {leaf.seq} stands in the place of leaf {seq}")
    if (leaf.kind, leaf.about) != (kind, about):
        raise TamperedLedgerError(f"the columns of leaf {seq} were changed")


def _want(
    wanted: dict[int, list[tuple[str, bytes]]],
    what: str,
    note: str,
    keys: Sequence[VerifierKey],
    size: int | None = None,
) -> None:
    try:
        checkpoint = verify_checkpoint(note, keys)
    except NoteError as error:
        raise TamperedLedgerError(f"{what} is not signed by this ledger's key: {error}") from None
    if size is not None and checkpoint.size != size:
        raise TamperedLedgerError(f"{what} is of {checkpoint.size} leaves and kept as of {size}")
    wanted.setdefault(checkpoint.size, []).append((what, checkpoint.root))


def _rebuild(heads: Heads, storage: Storage, wanted: dict[int, list[tuple[str, bytes]]]) -> None:
    compact, part = heads._compact, []
    heads_wanted = dict(wanted)
    _compare(compact, heads_wanted.pop(0, ()))
    for seq, hashed in storage.hashes():
        if seq != compact.size:
            missing = compact.size
            raise TamperedLedgerError(f"leaf {missing} is missing: {seq} follows {missing - 1}")
        compact.append(hashed)
        if compact.size in heads_wanted:
            _compare(compact, heads_wanted.pop(compact.size))
        part = [hashed]
    if heads_wanted:
        size = max(heads_wanted)
        what = heads_wanted[size][0][0]
        raise TamperedLedgerError(
            f"the ledger was cut or rolled back: it has {compact.size} leaves, {what} has {size}"
        )
    heads.last_hash = part[0] if part else None
    heads.head = Head(compact.size, compact.root())
    heads._due_from = time.monotonic()


def _compare(compact: CompactRange, heads: Sequence[tuple[str, bytes]]) -> None:
    for what, root in heads:
        if compact.root() != root:
            raise TamperedLedgerError(
                f"the first {compact.size} leaves are not those of {what}: one of them was changed"
            )
