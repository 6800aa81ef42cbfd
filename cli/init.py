"""`tidegate init`: a first policy to change, copied from the examples."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from enum import StrEnum
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.inputs import AsJson, bad_input
from tidegate.cli.output import say, say_json


class Example(StrEnum):
    """The examples that can be copied."""

    FIRST = "first"
    CARD = "card"


def init(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", show_default=False, help="Where to; new or an empty folder."),
    ],
    example: Annotated[
        Example,
        typer.Option(help="`first` is the smallest useful policy, `card` a full one."),
    ] = Example.FIRST,
    as_json: AsJson = False,
) -> None:
    """Write a first policy to change.

    DIR gets its rules, cases, a made-up history with its mapping, and a payment to decide.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise bad_input(f"`{folder}` is not empty", "name a folder that does not exist yet")
    try:
        written = _copy(example, folder)
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


def _copy(example: Example, folder: Path) -> list[str]:
    with as_file(files("tidegate") / "examples" / example.value) as source:
        shutil.copytree(
            source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
