"""Whole square roots of columns: binary floating point proposes, integers decide."""

from __future__ import annotations

import numpy as np

from tidegate.engine.column_batch import Wide


def whole_root(squares: Wide) -> Wide:
    """The greatest whole number whose square is no greater; of 0 to 2**62."""
    root: Wide = np.sqrt(squares.astype(np.float64)).astype(np.int64)
    root -= root * root > squares
    root += (root + 1) * (root + 1) <= squares
    return root
