"""A card as a page that people read in a review."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from tidegate.dsl.decimals import format_money
from tidegate.dsl.markdown import code, plain
from tidegate.models.cards import ROUND_THRESHOLDS, Card, Metric, ThresholdRow, Window
from tidegate.models.contributions import Contributions

BAR = "\\|"
"""A bar that is part of a cell's text."""

_CALIBRATION = ("mean_score", "share_of_positives")


def card_markdown(card: Card, contributions: Contributions, zone: str) -> bytes:
    """`card.md`, with times of the clock in `zone`."""
    return ("\n".join(_lines(card, contributions, zone)).rstrip("\n") + "\n").encode()


def _lines(card: Card, contributions: Contributions, zone: str) -> Iterator[str]:
    yield f"# Model `{card.model}`, version {card.version}"
    yield ""
    yield f"{_sentence(_text(card.intended_use))} Owner: {_text(card.owner)}."
    yield ""
    yield from _list("Limits", card.limits)
    yield from _list("Not for", card.out_of_scope)
    yield "## Made from"
    yield ""
    yield from _table(("", ""), _facts(card, zone))
    yield "## How good it is"
    yield ""
    yield f"On the test window alone; intervals of 95 %. Of {card.test.rows:,} rows"
    yield f"{card.test.positives:,} are `{card.label}`."
    yield ""
    yield from _metrics(card.metrics)
    yield from _on_calibration(card)
    yield "![What scores say, and what turned out](reliability.svg)"
    yield ""
    yield "## Thresholds"
    yield ""
    yield from _costs(card)
    head = ("score at least", "flagged", "caught", "precision", "recall", "money caught", "cost")
    yield from _table(head, (_threshold(card, row) for row in card.thresholds))
    yield "## What scores are made of"
    yield ""
    yield "Mean absolute contribution over the test window, as a share of all."
    yield ""
    yield from _table(
        ("input", "share"),
        (
            (" and ".join(f"`{n}`" for n in t.inputs), _percent(t.share))
            for t in contributions.terms
        ),
    )
    yield from _list("Notes", card.notes)


def _text(text: str) -> str:
    """Text as it stands; a file mentions nobody, so an address needs nothing put into it."""
    return plain(text).replace("\N{ZERO WIDTH SPACE}", "")


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _list(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"## {title}"
        yield ""
        yield from (f"- {_text(line)}" for line in lines)
        yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(cell.replace('|', BAR) for cell in row)} |" for row in rows)
    yield ""


def _facts(card: Card, zone: str) -> Iterator[tuple[str, str]]:
    yield "family", card.family.replace("_", " ")
    yield "policy, event, label", f"`{card.policy}`, `{card.event}`, `{card.label}`"
    yield "times", f"by the clock in {zone}"
    yield "training", _window(card.train_window, zone)
    seen = f"{card.train.rows:,} rows, {card.train.positives:,} `{card.label}`"
    yield "", seen if card.train.rows else "not seen here"
    yield "labels known before", f"{_local(card.label_cutoff, zone)} (due after {card.label_delay})"
    yield "test", _window(card.test_window, zone)
    yield "", f"{card.test.rows:,} rows, {card.test.positives:,} `{card.label}`"
    yield "split", _pairs(card.split)
    yield "parameters", _pairs(card.parameters)
    yield "libraries", _pairs(card.libraries)
    yield "data", f"`{card.data_hash}`"
    yield "features", f"`{card.features_hash}`"
    yield "`model.json`", f"`{card.model_hash}`"
    found = card.export
    beyond = f"{found.beyond} beyond the bound of {found.bound}"
    said = f"{found.rows:,} rows: at most {found.largest_difference} apart, {beyond}"
    yield "against the library's own probability", said if found.rows else "not compared"


def _pairs(values: Mapping[str, object]) -> str:
    # Sorted as `card.json` is: the page of a card that was read is the page of the card.
    said = {name: _word(value) for name, value in sorted(values.items()) if value is not None}
    return ", ".join(f"{code(name)} {_text(str(value))}" for name, value in said.items()) or "-"


def _word(value: object) -> object:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def _window(window: Window, zone: str) -> str:
    return f"{_local(window.start, zone)} to before {_local(window.end, zone)}"


def _local(moment: str, zone: str) -> str:
    """A UTC instant as the clock in the zone shows it."""
    return f"{datetime.fromisoformat(moment).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def _metrics(metrics: Sequence[Metric]) -> Iterator[str]:
    names = list(dict.fromkeys(m.name for m in metrics if m.name not in _CALIBRATION))
    by_part: dict[str, dict[str, Metric]] = {}
    for metric in metrics:
        if metric.name not in _CALIBRATION:
            by_part.setdefault(metric.part, {})[metric.name] = metric
    head = ("part", "rows", *(name.replace("_", " ") for name in names))
    rows = (
        (
            _text(part),
            f"{next(iter(found.values())).sample.rows:,}",
            *(_figure(found.get(n)) for n in names),
        )
        for part, found in by_part.items()
    )
    yield from _table(head, rows)


def _on_calibration(card: Card) -> Iterator[str]:
    """That scores are no shares, where they are far from them beside how rare positives are."""
    whole = {metric.name: metric.value for metric in card.metrics if metric.part == "all"}
    error, base = whole.get("calibration_error"), whole.get("base_rate")
    if error is not None and base is not None and 2 * error > base:
        yield (
            f"**Read scores as an order, not as shares.** They are {_percent(error)} away from what"
            f" turned out on average, where {_percent(base)} of all rows are {code(card.label)}."
        )
        yield ""


def _figure(metric: Metric | None) -> str:
    if metric is None or metric.value is None:
        return "-"
    shown = _share(metric.value)
    if metric.low is None or metric.high is None:
        return shown
    return f"{shown} ({_share(metric.low)} to {_share(metric.high)})"


def _share(millionths: int) -> str:
    return f"{millionths / 10**6:.4f}"


def _percent(millionths: int) -> str:
    return f"{millionths / 10_000:.1f} %"


def _costs(card: Card) -> Iterator[str]:
    costs, money = card.costs, card.currency
    cheapest = min(card.thresholds, key=lambda row: row.cost_minor)
    yield (
        f"A missed `{card.label}` costs {_percent(costs.missed_share)} of its amount and"
        f" {format_money(costs.missed_minor, money)}, a false alarm"
        f" {format_money(costs.false_alarm_minor, money)}, every flagged payment"
        f" {format_money(costs.review_minor, money)}. Cheapest on the test window:"
        f" **{_threshold_text(cheapest)}**. It was chosen on the rows that its cost is measured on:"
        " expect somewhat more on new payments."
    )
    yield ""


def _threshold(card: Card, row: ThresholdRow) -> tuple[str, ...]:
    return (
        _threshold_text(row),
        f"{row.flagged:,}",
        f"{row.caught:,}",
        _interval(row.precision, row.precision_low, row.precision_high),
        _interval(row.recall, row.recall_low, row.recall_high),
        format_money(row.caught_minor, card.currency),
        format_money(row.cost_minor, card.currency),
    )


def _threshold_text(row: ThresholdRow) -> str:
    return (
        f"{row.threshold / 10**6:.2f}"
        if row.threshold in ROUND_THRESHOLDS
        else f"{row.threshold / 10**6:.6f}"
    )


def _interval(value: int | None, low: int | None, high: int | None) -> str:
    if value is None or low is None or high is None:
        return "-"
    return f"{_percent(value)} ({_percent(low)} to {_percent(high)})"
