"""What a mapping makes of a history: counted and sampled, nothing decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tidegate.dsl.program import Program
from tidegate.dsl.types import Kind, Type, Value
from tidegate.engine.column_batch import CodedColumn, Column
from tidegate.engine.decision import Policy
from tidegate.engine.expression_text import show_value
from tidegate.engine.window_columns import NEVER_US
from tidegate.simulation import checked_mapping
from tidegate.simulation.advice import fault_counts, invalid_counts
from tidegate.simulation.backtest import DryRun, Progress
from tidegate.simulation.checked_mapping import CheckedSource
from tidegate.simulation.history import History
from tidegate.simulation.mapping import WORDS
from tidegate.simulation.result import FaultCount, NamedRow
from tidegate.simulation.rows import Intake, Rows

SCHEMA = "tidegate.history/1"
SAMPLE_ROWS = 3


@dataclass(frozen=True, slots=True)
class ColumnPreview:
    """One input with the column it comes from (empty: a constant), and its first values.

    `missing` counts the rows taken in that have no value.
    """

    name: str
    type: str
    column: str
    constant: str
    read_as: str
    missing: int
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows say so."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How many rows carry a label, and how many it is not due for yet by the history's end."""

    name: str
    rows: int
    not_due: int


@dataclass(frozen=True, slots=True)
class SourcePreview:
    """One source: what was read, how, and what became of its rows."""

    event: str
    files: tuple[str, ...]
    rows: int
    accepted: int
    bad: int
    after_end: int
    copies: int
    ties: int
    in_order: bool
    columns: tuple[ColumnPreview, ...]
    unmapped: tuple[str, ...]
    labels: tuple[LabelCount, ...]
    outcomes: tuple[Count, ...]
    faults: tuple[FaultCount, ...]
    named: tuple[NamedRow, ...]
    invalid: tuple[FaultCount, ...]


@dataclass(frozen=True, slots=True)
class HistoryPreview:
    """A whole history; `notes` say what a dry run over it assumes."""

    policy: str
    history: str
    start_us: int
    end_us: int
    sources: tuple[SourcePreview, ...]
    notes: tuple[str, ...]

    @property
    def accepted(self) -> int:
        """How many rows were taken in."""
        return sum(source.accepted for source in self.sources)

    @property
    def bad(self) -> int:
        """How many rows were refused."""
        return sum(source.bad for source in self.sources)


def preview(
    policy: Policy, mapping_path: Path | str, *, progress: Progress | None = None
) -> HistoryPreview:
    """Read the whole history through the mapping; MappingError says what is wrong with it."""
    run = DryRun(policy, mapping_path)
    history = History(run.history.mapping, policy, keep_all=True)
    end_us = history.span.end_us
    tallies = {s.event.name: _Tally(s, policy.program, end_us) for s in history.mapping.sources}
    read = 0
    for part in history.slices():
        for name, rows in part.items():
            tallies[name].take(rows)
            read += rows.count
        if progress is not None:
            progress(read, history.span.rows)
    return HistoryPreview(
        policy=policy.program.name,
        history=history.mapping.name,
        start_us=history.span.start_us,
        end_us=history.span.end_us,
        sources=tuple(
            tally.result(history.intakes[name], name not in history.unordered)
            for name, tally in tallies.items()
        ),
        notes=run.notes(),
    )


@dataclass(slots=True)
class _Tally:
    """One source under way."""

    source: CheckedSource
    program: Program
    end_us: int
    missing: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    not_due: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[str]] = field(default_factory=dict)

    def take(self, rows: Rows) -> None:
        for name, type_ in self._inputs():
            column = rows.columns[name]
            self.missing[name] += int(_gone(column).sum())
            shown = self.first.setdefault(name, [])
            for row in range(min(rows.count, SAMPLE_ROWS - len(shown))):
                value = _value(column, row, type_)
                shown.append(
                    "-" if value is None else show_value(value, type_, self.program.currency)
                )
        for name, reported_us in rows.reported_us.items():
            self.labels[name] += int((reported_us < NEVER_US).sum())
            label = next(label for label in self.program.labels if label.name == name)
            self.not_due[name] += int((rows.at_us + label.after_us > self.end_us).sum())
        if rows.past is not None:
            for place, word in enumerate(WORDS):
                self.outcomes[word] += int((rows.past == place).sum())

    def _inputs(self) -> Iterator[tuple[str, Type]]:
        for column in (*self.source.fields, *self.source.features, *self._scores()):
            yield column.field.name, column.field.type

    def _scores(self) -> Iterator[checked_mapping.Column]:
        return (score.column for score in self.source.scores)

    def result(self, intake: Intake, in_order: bool) -> SourcePreview:
        source = self.source
        mapped = {column.field.name for column in source.fields}
        return SourcePreview(
            event=source.event.name,
            files=tuple(path.name for path in source.files),
            rows=intake.rows,
            accepted=intake.accepted,
            bad=intake.bad,
            after_end=intake.after_end,
            copies=intake.copies,
            ties=intake.ties,
            in_order=in_order,
            columns=tuple(
                self._column(column)
                for column in (*source.fields, *source.features, *self._scores())
            ),
            unmapped=tuple(f.name for f in source.event.fields if f.name not in mapped),
            labels=tuple(
                LabelCount(name, rows, self.not_due[name]) for name, rows in self.labels.items()
            ),
            outcomes=_counts(self.outcomes),
            faults=fault_counts(source, intake),
            named=tuple(
                NamedRow(
                    bad.file,
                    bad.row,
                    bad.key,
                    tuple(": ".join(filter(None, f)) for f in bad.faults),
                )
                for bad in intake.named
            ),
            invalid=invalid_counts(intake),
        )

    def _column(self, column: checked_mapping.Column) -> ColumnPreview:
        origin, name = column.origin, column.field.name
        currency = origin.currency_column and f"currency in `{origin.currency_column}`"
        zone = column.zone if column.field.type.kind is Kind.TIME else ""
        return ColumnPreview(
            name=name,
            type=column.field.type.kind.value,
            column=origin.column,
            constant=origin.constant or "",
            read_as=", ".join(filter(None, (origin.unit, column.currency, currency, zone))),
            missing=self.missing[name],
            first=tuple(self.first.get(name, ())),
        )


def _counts(counter: Mapping[str, int]) -> tuple[Count, ...]:
    return tuple(Count(name, rows) for name, rows in counter.items())


def _gone(column: Column) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    if isinstance(column, CodedColumn):
        return column.codes < 0
    if column.valid is None:
        return np.zeros(len(column.values), np.bool_)
    return ~column.valid


def _value(column: Column, row: int, type_: Type) -> Value | None:
    if isinstance(column, CodedColumn):
        code = int(column.codes[row])
        return None if code < 0 else column.dictionary[code]
    if column.valid is not None and not column.valid[row]:
        return None
    value = int(column.values[row])
    return bool(value) if type_.kind is Kind.FLAG else value
