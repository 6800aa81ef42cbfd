"""What callers append, and the leaf that becomes of it.

A leaf is canonical JSON (ASCII or NFC, sorted keys, no floats): the facts that stay for good. It
holds no personal data and no pseudonym; those belong into the payload, which is encrypted and can
be erased. A leaf binds its payload twice: `commitment` is HMAC-SHA-256 of the plaintext by a random
salt that lies inside the encryption, `sealed` the hash of what is stored, so that a change is seen
without any key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from tidegate.engine.record import RecordError, canonical_bytes
from tidegate.store.errors import LedgerError

LEAF_SCHEMA = 1
"""Raised with every change of the leaf's form; older leaves stay readable."""

MAX_LEAF_BYTES = 65_535
"""What a C2SP entry bundle can hold."""
MAX_PAYLOAD_BYTES = 4 * 2**20

_WORD = re.compile(r"[a-z][a-z_]{0,31}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)
_TIME = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z", re.ASCII)
_MARGIN = 600  # what a leaf holds besides its facts


class EntryError(LedgerError, ValueError):
    """An entry cannot be recorded as it is; a defect of its caller, not of the ledger."""


@dataclass(frozen=True, slots=True)
class Request:
    """The request that an entry answers. The same key with the same hash is the same request.

    client: who sent it; key: its idempotency key; hash: SHA-256 of the body. All are kept as keyed
    hashes.
    """

    client: str
    key: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    kind: decision, refusal, event, label, read, stop, erased, heartbeat, release, …
    id: unique, e.g. a UUIDv7. at: when, as `2026-11-25T08:00:00Z`.
    about: the decision's id where the entry concerns one; its own id otherwise.
    facts: texts, integers, flags, None, tuples and mappings of them; no personal data.
    payload: everything else; encrypted under a key of `subject` and the month of `at`.
    subject, transaction: whom it concerns and what it can be found by; kept as keyed hashes.
    """

    kind: str
    id: str
    at: str
    about: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    payload: bytes | None = field(default=None, repr=False)
    subject: str | None = field(default=None, repr=False)
    transaction: str | None = field(default=None, repr=False)
    request: Request | None = field(default=None, repr=False)

    @property
    def month(self) -> str:
        """The month whose keys its payload is under, as `2026-11`."""
        return self.at[:7]


@dataclass(slots=True)  # frozen ones cost three times as much, once a record
class PayloadFacts:
    """What a leaf says of its payload, in hex."""

    commitment: str
    sealed: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf as it was read. `checkpoint` is the size of the last signed one before it."""

    schema: int
    seq: int
    kind: str
    id: str
    about: str
    at: str
    checkpoint: int
    facts: Mapping[str, Any]
    payload: PayloadFacts | None

    @property
    def month(self) -> str:
        """The month of `at`, as `2026-11`."""
        return self.at[:7]


def encode_facts(entry: Entry) -> str:
    """The facts as canonical JSON; `EntryError` where the entry cannot be recorded.

    All that an entry can be refused for is found here, before it joins a batch.
    """
    if not _WORD.fullmatch(entry.kind):
        raise EntryError("the kind of an entry is a word of small letters")
    if not _ID.fullmatch(entry.id) or not (entry.about == "" or _ID.fullmatch(entry.about)):
        raise EntryError("the id of an entry has 1 to 64 letters, digits, `.`, `_`, `:`, `-`")
    if not _TIME.fullmatch(entry.at):
        raise EntryError("the time of an entry reads `2026-11-25T08:00:00Z`")
    if entry.payload is None and (entry.subject is not None or entry.transaction is not None):
        raise EntryError("subject and transaction belong to a payload")
    if entry.payload is not None and len(entry.payload) > MAX_PAYLOAD_BYTES:
        raise EntryError(f"a payload has at most {MAX_PAYLOAD_BYTES} bytes")
    try:
        facts = canonical_bytes(entry.facts)
    except RecordError as error:
        raise EntryError(str(error)) from None
    if facts[:1] != b"{":
        raise EntryError("facts are a mapping")
    if len(facts) > MAX_LEAF_BYTES - _MARGIN:
        raise EntryError(f"facts have at most {MAX_LEAF_BYTES - _MARGIN} bytes")
    return facts.decode()


def encode_leaf(
    entry: Entry, facts: str, seq: int, checkpoint: int, payload: PayloadFacts | None
) -> bytes:
    """The leaf's bytes. Only checked words stand between the quotes, hence no escapes."""
    sealed = (
        "null"
        if payload is None
        else f'{{"commitment":"{payload.commitment}","sealed":"{payload.sealed}"}}'
    )
    return (
        f'{{"about":"{entry.about or entry.id}","at":"{entry.at}","checkpoint":{checkpoint},'
        f'"facts":{facts},"id":"{entry.id}","kind":"{entry.kind}","payload":{sealed},'
        f'"schema":{LEAF_SCHEMA},"seq":{seq}}}'
    ).encode()


def parse_leaf(content: bytes) -> Leaf:
    """The leaf that `content` holds; `EntryError` for anything that this release cannot read."""
    try:
        data = json.loads(content)
    except ValueError:
        raise EntryError("a leaf is JSON") from None
    if not isinstance(data, dict) or not isinstance(data.get("schema"), int):
        raise EntryError("a leaf is an object with a schema")
    if not 1 <= data["schema"] <= LEAF_SCHEMA:
        raise EntryError(f"leaf schema {data['schema']} is of a newer release")
    try:
        payload = data.pop("payload")
        return Leaf(payload=payload and PayloadFacts(**payload), **cast("dict[str, Any]", data))
    except (KeyError, TypeError):
        raise EntryError("a leaf lacks a member, or has one too many") from None
