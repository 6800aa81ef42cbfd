"""What an estimator's columns are: names, types and units, which no estimator knows of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.dsl.types import NUMBER_SCALE, TEXT_KINDS, Kind, Type
from tidegate.models.export.columns import UNKNOWN, Column, Levels, Number
from tidegate.models.export.refusals import ExportRefused, Reason
from tidegate.models.portable import INPUT_KINDS, Input

MAX_SCALE = 10**15
_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One column of the X that the estimator was fitted on, in its place.

    Of an integer or flag the estimator saw `policy_integer / scale` as float64, NaN where it was
    missing: money in major units of EUR has the scale 100, a number 10**6, a duration in hours
    3_600 * 10**6. `low` and `high` are policy integers, the range of the training data.

    Of a text it saw the keys of `categories`, whose values are the texts of the policy (equal
    where X held the texts), and NaN or None where it was missing.

    `takes_missing`: a missing value is answered as the estimator answers it, and else the model
    abstains; `takes_unknown` is the same for texts that are not among `categories`.
    """

    name: str
    type: Type
    currency: str = ""
    scale: int = 1
    categories: Mapping[object, str] = field(default_factory=dict)
    low: int | None = None
    high: int | None = None
    takes_missing: bool = False
    takes_unknown: bool = False

    @property
    def is_text(self) -> bool:
        """Whether its values are texts."""
        return self.type.kind in TEXT_KINDS


def check_specs(specs: Sequence[InputSpec]) -> None:
    """Raise `ExportRefused` with all that is wrong with the specs themselves."""
    reasons = [reason for spec in specs for reason in _mistakes(spec)]
    names = [spec.name for spec in specs]
    reasons += (
        Reason(f"two inputs are named `{name}`", "give each column of X a name of its own")
        for name in sorted({name for name in names if names.count(name) > 1})
    )
    if reasons:
        raise ExportRefused(reasons)


def _mistakes(spec: InputSpec) -> Iterator[Reason]:
    shown, kind = f"input `{spec.name}`", spec.type.kind
    if not _NAME.match(spec.name):
        yield Reason(f"{shown} has a name that no policy can use", "write it like `amount_7d`")
    if kind not in INPUT_KINDS:
        yield Reason(
            f"{shown} is of type {spec.type}, which no model reads",
            "give the model what a feature makes of it, such as a count or a duration",
        )
    if (kind is Kind.MONEY) != bool(spec.currency):
        yield Reason(
            f"{shown} is {spec.type} {'without' if kind is Kind.MONEY else 'with'} a currency",
            "give money, and nothing else, the currency it was trained in",
        )
    if spec.is_text:
        yield from _mistakes_of_text(spec, shown)
    elif spec.categories:
        yield Reason(f"{shown} is {spec.type} with categories", "leave the categories out")
    elif spec.takes_unknown:
        yield Reason(f"{shown} is {spec.type}, which is never unknown", "leave `unknown` out")
    largest = 1 if kind in {Kind.FLAG, *TEXT_KINDS} else MAX_SCALE
    if not 1 <= spec.scale <= largest:
        yield Reason(
            f"{shown} has the scale {spec.scale}",
            f"give a whole number from 1 to {largest}: policy integers in one of the estimator's",
        )
    if kind is Kind.NUMBER and spec.scale == 1:
        yield Reason(
            f"{shown} is a number of scale 1, as if the estimator had seen millionths",
            f"give the scale {NUMBER_SCALE} where it saw the number itself",
        )
    if spec.low is not None and spec.high is not None and spec.low > spec.high:
        yield Reason(f"{shown} has `low` above `high`", "give the range of the training data")


def _mistakes_of_text(spec: InputSpec, shown: str) -> Iterator[Reason]:
    texts = list(spec.categories.values())
    if not texts:
        yield Reason(f"{shown} is {spec.type} without categories", "list what it was trained on")
    if len(set(texts)) < len(texts) or any(not text for text in texts):
        yield Reason(
            f"{shown} has a category that is empty or comes twice",
            "give each of the estimator's values a text of its own",
        )
    if spec.low is not None or spec.high is not None:
        yield Reason(f"{shown} is {spec.type} with a range", "leave `low` and `high` out")


def input_of(spec: InputSpec) -> Input:
    """The input of the portable model; an enumeration has the words that the model knows."""
    words = tuple(spec.categories.values())
    return Input(
        name=spec.name,
        type=Type(Kind.WORD, words) if spec.type.kind is Kind.WORD else spec.type,
        currency=spec.currency,
        categories=words,
        low=spec.low,
        high=spec.high,
        takes_missing=spec.takes_missing,
        takes_unknown=spec.takes_unknown,
    )


def column_of(place: int, spec: InputSpec) -> Column:
    """The column of X that the estimator sees for it."""
    if not spec.is_text:
        return Number(place, float(spec.scale), is_flag=spec.type.kind is Kind.FLAG)
    values = tuple(spec.categories)
    # An unknown text reaches an estimator that reads texts; for numbers it has no code.
    unknown = UNKNOWN if all(isinstance(value, str) for value in values) else None
    return Levels(place, values, unknown)
