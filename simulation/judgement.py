"""Whether a change keeps the limits that the policy folder declares, each with its figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.engine.arithmetic import divide_half_even
from tidegate.engine.values import format_decimal
from tidegate.rules.gate import FIGURES, OF_THE_TEXT, Limit, Unit
from tidegate.simulation.comparison import (
    Comparison,
    EventComparison,
    LevelChange,
    RateChange,
)
from tidegate.simulation.measures import MILLION, Rate, Ratio, rate
from tidegate.simulation.report_pieces import percent

Result = Literal["kept", "broken", "undecided"]
_RATES = {
    "approval_rate": "approve",
    "review_rate": "review",
    "step_up_rate": "step_up",
    "decline_rate": "decline",
}
_SMALL_NAMED = 3
"""So many segments that are too small are named; more are counted together."""
_GRAVE = {
    "weakened_protections": ("weakens", "may_weaken"),
    "authority_changes": ("authority",),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure before and after, in the unit of its limit, and the ends of their intervals.

    `change` is `after - before`. Where a figure has no interval, its ends are the figure itself;
    None where nothing was counted.
    """

    before: int | None
    after: int | None
    low: int | None
    high: int | None
    change: int | None
    change_low: int | None
    change_high: int | None


NOTHING: Final = Measured(None, None, None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Judged:
    """One limit for one event, or one segment of it.

    `figure` says what was measured in words, `bound` what it has to keep, `said` why: the number
    that broke it, or why nothing can be said.
    """

    limit: Limit
    event: str
    segment: str
    figure: str
    bound: str
    result: Result
    said: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """Every limit with its result."""

    lines: tuple[Judged, ...]

    @property
    def passed(self) -> bool:
        """Whether no limit is broken. What is undecided breaks nothing, and is said."""
        return not self.broken

    @property
    def broken(self) -> tuple[Judged, ...]:
        """The limits that are broken."""
        return tuple(line for line in self.lines if line.result == "broken")

    @property
    def undecided(self) -> tuple[Judged, ...]:
        """The limits of which nothing can be said."""
        return tuple(line for line in self.lines if line.result == "undecided")


def needs_history(limits: Sequence[Limit]) -> bool:
    """Whether a limit asks for figures of a history."""
    return any(limit.figure not in OF_THE_TEXT for limit in limits)


def judge(comparison: Comparison, limits: Sequence[Limit]) -> Judgement:
    """Hold the comparison against every limit."""
    return Judgement(tuple(line for limit in limits for line in _judged(comparison, limit)))


def _judged(comparison: Comparison, limit: Limit) -> Iterator[Judged]:
    if limit.figure in OF_THE_TEXT:
        count = _counted(comparison, limit.figure)
        found = Measured(None, count, count, count, None, None, None)
        yield from _held(limit, "", "", found, "")
        return
    if comparison.effects is None:
        why = comparison.no_effects or "no history was given"
        yield from (_undecided(limit, "", "", one, why) for one in _bounds(limit, NOTHING, ""))
        return
    events = [e for e in comparison.effects.events if limit.event in ("", e.event)]
    if not events:
        # An event that the history does not hold, or that the change renames.
        yield from _held(limit, limit.event, "", NOTHING, "")
    for event in events:
        yield from _of_event(limit, event)


def _counted(comparison: Comparison, figure: str) -> int:
    words = comparison.words
    if figure == "measure_changes":
        return len(words.measure)
    if figure == "cases_removed":
        return sum(d.kind == "case" and d.turn == "removed" for d in words.differences)
    return sum(d.effect in _GRAVE[figure] for d in words.differences)


def _of_event(limit: Limit, event: EventComparison) -> Iterator[Judged]:
    currency = event.after.currency
    if limit.segments is None:
        yield from _held(limit, event.event, "", _whole(limit, event), currency)
        return
    segments = [one for one in event.segments if one.field == limit.segments.field]
    large = [one for one in segments if one.all.count >= limit.rows_at_least]
    small = [one for one in segments if one.all.count < limit.rows_at_least]
    if not segments:
        yield from _held(limit, event.event, "", NOTHING, currency)
    for segment in large:
        found = _from_parts(limit, segment.rates, segment.levels)
        yield from _held(limit, event.event, segment.value, found, currency)
    if len(small) > _SMALL_NAMED:
        rows = sum(segment.all.count for segment in small)
        yield from _too_few(limit, event.event, f"{len(small):,} values", rows, currency)
    else:
        for segment in small:
            rows = segment.all.count
            yield from _too_few(limit, event.event, segment.value, rows, currency)


def _too_few(limit: Limit, event: str, segment: str, rows: int, currency: str) -> Iterator[Judged]:
    """A segment, or all the small ones together, of which nothing is said."""
    why = f"{rows:,} rows are too few to say: {limit.rows_at_least:,} are asked for"
    for bound in _bounds(limit, NOTHING, currency):
        yield _undecided(limit, event, segment, bound, why)


# --- figures -----------------------------------------------------------------------------------


def _whole(limit: Limit, event: EventComparison) -> Measured:
    if limit.figure == "taken_in_by_one":
        alone = event.only_before.count + event.only_after.count
        return Measured(None, alone, alone, alone, None, None, None)
    if not event.after.measured.count:
        return NOTHING
    if limit.figure in ("reviews_a_day", "step_ups_a_day"):
        name = "review" if limit.figure == "reviews_a_day" else "step_up"
        load = next(load for load in event.loads if load.name == name)
        return _plain(load.before.peak, load.after.peak)
    return _from_parts(limit, event.rates, event.levels)


def _from_parts(
    limit: Limit, rates: Sequence[RateChange], levels: Sequence[LevelChange]
) -> Measured:
    if limit.figure in _RATES:
        return _of_rate(next(r for r in rates if r.name == _RATES[limit.figure]))
    if limit.figure == "changed_rate":
        words = [r for r in rates if r.name in _RATES.values()]
        return _of_one(rate(sum(r.lost for r in words), words[0].after.of))
    level = next(level for level in levels if level.name == limit.of)
    before, after = level.before, level.after
    match limit.figure:
        case "precision":
            return _of_two(level, before.precision, after.precision)
        case "recall":
            return _of_rate(level.recall)
        case "insult_rate":
            return _of_rate(level.insults)
        case "false_positives":
            return _of_two(level, before.false_positives, after.false_positives)
    if not level.recall.after.of:
        return NOTHING  # no fraud is known: a sum of nothing would look like none missed
    if limit.figure == "fraud_missed":
        return _plain(before.missed_fraud.minor, after.missed_fraud.minor)
    return _plain(before.good.minor, after.good.minor)


def _of_rate(change: RateChange) -> Measured:
    after = change.after
    return Measured(
        change.before.millionths, after.millionths, after.low_millionths, after.high_millionths,
        change.difference_millionths, change.low_millionths, change.high_millionths,
    )  # fmt: skip


def _of_one(one: Rate) -> Measured:
    return Measured(
        None, one.millionths, one.low_millionths, one.high_millionths,
        one.millionths, one.low_millionths, one.high_millionths,
    )  # fmt: skip


def _of_two(level: LevelChange, before: Rate | Ratio, after: Rate | Ratio) -> Measured:
    """Of shares whose rows differ: the ends of the difference are those of both, the worst way."""
    moved = (level.recall.lost, level.recall.gained, level.insults.lost, level.insults.gained)
    if not any(moved) and after.millionths is not None:
        ends = after.millionths, after.low_millionths, after.high_millionths
        return Measured(before.millionths, *ends, 0, 0, 0)
    return Measured(
        before.millionths, after.millionths, after.low_millionths, after.high_millionths,
        _less(after.millionths, before.millionths),
        _less(after.low_millionths, before.high_millionths),
        _less(after.high_millionths, before.low_millionths),
    )  # fmt: skip


def _plain(before: int, after: int) -> Measured:
    change = after - before
    return Measured(before, after, after, after, change, change, change)


def _less(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left - right


# --- bounds ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Bound:
    """One bound of a limit in words, with what is held against it; None: it was not measured."""

    words: str
    figure: str
    kept: bool | None
    said: str


def _held(
    limit: Limit, event: str, segment: str, found: Measured, currency: str
) -> Iterator[Judged]:
    for bound in _bounds(limit, found, currency):
        if bound.kept is None:
            # A limit that nothing was measured for would keep its promise unseen.
            why = "nothing was measured"
            yield Judged(limit, event, segment, bound.figure, bound.words, "broken", why)
        else:
            result: Result = "kept" if bound.kept else "broken"
            yield Judged(limit, event, segment, bound.figure, bound.words, result, bound.said)


def _undecided(limit: Limit, event: str, segment: str, bound: _Bound, why: str) -> Judged:
    return Judged(limit, event, segment, bound.figure, bound.words, "undecided", why)


def _bounds(limit: Limit, found: Measured, currency: str) -> Iterator[_Bound]:
    unit, sure = FIGURES[limit.figure].unit, limit.surely
    low = found.low if sure else found.after
    high = found.high if sure else found.after
    fallen = found.change_low if sure else found.change
    risen = found.change_high if sure else found.change
    end = ", even at the far end of its interval" if sure else ""
    now = _shown(found.after, unit, currency)
    if limit.at_least is not None:
        words = f"at least {_shown(limit.at_least, unit, currency)}{end}"
        kept = None if low is None else low >= limit.at_least
        yield _Bound(words, now, kept, _said(now, low, found.after, unit, currency))
    if limit.at_most is not None:
        words = f"at most {_shown(limit.at_most, unit, currency)}{end}"
        kept = None if high is None else high <= limit.at_most
        yield _Bound(words, now, kept, _said(now, high, found.after, unit, currency))
    change = _shown_change(found, unit, currency)
    if limit.falls_at_most is not None:
        words = f"falls by at most {_points(limit.falls_at_most, unit, currency)}{end}"
        kept = None if fallen is None else -fallen <= limit.falls_at_most
        yield _Bound(words, change, kept, _end(change, fallen, found.change, unit, currency))
    if limit.rises_at_most is not None:
        words = f"rises by at most {_points(limit.rises_at_most, unit, currency)}{end}"
        kept = None if risen is None else risen <= limit.rises_at_most
        yield _Bound(words, change, kept, _end(change, risen, found.change, unit, currency))


def _said(now: str, held: int | None, figure: int | None, unit: Unit, currency: str) -> str:
    if held == figure:
        return now
    return f"{now}, at the far end {_shown(held, unit, currency)}"


def _end(change: str, held: int | None, figure: int | None, unit: Unit, currency: str) -> str:
    if held == figure:
        return change
    return f"{change}; at the far end {_signed(held, unit, currency)}"


def _shown_change(found: Measured, unit: Unit, currency: str) -> str:
    if found.before is None:
        return _shown(found.after, unit, currency)
    before, after = (_shown(value, unit, currency) for value in (found.before, found.after))
    return f"{before} -> {after} ({_signed(found.change, unit, currency)})"


def _signed(value: int | None, unit: Unit, currency: str) -> str:
    if value is None:
        return "-"
    return f"{'-' if value < 0 else '+'}{_points(abs(value), unit, currency)}"


def _points(value: int, unit: Unit, currency: str) -> str:
    """The size of a change; that of a rate is in percentage points."""
    return f"{value / 10_000:.2f} points" if unit == "rate" else _shown(value, unit, currency)


def _shown(value: int | None, unit: Unit, currency: str) -> str:
    if value is None:
        return "-"
    match unit:
        case "rate":
            return percent(value)
        case "ratio":
            return f"{value / MILLION:,.2f}"
        case "count":
            return f"{value:,}"
    digits = MINOR_DIGITS.get(currency, 2)
    if abs(value) >= 10 ** (digits + 3):
        return f"{divide_half_even(value, 10**digits):,} {currency}"
    return f"{format_decimal(value, digits)} {currency}"
