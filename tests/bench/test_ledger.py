"""The benchmark of the ledger, small: every side really keeps its records."""

from __future__ import annotations

from pathlib import Path

from bench.ledger import make_inputs, measure


def test_every_side_keeps_what_it_is_given(tmp_path: Path) -> None:
    """The benchmark would time something else than durable records."""
    (found,) = measure(make_inputs(300), rounds=1, place=tmp_path)
    assert set(found) == {"raw", "sqlmodel", "file 32", "ours 32", "file 128", "ours 128"}
    assert all(rate > 0 for rate in found.values())
    assert list(tmp_path.iterdir()) == []
