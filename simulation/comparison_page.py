"""A comparison as one page of HTML that needs nothing else and can be sent on.

No script, no network, nothing of a payment in the clear. Everything that comes from a policy is
escaped: the template does it, and only charts, which `charts` builds node by node, are let through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from tidegate.engine.values import format_time
from tidegate.simulation import wording
from tidegate.simulation.charts import Point, series
from tidegate.simulation.comparison import (
    Comparison,
    EventComparison,
    OutcomeShift,
    RateChange,
    Segment,
    Side,
)
from tidegate.simulation.judgement import Judgement
from tidegate.simulation.mapping import WORDS
from tidegate.simulation.measures import MILLION, Rate, Volume
from tidegate.simulation.report_pieces import date_of, percent
from tidegate.simulation.result import WeekResult

_TONES = {"broken": "bad", "undecided": "careful", "kept": "good"}
_EFFECT_TONES = {
    "authority": "bad",
    "weakens": "bad",
    "may_weaken": "careful",
    "changes": "plain",
    "strengthens": "good",
    "none": "plain",
}
_DAYS_OF_WEEK = 7
_FEWEST_WEEKS = 2


def to_html(comparison: Comparison, judgement: Judgement | None = None, command: str = "") -> str:
    """The page. `judgement` where a gate is declared; `command` is what makes the page again."""
    policy = comparison.after.policy or comparison.before.policy
    grouped: dict[str, list[object]] = {key: [] for key in wording.GROUPS}
    for difference in comparison.words.differences:
        grouped[wording.group_of(difference)].append(difference)
    return (
        _environment()
        .get_template("comparison.html.jinja")
        .render(
            title=f"A change of {policy}",
            css=Markup(read_page("comparison.css")),  # noqa: S704 - a file of this package
            comparison=comparison,
            effects=comparison.effects,
            verdict=wording.verdict(comparison, judgement),
            judgement=judgement,
            groups=wording.GROUPS,
            grouped=grouped,
            command=command,
        )
    )


def read_page(name: str) -> str:
    """A file beside the pages of this package."""
    return resources.files("tidegate.simulation").joinpath("pages", name).read_text("utf-8")


def page_environment() -> Environment:
    """What every page is made with: what is put in is escaped, what is not there is an error."""
    return Environment(
        loader=FunctionLoader(read_page),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _environment() -> Environment:
    made = page_environment()
    made.globals.update(
        words=WORDS,
        outcomes=wording.OUTCOMES,
        levels=wording.LEVELS,
        known=wording.KNOWN,
        turns=wording.TURNS,
        tones=_TONES,
        effect_tones=_EFFECT_TONES,
        side=_side,
        matrix=_matrix,
        charts=_charts,
    )
    made.filters.update(
        unbroken=unbroken,
        number=number,
        signed=_signed,
        money=wording.money,
        percent=percent,
        points=wording.points,
        interval=interval,
        width=_width,
        moment=format_time,
        day=_day,
        thousandths=thousandths,
        shift=_shift,
        without=_without,
        approval=_approval,
        limit=wording.limit_words,
        model_change=wording.model_change,
        scores_compared=wording.scores_compared,
    )
    return made


# --- pieces ------------------------------------------------------------------------------------


def _side(side: Side, when: str) -> str:
    if side.absent:
        return f"{when}: {side.name}, where there is no such policy"
    commit = f" ({side.commit[:10]})" if side.commit else ""
    return f"{when}: {side.name}{commit}, {side.rules:,} rules"


@dataclass(frozen=True, slots=True)
class _Cell:
    volume: Volume
    flip: bool


@dataclass(frozen=True, slots=True)
class _Row:
    word: str
    cells: tuple[_Cell, ...]


def _matrix(event: EventComparison) -> Iterator[_Row]:
    found = {(t.before, t.after): t.all for t in event.transitions}
    for before in WORDS:
        cells = tuple(
            _Cell(found.get((before, after), Volume()), before != after) for after in WORDS
        )
        if any(cell.volume.count for cell in cells):
            yield _Row(before, cells)


@dataclass(frozen=True, slots=True)
class _Chart:
    title: str
    points: tuple[Point, ...]
    svg: Markup

    @property
    def open(self) -> bool:
        return any(point.open for point in self.points)


def _charts(event: EventComparison) -> Iterator[_Chart]:
    """Week by week: how many are stopped, and how much of that is fraud."""
    weeks = [pair for pair in _weeks(event) if pair[1].whole]
    if len(weeks) < _FEWEST_WEEKS:
        return
    titles = ["Declined, stepped up or reviewed, week by week"]
    titles += [f"Precision of that, week by week: {event.after.label}"] if event.after.label else []
    for title, name in zip(titles, ("acted_on", "precision"), strict=False):
        points = tuple(_point(event, name, *pair) for pair in weeks)
        if any(point.after is not None for point in points):
            svg = Markup(series(title, points))  # noqa: S704 - built node by node
            yield _Chart(title, points, svg)


def _weeks(event: EventComparison) -> Iterator[tuple[WeekResult | None, WeekResult]]:
    before = {week.day: week for week in event.before.weeks}
    for week in event.after.weeks:
        yield before.get(week.day), week


def _point(
    event: EventComparison, name: str, before: WeekResult | None, after: WeekResult
) -> Point:
    now: Rate = getattr(after, name)
    was: Rate | None = getattr(before, name) if before is not None else None
    ends_us = (after.day + _DAYS_OF_WEEK) * 86_400 * MILLION
    return Point(
        date_of(after.day),
        was.millionths if was is not None else None,
        now.millionths,
        now.low_millionths,
        now.high_millionths,
        name == "precision" and ends_us > event.after.labels_due_before_us,
    )


_UNITS = re.compile(r"(?<=[0-9]) (?=%|points\b|[A-Z]{3}\b)")


def unbroken(text: str) -> str:
    """Numbers stay on one line with their units; an arrow looks like one."""
    return _UNITS.sub("\N{NO-BREAK SPACE}", text).replace(" -> ", " \N{RIGHTWARDS ARROW} ")


def number(count: int | None) -> str:
    """With commas; `-` where there is none."""
    return "-" if count is None else f"{count:,}"


def _signed(number: int) -> str:
    return f"{number:+,}" if number else "0"


def interval(rate: Rate) -> str:
    """The ends of a share's interval, in percent."""
    low, high = ((end or 0) / 10_000 for end in (rate.low_millionths, rate.high_millionths))
    return f"{low:.1f} to {high:.1f}"


def _width(millionths: int | None) -> str:
    return f"{(millionths or 0) / 10_000:.2f}%"


def _day(day: int | None) -> str:
    return "-" if day is None else date_of(day)


def thousandths(count: int) -> str:
    """A number of thousandths, with one decimal at most."""
    return f"{count / 1000:,.1f}".removesuffix(".0")


def _shift(shifts: Sequence[OutcomeShift], word: str) -> str:
    return next((_signed(shift.count) for shift in shifts if shift.word == word), "0")


def _without(rules: Sequence[str], others: Sequence[str]) -> str:
    return ", ".join(rule for rule in rules if rule not in others) or "-"


def _approval(segment: Segment) -> RateChange:
    return next(rate for rate in segment.rates if rate.name == "approve")
