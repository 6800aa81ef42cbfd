"""`tidegate diff`: what changed since another revision, in words and by what it does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.backtest import history_refused, progress_bar
from tidegate.cli.files import keep
from tidegate.cli.inputs import AsJson, PolicyFolder, bad_input, load, read_bytes
from tidegate.cli.output import ExitCode, Stop, console_of, counted, say

if TYPE_CHECKING:
    from tidegate.rules.revisions import Revision
    from tidegate.simulation.comparison import Comparison

Against = Annotated[
    str,
    typer.Argument(
        metavar="REV",
        show_default=False,
        help="What to compare with: a branch, a tag, HEAD~1, or a folder.",
    ),
]


def diff(
    revision: Against,
    policy: PolicyFolder,
    mapping: Annotated[
        Path | None,
        typer.Argument(
            metavar="MAPPING",
            show_default=False,
            help="The YAML file that maps the history; without it, words alone.",
        ),
    ] = None,
    *,
    flips: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=1000, help="Payments shown of each kind of flip."),
    ] = 5,
    key_file: Annotated[
        str,
        typer.Option(
            "--key-file",
            metavar="FILE",
            show_default=False,
            help="The secret that makes pseudonyms; without it, a new one each time.",
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False, help="Keep the result as JSON as well."),
    ] = None,
    snapshot: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            show_default=False,
            help="Keep the encoded history there, and decide only what differs.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what changed since a revision, and what it does.

    Rule by rule, the gravest first. With a history, both revisions decide it.
    """
    from tidegate.rules.revisions import read_folder
    from tidegate.simulation.comparison_report import to_json
    from tidegate.simulation.diff import compare
    from tidegate.simulation.mapping import MappingError

    if snapshot is not None and mapping is None:
        raise typer.BadParameter(
            "a snapshot is of a history: name its MAPPING", param_hint="'--snapshot'"
        )
    key = _key(key_file)
    load(policy)
    after, before = read_folder(policy), read_before(policy, revision)
    try:
        with progress_bar() as progress:
            run = compare(
                before, after, mapping, snapshot=snapshot, key=key, shown=flips, progress=progress
            )
    except MappingError as error:
        raise history_refused(error) from None
    except OSError as error:
        if snapshot is None:
            raise
        raise bad_input(f"`{snapshot}` cannot be written: {error.strerror}") from None
    if out is not None:
        keep(out, f"{to_json(run.comparison)}\n".encode())
    if as_json:
        say(to_json(run.comparison))
    else:
        _say(run.comparison)
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
