"""Parts of a program with other values of its params, all else the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from tidegate.dsl.program import Actions, Advice, Constant, Expression, PointsAtLeast, Rule
from tidegate.dsl.types import Value

Part = TypeVar("Part")


def revalued(part: Part, values: Mapping[str, Value]) -> Part:
    """A rule, an expression or actions with these values of params; others keep theirs."""
    return _of(part, values)  # type: ignore[no-any-return]


def _of(part: Any, values: Mapping[str, Value]) -> Any:
    if isinstance(part, tuple):
        items = tuple(_of(item, values) for item in part)
        return part if all(a is b for a, b in zip(items, part, strict=True)) else items
    if not isinstance(part, Expression | Actions | Advice | Rule) or not is_dataclass(part):
        return part
    if isinstance(part, Constant):
        known = part.param in values and values[part.param] != part.value
        return replace(part, value=values[part.param]) if known else part
    found = {f.name: _of(getattr(part, f.name), values) for f in fields(part)}
    changed = {name: new for name, new in found.items() if new is not getattr(part, name)}
    if not changed:
        return part
    if isinstance(part, Actions):
        added = sum(int(param.value) for param in found["points_params"])
        changed["points"] = part.fixed_points + added
    if isinstance(part, PointsAtLeast) and part.param is not None:
        changed["threshold"] = int(found["param"].value) + part.above
    if isinstance(part, Advice) and part.param is not None:
        changed["value"] = found["param"].value
    return replace(part, **changed)
