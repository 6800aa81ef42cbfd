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

from tidegate.dsl.program import Program, Rule
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


class RuleTexts:
    """The rules of a program, each encoded once: to be kept, and to be known again."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.texts = {
            event.name: {rule.id: _text(rule) for rule in event.rules}
            for event in program.events
            if event.decided
        }

    def read(self, event: str, texts: Mapping[str, str]) -> tuple[Rule, ...]:
        """The rules that were kept; those that this program has, too, are the same objects."""
        mine = self.texts.get(event, {})
        known = {r.id: r for r in self.program.event(event).rules} if mine else {}
        return tuple(
            known[id_] if mine.get(id_) == text else decode(json.loads(text))
            for id_, text in texts.items()
        )


def _text(part: object) -> str:
    return json.dumps(encode(part), separators=(",", ":"))


def save_baseline(folder: Path, baseline: Baseline, rules: RuleTexts, name: str = NAME) -> None:
    """Keep it instead of the one before; `rules` are those of its program."""
    plain = {
        "program": encode(_without_rules(baseline.program)),
        "rules": rules.texts,
        "lists": dict(baseline.lists),
        "frames": dict(baseline.frames),
        "tallies": {name: tally_sums.to_plain(t) for name, t in baseline.tallies.items()},
    }
    text = json.dumps(plain, separators=(",", ":"))
    partial = folder / f"{name}.{os.getpid()}"
    partial.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}", encoding="ascii")
    partial.replace(folder / name)


def load_baseline(folder: Path, rules: RuleTexts, name: str = NAME) -> Baseline | None:
    """The last run; None where there is none that can be read. `rules` are those of this run."""
    try:
        digest, text = (folder / name).read_text(encoding="ascii").split("\n", 1)
    except (OSError, ValueError):
        return None
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        return None
    plain: dict[str, Any] = json.loads(text)
    program: Program = decode(plain["program"])
    events = tuple(
        replace(event, rules=rules.read(event.name, plain["rules"][event.name]))
        for event in program.events
    )
    return Baseline(
        program=replace(program, events=events),
        lists=plain["lists"],
        frames=plain["frames"],
        tallies={name: tally_sums.from_plain(t) for name, t in plain["tallies"].items()},
    )


def _without_rules(program: Program) -> Program:
    """The program without rules and without what no evaluation of a rule reads."""
    events = tuple(replace(e, lets=(), rules=()) for e in program.events if e.decided)
    return replace(
        program, events=events, features=(), labels=(), params=(), guarantees=(), grants=()
    )
