"""Where a model says nothing, and why, in words that hold bounds but never the event's values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.literals import UNIT_US
from tidegate.dsl.types import Kind, Value
from tidegate.models.portable import Input, PortableModel
from tidegate.models.proofs import answered_span, linear_inputs

_NUMBER_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Limits:
    """Where the model answers for one input, and what it says elsewhere.

    low and high are those of `proofs.answered_span`; `unknown` is empty where it takes any text.
    """

    low: int | None
    high: int | None
    missing: str
    unknown: str
    below: str
    above: str


def limits_of(model: PortableModel) -> tuple[Limits, ...]:
    """The limits of every input, in the order of the model's."""
    linear = linear_inputs(model)
    return tuple(
        _limits(entry, *answered_span(entry, linear=index in linear))
        for index, entry in enumerate(model.inputs)
    )


def reasons(
    model: PortableModel, limits: Sequence[Limits], values: Sequence[Value | None]
) -> Iterator[str]:
    """Why the model abstains, one sentence for each input that is the cause."""
    for entry, limit, value in zip(model.inputs, limits, values, strict=True):
        if value is None:
            if limit.missing:
                yield limit.missing
        elif isinstance(value, str):
            if limit.unknown and value not in entry.categories:
                yield limit.unknown
        elif limit.low is not None and value < limit.low:
            yield limit.below
        elif limit.high is not None and value > limit.high:
            yield limit.above


def _limits(entry: Input, low: int | None, high: int | None) -> Limits:
    name, known = f"`{entry.name}`", len(entry.categories)
    return Limits(
        low=low,
        high=high,
        missing="" if entry.takes_missing else f"{name} is missing, and the model needs it",
        unknown=""
        if entry.takes_unknown
        else f"{name} is none of the {known} texts that it was trained on",
        below=""
        if low is None
        else f"{name} is below {_amount(low, entry)}, the least it was trained on",
        above=""
        if high is None
        else f"{name} is above {_amount(high, entry)}, the most it was trained on",
    )


def _amount(bound: int, entry: Input) -> str:
    match entry.type.kind:
        case Kind.MONEY:
            return f"{_decimal(bound, MINOR_DIGITS[entry.currency], trim=False)} {entry.currency}"
        case Kind.NUMBER:
            return _decimal(bound, _NUMBER_DIGITS, trim=True)
        case Kind.DURATION:
            return _duration(bound)
        case Kind.FLAG:
            return "true" if bound else "false"
        case _:
            return str(bound)


def _decimal(scaled: int, digits: int, *, trim: bool) -> str:
    whole, fraction = divmod(abs(scaled), 10**digits)
    decimals = f".{fraction:0{digits}}" if digits else ""
    if trim:
        decimals = decimals.rstrip("0").rstrip(".")
    return f"{'-' if scaled < 0 else ''}{whole}{decimals}"


def _duration(duration_us: int) -> str:
    """In the largest unit that holds it exactly, as the language writes it."""
    if not duration_us:
        return "0s"
    sizes = sorted(UNIT_US.items(), key=lambda unit: -unit[1])
    unit, size = next((unit, size) for unit, size in sizes if duration_us % size == 0)
    return f"{duration_us // size}{unit}"
