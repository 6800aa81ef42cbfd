"""Moments as people read them in a log: `2026-11-25T09:30:00Z`, UTC, one text for each moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_US = 86_400_000_000


def moment_text(time_us: int) -> str:
    """The text of a moment in UTC microseconds; a fraction is written only where there is one."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    return moment.isoformat().replace("+00:00", "Z")


def moment_us(text: str) -> int | None:
    """UTC microseconds of a text that `moment_text` writes; None for any other."""
    try:
        moment = datetime.fromisoformat(text)
        time_us = (moment - _EPOCH) // timedelta(microseconds=1)
    except (TypeError, ValueError, OverflowError):
        return None
    return time_us if moment_text(time_us) == text else None
