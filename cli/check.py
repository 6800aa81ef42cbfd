"""`tidegate check`: every error of a policy in one run."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.inputs import AsJson, PolicyFolder
from tidegate.cli.output import ExitCode, counted, say, say_json

if TYPE_CHECKING:
    from tidegate.dsl.program import Program
    from tidegate.rules import Loaded


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    GITHUB = "github"
    JSON = "json"


def check(
    policy: PolicyFolder = Path(),
    format_: Annotated[
        Format, typer.Option("--format", help="`github` marks the lines of a pull request.")
    ] = Format.TEXT,
    today: Annotated[
        str,
        typer.Option(metavar="DATE", help="Judge `expires` by this day, such as 2026-11-23."),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Say everything that is wrong with a policy.

    Rules, lists and rates are read; what this release does not do yet is listed as notes.
    """
    from tidegate.dsl.diagnostics import has_errors

    loaded = _read(policy, today)
    if as_json or format_ is Format.JSON:
        say_json(_as_json(loaded))
    elif format_ is Format.GITHUB:
        _say_github(loaded, policy)
    else:
        _say_text(loaded, policy)
    raise typer.Exit(ExitCode.FAILED if has_errors(loaded.diagnostics) else ExitCode.FINE)


def _read(folder: Path, today: str) -> Loaded:
    from tidegate.rules import read

    if not today:
        return read(folder, today_us=time.time_ns() // 1000)
    try:
        day = date.fromisoformat(today)
    except ValueError:
        raise typer.BadParameter("write it as 2026-11-23", param_hint="--today") from None
    # A day begins when the policy's own clocks say so; only its text tells which clocks.
    undated = read(folder)
    if undated.policy is None:
        return undated
    return read(folder, today_us=_start_us(day, undated.policy.program))


def _start_us(day: date, program: Program) -> int:
    from tidegate.engine.functions import zone_named

    days = (datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH) // timedelta(days=1)
    return zone_named(program.zone).day_start_us(days)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _say_text(loaded: Loaded, folder: Path) -> None:
    from tidegate.cli.diagnostics import as_text, summary

    if loaded.diagnostics:
        say(as_text(loaded.diagnostics, loaded.sources, folder) + "\n")
    found = summary(loaded.diagnostics)
    if loaded.policy is not None:
        program = loaded.policy.program
        rules = sum(len(event.rules) for event in program.events)
        parts = (counted(rules, "rule"), counted(len(program.features), "feature"), found)
        found = f"{program.name}: {', '.join(parts)}"
    say(found)


def _say_github(loaded: Loaded, folder: Path) -> None:
    from tidegate.cli.diagnostics import as_github

    for diagnostic in loaded.diagnostics:
        say(as_github(diagnostic, loaded.sources, folder))


def _as_json(loaded: Loaded) -> dict[str, Any]:
    from tidegate.cli.diagnostics import as_json

    policy = loaded.policy
    counts = [d.severity.value for d in loaded.diagnostics]
    return {
        "schema": "tidegate.check/1",
        "policy": policy.program.name if policy else None,
        "hash": policy.hash if policy else None,
        "errors": counts.count("error"),
        "warnings": counts.count("warning"),
        "notes": counts.count("note"),
        "diagnostics": [as_json(d, loaded.sources) for d in loaded.diagnostics],
    }
