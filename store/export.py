"""A ledger as files that anybody can verify without us (`offline_verifier.py`).

    leaves.jsonl       the leaves, byte for byte, one a line, by number
    hashes.txt         the hash of each leaf as it is stored, in hex
    payloads.jsonl     the encrypted payloads, by number
    checkpoints.jsonl  the signed heads, each note as one JSON string, by size

Nothing in it is in the clear that is not so in the ledger's leaves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.store.reading import Reader


@dataclass(frozen=True, slots=True)
class Exported:
    """How much was written."""

    leaves: int
    payloads: int
    checkpoints: int


def export_ledger(reader: Reader, folder: Path) -> Exported:
    """Write the ledger into `folder`, which must not exist; `FileExistsError` where it does.

    A writer may go on meanwhile: the export ends with the last leaf that was there, and leaves
    after its last checkpoint are covered by no signature.
    """
    folder.mkdir(parents=True)
    leaves = 0
    with (folder / "leaves.jsonl").open("wb") as out, (folder / "hashes.txt").open("wb") as hashes:
        for _, hashed, _, _, leaf in reader.leaves():
            out.write(leaf + b"\n")
            hashes.write(hashed.hex().encode() + b"\n")
            leaves += 1
    payloads = _write(
        folder / "payloads.jsonl",
        (
            _json(
                {
                    "ciphertext": sealed.ciphertext.hex(),
                    "key": sealed.key_id.hex(),
                    "lookup": None if sealed.lookup is None else sealed.lookup.hex(),
                    "nonce": sealed.nonce.hex(),
                    "seq": seq,
                }
            )
            for seq, sealed in reader.payloads()
            if seq < leaves
        ),
    )
    # Read last: every checkpoint that a leaf names is there, and later ones are left out.
    notes = [note for size, note in reader.checkpoints() if size <= leaves]
    _write(folder / "checkpoints.jsonl", (_json(note) for note in notes))
    return Exported(leaves, payloads, len(notes))


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _write(path: Path, lines: Iterable[bytes]) -> int:
    count = 0
    with path.open("wb") as out:
        for line in lines:
            out.write(line + b"\n")
            count += 1
        out.flush()
        os.fsync(out.fileno())
    return count
