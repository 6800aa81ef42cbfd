"""Charts as SVG that needs nothing else: no script, no font, no network.

Each has a title and a description for those who do not see it; the page shows the same figures in
a table. Colours are classes of the page's style sheet, and no meaning hangs on a colour alone: what
is before is hollow and dashed, what is after is filled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from tidegate.simulation.measures import MILLION

WIDTH, HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 14, 16, 40
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Point:
    """One place of a series: a share before and after in millionths, None where there is none.

    `low` and `high` are the interval of the share after. `open`: it may still change.
    """

    label: str
    before: int | None
    after: int | None
    low: int | None
    high: int | None
    open: bool


def series(title: str, points: Sequence[Point], told: str = "") -> str:
    """Shares over time, before and after, with the interval of those after.

    `told` is the chart in words, for another series than one of weeks before and after a change.
    """
    highest = max(
        (v for p in points for v in (p.before, p.after, p.high) if v is not None), default=0
    )
    top = round_up(highest)
    svg = new_chart(title, told or _told(points), WIDTH, HEIGHT)
    if any(point.open for point in points):
        _shade(svg, points)
    _axis(svg, top)
    for place, point in enumerate(points):
        x = _x(place, len(points))
        if point.low is not None and point.high is not None:
            line(svg, "interval", (x, _y(point.low, top)), (x, _y(point.high, top)))
    _path(svg, "before", [(i, p.before) for i, p in enumerate(points)], len(points), top)
    _path(svg, "after", [(i, p.after) for i, p in enumerate(points)], len(points), top)
    step = -(-len(points) // 6)
    for place in range(0, len(points), step):
        text(svg, points[place].label, _x(place, len(points)), HEIGHT - 12, "middle")
    return tostring(svg, encoding="unicode")


def _told(points: Sequence[Point]) -> str:
    """The chart in words."""
    known = [point for point in points if point.after is not None]
    if not known:
        return "Nothing is known yet."
    first, last = known[0], known[-1]
    return (
        f"{len(points)} weeks; after the change from {_percent(first.after)} in the week of "
        f"{first.label} to {_percent(last.after)} in that of {last.label}."
    )


def _percent(millionths: int | None) -> str:
    return "-" if millionths is None else f"{millionths / 10_000:.2f} %"


def round_up(value: int) -> int:
    """A round share that is at least `value`: the top of the axis."""
    for size in (1_000, 10_000, 100_000):
        for factor in (1, 2, 5):
            if value <= size * factor:
                return size * factor
    return MILLION


def new_chart(title: str, told: str, width: int, height: int) -> Element:
    """A chart without anything in it; `told` says in words what it will show."""
    svg = Element(
        "svg", {
            "viewBox": f"0 0 {width} {height}", "role": "img", "class": "chart",
            "xmlns": "http://www.w3.org/2000/svg",
        },
    )  # fmt: skip
    SubElement(svg, "title").text = title
    SubElement(svg, "desc").text = told
    return svg


def _shade(svg: Element, points: Sequence[Point]) -> None:
    """Behind the weeks whose labels may still come."""
    first = next(place for place, point in enumerate(points) if point.open)
    left = _x(first, len(points)) - _step(len(points)) / 2
    width = WIDTH - _RIGHT - left
    attributes = {"class": "open", "x": f"{left:.1f}", "y": f"{_TOP}", "width": f"{width:.1f}",
                  "height": f"{HEIGHT - _TOP - _BOTTOM}"}  # fmt: skip
    SubElement(svg, "rect", attributes)


def _axis(svg: Element, top: int) -> None:
    for tick in range(_TICKS + 1):
        value = top * tick // _TICKS
        y = _y(value, top)
        line(svg, "grid", (_LEFT, y), (WIDTH - _RIGHT, y))
        text(svg, f"{value / 10_000:g} %", _LEFT - 8, y + 6, "end")


def _path(
    svg: Element, name: str, values: Sequence[tuple[int, int | None]], count: int, top: int
) -> None:
    for run in _runs(values):
        spots = [(_x(place, count), _y(value, top)) for place, value in run]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        SubElement(svg, "polyline", {"class": f"line {name}", "points": drawn})
        for x, y in spots:
            SubElement(
                svg,
                "circle",
                {"class": f"dot {name}", "cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "5"},
            )


def _runs(values: Sequence[tuple[int, int | None]]) -> Iterator[list[tuple[int, int]]]:
    """The stretches without a gap."""
    run: list[tuple[int, int]] = []
    for place, value in values:
        if value is not None:
            run.append((place, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _step(count: int) -> float:
    return (WIDTH - _LEFT - _RIGHT) / max(count, 1)


def _x(place: int, count: int) -> float:
    return _LEFT + _step(count) * (place + 0.5)


def _y(value: int, top: int) -> float:
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - value / top)


def line(svg: Element, name: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A line of this class."""
    places = {"x1": start[0], "y1": start[1], "x2": end[0], "y2": end[1]}
    attributes = {"class": name, **{key: f"{value:.1f}" for key, value in places.items()}}
    SubElement(svg, "line", attributes)


def text(svg: Element, words: str, x: float, y: float, anchor: str) -> None:
    """Words at a place."""
    attributes = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}
    SubElement(svg, "text", attributes).text = words
