"""The columns' benchmark, small: both sides count the same."""

from __future__ import annotations

from bench.columns import FIFTY, load, measure


def test_polars_and_the_columns_count_the_same() -> None:
    """The benchmark compares two different questions."""
    result = measure(load(FIFTY), rows=3_000, rounds=1)

    assert not result["rules_that_differ"]
    assert result["rules"] == 50
    assert result["fired"] != 0
    assert result["unknown"] != 0
