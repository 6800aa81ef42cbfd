"""Reading the ledger: by number, by decision, by transaction, and all of it for replay.

What is read is checked on the way: the leaf against its hash, the payload against its leaf. Any
number of readers may be open beside the writer, in any process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from tidegate.store.batches import lookup_hashes
from tidegate.store.database import parse_url, prepare
from tidegate.store.entries import Leaf, parse_leaf
from tidegate.store.errors import ErasedError, TamperedLedgerError, UnknownEntryError
from tidegate.store.heads import check_leaf
from tidegate.store.schema import CheckpointRow, DataKeyRow, LeafRow, PayloadRow
from tidegate.store.sealing import Sealed, open_sealed
from tidegate.vault.keys import KeyDestroyedError

if TYPE_CHECKING:
    from tidegate.store.storage import LeafTuple
    from tidegate.vault.keys import KeySource, TokenHasher

_PART = 1_000


@dataclass(frozen=True, slots=True)
class Read:
    """One entry as it was read.

    payload: its plaintext, or None where it has none or where `erased` says why it is gone.
    """

    leaf: Leaf
    content: bytes
    payload: bytes | None
    erased: ErasedError | None = None


class Reader:
    """Reads one ledger. Thread-safe; `close` it, or use it in `with`.

    source: where data keys are unwrapped; without one no payload is read.
    """

    def __init__(
        self, url: str, source: KeySource | None = None, *, keys_kept: int = 1_000
    ) -> None:
        place = parse_url(url)
        prepare(place)
        self._engine = place.engine()
        self._source = source
        self._limit = keys_kept
        self._plain: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = Lock()

    def close(self) -> None:
        """Give up all connections, and all keys in memory."""
        self._engine.dispose()
        self._plain.clear()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def size(self) -> int:
        """How many leaves there are."""
        with Session(self._engine) as session:
            last = session.exec(select(LeafRow.seq).order_by(col(LeafRow.seq).desc()).limit(1))
            return _first(last, -1) + 1

    def by_seq(self, seq: int) -> Read:
        """The entry with this number; `UnknownEntryError` where there is none."""
        with Session(self._engine) as session:
            row = session.get(LeafRow, seq)
            if row is None:
                raise UnknownEntryError(f"the ledger has no leaf {seq}")
            return self._read(session, [row])[0]

    def about(self, decision_id: str) -> list[Read]:
        """The decision with this id and all that was recorded about it, in order."""
        with Session(self._engine) as session:
            found = select(LeafRow).where(LeafRow.about == decision_id).order_by(col(LeafRow.seq))
            return self._read(session, session.exec(found).all())

    def by_transaction(self, hasher: TokenHasher, transaction: str) -> list[Read]:
        """All entries with this transaction, in order; erased payloads are still found."""
        hashes = lookup_hashes(hasher, transaction)
        with Session(self._engine) as session:
            found = (
                select(LeafRow)
                .join(PayloadRow, col(PayloadRow.seq) == col(LeafRow.seq))
                .where(col(PayloadRow.lookup).in_(hashes))
                .order_by(col(LeafRow.seq))
            )
            return self._read(session, session.exec(found).all())

    def entries(
        self, start: int = 0, end: int | None = None, kinds: Sequence[str] = ()
    ) -> Iterator[Read]:
        """The entries from `start` up to `end` (not included), in order, a thousand at a time."""
        end = self.size() if end is None else end
        while start < end:
            stop = min(start + _PART, end)
            with Session(self._engine) as session:
                found = select(LeafRow).where(LeafRow.seq >= start, LeafRow.seq < stop)
                if kinds:
                    found = found.where(col(LeafRow.kind).in_(kinds))
                part = self._read(session, session.exec(found.order_by(col(LeafRow.seq))).all())
            yield from part
            start = stop

    def checkpoints(self) -> list[tuple[int, str]]:
        """Size and note of every checkpoint, in order."""
        with Session(self._engine) as session:
            rows = session.exec(select(CheckpointRow).order_by(col(CheckpointRow.size))).all()
            return [(row.size, row.note) for row in rows]

    def leaves(self) -> Iterator[LeafTuple]:
        """Every row of leaves as it is stored, unchecked: for verification and export."""
        statement = select_columns(
            col(LeafRow.seq),
            col(LeafRow.hash),
            col(LeafRow.kind),
            col(LeafRow.about),
            col(LeafRow.leaf),
        ).order_by(col(LeafRow.seq))
        with self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=_PART).execute(statement):
                yield row[0], bytes(row[1]), row[2], row[3], bytes(row[4])

    def payloads(self) -> Iterator[tuple[int, Sealed]]:
        """Every payload as it is stored, unchecked, by number."""
        statement = select_columns(
            col(PayloadRow.seq),
            col(PayloadRow.key_id),
            col(PayloadRow.lookup),
            col(PayloadRow.nonce),
            col(PayloadRow.ciphertext),
        ).order_by(col(PayloadRow.seq))
        with self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=_PART).execute(statement):
                yield row[0], _sealed(row[1], row[2], row[3], row[4])

    def wrapped_keys(self) -> dict[bytes, bytes | None]:
        """The wrapped form of every data key, None where it was destroyed."""
        with Session(self._engine) as session:
            rows = session.exec(select(DataKeyRow.id, DataKeyRow.wrapped)).all()
            return {bytes(key): wrapped and bytes(wrapped) for key, wrapped in rows}

    # --- payloads

    def _read(self, session: Session, rows: Sequence[LeafRow]) -> list[Read]:
        leaves = []
        for row in rows:
            check_leaf((row.seq, bytes(row.hash), row.kind, row.about, bytes(row.leaf)))
            leaves.append((parse_leaf(bytes(row.leaf)), bytes(row.leaf)))
        if self._source is None:
            return [Read(leaf, content, None) for leaf, content in leaves]
        stored = self._stored(session, [leaf.seq for leaf, _ in leaves if leaf.payload])
        return [self._opened(session, leaf, content, stored) for leaf, content in leaves]

    def _stored(
        self, session: Session, seqs: Sequence[int]
    ) -> dict[int, tuple[Sealed, DataKeyRow | None]]:
        if not seqs:
            return {}
        found = (
            select(PayloadRow, DataKeyRow)
            .join(DataKeyRow, col(DataKeyRow.id) == col(PayloadRow.key_id), isouter=True)
            .where(col(PayloadRow.seq).in_(seqs))
        )
        stored: dict[int, tuple[Sealed, DataKeyRow | None]] = {}
        for row, key in session.exec(found):
            sealed = _sealed(row.key_id, row.lookup, row.nonce, row.ciphertext)
            stored[row.seq] = (sealed, key)
        return stored

    def _opened(
        self,
        session: Session,
        leaf: Leaf,
        content: bytes,
        stored: dict[int, tuple[Sealed, DataKeyRow | None]],
    ) -> Read:
        if leaf.payload is None:
            return Read(leaf, content, None)
        sealed, key = stored.get(leaf.seq, (None, None))
        if sealed is None:
            return Read(leaf, content, None, _expired(session, leaf))
        if sealed.hash() != leaf.payload.sealed:
            raise TamperedLedgerError(f"the payload of leaf {leaf.seq} was changed")
        if key is None:
            raise TamperedLedgerError(f"the data key of leaf {leaf.seq} is missing")
        if key.wrapped is None:
            return Read(leaf, content, None, _erased(session, leaf, key))
        try:
            plain = self._unwrapped(bytes(key.id), bytes(key.wrapped))
        except KeyDestroyedError as error:
            return Read(leaf, content, None, ErasedError(None, str(error)))
        return Read(leaf, content, open_sealed(leaf.id, sealed, leaf.payload, plain))

    def _unwrapped(self, key_id: bytes, wrapped: bytes) -> bytes:
        assert self._source is not None
        with self._lock:
            known = self._plain.get(key_id)
            if known is not None:
                self._plain.move_to_end(key_id)
                return known
        plain = self._source.unwrap(key_id, wrapped)
        with self._lock:
            self._plain[key_id] = plain
            while len(self._plain) > self._limit:
                self._plain.popitem(last=False)
        return plain


def _first(rows: Any, default: int) -> int:
    found = rows.first()
    return default if found is None else int(found)


def _sealed(key_id: bytes, lookup: bytes | None, nonce: bytes, ciphertext: bytes) -> Sealed:
    return Sealed(
        bytes(key_id), None if lookup is None else bytes(lookup), bytes(nonce), bytes(ciphertext)
    )


def _erased(session: Session, leaf: Leaf, key: DataKeyRow) -> ErasedError:
    """What the ledger says of a destroyed key; `TamperedLedgerError` where it says nothing."""
    row = None if key.erased_seq is None else session.get(LeafRow, key.erased_seq)
    said = None if row is None else parse_leaf(bytes(row.leaf))
    if said is not None and said.kind == "erased" and covers(said, leaf, bytes(key.id)):
        return ErasedError(said.seq, str(said.facts["cause"]))
    raise TamperedLedgerError(f"the data key of leaf {leaf.seq} is gone and no leaf says so")


def _expired(session: Session, leaf: Leaf) -> ErasedError:
    """Which retention took a payload; `TamperedLedgerError` where none did."""
    rows = session.exec(
        select(LeafRow).where(LeafRow.about == "retention", LeafRow.kind == "erased")
    )
    for row in rows:
        said = parse_leaf(bytes(row.leaf))
        if covers(said, leaf, None):
            return ErasedError(said.seq, "retention")
    raise TamperedLedgerError(f"the payload of leaf {leaf.seq} is gone and no leaf says so")


def covers(said: Leaf, leaf: Leaf, key_id: bytes | None) -> bool:
    """Whether an `erased` leaf speaks of this one; `key_id` is known while its payload is there."""
    if said.facts.get("cause") == "retention":
        return leaf.month < str(said.facts.get("before", ""))
    return key_id is not None and key_id.hex() in said.facts.get("keys", ())
