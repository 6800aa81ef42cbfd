"""What watching models found as one page of HTML that needs nothing else and can be sent on.

No script, no network, nothing of a payment in the clear. Everything that comes from a policy is
escaped: the template does it, and only charts, which are built node by node, are let through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import Environment
from markupsafe import Markup, escape

from tidegate.simulation.charts import Point, series
from tidegate.simulation.comparison_page import (
    interval,
    number,
    page_environment,
    read_page,
    thousandths,
    unbroken,
)
from tidegate.simulation.model_alarms import cause_said, decimals, times
from tidegate.simulation.monitoring_charts import Pair, Spread, forest, paired_bars
from tidegate.simulation.monitoring_report import (
    agreement_name,
    interval_text,
    keeps_text,
    moment,
    name_of,
    pair_name,
    pair_said,
    points,
    rate_text,
)
from tidegate.simulation.monitoring_result import ModelMonitoring, Monitoring
from tidegate.simulation.report_pieces import date_of, percent
from tidegate.simulation.score_thresholds import score_text, threshold_text

TERMS_SHOWN = 12
SPREADS_SHOWN = 16


def to_html(found: Monitoring) -> str:
    """The page."""
    return (
        _environment()
        .get_template("monitoring.html.jinja")
        .render(
            title=f"Models of {found.policy}",
            css=Markup(read_page("comparison.css")),  # noqa: S704 - a file of this package
            found=found,
            alarms=list(found.alarms),
        )
    )


def _environment() -> Environment:
    made = page_environment()
    made.filters.update(
        agreement=agreement_name,
        attribution=_attribution,
        cause=cause_said,
        decimals=decimals,
        distributions=_distributions,
        figure=interval_text,
        interval=interval,
        keeps=keeps_text,
        moment=moment,
        name=name_of,
        number=number,
        pair_name=pair_name,
        pair_said=pair_said,
        parity=_parity,
        percent=percent,
        points=points,
        rate=rate_text,
        ratio=_ratio,
        reliability=_reliability,
        score=score_text,
        threshold=threshold_text,
        thousandths=thousandths,
        times=times,
        told=_told,
        unbroken=unbroken,
        weeks=_weeks,
    )
    return made


@dataclass(frozen=True, slots=True)
class _Chart:
    title: str
    svg: Markup
    open: bool = True


def _chart(title: str, svg: str, *, opened: bool = True) -> _Chart:
    return _Chart(title, Markup(svg), opened)  # noqa: S704 - built node by node


def _distributions(model: ModelMonitoring) -> Iterator[_Chart]:
    """The score, and every input; those that alarm lie open."""
    for place, shift in enumerate(model.shifts):
        pairs = [Pair(bar.name, bar.before, bar.now) for bar in shift.bars]
        if pairs:
            told = f"{len(pairs)} bins; index {decimals(shift.psi)}"
            svg = paired_bars(f"Distribution of {shift.name}", told, pairs)
            title = f"{'Score' if place == 0 else 'Input'} {shift.name}"
            yield _chart(title, svg, opened=place == 0 or shift.alarm)


def _weeks(model: ModelMonitoring) -> Iterator[_Chart]:
    for drift in model.thresholds:
        weeks = [week for week in drift.weeks if week.whole]
        if len(weeks) < 2:
            continue
        found = tuple(
            Point(
                date_of(week.day),
                drift.before.millionths,
                week.share.millionths,
                week.share.low_millionths,
                week.share.high_millionths,
                False,
            )
            for week in weeks
        )
        title = f"Scores {threshold_text(drift.at)}, week by week"
        told = (
            f"{len(weeks)} weeks; {percent(drift.before.millionths)} in the reference week,"
            f" {percent(weeks[-1].share.millionths)} in the last"
        )
        yield _chart(title, series(title, found, told))


def _reliability(model: ModelMonitoring) -> Iterator[_Chart]:
    if model.calibration is None:
        return
    found = tuple(
        Point(
            f"{b.mean / 10_000:.2g} %",
            b.mean,
            b.fraud.millionths,
            b.fraud.low_millionths,
            b.fraud.high_millionths,
            False,
        )
        for b in model.calibration.bins
    )
    title = "What the scores expect and what came, by mean score"
    told = f"{len(found)} bins; mean gap {decimals(model.calibration.ece)}"
    yield _chart(title, series(title, found, told))


def _attribution(model: ModelMonitoring) -> Iterator[_Chart]:
    ordered = sorted(model.attribution, key=lambda term: -max(term.before, term.now))
    pairs = [Pair(" with ".join(t.inputs), t.before, t.now) for t in ordered[:TERMS_SHOWN]]
    told = f"{len(pairs)} inputs, the largest first"
    yield _chart("", paired_bars("Shares of all contributions", told, pairs))


def _parity(model: ModelMonitoring) -> Iterator[_Chart]:
    for what in dict.fromkeys(one.what for one in model.parity):
        spreads = [
            Spread(f"{one.field} {one.value}", one.ratio, one.ratio_low, one.ratio_high, one.alarm)
            for one in model.parity
            if one.what == what and (one.rate.hits or one.others.hits)
        ]
        if spreads:
            title = f"{what.replace('_', ' ').capitalize()}: each segment beside all others"
            told = f"{len(spreads)} segments; " + ", ".join(
                f"{spread.name} {times(spread.value)}" for spread in spreads[:SPREADS_SHOWN]
            )
            yield _chart(title, forest(title, told, spreads[:SPREADS_SHOWN]))


def _told(text: str) -> Markup:
    """A sentence, with what stands between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(unbroken(text)))))  # noqa: S704 - escaped


_CODE = re.compile(r"`([^`]*)`")


def _ratio(millionths: int | None) -> str:
    return "-" if millionths is None else f"{millionths / 1_000_000:.2f}"
