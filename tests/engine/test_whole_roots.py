"""Whole roots of columns beside those of Python."""

from __future__ import annotations

from math import isqrt

import numpy as np

from tidegate.engine.whole_roots import whole_root


def test_a_root_is_whole_beside_every_square() -> None:
    """Beyond 2**53 floating point takes what lies just below a square for the square."""
    roots = [*range(300), 2**26, 94_906_267, 2**30 - 1, 2**30, 2**31 - 1, 2**31]
    squares = [k * k + step for k in roots for step in (-1, 0, 1) if 0 <= k * k + step <= 2**62]

    assert whole_root(np.array(squares, np.int64)).tolist() == [isqrt(s) for s in squares]
