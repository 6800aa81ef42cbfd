"""`tidegate lsp`: the language server for editors."""

from __future__ import annotations

from tidegate.cli.inputs import bad_input


def lsp() -> None:
    """Serve an editor over standard input and output.

    An editor starts it; docs/editors.md says how.
    """
    try:
        from tidegate.cli.language_server import serve
    except ModuleNotFoundError as error:
        if error.name not in ("pygls", "lsprotocol"):
            raise
        raise bad_input(
            "the language server needs the package `pygls`", "pip install 'tidegate[lsp]'"
        ) from None
    serve()
