"""The tree over the ledger's leaves: RFC 6962 (and 9162), SHA-256.

A hash is 32 bytes. Leaves and inner nodes are hashed with different first bytes, so that neither
can stand in for the other. The tree of no leaves has the hash of nothing as its root.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()


class ProofError(ValueError):
    """A proof does not prove what it is held against."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\1" + left + right).digest()


class CompactRange:
    """The roots of the perfect trees that the first `size` leaves fall into, largest first.

    All that is needed to append: some 1.2 microseconds a leaf, and as many hashes as the size has
    ones in binary.
    """

    __slots__ = ("_roots", "size")

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    def append(self, hashed: bytes) -> None:
        """Take in the hash of the next leaf."""
        roots, size = self._roots, self.size
        while size & 1:
            hashed = sha256(b"\1" + roots.pop() + hashed).digest()
            size >>= 1
        roots.append(hashed)
        self.size += 1

    def root(self) -> bytes:
        """The root of all leaves so far."""
        if not self._roots:
            return EMPTY_ROOT
        root = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            root = node_hash(left, root)
        return root

    def copy(self) -> CompactRange:
        """The same range, to be extended by itself."""
        other = CompactRange()
        other.size, other._roots = self.size, self._roots.copy()
        return other


def tree_root(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    compact = CompactRange()
    for hashed in hashes:
        compact.append(hashed)
    return compact.root()


class Tree:
    """All levels of the tree over leaf hashes, for proofs. 64 bytes a leaf.

    Level `n` holds the roots of the perfect trees of `2**n` leaves.
    """

    __slots__ = ("_levels", "size")

    def __init__(self, hashes: Sequence[bytes]) -> None:
        self.size = len(hashes)
        self._levels = [list(hashes)]
        while len(below := self._levels[-1]) > 1:
            pairs = zip(below[::2], below[1::2], strict=False)
            self._levels.append([node_hash(left, right) for left, right in pairs])

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` leaves, of all by default."""
        size = self.size if size is None else size
        if not 0 <= size <= self.size:
            raise ProofError(f"the tree has {self.size} leaves, not {size}")
        return self._over(0, size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """That leaf `index` (from 0) is in the tree of the first `size` leaves."""
        size = self.size if size is None else size
        if not 0 <= index < size <= self.size:
            raise ProofError(f"no leaf {index} in a tree of {size} of {self.size} leaves")
        return self._path(index, 0, size)

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        """That the first `new` leaves begin with the first `old`."""
        new = self.size if new is None else new
        if not 0 <= old <= new <= self.size:
            raise ProofError(f"no tree of {old} leaves within {new} of {self.size}")
        return [] if old in (0, new) else self._subproof(old, 0, new, whole=True)

    def _over(self, start: int, end: int) -> bytes:
        """The root over leaves `start` to `end`; a subtree of the tree begins at `start`."""
        width = end - start
        if width & (width - 1) == 0:
            level = width.bit_length() - 1
            return self._levels[level][start >> level]
        middle = start + _split(width)
        return node_hash(self._over(start, middle), self._over(middle, end))

    def _path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        middle = start + _split(end - start)
        if index < middle:
            return [*self._path(index, start, middle), self._over(middle, end)]
        return [*self._path(index, middle, end), self._over(start, middle)]

    def _subproof(self, old: int, start: int, end: int, *, whole: bool) -> list[bytes]:
        if old == end:
            return [] if whole else [self._over(start, end)]
        middle = start + _split(end - start)
        if old <= middle:
            right = self._over(middle, end)
            return [*self._subproof(old, start, middle, whole=whole), right]
        left = self._over(start, middle)
        return [*self._subproof(old, middle, end, whole=False), left]


def verify_inclusion(
    hashed: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """`ProofError` unless `proof` leads from the leaf hash at `index` to `root` (RFC 9162)."""
    if not 0 <= index < size:
        raise ProofError(f"no leaf {index} in a tree of {size}")
    node, last, result = index, size - 1, hashed
    for sibling in proof:
        if last == 0:
            raise ProofError("the proof is too long")
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or result != root:
        raise ProofError("the proof does not lead to the root")


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """`ProofError` unless the tree of `new` leaves begins with that of `old` (RFC 9162)."""
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {new} leaves does not begin with {old}")
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        if proof or old_root != expected:
            raise ProofError("the roots differ")
        return
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise ProofError("the proof is too short")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("the proof is too long")
        if node & 1 or node == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or before != old_root or after != new_root:
        raise ProofError("the proof does not lead from one root to the other")


def _split(width: int) -> int:
    """The largest power of two below `width`."""
    return 1 << (width - 1).bit_length() - 1
