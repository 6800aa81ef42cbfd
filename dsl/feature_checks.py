"""Checking of features and labels: what is counted, by which keys, and what may be read of it."""

from __future__ import annotations

from typing import cast

from tidegate.dsl import tree
from tidegate.dsl.calls import zone_of
from tidegate.dsl.expressions import Typer
from tidegate.dsl.literals import duration_us
from tidegate.dsl.nodes import field_input
from tidegate.dsl.periods import REACH_US
from tidegate.dsl.program import (
    Aggregate,
    Expression,
    Feature,
    Field,
    Label,
    Period,
)
from tidegate.dsl.shared_checks import inputs, is_event, no_field, own_fields_only
from tidegate.dsl.source import Span
from tidegate.dsl.types import (
    COUNT,
    DURATION,
    TIME,
    Kind,
    Type,
)

MAX_WINDOW_US = 10 * 366 * 86_400 * 10**6
_KEY_KINDS = {Kind.TEXT, Kind.TOKEN, Kind.COUNTRY, Kind.IP, Kind.WORD, Kind.COUNT, Kind.FLAG}
_OF_TIME = ("first_at", "last_at", "since_first", "since_last")
_LENGTHS = {
    word: f"write `calendar {period}`"
    for period in REACH_US for word in (period, f"this_{period}", f"current_{period}")
} | {"today": "write `calendar day`"}  # fmt: skip
_SUMMED = {Kind.COUNT, Kind.NUMBER, Kind.MONEY, Kind.DURATION}


def check_label(typer: Typer, declared: tree.LabelDeclaration) -> Label | None:
    """A label with the events that report it."""
    assert declared.event is not None
    assert declared.after is not None
    if not is_event(typer, declared.event):
        return None
    after = duration_us(declared.after.spelling)
    label = Label(declared.name.text, declared.event.text, after, declared.name.span)
    if declared.source is None or declared.matching is None:
        return label
    if not is_event(typer, declared.source):
        return None
    matching = typer.fields[declared.source.text].get(declared.matching.text)
    if matching is None:
        no_field(typer, declared.matching, declared.source.text)
        return None
    _check_matching(typer, declared.matching, matching, declared.event.text)
    where = None
    if declared.where is not None:
        where = typer.condition(declared.where, declared.source.text)
        if where is None:
            return None
        own_fields_only(typer, where, "the `where` of a label")
    return Label(
        label.name, label.event, after, label.span, declared.source.text, matching.name, where
    )


def _check_matching(typer: Typer, name: tree.Name, matching: Field, event: str) -> None:
    """A label finds its event by the key, so what it matches must be able to equal one."""
    key = next((f for f in typer.names.events[event].fields if f.key), None)
    field = typer.fields[event].get(key.name.text) if key else None
    if field is not None and field.form != matching.form:
        typer.error(
            "TG604",
            f"`{name.text}` ({matching.form}) never equals `{field.name}` ({field.form}), the key "
            f"of `{event}`",
            name.span,
            f"match a {field.type} that holds the key of the event that is labelled",
        )


def check_feature(typer: Typer, declared: tree.FeatureDeclaration) -> Feature | None:
    """A feature: its keys, its window, and what it reads of the counted events."""
    assert declared.event is not None
    if not is_event(typer, declared.event):
        return None
    event = declared.event.text
    keys = [_key(typer, own, counted, event) for own, counted in declared.keys]
    operand = _operand(typer, declared, event)
    where = typer.condition(declared.where, event) if declared.where is not None else None
    window, zone = _window(typer, declared)
    delay = 0 if declared.delay is None else duration_us(declared.delay.spelling)
    if delay > MAX_WINDOW_US and declared.delay is not None:
        typer.error("TG602", "a window lies at most ten years back", declared.delay.span)
    if zone is None or None in keys or (declared.where is not None and where is None):
        return None
    if declared.aggregate != "count" and operand is None:
        return None
    labels = _labels_read(typer, [e for e in (operand, where) if e is not None], delay)
    return Feature(
        name=declared.name.text,
        aggregate=cast("Aggregate", declared.aggregate),
        event=event,
        type=_feature_type(declared.aggregate, operand),
        span=declared.name.span,
        operand=operand,
        keys=tuple(k for k in keys if k is not None),
        window_us=window,
        delay_us=delay,
        where=where,
        labels=labels,
        period=cast("Period", declared.period.text) if declared.period else None,
        zone=zone,
    )


def _window(typer: Typer, declared: tree.FeatureDeclaration) -> tuple[int, str | None]:
    """How far the window reaches back at most, and the zone of its calendar; None: it is wrong."""
    if declared.period is not None:
        return REACH_US[cast("Period", declared.period.text)], zone_of(typer, declared.zone)
    if declared.window is None:
        assert declared.window_name is not None
        typer.error(
            "TG602",
            "the length of a window is written here; only a template takes it from its uses",
            declared.window_name.span,
            _LENGTHS.get(declared.window_name.text, "write it as in `10m`"),
        )
        return 0, None
    window = duration_us(declared.window.spelling)
    if not 0 < window <= MAX_WINDOW_US:
        typer.error(
            "TG602", "a window is longer than nothing and at most ten years", declared.window.span
        )
    return window, ""


def _key(typer: Typer, own: tree.Name, counted: tree.Name, event: str) -> tuple[str, str] | None:
    field = typer.fields[event].get(counted.text)
    if field is None:
        no_field(typer, counted, event)
        return None
    if field.type.kind not in _KEY_KINDS:
        typer.error("TG603", f"a {field.type} is no key", counted.span, "keys are tokens, texts, …")
        return None
    return own.text, counted.text


def _operand(typer: Typer, declared: tree.FeatureDeclaration, event: str) -> Expression | None:
    if declared.aggregate == "count":
        return None
    if declared.aggregate in _OF_TIME:
        at = typer.fields[event].get("at")
        return None if at is None else field_input(at, declared.span)
    assert declared.operand is not None
    reference = tree.Reference(declared.operand.span, declared.operand.text)
    operand = typer.value(reference, event)
    if operand is None:
        return None
    kind = operand.type.kind
    allowed = kind in _SUMMED or (
        declared.aggregate in ("minimum", "maximum") and kind is Kind.TIME
    )
    if declared.aggregate != "distinct" and not allowed:
        typer.error(
            "TG601", f"there is no {declared.aggregate} of a {operand.type}", declared.operand.span
        )
        return None
    return operand


def _feature_type(aggregate: str, operand: Expression | None) -> Type:
    if aggregate in ("count", "distinct") or operand is None:
        return COUNT
    if aggregate in _OF_TIME:
        return DURATION if aggregate.startswith("since") else TIME
    return operand.type


def _labels_read(typer: Typer, parts: list[Expression], delay: int) -> tuple[str, ...]:
    """The labels that a feature reads; what else it must not read is reported."""
    labels: set[str] = set()
    for node, span in (found for part in parts for found in inputs(part)):
        if node.source in ("score", "lookup"):
            typer.error(
                "TG605",
                f"a feature reads the counted event's own fields and its label; `{node.name}` "
                f"is a {node.source}",
                span,
            )
        if node.source == "label":
            labels.add(node.name)
            _check_delay(typer, node.name, span, delay)
    return tuple(sorted(labels))


def _check_delay(typer: Typer, label: str, span: Span, delay: int) -> None:
    known = typer.names.labels[label]
    assert known.after is not None
    if delay < duration_us(known.after.spelling):
        typer.error(
            "TG606",
            f"label `{label}` is known after {known.after.spelling}, and this feature does "
            "not wait for it",
            span,
            f"add `delayed {known.after.spelling}` after the window",
            ((known.name.span, "the label is here"),),
        )
