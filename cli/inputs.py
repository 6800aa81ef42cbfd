"""What the commands read: a policy folder, JSON, records. Whatever is wrong ends the command."""

from __future__ import annotations

import json
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.output import ExitCode, Stop, counted

if TYPE_CHECKING:
    from collections.abc import Collection

    from tidegate.dsl.diagnostics import Diagnostic
    from tidegate.engine import Record
    from tidegate.rules import Loaded, Policy
    from tidegate.rules.models import WhatServes

# What cannot be read is bad input; Typer would call it wrong usage.
PolicyFolder = Annotated[
    Path,
    typer.Argument(
        metavar="POLICY", show_default=False, readable=False, help="The policy's folder."
    ),
]
PolicyOption = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER", show_default="here", readable=False, help="The policy's folder."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

MAX_JSON_BYTES = 2**20
STDIN = "-"
NO_POLICY = "TG183"
"""What `tidegate.rules.read` says of a folder that is none, or is without rules."""
UNREADABLE = "TG182"
"""What it says of a file or a folder that the system does not let it read."""


def load(
    folder: Path, *, without_models: bool = False, serving: WhatServes | None = None
) -> Policy:
    """The policy in `folder`, or a stop that shows every error.

    `without_models` reads no file of a model: there is none before one is trained. `serving` says
    which versions serve.
    """
    from tidegate.cli.diagnostics import as_json, as_text
    from tidegate.dsl.diagnostics import Severity

    loaded = read_policy(folder, without_models=without_models, serving=serving)
    if loaded.policy is not None:
        return loaded.policy
    errors = [d for d in loaded.diagnostics if d.severity is Severity.ERROR]
    raise Stop(
        exit_code(errors),
        "policy_refused",
        f"the policy has {counted(len(errors), 'error')}; nothing was done",
        problems=[as_json(d, loaded.sources) for d in errors],
        text=as_text(errors, loaded.sources, folder),
    )


def exit_code(diagnostics: Collection[Diagnostic]) -> ExitCode:
    """How a command ends that found these: what cannot be read is bad input, not a bad policy."""
    from tidegate.dsl.diagnostics import has_errors

    if any(d.code == UNREADABLE for d in diagnostics):
        return ExitCode.BAD_INPUT
    return ExitCode.FAILED if has_errors(diagnostics) else ExitCode.FINE


def read_policy(
    folder: Path,
    today_us: int | None = None,
    *,
    without_models: bool = False,
    serving: WhatServes | None = None,
) -> Loaded:
    """What `folder` holds, or a stop where it holds no policy at all."""
    from tidegate.rules import read
    from tidegate.rules.models import none_serves

    asked = none_serves if without_models else serving
    loaded = read(folder, today_us=today_us, serving=asked)
    for diagnostic in loaded.diagnostics:
        if diagnostic.code == NO_POLICY:
            raise bad_input(diagnostic.message, diagnostic.help)
    return loaded


def read_bytes(path: str) -> bytes:
    """The bytes of a file, or of standard input for `-`; no more than an event may have."""
    try:
        if path == STDIN:
            content = sys.stdin.buffer.read(MAX_JSON_BYTES + 1)
        else:
            with Path(path).open("rb") as stream:
                content = stream.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise bad_input(f"`{path}` cannot be read: {error.strerror}") from None
    if len(content) > MAX_JSON_BYTES:
        raise bad_input(f"{_shown(path)} is larger than 1 MiB")
    return content


def read_object(path: str) -> dict[str, Any]:
    """A JSON object with exact decimals; what is said of a bad one never repeats its content."""
    content = read_bytes(path)
    try:
        value = json.loads(
            content.decode(),
            parse_float=_decimal,
            parse_int=_whole,
            parse_constant=_no_constant,
            object_pairs_hook=_once_each,
        )
    except json.JSONDecodeError as error:
        what = f"{error.msg[:1].lower()}{error.msg[1:]}, line {error.lineno}"
        raise bad_input(f"{_shown(path)} is not JSON: {what}") from None
    except UnicodeDecodeError:
        raise bad_input(f"{_shown(path)} is not UTF-8") from None
    except RecursionError:
        raise bad_input(f"{_shown(path)} is nested too deeply") from None
    except ValueError as error:
        raise bad_input(f"{_shown(path)} is not taken: {error}") from None
    if not isinstance(value, dict):
        raise bad_input(f"{_shown(path)} is no JSON object")
    return value


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("the exponent of a number is too large") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("a number has too many digits") from None


def _no_constant(name: str) -> object:
    raise ValueError(f"`{name}` is no number")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice in one object")
    return found


def read_record(path: str) -> Record:
    """A record as `decide --record` wrote it; one line ending behind it does no harm."""
    from tidegate.engine import RecordError, parse_record

    try:
        return parse_record(read_bytes(path).removesuffix(b"\n").removesuffix(b"\r"))
    except RecordError as error:
        raise bad_input(f"{_shown(path)} is no record: {error}") from None


def bad_input(message: str, help_: str = "") -> Stop:
    """A stop because of what was given."""
    return Stop(ExitCode.BAD_INPUT, "bad_input", message, help_=help_)


def _shown(path: str) -> str:
    return "standard input" if path == STDIN else f"`{path}`"
