"""Source files and places in them.

A span counts characters from the start of its file; lines and columns are worked out only when a
person reads them. Columns count from one, in characters.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open range of characters, `[start, end)`, of the file at `path`.

    `use` names the `apply` that brought it in, where the place is in a template.
    """

    path: str
    start: int
    end: int
    use: str = ""

    def to(self, other: Span) -> Span:
        """The smallest span that covers this one and `other`, of the same file."""
        return Span(self.path, min(self.start, other.start), max(self.end, other.end), self.use)


NOWHERE = Span("", 0, 0)


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one `*.tide` file; `path` is relative to the policy folder, with `/`."""

    path: str
    text: str
    line_starts: tuple[int, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        starts = [0]
        starts.extend(i + 1 for i, char in enumerate(self.text) if char == "\n")
        object.__setattr__(self, "line_starts", tuple(starts))

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both from one, of the character at `offset`."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of line `number` (from one) without its line ending."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] if number < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def slice(self, span: Span) -> str:
        """The characters that `span` covers."""
        return self.text[span.start : span.end]
