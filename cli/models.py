"""`tidegate models`: what is done with models. Each command has a file of its own."""

from __future__ import annotations

from collections.abc import Callable

import typer

from tidegate.cli import (
    models_card,
    models_export,
    models_key,
    models_monitor,
    models_registry,
    models_train,
)
from tidegate.cli.output import Command

models = typer.Typer(
    help="Train, export, register, approve, serve and watch models.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
COMMANDS: dict[str, Callable[..., None]] = {
    "train": models_train.train,
    "export": models_export.export,
    "card": models_card.card,
    "monitor": models_monitor.monitor,
    "key": models_key.key,
    "register": models_registry.register,
    "approve": models_registry.approve,
    "activate": models_registry.activate,
    "rollback": models_registry.rollback,
    "disable": models_registry.disable,
    "enable": models_registry.enable,
    "withdraw": models_registry.withdraw,
    "status": models_registry.status,
    "verify": models_registry.verify,
}
for name, run in COMMANDS.items():
    models.command(name, cls=Command)(run)
