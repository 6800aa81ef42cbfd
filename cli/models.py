"""`tidegate models`: what is done with the models of a policy, one file a command."""

from __future__ import annotations

import typer

from tidegate.cli import models_train
from tidegate.cli.output import Command

models = typer.Typer(
    help="Train, review, approve and watch models.", rich_markup_mode=None, no_args_is_help=True
)
models.command("train", cls=Command)(models_train.train)
