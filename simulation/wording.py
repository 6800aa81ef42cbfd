"""What reports of a comparison call things, and the sentences that sum it up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.engine.arithmetic import divide_half_even
from tidegate.engine.differences import Difference
from tidegate.engine.values import format_decimal
from tidegate.rules.gate import FIGURES, Limit
from tidegate.simulation.comparison import (
    Comparison,
    EventComparison,
    RateChange,
    ScoreChange,
)
from tidegate.simulation.judgement import Judgement
from tidegate.simulation.measures import Volume, total
from tidegate.simulation.report_pieces import counted, part_of, percent
from tidegate.simulation.score_thresholds import threshold_text

GROUPS: Final[Mapping[str, str]] = {
    "authority": "Authority and permissions",
    "weakens": "Weaker protections",
    "may_weaken": "Changes that may weaken a protection",
    "changes": "Other changes",
    "later": "Lists, tables, labels, features, params",
    "none": "What decides nothing",
}
"""The groups of differences, in the order in which they are read."""
OUTCOMES: Final[Mapping[str, str]] = {
    "approve": "approved",
    "review": "held for review",
    "step_up": "stepped up",
    "decline": "declined",
    "looked_at": "looked at by a person",
}
LEVELS: Final[Mapping[str, str]] = {
    "declined": "declined",
    "declined_or_stepped_up": "declined or stepped up",
    "acted_on": "declined, stepped up or reviewed",
}
KNOWN: Final[Mapping[str, str]] = {
    "good": "good",
    "fraud": "fraud",
    "not_yet_known": "not yet known",
    "past_declined": "declined at the time",
    "unlabelled": "no label",
}
TURNS: Final[Mapping[str, str]] = {"added": "new", "removed": "gone", "changed": "changed"}
_LATER = ("list", "table", "label", "feature", "let", "param")
_HALF_UNITS = 1_000


def group_of(difference: Difference) -> str:
    """The key of the group in which a difference is read."""
    if difference.kind in _LATER and difference.effect in ("changes", "strengthens"):
        return "later"
    return "changes" if difference.effect == "strengthens" else difference.effect


def model_change(change: ScoreChange) -> str:
    """`Model boosting 3 -> 4`; of one version whose file differs, that."""
    if change.version_before == change.version_after:
        return f"Model {change.model} {change.version_after}, another file"
    return f"Model {change.model} {change.version_before} -> {change.version_after}"


def scores_compared(change: ScoreChange) -> Iterator[str]:
    """What the two files say of the same payments, in sentences."""
    which = ("version", "file")[change.version_before == change.version_after]
    if change.both:
        part = percent(part_of(change.differ, change.both))
        yield (
            f"{counted(change.both, 'payment gets', 'payments get')} a score from both {which}s;"
            f" for {change.differ:,} of them ({part}) the new {which} says another score."
        )
    else:
        yield f"No payment gets a score from both {which}s."
    for count, when in ((change.only_before, "old"), (change.only_after, "new")):
        if count:
            yield (
                f"{counted(count, 'payment gets', 'payments get')} a score from the {when}"
                f" {which} alone."
            )
    for crossing in change.crossings:
        yield (
            f"A score {threshold_text(crossing.at)} ({', '.join(crossing.rules)}):"
            f" {counted(crossing.above_before, 'payment')} by the old {which},"
            f" {crossing.above_after:,} by the new one;"
            f" {crossing.rose:,} come to it and {crossing.fell:,} leave it."
        )


def money(minor: int, currency: str) -> str:
    """An amount, in whole units from a thousand on; empty without a currency."""
    if not currency:
        return ""
    digits = MINOR_DIGITS[currency]
    if abs(minor) >= _HALF_UNITS * 10**digits:
        return f"{divide_half_even(minor, 10**digits):,} {currency}"
    return f"{format_decimal(minor, digits)} {currency}"


def points(millionths: int | None) -> str:
    """A difference of shares in percentage points; `-` where there is none."""
    return "-" if millionths is None else f"{millionths / 10_000:+.2f}"


# --- in a few sentences ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reader has to know first. `tone` says how the first sentence is meant."""

    tone: Literal["bad", "careful", "good", "plain"]
    headline: str
    sentences: tuple[str, ...]


def verdict(comparison: Comparison, judgement: Judgement | None) -> Verdict:
    """The first things to know of a comparison; `judgement` where a gate is declared."""
    tone, headline = _headline(comparison, judgement)
    return Verdict(tone, headline, (*_of_gate(judgement), *_sentences(comparison)))


def _of_gate(judgement: Judgement | None) -> Iterator[str]:
    """That a change touches its own gate."""
    lines = judgement.lines if judgement is not None else ()
    dropped = {line.limit for line in lines if line.limit.before}
    if dropped:
        yield (
            f"The change drops or alters {counted(len(dropped), 'limit')} of the gate; it is held "
            "to them all the same."
        )


def _headline(
    comparison: Comparison, judgement: Judgement | None
) -> tuple[Literal["bad", "careful", "good", "plain"], str]:
    graves = sum(d.effect in ("authority", "weakens") for d in comparison.words.differences)
    if judgement is not None and judgement.broken:
        limits = counted(len(judgement.broken), "limit is", "limits are")
        return "bad", f"Not as it stands: {limits} broken, of {len(judgement.lines):,}."
    if comparison.words.measure and not comparison.words.differences:
        return "careful", "No rule has changed, but what it is measured with has."
    if not comparison.words.differences:
        return "plain", "Nothing that decides a payment has changed."
    if judgement is not None and judgement.undecided:
        held = len(judgement.lines) - len(judgement.undecided)
        return "careful", (
            f"No limit is broken: {held:,} of {len(judgement.lines):,} are kept, and of the others "
            "nothing can be said."
        )
    kept = ""
    if judgement is not None and judgement.lines:
        kept = f"All {len(judgement.lines):,} limits of the gate are kept"
    if graves:
        what = "weakens a protection or alters authority"
        if graves > 1:
            what = "weaken a protection or alter authority"
        look = f"look first at what {what}: {counted(graves, 'change')}"
        return "careful", f"{kept}; {look}." if kept else f"{look.capitalize()}."
    return ("good", f"{kept}.") if kept else ("plain", "No gate is declared: judge by the figures.")


def _sentences(comparison: Comparison) -> Iterator[str]:
    yield from _of_words(comparison)
    if comparison.effects is None:
        if comparison.no_effects:
            yield f"What it does is not known: {comparison.no_effects}."
        return
    several = len(comparison.effects.events) > 1
    for event in comparison.effects.events:
        for sentence in _of_event(event):
            yield f"{event.event}: {sentence}" if several else sentence


def _of_words(comparison: Comparison) -> Iterator[str]:
    found = comparison.words.differences
    if comparison.words.measure:
        yield (
            f"What both are measured with has changed: {', '.join(comparison.words.measure)}. The "
            "figures of an earlier report are not to be held against these."
        )
    removed = sum(d.kind == "case" and d.turn == "removed" for d in found)
    if removed:
        yield f"{counted(removed, 'case is', 'cases are')} gone."
    counts = {
        effect: sum(d.effect == effect for d in found)
        for effect in ("authority", "weakens", "may_weaken")
    }
    if counts["authority"]:
        yield f"{counted(counts['authority'], 'change')} of who or what may do what."
    if counts["weakens"]:
        yield f"{counted(counts['weakens'], 'protection is', 'protections are')} weaker."
    if counts["may_weaken"]:
        yield f"{counted(counts['may_weaken'], 'change')} may weaken a protection: read them."
    if found and not any(counts.values()):
        yield "No protection is weaker, and nobody may do more or less than before."


def _of_event(event: EventComparison) -> Iterator[str]:
    measured = event.after.measured.count
    for volume, which in ((event.only_before, "before"), (event.only_after, "after")):
        if volume.count:
            taken = counted(volume.count, "payment is", "payments are")
            yield (
                f"{taken} taken in by the revision {which} alone"
                f"{_amount(volume, event.after.currency)}, and in no other figure."
            )
    if not measured:
        yield "nothing is left to measure."
        return
    currency = event.after.currency
    share = percent(part_of(event.flipped.count, measured))
    flipped = counted(event.flipped.count, "payment gets", "payments get")
    yield (
        f"{flipped} another outcome, of {measured:,} ({share}{_amount(event.flipped, currency)})."
    )
    if event.flipped.count:
        yield from _of_flips(event, currency)
        for name in ("approve", "decline", "step_up", "review"):
            change = event.rate(name)
            if change.lost or change.gained:
                yield _of_rate(change)
    if event.after.label:
        yield from _of_fraud(event, currency)
    reviews, step_ups = event.loads
    yield (
        f"The busiest day has {_arrow(reviews.before.peak, reviews.after.peak)} reviews and "
        f"{_arrow(step_ups.before.peak, step_ups.after.peak)} step-ups."
    )


def flips_by_class(event: EventComparison) -> dict[str, Volume]:
    """What is known of the payments that get another outcome, by names of `KNOWN`."""
    flips = [t.known for t in event.transitions if t.before != t.after]
    return {name: total(getattr(known, name) for known in flips) for name in KNOWN}


def _of_flips(event: EventComparison, currency: str) -> Iterator[str]:
    if not event.after.label:
        return
    label = event.after.label
    names = {**KNOWN, "fraud": label}
    parts = [
        f"{volume.count:,} {names[name]}{_amount(volume, currency)}"
        for name, volume in flips_by_class(event).items()
        if volume.count or name in ("good", "fraud")
    ]
    yield f"Of these are {'; '.join(parts)}."


def _of_rate(change: RateChange) -> str:
    low, high = change.low_millionths or 0, change.high_millionths or 0
    sure = "" if low > 0 or high < 0 else "; so small a difference may be chance"
    ends = f"between {points(low)} and {points(high)}{sure}"
    change_of = f"{points(change.difference_millionths)} points, {ends}"
    shares = f"{percent(change.before.millionths)} becomes {percent(change.after.millionths)}"
    return f"{OUTCOMES[change.name].capitalize()}: {shares} ({change_of})."


def _of_fraud(event: EventComparison, currency: str) -> Iterator[str]:
    level = next(one for one in event.levels if one.name == "declined_or_stepped_up")
    was, now = level.before, level.after
    label, known = event.after.label, was.recall.of
    if not known:
        yield f"No {label} is known yet in this period: nothing can be said about what is stopped."
        return
    stopped, goods = (
        _arrow(was.fraud.count, now.fraud.count), _arrow(was.good.count, now.good.count)
    )  # fmt: skip
    missed, worth = "", ""
    if currency:
        through = _amounts(was.missed_fraud, now.missed_fraud, currency)
        missed = f"; what gets through is worth {through}"
        worth = f", worth {_amounts(was.good, now.good, currency)}"
    yield f"Of {known:,} known {label}s, {stopped} are declined or stepped up{missed}."
    yield f"Of good payments, {goods} are declined or stepped up{worth}."


def _amounts(before: Volume, after: Volume, currency: str) -> str:
    """What is after, and where it differs instead of what."""
    shown = dict.fromkeys(money(volume.minor, currency) for volume in (after, before))
    return " instead of ".join(shown)


def _amount(volume: Volume, currency: str) -> str:
    return f", {money(volume.minor, currency)}" if currency else ""


def _arrow(before: int, after: int) -> str:
    return f"{after:,}" if before == after else f"{after:,} instead of {before:,}"


def limit_words(limit: Limit) -> str:
    """What a limit is about."""
    figure = FIGURES[limit.figure]
    level = f" ({LEVELS[limit.of]})" if figure.levelled else ""
    before = ", as limited before the change" if limit.before else ""
    return f"{figure.words}{level}{before}"
