"""`tidegate backtest`: what a policy would have decided over a history."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.files import keep
from tidegate.cli.inputs import AsJson, PolicyFolder, bad_input
from tidegate.cli.output import ExitCode, Stop, console_of, counted, say
from tidegate.cli.serving import People, Serving, load_serving

if TYPE_CHECKING:
    from tidegate.simulation.backtest import Progress
    from tidegate.simulation.mapping import MappingError
    from tidegate.simulation.result import BacktestResult

MappingFile = Annotated[
    Path,
    typer.Argument(
        metavar="MAPPING", show_default=False, help="The YAML file that maps the history."
    ),
]


def backtest(
    policy: PolicyFolder,
    mapping: MappingFile,
    *,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="ROWS", show_default=False, help="Decide only the first so many rows."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False, help="Keep the result as JSON as well."),
    ] = None,
    snapshot: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            show_default=False,
            help="Keep the encoded history there, and decide only what an edit of rules changes.",
        ),
    ] = None,
    serving: Serving = False,
    people: People = None,
    as_json: AsJson = False,
) -> None:
    """Run a policy over a history.

    Measures what it would have decided, and changes nothing.
    """
    from tidegate.simulation.backtest import run_backtest
    from tidegate.simulation.edit_report import snapshot_lines
    from tidegate.simulation.mapping import MappingError
    from tidegate.simulation.report import to_json
    from tidegate.simulation.snapshot_run import run_with_snapshot

    if limit is not None and limit < 1:
        raise typer.BadParameter("decide one row at least", param_hint="'--limit'")
    if limit is not None and snapshot is not None:
        raise typer.BadParameter("a snapshot holds every row", param_hint="'--limit'")
    loaded, kept = load_serving(policy, serving, people), None
    try:
        with progress_bar() as progress:
            if snapshot is None:
                result = run_backtest(loaded, mapping, progress=progress, limit=limit)
            else:
                kept = run_with_snapshot(loaded, mapping, snapshot, progress=progress)
                result = kept.result
    except MappingError as error:
        raise history_refused(error) from None
    except OSError as error:
        if snapshot is None:
            raise
        raise bad_input(f"`{snapshot}` cannot be written: {error.strerror}") from None
    if out is not None:
        keep(out, f"{to_json(result)}\n".encode())
    if as_json:
        say(to_json(result))
    else:
        _say(result)
    for line in snapshot_lines(kept) if kept is not None else ():
        typer.echo(line, err=True)


def _say(result: BacktestResult) -> None:
    from tidegate.simulation.report import render, to_text

    if sys.stdout.isatty():
        console_of(sys.stdout, wrap=True).print(render(result))
    else:
        say(to_text(result).rstrip("\n"))


def history_refused(error: MappingError) -> Stop:
    """A stop that names everything that is wrong with a mapping or its files."""
    found = error.problems
    return Stop(
        ExitCode.BAD_INPUT,
        "history_refused",
        f"the history cannot be used for {counted(len(found), 'reason')}",
        problems=[
            {"file": p.file, "key": p.key, "message": p.message, "help": p.help} for p in found
        ],
        text="\n".join(f"error: {problem}" for problem in found),
    )


@contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """A bar on standard error while it is a terminal, else nothing at all."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console_of(sys.stderr), transient=True) as bar:
        task = bar.add_task("rows", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
