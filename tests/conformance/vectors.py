"""The form of the vectors: dialect-free trees with the values of their variables and a result."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Tree = list[Any]
"""A node: its name, then its parts, such as `["cmp", "<", a, b]`."""

_LEAVES = {"lit", "var", "path"}
_NAMED = {"cmp", "arith", "call"}
EXPECTATIONS = ("value", "null", "error", "error_or_null")


class MalformedError(ValueError):
    """A line that is no vector."""


@dataclass(frozen=True)
class Vector:
    """One case: an expression, the variables it reads, and what must come out.

    `variables` and `value` are (type, text); a list has parts in place of its text. `expect` is one
    of EXPECTATIONS.
    """

    id: str
    source: str
    tree: Tree
    variables: dict[str, tuple[str, Any]]
    expect: str
    value: tuple[str, Any]

    @property
    def may_fail(self) -> bool:
        """Whether a refusal is right."""
        return self.expect.startswith("error")


def parts(tree: Tree) -> list[Tree]:
    """The nodes right below."""
    if tree[0] in _LEAVES:
        return []
    if tree[0] == "inrange":
        return tree[1:4]
    if tree[0] == "index":
        return tree[1:2]
    return tree[2:] if tree[0] in _NAMED else tree[1:]


def nodes(tree: Tree) -> Iterator[Tree]:
    """The tree and everything below it."""
    yield tree
    for part in parts(tree):
        yield from nodes(part)


def read(path: Path) -> list[Vector]:
    """Every vector of a file; MalformedError names the line that is none."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    # Not `splitlines`: a text in JSON may hold other line ends.
    lines = enumerate(text.split("\n"), 1)
    return [_vector(line, f"{path.name}:{number}") for number, line in lines if line.strip()]


def _vector(line: str, place: str) -> Vector:
    try:
        raw = json.loads(line)
        vector = Vector(
            id=raw["id"],
            source=raw.get("src", raw["id"]),
            tree=raw["ast"],
            variables={name: (kind, text) for name, (kind, text) in raw.get("vars", [])},
            expect=raw["expect"],
            value=tuple(raw["value"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedError(f"{place}: not a vector: {error!r}") from None
    if vector.expect not in EXPECTATIONS:
        raise MalformedError(f"{place}: `expect` is one of {', '.join(EXPECTATIONS)}")
    return vector
