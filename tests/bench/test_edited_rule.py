"""The benchmark of an edited rule, small: the edited run says what a full one says."""

from __future__ import annotations

from pathlib import Path

from bench.edited_rule import measure


def test_an_edited_run_is_a_full_run(tmp_path: Path) -> None:
    """The benchmark would time something else than a dry run."""
    figures, comparison = measure(tmp_path, rows=20_000, rules=60, edits=3)

    assert figures.equal
    assert figures.rows_decided[-1] > 0
    assert "rows decided again" in comparison
