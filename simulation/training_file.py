"""The training file of a model: what it is, how it is split in time, and what is said of it.

    model: boosting
    estimator: hist_gradient_boosting
    parameters: {learning_rate: 0.05, max_iter: 150, max_leaf_nodes: 15}
    random_state: 0
    label: fraud
    split:
      train: {from: 2026-01-01, until: 2026-03-01}
      delay: 14d
      test: {from: 2026-03-15, until: 2026-04-01}
      without_known: card
    by: card
    alerts_per_day: 100
    costs: {missed: 20 EUR, missed_share: 100%, false_alarm: 5 EUR, review: 1 EUR}
    segments: [{field: channel}, {field: amount, bands: [50 EUR, 500 EUR]}]
    seed: 1
    owner: risk@shop.example
    intended_use: Ask for a confirmation of unusual card payments.
    limits: [Cards seen for less than a week]
    out_of_scope: [Credit decisions]

Every window holds its start and not its end. All that is wrong with a file is said at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.diagnostics import Diagnostic, nearest
from tidegate.dsl.program import EventType, Label, Model, Program
from tidegate.dsl.rates import format_day, parse_day
from tidegate.dsl.types import Kind
from tidegate.dsl.zones import DAY_US
from tidegate.engine.functions import zone_named
from tidegate.engine.values import (
    NotHeldError,
    format_duration,
    parse_decimal,
    parse_duration,
    parse_time,
)
from tidegate.models.cards import UnitCosts
from tidegate.rules.gate import SEGMENTED, Segments
from tidegate.rules.strict_yaml import read_yaml
from tidegate.simulation.mapping import Problem

MILLION: Final = 10**6
EstimatorName = Literal[
    "logistic_regression", "random_forest", "hist_gradient_boosting", "explainable_boosting"
]
Parameter = str | int | bool | Decimal | None


class TrainingError(ValueError):
    """A model cannot be trained from what was given; `problems` are all there are."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Span:
    """From `start_us` up to, and without, `end_us`."""

    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Split:
    """Train, wait until the labels are known, test.

    Labels count as known for the training where they were reported before `cutoff_us`, the end of
    training and the delay. `without_known` names a field: from the first moment of each local day,
    rows whose value was in a true label that was reported since the training began leave the test.
    Empty: none leaves.
    """

    train: Span
    delay_us: int
    test: Span
    without_known: str = ""

    @property
    def cutoff_us(self) -> int:
        """Labels that are reported from here on are not known."""
        return self.train.end_us + self.delay_us


@dataclass(frozen=True, slots=True)
class Training:
    """One training file, held against a policy."""

    path: Path
    model: Model
    event: EventType
    label: Label
    estimator: EstimatorName
    parameters: Mapping[str, Parameter]
    random_state: int
    split: Split
    by: str
    alerts_per_day: int
    costs: UnitCosts
    segments: tuple[Segments, ...]
    abstain_outside: tuple[str, ...]
    seed: int
    replicates: int
    owner: str
    intended_use: str
    limits: tuple[str, ...]
    out_of_scope: tuple[str, ...]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Window(_Part):
    start: str = Field(alias="from")
    until: str


class _Split(_Part):
    train: _Window
    delay: str
    test: _Window
    without_known: str = ""


class _Costs(_Part):
    missed: str | int | Decimal = ""
    missed_share: str = "100%"
    false_alarm: str | int | Decimal = ""
    review: str | int | Decimal = ""


class _Segment(_Part):
    field: str
    bands: list[str] = []


class _File(_Part):
    model: str
    estimator: EstimatorName
    parameters: dict[str, str | int | bool | Decimal | None] = {}
    random_state: int = 0
    label: str = ""
    split: _Split
    by: str
    alerts_per_day: int = 100
    costs: _Costs = _Costs()
    segments: list[_Segment] = []
    abstain_outside: list[str] = []
    seed: int = 0
    replicates: int = 200
    owner: str = ""
    intended_use: str = ""
    limits: list[str] = []
    out_of_scope: list[str] = []


_KEYS = frozenset(
    field.alias or name
    for part in (_File, _Split, _Window, _Costs, _Segment)
    for name, field in part.model_fields.items()
)
_CARD_TEXTS = ("owner", "intended_use", "limits")


def read_training(path: Path, program: Program) -> Training:
    """The training file at `path`; TrainingError names everything that is wrong with it."""
    name = str(path)
    if not path.is_file():
        raise TrainingError([Problem(name, "", "there is no such file")])
    read = read_yaml(path, name, "")
    if isinstance(read, Diagnostic):
        where = f"line {read.line}: " if read.line else ""
        raise TrainingError([Problem(name, "", f"{where}{read.message}", read.help)])
    try:
        written = _File.model_validate(read[1])
    except ValidationError as error:
        raise TrainingError(_invalid(name, error)) from None
    check = _Check(path, program, written)
    training = check.run()
    if check.problems:
        raise TrainingError(check.problems)
    assert training is not None
    return training


def _invalid(name: str, error: ValidationError) -> Iterable[Problem]:
    seen: set[str] = set()
    for found in error.errors(include_url=False, include_input=False):
        where = [str(p) for p in found["loc"] if p not in ("str", "int", "bool", "decimal")]
        key = ".".join(where)
        if key not in seen:
            seen.add(key)
            yield Problem(name, key, *_said(found))


def _said(found: Any) -> tuple[str, str]:
    kind = found["type"]
    if kind == "extra_forbidden":
        return "is no key of a training file here", nearest(str(found["loc"][-1]), _KEYS)
    if kind == "missing":
        return "is missing", ""
    if kind == "literal_error":
        return f"has to be {found['ctx']['expected']}".replace("'", "`"), ""
    return {
        "string_type": ("has to be a text", "quote it"),
        "int_type": ("has to be a whole number", ""),
        "list_type": ("has to be a list", "write it as [a, b]"),
        "model_type": ("has to be a block of keys", ""),
        "dict_type": ("has to be a block of keys", ""),
    }.get(kind, ("cannot be read", ""))


class _Check:
    """One file held against a policy; lives for one call."""

    def __init__(self, path: Path, program: Program, written: _File) -> None:
        self.path = path
        self.program = program
        self.written = written
        self.problems: list[Problem] = []

    def run(self) -> Training | None:
        written = self.written
        model = self._model()
        if model is None:
            return None
        if model.external:
            self.say(
                "model",
                f"`{model.name}` is external: its score comes with the event, and it is not trained"
                " here",
                "give it `from` and `reads` instead of `external` in the policy, or name another",
            )
            return None
        event = self.program.event(model.use_event)
        label = self._label(event)
        split = self._split(event, label)
        if not model.reads:
            help_ = "add `reads FIELD, FEATURE, LET, ...` to the model in the policy"
            self.say("model", f"`{model.name}` reads nothing", help_)
        self._check_by("by", written.by, event)
        self._check_numbers()
        for key in _CARD_TEXTS:
            if not getattr(written, key):
                help_ = "a model whose card does not say it cannot be registered"
                self.say(key, "has to be said", help_)
        for name in written.abstain_outside:
            if name not in model.read_names:
                help_ = nearest(name, model.read_names)
                self.say("abstain_outside", f"`{model.name}` does not read `{name}`", help_)
        costs, segments = self._costs(), tuple(self._segments(event))
        if self.problems or label is None or split is None:
            return None
        return Training(
            path=self.path,
            model=model,
            event=event,
            label=label,
            estimator=written.estimator,
            parameters=dict(sorted(written.parameters.items())),
            random_state=written.random_state,
            split=split,
            by=written.by,
            alerts_per_day=written.alerts_per_day,
            costs=costs,
            segments=segments,
            abstain_outside=tuple(written.abstain_outside),
            seed=written.seed,
            replicates=written.replicates,
            owner=written.owner,
            intended_use=written.intended_use,
            limits=tuple(written.limits),
            out_of_scope=tuple(written.out_of_scope),
        )

    def say(self, key: str, message: str, help_: str = "") -> None:
        self.problems.append(Problem(str(self.path), key, message, help_))

    def _model(self) -> Model | None:
        models = {model.name: model for model in self.program.models}
        if self.written.model in models:
            return models[self.written.model]
        message = f"the policy has no model `{self.written.model}`"
        self.say("model", message, nearest(self.written.model, models))
        return None

    def _label(self, event: EventType) -> Label | None:
        labels = {x.name: x for x in self.program.labels if x.event == event.name}
        name = self.written.label or (next(iter(labels)) if len(labels) == 1 else "")
        if name in labels:
            return labels[name]
        if name:
            help_ = nearest(name, labels)
            self.say("label", f"`{event.name}` has no label `{name}`", help_)
        elif labels:
            listed = ", ".join(f"`{label}`" for label in labels)
            self.say("label", "has to say which label is learnt", f"one of {listed}")
        else:
            help_ = f"declare one in the policy: `label fraud of {event.name} known after 7d`"
            self.say("label", f"`{event.name}` has no label to learn from", help_)
        return None

    def _check_by(self, key: str, name: str, event: EventType) -> None:
        fields = {field.name: field for field in event.fields}
        if name not in fields:
            self.say(key, f"`{event.name}` has no field `{name}`", nearest(name, fields))
        elif name == event.key:
            self.say(key, f"`{name}` is the key of `{event.name}`: each row has its own")
        elif fields[name].type.kind not in (Kind.TOKEN, Kind.TEXT):
            kind = fields[name].type
            self.say(key, f"`{name}` is a {kind}", "name the field that tells cards apart")

    # times

    def _split(self, event: EventType, label: Label | None) -> Split | None:
        written = self.written.split
        train, test = self._span("train", written.train), self._span("test", written.test)
        delay_us = self._delay_us(written.delay)
        if written.without_known:
            self._check_by("split.without_known", written.without_known, event)
        if train is None or test is None or delay_us is None:
            return None
        if label is not None and delay_us < label.after_us:
            days = format_duration(label.after_us)
            self.say(
                "split.delay",
                f"`{label.name}` is known only after {days}: with a shorter delay the model would"
                " learn from labels that nobody had",
                f"write at least {days}, and let the test begin as much later",
            )
        elif test.start_us < train.end_us + delay_us:
            self.say(
                "split.test.from",
                "the test begins before the labels of the training are known",
                f"let it begin on {self._earliest(train.end_us + delay_us)} or later:"
                " the delay counts days of 24 hours",
            )
        return Split(train, delay_us, test, written.without_known)

    def _earliest(self, at_us: int) -> str:
        """The first local day that begins at this time or later, whatever clocks did."""
        zone = zone_named(self.program.zone)
        day = int(at_us // DAY_US) - 1
        while zone.day_start_us(day) < at_us:
            day += 1
        return format_day(day)

    def _span(self, key: str, window: _Window) -> Span | None:
        start_us = self._moment(f"split.{key}.from", window.start)
        end_us = self._moment(f"split.{key}.until", window.until)
        if start_us is None or end_us is None:
            return None
        if start_us >= end_us:
            self.say(f"split.{key}.until", "is not after `from`")
            return None
        return Span(start_us, end_us)

    def _moment(self, key: str, text: str) -> int | None:
        day = parse_day(text)
        if day is not None:
            return zone_named(self.program.zone).day_start_us(day)
        try:
            return parse_time(text)
        except NotHeldError:
            self.say(key, "is no time", "write a date, or a time with its offset")
            return None

    def _delay_us(self, text: str) -> int | None:
        try:
            return parse_duration(text)
        except NotHeldError:
            help_ = "write a whole number and a unit, such as 7d"
            self.say("split.delay", "is no duration", help_)
            return None

    # numbers

    def _check_numbers(self) -> None:
        written = self.written
        for key, low, high in (
            ("alerts_per_day", 1, MILLION),
            ("replicates", 20, 10_000),
            ("random_state", 0, 2**32 - 1),
            ("seed", 0, 2**32 - 1),
        ):
            if not low <= getattr(written, key) <= high:
                self.say(key, f"has to be between {low} and {high}")

    def _costs(self) -> UnitCosts:
        costs = self.written.costs
        return UnitCosts(
            missed_share=self._share("costs.missed_share", costs.missed_share),
            missed_minor=self._money("costs.missed", costs.missed),
            false_alarm_minor=self._money("costs.false_alarm", costs.false_alarm),
            review_minor=self._money("costs.review", costs.review),
        )

    def _share(self, key: str, text: str) -> int:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)%", text, re.ASCII)
        found = _held(match[1], 4) if match else None
        if found is None or found > MILLION:
            self.say(key, "is no share", "write a percentage from 0% to 100%")
            return 0
        return found

    def _money(self, key: str, written: str | int | Decimal) -> int:
        currency, text = self.program.currency, str(written)
        if not isinstance(written, str):
            self.say(key, f"`{text}` needs its currency", f"write `{text} {currency}`")
            return 0
        amount, _, unit = text.partition(" ")
        if not text:
            return 0
        found = _held(amount, MINOR_DIGITS[currency])
        if found is None or unit != currency or found < 0:
            self.say(key, "is no amount", f"write it in {currency}, such as `5 {currency}`")
            return 0
        return found

    # segments

    def _segments(self, event: EventType) -> Iterable[Segments]:
        fields = {field.name: field for field in event.fields}
        for place, written in enumerate(self.written.segments):
            key, name = f"segments.{place}", written.field
            if name not in fields:
                self.say(key, f"`{event.name}` has no field `{name}`", nearest(name, fields))
                continue
            kind, bands = fields[name].type.kind, self._bands(key, written.bands)
            if kind is Kind.MONEY and not bands:
                help_ = "add `bands: [50 EUR, 500 EUR]`"
                self.say(key, "amounts make segments by bands", help_)
            elif kind is not Kind.MONEY and (bands or kind not in SEGMENTED):
                help_ = "name a text, a country, a flag, words, or an amount with `bands`"
                self.say(key, f"`{name}` is a {fields[name].type}", help_)
            else:
                yield Segments(name, bands)

    def _bands(self, key: str, written: list[str]) -> tuple[int, ...]:
        bands = tuple(self._money(f"{key}.bands", text) for text in written)
        if any(a >= b for a, b in pairwise(bands)):
            self.say(f"{key}.bands", "bands rise: each is above the one before it")
        return bands


def _held(text: str, digits: int) -> int | None:
    try:
        return parse_decimal(text, digits)
    except NotHeldError:
        return None
