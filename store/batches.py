"""How a batch of entries becomes rows: idempotency, encryption, leaves, hashes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from tidegate.store.entries import Entry, Request, encode_facts, encode_leaf
from tidegate.store.errors import LedgerError, LedgerUnavailableError, RequestConflictError
from tidegate.store.merkle import leaf_hash
from tidegate.store.sealing import RANDOM_BYTES, seal
from tidegate.store.storage import LeafTuple, Rows

if TYPE_CHECKING:
    from tidegate.store.heads import Head, Heads
    from tidegate.store.key_ring import KeyRing
    from tidegate.store.storage import Storage
    from tidegate.vault.keys import TokenHasher


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry that is durable. `repeated`: it was so before, by the same request.

    `head` is that of the tree after its batch, or after a later one where it is repeated.
    """

    seq: int
    id: str
    leaf: bytes
    hash: bytes
    head: Head
    repeated: bool = False


@dataclass(slots=True)  # frozen ones cost three times as much, once a record
class Prepared:
    """An entry that was checked, with its facts as JSON and its tokens hashed."""

    entry: Entry
    facts: str
    subject: bytes | None
    lookup: bytes | None
    request: tuple[bytes, bytes] | None


@dataclass(slots=True)  # frozen ones cost three times as much, once a record
class Draft:
    """Which leaf answers an entry, once the batch is durable."""

    entry: Entry
    row: LeafTuple
    repeated: bool = False


Drafts: TypeAlias = list[Draft | LedgerError]


def prepare_entry(hasher: TokenHasher, entry: Entry) -> Prepared:
    """Check an entry and hash its tokens; `EntryError` where it cannot be recorded."""
    request = entry.request
    return Prepared(
        entry,
        encode_facts(entry),
        None if entry.subject is None else hasher.hash("subject", entry.subject.encode()),
        None if entry.transaction is None else lookup_hash(hasher, entry.transaction),
        None if request is None else _request_hashes(hasher, request),
    )


def lookup_hash(hasher: TokenHasher, transaction: str) -> bytes:
    """What a transaction is found by: 18 bytes of its keyed hash are enough to look it up."""
    return hasher.hash("transaction", transaction.encode())[:18]


def lookup_hashes(hasher: TokenHasher, transaction: str) -> list[bytes]:
    """The same by every version of the hasher's key."""
    return [full[:18] for full in hasher.hashes("transaction", transaction.encode())]


def _request_hashes(hasher: TokenHasher, request: Request) -> tuple[bytes, bytes]:
    key = f"{len(request.client)}:{request.client}{request.key}"
    return hasher.hash("request key", key.encode()), hasher.hash("request", request.hash)


def fill(
    batch: Sequence[Prepared], rows: Rows, heads: Heads, ring: KeyRing, storage: Storage
) -> Drafts:
    """Put the rows of a batch into `rows`, and say which leaf answers each entry.

    Runs inside the transaction. An entry whose request is known, or stands earlier in this batch,
    gets no row; nor does one for which there is no key.
    """
    keys = [item.request[0] for item in batch if item.request is not None]
    known = storage.requests(keys) if keys else {}
    ring.load((item.subject, item.entry.month) for item in batch if item.subject is not None)
    random = os.urandom(RANDOM_BYTES * len(batch))
    first = seq = heads.head.size
    checkpoint = heads.signed
    drafts: Drafts = []
    for index, item in enumerate(batch):
        entry, request = item.entry, item.request
        if request is not None:
            prior = known.get(request[0])
            if prior is not None:
                same = prior[0] == request[1]
                drafts.append(
                    Draft(entry, _stored(prior[1], first, rows, storage), repeated=True)
                    if same
                    else RequestConflictError(prior[1])
                )
                continue
        payload = None
        if entry.payload is not None:
            try:
                key_id, cipher = ring.key(item.subject, entry.month)
            except LedgerUnavailableError as error:
                drafts.append(error)
                continue
            own = random[index * RANDOM_BYTES : (index + 1) * RANDOM_BYTES]
            sealed, payload = seal(
                entry.id, entry.payload, key_id, cipher, lookup=item.lookup, random=own
            )
            rows.add_payload(seq, sealed)
        if request is not None:
            known[request[0]] = (request[1], seq)
            rows.requests.append((*request, seq))
        leaf = encode_leaf(entry, item.facts, seq, checkpoint, payload)
        row = (seq, leaf_hash(leaf), entry.kind, entry.about or entry.id, leaf)
        rows.leaves.append(row)
        drafts.append(Draft(entry, row))
        seq += 1
    return drafts


def _stored(seq: int, first: int, rows: Rows, storage: Storage) -> LeafTuple:
    """A leaf of this batch, or of an earlier one."""
    return rows.leaves[seq - first] if seq >= first else storage.leaf(seq)


def leaf_only(entry: Entry, heads: Heads) -> LeafTuple:
    """The row of an entry without a payload and without a request."""
    seq = heads.head.size
    leaf = encode_leaf(entry, encode_facts(entry), seq, heads.signed, None)
    return seq, leaf_hash(leaf), entry.kind, entry.about or entry.id, leaf


def with_keys(entry: Entry, key_ids: Sequence[bytes]) -> Entry:
    """An `erased` entry that names the keys that were destroyed."""
    return replace(entry, facts={**entry.facts, "keys": tuple(key.hex() for key in key_ids)})
