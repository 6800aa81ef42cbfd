"""`tidegate fmt`: one way to write rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.inputs import AsJson, bad_input
from tidegate.cli.output import ExitCode, complain, counted, say, say_json

if TYPE_CHECKING:
    from tidegate.dsl.diagnostics import Diagnostic
    from tidegate.dsl.source import Source


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one file: `problems` say why it was left as it is."""

    path: Path
    changed: bool
    source: Source | None = None
    problems: tuple[Diagnostic, ...] = ()


def fmt(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH...]",
            show_default=False,
            help="Policy folders or files; by default here.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 where a file would change.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Format rule files.

    Comments and meaning stay; a file with an error is left as it is.
    """
    found = [_format(path, check) for path in _files(paths or [Path()])]
    if as_json:
        say_json(_as_json(found, check))
    else:
        _say(found, check)
    refused = any(written.problems for written in found)
    unformatted = check and any(written.changed for written in found)
    raise typer.Exit(ExitCode.FAILED if refused or unformatted else ExitCode.FINE)


def _files(paths: list[Path]) -> Iterator[Path]:
    from tidegate.rules.files import rule_files

    for path in paths:
        if path.is_dir():
            yield from rule_files(path)
        elif path.is_file() and path.suffix == ".tide":
            yield path
        else:
            raise bad_input(f"`{path}` is no folder and no rule file", "rule files end in `.tide`")


def _format(path: Path, check: bool) -> Written:
    from tidegate.cli.files import replace_file
    from tidegate.dsl.diagnostics import Diagnostic
    from tidegate.dsl.formatter import format_source
    from tidegate.rules.files import read_source

    source = read_source(path, path.parent)
    if isinstance(source, Diagnostic):
        return Written(path, False, None, (source,))
    formatted = format_source(source)
    if formatted.text is None:
        return Written(path, False, source, formatted.diagnostics)
    content = formatted.text.encode()
    try:
        changed = path.read_bytes() != content
        if changed and not check:
            replace_file(path, content)
    except OSError as error:
        raise bad_input(f"`{path}` cannot be written: {error.strerror}") from None
    return Written(path, changed)


def _say(found: list[Written], check: bool) -> None:
    from tidegate.cli.diagnostics import as_text

    for written in found:
        if written.problems:
            sources = {written.source.path: written.source} if written.source else {}
            complain(as_text(written.problems, sources) + "\n")
        elif written.changed:
            say(f"{'would format' if check else 'formatted'} {written.path}")
    changed = sum(written.changed for written in found)
    verb = "would change" if check else "changed"
    say(f"{counted(len(found), 'file')}, {changed:,} {verb}")


def _as_json(found: list[Written], check: bool) -> dict[str, Any]:
    from tidegate.cli.diagnostics import as_json

    return {
        "schema": "tidegate.fmt/1",
        "written": not check,
        "files": [
            {
                "file": str(written.path),
                "changed": written.changed,
                "diagnostics": [
                    as_json(d, {written.source.path: written.source} if written.source else {})
                    for d in written.problems
                ],
            }
            for written in found
        ],
    }
