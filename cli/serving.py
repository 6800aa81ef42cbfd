"""`--serving` and `--people`: whether a command asks the registry which models serve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.inputs import bad_input, load
from tidegate.cli.output import ExitCode, Stop, complain, counted

if TYPE_CHECKING:
    from tidegate.rules import Policy
    from tidegate.rules.models import WhatServes

Serving = Annotated[
    bool,
    typer.Option(
        "--serving", help="Score by what the registry lets serve, not by what lies there."
    ),
]
People = Annotated[
    Path | None,
    typer.Option(
        "--people",
        metavar="FILE",
        show_default="people.yaml beside each model's folder",
        help="With `--serving`: who may register, approve and activate models.",
    ),
]
TOLD = ("TG764", "TG766", "TG767")
"""What is told of models by commands that show no other diagnostic of a policy."""


def what_serves(serving: bool, people: Path | None) -> WhatServes | None:
    """Who is asked what serves: nobody without `--serving`."""
    if not serving:
        if people is not None:
            raise typer.BadParameter("it goes with `--serving`", param_hint="--people")
        return None
    from tidegate.cli.diagnostics import as_json, as_text
    from tidegate.rules.serving import PeopleRefused, registry

    if people is not None and not people.is_file():
        raise bad_input(f"`{people}` is no file", "it lists who may do what with models")
    try:
        return registry(people)
    except PeopleRefused as refused:
        found = refused.diagnostics
        assert people is not None, "others are read later"
        raise Stop(
            ExitCode.BAD_INPUT,
            "people_refused",
            f"`{people.name}` has {counted(len(found), 'error')}; nothing was done",
            problems=[as_json(diagnostic, {}) for diagnostic in found],
            text=as_text(found, {}, people.parent),
        ) from None


def load_serving(folder: Path, serving: bool, people: Path | None) -> Policy:
    """The policy in `folder` with the models that serve; what is wrong with them is told aside."""
    from tidegate.cli.diagnostics import as_text

    policy = load(folder, serving=what_serves(serving, people))
    if told := [d for d in policy.diagnostics if d.code in TOLD]:
        complain(as_text(told, policy.sources, folder))
    return policy
