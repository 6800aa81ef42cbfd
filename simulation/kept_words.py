"""The outcome of every decision of a snapshot by one policy, a byte each."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tidegate.dsl.program import EventType
from tidegate.engine.decision import Policy
from tidegate.simulation.measures import Small
from tidegate.simulation.plain_program import fingerprint

FOLDER = "outcomes"
MOST_KEPT = 4
"""Of the last so many policies; older ones are deleted."""


class KeptWords:
    """The file of one policy's outcomes, called by the hash of what they hang on."""

    def __init__(self, folder: Path, policy: Policy, event: EventType) -> None:
        models = tuple(policy.program.model(name) for name in event.models)
        self.folder = folder / FOLDER
        self.path = self.folder / fingerprint((event, models), policy.lists)

    def read(self, rows: int) -> Small | None:
        """The outcomes, as positions in `WORDS`; None where they were not kept, or not whole."""
        try:
            found = np.fromfile(self.path, np.int8)
        except OSError:
            return None
        return found if len(found) == rows else None

    def keep(self, words: Small) -> None:
        """Keep them, and of older ones the last few."""
        self.folder.mkdir(exist_ok=True)
        partial = self.path.with_suffix(f".{os.getpid()}")
        words.astype(np.int8).tofile(partial)
        partial.replace(self.path)
        by_age = sorted(self.folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        for path in by_age[:-MOST_KEPT]:
            path.unlink(missing_ok=True)
