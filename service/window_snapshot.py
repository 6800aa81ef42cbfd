"""Window state as one encrypted file: saved now and then, so that a start need not read a month.

It is a cache. Where it is absent, damaged, or of a policy that counts something else, the windows
are rebuilt from the ledger (`window_recovery.py`).

    tidegate.windows/1 LF | length u32 | head as JSON | AES-256-GCM of the body
    body: length u32 | facts as JSON | for each bucket: feature u32, length u32, key as JSON,
          length u32, bucket (engine/window_bytes.py)
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tidegate.dsl.program import Program
from tidegate.engine.features import horizon_us
from tidegate.engine.window_bytes import BucketBytesError, decode, encode
from tidegate.engine.windows import Bucket, BucketName, EventName, WindowState
from tidegate.vault.keys import KeyDestroyedError

if TYPE_CHECKING:
    from tidegate.vault.keys import KeySource

_MAGIC: Final = b"tidegate.windows/1\n"
_LENGTH = struct.Struct(">I")


class SnapshotError(ValueError):
    """A snapshot cannot be used; the windows are rebuilt from the ledger."""


@dataclass(frozen=True, slots=True)
class WindowSnapshot:
    """The windows at one moment. What the ledger has from entry `start` on is to be taken in.

    Taking in again what is already there changes nothing.
    """

    start: int
    latest_us: int
    meaning: str
    state: WindowState
    reported: dict[EventName, dict[str, int]]


def windows_meaning(program: Program) -> str:
    """SHA-256 (hex) of all that decides what events add up to: a snapshot holds for this alone."""
    counted = {feature.event for feature in program.features}
    sources = {label.source_event for label in program.labels}
    events = [event for event in program.events if event.name in counted | sources]
    parts = (
        program.currency,
        program.zone,
        program.features,
        program.labels,
        [(event.name, event.key, event.at, event.fields) for event in events],
    )
    text = json.dumps(_plain(parts), separators=(",", ":"), sort_keys=True)
    return sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Nested lists of plain values, without places in the text."""
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if field.name not in {"span", "text"}]
        return [type(value).__name__, *(_plain(getattr(value, name)) for name in names)]
    if isinstance(value, frozenset | set):
        return sorted((_plain(item) for item in value), key=str)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | bool | None) else str(value)


def write_snapshot(path: Path, snapshot: WindowSnapshot, source: KeySource) -> None:
    """Replace the file at `path`, whole and synced."""
    key = source.new_key()
    nonce = os.urandom(12)
    head = json.dumps(
        {"key": key.id.hex(), "wrapped": key.wrapped.hex(), "nonce": nonce.hex()}
    ).encode()
    body = AESGCM(key.plaintext).encrypt(nonce, b"".join(_written(snapshot)), _MAGIC + head)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(_MAGIC + _LENGTH.pack(len(head)) + head + body)
            stream.flush()
            os.fsync(stream.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def read_snapshot(path: Path, program: Program, source: KeySource) -> WindowSnapshot:
    """The snapshot in a file; `SnapshotError` where it cannot be used for this program."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SnapshotError("there is none yet") from None
    except OSError as error:
        raise SnapshotError(f"it cannot be read: {error.strerror}") from None
    try:
        snapshot = _read(content, program, source)
    except (struct.error, ValueError, KeyError, TypeError, InvalidTag, KeyDestroyedError) as error:
        raise SnapshotError(f"it is damaged, or its key is gone: {type(error).__name__}") from None
    if snapshot.meaning != windows_meaning(program):
        raise SnapshotError("it is of a policy that counts something else")
    return snapshot


def _written(snapshot: WindowSnapshot) -> Iterator[bytes]:
    facts = json.dumps(
        {
            "start": snapshot.start,
            "latest_us": snapshot.latest_us,
            "meaning": snapshot.meaning,
            "seen": [[*name, keep_us] for name, keep_us in snapshot.state.seen.items()],
            "reported": [[*name, known] for name, known in snapshot.reported.items()],
        },
        separators=(",", ":"),
    ).encode()
    yield _LENGTH.pack(len(facts)) + facts
    for (feature, key), bucket in snapshot.state.buckets.items():
        name = json.dumps(key, separators=(",", ":")).encode()
        content = encode(bucket)
        yield b"".join(
            (_LENGTH.pack(feature), _LENGTH.pack(len(name)), name, _LENGTH.pack(len(content)))
        )
        yield content


def _read(content: bytes, program: Program, source: KeySource) -> WindowSnapshot:
    if not content.startswith(_MAGIC):
        raise ValueError("it is no snapshot")
    head, rest = _part(content, len(_MAGIC))
    keys = json.loads(head)
    plain_key = source.unwrap(bytes.fromhex(keys["key"]), bytes.fromhex(keys["wrapped"]))
    body = AESGCM(plain_key).decrypt(bytes.fromhex(keys["nonce"]), content[rest:], _MAGIC + head)
    written, place = _part(body, 0)
    facts = json.loads(written)
    buckets = dict(_buckets(body, place))
    seen = {(kind, key): keep_us for kind, key, keep_us in facts["seen"]}
    reported = {(kind, key): known for kind, key, known in facts["reported"]}
    state = WindowState(horizon_us(program), buckets, seen)
    return WindowSnapshot(facts["start"], facts["latest_us"], facts["meaning"], state, reported)


def _buckets(body: bytes, place: int) -> Iterator[tuple[BucketName, Bucket]]:
    while place < len(body):
        (feature,) = _LENGTH.unpack_from(body, place)
        name, place = _part(body, place + _LENGTH.size)
        content, place = _part(body, place)
        try:
            yield (feature, tuple(json.loads(name))), decode(content)
        except BucketBytesError as error:
            raise ValueError(str(error)) from None


def _part(content: bytes, place: int) -> tuple[bytes, int]:
    """What has its length before it, and where the next begins."""
    (length,) = _LENGTH.unpack_from(content, place)
    begin = place + _LENGTH.size
    if begin + length > len(content):
        raise ValueError("it is cut short")
    return content[begin : begin + length], begin + length
