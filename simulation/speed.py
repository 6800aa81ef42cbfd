"""How fast two revisions decide, measured in passing: on this machine, in this run.

Figures of one run on a busy machine differ from the next ones; they are there to show that a change
makes deciding ten times slower, not that it makes it a tenth slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from tidegate.dsl.program import EventType
from tidegate.dsl.types import Value
from tidegate.engine.column_batch import STATUSES, Batch, CodedColumn, Column
from tidegate.engine.column_outcome import compile_settler
from tidegate.engine.decision import Policy
from tidegate.engine.evaluator import evaluator_of
from tidegate.engine.situation import Situation
from tidegate.simulation.comparison import Speed
from tidegate.simulation.rows import Rows, some_rows

COLUMN_ROWS = 100_000
DECIDED_ROWS = 2_000


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of one event with all that each policy reads."""

    old: Policy
    new: Policy
    before: Rows
    after: Rows


def measure(sample: Sample) -> Speed:
    """Decide the sample by both policies, in columns and one by one."""
    event = sample.after.event.name
    sides = (sample.old, sample.before), (sample.new, sample.after)
    columns = [_columns(policy, rows) for policy, rows in sides]
    single = [_single(policy, rows) for policy, rows in sides]
    count = min(sample.after.count, DECIDED_ROWS)
    return Speed(event, columns[0], columns[1], single[0], single[1], count)


def _columns(policy: Policy, rows: Rows) -> int | None:
    event = policy.program.event(rows.event.name)
    settler = compile_settler(policy.program, event)
    batch = _batch(policy, rows, event, COLUMN_ROWS)
    began = perf_counter()
    settler.settle(batch)
    return _rate(batch.rows, perf_counter() - began)


def _single(policy: Policy, rows: Rows) -> int | None:
    event = policy.program.event(rows.event.name)
    files = {d.name: policy.lists[d.name] for d in policy.program.lists if d.path}
    evaluator = evaluator_of(policy.program, event, files, "compiled")
    batch = _batch(policy, rows, event, DECIDED_ROWS)
    situations = list(_situations(event, batch))
    began = perf_counter()
    for situation in situations:
        evaluator.settle(situation)
    return _rate(len(situations), perf_counter() - began)


def _rate(rows: int, seconds: float) -> int | None:
    return round(rows / seconds) if rows and seconds > 0 else None


def _batch(policy: Policy, rows: Rows, event: EventType, most: int) -> Batch:
    """The first rows, and of them what the policy reads: others may not be kept."""
    count, first = min(rows.count, most), slice(most)
    columns = {
        item.name: some_rows(rows.columns[item.name], first)
        for item in event.inputs
        if item.name in rows.columns
    }
    statuses = {name: codes[first] for name, codes in rows.statuses.items()}
    return Batch(count, columns, policy.lists, statuses)


def _situations(event: EventType, batch: Batch) -> Iterator[Situation]:
    nothing: Sequence[Value | None] = [None] * batch.rows
    columns = [
        _values(batch.columns[item.name]) if item.name in batch.columns else nothing
        for item in event.inputs
    ]
    for row, values in enumerate(zip(*columns, strict=True)):
        statuses = {name: STATUSES[codes[row]] for name, codes in batch.statuses.items()}
        for name in event.models:
            statuses.setdefault(name, "ok")
        yield Situation(event, values, batch.lists, statuses)


def _values(column: Column) -> Sequence[Value | None]:
    if isinstance(column, CodedColumn):
        if not column.dictionary:  # nobody reads it, and its texts were not kept
            return [None] * len(column.codes)
        return [None if code < 0 else column.dictionary[code] for code in column.codes.tolist()]
    found: list[Value] = column.values.tolist()
    if column.valid is None:
        return found
    return [v if there else None for v, there in zip(found, column.valid.tolist(), strict=True)]
