"""A bucket as canonical bytes and back, so that a store can keep window state.

Equal buckets give equal bytes, and every accepted byte string is the one that its bucket gives:
what is not canonical is refused. Layout of version 1, big endian, columns rather than rows because
a busy bucket has thousands of contributions:

    version u8 | n u32 | n enters i64 | n leaves i64 | n operand kinds u8 | integer operands i64 ...
    | lengths u32 of the text operands, then of the n event ids | their UTF-8, one after another
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from tidegate.engine.windows import Bucket, Contribution, Operand, bucket_in_order

VERSION: Final = 1
_MISSING, _INTEGER, _TEXT = range(3)
_HEAD = struct.Struct(">BI")


class BucketBytesError(ValueError):
    """Bytes that `encode` did not write, or a bucket whose numbers do not fit its format."""


def encode(bucket: Bucket) -> bytes:
    """The bucket's canonical bytes.

    Raises BucketBytesError for a time or operand outside int64 or text that UTF-8 cannot hold.
    """
    items = bucket.contributions
    count = len(items)
    operands = [item.operand for item in items]
    numbers = [operand for operand in operands if isinstance(operand, int)]
    texts = [operand for operand in operands if isinstance(operand, str)]
    try:
        blobs = [text.encode() for text in (*texts, *(item.event_id for item in items))]
        times = (*(item.enter_us for item in items), *(item.leave_us for item in items))
        return b"".join(
            (
                _HEAD.pack(VERSION, count),
                struct.pack(f">{2 * count}q", *times),
                bytes(_kind(operand) for operand in operands),
                struct.pack(f">{len(numbers)}q", *numbers),
                struct.pack(f">{len(blobs)}I", *map(len, blobs)),
                *blobs,
            )
        )
    except (struct.error, UnicodeEncodeError) as error:
        raise BucketBytesError(f"the bucket cannot be written: {error}") from error


def decode(data: bytes) -> Bucket:
    """The bucket that `encode` wrote as `data`.

    Raises BucketBytesError for another version, for bytes that are cut short or too long, and for
    contributions out of order: a damaged state must not answer.
    """
    try:
        return bucket_in_order(_contributions(data))
    except (struct.error, ValueError) as error:
        raise BucketBytesError(f"the bucket cannot be read: {error}") from error


def _contributions(data: bytes) -> tuple[Contribution, ...]:
    version, count = _HEAD.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"it has format {version}, this reads format {VERSION}")
    times = struct.unpack_from(f">{2 * count}q", data, _HEAD.size)
    place = _HEAD.size + 16 * count
    kinds = data[place : place + count]
    place += count
    if any(kind > _TEXT for kind in kinds):
        raise ValueError("an operand is of a kind that this format does not know")
    numbers = iter(struct.unpack_from(f">{kinds.count(_INTEGER)}q", data, place))
    place += 8 * kinds.count(_INTEGER)
    texts = _texts(data, place, kinds.count(_TEXT) + count)
    operands: list[Operand | None] = [
        next(numbers) if kind == _INTEGER else next(texts) if kind == _TEXT else None
        for kind in kinds
    ]
    return tuple(map(Contribution, times[:count], times[count:], operands, texts))


def _texts(data: bytes, place: int, count: int) -> Iterator[str]:
    """The texts that begin at `place`; refuses data that do not end with the last of them."""
    lengths = struct.unpack_from(f">{count}I", data, place)
    place += 4 * count
    if place + sum(lengths) != len(data):
        raise ValueError("it is cut short or goes on after its end")
    texts = []
    for length in lengths:
        texts.append(data[place : place + length].decode())
        place += length
    return iter(texts)


def _kind(operand: Operand | None) -> int:
    return _MISSING if operand is None else _TEXT if isinstance(operand, str) else _INTEGER
