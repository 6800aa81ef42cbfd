"""Rows on which an exported model is held against its estimator, one by one."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np

from tidegate.dsl.types import Kind
from tidegate.models.export.bounds import quantisation_bound
from tidegate.models.export.refusals import refusal
from tidegate.models.export.specs import InputSpec
from tidegate.models.portable import PortableModel
from tidegate.models.scoring import compile_scorer

MAX_ROWS = 5_000_000
Row = tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A row (counted from 1) where both differ by more than the bound, in millionths."""

    row: int
    score: int
    probability: float


@dataclass(frozen=True, slots=True)
class RowCheck:
    """What was compared: rows that the model answers, and those where it abstains.

    largest: the largest |score - 10**6 * p| found; bound: what it may be. `first` is the first row
    beyond it, `beyond` their number.
    """

    compared: int
    abstained: int
    largest: float
    bound: float
    beyond: int
    first: Difference | None


def read_rows(stream: TextIO, specs: Sequence[InputSpec]) -> list[Row]:
    """Rows of a CSV whose header names every input: policy integers, texts, nothing for missing.

    Raises `ExportRefused` for a value that is none; it names line and column and never the value.
    """
    reader = csv.DictReader(stream, strict=True)
    try:
        header = list(reader.fieldnames or ())
        absent = [spec.name for spec in specs if spec.name not in header]
        if absent:
            shown = ", ".join(f"`{name}`" for name in absent)
            raise refusal(f"the rows have no column {shown}", "name every input in the first line")
        rows: list[Row] = []
        for line in reader:
            rows.append(tuple(_value(line[spec.name], spec, reader.line_num) for spec in specs))
            if len(rows) > MAX_ROWS:
                raise refusal(f"there are more than {MAX_ROWS:,} rows", "check on a part of them")
    except csv.Error as error:
        raise refusal(f"line {reader.line_num} is no CSV: {error}", "write it anew") from None
    return rows


def _value(text: str | None, spec: InputSpec, line: int) -> int | str | None:
    if not text:
        return None
    if spec.is_text:
        return text
    if spec.type.kind is Kind.FLAG:
        text = {"false": "0", "true": "1"}.get(text, text)
    allowed = text.removeprefix("-")
    if not (allowed.isascii() and allowed.isdigit() and len(allowed) <= 18) or (
        spec.type.kind is Kind.FLAG and text not in {"0", "1"}
    ):
        raise refusal(
            f"line {line} has in `{spec.name}` what is no {spec.type}",
            "write whole numbers in the policy's own unit: cents, millionths, microseconds",
        )
    return int(text)


def seen_by_estimator(rows: Sequence[Row], specs: Sequence[InputSpec]) -> Any:
    """The rows as the X of the estimator, (rows, inputs): float64 unless there are texts in it."""
    texts = any(isinstance(key, str) for spec in specs for key in spec.categories)
    x = np.empty((len(rows), len(specs)), dtype=object if texts else np.float64)
    for place, spec in enumerate(specs):
        keys = {text: key for key, text in spec.categories.items()}
        for at, row in enumerate(rows):
            value = row[place]
            if value is None:
                x[at, place] = math.nan
            elif isinstance(value, str):
                # Where the estimator saw codes, an unknown text has none, and the model abstains.
                x[at, place] = keys.get(value, value if texts else math.nan)
            else:
                x[at, place] = float(value) / spec.scale
    return x


def check_rows(
    estimator: Any,
    model: PortableModel,
    specs: Sequence[InputSpec],
    rows: Sequence[Row],
    *,
    positive: object = 1,
) -> RowCheck:
    """Compare every row that the model answers with the estimator's `predict_proba`."""
    score = compile_scorer(model).score
    scored = [score(row).score for row in rows]
    answered = [(at, found) for at, found in enumerate(scored) if found is not None]
    bound = quantisation_bound(model)
    if not answered:
        return RowCheck(0, len(rows), 0.0, bound, 0, None)
    x = seen_by_estimator([rows[at] for at, _ in answered], specs)
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and _asks_for_frames(estimator):
        import pandas as pd

        x = pd.DataFrame(x, columns=list(names)).infer_objects()
    place = list(estimator.classes_).index(positive)
    probabilities = estimator.predict_proba(x)[:, place].tolist()
    largest, beyond, first = 0.0, 0, None
    for (at, found), probability in zip(answered, probabilities, strict=True):
        difference = abs(found - 10**6 * probability)
        largest = max(largest, difference)
        if not difference <= bound:
            beyond += 1
            first = first or Difference(at + 1, found, probability)
    return RowCheck(len(answered), len(rows) - len(answered), largest, bound, beyond, first)


def _asks_for_frames(estimator: Any) -> bool:
    """scikit-learn names columns only after frames; interpret names them always."""
    return not type(estimator).__module__.startswith("interpret")
