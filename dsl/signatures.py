"""What the checker knows of a model's file: its version and its inputs by name and type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.dsl.types import Type


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One input as the model was trained on it.

    `currency` is that of money, else empty. For texts, countries and words, `categories` are those
    the model knows; of an enumeration `type.words` are the same. `takes_missing` and
    `takes_unknown`: the model has an answer where the input is missing, or a text that it does not
    know; else it abstains.
    """

    name: str
    type: Type
    currency: str = ""
    categories: tuple[str, ...] = ()
    takes_missing: bool = False
    takes_unknown: bool = False


@dataclass(frozen=True, slots=True)
class ModelSignature:
    """What `reads` is held against."""

    name: str
    version: int
    inputs: tuple[ModelInput, ...]


Signatures = Mapping[str, ModelSignature]
"""By the name of the model as the policy declares it; an external model has none."""

NO_SIGNATURES: Signatures = {}
