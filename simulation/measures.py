"""What a dry run measures: counts first, and from counts every rate with its interval.

A *tally* holds counts and sums of money as exact integers, so that adding up tallies gives the
same whatever the parts were. Every decision falls into one *class*: labels speak only about
`GOOD` and `FRAUD`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegate.engine.column_batch import unpack
from tidegate.engine.column_outcome import WORDS, OutcomeColumns
from tidegate.models.proportions import wilson
from tidegate.simulation.times import Flags, Int64s

MILLION: Final = 10**6

CLASSES: Final = ("good", "fraud", "not_yet_known", "past_declined", "unlabelled", "warm_up")
GOOD, FRAUD, NOT_YET_KNOWN, PAST_DECLINED, UNLABELLED, WARM_UP = range(len(CLASSES))
MEASURED: Final = (GOOD, FRAUD, NOT_YET_KNOWN, PAST_DECLINED, UNLABELLED)

MAX_OVERLAP_RULES: Final = 256
_BLOCK_CELLS = 1 << 22

_NO_ROWS: Final = np.empty(0, np.int64)

Small = npt.NDArray[np.int8]


# --- rates -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its Wilson interval of 95 %, in millionths; None where nothing was counted."""

    hits: int
    of: int
    millionths: int | None
    low_millionths: int | None
    high_millionths: int | None


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many `left` there are for one `right`, in millionths; None where it has no end.

    The interval is the one of the share that `right` is of both.
    """

    left: int
    right: int
    millionths: int | None
    low_millionths: int | None
    high_millionths: int | None


def rate(hits: int, of: int) -> Rate:
    """`hits` out of `of`."""
    if of == 0:
        return Rate(hits, of, None, None, None)
    low, high = wilson(hits, of)
    return Rate(hits, of, round(MILLION * hits / of), round(MILLION * low), round(MILLION * high))


def ratio(left: int, right: int) -> Ratio:
    """`left` for one `right`."""
    if left + right == 0:
        return Ratio(left, right, None, None, None)
    low, high = wilson(right, left + right)
    return Ratio(left, right, *(_odds(share) for share in (right / (left + right), high, low)))


def _odds(share: float) -> int | None:
    return None if share == 0 else round(MILLION * (1 - share) / share)


# --- counts and money --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Volume:
    """So many events, and what they amount to in minor units."""

    count: int = 0
    minor: int = 0

    def __add__(self, other: Volume) -> Volume:
        return Volume(self.count + other.count, self.minor + other.minor)


Classed = tuple[Volume, ...]
"""A volume for each of `CLASSES`."""
NOTHING: Final[Classed] = tuple(Volume() for _ in CLASSES)


def total(volumes: Iterable[Volume]) -> Volume:
    """All of them together."""
    return sum(volumes, Volume())


def measured(classed: Classed) -> Volume:
    """Everything outside the warm-up."""
    return total(classed[place] for place in MEASURED)


def added(left: Classed, right: Classed) -> Classed:
    """Class by class."""
    return tuple(a + b for a, b in zip(left, right, strict=True))


@dataclass(slots=True)
class RuleTally:
    """One rule: by class, where it fired, was unknown, was silenced, acted, acted alone, decided.

    It acts where it is live and asks for a stop; alone, where no other rule does. It decides where
    it asked for a rung that won.
    """

    fired: Classed = NOTHING
    unknown: Classed = NOTHING
    silenced: Classed = NOTHING
    acted: Classed = NOTHING
    alone: Classed = NOTHING
    decided: Classed = NOTHING


@dataclass(slots=True)
class Tally:
    """Everything that a dry run counts about one event type; tallies add up in any order.

    `words` is by outcome, `changes` by outcome at the time and outcome now (outside the warm-up),
    `weeks` by week since the measured start, `review_days` and `step_up_days` by local day;
    `overlap` counts rows in which two rules fire, `missing` inputs without a value by reason;
    `last_us` is the time of the last decision.
    """

    words: list[Classed]
    rules: list[RuleTally]
    overlap: Int64s
    changes: dict[tuple[int, int], Volume] = field(default_factory=dict)
    weeks: dict[int, list[Classed]] = field(default_factory=dict)
    review_days: dict[int, int] = field(default_factory=dict)
    step_up_days: dict[int, int] = field(default_factory=dict)
    missing: dict[tuple[str, str], int] = field(default_factory=dict)
    without_money: int = 0
    last_us: int = 0

    @staticmethod
    def of(rules: int) -> Tally:
        """An empty tally for so many rules."""
        overlap = np.zeros((rules, rules) if rules <= MAX_OVERLAP_RULES else (0, 0), np.int64)
        return Tally([NOTHING] * len(WORDS), [RuleTally() for _ in range(rules)], overlap)


# --- one batch of decisions --------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Decided:
    """A batch of decisions with what is known about them. `stops` says which rules ask for a stop.

    `stops` holds per rule whether it does where it fires and where it is unknown.
    """

    outcomes: OutcomeColumns
    classes: Small
    money: Int64s
    past: Small | None
    at_us: Int64s
    day: Int64s
    week: Int64s
    stops: tuple[tuple[bool, bool], ...]


def tally_up(tally: Tally, decided: Decided) -> None:
    """Add a batch of decisions to the tally."""
    found = classed(decided.outcomes.word, len(WORDS), decided.classes, decided.money)
    tally.words = [added(old, new) for old, new in zip(tally.words, found, strict=True)]
    tally.last_us = max(tally.last_us, int(decided.at_us.max(initial=0)))
    _add_changes(tally, decided)
    _add_weeks(tally, decided)
    _add_days(tally, decided)
    _add_rules(tally, decided)


def classed(group: npt.NDArray[Any], groups: int, classes: Small, money: Int64s) -> list[Classed]:
    """By group (0 to `groups` - 1) and class, how many rows and how much money."""
    size = len(CLASSES)
    found = volumes(group.astype(np.int64) * size + classes, groups * size, money)
    return [tuple(found[place * size : (place + 1) * size]) for place in range(groups)]


def volumes(codes: Int64s, size: int, money: Int64s) -> list[Volume]:
    """By code (0 to `size` - 1), how many rows and how much money, exactly."""
    counts = np.bincount(codes, minlength=size)
    wide = _is_wide(money)
    sums = np.zeros(size, np.object_ if wide else np.int64)
    np.add.at(sums, codes, money.astype(np.object_) if wide else money)
    return [Volume(*pair) for pair in zip(counts.tolist(), sums.tolist(), strict=True)]


def _is_wide(money: Int64s) -> bool:
    """Whether int64 may not hold a sum: then Python's integers add up."""
    largest = max(abs(int(money.max(initial=0))), abs(int(money.min(initial=0))))
    return largest * max(len(money), 1) >= 2**63


def _add_changes(tally: Tally, decided: Decided) -> None:
    if decided.past is None:
        return
    counted = (decided.past >= 0) & (decided.classes != WARM_UP)
    codes = decided.past[counted].astype(np.int64) * len(WORDS) + decided.outcomes.word[counted]
    for code, volume in enumerate(volumes(codes, len(WORDS) ** 2, decided.money[counted])):
        if volume.count:
            change = divmod(code, len(WORDS))
            tally.changes[change] = tally.changes.get(change, Volume()) + volume


def _add_weeks(tally: Tally, decided: Decided) -> None:
    counted = decided.classes != WARM_UP
    weeks, places = np.unique(decided.week[counted], return_inverse=True)
    found = classed(
        places * len(WORDS) + decided.outcomes.word[counted],
        len(weeks) * len(WORDS),
        decided.classes[counted],
        decided.money[counted],
    )
    for place, week in enumerate(weeks.tolist()):
        counts = tally.weeks.setdefault(week, [NOTHING] * len(WORDS))
        for word in range(len(WORDS)):
            counts[word] = added(counts[word], found[place * len(WORDS) + word])


def _add_days(tally: Tally, decided: Decided) -> None:
    outcomes, counted = decided.outcomes, decided.classes != WARM_UP
    looked_at = (outcomes.review >= 0) | (outcomes.word == WORDS.index("review"))
    _count_days(tally.review_days, decided.day[counted & looked_at])
    _count_days(
        tally.step_up_days, decided.day[counted & (outcomes.word == WORDS.index("step_up"))]
    )


def _count_days(days: dict[int, int], found: Int64s) -> None:
    for day, count in zip(
        *map(np.ndarray.tolist, np.unique(found, return_counts=True)), strict=True
    ):
        days[day] = days.get(day, 0) + count


# --- rules -------------------------------------------------------------------------------------


def _add_rules(tally: Tally, decided: Decided) -> None:
    """In blocks of rows, so that the flags of all rules at once stay small."""
    count = len(tally.rules)
    rows = decided.outcomes.rows
    step = max(_BLOCK_CELLS // max(count, 1) // 8 * 8, 1024)
    sums = _RuleSums(count, _is_wide(decided.money))
    for start in range(0, rows if count else 0, step):
        _Block(decided, start, min(start + step, rows)).add_to(sums, tally.overlap)
    sums.add_to(tally)


_RULE_COUNTS = tuple(declared.name for declared in fields(RuleTally))


class _RuleSums:
    """What rules' tallies grow by, as arrays: by what is counted, then rule and class."""

    def __init__(self, rules: int, wide: bool) -> None:
        self.counts = np.zeros((len(_RULE_COUNTS), rules * len(CLASSES)), np.int64)
        self.sums = np.zeros(self.counts.shape, np.object_ if wide else np.int64)

    def add(self, name: str, flags: Flags, classes: Small, money: Int64s) -> None:
        """Rows of each rule, with their classes and money."""
        place = _RULE_COUNTS.index(name)
        rules, rows = _places(flags)
        codes = rules * len(CLASSES) + classes[rows]
        self.counts[place] += np.bincount(codes, minlength=self.counts.shape[1])
        np.add.at(self.sums[place], codes, money[rows].astype(self.sums.dtype))

    def add_to(self, tally: Tally) -> None:
        size = len(CLASSES)
        for name, counts, sums in zip(_RULE_COUNTS, self.counts, self.sums, strict=True):
            for place in np.unique(np.flatnonzero(counts) // size).tolist():
                span, rule = slice(place * size, (place + 1) * size), tally.rules[place]
                pairs = zip(counts[span].tolist(), sums[span].tolist(), strict=True)
                grown = added(getattr(rule, name), tuple(Volume(*pair) for pair in pairs))
                setattr(rule, name, grown)


class _Block:
    """Some rows of a batch with the flags of every rule."""

    def __init__(self, decided: Decided, start: int, stop: int) -> None:
        self.rows = stop - start
        self.bytes = slice(start // 8, (stop + 7) // 8)
        self.decided = decided
        self.classes = decided.classes[start:stop]
        self.money = decided.money[start:stop]

    def add_to(self, sums: _RuleSums, overlap: Int64s) -> None:
        outcomes = self.decided.outcomes
        live = self._flags(outcomes.live)
        fired, unknown = self._flags(outcomes.rules.fired), self._flags(outcomes.rules.unknown)
        stops = np.array(self.decided.stops, np.bool_)
        acted = live & ((fired & stops[:, :1]) | (unknown & stops[:, 1:]))
        found = {
            "fired": fired,
            "unknown": unknown,
            "silenced": self._flags(outcomes.rules.silenced),
            "acted": acted,
            "alone": acted & (acted.sum(axis=0) == 1),
            "decided": self._deciding(len(fired)),
        }
        for name, flags in found.items():
            sums.add(name, flags, self.classes, self.money)
        if overlap.size:
            counted = fired[:, self.classes != WARM_UP]
            several = counted[:, counted.sum(axis=0) > 1].astype(np.float32)
            # Below 2**24 rows a float32 counts exactly.
            overlap += (several @ several.T).astype(np.int64)

    def _flags(self, bits: npt.NDArray[np.uint8]) -> Flags:
        return np.unpackbits(bits[:, self.bytes], axis=1, count=self.rows).view(np.bool_)

    def _deciding(self, rules: int) -> Flags:
        flags = np.zeros((rules, self.rows), np.bool_)
        slots = self.decided.outcomes.plan.slots
        for slot, bits in zip(slots, self.decided.outcomes.won, strict=True):
            if slot.rule >= 0:
                flags[slot.rule] |= unpack(bits[self.bytes], self.rows)
        return flags


def _places(flags: Flags) -> tuple[Int64s, Int64s]:
    """Rules and rows of all flags that are set: `nonzero`, several times faster rule by rule."""
    rows = [np.flatnonzero(one) if one.any() else _NO_ROWS for one in flags]
    counts = [len(one) for one in rows]
    return np.repeat(np.arange(len(flags)), counts), np.concatenate([_NO_ROWS, *rows])


# --- what the counts say -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Detection:
    """How well a set of outcomes finds fraud, on matured labels only.

    By money there is no interval: payments are not independent draws of a euro.
    """

    fraud: Volume
    good: Volume
    missed_fraud: Volume
    passed_good: Volume
    precision: Rate
    recall: Rate
    false_positives: Ratio
    insults: Rate
    precision_money_millionths: int | None
    recall_money_millionths: int | None


def detection(caught: Classed, everything: Classed) -> Detection:
    """What was caught out of everything that was decided."""
    fraud, good = caught[FRAUD], caught[GOOD]
    all_fraud, all_good = everything[FRAUD], everything[GOOD]
    return Detection(
        fraud=fraud,
        good=good,
        missed_fraud=Volume(all_fraud.count - fraud.count, all_fraud.minor - fraud.minor),
        passed_good=Volume(all_good.count - good.count, all_good.minor - good.minor),
        precision=rate(fraud.count, fraud.count + good.count),
        recall=rate(fraud.count, all_fraud.count),
        false_positives=ratio(good.count, fraud.count),
        insults=rate(good.count, all_good.count),
        precision_money_millionths=share(fraud.minor, fraud.minor + good.minor),
        recall_money_millionths=share(fraud.minor, all_fraud.minor),
    )


def share(part: int, whole: int) -> int | None:
    """`part` of `whole` in millionths, rounded half to even."""
    if whole <= 0:
        return None
    quotient, rest = divmod(part * MILLION, whole)
    return quotient + (2 * rest > whole or (2 * rest == whole and quotient % 2 == 1))


@dataclass(frozen=True, slots=True)
class Load:
    """How much work falls on a day: in all, per day on average (in thousandths), at the peak."""

    total: int
    days: int
    mean_thousandths: int
    peak: int
    peak_day: int | None


def load(by_day: Mapping[int, int], days: int) -> Load:
    """The load over so many days; of two peaks the earlier."""
    whole = sum(by_day.values())
    peak_day = min(by_day, key=lambda day: (-by_day[day], day), default=None)
    peak = 0 if peak_day is None else by_day[peak_day]
    return Load(whole, days, round(1000 * whole / days) if days else 0, peak, peak_day)
