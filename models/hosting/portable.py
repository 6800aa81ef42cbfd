"""Our own models behind the walls: read, checked in full and compiled in the worker."""

from __future__ import annotations

from tidegate.models.reading import read_model
from tidegate.models.scoring import Scorer, compile_scorer


def load(content: bytes) -> Scorer:
    """The scorer of a portable model's JSON."""
    return compile_scorer(read_model(content))
