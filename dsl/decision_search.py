"""What the rows of a table leave out, share and never reach: a search over values, with a budget.

Column by column the search takes each value and keeps the rows that still fit. Where the same rows
are left after the same columns, what follows is the same, and it is looked at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

TABLE_STEPS = 250_000
"""How many steps one table may take."""
POLICY_STEPS = 1_000_000
"""How many steps all tables of a policy may take together."""

Path = tuple[int, "Path"] | None
"""The places of the values that were taken, last first."""


class OutOfStepsError(Exception):
    """A table, or with `policy` the whole policy, has used up its steps."""

    def __init__(self, *, policy: bool) -> None:
        super().__init__()
        self.policy = policy


class Budget:
    """The steps that are left: one is a cell held against a value, or a value of a column taken."""

    def __init__(self, policy: int | None = None, table: int | None = None) -> None:
        self.left = POLICY_STEPS if policy is None else policy
        self._each = TABLE_STEPS if table is None else table
        self._own = self._each

    def next_table(self) -> None:
        """Begin with another table; raises `OutOfStepsError` where the policy has no step left."""
        self._own = self._each
        self.take(0)

    def take(self, steps: int) -> None:
        """Take steps before they are made; raises `OutOfStepsError` where there are too few."""
        if self.left <= 0 or steps > self.left:
            self.left = 0
            raise OutOfStepsError(policy=True)
        if steps > self._own:
            raise OutOfStepsError(policy=False)
        self.left -= steps
        self._own -= steps


@dataclass(frozen=True, slots=True)
class Fits:
    """Per value of a column the rows that it fits, as bits, and those that it does not rule out.

    A row that is neither is unknown there; where no row holds and one is unknown there is no gap.
    """

    rows: tuple[int, ...]
    allows: tuple[int, ...]


@dataclass(slots=True)
class Found:
    """What was found, each by the places of its first values in the order of the columns.

    `held`: per row where it holds. `leading`: the rows (bits) that somewhere hold before all
    others. `everywhere`: per row the rows that hold wherever it does, itself among them.
    """

    held: list[tuple[int, ...] | None]
    everywhere: list[int]
    gap: tuple[int, ...] | None = None
    double: tuple[tuple[int, ...], int] | None = None
    leading: int = 0


def search(columns: Sequence[Fits], rows: int, budget: Budget, *, together: bool) -> Found:
    """Look at every combination of values; `together` asks for `everywhere`.

    Raises `OutOfStepsError` where the budget ends before.
    """
    every = (1 << rows) - 1
    found = Found([None] * rows, [every] * rows)
    stack: list[tuple[int, int, int, Path]] = [(0, every, every, None)]
    seen: set[tuple[int, int, int]] = set()
    open_rows = every if together else 0
    unheld = every
    while stack:
        depth, left, allowed, path = stack.pop()
        if found.gap is not None:
            allowed = left  # it matters for gaps alone
        if (depth, left, allowed) in seen or (not left and found.gap is not None):
            continue
        seen.add((depth, left, allowed))
        if depth < len(columns):
            column = columns[depth]
            budget.take(len(column.rows))
            for place in range(len(column.rows) - 1, -1, -1):
                after = left & column.rows[place], allowed & column.allows[place]
                stack.append((depth + 1, *after, (place, path)))
            continue
        if not left:
            found.gap = None if allowed else _places(path)
            continue
        found.leading |= left & -left
        if left & (left - 1) and found.double is None:
            found.double = _places(path), left
        for row in bits(left & unheld):
            found.held[row] = _places(path)
        unheld &= ~left
        budget.take((left & open_rows).bit_count())
        for row in bits(left & open_rows):
            found.everywhere[row] &= left
            if found.everywhere[row] == 1 << row:
                open_rows ^= 1 << row
    return found


def bits(rows: int) -> Iterator[int]:
    """The numbers of the rows, lowest first."""
    while rows:
        yield (rows & -rows).bit_length() - 1
        rows &= rows - 1


def _places(path: Path) -> tuple[int, ...]:
    found = []
    while path is not None:
        place, path = path
        found.append(place)
    return tuple(reversed(found))
