"""`tidegate init`: a first policy to change, copied from the examples."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.inputs import AsJson, bad_input
from tidegate.cli.output import say, say_json

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


class Example(StrEnum):
    """The examples that can be copied."""

    FIRST = "first"
    CARD = "card"
    SCORED = "scored"


def init(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            show_default=False,
            readable=False,
            help="Where to; new or an empty folder.",
        ),
    ],
    example: Annotated[
        Example,
        typer.Option(help="The smallest useful policy, a full one, one with a trained model."),
    ] = Example.FIRST,
    as_json: AsJson = False,
) -> None:
    """Write a first policy to change.

    DIR gets its rules, cases, a made-up history with its mapping, and a payment to decide.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "is not empty" if folder.is_dir() else "is a file"
        raise bad_input(f"`{folder}` {what}", "name a folder that does not exist yet")
    try:
        copied = _copy(files("tidegate") / "examples" / example.value, folder)
        written = sorted(path.relative_to(folder).as_posix() for path in copied)
    except OSError as error:
        raise bad_input(f"`{folder}` cannot be written: {error.strerror}") from None
    if as_json:
        say_json({"schema": "tidegate.init/1", "folder": str(folder), "files": written})
        return
    say("\n".join(f"{folder}/{name}" for name in written))
    say("\nnext:\n" + "\n".join(f"  {line}" for line in _next(folder, written)))


def _next(folder: Path, written: list[str]) -> Iterator[str]:
    """Commands that work with what was written."""
    at = shlex.quote(str(folder))
    yield f"tidegate check {at}"
    yield f"tidegate test {at}"
    if {"payment.json", "features.json"} <= set(written):
        yield f"tidegate decide {at} {at}/payment.json --features {at}/features.json"
    if "mapping.yaml" in written:
        yield f"tidegate backtest {at} {at}/mapping.yaml"


def _copy(source: Traversable, folder: Path) -> Iterator[Path]:
    """Copy the contents alone: installed files may be write-protected, these are to be edited."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir(), key=lambda found: found.name):
        if entry.name.startswith((".", "__")):
            continue
        target = folder / entry.name
        if entry.is_dir():
            yield from _copy(entry, target)
        else:
            target.write_bytes(entry.read_bytes())
            yield target
