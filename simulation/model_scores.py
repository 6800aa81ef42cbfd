"""The scores of loaded models over the rows of a history, in columns.

A model is given its `reads` where it is used and nowhere else; where it abstains, and from its
`until` on, it has no score. Row by row this is what `Engine.decide` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tidegate.dsl.program import EventType, Model
from tidegate.engine.column_batch import STATUSES, Batch, CodedColumn, Column, IntegerColumn
from tidegate.engine.columns import evaluate_condition, evaluate_expression
from tidegate.engine.decision import Policy
from tidegate.models.columns import ColumnScorer
from tidegate.models.portable import Input, PortableModel
from tidegate.models.scored import InputColumn
from tidegate.rules.models import LoadedModel
from tidegate.simulation.rows import Rows, Small, some_rows
from tidegate.simulation.times import Int64s

_OK, _UNAVAILABLE, _ABSTAINED = (
    STATUSES.index(status) for status in ("ok", "unavailable", "abstained")
)


class EventModels:
    """The models of one event whose scores do not come with it."""

    def __init__(self, policy: Policy, event: EventType) -> None:
        self._lists = policy.lists
        models = [policy.program.model(name) for name in event.models]
        self._scorers = tuple(
            HistoryScorer(model, portable_of(policy, model))
            for model in models
            if not model.external
        )

    def score(self, rows: Rows) -> Rows:
        """The same rows with the scores and statuses of every loaded model.

        rows: with every other input, features and what is read in tables too.
        """
        if not self._scorers:
            return rows
        batch = Batch(rows.count, rows.columns, self._lists)
        columns, statuses = dict(rows.columns), dict(rows.statuses)
        for scorer in self._scorers:
            model = scorer.model
            columns[model.score], statuses[model.name] = scorer.score(batch, rows.at_us)
        return replace(rows, columns=columns, statuses=statuses)


class HistoryScorer:
    """One model over many rows. `loaded` None: no version may serve, and it answers nowhere."""

    def __init__(self, model: Model, loaded: PortableModel | None) -> None:
        self.model = model
        self.inputs = () if loaded is None else loaded.inputs
        self._scorer = None if loaded is None else ColumnScorer(loaded)

    def score(self, batch: Batch, at_us: Int64s) -> tuple[IntegerColumn, Small]:
        """The scores, missing where there is none, and how the model answered."""
        statuses = np.full(batch.rows, _UNAVAILABLE, np.int8)
        scores = np.zeros(batch.rows, np.int64)
        places = self._used(batch, at_us)
        if self._scorer is not None and len(places):
            found = self._scorer.score(tuple(self._inputs(batch, places)))
            statuses[places] = np.where(found.answered, _OK, _ABSTAINED)
            scores[places] = found.scores
        return IntegerColumn.of(scores, statuses == _OK), statuses

    def contributions(self, batch: Batch, places: Int64s) -> npt.NDArray[np.int64]:
        """The contributions (rows, terms) of some rows in which the model answers."""
        assert self._scorer is not None
        found = self._scorer.score(tuple(self._inputs(batch, places)), contributions=True)
        assert found.contributions is not None
        return found.contributions

    def abstentions(self, batch: Batch, places: Int64s) -> Iterator[tuple[int, str, Int64s]]:
        """Why the model abstains in some of these rows: place of the input, reason, and which."""
        if self._scorer is not None:
            for index, reason, rows in self._scorer.abstentions(tuple(self._inputs(batch, places))):
                yield index, reason, places[rows]

    def _used(self, batch: Batch, at_us: Int64s) -> Int64s:
        """The rows that the model is asked about."""
        model = self.model
        asked = np.ones(batch.rows, np.bool_)
        if model.use_when is not None:
            asked &= evaluate_condition(model.use_when, batch)[0]
        if model.until_us is not None:
            asked &= at_us < model.until_us
        return np.flatnonzero(asked)

    def _inputs(self, batch: Batch, places: Int64s) -> Iterator[InputColumn]:
        columns = dict(input_columns(self.model, batch))
        for entry in self.inputs:
            yield encoded(some_rows(columns[entry.name], places), entry)


def input_columns(model: Model, batch: Batch) -> Iterator[tuple[str, Column]]:
    """By name, the values of what the model reads."""
    for name, read in zip(model.read_names, model.reads, strict=True):
        yield name, evaluate_expression(read, batch)


def encoded(column: Column, entry: Input) -> InputColumn:
    """A column in the codes that the model knows."""
    if isinstance(column, IntegerColumn):
        return InputColumn(column.values.astype(np.int64), column.valid)
    known = {text: code for code, text in enumerate(entry.categories)}
    # One place more, for missing: -1 is the last.
    table = [known.get(text, len(known)) for text in _texts(column)]
    codes = np.array([*table, 0], np.int64)[column.codes]
    valid = column.codes >= 0
    return InputColumn(codes, None if valid.all() else valid)


def _texts(column: CodedColumn) -> Sequence[str]:
    return [str(value) for value in column.dictionary]


def portable_of(policy: Policy, model: Model) -> PortableModel | None:
    """The model as it was loaded with the policy.

    None of one whose score comes with the event, and of one of which no version may serve.
    """
    loaded = policy.models.get(model.name)
    return loaded.portable if isinstance(loaded, LoadedModel) else None


def model_hash(policy: Policy, model: Model) -> str:
    """The hash of the model's file; empty where there is none to be scored."""
    loaded = policy.models.get(model.name)
    return loaded.hash if isinstance(loaded, LoadedModel) else ""
