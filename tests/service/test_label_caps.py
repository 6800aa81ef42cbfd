"""How many labels one source may report in an hour."""

from __future__ import annotations

from tidegate.service.label_caps import LabelCaps

MINUTE_US = 60 * 10**6


def test_a_source_has_so_many_in_any_hour() -> None:
    """Twice the cap would fit around the turn of an hour."""
    caps = LabelCaps(5)
    assert all(caps.take("a", 1, 59 * MINUTE_US) for _ in range(5))
    assert not caps.take("a", 1, 61 * MINUTE_US)
    assert caps.take("b", 5, 61 * MINUTE_US)
    assert not caps.take("b", 1, 61 * MINUTE_US)
    assert not caps.take("a", 1, 118 * MINUTE_US)
    assert caps.take("a", 5, 119 * MINUTE_US)


def test_what_is_refused_costs_nothing() -> None:
    """A source that goes on sending would never be heard again."""
    caps = LabelCaps(5)
    assert caps.take("a", 4, 0)
    assert not caps.take("a", 2, 0)
    assert caps.take("a", 1, 0)
    assert not LabelCaps(0).take("a", 1, 0)


def test_somebody_is_told_once_an_hour() -> None:
    caps = LabelCaps(1)
    assert caps.is_new("a", 0)
    assert not caps.is_new("a", 59 * MINUTE_US)
    assert caps.is_new("b", 59 * MINUTE_US)
    assert caps.is_new("a", 60 * MINUTE_US)


def test_sources_are_bounded() -> None:
    """Names that an attacker makes up would fill the memory."""
    caps = LabelCaps(1, most=10)
    for number in range(1_000):
        caps.take(str(number), 1, 0)
    assert len(caps._sources) == 10
    assert caps.take("0", 1, 0)
