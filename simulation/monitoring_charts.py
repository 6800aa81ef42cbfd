"""Charts of distributions and of ratios, as `charts` makes those over time: SVG and nothing else.

What was is hollow and dashed, what is now is filled, so that no meaning hangs on a colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from xml.etree.ElementTree import Element, SubElement, tostring

from tidegate.simulation.charts import line, new_chart, round_up, text

WIDTH = 640
_NAMES, _RIGHT, _TOP, _ROW, _BOTTOM = 276, 76, 8, 40, 34
_LONGEST_NAME = 27


@dataclass(frozen=True, slots=True)
class Pair:
    """A share then and now, in millionths."""

    name: str
    before: int
    now: int


@dataclass(frozen=True, slots=True)
class Spread:
    """A ratio with its interval, in millionths (above 0); `alarm` is drawn otherwise."""

    name: str
    value: int
    low: int
    high: int
    alarm: bool


def paired_bars(title: str, told: str, pairs: Sequence[Pair]) -> str:
    """Two bars for each name, one below the other."""
    height = _TOP + _ROW * len(pairs) + 4
    svg = new_chart(title, told, WIDTH, height)
    top = round_up(max((max(p.before, p.now) for p in pairs), default=1))
    for place, pair in enumerate(pairs):
        y = _TOP + place * _ROW
        text(svg, _short(pair.name), _NAMES - 10, y + 23, "end")
        for name, value, shift in (("was", pair.before, 3), ("is", pair.now, 18)):
            width = max((WIDTH - _NAMES - _RIGHT) * value / top, 1.0)
            _rect(svg, f"bar-{name}", (_NAMES, y + shift), (width, 13))
        wider = (WIDTH - _NAMES - _RIGHT) * max(pair.before, pair.now) / top
        text(svg, f"{pair.now / 10_000:.1f} %", _NAMES + wider + 6, y + 24, "start")
    return tostring(svg, encoding="unicode")


def forest(title: str, told: str, spreads: Sequence[Spread]) -> str:
    """A ratio a row on a logarithmic axis, with a line where it is 1."""
    height = _TOP + _ROW * len(spreads) + _BOTTOM
    svg = new_chart(title, told, WIDTH, height)
    low = min([0.5, *(s.low / 1_000_000 for s in spreads)])
    high = max([2.0, *(s.high / 1_000_000 for s in spreads)])
    scale = _Scale(log(max(low, 0.1)), log(min(high, 10.0)))
    for tick in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0):
        if scale.low <= log(tick) + 1e-9 and log(tick) - 1e-9 <= scale.high:
            x = scale.x(tick)
            line(svg, "one" if tick == 1 else "grid", (x, _TOP), (x, height - _BOTTOM))
            text(svg, f"{tick:g} x", x, height - 10, "middle")
    for place, spread in enumerate(spreads):
        y = _TOP + place * _ROW + _ROW / 2
        text(svg, _short(spread.name), _NAMES - 10, y + 6, "end")
        ends = (scale.x(spread.low / 1_000_000), scale.x(spread.high / 1_000_000))
        line(svg, "interval", (ends[0], y), (ends[1], y))
        mark = {"cx": f"{scale.x(spread.value / 1_000_000):.1f}", "cy": f"{y:.1f}", "r": "6"}
        SubElement(svg, "circle", {"class": "dot alarm" if spread.alarm else "dot after", **mark})
    return tostring(svg, encoding="unicode")


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float

    def x(self, ratio: float) -> float:
        place = (log(max(ratio, 1e-6)) - self.low) / (self.high - self.low)
        return _NAMES + (WIDTH - _NAMES - 24) * min(max(place, 0.0), 1.0)


def _short(name: str) -> str:
    return (
        name
        if len(name) <= _LONGEST_NAME
        else f"{name[: _LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
    )


def _rect(svg: Element, name: str, start: tuple[float, float], size: tuple[float, float]) -> None:
    places = {"x": start[0], "y": start[1], "width": size[0], "height": size[1]}
    attributes = {"class": name, **{key: f"{value:.1f}" for key, value in places.items()}}
    SubElement(svg, "rect", attributes)
