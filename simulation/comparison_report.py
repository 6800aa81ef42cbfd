"""A comparison of two revisions as people read it in a terminal, no wider than 80 columns.

What changed comes first, the gravest at the top; then what it does. Every rate has its interval,
and nothing in here names a payment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from itertools import groupby
from textwrap import wrap

from rich.console import Console, Group, RenderableType
from rich.text import Text

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.engine.arithmetic import divide_half_even
from tidegate.engine.differences import Detail, Difference
from tidegate.engine.values import format_decimal, format_time
from tidegate.simulation.comparison import (
    Comparison,
    DayLoad,
    Effects,
    EventComparison,
    Flip,
    FlipSample,
    Marginal,
    OutcomeShift,
    RateChange,
    ScoreChange,
    Segment,
    Side,
    Timing,
    as_json,
)
from tidegate.simulation.mapping import WORDS
from tidegate.simulation.measures import Rate, Volume
from tidegate.simulation.report_pieces import (
    counted,
    date_of,
    grouped,
    part_of,
    percent,
    stacked,
    table_of,
    titled,
)
from tidegate.simulation.wording import GROUPS, LEVELS, group_of, model_change, scores_compared

WIDTH = 80
SAME = "No change of meaning: what differs is formatting or comments."
IDENTICAL = "Nothing differs."
_SHOWN_COMMIT = 10
_SHOWN_DIFFERENCES = 200
_SHOWN_SEGMENTS = 12
_INDENT = 4
_TURNS = {"added": "new", "removed": "gone", "changed": ""}
_RATES = {"approve": "approved", "decline": "declined", "step_up": "stepped up",
          "review": "held for review", "looked_at": "looked at"}  # fmt: skip


def to_json(comparison: Comparison) -> str:
    """The comparison as JSON: integers, texts and null; keys in a fixed order."""
    return json.dumps(as_json(comparison), ensure_ascii=False, indent=2)


def to_text(comparison: Comparison, width: int = WIDTH) -> str:
    """The report without colours."""
    console = Console(file=StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(render(comparison))
    assert isinstance(console.file, StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def render(comparison: Comparison) -> RenderableType:
    """The report for a console of Rich."""
    parts: list[RenderableType] = [_heading(comparison), *_words(comparison)]
    if comparison.effects is not None:
        parts += _effects(comparison.effects)
    elif comparison.no_effects:
        parts.append(titled("Over the history", stacked(_folded(comparison.no_effects, 0))))
    if comparison.timing is not None:
        parts.append(
            titled("Speed, measured on this machine in this run", _timing(comparison.timing))
        )
    return Group(*parts)


# --- in words ----------------------------------------------------------------------------------


def _heading(comparison: Comparison) -> RenderableType:
    text = Text()
    text.append(f"What changed in {comparison.after.policy}\n", style="bold")
    text.append(f"before: {_side(comparison.before)}\nafter:  {_side(comparison.after)}")
    return text


def _side(side: Side) -> str:
    commit = f" ({side.commit[:_SHOWN_COMMIT]})" if side.commit else ""
    if side.absent:
        return f"{side.name}{commit}, which has no such policy: everything is new"
    return f"{side.name}{commit}, {counted(side.rules, 'rule')}"


def _words(comparison: Comparison) -> Iterator[RenderableType]:
    words = comparison.words
    if not words.differences:
        yield titled("In words", stacked([SAME if words.texts_differ else IDENTICAL]))
        return
    if not words.meaning_changed:
        yield titled("In words", stacked(["No payment is decided otherwise."]))
    shown = words.differences[:_SHOWN_DIFFERENCES]
    for group, some in groupby(shown, key=group_of):
        yield titled(GROUPS[group], stacked(line for one in some for line in _difference(one)))
    if len(words.differences) > len(shown):
        yield stacked([f" and {len(words.differences) - len(shown):,} more; the JSON has them all"])


def _difference(difference: Difference) -> Iterator[str]:
    version = ""
    if difference.version_before is not None and difference.version_after is not None:
        same = difference.version_before == difference.version_after
        moved = f"{difference.version_before} -> {difference.version_after}"
        version = f" version {difference.version_after if same else moved}"
    turn = f", {_TURNS[difference.turn]}" if _TURNS[difference.turn] else ""
    place = f"  {difference.file}:{difference.line}" if difference.line else ""
    name = "" if difference.kind == "policy" else f" {difference.name}"
    stronger = ", stronger" if difference.effect == "strengthens" else ""
    yield f"{difference.kind}{name}{version}{turn}{stronger}{place}"
    for detail in difference.details:
        if detail.what != "version" or detail.note:
            yield from _detail(detail)


def _detail(detail: Detail) -> Iterator[str]:
    note = f" ({detail.note})" if detail.note else ""
    if detail.before and detail.after and detail.before != detail.after:
        one = f"{detail.what}: {detail.before} -> {detail.after}{note}"
        if len(one) + _INDENT < WIDTH - 1:
            yield f"{'':{_INDENT - 2}}{one}"
            return
        yield from _folded(f"{detail.what}: {detail.before}", _INDENT - 2)
        yield from _folded(f"-> {detail.after}{note}", _INDENT + len(detail.what) - 3)
        return
    if detail.before == detail.after:
        text = f"{detail.what}: {detail.after}{note}"
    elif detail.after:
        text = f"+ {detail.what}: {detail.after}{note}"
    else:
        text = f"- {detail.what}: {detail.before}{note}"
    yield from _folded(text, _INDENT - 2)


def _folded(text: str, indent: int) -> list[str]:
    """As many lines as it needs; the following ones stand further to the right."""
    return wrap(
        text,
        WIDTH - 1,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 4),
        break_on_hyphens=False,
    )


# --- over a history ----------------------------------------------------------------------------


def _effects(effects: Effects) -> Iterator[RenderableType]:
    over = f" of {effects.history}" if effects.history else ""
    span = f"{format_time(effects.start_us)} to {format_time(effects.end_us)}"
    texts = [*_folded(f"both revisions decide the same payments{over}", 0), span]
    for source in effects.sources:
        taken = f"{grouped(source.accepted_after)} of {counted(source.rows, 'row')} taken in"
        was = f", {grouped(source.accepted_before)} before"
        other = source.accepted_after != source.accepted_before
        texts.append(f"{source.event}: {taken}{was if other else ''}")
    yield titled("What it does", stacked(texts))
    for event in effects.events:
        yield from _event(event)
    notes = (line for note in effects.notes for line in _folded(f"- {note}", 0))
    yield titled("Read this with it", stacked(notes))


def _event(event: EventComparison) -> Iterator[RenderableType]:
    yield titled(event.event, stacked(_scope(event)))
    if not event.after.measured.count:
        yield stacked([" Nothing is left to measure: see `warm_up` and `start` of the mapping."])
        return
    yield titled("Outcome before (rows) and after (columns)", _matrix(event))
    yield titled("Shares of all payments", _rates(event.rates))
    if event.after.label:
        yield titled("How well fraud is found", _levels(event))
    yield titled("Load", _loads(event))
    for scores in event.scores:
        yield titled(model_change(scores), _scores(scores))
    if event.marginals:
        yield titled("What each change does by itself", _marginals(event))
    elif event.no_marginals:
        yield stacked(_folded(f" Single changes are not told apart: {event.no_marginals}.", 0))
    if event.flips:
        yield titled("Payments that flip, the largest first", _flips(event))
    if event.segments:
        yield titled("By segment, in percentage points", _segments(event.segments))
    if rows := list(_unknowns(event)):
        table = table_of(("unknown or missing", "before", "after", "difference"), rows)
        yield titled("Unknown", table)


def _scope(event: EventComparison) -> Iterator[str]:
    flipped = _with_money(event.flipped, event)
    share = percent(part_of(event.flipped.count, event.after.measured.count))
    after = event.after
    yield f"{grouped(after.measured.count)} measured, {flipped} with another outcome ({share})"
    if after.warm_up.count:
        yield (
            f"{grouped(after.warm_up.count)} before {format_time(after.warm_up_until_us)} left out:"
            " windows were not full yet"
        )
    for volume, which in ((event.only_before, "before"), (event.only_after, "after")):
        if volume.count:
            yield f"{_with_money(volume, event)} taken in {which} only: in no other figure"
    if not after.label:
        yield "the history tells no label: nothing is known about fraud"


def _with_money(volume: Volume, event: EventComparison) -> str:
    money = f", {_money(volume.minor, event)} {event.after.currency}" if event.after.money else ""
    return f"{grouped(volume.count)}{money}"


def _matrix(event: EventComparison) -> RenderableType:
    found = {(t.before, t.after): t.all for t in event.transitions}
    rows = []
    for before in WORDS:
        row = [found.get((before, after), Volume()) for after in WORDS]
        if any(volume.count for volume in row):
            rows.append([before, *(grouped(volume.count) for volume in row)])
            if event.after.currency:
                money = (_money(volume.minor, event) for volume in row)
                rows.append([f"  {event.after.currency}", *money])
    parts: list[RenderableType] = [table_of(["", *WORDS], rows)]
    if event.after.label:
        flips = [t for t in event.transitions if t.before != t.after]
        known = [
            [
                f"{t.before} -> {t.after}",
                grouped(t.known.fraud.count),
                grouped(t.known.good.count),
                grouped(t.known.not_yet_known.count + t.known.unlabelled.count),
                grouped(t.known.past_declined.count),
            ]
            for t in flips
        ]
        if known:
            columns = ("of those that flip", event.after.label, "good", "not known", "no label")
            parts.append(table_of(columns, known))
    return Group(*parts)


def _rates(rates: Sequence[RateChange]) -> RenderableType:
    rows = [
        [
            _RATES[rate.name],
            percent(rate.before.millionths),
            percent(rate.after.millionths),
            _points(rate.difference_millionths),
            f"{_points(rate.low_millionths)} to {_points(rate.high_millionths)}",
        ]
        for rate in rates
    ]
    return table_of(("", "before", "after", "points", "95 %"), rows)


def _points(millionths: int | None) -> str:
    return "-" if millionths is None else f"{millionths / 10_000:+.3f}"


def _levels(event: EventComparison) -> RenderableType:
    parts: list[RenderableType] = []
    for level in event.levels:
        was, now = level.before, level.after
        rows = [
            ["precision", _rate(was.precision), _rate(now.precision)],
            ["recall", _rate(was.recall), _rate(now.recall)],
            [f"{event.after.label} stopped", *(_with_money(d.fraud, event) for d in (was, now))],
            ["good stopped", *(_with_money(d.good, event) for d in (was, now))],
        ]
        parts.append(table_of((LEVELS[level.name], "before", "after"), rows))
    return Group(*parts)


def _rate(rate: Rate) -> str:
    if rate.low_millionths is None or rate.high_millionths is None:
        return "-"
    ends = f"{rate.low_millionths / 10_000:.2f}-{rate.high_millionths / 10_000:.2f}"
    return f"{percent(rate.millionths)} ({ends})"


def _loads(event: EventComparison) -> RenderableType:
    names = {"review": "reviews a day", "step_up": "step-ups a day"}
    rows = [
        [names[load.name] if when == "before" else "", when, *_day_load(one)]
        for load in event.loads
        for when, one in (("before", load.before), ("after", load.after))
    ]
    return table_of(("", "", "in all", "median", "mean", "most", "on"), rows, plain=2)


def _day_load(load: DayLoad) -> tuple[str, ...]:
    on = "-" if load.peak_day is None else date_of(load.peak_day)
    return (
        grouped(load.total),
        format_decimal(load.median_thousandths, 3, trim=True),
        f"{load.mean_thousandths / 1000:,.1f}",
        grouped(load.peak),
        on,
    )


def _marginals(event: EventComparison) -> RenderableType:
    rows = []
    for marginal in event.marginals:
        rows.append([marginal.rule, "alone", *_shifts(marginal.alone), *_flipped(marginal, event)])
        rows.append(["", "last", *_shifts(marginal.last), *_flipped(marginal, event, last=True)])
    columns = ["rule", "", *(word.replace("_", "-") for word in WORDS), "flip"]
    columns += [event.after.label] if event.after.label else []
    about = "alone: put into the policy before; last: as the last change to the policy after"
    return Group(table_of(columns, rows, plain=2), Text(about, style="dim"))


def _shifts(shifts: Iterable[OutcomeShift]) -> Iterator[str]:
    for shift in shifts:
        yield f"{shift.count:+,}" if shift.count else "0"


def _flipped(marginal: Marginal, event: EventComparison, *, last: bool = False) -> Iterator[str]:
    volume = marginal.flipped_last if last else marginal.flipped_alone
    yield grouped(volume.count)
    if event.after.label:
        stopped = marginal.fraud_stopped_last if last else marginal.fraud_stopped_alone
        yield f"{stopped:+,}" if stopped else "0"


def _flips(event: EventComparison) -> RenderableType:
    return stacked(line for sample in event.flips for line in _sample(sample, event))


def _sample(sample: FlipSample, event: EventComparison) -> Iterator[str]:
    yield f"{sample.before} -> {sample.after}: {_with_money(sample.all, event)}"
    for flip in sample.shown:
        money = f"  {_exact_money(flip.minor, event)}" if event.after.money else ""
        yield f"  {flip.payment}  {date_of(flip.day)}{money}  {flip.known.replace('_', ' ')}"
        yield from _folded(f"{_fired(flip)}", 4)


def _fired(flip: Flip) -> str:
    gone = [rule for rule in flip.fired_before if rule not in flip.fired_after]
    come = [rule for rule in flip.fired_after if rule not in flip.fired_before]
    both = [rule for rule in flip.fired_before if rule in flip.fired_after]
    parts = [
        f"no more: {', '.join(gone)}" if gone else "",
        f"now: {', '.join(come)}" if come else "",
    ]
    parts.append(f"in both: {', '.join(both)}" if both else "")
    if not gone and not come and flip.reason_before != flip.reason_after:
        reasons = (reason or "none" for reason in (flip.reason_before, flip.reason_after))
        parts.append(f"reason: {' -> '.join(reasons)}")
    return "; ".join(filter(None, parts)) or "no rule fires in either"


def _segments(segments: Sequence[Segment]) -> RenderableType:
    """The largest segments of each field, with what their outcomes gain and lose."""
    rows = []
    for name, some in groupby(segments, key=lambda segment: segment.field):
        for segment in list(some)[:_SHOWN_SEGMENTS]:
            rates = {rate.name: rate for rate in segment.rates}
            points = (_points(rates[word].difference_millionths) for word in WORDS)
            rows.append([f"{name}: {segment.value}", grouped(segment.all.count), *points])
    columns = ("", "payments", *(word.replace("_", "-") for word in WORDS))
    return table_of(columns, rows)


def _scores(change: ScoreChange) -> RenderableType:
    return stacked(line for said in scores_compared(change) for line in _folded(f"- {said}", 0))


def _unknowns(event: EventComparison) -> Iterator[list[str]]:
    for rule in event.unknown:
        if rule.before != rule.after:
            yield [f"rule {rule.rule}", *_counts(rule.before, rule.after)]
    for missing in event.missing:
        if missing.before != missing.after:
            name = f"{missing.input} ({missing.reason.replace('_', ' ')})"
            yield [name, *_counts(missing.before, missing.after)]


def _counts(before: int | None, after: int | None) -> list[str]:
    shown = ["-" if count is None else grouped(count) for count in (before, after)]
    return [*shown, f"{(after or 0) - (before or 0):+,}"]


def _money(minor: int, event: EventComparison) -> str:
    """Whole units of the currency, rounded half to even."""
    return f"{divide_half_even(minor, 10 ** MINOR_DIGITS[event.after.currency]):,}"


def _exact_money(minor: int, event: EventComparison) -> str:
    digits = MINOR_DIGITS[event.after.currency]
    return f"{format_decimal(minor, digits)} {event.after.currency}"


# --- seconds -----------------------------------------------------------------------------------


def _timing(timing: Timing) -> RenderableType:
    rows = []
    for speed in timing.speeds:
        for what, before, after in (
            ("columns", speed.columns_before, speed.columns_after),
            ("one by one", speed.decide_before, speed.decide_after),
        ):
            shown = ["-" if rate is None else grouped(rate) for rate in (before, after)]
            rows.append([speed.event, what, *shown])
    return table_of(("rows a second", "", "before", "after"), rows, plain=2)
