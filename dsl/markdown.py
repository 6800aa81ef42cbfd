"""Texts of others within Markdown, as GitHub shows it: as code, or as plain words."""

from __future__ import annotations

import re

_ESCAPED = re.compile(r"([\\`*_{}\[\]()!#~])")
_LINKED = re.compile(r"@|#(?=\d)|(?<=:)(?=//)|\b(?:www|GH)(?=[.-])", re.IGNORECASE)
_APART = "\N{ZERO WIDTH SPACE}"


def plain(text: str) -> str:
    """Text as it stands, whatever signs it holds."""
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, name)
    # Written as a name, `@` would be decoded before mentions are looked for.
    quiet = _LINKED.sub(lambda found: found[0] + _APART, _one_line(text))
    return _ESCAPED.sub(r"\\\1", quiet)


def code(text: str) -> str:
    """Text as code: nothing in it is Markdown, a mention or a link."""
    line = _one_line(text)
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence, space = "`" * (longest + 1), " " if "`" in line or not line else ""
    return f"{fence}{space}{line}{space}{fence}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
