"""The reliability plot of a card: what scores say against what turned out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from xml.etree.ElementTree import Element, SubElement, tostring

from tidegate.models.cards import Card, Metric
from tidegate.simulation.measures import MILLION

WIDTH, HEIGHT = 640, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 92, 30, 58, 72
_TICKS = (0, 10_000, 40_000, 100_000, 250_000, 500_000, MILLION)
_LEAST, _MOST = 3.0, 13.0
_STYLE = (
    "svg{background:#fff;font:15px system-ui,sans-serif}text{fill:#333}"
    ".grid{stroke:#ddd}.ideal{stroke:#888;stroke-dasharray:5 5}"
    ".interval{stroke:#1b5e9e;stroke-width:2}.dot{fill:#1b5e9e;fill-opacity:.75}"
    ".key{font-size:12px}.head{font-weight:600;font-size:17px}"
)
_SVG = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img", "xmlns": "http://www.w3.org/2000/svg"}


@dataclass(frozen=True, slots=True)
class ReliabilityPoint:
    """One bin of scores: shares in millionths, and how many rows it has."""

    mean: int
    share: int
    low: int
    high: int
    rows: int


def points_of(card: Card) -> tuple[ReliabilityPoint, ...]:
    """The bins of the calibration, from the lowest scores up."""
    means = {m.part: m for m in card.metrics if m.name == "mean_score"}
    shares = [m for m in card.metrics if m.name == "share_of_positives"]
    return tuple(_point(means[share.part], share) for share in shares)


def _point(mean: Metric, share: Metric) -> ReliabilityPoint:
    assert mean.value is not None
    assert share.value is not None
    assert share.low is not None
    assert share.high is not None
    return ReliabilityPoint(mean.value, share.value, share.low, share.high, share.sample.rows)


def reliability_plot(card: Card) -> bytes:
    """An SVG that needs nothing else. The area of a dot grows with the logarithm of its rows."""
    points = points_of(card)
    svg = Element("svg", _SVG)
    title = f"{card.model} {card.version}: what scores say, and what turned out"
    SubElement(svg, "title").text = title
    SubElement(svg, "desc").text = _told(card, points)
    SubElement(svg, "style").text = _STYLE
    _text(svg, title, (WIDTH / 2, 26), "middle", **{"class": "head"})
    _axes(svg, card.label)
    _legend(svg)
    _line(svg, "ideal", (_x(0), _y(0)), (_x(MILLION), _y(MILLION)))
    most = max((point.rows for point in points), default=1)
    for point in points:
        _line(svg, "interval", (_x(point.mean), _y(point.low)), (_x(point.mean), _y(point.high)))
        radius = _LEAST + (_MOST - _LEAST) * (point.rows.bit_length() / max(most.bit_length(), 1))
        place = {"cx": f"{_x(point.mean):.1f}", "cy": f"{_y(point.share):.1f}"}
        dot = SubElement(svg, "circle", {"class": "dot", "r": f"{radius:.1f}", **place})
        SubElement(dot, "title").text = _said(point)
    return f"{tostring(svg, encoding='unicode')}\n".encode()


def _told(card: Card, points: Sequence[ReliabilityPoint]) -> str:
    """The plot in words."""
    said = "; ".join(map(_said, points)) or "no scores"
    return f"Of {card.test.rows:,} rows, {card.test.positives:,} are {card.label}. {said}."


def _said(point: ReliabilityPoint) -> str:
    return (
        f"mean score {_percent(point.mean)}: {_percent(point.share)} of {point.rows:,} rows"
        f" ({_percent(point.low)} to {_percent(point.high)})"
    )


def _percent(millionths: int) -> str:
    return f"{millionths / 10_000:.2f} %"


def _axes(svg: Element, label: str) -> None:
    for share in _TICKS:
        _line(svg, "grid", (_x(0), _y(share)), (_x(MILLION), _y(share)))
        _text(svg, f"{share // 10_000} %", (_LEFT - 18, _y(share) + 5), "end")
        _text(svg, f"{share / MILLION:g}", (_x(share), HEIGHT - _BOTTOM + 32), "middle")
    _text(svg, "score", (_x(MILLION // 4), HEIGHT - 12), "middle")
    turned = {"transform": f"rotate(-90 18 {_y(MILLION // 4):.1f})"}
    _text(svg, f"share of {label}", (18, _y(MILLION // 4)), "middle", **turned)


def _legend(svg: Element) -> None:
    """What the marks are, in the corner where few points lie."""
    lines = (
        "dot: rows with scores like these, larger of more",
        "bar: 95 % interval of their share",
        "dashed: where score and share are equal",
        "scales are square roots: rare is visible",
    )
    for place, line in enumerate(lines):
        _text(svg, line, (_LEFT + 10, _TOP + 18 + 18 * place), "start", **{"class": "key"})


def _x(share: int) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * sqrt(share / MILLION)


def _y(share: int) -> float:
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - sqrt(share / MILLION))


def _line(svg: Element, name: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    places = {"x1": start[0], "y1": start[1], "x2": end[0], "y2": end[1]}
    attributes = {"class": name, **{key: f"{value:.1f}" for key, value in places.items()}}
    SubElement(svg, "line", attributes)


def _text(svg: Element, text: str, place: tuple[float, float], anchor: str, **more: str) -> None:
    attributes = {"x": f"{place[0]:.1f}", "y": f"{place[1]:.1f}", "text-anchor": anchor, **more}
    SubElement(svg, "text", attributes).text = text
