"""The ledger: one writer, group commit, and an answer only when the record is durable.

Entries wait in a queue while the batch before them is synced; then all that wait become the next
batch. One transaction looks up idempotency keys, encrypts, hashes, inserts and commits. Nothing of
a batch is acknowledged unless its commit returned. After an error the writer compares what the
database holds with what it knows: either nothing of the failed batch is there, or all of it;
anything else stops it. It never repairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeAlias, TypeVar

from tidegate.store.anchors import AnchorConflictError
from tidegate.store.batches import (
    Draft,
    Drafts,
    Prepared,
    Recorded,
    fill,
    leaf_only,
    prepare_entry,
    with_keys,
)
from tidegate.store.database import Place, parse_url, prepare
from tidegate.store.entries import Entry, parse_leaf
from tidegate.store.errors import (
    LedgerBusyError,
    LedgerError,
    LedgerStoppedError,
    LedgerUnavailableError,
    TamperedLedgerError,
)
from tidegate.store.heads import Head, Heads, Limits, read_heads
from tidegate.store.key_ring import KeyRing
from tidegate.store.storage import LeafTuple, Rows, Storage

if TYPE_CHECKING:
    from tidegate.store.anchors import HeadAnchor
    from tidegate.store.notes import VerifierKey
    from tidegate.vault.keys import KeySource, Signer, TokenHasher

State: TypeAlias = Literal["open", "suspect", "stopped", "closed"]
Outcome: TypeAlias = Recorded | LedgerError
T = TypeVar("T")


class LedgerKeys(Protocol):
    """The three keys that a ledger needs: to encrypt, to hash tokens, to sign heads."""

    @property
    def source(self) -> KeySource:
        """Data keys."""
        ...

    @property
    def hasher(self) -> TokenHasher:
        """Keyed hashes of subjects, transactions and requests."""
        ...

    @property
    def signer(self) -> Signer:
        """Who signs the heads; its name is the log's origin."""
        ...


class Receiver(Protocol):
    """Gets the outcomes of a batch, all of one receiver at once, on the writer's thread."""

    def settle(self, outcomes: Sequence[tuple[object, Outcome]]) -> None:
        """Hand each outcome to whom it is for, by what came with its entry."""
        ...


@dataclass(slots=True)
class _Waiting:
    prepared: Prepared
    whom: object
    receiver: Receiver


class _Task(Generic[T]):
    """Something to do on the writer's thread, between batches."""

    __slots__ = ("future", "work")

    def __init__(self, work: Callable[[], T]) -> None:
        self.work = work
        self.future: Future[T] = Future()

    def run(self) -> None:
        try:
            self.future.set_result(self.work())
        except LedgerError as error:
            self.future.set_exception(error)


class _Threads:
    """Settles the futures that threads wait for."""

    def settle(self, outcomes: Sequence[tuple[object, Outcome]]) -> None:
        for future, outcome in outcomes:
            assert isinstance(future, Future)
            if not future.set_running_or_notify_cancel():
                continue
            if isinstance(outcome, Recorded):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)


_THREADS = _Threads()


def open_ledger(
    url: str,
    keys: LedgerKeys,
    anchors: Sequence[HeadAnchor] = (),
    *,
    trusted: Sequence[VerifierKey] = (),
    limits: Limits | None = None,
    adopt: bool = False,
) -> Ledger:
    """Open the ledger at `url` for writing; an embedded one is made where it is absent.

    trusted: keys of earlier signers. adopt: take an empty anchor beside a ledger with checkpoints.
    Raises `SchemaError`, `SecondWriterError`, or `TamperedLedgerError` where what is there is not
    what the newest checkpoint and the anchors say.
    """
    place = parse_url(url)
    prepare(place)
    storage = storage_of(place)
    try:
        storage.open()
        heads = read_heads(storage, keys.signer, anchors, trusted, adopt=adopt)
    except BaseException:
        storage.close()
        raise
    return Ledger(storage, keys, heads, limits or Limits())


def storage_of(place: Place) -> Storage:
    """The writer's connection to a place, not yet open."""
    if place.path is not None:
        from tidegate.store.sqlite_storage import SqliteStorage

        return SqliteStorage(place.path)
    from tidegate.store.postgres_storage import PostgresStorage

    return PostgresStorage(place.url)


class Ledger:
    """The one writer of a ledger. `close` it, or use it in `with`."""

    def __init__(self, storage: Storage, keys: LedgerKeys, heads: Heads, limits: Limits) -> None:
        """`storage` is open and `heads` were read from it; `open_ledger` does both."""
        self._storage = storage
        self._keys = keys
        self._heads = heads
        self._limits = limits
        self._ring = KeyRing(keys.source, storage)
        self._queue: SimpleQueue[_Waiting | _Task[object] | None] = SimpleQueue()
        self._gate = Lock()
        self._state: State = "open"
        self._why = ""
        self._doubtful: list[LeafTuple] = []
        self._thread = Thread(target=self._run, name="tidegate-ledger", daemon=True)
        self._thread.start()

    # --- for any thread

    def append(self, entry: Entry) -> Future[Recorded]:
        """Record `entry`; the future is done when it is durable, or with a `LedgerError`.

        Raises `EntryError` where the entry cannot be recorded as it is, `LedgerBusyError` where too
        many wait and `LedgerStoppedError` after the writer stopped: nothing is recorded then.
        """
        future: Future[Recorded] = Future()
        self.submit(entry, future, _THREADS)
        return future

    def submit(self, entry: Entry, whom: object, receiver: Receiver) -> None:
        """As `append`, with the outcomes of a batch handed to `receiver` at once."""
        if self._queue.qsize() >= self._limits.waiting:
            raise LedgerBusyError(f"{self._limits.waiting} entries wait already")
        self._put(_Waiting(prepare_entry(self._keys.hasher, entry), whom, receiver))

    def erase(self, subject: str, *, entry_id: str, at: str, reason: str) -> Recorded:
        """Destroy all keys of a subject and record that; returns when both are durable."""
        entry = Entry("erased", entry_id, at, facts={"cause": "subject", "reason": reason})
        hashes = self._keys.hasher.hashes("subject", subject.encode())

        def work() -> Recorded:
            return self._erase(entry, lambda: [row[1] for row in self._storage.keys_of(hashes)])

        return self._call(work)

    def expire(self, before: str, *, entry_id: str, at: str, reason: str) -> Recorded:
        """Destroy keys and payloads of all months before `before` (`2026-01`), and record that.

        `ValueError` where that month is not over at `at`.
        """
        facts = {"cause": "retention", "before": before, "reason": reason}
        entry = Entry("erased", entry_id, at, about="retention", facts=facts)
        if len(before) != 7 or not before < entry.month:
            raise ValueError("retention ends before a month that is over, as `2026-01`")

        def work() -> Recorded:
            return self._erase(entry, lambda: self._storage.keys_before(before), before)

        return self._call(work)

    def checkpoint(self) -> str:
        """Sign the head of what is durable now, put it to the anchors, and give the note."""
        return self._call(lambda: self._guarded(lambda: self._heads.sign(self._storage)))

    @property
    def state(self) -> State:
        """open; suspect after an error, until the next batch finds all well; stopped; closed."""
        return self._state

    @property
    def why(self) -> str:
        """What stopped the writer, or made it suspect, or kept a head from being signed."""
        return self._why or next((a.why for a in self._heads.anchored if a.why), "")

    @property
    def waiting(self) -> int:
        """How many entries wait."""
        return self._queue.qsize()

    @property
    def head(self) -> Head:
        """The head of what is durable."""
        return self._heads.head

    @property
    def signed(self) -> int:
        """How many leaves the newest checkpoint covers."""
        return self._heads.signed

    def close(self) -> None:
        """Record all that waits, sign the head, and give up the lock."""
        with self._gate:
            if self._state in {"open", "suspect"}:
                self._queue.put(None)
        self._thread.join()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, item: _Waiting | _Task[object]) -> None:
        with self._gate:
            if self._state in {"stopped", "closed"}:
                raise LedgerStoppedError(self._why or "the ledger is closed")
            self._queue.put(item)

    def _call(self, work: Callable[[], T]) -> T:
        task = _Task(work)
        self._put(task)  # type: ignore[arg-type]  # tasks of all kinds wait in one queue
        return task.future.result()

    # --- the writer's thread

    def _run(self) -> None:
        why = "the ledger is closed"
        try:
            while self._state in {"open", "suspect"} and self._step():
                pass
            if self._state == "open":
                self._sign_due(now=self._heads.seconds_to_due(self._limits) is not None)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            self._stop(f"{type(error).__name__}: {error}")
        finally:
            with self._gate:
                if self._state != "stopped":
                    self._state, self._why = "closed", why
            self._refuse_waiting()
            self._storage.close()

    def _step(self) -> bool:
        """One batch, one task, or one head to sign; False where the ledger is to be closed."""
        try:
            item = self._queue.get(timeout=self._heads.seconds_to_due(self._limits))
        except Empty:
            self._sign_due()
            return True
        batch: list[_Waiting] = []
        while isinstance(item, _Waiting):
            batch.append(item)
            if len(batch) >= self._limits.batch:
                break
            try:
                item = self._queue.get_nowait()
            except Empty:
                break
        if batch:
            self._record(batch)
        if item is None:
            return False
        if isinstance(item, _Task):
            self._run_task(item)
        if self._state == "open":
            self._sign_due()
        if self._state == "open":
            self._guarded(lambda: self._storage.tidy(idle=self._queue.empty()), quiet=True)
        return self._state in {"open", "suspect"}

    def _run_task(self, task: _Task[object]) -> None:
        if self._state == "stopped":
            task.future.set_exception(LedgerStoppedError(self._why))
            return
        try:
            task.run()
        except Exception as error:
            task.future.set_exception(LedgerStoppedError(f"{type(error).__name__}: {error}"))
            raise

    def _record(self, batch: list[_Waiting]) -> None:
        outcomes: Sequence[Outcome]
        try:
            outcomes = self._guarded(lambda: self._attempt([item.prepared for item in batch]))
        except LedgerError as error:
            outcomes = [error] * len(batch)
        except Exception as error:
            _deliver(batch, [LedgerStoppedError(f"{type(error).__name__}: {error}")] * len(batch))
            raise
        _deliver(batch, outcomes)

    def _attempt(self, batch: Sequence[Prepared]) -> list[Outcome]:
        """The outcomes of a batch that is durable; raises where nothing may be acknowledged."""
        self._reconcile()
        storage, rows = self._storage, Rows()
        try:
            storage.begin()
            self._expect_head()
            drafts = fill(batch, rows, self._heads, self._ring, storage)
            if rows.leaves:
                rows.keys = self._ring.fresh()
                storage.insert(rows)
                self._doubtful = rows.leaves
                storage.commit()
                self._doubtful = []
            else:
                storage.rollback()
        except BaseException:
            self._ring.forget_fresh()
            storage.rollback()
            raise
        self._ring.keep_fresh()
        self._heads.extend([row[1] for row in rows.leaves])
        return self._outcomes(drafts)

    def _outcomes(self, drafts: Drafts) -> list[Outcome]:
        head = self._heads.head
        return [
            Recorded(
                draft.row[0],
                parse_leaf(draft.row[4]).id if draft.repeated else draft.entry.id,
                draft.row[4],
                draft.row[1],
                head,
                draft.repeated,
            )
            if isinstance(draft, Draft)
            else draft
            for draft in drafts
        ]

    def _erase(self, entry: Entry, find: Callable[[], list[bytes]], before: str = "") -> Recorded:
        return self._guarded(lambda: self._attempt_erasure(entry, find, before))

    def _attempt_erasure(
        self, entry: Entry, find: Callable[[], list[bytes]], before: str
    ) -> Recorded:
        self._reconcile()
        storage = self._storage
        try:
            storage.begin()
            self._expect_head()
            key_ids = find()
            row = leaf_only(entry if before else with_keys(entry, key_ids), self._heads)
            storage.insert(Rows(leaves=[row]))
            storage.erase_keys(key_ids, row[0])
            if before:
                storage.drop_payloads_before(before)
            self._doubtful = [row]
            storage.commit()
            self._doubtful = []
        except BaseException:
            storage.rollback()
            raise
        self._heads.extend([row[1]])
        self._ring.forget(key_ids)
        for key_id in key_ids:
            self._keys.source.destroy(key_id)
        storage.empty_log()
        return Recorded(row[0], entry.id, row[4], row[1], self._heads.head)

    def _sign_due(self, *, now: bool = False) -> None:
        if now or self._heads.is_due(self._limits):
            self._guarded(lambda: self._heads.sign(self._storage), quiet=True)

    # --- when something fails

    def _guarded(self, work: Callable[[], T], *, quiet: bool = False) -> T:
        """Do `work`; an error of the database becomes one of ours, and is remembered.

        quiet: nobody waits for it, so that an error which is not the end is only remembered.
        """
        try:
            return work()
        except self._storage.errors as error:
            self._why = f"{type(error).__name__}: {error}"
            if self._storage.is_fatal(error):
                self._stop(self._why)
                raised: LedgerError = LedgerStoppedError(self._why)
            else:
                self._state = "suspect"
                raised = LedgerUnavailableError(self._why)
            raised.__cause__ = error
        except (TamperedLedgerError, AnchorConflictError) as error:
            self._stop(str(error))
            raised = LedgerStoppedError(str(error))
            raised.__cause__ = error
        except LedgerError as error:
            self._why = str(error)
            raised = error
        if not quiet:
            raise raised
        return None  # type: ignore[return-value]  # nobody takes what is done quietly

    def _reconcile(self) -> None:
        """After an error: go on only where the database holds what we know of, and no more."""
        if self._state != "suspect":
            return
        storage, head = self._storage, self._heads.head
        # An erasure may have taken effect unnoticed: no key of before is trusted to be there.
        self._ring.forget_all()
        try:
            storage.begin()
            found, _ = storage.head()
            if found != head.size and self._doubtful:
                tail = list(storage.leaves_from(head.size))
                if tail != self._doubtful:
                    raise TamperedLedgerError(f"leaves from {head.size} on are not of this writer")
                self._heads.extend([row[1] for row in tail])
                self._finish_erasures(tail)
            self._expect_head()
        finally:
            storage.rollback()
        self._doubtful = []
        self._state, self._why = "open", ""

    def _finish_erasures(self, rows: Sequence[LeafTuple]) -> None:
        """Destroy what `erased` leaves name that were committed without our knowing."""
        for leaf in (parse_leaf(row[4]) for row in rows if row[2] == "erased"):
            for key_id in leaf.facts.get("keys", ()):
                self._keys.source.destroy(bytes.fromhex(key_id))

    def _expect_head(self) -> None:
        """`TamperedLedgerError` where another hand wrote since our last commit."""
        if self._storage.head() != (self._heads.head.size, self._heads.last_hash):
            raise TamperedLedgerError(
                f"the ledger does not end with leaf {self._heads.head.size - 1} as this writer "
                "left it: somebody else wrote to it, or it was rolled back"
            )

    def _stop(self, why: str) -> None:
        with self._gate:
            self._state, self._why = "stopped", why

    def _refuse_waiting(self) -> None:
        while True:
            try:
                item = self._queue.get_nowait()
            except Empty:
                return
            error = LedgerStoppedError(self._why)
            if isinstance(item, _Waiting):
                item.receiver.settle([(item.whom, error)])
            elif isinstance(item, _Task):
                item.future.set_exception(error)


def _deliver(batch: list[_Waiting], outcomes: Sequence[Outcome]) -> None:
    by_receiver: dict[int, tuple[Receiver, list[tuple[object, Outcome]]]] = {}
    for item, outcome in zip(batch, outcomes, strict=True):
        key = id(item.receiver)
        if key not in by_receiver:
            by_receiver[key] = (item.receiver, [])
        by_receiver[key][1].append((item.whom, outcome))
    for receiver, settled in by_receiver.values():
        receiver.settle(settled)
