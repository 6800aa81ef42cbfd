"""`tidegate history check`: what a mapping makes of a history, before anything is decided."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from tidegate.cli.backtest import MappingFile, history_refused, progress_bar
from tidegate.cli.inputs import AsJson, PolicyFolder, load
from tidegate.cli.output import ExitCode, counted, say, say_json

if TYPE_CHECKING:
    from tidegate.simulation.preview import ColumnPreview, HistoryPreview, SourcePreview

BAD_ROWS_SHOWN = 5


def check(policy: PolicyFolder, mapping: MappingFile, as_json: AsJson = False) -> None:
    """Preview what a mapping makes of a history.

    Shows how each column is read and every row that cannot be.

    Bad rows end it with exit code 3, and so does a history of which no row is taken in; a dry run
    leaves bad rows out and says so.
    """
    from tidegate.simulation.mapping import MappingError
    from tidegate.simulation.preview import SCHEMA, preview
    from tidegate.simulation.result import as_json as as_object

    loaded = load(policy, without_models=True)
    try:
        with progress_bar() as progress:
            found = preview(loaded, mapping, progress=progress)
    except MappingError as error:
        raise history_refused(error) from None
    if as_json:
        fields = as_object(found)
        assert isinstance(fields, dict)
        say_json({"schema": SCHEMA, **fields})
    else:
        say("\n".join(_lines(found)))
    raise typer.Exit(ExitCode.BAD_INPUT if found.bad or not found.accepted else ExitCode.FINE)


def _lines(found: HistoryPreview) -> Iterator[str]:
    from tidegate.engine.values import format_time

    if found.history:
        yield found.history
    if found.accepted:
        yield f"{format_time(found.start_us)} to {format_time(found.end_us)}"
    else:
        yield "error: no row was taken in"
    for source in found.sources:
        yield ""
        yield from _source(source)
    yield ""
    yield from (f"note: {note}" for note in found.notes)


def _source(source: SourcePreview) -> Iterator[str]:
    yield f"{source.event}: {', '.join(source.files)}, {counted(source.rows, 'row')}"
    yield from _columns(source.columns)
    if source.unmapped:
        yield f"  without a column: {', '.join(source.unmapped)}"
    for label in source.labels:
        not_due = f", not due yet for {counted(label.not_due, 'row')}" if label.not_due else ""
        yield f"  label {label.name}: {counted(label.rows, 'row')} true{not_due}"
    if source.outcomes:
        listed = ", ".join(f"{outcome.rows:,} {outcome.name}" for outcome in source.outcomes)
        yield f"  outcome at the time: {listed}"
    if source.after_end:
        yield f"  {counted(source.after_end, 'row')} after the history's `end` left out"
    if source.copies:
        yield f"  {counted(source.copies, 'later copy', 'later copies')} of a key left out"
    if source.ties:
        yield f"  {counted(source.ties, 'row shares', 'rows share')} their time with another"
    if not source.in_order:
        yield "  not in order of time"
    for lenient in source.invalid:
        yield f"  {counted(lenient.rows, 'bad value')} of {lenient.field} taken as missing"
    yield from _bad(source)


def _columns(columns: tuple[ColumnPreview, ...]) -> Iterator[str]:
    rows = [
        (
            column.name,
            column.column or f'"{column.constant}"',
            f"{column.type}{f' ({column.read_as})' if column.read_as else ''}",
            f"{column.missing:,} missing" if column.missing else "",
            "  ".join(column.first),
        )
        for column in columns
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    for row in rows:
        cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=False) if width]
        yield f"  {'  '.join((*cells, row[4]))}".rstrip()


def _bad(source: SourcePreview) -> Iterator[str]:
    if not source.bad:
        return
    yield f"  error: {counted(source.bad, 'bad row')}"
    for fault in source.faults:
        yield f"    {fault.rows:>10,}  {fault.said}"
        if fault.help:
            yield f"{'':14}  help: {fault.help}"
    for row in source.named[:BAD_ROWS_SHOWN]:
        key = f" ({row.key})" if row.key else ""
        yield f"    {row.file} row {row.row}{key}: {', '.join(row.faults)}"
    if source.bad > BAD_ROWS_SHOWN:
        yield "    ... --json names more"
