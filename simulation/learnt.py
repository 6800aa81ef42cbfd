"""What the card of a policy's model says of the times that it learnt from and was tested on."""

from __future__ import annotations

from tidegate.engine.decision import Policy
from tidegate.engine.values import NotHeldError, parse_time
from tidegate.models.cards import Card, Window
from tidegate.rules.models import LoadedModel


def learnt_from(policy: Policy, model: str) -> Window | None:
    """The window of the training; None where no card tells it."""
    card = _card(policy, model)
    return None if card is None else _readable(card.train_window)


def known_until_us(policy: Policy, model: str) -> int | None:
    """Up to when the author has looked at this model's figures: the end of its test, else of its
    training.
    """
    card = _card(policy, model)
    if card is None:
        return None
    window = _readable(card.test_window) or _readable(card.train_window)
    return None if window is None else parse_time(window.end)


def _card(policy: Policy, model: str) -> Card | None:
    loaded = policy.models.get(model)
    return (
        loaded.card if isinstance(loaded, LoadedModel) and isinstance(loaded.card, Card) else None
    )


def _readable(window: Window) -> Window | None:
    """A card may be written by hand."""
    try:
        parse_time(window.start)
        parse_time(window.end)
    except NotHeldError:
        return None
    return window
