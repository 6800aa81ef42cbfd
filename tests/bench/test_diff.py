"""The benchmark of comparisons: with a snapshot and without it, every figure is the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.diff import main


def test_the_handbook_compared(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seconds would be measured of something that is wrong."""
    assert shared.is_dir()
    main(["--plain", "--folder", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "of 1,754,155 rows decided by both" in printed
    assert printed.endswith("every figure is the same\n")
