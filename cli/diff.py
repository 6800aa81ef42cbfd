"""`tidegate diff`: what changed since another revision, in words and by what it does."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.backtest import history_refused, progress_bar
from tidegate.cli.files import keep
from tidegate.cli.inputs import AsJson, PolicyFolder, bad_input, load, read_bytes
from tidegate.cli.output import ExitCode, Stop, console_of, counted, say

if TYPE_CHECKING:
    from tidegate.rules.gate import Limit
    from tidegate.rules.revisions import Revision
    from tidegate.simulation.comparison import Comparison
    from tidegate.simulation.diff import DiffRun
    from tidegate.simulation.judgement import Judgement

Against = Annotated[
    str,
    typer.Argument(
        metavar="REV",
        show_default=False,
        help="What to compare with: a branch, a tag, HEAD~1, or a folder.",
    ),
]


History = Annotated[
    Path | None,
    typer.Argument(
        metavar="MAPPING",
        show_default=False,
        help="The YAML file that maps the history; without it, words alone.",
    ),
]
KeyFile = Annotated[
    str,
    typer.Option(
        "--key-file",
        metavar="FILE",
        show_default=False,
        help="The secret that makes pseudonyms; without it, a new one each time.",
    ),
]
Snapshot = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        show_default=False,
        help="Keep the encoded history there, and decide only what differs.",
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", show_default=False, help="Write a page to send on as well."
    ),
]
Markdown = Annotated[
    Path | None,
    typer.Option(
        "--markdown",
        metavar="FILE",
        show_default=False,
        help="Write a comment for a pull request as well.",
    ),
]


def diff(
    revision: Against,
    policy: PolicyFolder,
    mapping: History = None,
    *,
    flips: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=1000, help="Payments shown of each kind of flip."),
    ] = 5,
    key_file: KeyFile = "",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False, help="Keep the result as JSON as well."),
    ] = None,
    html: Html = None,
    markdown: Markdown = None,
    snapshot: Snapshot = None,
    as_json: AsJson = False,
) -> None:
    """Say what changed since a revision, and what it does.

    Rule by rule, the gravest first. With a history, both revisions decide it.
    """
    from tidegate.simulation.comparison_report import to_json

    asked = Asked(revision, policy, mapping, snapshot, key_file, flips)
    before, after = revisions(asked)
    reported = html is not None or markdown is not None
    limits = limits_of(asked, before, after) if reported else ()
    run = compare_as(asked, before, after, limits)
    write_reports(asked, run.comparison, limits, html, markdown)
    if out is not None:
        keep(out, f"{to_json(run.comparison)}\n".encode())
    if as_json:
        say(to_json(run.comparison))
    else:
        _say(run.comparison)
    say_told(run)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be compared, as the command line says it."""

    revision: str
    policy: Path
    mapping: Path | None
    snapshot: Path | None
    key_file: str
    flips: int = 5

    def command(self) -> str:
        """What makes the same report again."""
        parts = ["tidegate", "diff", self.revision, str(self.policy)]
        parts += [str(self.mapping)] if self.mapping is not None else []
        return shlex.join([*parts, "--html", "report.html"])


def revisions(asked: Asked) -> tuple[Revision, Revision]:
    """Both revisions; a stop says why one cannot be read."""
    from tidegate.rules.revisions import read_folder

    after = read_folder(asked.policy)
    if after.loaded is None or after.loaded.policy is None:
        load(asked.policy)  # which stops, and says every error
    return read_before(asked.policy, asked.revision), after


def compare_as(
    asked: Asked, before: Revision, after: Revision, limits: Sequence[Limit] = ()
) -> DiffRun:
    """Compare; a stop says why that cannot be done. `limits` say which segments they need."""
    from tidegate.rules.gate import segments_of
    from tidegate.simulation.diff import compare
    from tidegate.simulation.mapping import MappingError

    if asked.snapshot is not None and asked.mapping is None:
        raise typer.BadParameter(
            "a snapshot is of a history: name its MAPPING", param_hint="'--snapshot'"
        )
    key = _key(asked.key_file)
    assert after.loaded is not None
    assert after.loaded.policy is not None
    events = after.loaded.policy.program.events
    by = {
        event.name: tuple(
            one for one in segments_of(limits, event.name)
            if one.field in {field.name for field in event.fields}
        )
        for event in events
    }  # fmt: skip
    try:
        with progress_bar() as progress:
            return compare(
                before, after, asked.mapping, snapshot=asked.snapshot, key=key, shown=asked.flips,
                by=by, progress=progress,
            )  # fmt: skip
    except MappingError as error:
        raise history_refused(error) from None
    except OSError as error:
        if asked.snapshot is None:
            raise
        raise bad_input(f"`{asked.snapshot}` cannot be written: {error.strerror}") from None


def limits_of(asked: Asked, before: Revision, after: Revision) -> tuple[Limit, ...]:
    """What the change is held to; a stop names what is wrong with its gate."""
    from tidegate.cli.diagnostics import as_json, as_text
    from tidegate.rules.gate import GATE_FILE, held_limits

    wrong = after.gate.diagnostics
    if not wrong:
        return held_limits(before.gate, after.gate)
    raise Stop(
        ExitCode.BAD_INPUT,
        "gate_refused",
        f"`{asked.policy / GATE_FILE}` has {counted(len(wrong), 'error')}",
        problems=[as_json(d, {}) for d in wrong],
        text=as_text(wrong, {}),
    )


def write_reports(
    asked: Asked,
    comparison: Comparison,
    limits: Sequence[Limit],
    html: Path | None,
    markdown: Path | None,
) -> Judgement:
    """Judge, and write the reports that are wanted."""
    from tidegate.simulation.judgement import judge

    judgement = judge(comparison, limits)
    if html is not None:
        from tidegate.simulation.comparison_page import to_html

        keep(html, to_html(comparison, judgement, asked.command()).encode())
    if markdown is not None:
        from tidegate.simulation.comparison_markdown import to_markdown

        keep(markdown, to_markdown(comparison, judgement).encode())
    return judgement


def say_told(run: DiffRun) -> None:
    """What became of the snapshot, and how long it took, on standard error."""
    for line in run.told:
        typer.echo(line, err=True)
    if run.comparison.timing is not None:
        typer.echo(f"compared in {run.comparison.timing.milliseconds / 1000:.2f} s", err=True)


def read_before(folder: Path, name: str) -> Revision:
    """The policy of `folder` at a revision, or a stop that says why it cannot be read."""
    from tidegate.cli.diagnostics import as_json, as_text
    from tidegate.dsl.diagnostics import Severity
    from tidegate.rules.revisions import RevisionRefused, read_revision

    try:
        found = read_revision(folder, name)
    except RevisionRefused as refused:
        raise bad_input(str(refused), refused.help) from None
    if found.loaded is None or found.loaded.policy is not None:
        return found
    errors = [d for d in found.loaded.diagnostics if d.severity is Severity.ERROR]
    raise Stop(
        ExitCode.BAD_INPUT,
        "policy_refused",
        f"the policy at `{name}` has {counted(len(errors), 'error')}; nothing can be compared",
        help_="compare with a revision that `tidegate check` finds nothing wrong with",
        problems=[as_json(d, found.loaded.sources) for d in errors],
        text=as_text(errors, found.loaded.sources),
    )


def _key(path: str) -> bytes | None:
    from tidegate.simulation.diff import KEY_BYTES

    if not path:
        return None
    key = read_bytes(path).strip()
    if len(key) < KEY_BYTES:
        raise bad_input(
            f"the key in `{path}` is shorter than {KEY_BYTES} bytes",
            "make one with `openssl rand -hex 32`",
        )
    return key


def _say(comparison: Comparison) -> None:
    from tidegate.simulation.comparison_report import render, to_text

    if sys.stdout.isatty():
        console_of(sys.stdout, wrap=True).print(render(comparison))
    else:
        say(to_text(comparison).rstrip("\n"))
