"""Tables and trainings of the example with a model, small and made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import ROOT
from tidegate.dsl.types import COUNT, Kind, Type
from tidegate.engine.window_columns import NEVER_US
from tidegate.rules import load_policy
from tidegate.rules.models import none_serves
from tidegate.rules.policy import Policy
from tidegate.simulation.training_file import Span, Split, Training, read_training
from tidegate.simulation.training_table import ReadColumn, TrainingTable

DAY_US = 86_400 * 10**6
START_US = 20_000 * DAY_US
SCORED = ROOT / "examples" / "scored"
TRAINING = SCORED / "models" / "risk" / "training.yaml"
WORD = Type(Kind.WORD, ("ecom", "moto"))


@cache
def scored_policy() -> Policy:
    """The example's policy, before its model is there."""
    return load_policy(SCORED, serving=none_serves)


def scored_training(**changes: Any) -> Training:
    """The example's training, with some of it changed."""
    return replace(read_training(TRAINING, scored_policy().program), **changes)


def written(path: Path, text: str) -> Path:
    """The path of a training file that holds `text`."""
    path.write_text(text, encoding="utf-8")
    return path


def read(name: str, values: Any, type_: Type = COUNT, texts: tuple[str, ...] = ()) -> ReadColumn:
    """A column; None where a value is missing."""
    valid = np.array([value is not None for value in values], np.bool_)
    filled = [0 if value is None else value for value in values]
    return ReadColumn(name, type_, np.array(filled, np.int64), valid, texts)


def table(days: Sequence[float], **changes: Any) -> TrainingTable:
    """A table of one row at each of these days after `START_US`; nothing was reported."""
    rows = len(days)
    at_us = START_US + (np.array(days) * DAY_US).astype(np.int64)
    made: Mapping[str, Any] = {
        "reads": (),
        "at_us": at_us,
        "reported_us": np.full(rows, NEVER_US),
        "used": np.ones(rows, np.bool_),
        "declined": np.zeros(rows, np.bool_),
        "by": np.arange(rows),
        "known_by": np.arange(rows),
        "money": np.full(rows, 1_000),
        "segments": (),
        "end_us": START_US + 100 * DAY_US,
        "notes": (),
    }
    return TrainingTable(**{**made, **changes})


def days_after(days: Sequence[float | None]) -> Any:
    """Times so many days after `START_US`, NEVER_US for None."""
    times = [NEVER_US if day is None else START_US + round(day * DAY_US) for day in days]
    return np.array(times, np.int64)


def split(train: tuple[int, int], delay: int, test: tuple[int, int], known: str = "") -> Split:
    """A split in days after `START_US`."""
    spans = (
        Span(START_US + start * DAY_US, START_US + end * DAY_US) for start, end in (train, test)
    )
    first, second = spans
    return Split(first, delay * DAY_US, second, known)
