"""A dry run as people read it in a terminal, and as JSON.

Tables are as narrow as 80 columns. Every rate carries its interval, and where labels are not due
yet, where the past left none or where rows were refused, the report says so beside the figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.engine.arithmetic import divide_half_even
from tidegate.engine.values import format_duration, format_time
from tidegate.simulation.measures import MILLION, Load, Rate, Ratio, Volume
from tidegate.simulation.result import (
    BacktestResult,
    EventResult,
    LevelResult,
    RuleResult,
    SourceResult,
    as_json,
)

_EPOCH = date(1970, 1, 1)
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
    parts.append(_section("Read this with it", _lines(f"- {note}" for note in result.notes)))
    return Group(*parts)


# --- the history -------------------------------------------------------------------------------


def _heading(result: BacktestResult) -> RenderableType:
    text = Text()
    text.append(f"Dry run of {result.policy}", style="bold")
    text.append(f" over {result.history}\n" if result.history else "\n")
    text.append(f"{format_time(result.start_us)} to {format_time(result.end_us)}")
    return text


def _source(source: SourceResult) -> RenderableType:
    lines = [f"{source.event}: {_number(source.rows)} rows, {_number(source.accepted)} taken in"]
    if source.bad:
        lines.append(f"  {_number(source.bad)} bad rows left out:")
        lines += [
            f"    {_number(fault.rows):>10}  {fault.field or 'the row'}: {fault.code}"
            for fault in source.faults
        ]
        lines += [
            f"    {row.file} row {row.row}{f' ({row.key})' if row.key else ''}: "
            + ", ".join(row.faults)
            for row in source.named[:_BAD_ROWS_SHOWN]
        ]
        if source.bad > _BAD_ROWS_SHOWN:
            lines.append("    ... the JSON names more")
    if source.copies:
        lines.append(f"  {_number(source.copies)} later copies of a key left out")
    lines += [
        f"  {_number(fault.rows)} bad values of {fault.field} taken as missing"
        for fault in source.invalid
    ]
    return _lines(lines)


# --- one event ---------------------------------------------------------------------------------


def _event(event: EventResult) -> Iterator[RenderableType]:
    yield _section(event.event, _scope(event))
    if not event.measured.count:
        yield _lines(["Nothing is left to measure: give the mapping a shorter `warm_up`."])
        return
    yield _section("Outcomes", _outcomes(event))
    if event.label:
        yield _section(f"{event.label.capitalize()} found, by matured labels", _levels(event))
    yield _section("Rules", _rules(event))
    if event.overlaps:
        yield _section("Rules that fire together", _overlaps(event))
    yield _section("Load", _loads(event))
    if event.changes:
        yield _section("Outcome at the time (rows) and now (columns)", _changes(event))
    if sum(week.whole for week in event.weeks) > 1:
        yield _section("Spread over the weeks", _weeks(event))
    if event.missing:
        yield _section("Missing inputs", _missing(event))


def _scope(event: EventResult) -> RenderableType:
    lines = [f"{_number(event.decided.count)} decided, {_number(event.measured.count)} measured"]
    if event.warm_up.count:
        until = format_time(event.warm_up_until_us)
        lines.append(
            f"{_number(event.warm_up.count)} before {until} left out: windows were not full yet"
        )
    if event.label:
        lines += _scope_of_label(event)
    else:
        lines.append("the history tells no label: nothing is known about fraud")
    if event.without_money:
        lines.append(f"{_number(event.without_money)} without an amount count as 0")
    if event.tied_under_a_key:
        tied = _number(event.tied_under_a_key)
        lines.append(f"{tied} share time and a window's key with another: neither sees the other")
    return _lines(lines)


def _scope_of_label(event: EventResult) -> Iterator[str]:
    known, due = event.known, format_duration(event.label_after_us)
    yield (
        f"{_number(known.fraud.count + known.good.count)} with a label due ({due} after):"
        f" {_number(known.fraud.count)} {event.label}, {_number(known.good.count)} good"
    )
    if known.not_yet_known.count:
        yield f"{_number(known.not_yet_known.count)} not yet known: their label is not due"
    if known.past_declined.count:
        yield (
            f"{_number(known.past_declined.count)} were declined at the time: they have no label"
            " and are in no rate"
        )


def _outcomes(event: EventResult) -> RenderableType:
    columns = ["outcome", "count", "share", event.currency or "-"]
    columns += [event.label, event.currency, "good", event.currency] if event.label else []
    table = _table(*columns)
    for outcome in event.outcomes:
        row = [outcome.word, *_volume(outcome.all, event)]
        row.insert(2, _percent(_part(outcome.all.count, event.measured.count)))
        if event.label:
            row += [*_volume(outcome.known.fraud, event), *_volume(outcome.known.good, event)]
        table.add_row(*row)
    return table


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
    return _rate(rate) + ("" if money is None else f"; by money {_percent(money)}")


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
    table = _table(*columns, *(["alone"] if alone else []))
    for rule in sorted(rules, key=lambda rule: (-rule.fired.count, rule.id)):
        row = [rule.id, _number(rule.fired.count), _number(rule.unknown.count)]
        if event.currency:
            row.append(_money(rule.fired.minor, event, 1000))
        if event.label:
            fraud = _number(rule.fired_on.fraud.count)
            row += [fraud, _short_rate(rule.precision), _short_percent(rule.recall.millionths)]
        caught = rule.alone_fraud if event.label else rule.alone
        shown = _number(caught.count) if rule.acted.count else "-"
        table.add_row(*row, *([shown] if alone else []))
    return table


def _overlaps(event: EventResult) -> RenderableType:
    table = _table("rule", "rule", "both", "of either", plain=2)
    for overlap in event.overlaps:
        share = _percent(overlap.jaccard_millionths)
        table.add_row(overlap.left, overlap.right, _number(overlap.rows), share)
    return table


def _loads(event: EventResult) -> RenderableType:
    table = _table("", "in all", "a day", "peak", "on")
    for name, load in (("review", event.review), ("step-up", event.step_up)):
        table.add_row(name, *_load(load))
    return table


def _load(load: Load) -> tuple[str, ...]:
    mean = f"{load.mean_thousandths / 1000:,.1f}"
    on = "-" if load.peak_day is None else _day(load.peak_day)
    return _number(load.total), mean, _number(load.peak), on


def _changes(event: EventResult) -> RenderableType:
    words = [outcome.word for outcome in event.outcomes]
    table = _table("", *words)
    volumes = {(change.before, change.after): change.volume for change in event.changes}
    for before in words:
        row = [volumes.get((before, after), Volume()) for after in words]
        if any(volume.count for volume in row):
            table.add_row(before, *(_number(volume.count) for volume in row))
            if event.currency:
                table.add_row(f"  {event.currency}", *(_money(v.minor, event) for v in row))
    return table


def _weeks(event: EventResult) -> RenderableType:
    """The spread over whole weeks; the JSON has each of them."""
    whole = [week for week in event.weeks if week.whole]
    table = _table("", "lowest", "middle", "highest")
    for name, rates in (
        ("declined", [week.decline for week in whole]),
        ("acted on", [week.acted_on for week in whole]),
        ("precision", [week.precision for week in whole]),
        ("recall", [week.recall for week in whole]),
    ):
        known = sorted(rate.millionths for rate in rates if rate.millionths is not None)
        if known:
            middle = known[len(known) // 2]
            table.add_row(name, _percent(known[0]), _percent(middle), _percent(known[-1]))
    return Group(table, Text(f"{len(whole)} whole weeks", style="dim"))


def _missing(event: EventResult) -> RenderableType:
    table = _table("input", "why", "decisions", plain=2)
    for missing in event.missing:
        table.add_row(missing.input, missing.reason, _number(missing.rows))
    return table


# --- pieces ------------------------------------------------------------------------------------


def _section(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(f"\n{title}", style="bold"), Padding(body, (0, 0, 0, 1)))


def _lines(lines: Iterable[str]) -> RenderableType:
    return Text("\n".join(lines))


def _table(*columns: str, plain: int = 1) -> Table:
    """Numbers stand to the right and are never cut; the first `plain` columns are names."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for index, column in enumerate(columns):
        if index < plain:
            table.add_column(column, no_wrap=True, overflow="ellipsis")
        else:
            table.add_column(column, justify="right", no_wrap=True)
    return table


def _number(number: int) -> str:
    return f"{number:,}"


def _volume(volume: Volume, event: EventResult) -> list[str]:
    return [_number(volume.count), _money(volume.minor, event) if event.currency else ""]


def _money(minor: int, event: EventResult, units: int = 1) -> str:
    """So many units of the currency, rounded half to even: cents say nothing in such sums."""
    return f"{divide_half_even(minor, units * 10 ** MINOR_DIGITS[event.currency]):,}"


def _part(part: int, whole: int) -> int | None:
    return round(MILLION * part / whole) if whole else None


def _percent(millionths: int | None) -> str:
    return "-" if millionths is None else f"{millionths / 10_000:.2f} %"


def _short_percent(millionths: int | None) -> str:
    return "-" if millionths is None else f"{millionths / 10_000:.1f}"


def _rate(rate: Rate) -> str:
    if rate.millionths is None:
        return "- (nothing counted)"
    return f"{_percent(rate.millionths)} ({_span(rate.low_millionths, rate.high_millionths)} %)"


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


def _day(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()
