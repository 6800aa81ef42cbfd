"""Which of many findings stand (Benjamini and Hochberg, 1995).

Where twenty inputs are watched at 5 % each, one alarms every time. Here `rate` bounds the share of
false alarms among the alarms; where nothing has changed at all, it is the chance of any alarm.
"""

from __future__ import annotations

from collections.abc import Sequence


def discoveries(chances: Sequence[float], rate: float) -> tuple[bool, ...]:
    """For each finding whether it stands; `chances` are its p-values, in any order."""
    count = len(chances)
    ordered = sorted(range(count), key=chances.__getitem__)
    kept = 0
    for rank, place in enumerate(ordered, start=1):
        if chances[place] <= rate * rank / count:
            kept = rank
    found = set(ordered[:kept])
    return tuple(place in found for place in range(count))
