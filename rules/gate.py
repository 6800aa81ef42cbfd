"""The limits of a change, as the policy folder declares them in `gate.yaml`.

    limits:
      - {figure: approval_rate, falls_at_most: 0.5%}
      - {figure: decline_rate, at_most: 3%, surely: true}
      - {figure: reviews_a_day, at_most: 120}
      - {figure: fraud_missed, rises_at_most: 500 EUR}
      - {figure: approval_rate, by: card_country, falls_at_most: 2%, rows_at_least: 300}
      - {figure: weakened_protections, at_most: 0}

`at_least` and `at_most` bound the figure itself, `falls_at_most` and `rises_at_most` its change
against the revision before; the change of a rate is in percentage points.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.diagnostics import Diagnostic, nearest
from tidegate.dsl.program import EventType, Program
from tidegate.dsl.source import Span
from tidegate.dsl.types import Kind
from tidegate.rules.strict_yaml import line_of, read_yaml

GATE_FILE = "gate.yaml"
CODE = "TG811"
Unit = Literal["rate", "money", "ratio", "count"]
Level = Literal["declined", "declined_or_stepped_up", "acted_on"]
BOUNDS: Final = ("at_least", "at_most", "falls_at_most", "rises_at_most")
_USUAL_LEVEL: Final[Level] = "declined_or_stepped_up"
SEGMENTED: Final = (Kind.TEXT, Kind.COUNTRY, Kind.WORD, Kind.FLAG)
"""Types of fields whose values make segments. A token stands for one customer: it makes none."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that can be limited.

    `levelled`: it asks what was stopped, and `of` says at which level. `whole`: it has no segments.
    """

    unit: Unit
    words: str
    levelled: bool = False
    whole: bool = False

    @property
    def has_interval(self) -> bool:
        """Whether luck can be told from it: a share of payments has an interval."""
        return self.unit in ("rate", "ratio")


FIGURES: Final[dict[str, Figure]] = {
    "approval_rate": Figure("rate", "payments approved"),
    "review_rate": Figure("rate", "payments held for review"),
    "step_up_rate": Figure("rate", "payments stepped up"),
    "decline_rate": Figure("rate", "payments declined"),
    "changed_rate": Figure("rate", "payments with another outcome"),
    "precision": Figure("rate", "fraud among what is stopped", levelled=True),
    "recall": Figure("rate", "fraud that is stopped", levelled=True),
    "insult_rate": Figure("rate", "good payments that are stopped", levelled=True),
    "false_positives": Figure("ratio", "good payments stopped for one fraud", levelled=True),
    "fraud_missed": Figure("money", "fraud that is not stopped", levelled=True),
    "good_stopped": Figure("money", "good payments that are stopped, in money", levelled=True),
    "reviews_a_day": Figure("count", "reviews on the busiest day", whole=True),
    "step_ups_a_day": Figure("count", "step-ups on the busiest day", whole=True),
    "taken_in_by_one": Figure("count", "payments that one revision alone takes in", whole=True),
    "weakened_protections": Figure("count", "protections that may be weaker", whole=True),
    "authority_changes": Figure("count", "changes of authority and permissions", whole=True),
    "cases_removed": Figure("count", "cases that are gone", whole=True),
    "measure_changes": Figure("count", "changes of the mapping or the history", whole=True),
}
"""What can be limited, by its name."""
OF_THE_TEXT: Final = (
    "weakened_protections", "authority_changes", "cases_removed", "measure_changes",
)  # fmt: skip
"""Figures that need no history."""


@dataclass(frozen=True, slots=True)
class Segments:
    """A field whose values tell rows apart; `bands` are inner edges in minor units."""

    field: str
    bands: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """One line of the gate. Bounds are in millionths (rates, ratios), minor units or counts.

    `event` is empty where the limit holds for every decided event. `surely`: the far end of the
    figure's interval has to keep the bound. A segment of fewer rows than `rows_at_least` is left
    undecided. `before`: the revision before declares it, and the one after does not.
    """

    figure: str
    line: int
    event: str = ""
    of: Level = _USUAL_LEVEL
    segments: Segments | None = None
    rows_at_least: int = 100
    surely: bool = False
    at_least: int | None = None
    at_most: int | None = None
    falls_at_most: int | None = None
    rises_at_most: int | None = None
    because: str = ""
    before: bool = False

    @property
    def of_change(self) -> bool:
        """Whether it asks for the revision before."""
        return self.falls_at_most is not None or self.rises_at_most is not None


@dataclass(frozen=True, slots=True)
class Gate:
    """What was declared, and what is wrong with the file; `limits` are empty where anything is."""

    limits: tuple[Limit, ...]
    diagnostics: tuple[Diagnostic, ...]
    there: bool = True


NO_GATE: Final = Gate((), (), there=False)


def held_limits(before: Gate, after: Gate) -> tuple[Limit, ...]:
    """What a change is held to: its own limits, and those before it that it drops or loosens.

    Else a change could open the gate for itself.
    """
    own = {_meaning(limit) for limit in after.limits}
    dropped = (limit for limit in before.limits if _meaning(limit) not in own)
    return (*after.limits, *(replace(limit, before=True) for limit in dropped))


def _meaning(limit: Limit) -> Limit:
    return replace(limit, line=0, because="")


def segments_of(limits: Sequence[Limit], event: str) -> tuple[Segments, ...]:
    """By what the rows of an event have to be told apart, each once."""
    found = (limit.segments for limit in limits if limit.event in ("", event))
    return tuple(dict.fromkeys(segments for segments in found if segments is not None))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Bound = str | int | Decimal | None


class _Written(_Strict):
    """One limit as it stands in the file."""

    figure: str
    event: str = ""
    of: Level | None = None
    by: str = ""
    bands: list[str] = []
    rows_at_least: int | None = None
    surely: bool = False
    at_least: _Bound = None
    at_most: _Bound = None
    falls_at_most: _Bound = None
    rises_at_most: _Bound = None
    because: str = ""


class _File(_Strict):
    limits: list[_Written]


def read_gate(folder: Path, program: Program) -> Gate:
    """The limits that `gate.yaml` in the policy folder declares for changes of `program`."""
    path = folder / GATE_FILE
    if not path.exists():
        return NO_GATE
    read = read_yaml(path, GATE_FILE, CODE)
    if isinstance(read, Diagnostic):
        return Gate((), (read,))
    node, values = read
    try:
        written = _File.model_validate({"limits": []} if values is None else values).limits
    except ValidationError as error:
        return Gate((), tuple(_invalid(node, found) for found in error.errors(include_url=False)))
    limits: list[Limit] = []
    problems: list[Diagnostic] = []
    for place, one in enumerate(written):
        reader = _Reader(program, one, node, place)
        limit = reader.limit()
        problems += reader.problems
        limits.append(limit)
    return Gate(() if problems else tuple(limits), tuple(problems))


def _invalid(node: yaml.Node | None, found: Any) -> Diagnostic:
    where = [part for part in found["loc"] if part not in ("str", "int", "decimal")]
    name = str(where[-1]) if where else "the file"
    message, help_text = f"`{name}` does not hold what a gate states there", ""
    if found["type"] == "extra_forbidden":
        known = _File.model_fields if len(where) == 1 else _Written.model_fields
        message, help_text = f"`{name}` is no part of a gate", nearest(name, known)
    elif found["type"] == "missing":
        message = f"`{name}` is not there"
    elif found["type"] == "literal_error":
        message = f"`{name}` has to be {found['ctx']['expected']}"
    elif not where or found["type"] in ("model_type", "list_type"):
        message = "a gate is `limits:` and below it a list: each limit begins with `- figure:`"
    line = line_of(node, where)
    return Diagnostic(CODE, message, Span(GATE_FILE, 0, 0), help_text, line=line)


class _Reader:
    """Reads one limit, with everything that is wrong with it."""

    def __init__(
        self, program: Program, written: _Written, node: yaml.Node | None, place: int
    ) -> None:
        self.program = program
        self.written = written
        self.node = node
        self.place = place
        self.problems: list[Diagnostic] = []

    def limit(self) -> Limit:
        """The limit as far as it could be read."""
        written, figure = self.written, FIGURES.get(self.written.figure)
        line = line_of(self.node, ("limits", self.place))
        if figure is None:
            help_text = nearest(written.figure, FIGURES)
            self._say("figure", f"no figure is called `{written.figure}`", help_text)
            return Limit(written.figure, line)
        if all(getattr(written, bound) is None for bound in BOUNDS):
            self._say("figure", "a limit has a bound", f"one of {', '.join(BOUNDS)}")
        if written.of is not None and not figure.levelled:
            self._say("of", f"`{written.figure}` is the same at every level")
        if written.surely and not figure.has_interval:
            self._say("surely", f"`{written.figure}` has no interval", "leave `surely` out")
        return Limit(
            figure=written.figure,
            line=line,
            event=self._event(),
            of=written.of or _USUAL_LEVEL,
            segments=self._segments(figure),
            rows_at_least=100
            if written.rows_at_least is None
            else self._rows(written.rows_at_least),
            surely=written.surely,
            at_least=self._bound("at_least", figure.unit),
            at_most=self._bound("at_most", figure.unit),
            falls_at_most=self._bound("falls_at_most", figure.unit),
            rises_at_most=self._bound("rises_at_most", figure.unit),
            because=written.because,
        )

    def _say(self, key: str, message: str, help_text: str = "") -> None:
        line = line_of(self.node, ("limits", self.place, key))
        self.problems.append(Diagnostic(CODE, message, Span(GATE_FILE, 0, 0), help_text, line=line))

    def _rows(self, number: int) -> int:
        if number < 1:
            self._say("rows_at_least", "a segment has at least one row")
        if not self.written.by:
            self._say("rows_at_least", "only segments may be too small", "add `by: FIELD`")
        return number

    def _event(self) -> str:
        name, decided = self.written.event, [e.name for e in self.program.events if e.decided]
        if name and name not in decided:
            self._say("event", f"`{name}` is no event that is decided", nearest(name, decided))
        return name

    def _segments(self, figure: Figure) -> Segments | None:
        by = self.written.by
        if not by:
            if self.written.bands:
                self._say("bands", "bands need a field", "add `by: FIELD`, such as the amount")
            return None
        if figure.whole:
            self._say("by", f"`{self.written.figure}` has no segments")
            return None
        events = [
            e for e in self.program.events
            if e.decided and self.written.event in ("", e.name)
        ]  # fmt: skip
        for event in events:
            self._check_field(event, by)
        return Segments(by, tuple(self._bands()))

    def _check_field(self, event: EventType, by: str) -> None:
        fields = {field.name: field for field in event.fields}
        if by not in fields:
            self._say("by", f"`{event.name}` has no field `{by}`", nearest(by, fields))
            return
        kind = fields[by].type.kind
        if by == event.key:
            self._say("by", f"`{by}` is the key of `{event.name}`: each payment has its own")
        elif kind is Kind.MONEY and not self.written.bands:
            self._say("by", "amounts make segments by bands", "add `bands: [50 EUR, 500 EUR]`")
        elif kind is Kind.MONEY:
            return
        elif self.written.bands:
            self._say("bands", f"`{by}` is a {fields[by].type}; bands are of an amount")
        elif kind not in SEGMENTED:
            kinds = "a text, a country, a flag, words or an amount"
            self._say("by", f"`{by}` is a {fields[by].type}: segments are made by {kinds}")

    def _bands(self) -> Iterator[int]:
        before: int | None = None
        for text in self.written.bands:
            edge = self._money("bands", text)
            if before is not None and edge <= before:
                self._say("bands", "bands rise: each is above the one before it")
            yield edge
            before = edge

    # --- numbers

    def _bound(self, key: str, unit: Unit) -> int | None:
        value: _Bound = getattr(self.written, key)
        if value is None:
            return None
        if unit == "money":
            return self._money(key, str(value))
        if unit == "count":
            return self._count(key, value)
        return self._millionths(key, str(value), unit)

    def _count(self, key: str, value: str | int | Decimal) -> int:
        if isinstance(value, int) and value >= 0:
            return value
        self._say(key, f"`{key}` is a whole number here")
        return 0

    def _millionths(self, key: str, text: str, unit: Unit) -> int:
        match = _SHARE.fullmatch(text)
        percent = unit == "rate"
        if match is None or bool(match[3]) != percent:
            example = "a percentage, such as `0.5%`" if percent else "a number, such as `2.5`"
            self._say(key, f"`{key}` is {example}")
            return 0
        scaled = Decimal(match[1]) * (10_000 if percent else 1_000_000)
        if scaled != int(scaled):
            self._say(key, "this is finer than a millionth")
        elif percent and scaled > 1_000_000:
            self._say(key, "a share is at most 100%")
        return int(scaled)

    def _money(self, key: str, text: str) -> int:
        match = _MONEY.fullmatch(text)
        digits = MINOR_DIGITS.get(self.program.currency, 2)
        if match is None or match[3] != self.program.currency:
            example = f"an amount in {self.program.currency}, such as `500 {self.program.currency}`"
            self._say(key, f"`{key}` is {example}")
            return 0
        scaled = Decimal(match[1]) * 10**digits
        if scaled != int(scaled):
            self._say(key, f"{self.program.currency} has {digits} decimals")
        return int(scaled)


_SHARE = re.compile(r"([0-9]{1,9}(\.[0-9]{1,9})?)(%?)")
_MONEY = re.compile(r"([0-9]{1,12}(\.[0-9]{1,4})?) ?([A-Z]{3})")
