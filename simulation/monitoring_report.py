"""What watching models found, as people read it in a terminal, and as JSON.

Tables are as narrow as 80 columns. Alarms come first, each with the figure that caused it; a model
without any says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.text import Text

from tidegate.dsl.zones import SECOND_US
from tidegate.engine.values import format_time
from tidegate.simulation.measures import Rate
from tidegate.simulation.model_alarms import cause_said, decimals, times
from tidegate.simulation.monitoring_result import (
    Agreement,
    Interval,
    ModelMonitoring,
    Monitoring,
    SideBySide,
    ThresholdDrift,
    as_json,
)
from tidegate.simulation.report_pieces import (
    counted,
    grouped,
    percent,
    stacked,
    table_of,
    titled,
)
from tidegate.simulation.score_thresholds import score_text, threshold_text

ALARM = "ALARM"
CAUSES_SHOWN = 10
WEEKS_SHOWN = 8
"""The last ones; the JSON has each of them."""


def to_json(found: Monitoring) -> str:
    """The result as JSON: integers, texts and null; keys in a fixed order."""
    return json.dumps(as_json(found), ensure_ascii=False, indent=2)


def to_text(found: Monitoring, width: int = 100) -> str:
    """The report without colours."""
    console = Console(file=StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(render(found))
    assert isinstance(console.file, StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def render(found: Monitoring) -> RenderableType:
    """The report for a console of Rich."""
    head = Text()
    head.append(f"Models of {found.policy}", style="bold")
    head.append(f" over {found.history}\n" if found.history else "\n")
    head.append(f"{moment(found.start_us)} to {moment(found.end_us)}")
    parts: list[RenderableType] = [head]
    for model in found.models:
        parts += _model(model)
    for pair in found.side_by_side:
        parts.append(titled(pair_name(pair), _side_by_side(pair)))
    parts.append(titled("Read this with it", stacked(f"- {note}" for note in found.notes)))
    return Group(*parts)


def _model(model: ModelMonitoring) -> Iterator[RenderableType]:
    yield titled(name_of(model), _scope(model))
    yield titled("Alarms", _alarms(model))
    yield titled("Answers", _answers(model))
    if model.shifts:
        yield titled("Population shift", _shifts(model))
    if model.thresholds:
        yield titled("Thresholds", _thresholds(model))
    if model.label:
        yield titled("How well it finds fraud, by matured labels", _discrimination(model))
        yield titled("Calibration, by matured labels", _calibration(model))
    if model.attribution:
        yield titled("What makes the scores", _attribution(model))
    if model.parity:
        yield titled("Segments beside their fraud", _parity(model))
    yield titled("What became of what its rules ask for", _follow(model))


def name_of(model: ModelMonitoring) -> str:
    """A model with its version, and its hash or that it is external."""
    whose = "external" if model.external else (model.hash[:12] or "no version may serve")
    shadow = ", in the shadow" if model.shadow else ""
    return f"{model.model} version {model.version} ({whose}){shadow}, on {model.event}"


def _scope(model: ModelMonitoring) -> RenderableType:
    before, now = (
        f"{moment(p.from_us)} to {moment(p.to_us)}, used for {grouped(p.rows)}"
        for p in (model.before, model.now)
    )
    return stacked([f"reference week  {before}", f"watched         {now}", *model.notes])


def _alarms(model: ModelMonitoring) -> RenderableType:
    if not model.alarms:
        return Text("none", style="green")
    lines = Text()
    for place, alarm in enumerate(model.alarms):
        lines.append("\n" if place else "")
        lines.append(f"{alarm.kind}: ", style="bold red")
        lines.append(alarm.said)
    return lines


def _answers(model: ModelMonitoring) -> RenderableType:
    rows = [
        (
            name,
            grouped(a.scored),
            grouped(a.abstained),
            grouped(a.unavailable),
            grouped(a.outside_use),
            rate_text(a.silent),
        )
        for name, a in (("reference week", model.answers_before), ("watched", model.answers))
    ]
    columns = ("", "scored", "abstained", "unavailable", "outside use", "no score")
    table = table_of(columns, rows)
    if not model.abstentions:
        return table
    causes = [
        f"  {grouped(one.now)} ({grouped(one.before)} then): {cause_said(one)}"
        for one in model.abstentions[:CAUSES_SHOWN]
    ]
    if len(model.abstentions) > CAUSES_SHOWN:
        causes.append(f"  and {len(model.abstentions) - CAUSES_SHOWN} more causes, in the JSON")
    return Group(table, stacked(["why it abstained, watched and in the reference week:", *causes]))


def _shifts(model: ModelMonitoring) -> RenderableType:
    rows = [
        (
            shift.name,
            ALARM if shift.alarm else "",
            decimals(shift.psi),
            decimals(shift.critical),
            grouped(shift.rows_before),
            grouped(shift.rows_now),
            shift.origin,
        )
        for shift in model.shifts
    ]
    columns = ("input", "", "PSI", "by chance", "rows then", "now", "against")
    said = "by chance: what one index stays below in 95 of 100 cases where nothing has changed"
    return Group(table_of(columns, rows, plain=2), Text(said, style="dim"))


def _thresholds(model: ModelMonitoring) -> RenderableType:
    parts: list[RenderableType] = []
    for drift in model.thresholds:
        head = Text(f"{threshold_text(drift.at)}: {', '.join(drift.rules)}", style="italic")
        if drift.alarm:
            head.append(f"  {ALARM}", style="bold red")
        weeks = [week.share.millionths for week in drift.weeks if week.whole]
        shown = ", ".join(percent(share)[:-2] for share in weeks[-WEEKS_SHOWN:])
        lines = [
            f"  then {rate_text(drift.before)}",
            f"  now  {rate_text(drift.now)}",
            f"  difference {points(drift.low)} to {points(drift.high)}",
            f"  the same share as then: {keeps_text(drift.keeps)}",
            f"  week by week, in %: {'... ' if len(weeks) > WEEKS_SHOWN else ''}{shown or '-'}",
        ]
        if model.label:
            lines += [
                f"  precision {rate_text(drift.precision)}",
                f"  recall    {rate_text(drift.recall)}",
                f"  picked {_picked(drift, model.label)}",
            ]
        parts += [head, stacked(lines)]
    return Group(*parts)


def _discrimination(model: ModelMonitoring) -> RenderableType:
    found = model.discrimination
    area, precision = interval_text(found.auc), interval_text(found.average_precision)
    rows = f"over {grouped(found.rows)} scored with a label that is due"
    lines = (
        f"AUC {area}, average precision {precision}",
        f"{rows}, {grouped(found.fraud)} of them {model.label}",
    )
    return stacked(lines)


def pair_name(pair: SideBySide) -> str:
    """`risk 1 and, in the shadow, newer 2, side by side`."""
    shadow = ", in the shadow," if pair.shadow else ""
    return (
        f"{pair.champion} {pair.champion_version} and{shadow} {pair.challenger}"
        f" {pair.challenger_version}, side by side"
    )


def pair_said(pair: SideBySide) -> Iterator[str]:
    """Over which rows two models are compared."""
    yield f"{grouped(pair.rows)} scored by both, of which {grouped(pair.labelled)} have a label"
    yield (
        f"that is due ({grouped(pair.fraud)} of them true);"
        f" {grouped(pair.only_champion)} by {pair.champion} alone,"
        f" {grouped(pair.only_challenger)} by {pair.challenger} alone"
    )


def _side_by_side(pair: SideBySide) -> RenderableType:
    rows = [
        (name, interval_text(own[0]), interval_text(own[1]), interval_text(gap, signed=True))
        for name, own, gap in (
            ("AUC", pair.auc, pair.auc_difference),
            ("average precision", pair.average_precision, pair.average_precision_difference),
        )
    ]
    parts: list[RenderableType] = [
        stacked(pair_said(pair)),
        table_of(("", pair.champion, pair.challenger, "difference"), rows),
    ]
    for one in pair.agreements:
        parts.append(Text(agreement_name(one, pair), style="italic"))
        parts.append(stacked(_agreement(one, pair)))
    return Group(*parts)


def _agreement(one: Agreement, pair: SideBySide) -> Iterator[str]:
    yield (
        f"  both pick {grouped(one.both)}, {pair.champion} alone {grouped(one.only_champion)},"
        f" {pair.challenger} alone {grouped(one.only_challenger)}, neither {grouped(one.neither)}"
    )
    for name, rates in (("precision", one.precision), ("recall", one.recall)):
        yield f"  {name:9} {' and '.join(map(rate_text, rates))}"
    gap = one.recall_difference
    ends = f"{points(gap.low)} to {points(gap.high)}"
    yield f"  recall of {pair.challenger} is {points(gap.value)} points from it ({ends})"


def agreement_name(one: Agreement, pair: SideBySide) -> str:
    """At which scores two models are held against each other."""
    ours, theirs = threshold_text(one.at), threshold_text(one.challenger_at)
    if one.same_score:
        return f"both {ours} ({', '.join(one.rules)})"
    return f"{pair.champion} {ours}, {pair.challenger} {theirs}, which picks as many"


def interval_text(found: Interval, *, signed: bool = False) -> str:
    """A figure with three decimals and its interval; `-` where there is too little to tell."""
    if found.value is None:
        return "-"
    value, low, high = (
        "?" if one is None else f"{one / 1_000_000:{'+' if signed else ''}.3f}"
        for one in (found.value, found.low, found.high)
    )
    return f"{value} ({low} to {high})"


def _picked(drift: ThresholdDrift, label: str) -> str:
    known = f"{grouped(drift.fraud)} {label}, {grouped(drift.good)} good"
    return f"{known}, {grouped(drift.open)} not due yet, {grouped(drift.unlabelled)} never known"


def _calibration(model: ModelMonitoring) -> RenderableType:
    known = model.maturity
    due = grouped(known.fraud + known.good)
    lines = [f"{due} of the scored have a label that is due, {grouped(known.open)} not yet"]
    if known.past_declined:
        lines.append(f"{grouped(known.past_declined)} were declined: no label tells of them")
    found = model.calibration
    if found is None:
        return stacked([*lines, "nothing is due, or the score is no chance from 0 to 1"])
    lines.append(
        f"expected {found.expected / 1000:,.1f}"
        f" ({found.low / 1000:,.1f} to {found.high / 1000:,.1f}),"
        f" came {grouped(found.fraud)}; mean gap (ECE) {decimals(found.ece)}"
        + (f"  {ALARM}" if found.alarm else "")
    )
    rows = [
        (
            f"{score_text(b.low)} to {score_text(b.high)}",
            grouped(b.fraud.of),
            percent(b.mean),
            rate_text(b.fraud),
        )
        for b in found.bins
    ]
    return Group(stacked(lines), table_of(("scores", "rows", "expected", "came"), rows))


def _attribution(model: ModelMonitoring) -> RenderableType:
    ordered = sorted(model.attribution, key=lambda term: (-max(term.before, term.now), term.inputs))
    rows = [
        (
            " with ".join(term.inputs),
            ALARM if term.alarm else "",
            percent(term.before),
            percent(term.now),
            f"{points(term.low)} to {points(term.high)}",
        )
        for term in ordered
    ]
    said = f"each one's share of all |contribution|, over {counted(model.attributed_rows, 'row')}"
    columns = ("input", "", "then", "now", "difference")
    return Group(table_of(columns, rows, plain=2), Text(said, style="dim"))


def _parity(model: ModelMonitoring) -> RenderableType:
    rows = [
        (
            f"{one.field} {one.value}",
            one.what.replace("_", " "),
            ALARM if one.alarm else "",
            percent(one.rate.millionths),
            percent(one.others.millionths),
            f"{times(one.ratio)} ({times(one.ratio_low)[:-2]}-{times(one.ratio_high)[:-2]})",
            "-" if one.fraud_ratio is None else times(one.fraud_ratio),
            "-" if one.four_fifths is None else f"{one.four_fifths / 1_000_000:.2f}",
        )
        for one in model.parity
    ]
    columns = ("segment", "outcome", "", "share", "others", "ratio", "fraud", "4/5")
    said = "fraud: the ratio of the shares of fraud; 4/5: of the shares that are left alone"
    return Group(table_of(columns, rows, plain=3), Text(said, style="dim"))


def _follow(model: ModelMonitoring) -> RenderableType:
    found = model.follow
    after = f"asked for no more than a review after in {grouped(found.asked_after)}"
    lines = [
        f"asked for a decline, a step-up or a review before in {grouped(found.asked)}",
        f"{after}, which stops nothing: in no share here",
    ]
    if found.asked:
        lines.append(f"that was the outcome by this policy in {rate_text(found.followed)}")
        lines.append(f"without the model another outcome in   {rate_text(found.determined)}")
    if found.followed_then is not None and found.asked:
        lines.append(
            f"that was the outcome at the time in    {rate_text(found.followed_then)}"
            + (f"  {ALARM}" if found.alarm else "")
        )
    return stacked(lines)


def moment(time_us: int) -> str:
    """A time to the second."""
    return format_time(time_us - time_us % SECOND_US)


def rate_text(rate: Rate) -> str:
    """A share with its interval."""
    if rate.millionths is None:
        return "-"
    low, high = ((end or 0) / 10_000 for end in (rate.low_millionths, rate.high_millionths))
    return f"{percent(rate.millionths)} ({low:.2f}-{high:.2f} %)"


def points(millionths: int | None) -> str:
    """A difference of shares in percentage points."""
    return "-" if millionths is None else f"{millionths / 10_000:+.2f}"


def keeps_text(at: int | None) -> str:
    """The threshold that keeps a share."""
    return "-" if at is None else threshold_text(at)
