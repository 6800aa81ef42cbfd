"""What the commands say: text for people, JSON for machines, exit codes for scripts.

Results go to standard output, everything else to standard error. Colour is for terminals alone and
`NO_COLOR` switches it off; text is never wrapped and holds no invisible characters.
"""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TextIO

import typer
from typer.core import TyperCommand, TyperGroup

from tidegate.dsl.diagnostics import visible

if TYPE_CHECKING:
    from rich.console import Console


class ExitCode(IntEnum):
    """How a command ended; `docs/cli.md` and `tidegate --help` list them."""

    FINE = 0
    FAILED = 1
    USAGE = 2
    BAD_INPUT = 3
    NOTHING_TESTED = 4
    NOT_CHECKED = 5
    DEFECT = 70
    INTERRUPTED = 130


_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan", "help": "cyan"}
_STYLES |= {"pass": "green", "fail": "bold red"}
_FIRST_WORD = re.compile(r"\s*(error|warning|note|help|pass|fail)\b(?:\[\w+\])?")


class Stop(Exception):  # noqa: N818 - it ends a command and is no error of the program
    """Ends a command with one message, or several, and an exit code."""

    def __init__(
        self,
        code: ExitCode,
        kind: str,
        message: str,
        *,
        help_: str = "",
        problems: Sequence[Mapping[str, Any]] = (),
        text: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.kind = kind
        self.message = message
        self.help = help_
        self.problems = problems
        self.text = text

    def as_json(self) -> dict[str, Any]:
        """The stable form of every failure."""
        return {
            "schema": "tidegate.error/1",
            "kind": self.kind,
            "exit_code": int(self.code),
            "message": self.message,
            "help": self.help,
            "problems": list(self.problems),
        }

    def as_text(self) -> str:
        """The same for people: what was found in detail, then the one message."""
        parts = [self.text] if self.text else []
        parts.append(f"error: {self.message}" + (f"\n  help: {self.help}" if self.help else ""))
        return "\n\n".join(parts)


# Of its usage errors Typer names in public only this kind of them.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


class Command(TyperCommand):
    """A command whose `Stop`, and whatever else goes wrong, becomes a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, UsageError, BrokenPipeError):
            raise
        except Stop as stop:
            _tell(stop, ctx.params.get("as_json"))
            raise typer.Exit(stop.code) from None
        except OSError as error:
            unusable = Stop(ExitCode.BAD_INPUT, "bad_input", _system_message(error))
            _tell(unusable, ctx.params.get("as_json"))
            raise typer.Exit(unusable.code) from None
        except Exception as error:  # noqa: BLE001 - the last line of defence
            _tell_defect(error, debug=ctx.find_root().params["_debug"])
            raise typer.Exit(ExitCode.DEFECT) from None


class Commands(TyperGroup):
    """All commands; a wrong call of one is told in the words of every other error."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command that the arguments name, and exit."""
        del standalone_mode
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except UsageError as error:
            complain(_usage_message(error))
            code = ExitCode.USAGE
        except typer.Abort:
            code = ExitCode.INTERRUPTED
        sys.exit(code)


def _tell(stop: Stop, as_json: object) -> None:
    if as_json is True:
        say_json(stop.as_json())
    complain(stop.as_text())


def _tell_defect(error: Exception, *, debug: bool) -> None:
    if debug:
        complain("".join(traceback.format_exception(error)).rstrip("\n"))
    complain(
        f"error: a defect of Tidegate: {type(error).__name__}\n"
        "  help: set TIDEGATE_DEBUG=1, or run `tidegate --debug …`, and report what it prints"
    )


def _system_message(error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return f"`{error.filename}`: {reason}" if error.filename else reason


def _usage_message(error: Any) -> str:
    """Typer's own message in the grammar of the house."""
    if "Help" in type(error).__name__:  # the command was called without anything
        return str(error.ctx.get_help())
    said = re.sub(r"'([^']*)'", r"`\1`", error.format_message()).replace("Value error, ", "")
    message, near = _split_near(said)
    message = message[:1].lower() + message[1:].rstrip(".")
    return f"error: {message}\n  help: {near or f'`{_command(error)} --help` says more'}"


def _split_near(said: str) -> tuple[str, str]:
    """A message, and apart from it what Typer takes for a near word."""
    message, _, near = said.partition(" Did you mean ")
    if near:
        return message, f"did you mean {near}"
    message, _, near = said.partition(" (Possible options: ")
    return message, f"did you mean `{near.rstrip(')').replace(', ', '`, `')}`?" if near else ""


def _command(error: Any) -> str:
    return error.ctx.command_path if error.ctx else "tidegate"


def say(text: str = "") -> None:
    """Print a result."""
    _write(sys.stdout, text)


def complain(text: str) -> None:
    """Print what is no result."""
    _write(sys.stderr, text)


def say_json(value: object) -> None:
    """Print one JSON object."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _write(stream: TextIO, text: str) -> None:
    lines = [visible(line) for line in text.split("\n")]
    if not stream.isatty():
        stream.write("\n".join(lines) + "\n")
        return
    console = console_of(stream)
    for line in lines:
        console.print(_styled(line))


def _styled(line: str) -> Any:
    from rich.text import Text

    text = Text(line)
    if match := _FIRST_WORD.match(line):
        text.stylize(_STYLES[match[1]], match.start(1), match.end())
    return text


def console_of(stream: TextIO, *, wrap: bool = False) -> Console:
    """A terminal that prints text as it stands; `wrap` lets tables take its width."""
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=not wrap)


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 rule`, `2 rules`, `1,754,155 rows`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
