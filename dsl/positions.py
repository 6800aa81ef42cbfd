r"""Places as editors count them: lines from zero, and in a line UTF-16 code units from zero.

A line ends at `\n`, `\r\n` or `\r`. A place beyond the end of a line is its end, as the protocol
of editors says, and one within a pair of code units is before the character.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

_ENDING = re.compile(r"\r\n|\n|\r")
_LAST_OF_ONE_UNIT = 0xFFFF


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a text, by which offsets in characters and places of editors are exchanged."""

    text: str
    starts: tuple[int, ...] = field(default=(), compare=False, repr=False)
    ends: tuple[int, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        endings = [match.span() for match in _ENDING.finditer(self.text)]
        object.__setattr__(self, "starts", (0, *(end for _, end in endings)))
        object.__setattr__(self, "ends", (*(start for start, _ in endings), len(self.text)))

    def place(self, offset: int) -> tuple[int, int]:
        """Line and UTF-16 column of the character at `offset`; the nearest place there is."""
        offset = min(max(offset, 0), len(self.text))
        line = bisect_right(self.starts, offset) - 1
        start = self.starts[line]
        return line, units(self.text[start : min(offset, self.ends[line])])

    def offset(self, line: int, column: int) -> int:
        """The character that an editor's place names; the nearest one there is."""
        if line < 0:
            return 0
        if line >= len(self.starts):
            return len(self.text)
        start, end = self.starts[line], self.ends[line]
        passed = 0
        for index in range(start, end):
            passed += units(self.text[index])
            if passed > column:
                return index
        return end


def units(text: str) -> int:
    """How many UTF-16 code units a text has."""
    return len(text) + sum(ord(char) > _LAST_OF_ONE_UNIT for char in text)
