"""`tidegate check`: every error of a policy in one run."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.inputs import AsJson, PolicyFolder, exit_code, read_policy
from tidegate.cli.lints import linted, mend
from tidegate.cli.output import counted, say, say_json
from tidegate.cli.serving import People, Serving, what_serves
from tidegate.dsl.rates import parse_day

if TYPE_CHECKING:
    from tidegate.cli.versions import Raised
    from tidegate.dsl.program import Program
    from tidegate.rules import Loaded
    from tidegate.rules.models import WhatServes


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
    *,
    today: Annotated[
        str,
        typer.Option(metavar="DATE", help="Judge `expires` by this day, such as 2026-11-23."),
    ] = "",
    against: Annotated[
        str,
        typer.Option(metavar="REV", help="Hold versions of rules against a revision or a folder."),
    ] = "",
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Raise versions that `--against` finds too low, or tidy up."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what `--fix` would tidy up, and write nothing.")
    ] = False,
    history: Annotated[
        Path | None,
        typer.Option(
            metavar="MAPPING",
            show_default=False,
            help="Look for rules that a history shows to be idle.",
        ),
    ] = None,
    snapshot: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", show_default=False, help="Keep the history of `--history` there."
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail as errors do.")] = False,
    serving: Serving = False,
    people: People = None,
    as_json: AsJson = False,
) -> None:
    """Say everything that is wrong with a policy.

    Rules, lists and rates are read; what this release does not do yet is listed as notes.
    """
    if dry_run and (against or not fix):
        raise typer.BadParameter(
            "it goes with `--fix`, without `--against`", param_hint="--dry-run"
        )
    if snapshot is not None and history is None:
        raise typer.BadParameter("name the history: `--history MAPPING`", param_hint="--snapshot")
    asked = what_serves(serving, people)
    loaded = _read(policy, today, asked)
    mended: list[str] = []
    if fix and not against:
        mended = mend(loaded, policy, dry_run=dry_run)
        loaded = loaded if dry_run else _read(policy, today, asked)
    if loaded.policy is not None:
        from tidegate.rules.gate import read_gate

        gate = read_gate(policy, loaded.policy.program)
        loaded = replace(loaded, diagnostics=(*loaded.diagnostics, *gate.diagnostics))
    raised: list[Raised] = []
    if against and loaded.policy is not None:
        from tidegate.cli.versions import against_revision

        loaded, raised = against_revision(
            loaded, policy, against, lambda: _read(policy, today, asked), fix=fix
        )
    loaded = linted(loaded, policy, history, snapshot)
    if as_json or format_ is Format.JSON:
        more = {"raised": [one.as_json() for one in raised], "mended": mended} if fix else {}
        say_json(_as_json(loaded) | more)
    elif format_ is Format.GITHUB:
        _say_github(loaded, policy)
    else:
        for one in raised:
            say(one.as_text(policy))
        for line in mended:
            say(line)
        _say_text(loaded, policy)
    raise typer.Exit(_exit_code(loaded, strict=strict))


def _exit_code(loaded: Loaded, *, strict: bool) -> int:
    from tidegate.dsl.diagnostics import Severity

    warned = any(d.severity is Severity.WARNING for d in loaded.diagnostics)
    return exit_code(loaded.diagnostics) or int(strict and warned)


def _read(folder: Path, today: str, serving: WhatServes | None) -> Loaded:
    if not today:
        return read_policy(folder, today_us=time.time_ns() // 1000, serving=serving)
    day = parse_day(today)
    if day is None:
        raise typer.BadParameter("write it as 2026-11-23", param_hint="--today")
    # A day begins when the policy's own clocks say so; only its text tells which clocks.
    undated = read_policy(folder, serving=serving)
    if undated.policy is None:
        return undated
    start_us = _start_us(day, undated.policy.program)
    return read_policy(folder, today_us=start_us, serving=serving)


def _start_us(day: int, program: Program) -> int:
    from tidegate.engine.functions import zone_named

    return zone_named(program.zone).day_start_us(day)


def _say_text(loaded: Loaded, folder: Path) -> None:
    from tidegate.cli.diagnostics import as_line, as_text
    from tidegate.dsl.diagnostics import Severity
    from tidegate.rules.lints import BY_CODE

    found = [d for d in loaded.diagnostics if d.severity is not Severity.NOTE]
    notes = [d for d in loaded.diagnostics if d.severity is Severity.NOTE]
    noted = {
        "worth a look:": [d for d in notes if d.code in BY_CODE],
        "not done yet:": [d for d in notes if d.code not in BY_CODE],
    }
    if found:
        say(as_text(found, loaded.sources, folder) + "\n")
    for title, listed in noted.items():
        if listed:
            lines = [f"  {as_line(d, loaded.sources, folder)}" for d in listed]
            say("\n".join([title, *lines]) + "\n")
    say(_summary(loaded))


def _summary(loaded: Loaded) -> str:
    """`3 errors, 1 warning`, or `fine: 21 rules, 1 decided event, 3 notes`."""
    from tidegate.dsl.diagnostics import Severity

    found = Counter(d.severity for d in loaded.diagnostics)
    parts = [counted(found[s], s.value) for s in Severity if found[s]]
    if loaded.policy is None or found[Severity.ERROR]:
        return ", ".join(parts)
    decided = [event for event in loaded.policy.program.events if event.decided]
    rules = counted(sum(len(event.rules) for event in decided), "rule")
    return ", ".join([f"fine: {rules}", counted(len(decided), "decided event"), *parts])


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
