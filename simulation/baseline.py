"""The last dry run over a snapshot: its rules and what was counted, for the next one to start from.

It is one file with the hash of its content; one that cannot be read is as good as none.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tidegate.dsl.program import Program
from tidegate.engine.column_meaning import ListHashes
from tidegate.simulation import tally_sums
from tidegate.simulation.measures import Tally
from tidegate.simulation.plain_program import decode, encode

NAME = "baseline.json"


@dataclass(frozen=True, slots=True)
class Baseline:
    """`frames` say, per event, what all of its figures hang on besides rules."""

    program: Program
    lists: ListHashes
    frames: Mapping[str, str]
    tallies: Mapping[str, Tally]


def save_baseline(folder: Path, baseline: Baseline) -> None:
    """Keep it instead of the one before."""
    plain = {
        "program": encode(_what_decides(baseline.program)),
        "lists": dict(baseline.lists),
        "frames": dict(baseline.frames),
        "tallies": {name: tally_sums.to_plain(t) for name, t in baseline.tallies.items()},
    }
    text = json.dumps(plain, separators=(",", ":"))
    partial = folder / f"{NAME}.{os.getpid()}"
    partial.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}", encoding="ascii")
    partial.replace(folder / NAME)


def load_baseline(folder: Path) -> Baseline | None:
    """The last run; None where there is none that can be read."""
    try:
        digest, text = (folder / NAME).read_text(encoding="ascii").split("\n", 1)
    except (OSError, ValueError):
        return None
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        return None
    plain: dict[str, Any] = json.loads(text)
    return Baseline(
        program=decode(plain["program"]),
        lists=plain["lists"],
        frames=plain["frames"],
        tallies={name: tally_sums.from_plain(t) for name, t in plain["tallies"].items()},
    )


def _what_decides(program: Program) -> Program:
    """The program without what no evaluation of a rule reads."""
    events = tuple(replace(e, lets=()) for e in program.events if e.decided)
    return replace(
        program, events=events, features=(), labels=(), params=(), guarantees=(), grants=()
    )
