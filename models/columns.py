"""Scores of many events in columns, the same integers as `scoring` gives one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tidegate.models.abstention import limits_of
from tidegate.models.column_walks import ColumnWalks
from tidegate.models.logistic import logistic_scores, share_scores
from tidegate.models.portable import Axis, Input, LinearTerm, PortableModel, TableTerm, Term
from tidegate.models.scored import InputColumn, Int64s, ScoredColumns

Bools = npt.NDArray[np.bool_]


def code_texts(entry: Input, texts: Sequence[str | None]) -> InputColumn:
    """The codes of a text input's values, None for a missing one."""
    codes = {text: code for code, text in enumerate(entry.categories)}
    unknown = len(entry.categories)
    coded = [0 if text is None else codes.get(text, unknown) for text in texts]
    valid = np.array([text is not None for text in texts], dtype=np.bool_)
    return InputColumn(np.array(coded, dtype=np.int64), None if valid.all() else valid)


class ColumnScorer:
    """A model, ready to score histories."""

    def __init__(self, model: PortableModel) -> None:
        self.model = model
        self._limits = limits_of(model)

    @cached_property
    def _walks(self) -> ColumnWalks:
        return ColumnWalks(self.model)

    def score(
        self, columns: Sequence[InputColumn], *, contributions: bool = False
    ) -> ScoredColumns:
        """Score rows; one column for each of `model.inputs`, in their order, all of one length.

        Where `contributions` is set, the result holds (rows, contributions) of them, 0 where the
        model abstains.
        """
        model = self.model
        if len(columns) != len(model.inputs):
            raise ValueError(f"{len(model.inputs)} columns are needed, one for each input")
        count = len(columns[0].codes)
        if any(len(column.codes) != count for column in columns):
            raise ValueError("the columns are of unequal length")
        answered, abstained_by = self._answered(columns, count)
        rows = None if answered.all() else np.flatnonzero(answered)
        kept = columns if rows is None else [_taken(column, rows) for column in columns]
        totals, parts = self._totals(kept, contributions)
        return ScoredColumns(
            scores=_spread(self._scores(totals), rows, count),
            totals=_spread(totals, rows, count),
            answered=answered,
            contributions=None if parts is None else _spread(parts, rows, count),
            abstained_by=abstained_by,
        )

    def abstentions(self, columns: Sequence[InputColumn]) -> Iterator[tuple[int, str, Bools]]:
        """Each reason for which the model abstains: the input, what is said, and the rows (some).

        A row stands under the first of its reasons alone; the columns are those of `score`.
        """
        left = np.ones(len(columns[0].codes), dtype=np.bool_)
        for index, column in enumerate(columns):
            for reason, refused in self._refusals(index, column):
                rows = refused & left
                if rows.any():
                    yield index, reason, rows
                    left &= ~rows

    def _answered(self, columns: Sequence[InputColumn], count: int) -> tuple[Bools, dict[str, int]]:
        answered = np.ones(count, dtype=np.bool_)
        counts: dict[str, int] = {}
        for _, reason, rows in self.abstentions(columns):
            counts[reason] = int(np.count_nonzero(rows))
            answered &= ~rows
        return answered, counts

    def _refusals(self, index: int, column: InputColumn) -> Iterator[tuple[str, Bools]]:
        """Rows in which the model abstains for one input, by reason."""
        entry, limits, codes = self.model.inputs[index], self._limits[index], column.codes
        there = column.valid
        if limits.missing and there is not None:
            yield limits.missing, ~there
        tests = []
        if entry.is_text and limits.unknown:
            tests.append((limits.unknown, codes >= len(entry.categories)))
        if limits.low is not None:
            tests.append((limits.below, codes < limits.low))
        if limits.high is not None:
            tests.append((limits.above, codes > limits.high))
        for reason, rows in tests:
            yield reason, rows if there is None else rows & there

    def _scores(self, totals: Int64s) -> Int64s:
        if self.model.link == "logit":
            return logistic_scores(totals, self.model.unit)
        return share_scores(totals, self.model.unit * self.model.divisor)

    def _totals(
        self, columns: Sequence[InputColumn], contributions: bool
    ) -> tuple[Int64s, Int64s | None]:
        if self.model.trees:
            return self._walks.totals(columns, contributions=contributions)
        count = len(columns[0].codes)
        totals = np.full(count, self.model.base, dtype=np.int64)
        shape = (count, len(self.model.terms))
        parts = np.zeros(shape, dtype=np.int64) if contributions else None
        places: dict[Axis, Int64s] = {}
        for number, term in enumerate(self.model.terms):
            values = self._term(term, columns, places)
            totals += values
            if parts is not None:
                parts[:, number] = values
        return totals, parts

    def _term(
        self, term: Term, columns: Sequence[InputColumn], places: dict[Axis, Int64s]
    ) -> Int64s:
        if isinstance(term, LinearTerm):
            return _line(term, columns[term.input])
        return self._table(term, columns, places)

    def _table(
        self, term: TableTerm, columns: Sequence[InputColumn], places: dict[Axis, Int64s]
    ) -> Int64s:
        for axis in term.axes:
            if axis not in places:
                places[axis] = _places(self.model.inputs[axis.input], axis, columns[axis.input])
        place = places[term.axes[0]]
        if len(term.axes) == 2:
            entry, cuts = self.model.inputs[term.axes[1].input], term.axes[1].cuts
            width = (len(entry.categories) if entry.is_text else len(cuts)) + 2
            place = place * width + places[term.axes[1]]
        return np.array(term.values, dtype=np.int64).take(place)


def _line(term: LinearTerm, column: InputColumn) -> Int64s:
    values = np.rint(term.weight * (column.codes - term.centre)).astype(np.int64)
    if column.valid is not None:
        values[~column.valid] = term.missing
    return np.asarray(values)


def _places(entry: Input, axis: Axis, column: InputColumn) -> Int64s:
    if entry.is_text:
        places, missing = column.codes, len(entry.categories) + 1
    else:
        cuts = np.array(axis.cuts, dtype=np.int64)
        places = np.searchsorted(cuts, column.codes, side="right")
        missing = len(axis.cuts) + 1
    return places if column.valid is None else np.where(column.valid, places, missing)


def _taken(column: InputColumn, rows: Int64s) -> InputColumn:
    valid = column.valid
    return InputColumn(column.codes[rows], None if valid is None else valid[rows])


def _spread(values: Int64s, rows: Int64s | None, count: int) -> Int64s:
    """Values of `rows` in a column of `count`, 0 elsewhere."""
    if rows is None:
        return values
    spread = np.zeros((count, *values.shape[1:]), dtype=np.int64)
    spread[rows] = values
    return spread
