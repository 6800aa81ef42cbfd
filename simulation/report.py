"""A dry run as people read it in a terminal, and as JSON.

Tables are as narrow as 80 columns. Every rate carries its interval, and where labels are not due
yet, where the past left none or where rows were refused, the report says so beside the figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from operator import attrgetter

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.engine.arithmetic import divide_half_even
from tidegate.engine.values import format_duration, format_time
from tidegate.simulation.measures import MILLION, Load, Rate, Ratio, Volume
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
from tidegate.simulation.result import (
    BacktestResult,
    EventResult,
    LevelResult,
    RuleResult,
    SourceResult,
    as_json,
)

_BAD_ROWS_SHOWN = 5
_LEVEL_NAMES = {
    "declined": "declined",
    "declined_or_stepped_up": "declined or stepped up",
    "acted_on": "declined, stepped up or reviewed",
}


def to_json(result: BacktestResult) -> str:
    """The result as JSON: integers, texts and null; keys in a fixed order."""
    return json.dumps(as_json(result), ensure_ascii=False, indent=2)


def to_text(result: BacktestResult, width: int = 100) -> str:
    """The report without colours."""
    console = Console(file=StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(render(result))
    assert isinstance(console.file, StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def render(result: BacktestResult) -> RenderableType:
    """The report for a console of Rich."""
    parts: list[RenderableType] = [_heading(result)]
    parts += [_source(source) for source in result.sources]
    for event in result.events:
        parts += _event(event)
    parts.append(titled("Read this with it", stacked(f"- {note}" for note in result.notes)))
    return Group(*parts)


# --- the history -------------------------------------------------------------------------------


def _heading(result: BacktestResult) -> RenderableType:
    text = Text()
    text.append(f"Dry run of {result.policy}", style="bold")
    text.append(f" over {result.history}\n" if result.history else "\n")
    text.append(f"{format_time(result.start_us)} to {format_time(result.end_us)}")
    return text


def _source(source: SourceResult) -> RenderableType:
    lines = [f"{source.event}: {grouped(source.rows)} rows, {grouped(source.accepted)} taken in"]
    if source.bad:
        lines.append(f"  {counted(source.bad, 'bad row')} left out:")
        for fault in source.faults:
            lines.append(f"    {grouped(fault.rows):>10}  {fault.said}")
            lines += [f"{'':14}  help: {fault.help}"] if fault.help else []
        lines += [
            f"    {row.file} row {row.row}{f' ({row.key})' if row.key else ''}: "
            + ", ".join(row.faults)
            for row in source.named[:_BAD_ROWS_SHOWN]
        ]
        if source.bad > _BAD_ROWS_SHOWN:
            lines.append("    ... the JSON names more")
    if source.after_end:
        lines.append(f"  {counted(source.after_end, 'row')} after the history's `end` left out")
    if source.copies:
        lines.append(f"  {counted(source.copies, 'later copy', 'later copies')} of a key left out")
    lines += [
        f"  {counted(fault.rows, 'bad value')} of {fault.field} taken as missing"
        for fault in source.invalid
    ]
    return stacked(lines)


# --- one event ---------------------------------------------------------------------------------


def _event(event: EventResult) -> Iterator[RenderableType]:
    yield titled(event.event, _scope(event))
    if not event.measured.count:
        yield stacked([_nothing(event)])
        return
    yield titled("Outcomes", _outcomes(event))
    if event.label:
        yield titled(f"{event.label.capitalize()} found, by matured labels", _levels(event))
    yield titled("Rules", _rules(event))
    if event.overlaps:
        yield titled("Rules that fire together", _overlaps(event))
    yield titled("Load", _loads(event))
    if event.changes:
        yield titled("Outcome at the time (rows) and now (columns)", _changes(event))
    if sum(week.whole for week in event.weeks) > 1:
        yield titled("Spread over the weeks", _weeks(event))
    if event.missing:
        yield titled("Missing inputs", _missing(event))


def _nothing(event: EventResult) -> str:
    if not event.decided.count:
        return "No row was taken in: nothing was decided."
    return (
        "Nothing is left to measure: give the mapping a shorter `warm_up`, or a `start` where the"
        " history is complete from an earlier time."
    )


def _scope(event: EventResult) -> RenderableType:
    lines = [f"{grouped(event.decided.count)} decided, {grouped(event.measured.count)} measured"]
    if event.warm_up.count:
        until = format_time(event.warm_up_until_us)
        whose = "" if event.warm_up_of == event.event else f" over `{event.warm_up_of}`"
        left_out = f"{grouped(event.warm_up.count)} before {until} left out"
        lines.append(f"{left_out}: windows{whose} were not full yet")
    if event.label:
        lines += _scope_of_label(event)
    else:
        lines.append("the history tells no label: nothing is known about fraud")
    if event.without_money:
        lines.append(f"{grouped(event.without_money)} without an amount count as 0")
    if event.tied_under_a_key:
        tied = grouped(event.tied_under_a_key)
        lines.append(f"{tied} share time and a window's key with another: neither sees the other")
    return stacked(lines)


def _scope_of_label(event: EventResult) -> Iterator[str]:
    known, due = event.known, format_duration(event.label_after_us)
    yield (
        f"{grouped(known.fraud.count + known.good.count)} with a label due ({due} after):"
        f" {grouped(known.fraud.count)} {event.label}, {grouped(known.good.count)} good"
    )
    if known.not_yet_known.count:
        yield f"{grouped(known.not_yet_known.count)} not yet known: their label is not due"
    if known.past_declined.count:
        yield (
            f"{grouped(known.past_declined.count)} declined at the time: no label can tell of"
            " them, and they are in no rate"
        )


def _outcomes(event: EventResult) -> RenderableType:
    columns = ["outcome", "count", "share", event.currency or "-"]
    columns += [event.label, event.currency, "good", event.currency] if event.label else []
    rows = []
    for outcome in event.outcomes:
        count, minor = _volume(outcome.all, event)
        row = [
            outcome.word,
            count,
            percent(part_of(outcome.all.count, event.measured.count)),
            minor,
        ]
        if event.label:
            row += [*_volume(outcome.known.fraud, event), *_volume(outcome.known.good, event)]
        rows.append(row)
    held = next(one.all.count for one in event.outcomes if one.word == "review")
    if event.review.total == held:
        return table_of(columns, rows)
    said = (
        "review: held until somebody has looked. Load counts every payment that somebody looks at,"
        " those that went on or were stepped up too"
    )
    return Group(table_of(columns, rows), Text(said, style="dim"))


def _levels(event: EventResult) -> RenderableType:
    return Group(*(_level(level, event) for level in event.levels))


def _level(level: LevelResult, event: EventResult) -> RenderableType:
    found = level.detection
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(min_width=16)
    table.add_column()
    stopped, blocked = _volume(found.fraud, event), _volume(found.good, event)
    missed = _volume(found.missed_fraud, event)
    money = f" {event.currency}" if event.currency else ""
    for name, (count, minor), measure in (
        (f"{event.label} stopped", stopped, ""),
        (f"{event.label} missed", missed, ""),
        ("good stopped", blocked, f", {_rate(found.insults)} of the good"),
    ):
        table.add_row(f"  {name}", f"{count}{f', {minor}{money}' if money else ''}{measure}")
    table.add_row("  precision", _with_money(found.precision, found.precision_money_millionths))
    table.add_row("  recall", _with_money(found.recall, found.recall_money_millionths))
    table.add_row(
        "  false positives", f"{_ratio(found.false_positives)} good for one {event.label}"
    )
    return Group(Text(_LEVEL_NAMES[level.name], style="italic"), table)


def _with_money(rate: Rate, money: int | None) -> str:
    return _rate(rate) + ("" if money is None else f"; by money {percent(money)}")


def _rules(event: EventResult) -> RenderableType:
    """Rules that may act, then those that only watch."""
    acting = [rule for rule in event.rules if rule.standing != "shadow"]
    watching = [rule for rule in event.rules if rule.standing == "shadow"]
    parts: list[RenderableType] = [_rule_table(acting, event, alone=True)] if acting else []
    if watching:
        parts.append(Text("in the shadow, never acting", style="italic"))
        parts.append(_rule_table(watching, event, alone=False))
    what = event.label or "decisions"
    parts.append(Text(f"alone: {what} that no other rule would have stopped", style="dim"))
    return Group(*parts)


def _rule_table(rules: list[RuleResult], event: EventResult, *, alone: bool) -> Table:
    columns = ["rule", "fired", "unknown"]
    columns += [f"k {event.currency}"] if event.currency else []
    columns += [event.label, "precision %", "recall %"] if event.label else []
    columns += ["alone"] if alone else []
    ordered = sorted(rules, key=lambda rule: (-rule.fired.count, rule.id))
    return table_of(columns, [list(_rule_row(rule, event, alone=alone)) for rule in ordered])


def _rule_row(rule: RuleResult, event: EventResult, *, alone: bool) -> Iterator[str]:
    yield from (rule.id, grouped(rule.fired.count), grouped(rule.unknown.count))
    if event.currency:
        yield _money(rule.fired.minor, event, 1000)
    if event.label:
        yield grouped(rule.fired_on.fraud.count)
        yield _short_rate(rule.precision)
        yield _short_percent(rule.recall.millionths)
    if alone:
        caught = rule.alone_fraud if event.label else rule.alone
        yield grouped(caught.count) if rule.acted.count else "-"


def _overlaps(event: EventResult) -> RenderableType:
    rows = [
        (o.left, o.right, grouped(o.rows), percent(o.jaccard_millionths)) for o in event.overlaps
    ]
    return table_of(("rule", "rule", "both", "of either"), rows, plain=2)


def _loads(event: EventResult) -> RenderableType:
    loads = (("review", event.review), ("step-up", event.step_up))
    rows = [(name, *_load(load)) for name, load in loads]
    return table_of(("", "in all", "a day", "peak", "on"), rows)


def _load(load: Load) -> tuple[str, ...]:
    mean = f"{load.mean_thousandths / 1000:,.1f}"
    on = "-" if load.peak_day is None else date_of(load.peak_day)
    return grouped(load.total), mean, grouped(load.peak), on


def _changes(event: EventResult) -> RenderableType:
    words = [outcome.word for outcome in event.outcomes]
    volumes = {(change.before, change.after): change.volume for change in event.changes}
    rows = []
    for before in words:
        row = [volumes.get((before, after), Volume()) for after in words]
        if any(volume.count for volume in row):
            rows.append([before, *(grouped(volume.count) for volume in row)])
            if event.currency:
                rows.append([f"  {event.currency}", *(_money(v.minor, event) for v in row)])
    return Group(table_of(["", *words], rows), Text(_approvals(event), style="dim"))


def _approvals(event: EventResult) -> str:
    """The share approved then and now, in percent and percentage points."""
    compared = sum(change.volume.count for change in event.changes)
    before, after = (
        100 * sum(c.volume.count for c in event.changes if word(c) == "approve") / compared
        for word in (attrgetter("before"), attrgetter("after"))
    )
    return f"approved at the time {before:.2f} %, now {after:.2f} % ({after - before:+.2f} points)"


def _weeks(event: EventResult) -> RenderableType:
    """The spread over whole weeks; the JSON has each of them."""
    whole = [week for week in event.weeks if week.whole]
    rows = []
    for name, rates in (
        ("declined", [week.decline for week in whole]),
        ("acted on", [week.acted_on for week in whole]),
        ("precision", [week.precision for week in whole]),
        ("recall", [week.recall for week in whole]),
    ):
        known = sorted(rate.millionths for rate in rates if rate.millionths is not None)
        if known:
            spread = (known[0], known[len(known) // 2], known[-1])
            rows.append([name, *map(percent, spread)])
    table = table_of(("", "lowest", "middle", "highest"), rows)
    return Group(table, Text(f"{len(whole)} whole weeks", style="dim"))


def _missing(event: EventResult) -> RenderableType:
    rows = [(missing.input, missing.reason, grouped(missing.rows)) for missing in event.missing]
    return table_of(("input", "why", "decisions"), rows, plain=2)


# --- pieces ------------------------------------------------------------------------------------


def _volume(volume: Volume, event: EventResult) -> list[str]:
    return [grouped(volume.count), _money(volume.minor, event) if event.currency else ""]


def _money(minor: int, event: EventResult, units: int = 1) -> str:
    """So many units of the currency, rounded half to even: cents say nothing in such sums."""
    return f"{divide_half_even(minor, units * 10 ** MINOR_DIGITS[event.currency]):,}"


def _short_percent(millionths: int | None) -> str:
    return "-" if millionths is None else f"{millionths / 10_000:.1f}"


def _rate(rate: Rate) -> str:
    if rate.millionths is None:
        return "- (nothing counted)"
    return f"{percent(rate.millionths)} ({_span(rate.low_millionths, rate.high_millionths)} %)"


def _short_rate(rate: Rate) -> str:
    """Without decimals: the interval is wider than they are."""
    if rate.millionths is None or rate.low_millionths is None or rate.high_millionths is None:
        return "-"
    low, high = (bound / 10_000 for bound in (rate.low_millionths, rate.high_millionths))
    return f"{rate.millionths / 10_000:.1f} ({low:.1f}-{high:.1f})"


def _span(low: int | None, high: int | None) -> str:
    return "-".join("?" if bound is None else f"{bound / 10_000:.2f}" for bound in (low, high))


def _ratio(ratio: Ratio) -> str:
    if ratio.millionths is None:
        return "no end of" if ratio.left else "-"
    bounds = (ratio.low_millionths, ratio.high_millionths)
    low, high = ("?" if bound is None else f"{bound / MILLION:,.2f}" for bound in bounds)
    return f"{ratio.millionths / MILLION:,.2f} ({low}-{high})"
