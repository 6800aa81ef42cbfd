"""`tidegate models monitor`: whether models still do what they were approved for."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.backtest import MappingFile, history_refused, progress_bar
from tidegate.cli.files import keep
from tidegate.cli.inputs import AsJson, PolicyFolder, load
from tidegate.cli.output import ExitCode, console_of, say

if TYPE_CHECKING:
    from tidegate.rules import Policy
    from tidegate.simulation.monitoring_result import Monitoring

_DAY = "%Y-%m-%d"


def monitor(
    policy: PolicyFolder,
    mapping: MappingFile,
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", show_default="all", help="Watch this model alone; repeatable."
        ),
    ] = None,
    from_: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            metavar="DAY",
            formats=[_DAY],
            show_default="after the reference week and the card's test",
            help="The first day that is watched, in the policy's zone.",
        ),
    ] = None,
    to: Annotated[
        datetime | None,
        typer.Option(
            metavar="DAY",
            formats=[_DAY],
            show_default="the history's end",
            help="The last day that is watched.",
        ),
    ] = None,
    reference_from: Annotated[
        datetime | None,
        typer.Option(
            metavar="DAY",
            formats=[_DAY],
            show_default="after the warm-up",
            help="The first day of the time it is compared with.",
        ),
    ] = None,
    reference_to: Annotated[
        datetime | None,
        typer.Option(
            metavar="DAY",
            formats=[_DAY],
            show_default="seven days",
            help="The last day of it.",
        ),
    ] = None,
    segment: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD",
            show_default="those of training.yaml",
            help="Compare outcomes between the values of this field, or between bands:"
            ' "amount: 50, 250". Repeatable.',
        ),
    ] = None,
    false_discoveries: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            min=0.0001,
            max=0.5,
            help="How much of the alarms of one kind may be false.",
        ),
    ] = 0.05,
    fail_on_alarm: Annotated[
        bool, typer.Option("--fail-on-alarm", help="End with exit code 1 where anything alarms.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False, help="Keep the result as JSON as well."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", show_default=False, help="Write a page to send on as well."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Watch the models of a policy over a history.

    Population shift, calibration, attribution, segments, thresholds, and what became of it all.
    """  # fmt: skip
    from tidegate.simulation.declared_segments import segments_wanted
    from tidegate.simulation.mapping import MappingError
    from tidegate.simulation.model_references import read_references
    from tidegate.simulation.model_watch import Levels
    from tidegate.simulation.monitoring import Wanted, monitor
    from tidegate.simulation.monitoring_page import to_html
    from tidegate.simulation.monitoring_report import to_json

    loaded = load(policy)
    try:
        wanted = Wanted(
            models=tuple(model or ()),
            before_from_us=_starts_us(loaded, reference_from),
            before_to_us=_starts_us(loaded, reference_to, days=1),
            from_us=_starts_us(loaded, from_),
            to_us=_starts_us(loaded, to, days=1),
            segments=segments_wanted(loaded, segment or ()),
            levels=Levels(false_discoveries),
        )
        references = read_references(loaded)
        with progress_bar() as progress:
            found = monitor(loaded, mapping, wanted, references=references, progress=progress)
    except MappingError as error:
        raise history_refused(error) from None
    if out is not None:
        keep(out, f"{to_json(found)}\n".encode())
    if html is not None:
        keep(html, to_html(found).encode())
    if as_json:
        say(to_json(found))
    else:
        _say(found)
    alarming = fail_on_alarm and any(found.alarms)
    raise typer.Exit(ExitCode.FAILED if alarming else ExitCode.FINE)


def _starts_us(policy: Policy, day: datetime | None, days: int = 0) -> int | None:
    """When the day begins, or so many days after it, by the policy's clock."""
    if day is None:
        return None
    from tidegate.engine.functions import zone_named

    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return zone_named(policy.program.zone).day_start_us(
        (day.replace(tzinfo=UTC) - epoch).days + days
    )


def _say(found: Monitoring) -> None:
    from tidegate.simulation.monitoring_report import render, to_text

    if sys.stdout.isatty():
        console_of(sys.stdout, wrap=True).print(render(found))
    else:
        say(to_text(found).rstrip("\n"))
