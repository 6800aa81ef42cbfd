"""Two revisions of the shipped card policy, compared once over its history."""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conftest import ROOT
from tidegate.rules.gate import Segments
from tidegate.rules.revisions import read_folder
from tidegate.simulation.comparison import Comparison
from tidegate.simulation.diff import compare

CARD = ROOT / "examples" / "card"
SEGMENTS = (Segments("channel"), Segments("amount", (5_000, 50_000)))
EVENT = "card_payment"
NASTY = '<script>alert("x")</script> | @everyone [a](https://evil.example) `b` #12'
"""A text of a rule that no report may take for anything but text."""

EDITS = {
    "rules.tide": [
        ("fraud_score >= 0.85 and amount > 50 EUR", "fraud_score >= 0.95 and amount > 50 EUR"),
        ("amount > large", "amount > large and amount > 30 EUR"),
        ("declines_1h >= 4", "declines_1h >= 2"),
        ("spend_24h > 2000 EUR and tries_24h >= 3", "spend_24h > 300 EUR"),
        (
            '"Small payments in a burst look like card testing"',
            '"' + NASTY.replace('"', '\\"') + '"',
        ),
    ]
}


def edited(folder: Path) -> Path:
    """A copy of the card policy with the edits."""
    shutil.copytree(CARD, folder)
    for name, edits in EDITS.items():
        text = (folder / name).read_text(encoding="utf-8")
        for old, new in edits:
            assert old in text, old
            text = text.replace(old, new)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@lru_cache(maxsize=1)
def comparison() -> Comparison:
    """The comparison, with segments by channel and by amount."""
    with TemporaryDirectory() as folder:
        after = edited(Path(folder) / "card")
        found = compare(
            read_folder(CARD, "main"),
            read_folder(after, "card"),
            after / "mapping.yaml",
            key=b"k" * 16,
            by={EVENT: SEGMENTS},
        )
    return found.comparison
