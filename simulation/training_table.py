"""The rows that a model learns from: what it reads, as it was at each decision, and the labels.

Values come from the dry run: fields as they pass the door, features point in time, lets evaluated
by the engine's own columns. A model is trained where the policy uses it and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidegate.dsl.program import Feature, Model, Program
from tidegate.dsl.types import Type
from tidegate.engine.column_batch import Batch, CodedColumn, Column, IntegerColumn
from tidegate.engine.columns import evaluate_condition, evaluate_expression
from tidegate.engine.decision import Policy
from tidegate.engine.event import HashToken, keep_token
from tidegate.engine.values import format_time
from tidegate.simulation.backtest import DryRun, Progress
from tidegate.simulation.features import Interner
from tidegate.simulation.history import CHUNK_ROWS
from tidegate.simulation.mapping import WORDS, Problem
from tidegate.simulation.needs import names_in
from tidegate.simulation.rows import Rows
from tidegate.simulation.times import Flags, Int64s
from tidegate.simulation.training_file import Training, TrainingError
from tidegate.simulation.warm_up import warm_up

_DECLINE = WORDS.index("decline")


@dataclass(frozen=True, eq=False)
class ReadColumn:
    """One thing that the model reads, over all rows of the table.

    `values` are the policy's integers, or of texts positions in `texts`; `valid` is False where
    there is none (the value is 0 there).
    """

    name: str
    type: Type
    values: Int64s
    valid: Flags
    texts: tuple[str, ...] = ()

    def at(self, rows: Flags) -> ReadColumn:
        """Some rows."""
        return ReadColumn(self.name, self.type, self.values[rows], self.valid[rows], self.texts)


@dataclass(frozen=True, eq=False)
class TrainingTable:
    """Every decision from the start of the training to the end of the test, in order of time.

    `reported_us` is when the label was reported as true, `NEVER_US` where it was not; what was
    declined at the time has no label. `by` and `known_by` are codes of the fields of the same name
    in the training file, -1 where missing. `segments` has a column for each segment. `end_us` is
    the time up to which the history is complete.
    """

    reads: tuple[ReadColumn, ...]
    at_us: Int64s
    reported_us: Int64s
    used: Flags
    declined: Flags
    by: Int64s
    known_by: Int64s
    money: Int64s
    segments: tuple[Column, ...]
    end_us: int
    notes: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.at_us)


def gather(
    policy: Policy,
    mapping_path: Path,
    training: Training,
    *,
    progress: Progress | None = None,
    hash_token: HashToken = keep_token,
    chunk_rows: int = CHUNK_ROWS,
) -> TrainingTable:
    """Read the history once; MappingError and TrainingError say why it cannot serve."""
    event = training.event
    also = {event.name: _fields_needed(training)}
    run = DryRun(policy, mapping_path, hash_token=hash_token, also=also, chunk_rows=chunk_rows)
    _check_history(run, training, mapping_path)
    pile = _Pile(policy, training, run)
    for rows in _rows_of(run, training, progress):
        pile.add(rows)
    if not pile.rows:
        window = f"{format_time(training.split.train.start_us)} to"
        message = f"the history holds no `{event.name}` from {window} the end of the test"
        raise TrainingError([Problem(str(training.path), "split", message)])
    return pile.table()


def features_behind(program: Program, model: Model) -> tuple[Feature, ...]:
    """The features that the model reads, straight or through lets."""
    names = names_in(model.reads)
    return tuple(feature for feature in program.features if feature.name in names)


def _fields_needed(training: Training) -> frozenset[str]:
    fields = {field.name for field in training.event.fields}
    read = names_in((*training.model.reads, training.model.use_when))
    own = {name.split(".")[0] for name in read}
    own |= {training.by, training.split.without_known}
    own |= {segment.field for segment in training.segments}
    return frozenset(own & fields)


def _check_history(run: DryRun, training: Training, mapping_path: Path) -> None:
    event, label, path = training.event, training.label, str(training.path)
    if event.name not in run.facts:
        raise TrainingError(
            [Problem(str(mapping_path), "sources", f"hold no `{event.name}`, which is learnt from")]
        )
    if label.name not in run.history.labels:
        message = f"the history tells no `{label.name}`"
        help_ = "add a column of it to `labels`, or a source of the events that report it"
        raise TrainingError([Problem(str(mapping_path), "labels", message, help_)])
    features = features_behind(run.policy.program, training.model)
    source = run.history.mapping.source_of(event.name)
    given = {column.field.name for column in source.features} if source else set()
    filling = warm_up(run.history, event, tuple(f for f in features if f.name not in given))
    part = "train" if training.is_seen else "test"
    first = training.split.train if training.is_seen else training.split.test
    if first.start_us < filling.until_us:
        does = "learn" if training.is_seen else "be measured on"
        message = (
            f"is before {format_time(filling.until_us)}: until then the windows over"
            f" `{filling.event}` are not full, and a model would {does} how they fill"
        )
        help_ = "begin later, or say `warm_up` in the mapping if less history is enough"
        raise TrainingError([Problem(path, f"split.{part}.from", message, help_)])
    if training.split.test.end_us > run.history.span.end_us + 1:
        end = format_time(run.history.span.end_us)
        message = f"is after the history's end, {end}"
        raise TrainingError([Problem(path, "split.test.until", message, "end the test earlier")])


def _rows_of(run: DryRun, training: Training, progress: Progress | None) -> Iterator[Rows]:
    first_us, last_us = training.split.train.start_us, training.split.test.end_us
    cuts_us = run.history.span.cuts_us
    for part, next_us in zip(run.slices(), cuts_us, strict=True):
        rows = next(found for found in part if found.event.name == training.event.name)
        low, high = np.searchsorted(rows.at_us, (first_us, last_us))
        if low < high:
            yield rows.at(np.arange(low, high))
        if progress is not None:
            read = sum(intake.rows for intake in run.history.intakes.values())
            progress(read, run.history.span.rows)
        if next_us >= last_us:
            return


class _Pile:
    """Gathers slice after slice."""

    def __init__(self, policy: Policy, training: Training, run: DryRun) -> None:
        self.policy = policy
        self.training = training
        self.run = run
        self.rows = 0
        self._reads = [
            _Reading(name, one.type)
            for name, one in zip(training.model.read_names, training.model.reads, strict=True)
        ]
        self._arrays: dict[str, list[Int64s]] = {}
        self._keys = (Interner(), Interner())
        self._segments = [
            _Reading(s.field, _field_type(training, s.field)) for s in training.segments
        ]

    def add(self, rows: Rows) -> None:
        model, batch = self.training.model, Batch(rows.count, rows.columns, self.policy.lists)
        for reading, expression in zip(self._reads, model.reads, strict=True):
            reading.add(evaluate_expression(expression, batch))
        for segment, declared in zip(self._segments, self.training.segments, strict=True):
            segment.add(rows.columns[declared.field])
        used = np.ones(rows.count, np.bool_)
        if model.use_when is not None:
            used, _ = evaluate_condition(model.use_when, batch)
        past = rows.past if rows.past is not None else np.full(rows.count, -1, np.int8)
        split, by = self.training.split, self.training.by
        found: Mapping[str, Int64s] = {
            "at": rows.at_us,
            "reported": rows.reported_us[self.training.label.name],
            "used": used.astype(np.int64),
            "declined": (past == _DECLINE).astype(np.int64),
            "by": self._keys[0].of(rows.columns[by]),
            "known": self._keys[1].of(rows.columns[split.without_known or by]),
            "money": self.run.money(rows),
        }
        for name, array in found.items():
            self._arrays.setdefault(name, []).append(array)
        self.rows += rows.count

    def table(self) -> TrainingTable:
        arrays = {name: np.concatenate(parts) for name, parts in self._arrays.items()}
        return TrainingTable(
            reads=tuple(reading.column() for reading in self._reads),
            at_us=arrays["at"],
            reported_us=arrays["reported"],
            used=arrays["used"].astype(np.bool_),
            declined=arrays["declined"].astype(np.bool_),
            by=arrays["by"],
            known_by=arrays["known"],
            money=arrays["money"],
            segments=tuple(segment.for_segments() for segment in self._segments),
            end_us=self.run.history.span.end_us,
            notes=tuple(_own_notes(self.run, self.training)),
        )


def _own_notes(run: DryRun, training: Training) -> Iterator[str]:
    """What the dry run has to say, but for scores: nothing is learnt from them."""
    unscored = {
        f"no recorded scores of `{name}`: it counts as unavailable"
        for name in training.event.models
    }
    yield from (note for note in run.notes() if note not in unscored)


def _field_type(training: Training, name: str) -> Type:
    return training.event.field(name).type


class _Reading:
    """One column that grows; the texts of every slice get the same codes."""

    def __init__(self, name: str, type_: Type) -> None:
        self.name = name
        self.type = type_
        self._interner = Interner()
        self._values: list[Int64s] = []
        self._valid: list[Flags] = []
        self._coded = False

    def add(self, column: Column) -> None:
        if isinstance(column, CodedColumn):
            self._coded = True
            codes = self._interner.of_coded(column, grows=False)
            self._values.append(np.maximum(codes, 0))
            self._valid.append(codes >= 0)
            return
        size = len(column.values)
        valid = np.ones(size, np.bool_) if column.valid is None else column.valid
        self._values.append(np.where(valid, column.values.astype(np.int64), 0))
        self._valid.append(valid)

    def column(self) -> ReadColumn:
        texts = tuple(str(value) for value in self._interner.known)
        values, valid = np.concatenate(self._values), np.concatenate(self._valid)
        return ReadColumn(self.name, self.type, values, valid, texts)

    def for_segments(self) -> Column:
        found = self.column()
        if self._coded:
            return CodedColumn(np.where(found.valid, found.values, -1), found.texts)
        return IntegerColumn(found.values, found.valid)
