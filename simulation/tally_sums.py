"""Tallies as sums: taken away from one another, put in another order of rules, kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from tidegate.simulation.measures import NOTHING, Classed, RuleTally, Tally, Volume

Key = TypeVar("Key")
_RULE = tuple(field.name for field in fields(RuleTally))


def exchange(whole: Tally, old: Tally, new: Tally) -> Tally:
    """`whole` with what some rows said before taken away and what they say now put in.

    All three are over the same rules; what no rule changes (missing inputs, the last time) stays.
    """
    return Tally(
        words=_exchange_all(whole.words, old.words, new.words),
        rules=[_exchange_rule(*of) for of in zip(whole.rules, old.rules, new.rules, strict=True)],
        overlap=whole.overlap - old.overlap + new.overlap,
        changes={
            key: volume
            for key in whole.changes | new.changes
            if (
                volume := _exchange_volume(
                    *(t.changes.get(key, Volume()) for t in (whole, old, new))
                )
            ).count
        },
        weeks={
            week: _exchange_all(words, old.weeks.get(week), new.weeks.get(week))
            for week, words in whole.weeks.items()
        },
        review_days=_exchange_days(whole.review_days, old.review_days, new.review_days),
        step_up_days=_exchange_days(whole.step_up_days, old.step_up_days, new.step_up_days),
        missing=whole.missing,
        without_money=whole.without_money,
        last_us=whole.last_us,
    )


def _exchange_volume(whole: Volume, old: Volume, new: Volume) -> Volume:
    return Volume(whole.count - old.count + new.count, whole.minor - old.minor + new.minor)


def _exchange_classed(whole: Classed, old: Classed, new: Classed) -> Classed:
    if old is NOTHING and new is NOTHING:
        return whole
    return tuple(_exchange_volume(*of) for of in zip(whole, old, new, strict=True))


def _exchange_all(
    whole: list[Classed], old: list[Classed] | None, new: list[Classed] | None
) -> list[Classed]:
    if old is None or new is None:
        return whole
    return [_exchange_classed(*of) for of in zip(whole, old, new, strict=True)]


def _exchange_rule(whole: RuleTally, old: RuleTally, new: RuleTally) -> RuleTally:
    by_name = ([getattr(tally, name) for tally in (whole, old, new)] for name in _RULE)
    return RuleTally(*(_exchange_classed(*classed) for classed in by_name))


def _exchange_days(
    whole: Mapping[int, int], old: Mapping[int, int], new: Mapping[int, int]
) -> dict[int, int]:
    days = {day: whole.get(day, 0) - old.get(day, 0) + new.get(day, 0) for day in {**whole, **new}}
    return {day: count for day, count in days.items() if count}


def reordered(tally: Tally, places: Sequence[int | None]) -> Tally:
    """The tally over other rules: each takes what the rule at its place has; None has nothing."""
    result = Tally.of(len(places))
    for name in (field.name for field in fields(Tally)):
        if name not in ("rules", "overlap"):
            setattr(result, name, getattr(tally, name))
    result.rules = [RuleTally() if old is None else tally.rules[old] for old in places]
    kept = [(new, old) for new, old in enumerate(places) if old is not None]
    if result.overlap.size and tally.overlap.size and kept:
        now, before = map(list, zip(*kept, strict=True))
        result.overlap[np.ix_(now, now)] = tally.overlap[np.ix_(before, before)]
    return result


# --- JSON --------------------------------------------------------------------------------------


def to_plain(tally: Tally) -> dict[str, Any]:
    """The tally as lists and integers."""
    return {
        "words": [_numbers(classed) for classed in tally.words],
        "rules": [[_numbers(getattr(rule, name)) for name in _RULE] for rule in tally.rules],
        "overlap": tally.overlap.tolist(),
        "changes": [[*key, v.count, v.minor] for key, v in tally.changes.items()],
        "weeks": [[week, *map(_numbers, words)] for week, words in tally.weeks.items()],
        "review_days": list(tally.review_days.items()),
        "step_up_days": list(tally.step_up_days.items()),
        "missing": [[*key, rows] for key, rows in tally.missing.items()],
        "without_money": tally.without_money,
        "last_us": tally.last_us,
    }


def from_plain(plain: Mapping[str, Any]) -> Tally:
    """The tally that `to_plain` was given."""
    tally = Tally.of(len(plain["rules"]))
    tally.words = [_classed(numbers) for numbers in plain["words"]]
    tally.rules = [RuleTally(*map(_classed, rule)) for rule in plain["rules"]]
    if tally.overlap.size:
        tally.overlap = np.array(plain["overlap"], np.int64)
    tally.changes = {(old, new): Volume(*of) for old, new, *of in plain["changes"]}
    tally.weeks = {week: list(map(_classed, words)) for week, *words in plain["weeks"]}
    tally.review_days = dict(plain["review_days"])
    tally.step_up_days = dict(plain["step_up_days"])
    tally.missing = {(name, reason): rows for name, reason, rows in plain["missing"]}
    tally.without_money, tally.last_us = plain["without_money"], plain["last_us"]
    return tally


def _numbers(classed: Classed) -> list[int]:
    return [number for volume in classed for number in (volume.count, volume.minor)]


def _classed(numbers: list[int]) -> Classed:
    if not any(numbers):
        return NOTHING
    return tuple(Volume(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True))
