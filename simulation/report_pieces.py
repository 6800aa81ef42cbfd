"""Pieces of the reports in a terminal: titles, tables, numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Literal

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tidegate.simulation.measures import MILLION

_EPOCH = date(1970, 1, 1)


def titled(title: str, body: RenderableType) -> RenderableType:
    """A part of a report, below its title."""
    return Group(Text(f"\n{title}", style="bold"), Padding(body, (0, 0, 0, 1)))


def stacked(texts: Iterable[str]) -> RenderableType:
    """One text a line."""
    return Text("\n".join(texts))


def table_of(columns: Sequence[str], rows: Sequence[Sequence[str]], plain: int = 1) -> Table:
    """Numbers stand to the right and are never cut; the first `plain` columns are names."""
    made = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for index, column in enumerate(columns):
        # Where the terminal is narrow, columns that may wrap give way first.
        names = index < plain
        side: Literal["left", "right"] = "left" if names else "right"
        made.add_column(column, justify=side, no_wrap=not names, overflow="ellipsis")
    for row in rows:
        made.add_row(*map(Text, row))  # `limits[merchant].cut` would be taken for markup
    return made


def grouped(number: int) -> str:
    """With commas."""
    return f"{number:,}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 row`, `2 rows`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def part_of(part: int, whole: int) -> int | None:
    """A share in millionths; None of nothing."""
    return round(MILLION * part / whole) if whole else None


def percent(millionths: int | None) -> str:
    """A share of millionths; `-` where there is none."""
    return "-" if millionths is None else f"{millionths / 10_000:.2f} %"


def date_of(day: int) -> str:
    """A day since 1970 as a date."""
    return (_EPOCH + timedelta(days=day)).isoformat()
