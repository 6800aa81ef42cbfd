"""`tidegate models …`: the commands about models, each in a file of its own."""

from __future__ import annotations

import typer

from tidegate.cli import models_export
from tidegate.cli.output import Command

models = typer.Typer(
    help="Train, export and keep models.", rich_markup_mode=None, no_args_is_help=True
)
models.command("export", cls=Command)(models_export.export)
