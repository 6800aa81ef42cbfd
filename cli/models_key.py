"""`tidegate models key`: a signing key in a file, and the passphrase that opens one."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.inputs import bad_input
from tidegate.cli.output import complain, say

if TYPE_CHECKING:
    from tidegate.vault.key_file import FileSigner

MAX_PASSPHRASE_BYTES = 1023
"""As many as the library of keys takes."""

PassphraseFile = Annotated[
    str,
    typer.Option(
        metavar="FILE",
        envvar="TIDEGATE_PASSPHRASE_FILE",
        show_default="asked for",
        help="A file whose first line is the key's passphrase; /dev/fd/3 is a descriptor.",
    ),
]


def key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    *,
    role: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE", show_default="author", help="author, approver or operator; repeatable."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default="NAME.key.pem", help="Where the key is written."),
    ] = None,
    first: Annotated[
        bool, typer.Option("--first", help="Print a whole people's file, with a registry's new id.")
    ] = False,
    passphrase_file: PassphraseFile = "",
) -> None:
    """Make a signing key, and print its row for the people's file.

    The key is encrypted, readable by its owner alone, never printed and never overwritten.
    """
    from tidegate.models.people import NAME, ROLES
    from tidegate.vault.key_file import KeyFileError, make_key_file

    roles = role or ["author"]
    if NAME.fullmatch(name) is None:
        message = "a name is of small letters, digits, `.`, `_` and `-`"
        raise typer.BadParameter(message, param_hint="NAME")
    if unknown := [one for one in roles if one not in ROLES]:
        message = f"`{unknown[0]}` is no role: {', '.join(ROLES)} are"
        raise typer.BadParameter(message, param_hint="--role")
    path = out or Path(f"{name}.key.pem")
    try:
        signer = make_key_file(path, name, read_passphrase(passphrase_file, new=True))
    except KeyFileError as error:
        raise bad_input(str(error)) from None
    if first:
        say(f"registry: {secrets.token_hex(16)}")
        say("people:")
    say(row_of(signer, roles))
    complain(f"{path}: a new key; its row belongs into people.yaml")


def row_of(signer: FileSigner, roles: list[str]) -> str:
    """The line of the people's file."""
    from tidegate.models.people import key_text

    said = ", ".join(dict.fromkeys(roles))
    return f"  - {{name: {signer.name}, roles: [{said}], key: {key_text(signer.public_key)}}}"


def open_key(path: Path, passphrase_file: str) -> FileSigner:
    """The key in `path`, without a name; a stop says why it cannot be used."""
    from tidegate.vault.key_file import KeyFileError, read_key_file

    if not path.is_file():
        raise bad_input(f"`{path}` is no file", "`tidegate models key NAME` makes a key")
    try:
        return read_key_file(path, read_passphrase(passphrase_file, new=False))
    except KeyFileError as error:
        raise bad_input(str(error)) from None


def read_passphrase(path: str, *, new: bool) -> bytes:
    """The first line of a file, or what somebody types unseen."""
    if path:
        try:
            with Path(path).open("rb") as stream:
                content = stream.readline(MAX_PASSPHRASE_BYTES + 2)
        except OSError as error:
            raise bad_input(f"`{path}` cannot be read: {error.strerror}") from None
        line = content.removesuffix(b"\n").removesuffix(b"\r")
        if len(line) > MAX_PASSPHRASE_BYTES:
            raise bad_input(
                f"the first line of `{path}` has more than {MAX_PASSPHRASE_BYTES:,} bytes",
                "a passphrase is one line; nothing of it is left out",
            )
        return line
    if not is_terminal():
        raise bad_input(
            "there is no terminal to ask for the passphrase on",
            "give `--passphrase-file FILE`, or name it in TIDEGATE_PASSPHRASE_FILE",
        )
    typed: str = typer.prompt("passphrase", hide_input=True, confirmation_prompt=new, err=True)
    if len(typed.encode()) > MAX_PASSPHRASE_BYTES:
        raise bad_input(f"the passphrase has more than {MAX_PASSPHRASE_BYTES:,} bytes")
    return typed.encode()


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()
