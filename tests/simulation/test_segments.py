"""Segments are the same payments, cut by a field."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest

from tests.simulation.changed_policies import CARD, EVENT, comparison
from tidegate.engine.column_batch import IntegerColumn
from tidegate.rules import load_policy
from tidegate.rules.gate import Segments
from tidegate.rules.revisions import read_folder
from tidegate.simulation.comparison import EventComparison, Segment
from tidegate.simulation.diff import compare
from tidegate.simulation.measures import Volume, total
from tidegate.simulation.needs import fields_read
from tidegate.simulation.segments import places_of


def event() -> EventComparison:
    """The compared event."""
    effects = comparison().effects
    assert effects is not None
    return effects.events[0]


def of(field: str) -> list[Segment]:
    """The segments by one field."""
    return [segment for segment in event().segments if segment.field == field]


@pytest.mark.parametrize("field", ["channel", "amount"])
def test_segments_add_up_to_the_whole(field: str) -> None:
    """A payment would belong to two segments, or to none."""
    found, whole = of(field), event()
    assert len(found) > 1
    assert total(segment.all for segment in found) == whole.after.measured
    for place, rate in enumerate(whole.rates[:4]):
        mine = [segment.rates[place] for segment in found]
        assert {change.name for change in mine} == {rate.name}
        assert sum(change.before.hits for change in mine) == rate.before.hits
        assert sum(change.after.hits for change in mine) == rate.after.hits
        assert sum(change.lost for change in mine) == rate.lost
        assert sum(change.gained for change in mine) == rate.gained
    for place, level in enumerate(whole.levels):
        for side in ("before", "after"):
            for name in ("fraud", "good", "missed_fraud", "passed_good"):
                parts = [getattr(getattr(s.levels[place], side), name) for s in found]
                assert total(parts) == getattr(getattr(level, side), name)


def test_a_segment_holds_the_payments_of_its_value() -> None:
    """Names would stand beside the counts of other values."""
    rows = pl.read_csv(CARD / "history" / "payments.csv", infer_schema=False)
    column = next(name for name in rows.columns if "channel" in name)
    counts = Counter(rows[column].to_list())
    order = [segment.value for segment in of("channel")]
    assert order == [name for name, _ in sorted(counts.items(), key=lambda pair: -pair[1])]


def test_a_field_that_no_rule_reads_makes_segments() -> None:
    """All payments would be one segment, of nothing."""
    program = load_policy(CARD).program
    assert "mcc" not in fields_read(program, program.event(EVENT))
    found = compare(
        read_folder(CARD), read_folder(CARD), CARD / "mapping.yaml", by={EVENT: [Segments("mcc")]}
    )
    effects = found.comparison.effects
    assert effects is not None
    values = {segment.value for segment in effects.events[0].segments}
    rows = pl.read_csv(CARD / "history" / "payments.csv", infer_schema=False)
    assert values <= set(rows["mcc"].to_list())
    assert len(values) > 1


def test_bands_hold_their_lower_edge() -> None:
    """A payment of exactly the edge would be counted below it."""
    by = Segments("amount", (5_000, 50_000))
    values = np.array([4_999, 5_000, 49_999, 50_000, 0])
    valid = np.array([True, True, True, True, False])
    places, names = places_of(by, IntegerColumn(values, valid), "EUR")
    assert [names[place] for place in places.tolist()] == [
        "below 50.00 EUR", "50.00 EUR to below 500.00 EUR", "50.00 EUR to below 500.00 EUR",
        "500.00 EUR and more", "missing",
    ]  # fmt: skip


def test_flags_are_named() -> None:
    """A segment would be called 0."""
    column = IntegerColumn(np.array([1, 0, 0]), np.array([True, True, False]))
    places, names = places_of(Segments("gift"), column, "EUR")
    assert [names[place] for place in places.tolist()] == ["true", "false", "missing"]


def test_nothing_is_a_segment_without_rows() -> None:
    """A band that no payment falls into would be judged."""
    assert all(segment.all != Volume() for segment in event().segments)
