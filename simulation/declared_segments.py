"""Segments for monitoring: those that are written at its call, and those that training declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.engine.values import NotHeldError, parse_decimal
from tidegate.rules.gate import Segments
from tidegate.rules.policy import Policy
from tidegate.simulation.mapping import MappingError, Problem
from tidegate.simulation.training_file import TrainingError, read_training

TRAINING_FILE = "training.yaml"


def segments_wanted(policy: Policy, written: Sequence[str]) -> tuple[Segments, ...]:
    """The segments that were asked for, or those of training where none was.

    `amount: 50, 250` has bands of its own; an amount without them takes those of training.
    MappingError names what cannot be read.
    """
    trained = {one.field: one for one in _trained(policy)}
    if not written:
        return tuple(trained.values())
    return tuple(_segment(policy, text, trained.get(text.strip())) for text in written)


def _segment(policy: Policy, text: str, trained: Segments | None) -> Segments:
    name, colon, listed = (part.strip() for part in text.partition(":"))
    if not colon:
        return trained or Segments(name)
    currency = policy.program.currency
    try:
        bands = tuple(_edge(edge, currency) for edge in listed.split(","))
    except NotHeldError:
        bands = ()
    if not bands or any(a >= b for a, b in pairwise(bands)):
        message = f"the bands of `{name}` are no rising amounts of {currency}"
        help_ = f'write `--segment "{name}: 50, 250"`'
        raise MappingError([Problem(policy.program.name, "segment", message, help_)])
    return Segments(name, bands)


def _edge(text: str, currency: str) -> int:
    return parse_decimal(text.strip().removesuffix(currency).strip(), MINOR_DIGITS[currency])


def _trained(policy: Policy) -> Iterator[Segments]:
    """What the training files beside the versions declare; one that cannot be read declares none,
    for monitoring goes on without it."""
    for model in policy.program.models:
        file = policy.folder / model.path / TRAINING_FILE
        if model.external or not file.is_file():
            continue
        try:
            yield from read_training(file, policy.program).segments
        except TrainingError:
            continue
