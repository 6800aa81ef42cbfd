"""What two revisions say of the same rows, counted: outcomes in pairs, and the payments that flip.

As in a dry run, counts and sums are exact integers that add up whatever the parts were.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tidegate.dsl.program import Rule
from tidegate.engine.column_outcome import OutcomeColumns
from tidegate.simulation.comparison import Flip, FlipSample, Transition
from tidegate.simulation.mapping import WORDS
from tidegate.simulation.measures import (
    CLASSES,
    NOTHING,
    WARM_UP,
    Classed,
    Decided,
    added,
    classed,
    measured,
)
from tidegate.simulation.summary import class_volumes
from tidegate.simulation.times import Flags, Int64s

FLIPS_SHOWN = 5
PSEUDONYM_DIGITS = 16
"""Of a keyed hash (hex): 64 bits tell the payments of a sample apart."""
_WORDS = len(WORDS)
_REVIEW = WORDS.index("review")

Keys = Callable[[Int64s], Sequence[str]]
"""The keys of some rows of a batch; asked for those that are shown alone."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A payment that flips and may be shown; `order` is least for what is shown first."""

    order: tuple[int, int, str]
    flip: Flip


@dataclass(slots=True)
class PairTally:
    """By outcome before and after: every class, the measured rows and the first flips.

    `looked` counts measured rows by whether a person looks at them before (0, 1) and after.
    """

    event: str
    key: bytes
    shown: int = FLIPS_SHOWN
    pairs: dict[tuple[int, int], Classed] = field(default_factory=dict)
    looked: dict[tuple[int, int], int] = field(default_factory=dict)
    flips: dict[tuple[int, int], list[Candidate]] = field(default_factory=dict)

    def add(self, before: Decided, after: Decided, keys: Keys) -> None:
        """The same rows, decided by both."""
        self._add_pairs(before, after)
        counted = after.classes != WARM_UP
        was, now = looked_at(before.outcomes), looked_at(after.outcomes)
        codes = was[counted].astype(np.int64) * 2 + now[counted]
        for place, count in enumerate(np.bincount(codes, minlength=4).tolist()):
            self.add_looked(divmod(place, 2), count)
        self._add_flips(before, after, keys)

    def add_alike(self, words: Iterable[Classed], looked: int, rows: int) -> None:
        """Rows of which both say the same: by outcome; how many are looked at, of the measured."""
        for word, volumes in enumerate(words):
            self._add((word, word), volumes)
        self.add_looked((1, 1), looked)
        self.add_looked((0, 0), rows - looked)

    def add_looked(self, cell: tuple[int, int], count: int) -> None:
        """So many measured rows that are looked at before, and after."""
        self.looked[cell] = self.looked.get(cell, 0) + count

    def _add(self, pair: tuple[int, int], volumes: Classed) -> None:
        if any(volume.count for volume in volumes):
            self.pairs[pair] = added(self.pairs.get(pair, NOTHING), volumes)

    def _add_pairs(self, before: Decided, after: Decided) -> None:
        codes = before.outcomes.word.astype(np.int64) * _WORDS + after.outcomes.word
        found = classed(codes, _WORDS**2, after.classes, after.money)
        for place, volumes in enumerate(found):
            self._add(divmod(place, _WORDS), volumes)

    # the payments that flip

    def _add_flips(self, before: Decided, after: Decided, keys: Keys) -> None:
        was, now = before.outcomes.word, after.outcomes.word
        flipped = np.flatnonzero((was != now) & (after.classes != WARM_UP))
        codes = was[flipped].astype(np.int64) * _WORDS + now[flipped]
        for code in np.unique(codes).tolist():
            rows = flipped[codes == code]
            money = after.money[rows]
            if len(rows) > self.shown:
                # All that tie with the last one stay: their keys decide.
                cut = np.partition(money, len(rows) - self.shown)[len(rows) - self.shown]
                rows = rows[money >= cut]
            if len(rows) > self.shown:
                order = np.lexsort((after.at_us[rows], -after.money[rows]))
                last = rows[order[self.shown - 1]]
                latest = after.at_us[last]
                rows = rows[(after.money[rows] > after.money[last]) | (after.at_us[rows] <= latest)]
            known = self.flips.setdefault(divmod(code, _WORDS), [])
            known += [
                self._candidate(before, after, row, key)
                for row, key in zip(rows.tolist(), keys(rows), strict=True)
            ]
            known.sort(key=lambda candidate: candidate.order)
            del known[self.shown :]

    def _candidate(self, before: Decided, after: Decided, row: int, key: str) -> Candidate:
        minor = int(after.money[row])
        flip = Flip(
            payment=pseudonym(self.key, self.event, key),
            day=int(after.day[row]),
            before=WORDS[before.outcomes.word[row]],
            after=WORDS[after.outcomes.word[row]],
            minor=minor,
            known=CLASSES[after.classes[row]],
            fired_before=fired_live(before.outcomes, row),
            fired_after=fired_live(after.outcomes, row),
            reason_before=_main_reason(before.outcomes, row),
            reason_after=_main_reason(after.outcomes, row),
        )
        return Candidate((-minor, int(after.at_us[row]), key), flip)

    # what it says

    def transitions(self) -> tuple[Transition, ...]:
        """Every pair of outcomes that occurs outside the warm-up."""
        return tuple(
            Transition(WORDS[before], WORDS[after], measured(volumes), class_volumes(volumes))
            for (before, after), volumes in sorted(self.pairs.items())
            if measured(volumes).count
        )

    def samples(self) -> tuple[FlipSample, ...]:
        """The payments that are shown, by what they flip from and to."""
        return tuple(
            FlipSample(
                WORDS[before],
                WORDS[after],
                measured(self.pairs[before, after]),
                tuple(candidate.flip for candidate in candidates),
            )
            for (before, after), candidates in sorted(self.flips.items())
        )


def pseudonym(key: bytes, event: str, payment: str) -> str:
    """What stands for a payment: without the key nobody finds out which one it is."""
    said = f"{event}\0{payment}".encode()
    return hmac.new(key, said, hashlib.sha256).hexdigest()[:PSEUDONYM_DIGITS]


def looked_at(outcomes: OutcomeColumns) -> Flags:
    """Where a person looks at a payment, before or after it."""
    flags: Flags = (outcomes.review >= 0) | (outcomes.word == _REVIEW)
    return flags


def fired_live(outcomes: OutcomeColumns, row: int) -> tuple[str, ...]:
    """The rules that fire in a row and are live there."""
    rules: Sequence[Rule] = outcomes.plan.plan.event.rules
    bits = outcomes.rules.fired[:, row // 8] & outcomes.live[:, row // 8]
    places = np.flatnonzero(bits >> (7 - row % 8) & 1)
    return tuple(rules[place].id for place in places.tolist())


def _main_reason(outcomes: OutcomeColumns, row: int) -> str:
    place = int(outcomes.main_reason[row])
    return outcomes.plan.reasons[place] if place >= 0 else ""
