"""`tidegate token`: a token for development, signed with the running service's own key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.inputs import bad_input
from tidegate.cli.output import say

if TYPE_CHECKING:
    from tidegate.engine.grants import World


def token(
    name: Annotated[str, typer.Argument(help="Who the token is for, as in `sub`.")],
    state: Annotated[
        Path,
        typer.Option("--state", help="The folder where the development service keeps its key."),
    ],
    role: Annotated[
        list[str] | None, typer.Option("--role", help="A role of this person; may come often.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="What it is for; may come often.")
    ] = None,
    client: Annotated[
        bool, typer.Option("--client", help="The token is a machine's, not a person's.")
    ] = False,
) -> None:
    """Sign a token of ten minutes for development.

    In production there is none of this: the identity provider issues tokens.
    """
    import time

    from tidegate.service.issuer import IssuerError, load_issuer

    try:
        issuer = load_issuer(state, time.time)
        world: World = "client" if client else "person"
        signed = issuer.sign(world, name, roles=role or (), scopes=scope or ())
    except IssuerError as error:
        raise bad_input(str(error)) from None
    say(signed)
