"""What a dry run says, as frozen values; `as_json` gives them a stable form of integers and texts.

Money is in minor units, rates are in millionths, times are microseconds since 1970 in UTC, days
are counted from 1970-01-01 in the policy's zone. Everything outside `warm_up` figures leaves the
warm-up out, and rates speak about matured labels only.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Literal

from tidegate.simulation.measures import Detection, Load, Rate, Volume

SCHEMA = "tidegate.backtest/1"
LevelName = Literal["declined", "declined_or_stepped_up", "acted_on"]
StandingName = Literal["live", "shadow", "rollout", "dated"]


@dataclass(frozen=True, slots=True)
class FaultCount:
    """In how many rows a field was refused, by the door's code; an empty field is the row.

    `help` says what to do, where there is anything to say.
    """

    field: str
    code: str
    rows: int
    help: str = ""

    @property
    def said(self) -> str:
        """The field, or the row, with the code."""
        return f"{self.field or 'the row'}: {self.code}"


@dataclass(frozen=True, slots=True)
class NamedRow:
    """A bad row by file, number (from 1) and key; the key is empty where it may not be shown."""

    file: str
    row: int
    key: str
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceResult:
    """What became of the rows of one source; those `after_end` lie after the history's end."""

    event: str
    files: tuple[str, ...]
    rows: int
    accepted: int
    bad: int
    after_end: int
    copies: int
    ties: int
    in_order: bool
    faults: tuple[FaultCount, ...]
    named: tuple[NamedRow, ...]
    invalid: tuple[FaultCount, ...]


@dataclass(frozen=True, slots=True)
class ClassVolumes:
    """Volumes by what is known about them."""

    good: Volume
    fraud: Volume
    not_yet_known: Volume
    past_declined: Volume
    unlabelled: Volume


@dataclass(frozen=True, slots=True)
class OutcomeResult:
    """One outcome: in all, and by what is known."""

    word: str
    all: Volume
    known: ClassVolumes


@dataclass(frozen=True, slots=True)
class LevelResult:
    """How well outcomes from `words` find fraud."""

    name: LevelName
    words: tuple[str, ...]
    detection: Detection


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule. `fired` counts outside the warm-up, `fired_in_warm_up` inside it.

    `acted`: live, and asks for a stop; `alone`: no other rule did; `determining`: it asked for a
    rung that won. `precision` and `recall` are of the rows where it fires.
    """

    id: str
    standing: StandingName
    fired: Volume
    fired_in_warm_up: Volume
    fired_on: ClassVolumes
    unknown: Volume
    silenced: Volume
    acted: Volume
    determining: Volume
    alone: Volume
    alone_fraud: Volume
    alone_good: Volume
    precision: Rate
    recall: Rate


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two rules, one of them live at least, and in how many rows both fire.

    Jaccard is the share of these rows among those in which either does.
    """

    left: str
    right: str
    rows: int
    jaccard_millionths: int


@dataclass(frozen=True, slots=True)
class WeekResult:
    """One week from `day` on: how much was decided and declined, how well.

    `whole`: decisions go on to its end.
    """

    day: int
    whole: bool
    rows: int
    decline: Rate
    acted_on: Rate
    precision: Rate
    recall: Rate


@dataclass(frozen=True, slots=True)
class Change:
    """How many decisions went from the outcome at the time to the one of the dry run."""

    before: str
    after: str
    volume: Volume


@dataclass(frozen=True, slots=True)
class MissingInput:
    """In how many decisions an input was missing, and why."""

    input: str
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class EventResult:
    """The dry run over one decided event.

    `warm_up_of` is the type of event whose windows are the last to be full.
    `tied_under_a_key` are decisions, those of the warm-up too, that share time and a window's key
    with another: they do not see each other.
    """

    event: str
    decided: Volume
    warm_up: Volume
    warm_up_until_us: int
    warm_up_of: str
    measured: Volume
    money: str
    currency: str
    without_money: int
    label: str
    label_after_us: int
    labels_due_before_us: int
    known: ClassVolumes
    outcomes: tuple[OutcomeResult, ...]
    levels: tuple[LevelResult, ...]
    review: Load
    step_up: Load
    rules: tuple[RuleResult, ...]
    overlaps: tuple[Overlap, ...]
    weeks: tuple[WeekResult, ...]
    changes: tuple[Change, ...]
    missing: tuple[MissingInput, ...]
    tied_under_a_key: int


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """A whole dry run. `notes` say what a reader has to know to read the figures right."""

    policy: str
    policy_hash: str
    mapping_hash: str
    history: str
    minor_digits: int
    start_us: int
    end_us: int
    sources: tuple[SourceResult, ...]
    events: tuple[EventResult, ...]
    notes: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many rows were decided."""
        return sum(event.decided.count for event in self.events)


def as_json(value: object) -> object:
    """The value as lists, objects, integers, texts and null."""
    if isinstance(value, BacktestResult):
        return {"schema": SCHEMA, **_object(value)}
    if is_dataclass(value):
        return _object(value)
    if isinstance(value, tuple):
        return [as_json(item) for item in value]
    return value


def _object(value: object) -> dict[str, object]:
    assert is_dataclass(value)
    return {declared.name: as_json(getattr(value, declared.name)) for declared in fields(value)}
