"""Dataclasses as JSON that people read in a review, and back, strictly.

What is read has exactly the fields of its type, every leaf of exactly its type; a key that comes
twice, a float and a text that is no text are refused. Nothing is guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from tidegate.dsl.types import INT64_MAX, INT64_MIN

T = TypeVar("T")
_LEAVES = frozenset({str, int, bool, NoneType})


class PlainDataError(ValueError):
    """Bytes do not hold what their type asks for; the message names the place."""


def write_plain(value: object) -> bytes:
    """Indented JSON with sorted keys: the same value gives the same bytes everywhere."""
    text = json.dumps(_plain(value), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def read_plain(kind: type[T], content: bytes, what: str) -> T:
    """The value of the dataclass `kind` that `content` holds; PlainDataError calls it `what`."""
    try:
        data = json.loads(
            content.decode(),
            parse_float=_no_float,
            parse_constant=_no_float,
            object_pairs_hook=_once_each,
        )
    except PlainDataError:
        raise
    except (ValueError, RecursionError):
        raise PlainDataError(f"{what} is no JSON") from None
    value: T = _value(kind, data, what)
    return value


def _plain(value: object) -> object:
    if type(value) in _LEAVES:
        return value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    assert is_dataclass(value), f"plain data cannot hold a {type(value).__name__}"
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def _no_float(text: str) -> object:
    raise PlainDataError(f"`{text[:40]}` is no whole number; decimals are written as texts")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise PlainDataError(f"`{next(n for n in names if names.count(n) > 1)}` comes twice")
    return found


@lru_cache(maxsize=64)
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(kind: Any, data: object, path: str) -> Any:
    if kind in _LEAVES:
        return _leaf(data, path) if type(data) is kind else _wrong(path, _WORDS[kind])
    if is_dataclass(kind):
        return _fields(kind, data, path)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        items = data if isinstance(data, list) else _wrong(path, "a list")
        return tuple(_value(arguments[0], item, f"{path}[{i}]") for i, item in enumerate(items))
    if origin is Mapping:
        pairs = data if isinstance(data, dict) else _wrong(path, "an object")
        return {key: _value(arguments[1], item, f"{path}.{key}") for key, item in pairs.items()}
    if origin is Literal:
        words = ", ".join(f"`{word}`" for word in arguments)
        return data if data in arguments else _wrong(path, f"one of {words}")
    assert origin is UnionType
    return _one_of(arguments, data, path)


def _leaf(data: object, path: str) -> object:
    if type(data) is int and not INT64_MIN <= data <= INT64_MAX:
        _wrong(path, "a whole number of 64 bits")
    return data


def _one_of(kinds: tuple[Any, ...], data: object, path: str) -> Any:
    if type(data) in kinds:
        return _leaf(data, path)
    rest = [kind for kind in kinds if kind not in _LEAVES]
    if not rest:
        return _wrong(path, " or ".join(_WORDS[kind] for kind in kinds))
    return _value(rest[0], data, path)


def _fields(kind: Any, data: object, path: str) -> Any:
    hints = _hints(kind)
    given = data if isinstance(data, dict) else _wrong(path, "an object")
    if strange := sorted(given.keys() - hints.keys()):
        raise PlainDataError(f"{path} has no `{strange[0]}`")
    if absent := sorted(hints.keys() - given.keys()):
        raise PlainDataError(f"{path} lacks `{absent[0]}`")
    return kind(**{name: _value(of, given[name], f"{path}.{name}") for name, of in hints.items()})


_WORDS = {str: "a text", int: "a whole number", bool: "true or false", NoneType: "null"}


def _wrong(path: str, wanted: str) -> Any:
    raise PlainDataError(f"{path} has to be {wanted}")
