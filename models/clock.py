"""The clock that entries of a registry are held against. Tests put another one in its place."""

from __future__ import annotations

import time
from typing import Final

TOLERANCE_US: Final = 5 * 60 * 1_000_000
"""How far the clocks of two machines may be apart, in microseconds."""


def now_us() -> int:
    """The moment, UTC microseconds."""
    return time.time_ns() // 1_000
