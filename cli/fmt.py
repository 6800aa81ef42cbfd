"""`tidegate fmt`: one way to write rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.inputs import AsJson, bad_input, exit_code
from tidegate.cli.output import ExitCode, complain, counted, say, say_json

if TYPE_CHECKING:
    from tidegate.dsl.diagnostics import Diagnostic
    from tidegate.dsl.source import Source


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one file: `problems` say why it was left as it is.

    `folder` is where the paths in `problems` begin.
    """

    path: Path
    folder: Path
    changed: bool = False
    source: Source | None = None
    problems: tuple[Diagnostic, ...] = ()


def fmt(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH...]",
            show_default=False,
            readable=False,
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
    found = [written for path in paths or [Path()] for written in _formatted(path, check)]
    if as_json:
        say_json(_as_json(found, check))
    else:
        _say(found, check)
    code = exit_code([d for written in found for d in written.problems])
    unformatted = check and any(written.changed for written in found)
    raise typer.Exit(code or (ExitCode.FAILED if unformatted else ExitCode.FINE))


def _formatted(path: Path, check: bool) -> Iterator[Written]:
    if path.is_dir():
        yield from _formatted_folder(path, check)
    elif path.is_file() and path.suffix == ".tide":
        yield _format(path, path.parent, check)
    else:
        raise bad_input(f"`{path}` is no folder and no rule file", "rule files end in `.tide`")


def _formatted_folder(folder: Path, check: bool) -> Iterator[Written]:
    from tidegate.rules.files import rule_files
    from tidegate.rules.loading import no_rules

    files = rule_files(folder)
    if not (files.paths or files.problems):
        none = no_rules(folder)
        raise bad_input(none.message, none.help)
    for problem in files.problems:
        yield Written(folder / problem.span.path, folder, problems=(problem,))
    for path in files.paths:
        yield _format(path, folder, check)


def _format(path: Path, folder: Path, check: bool) -> Written:
    from tidegate.cli.files import replace_file
    from tidegate.dsl.diagnostics import Diagnostic
    from tidegate.dsl.formatter import format_source
    from tidegate.rules.files import read_source

    source = read_source(path, folder)
    if isinstance(source, Diagnostic):
        return Written(path, folder, problems=(source,))
    formatted = format_source(source)
    if formatted.text is None:
        return Written(path, folder, source=source, problems=formatted.diagnostics)
    content = formatted.text.encode()
    try:
        changed = path.read_bytes() != content
        if changed and not check:
            replace_file(path, content)
    except OSError as error:
        raise bad_input(f"`{path}` cannot be written: {error.strerror}") from None
    return Written(path, folder, changed)


def _say(found: list[Written], check: bool) -> None:
    from tidegate.cli.diagnostics import as_text

    for written in found:
        if written.problems:
            complain(as_text(written.problems, _sources(written), written.folder) + "\n")
        elif written.changed:
            say(f"{'would format' if check else 'formatted'} {written.path}")
    changed = sum(written.changed for written in found)
    verb = "would change" if check else "changed"
    say(f"{counted(len(found), 'file')}, {changed:,} {verb}")


def _sources(written: Written) -> dict[str, Source]:
    return {written.source.path: written.source} if written.source else {}


def _as_json(found: list[Written], check: bool) -> dict[str, Any]:
    return {
        "schema": "tidegate.fmt/1",
        "written": not check,
        "files": [
            {
                "file": str(written.path),
                "changed": written.changed,
                "diagnostics": [_problem(written, problem) for problem in written.problems],
            }
            for written in found
        ],
    }


def _problem(written: Written, problem: Diagnostic) -> dict[str, Any]:
    """A diagnostic whose file is named as the one around it."""
    from tidegate.cli.diagnostics import as_json

    return {**as_json(problem, _sources(written)), "file": str(written.path)}
