"""The typed program as nested lists of plain values, and back.

A program is made by the checker alone; what is read back here was written by the same version of
Tidegate from one that the checker made. Places in the source are left out: no evaluation reads
them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import IntEnum
from typing import Any

from tidegate.dsl import program as declarations
from tidegate.dsl.lists import Lists
from tidegate.dsl.program import InList
from tidegate.dsl.source import NOWHERE
from tidegate.dsl.types import Bounds, Kind, Type

_TUPLE, _SET, _KIND = "(", "{", "kind"
_CLASSES: dict[str, Any] = {
    name: made for name, made in vars(declarations).items() if is_dataclass(made)
} | {"Type": Type, "Bounds": Bounds}
_PLAIN = frozenset((str, int, bool, type(None)))
_FIELDS = {
    made: tuple(f.name for f in fields(made) if f.name != "span") for made in _CLASSES.values()
}


def encode(value: Any) -> Any:
    """A part of a program as lists of plain values."""
    made = type(value)
    if made in _PLAIN:
        return value
    names = _FIELDS.get(made)
    if names is not None:
        return [made.__name__, *[encode(getattr(value, name)) for name in names]]
    if made is tuple:
        return [_TUPLE, *map(encode, value)]
    if made is frozenset:
        return [_SET, *sorted(value, key=lambda v: (type(v).__name__, v))]
    if isinstance(value, IntEnum):
        return int(value)
    if isinstance(value, Kind):
        return [_KIND, value.value]
    raise TypeError(f"no part of a program: {made.__name__}")


def decode(value: Any) -> Any:
    """The part that was encoded."""
    if not isinstance(value, list):
        return value
    head, *rest = value
    if head == _TUPLE:
        return tuple(map(decode, rest))
    if head == _SET:
        return frozenset(rest)
    if head == _KIND:
        return Kind(rest[0])
    made = _CLASSES[head]
    given = dict(zip(_FIELDS[made], map(decode, rest), strict=True))
    if any(f.name == "span" for f in fields(made)):
        given["span"] = NOWHERE
    return made(**given)


def fingerprint(value: Any, lists: Lists) -> str:
    """SHA-256 (hex) of a part of a program and of the contents of the lists that it reads."""
    contents = [[name, _content(lists, name)] for name in sorted(set(lists_in(value)))]
    text = json.dumps([encode(value), contents], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _content(lists: Lists, name: str) -> str | None:
    content = lists.get(name)
    return None if content is None else content.hash


def lists_in(value: Any) -> Iterator[str]:
    """The lists that a part of a program reads."""
    if isinstance(value, InList):
        yield value.list
    if isinstance(value, tuple):
        for item in value:
            yield from lists_in(item)
    elif type(value) in _FIELDS:
        for name in _FIELDS[type(value)]:
            yield from lists_in(getattr(value, name))
