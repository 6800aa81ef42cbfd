"""What a model's inputs mean by a policy: one hash for each, which the model's card keeps.

A model that learnt from a count over a day answers as calmly where the same name is a count over a
week. So each input is written out as `version` of a rule writes conditions out (lets by their
bodies, features and labels by their definitions, zones in calendar functions), with the values of
the params in it. Contents of lists and tables change from day to day and are left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.dsl.meaning import encode
from tidegate.dsl.program import Feature, Label, Model, Program


def input_meanings(program: Program, model: Model) -> dict[str, str]:
    """By the input's name, SHA-256 (hex) of what the policy reads for it."""
    defined: dict[str, Feature | Label] = {f.name: f for f in program.features}
    defined |= {label.name: label for label in program.labels}
    values = {param.name: param.value for param in program.params}
    pairs = zip(model.read_names, model.reads, strict=True)
    return {name: _hash(encode(read, defined), values) for name, read in pairs}


def changed_inputs(learnt: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """The inputs that mean something else than when the model learnt, in the order of `now`.

    An input of which the card says nothing is one of them.
    """
    return tuple(name for name, meaning in now.items() if learnt.get(name) != meaning)


def _hash(written: Any, values: Mapping[str, Any]) -> str:
    read = {name: values[name] for name in sorted(set(_params(written))) if name in values}
    text = json.dumps([written, read], separators=(",", ":"), ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _params(written: Any) -> Iterator[str]:
    """The names of the params in what `encode` wrote."""
    if not isinstance(written, list):
        return
    if len(written) == 4 and written[0] == "param":
        yield written[1]
    for part in written:
        yield from _params(part)
