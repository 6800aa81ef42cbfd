"""The difference of two shares of the same payments, with its interval.

The payments are paired: what both revisions say alike adds nothing to the difference, so that only
those that `lost` or `gained` the outcome count (McNemar's cells). The interval is the one of Wald
with half a payment added to each cell (Agresti and Min, 2005), which holds for few changes as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import sqrt

from tidegate.models.proportions import Z_95
from tidegate.simulation.comparison import RateChange
from tidegate.simulation.measures import MILLION, rate


def paired_interval(lost: int, gained: int, of: int) -> tuple[float, float]:
    """The interval of 95 % of `(gained - lost) / of`, for `of` payments (above 0)."""
    cells, more, fewer = of + 2, gained + 0.5, lost + 0.5
    middle = (more - fewer) / cells
    half = Z_95 * sqrt(more + fewer - (more - fewer) ** 2 / cells) / cells
    return max(middle - half, -1.0), min(middle + half, 1.0)


def stopped_change(
    name: str, words: Collection[str], pairs: Iterable[tuple[str, str, int]]
) -> RateChange:
    """The change of the share whose outcome is one of `words`.

    `pairs` hold how many payments have which outcome before and after.
    """
    found = [(was in words, now in words, count) for was, now, count in pairs]
    before = sum(count for was, _, count in found if was)
    after = sum(count for _, now, count in found if now)
    lost = sum(count for was, now, count in found if was and not now)
    return rate_change(name, before, after, lost, sum(count for *_, count in found))


def rate_change(name: str, before: int, after: int, lost: int, of: int) -> RateChange:
    """The change of a share from `before` to `after` of the same `of` payments."""
    gained = after - before + lost
    rates = rate(before, of), rate(after, of)
    if of == 0:
        return RateChange(name, *rates, lost, gained, None, None, None)
    low, high = paired_interval(lost, gained, of)
    return RateChange(
        name,
        *rates,
        lost,
        gained,
        round(MILLION * (after - before) / of),
        round(MILLION * low),
        round(MILLION * high),
    )
