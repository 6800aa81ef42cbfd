"""`tidegate serve`: decide over HTTP, recorded before it is answered."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.files import keep
from tidegate.cli.inputs import bad_input, load
from tidegate.cli.output import ExitCode, Stop, counted, say

if TYPE_CHECKING:
    from tidegate.service.server import Started
    from tidegate.service.settings import Settings


def serve(
    policy: Annotated[
        Path | None,
        typer.Argument(
            metavar="[POLICY]",
            show_default="that of the settings",
            readable=False,
            help="The policy's folder.",
        ),
    ] = None,
    *,
    settings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default="none", readable=False, help="A YAML file of settings."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            show_default="tidegate-data",
            readable=False,
            help="Where the embedded ledger and keys are kept.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", show_default="8080", help="The port to listen on; 0 takes a free one."
        ),
    ] = None,
    development: Annotated[
        bool,
        typer.Option(
            "--development", help="Sign tokens for the policy's clients; for this machine alone."
        ),
    ] = False,
) -> None:
    """Serve decisions until the process is told to end.

    Without --development an identity provider signs the tokens, as the settings say.
    """
    from tidegate.service.server import serve as serve_until_told
    from tidegate.service.settings import SettingsError
    from tidegate.store.errors import LedgerError
    from tidegate.vault.key_file import KeyFileError

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        wanted = _settings(settings, policy, data, port, development=development)
        load(Path(wanted.policy))
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve_until_told(wanted, _tell))
    except SettingsError as error:
        lines = str(error).split("\n")
        text = "\n".join(f"error: {line}" for line in lines)
        raise Stop(
            ExitCode.BAD_INPUT,
            "bad_settings",
            f"the settings have {counted(len(lines), 'error')}; nothing was started",
            text=text,
        ) from None
    except KeyFileError as error:
        raise bad_input(str(error)) from None
    except LedgerError as error:
        raise bad_input(f"the ledger cannot be opened: {error}") from None


def _settings(
    path: Path | None,
    policy: Path | None,
    data: Path | None,
    port: int | None,
    *,
    development: bool,
) -> Settings:
    from tidegate.service.settings import SettingsError, read_settings

    changes: dict[str, Any] = {
        "policy": None if policy is None else str(policy),
        "data": None if data is None else str(data),
        "mode": "development" if development else None,
    }
    found = read_settings(path, **changes)
    if port is not None:
        found = found.model_copy(update={"listen": found.listen.model_copy(update={"port": port})})
    if not development and not found.tokens.issuer:
        raise SettingsError(
            "tokens: nobody signs tokens; name issuer and jwks in the settings, "
            "or try it with --development"
        )
    return found


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _tell(started: Started) -> None:
    for client, secret in started.secrets.items():
        folder = started.service.data
        path = folder / f"{client}.secret"
        keep(path, f"{secret}\n".encode())
        path.chmod(0o600)
        say(f"client {client}: its secret is in {path}")
    say(f"serving {started.service.policy.program.name} at {started.address}")
