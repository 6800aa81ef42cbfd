"""The names that a declaration would have declared, had it been possible to read it.

They are found by the look of the text alone, so that what uses them is not called wrong as well.
"""

from __future__ import annotations

import re

from tidegate.dsl.tree import Unread

_NAME = r"(?:\s|\#[^\n]*\n)+([A-Za-z_][A-Za-z0-9_]*)"
_FIRST = re.compile(rf"[a-z_]+(?:(?<=grant)\s+[a-z]+)?{_NAME}")
_SCORE = re.compile(rf"\bscore{_NAME}")


def unread(word: str, text: str) -> tuple[Unread, ...]:
    """What `text`, which `word` opens, would have declared."""
    found = _FIRST.match(text)
    names = [Unread(word, found[1])] if found else [Unread(word, "")]
    if word == "model":
        names += [Unread("score", name) for name in _SCORE.findall(text)]
    return tuple(names)
