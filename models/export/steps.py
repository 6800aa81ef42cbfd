"""Functions of an integer that change at few places, as the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.models.export.columns import Steps
from tidegate.models.portable import Axis


def axis_of_steps(place: int, columns: Sequence[Steps]) -> tuple[Axis, tuple[int | None, ...]]:
    """An axis with a row for every integer at which a column has a value, and rows between.

    With it comes for each row but that of missing the integer that it stands for, None
    between. A flag has a row for each of its two.
    """
    if columns[0].is_flag:
        return Axis(place, (1,)), (0, 1)
    at = sorted({x for column in columns for x in column.values})
    cuts = sorted({*at, *(x + 1 for x in at)})
    # The row after cut x holds x itself, if x is one of the integers; the first is below them all.
    return Axis(place, tuple(cuts)), (None, *(x if x in set(at) else None for x in cuts))
