"""What differs between the files of two versions of a model, and between their cards.

A declaration says what a model may; its file is what it does. The card's figures are each of its
own test window, so that they are held beside each other and not subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tidegate.engine.differences import Detail
from tidegate.engine.values import format_decimal
from tidegate.models.cards import Card, Metric, Window
from tidegate.rules.models import LoadedModel, StoppedModel

SHOWN_HASH = 12
"""So many digits of a file's hash tell files apart for people; the registry holds it whole."""
_WHOLE_TEST = "all"
_METRICS: Final = (("auc", "AUC"), ("average_precision", "average precision"))
_NO_CARD = "no card that can be read"
_NOT_TOLD = "not told"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What lies behind a model's declaration: nothing of an external one."""

    model: LoadedModel | StoppedModel | None = None
    card: Card | None = None


def file_details(old: ModelFiles, new: ModelFiles) -> Iterator[Detail]:
    """File, family and the cards' figures, where they differ."""
    files = _file(old.model), _file(new.model)
    if files[0] == files[1]:
        return
    yield Detail("file", *files, "authority")
    families = _family(old.model), _family(new.model)
    if families[0] != families[1]:
        yield Detail("family", *families, "authority")
    if old.card is None and new.card is None:
        return
    if old.card is None or new.card is None:
        was, now = (_NO_CARD if one.card is None else _of_test(one.card) for one in (old, new))
        yield Detail("card", was, now, "none")
        return
    yield from _cards(old.card, new.card)


def _cards(old: Card, new: Card) -> Iterator[Detail]:
    for what, was, now in (
        ("trained on", _window(old.train_window), _window(new.train_window)),
        ("tested on", _window(old.test_window), _window(new.test_window)),
        *((name, _metric(old, key), _metric(new, key)) for key, name in _METRICS),
    ):
        if was != now:
            yield Detail(what, was or _NOT_TOLD, now or _NOT_TOLD, "none")


def _of_test(card: Card) -> str:
    """The figures of a card in one line."""
    figures = (f"{name} {_metric(card, key)}" for key, name in _METRICS if _metric(card, key))
    return ", ".join((f"trained on {_window(card.train_window)}", *figures))


def _file(model: LoadedModel | StoppedModel | None) -> str:
    if isinstance(model, StoppedModel):
        return "no version may serve"
    return "" if model is None else model.hash[:SHOWN_HASH]


def _family(model: LoadedModel | StoppedModel | None) -> str:
    return model.portable.family.replace("_", " ") if isinstance(model, LoadedModel) else ""


def _window(window: Window) -> str:
    return f"{window.start} to before {window.end}" if window.is_known else _NOT_TOLD


def _metric(card: Card, name: str) -> str:
    """A figure over the whole test, with its interval; empty where the card has none."""
    found = [m for m in card.metrics if (m.name, m.part) == (name, _WHOLE_TEST)]
    return _figure(found[0]) if found else ""


def _figure(metric: Metric) -> str:
    if metric.value is None:
        return "too few to tell"
    if metric.low is None or metric.high is None:
        return _three(metric.value)
    return f"{_three(metric.value)} ({_three(metric.low)} to {_three(metric.high)})"


def _three(millionths: int) -> str:
    """Three decimals."""
    return format_decimal(round(millionths / 1000), 3)
