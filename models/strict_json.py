"""JSON with one meaning: no duplicate keys, no NaN, and bounds that hold before it is parsed."""

from __future__ import annotations

import json
import math
from typing import Any

from tidegate.models.refusals import WAY_OUT, ModelRefused

MAX_VALUES = 8_000_000
"""Numbers, words and lists in a file, counted by their commas."""

MAX_CONTAINERS = 500_000
"""Lists and objects in a file, counted by their brackets."""

MAX_QUOTES = 2_000_000


def parse_strict(content: bytes) -> Any:
    """The document in `content`; `ModelRefused` where it is none, or not one without doubt.

    Memory is bounded by the counts above: a few hundred bytes of Python for each.
    """
    _refuse_masses(content)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelRefused([f"byte {error.start} is no UTF-8: {WAY_OUT}"]) from None
    try:
        return json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ModelRefused([f"the file is no JSON at {where}: {WAY_OUT}"]) from None
    except RecursionError:
        raise ModelRefused([f"the file is nested too deep: {WAY_OUT}"]) from None
    except ModelRefused:
        raise
    except ValueError:
        # The one that is left: Python reads no number of more than some thousand digits.
        raise ModelRefused([f"a number has thousands of digits: {WAY_OUT}"]) from None


def _refuse_masses(content: bytes) -> None:
    for what, count, most in (
        ("values", content.count(b","), MAX_VALUES),
        ("lists and objects", content.count(b"[") + content.count(b"{"), MAX_CONTAINERS),
        ("texts", content.count(b'"') // 2, MAX_QUOTES // 2),
    ):
        if count > most:
            raise ModelRefused([f"the file holds more than {most} {what}: train a smaller model"])


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        places = {key: place for place, (key, _) in enumerate(pairs)}
        twice = next(key for place, (key, _) in enumerate(pairs) if places[key] != place)
        raise ModelRefused([f"the key {shown(twice)} stands twice in one object: keep one of them"])
    return found


def _refuse_constant(name: str) -> Any:
    raise ModelRefused([f"`{name}` is no number of JSON: every number of a model is finite"])


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ModelRefused(["a number is beyond 64 bits: every number of a model is finite"])
    return value


def shown(value: object) -> str:
    """A short text of a value of JSON for a message, whatever it holds."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if abs(value) < 10**24 else "a huge number"
        case float():
            return repr(value)
        case str():
            return f"`{ascii(value[:40])[1:-1]}{'…' if len(value) > 40 else ''}`"
        case list():
            return "a list"
        case _:
            return "an object"
