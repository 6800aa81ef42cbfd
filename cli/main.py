"""The command line. Each command has a file of its own; this one puts them together."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from tidegate.cli import (
    audit,
    backtest,
    check,
    decide,
    diff,
    explain,
    fmt,
    gate,
    history,
    init,
    lsp,
    models,
    replay,
    test,
    token,
)
from tidegate.cli.output import Command, Commands, say

EXIT_CODES = """\b
Exit codes:
  0   fine
  1   the answer is no: the policy has errors, a case failed, formatting would
      change a file, a replay differs, a limit of the gate is broken,
      a step of a model is refused, its registry or a version is not as signed
  2   wrong usage
  3   bad input: an event is refused, a history, mapping or file cannot be used
  4   no cases to run, no limits to keep, no registry of a model
  5   a replay is identical, but a model that answered could not be asked again
  70  a defect of Tidegate: `tidegate --debug ...` shows where
  130 interrupted"""

app = typer.Typer(
    name="tidegate",
    cls=Commands,
    help="Decide payments by rules that people can read.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: dict[str, Callable[..., None]] = {
    "init": init.init,
    "check": check.check,
    "fmt": fmt.fmt,
    "test": test.run_cases,
    "decide": decide.decide,
    "explain": explain.explain,
    "replay": replay.replay,
    "backtest": backtest.backtest,
    "diff": diff.diff,
    "gate": gate.gate,
    "lsp": lsp.lsp,
    "token": token.token,
}
for name, run in COMMANDS.items():
    app.command(name, cls=Command)(run)

histories = typer.Typer(
    help="Look at a history and its mapping.", rich_markup_mode=None, no_args_is_help=True
)
histories.command("check", cls=Command)(history.check)
app.add_typer(histories, name="history")
app.add_typer(models.models, name="models")

audits = typer.Typer(
    help="Verify the ledger, prove an entry, export, back up.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
for name, run in audit.COMMANDS.items():
    audits.command(name, cls=Command)(run)
app.add_typer(audits, name="audit")


def _say_version(wanted: bool) -> None:
    if wanted:
        from tidegate import __version__

        say(f"tidegate {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
    _debug: Annotated[
        bool,
        typer.Option(
            "--debug", envvar="TIDEGATE_DEBUG", help="Show where a defect of Tidegate happened."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command that the arguments name."""
    if hasattr(signal, "SIGPIPE"):
        # `tidegate check | head` ends as quietly as any other tool of the system.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="tidegate")
