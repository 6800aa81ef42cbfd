"""`inputs.yaml`: the columns of an estimator's X, as a person writes them down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tidegate.dsl.types import Type
from tidegate.models.export.refusals import ExportRefused, Reason
from tidegate.models.export.specs import InputSpec
from tidegate.models.portable import INPUT_KINDS

_KINDS = {kind.value: kind for kind in INPUT_KINDS}
_KEYS: dict[str, Any] = {
    "name": str,
    "type": str,
    "currency": str,
    "scale": int,
    "categories": (list, dict),
    "low": int,
    "high": int,
    "missing": bool,
    "unknown": bool,
}


def specs_of(document: object) -> tuple[InputSpec, ...]:
    """The specs in a document of plain values (texts, whole numbers, flags, lists, mappings).

    Raises `ExportRefused` with all mistakes of form.
    """
    entries = document.get("inputs") if isinstance(document, Mapping) else None
    if not isinstance(entries, list) or not isinstance(document, Mapping) or len(document) != 1:
        raise ExportRefused(
            [Reason("the inputs are no list", "write `inputs:` and below it `- name: …` for each")]
        )
    reasons = [
        reason for place, entry in enumerate(entries, 1) for reason in _mistakes(place, entry)
    ]
    if reasons:
        raise ExportRefused(reasons)
    return tuple(map(_spec, entries))


def _mistakes(place: int, entry: object) -> Iterator[Reason]:
    if not isinstance(entry, Mapping):
        yield Reason(f"input {place} is no mapping", "write `name:` and `type:` below each dash")
        return
    for key in ("name", "type"):
        if key not in entry:
            yield Reason(f"input {place} has no `{key}`", "every input has a name and a type")
    for key, value in entry.items():
        if key not in _KEYS:
            known = ", ".join(f"`{known}`" for known in _KEYS)
            yield Reason(f"input {place} has `{key}`, which is nothing", f"use {known}")
        elif not isinstance(value, _KEYS[key]) or (_KEYS[key] is int and isinstance(value, bool)):
            yield Reason(f"input {place} has a wrong `{key}`", f"give {_WANTED[key]}")
    kind = entry.get("type")
    if isinstance(kind, str) and kind not in _KINDS:
        known = ", ".join(f"`{known}`" for known in sorted(_KINDS))
        yield Reason(f"input {place} is of the type `{kind}`", f"models read {known}")
    categories = entry.get("categories")
    if isinstance(categories, list | dict):
        texts = categories if isinstance(categories, list) else categories.values()
        if not all(isinstance(text, str) for text in texts):
            yield Reason(f"input {place} has a category that is no text", "quote it")


_WANTED = {
    "name": "a name",
    "type": "the word of a type",
    "currency": "three letters, such as EUR",
    "scale": "a whole number",
    "categories": "a list of texts, or a mapping from the estimator's values to texts",
    "low": "a whole number in the policy's own unit",
    "high": "a whole number in the policy's own unit",
    "missing": "true or false",
    "unknown": "true or false",
}


def _spec(entry: Mapping[str, Any]) -> InputSpec:
    categories = entry.get("categories", {})
    if isinstance(categories, list):
        categories = {text: text for text in categories}
    return InputSpec(
        name=entry["name"],
        type=Type(_KINDS[entry["type"]]),
        currency=entry.get("currency", ""),
        scale=entry.get("scale", 1),
        categories={_plain(value): text for value, text in categories.items()},
        low=entry.get("low"),
        high=entry.get("high"),
        takes_missing=entry.get("missing", False),
        takes_unknown=entry.get("unknown", False),
    )


def _plain(value: object) -> object:
    """Numbers as an estimator holds them."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return float(value)
    return value
