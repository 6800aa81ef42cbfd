"""Where the conditions hold that rules are made of, kept as packed masks beside a snapshot.

One file a condition, called by the hash of its meaning: the rows surely true and, where they are
others, the rows possibly true. Each slice of the history begins at a whole byte.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tidegate.dsl.lists import Lists
from tidegate.engine.column_batch import Batch, Bits
from tidegate.engine.column_chunk import Binding, Chunk, Truth, TruthNode
from tidegate.simulation.stored_rows import StoredRows
from tidegate.simulation.times import Int64s

BUILD_BYTES = 256 << 20
"""How much memory masks may take while they are made; as many passes are made as that needs."""

Atoms = Mapping[TruthNode, str]


class Predicates:
    """The masks of one event."""

    def __init__(self, folder: Path, stored: StoredRows) -> None:
        self.folder = folder
        self.stored = stored
        self.bytes = stored.starts[-1]
        self._masks: dict[str, Truth] = {}

    def masks(self, meaning: str) -> Truth:
        """Where a condition is surely and possibly true, over all slices; it has to be kept."""
        if meaning not in self._masks:
            self._masks[meaning] = self._read(meaning)
        return self._masks[meaning]

    def holds(self, meaning: str) -> bool:
        """Whether the masks of a condition are kept, whole."""
        path = self._path(meaning)
        return path.is_file() and path.stat().st_size in (self.bytes, 2 * self.bytes)

    def add(self, atoms: Atoms, lists: Lists) -> int:
        """Work out and keep those of these conditions that are not kept yet; returns how many."""
        new = {m: node for node, m in atoms.items() if not self.holds(m)}
        self.folder.mkdir(parents=True, exist_ok=True)
        size = max(BUILD_BYTES // (2 * self.bytes + 1), 1)
        meanings = list(new)
        for start in range(0, len(meanings), size):
            self._add({new[m]: m for m in meanings[start : start + size]}, lists)
        return len(new)

    def keep_only(self, meanings: frozenset[str]) -> None:
        """Delete all others."""
        for path in self.folder.glob("*"):
            if path.name not in meanings:
                path.unlink(missing_ok=True)

    def _add(self, atoms: Atoms, lists: Lists) -> None:
        found = np.zeros((len(atoms), 2, self.bytes), np.uint8)
        for run, start in enumerate(self.stored.starts[:-1]):
            rows = self.stored.slice(run)
            batch = Batch(rows.count, rows.columns, lists, rows.statuses)
            for chunk in Binding(batch).chunks():
                span = slice(start + chunk.bytes.start, start + chunk.bytes.stop)
                for masks, node in zip(found, atoms, strict=True):
                    masks[0, span], masks[1, span] = chunk.truth(node)
        for (sure, possible), meaning in zip(found, atoms.values(), strict=True):
            self._write(meaning, sure, possible)

    def _write(self, meaning: str, sure: Bits, possible: Bits) -> None:
        path = self._path(meaning)
        partial = path.with_suffix(f".{os.getpid()}")
        with partial.open("wb") as file:
            file.write(sure.data)
            if not np.array_equal(sure, possible):
                file.write(possible.data)
        partial.replace(path)

    def _read(self, meaning: str) -> Truth:
        path = self._path(meaning)
        if not self.bytes:
            nothing = np.empty(0, np.uint8)
            return nothing, nothing
        both = np.memmap(path, np.uint8, "r").view(np.ndarray)
        sure = both[: self.bytes]
        return (sure, sure) if len(both) == self.bytes else (sure, both[self.bytes :])

    def _path(self, meaning: str) -> Path:
        return self.folder / meaning


class SliceTruths:
    """What is kept about the rows of one slice."""

    def __init__(self, predicates: Predicates, atoms: Atoms, run: int) -> None:
        self.predicates = predicates
        self.atoms = atoms
        self.start = predicates.stored.starts[run]

    def truth(self, node: TruthNode, chunk: Chunk) -> Truth | None:
        """See `Known`."""
        meaning = self.atoms.get(node)
        if meaning is None:
            return None
        span = slice(self.start + chunk.bytes.start, self.start + chunk.bytes.stop)
        sure, possible = self.predicates.masks(meaning)
        mine = sure[span]
        return (mine, mine) if possible is sure else (mine, possible[span])


Places = Sequence[tuple[int, Int64s]]
"""Some rows of some slices."""


class PickedTruths:
    """What is kept about picked rows, one after another."""

    def __init__(self, predicates: Predicates, atoms: Atoms, places: Places) -> None:
        self.predicates = predicates
        self.atoms = atoms
        starts = predicates.stored.starts
        self._bytes = np.concatenate([starts[run] + (rows >> 3) for run, rows in places])
        self._bits = np.concatenate([rows & 7 for _, rows in places]).astype(np.uint8)

    def truth(self, node: TruthNode, chunk: Chunk) -> Truth | None:
        """See `Known`."""
        meaning = self.atoms.get(node)
        if meaning is None:
            return None
        sure, possible = self.predicates.masks(meaning)
        mine = self._pick(sure, chunk)
        return (mine, mine) if possible is sure else (mine, self._pick(possible, chunk))

    def _pick(self, mask: Bits, chunk: Chunk) -> Bits:
        flags = (mask[self._bytes[chunk.span]] << self._bits[chunk.span]) & 0x80
        return np.packbits(flags)


def places_in(bits: Sequence[Bits], rows: Sequence[int]) -> Iterator[tuple[int, Int64s]]:
    """The rows that packed masks hold, slice by slice."""
    for run, (mask, count) in enumerate(zip(bits, rows, strict=True)):
        found = np.flatnonzero(np.unpackbits(mask, count=count))
        if len(found):
            yield run, found
