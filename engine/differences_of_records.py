"""Where two records, or two parts of one, differ: paths and both values as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the replayed record differs: its path and both values as people read them.

    `none` is an empty value, `absent` one that the other record alone has.
    """

    path: str
    recorded: str
    replayed: str


_ABSENT = object()


def differences(path: str, recorded: Any, replayed: Any) -> Iterator[Difference]:
    """Every place at which two records in plain form differ."""
    if isinstance(recorded, Mapping) or isinstance(replayed, Mapping):
        left, right = _fields(recorded), _fields(replayed)
        for name in sorted({*left, *right}):
            below = f"{path}.{name}" if path else name
            yield from differences(below, left.get(name, _ABSENT), right.get(name, _ABSENT))
    elif recorded != replayed:
        yield Difference(path, _shown(recorded), _shown(replayed))


def _fields(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _shown(value: object) -> str:
    if value is _ABSENT:
        return "absent"
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    return "none" if value is None or value == "" else str(value)
