"""The data keys that the writer encrypts under: one a subject and month, found again or made."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tidegate.store.errors import LedgerUnavailableError

if TYPE_CHECKING:
    from tidegate.store.storage import KeyTuple, Storage
    from tidegate.vault.keys import KeySource

_MAX_USES = 2**20
"""Of a key without a subject; far below the 2**32 random nonces that one key may see."""


class KeyRing:
    """Keys in use by (subject, month), least recently used ones dropped.

    Keys of a batch that fails are forgotten with it (`forget_fresh`). A key that cannot be had is a
    `LedgerUnavailableError` for those entries that need it.
    """

    __slots__ = ("_broken", "_fresh", "_keys", "_limit", "_shared", "_source", "_storage")

    def __init__(self, source: KeySource, storage: Storage, limit: int = 50_000) -> None:
        self._source = source
        self._storage = storage
        self._limit = limit
        self._keys: OrderedDict[tuple[bytes, str], tuple[bytes, AESGCM]] = OrderedDict()
        self._shared: dict[str, tuple[bytes, AESGCM, int]] = {}
        self._broken: dict[tuple[bytes, str], str] = {}
        self._fresh: dict[tuple[bytes | None, str], KeyTuple] = {}

    def load(self, wanted: Iterable[tuple[bytes, str]]) -> None:
        """Look up those keys of (subject, month) that are stored and not in memory."""
        self._broken.clear()
        missing = {pair for pair in wanted if pair not in self._keys}
        if not missing:
            return
        for subject, key_id, month, wrapped in self._storage.keys_of(
            list({subject for subject, _ in missing})
        ):
            if (subject, month) in missing:
                try:
                    plaintext = self._source.unwrap(key_id, wrapped)
                except Exception as error:  # noqa: BLE001 - a source is a foreign system
                    self._broken[subject, month] = f"{type(error).__name__}: {error}"
                else:
                    self._keys[subject, month] = (key_id, AESGCM(plaintext))

    def key(self, subject: bytes | None, month: str) -> tuple[bytes, AESGCM]:
        """Id and cipher of the key of a subject and month, made where there is none."""
        if subject is None:
            return self._shared_key(month)
        pair = (subject, month)
        if pair in self._broken:
            raise LedgerUnavailableError(f"no data key: {self._broken[pair]}")
        known = self._keys.get(pair)
        if known is not None:
            self._keys.move_to_end(pair)
            return known
        made = self._make(subject, month)
        self._keys[pair] = made
        return made

    def fresh(self) -> list[KeyTuple]:
        """The keys made since the last batch, to be stored with this one."""
        return list(self._fresh.values())

    def keep_fresh(self) -> None:
        """The batch is durable, and so are its keys."""
        self._fresh.clear()
        while len(self._keys) > self._limit:
            self._keys.popitem(last=False)

    def forget_fresh(self) -> None:
        """The batch failed: its keys were never stored."""
        for subject, month in self._fresh:
            if subject is None:
                self._shared.pop(month, None)
            else:
                self._keys.pop((subject, month), None)
        self._fresh.clear()

    def forget(self, key_ids: Iterable[bytes]) -> None:
        """Drop keys that were destroyed."""
        gone = set(key_ids)
        for pair in [pair for pair, (key_id, _) in self._keys.items() if key_id in gone]:
            del self._keys[pair]
        for month in [m for m, (key_id, _, _) in self._shared.items() if key_id in gone]:
            del self._shared[month]

    def forget_all(self) -> None:
        """Look every key up again."""
        self._keys.clear()
        self._shared.clear()
        self._fresh.clear()

    def _shared_key(self, month: str) -> tuple[bytes, AESGCM]:
        key_id, cipher, uses = self._shared.get(month) or (*self._make(None, month), 0)
        if uses + 1 < _MAX_USES:
            self._shared[month] = (key_id, cipher, uses + 1)
        else:
            self._shared.pop(month, None)
        return key_id, cipher

    def _make(self, subject: bytes | None, month: str) -> tuple[bytes, AESGCM]:
        try:
            made = self._source.new_key()
        except Exception as error:
            raise LedgerUnavailableError(f"no data key: {type(error).__name__}: {error}") from error
        self._fresh[subject, month] = (made.id, month, subject, made.wrapped)
        return made.id, AESGCM(made.plaintext)
