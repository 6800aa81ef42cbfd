"""Identifiers that sort by time: UUIDs of version 7 (RFC 9562), made from a time that is given."""

from __future__ import annotations

import os
import re

_POOL_BYTES = 8 * 512
_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Identifiers:
    """Makes identifiers; not for several threads at once.

    The 12 bits behind the millisecond are its fraction, so that ids of strictly increasing
    microseconds increase, too; 62 bits are random.
    """

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def make(self, at_us: int) -> str:
        """An identifier of this moment (UTC microseconds)."""
        if self._at == len(self._pool):
            self._pool, self._at = os.urandom(_POOL_BYTES), 0
        random = int.from_bytes(self._pool[self._at : self._at + 8])
        self._at += 8
        at_ms, rest_us = divmod(at_us, 1_000)
        high = at_ms << 16 | 0x7000 | rest_us * 4096 // 1000
        low = 1 << 63 | random >> 2
        text = f"{high:016x}{low:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_identifier(text: str) -> bool:
    """Whether the text is the canonical form of a UUID of version 7."""
    return _FORM.fullmatch(text) is not None
