"""`tidegate gate`: whether a change keeps the limits that the policy folder declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from tidegate.cli.diff import (
    Against,
    Asked,
    History,
    Html,
    KeyFile,
    Markdown,
    Snapshot,
    compare_as,
    limits_of,
    revisions,
    say_told,
    write_reports,
)
from tidegate.cli.inputs import AsJson, PolicyFolder
from tidegate.cli.output import ExitCode, Stop, counted, say, say_json

if TYPE_CHECKING:
    from tidegate.simulation.judgement import Judged, Judgement

_WORDS = {"broken": "fail", "undecided": "note", "kept": "pass"}


def gate(
    revision: Against,
    policy: PolicyFolder,
    mapping: History = None,
    *,
    key_file: KeyFile = "",
    html: Html = None,
    markdown: Markdown = None,
    snapshot: Snapshot = None,
    as_json: AsJson = False,
) -> None:
    """Hold a change against the limits in `gate.yaml`.

    Each limit is printed with its figure; a broken one ends with exit code 1.
    """
    from tidegate.rules.gate import GATE_FILE
    from tidegate.simulation.judgement import needs_history

    asked = Asked(revision, policy, mapping, snapshot, key_file)
    before, after = revisions(asked)
    limits = limits_of(asked, before, after)
    if not limits:
        raise Stop(
            ExitCode.NOTHING_TESTED,
            "no_limits",
            f"`{policy / GATE_FILE}` declares no limits",
            help_="write the first one: `limits:` and below it `- {figure: approval_rate, "
            "falls_at_most: 0.5%}`",
        )
    if mapping is None and needs_history(limits):
        raise typer.BadParameter("some limits are of a history: name its MAPPING")
    run = compare_as(asked, before, after, limits)
    judgement = write_reports(asked, run.comparison, limits, html, markdown)
    if as_json:
        say_json(_as_json(judgement))
    else:
        _say(judgement)
    say_told(run)
    raise typer.Exit(ExitCode.FINE if judgement.passed else ExitCode.FAILED)


def _as_json(judgement: Judgement) -> dict[str, Any]:
    return {
        "schema": "tidegate.gate/1",
        "passed": judgement.passed,
        "limits": [
            {
                "figure": line.limit.figure,
                "of": line.limit.of,
                "event": line.event,
                "by": line.limit.segments.field if line.limit.segments else "",
                "segment": line.segment,
                "before": line.limit.before,
                "line": line.limit.line,
                "bound": line.bound,
                "result": line.result,
                "said": line.said,
            }
            for line in judgement.lines
        ],
    }


def _say(judgement: Judgement) -> None:
    for line in judgement.lines:
        say(f"{_WORDS[line.result]}: {_limit(line)}: {line.bound}: {line.said}")
    broken = counted(len(judgement.broken), "limit is", "limits are")
    undecided = counted(len(judgement.undecided), "limit", "limits")
    said = f"{broken} broken" if judgement.broken else "no limit is broken"
    unsaid = f", of {undecided} nothing can be said" if judgement.undecided else ""
    say(f"{said}, of {len(judgement.lines):,}{unsaid}")


def _limit(line: Judged) -> str:
    from tidegate.simulation.wording import limit_words

    segments = line.limit.segments
    place = f", {segments.field} {line.segment}" if segments is not None else ""
    return f"{limit_words(line.limit)}{place}"
