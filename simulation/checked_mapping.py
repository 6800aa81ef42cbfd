"""A mapping held against a policy: what a history is read by.

A checked mapping says of every file which events of the policy it holds and of every column how
its values are read, with zone, unit and currency settled. Only `check_mapping` makes one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.program import EventType, Field, Program
from tidegate.dsl.rates import parse_day
from tidegate.dsl.source import NOWHERE
from tidegate.dsl.types import COUNT, NUMBER, TIME, Kind
from tidegate.dsl.zones import load_zone
from tidegate.engine.functions import zone_named
from tidegate.engine.values import NotHeldError, parse_duration, parse_time
from tidegate.simulation.mapping import (
    ColumnMapping,
    Format,
    LabelMapping,
    MappingError,
    MappingText,
    OutcomeMapping,
    Problem,
    SourceMapping,
    StatusMapping,
    read_mapping,
)

UNITS: dict[Kind, tuple[str, ...]] = {
    Kind.MONEY: ("major", "minor"),
    Kind.NUMBER: ("one", "percent", "basis_point"),
    Kind.TIME: ("s", "ms", "us"),
    Kind.DURATION: ("us", "ms", "s", "m", "h", "d", "w"),
}
"""What a column of each kind may be counted in; other kinds have no unit."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how to read it, and the field that its values have to fit."""

    field: Field
    origin: ColumnMapping
    zone: str = ""
    currency: str = ""
    decimal: str = "."

    @property
    def names(self) -> tuple[str, ...]:
        """The file's columns it needs."""
        return tuple(filter(None, (self.origin.column, self.origin.currency_column)))


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """A label that stands in the history; `reported` None: it is taken as known when it is due."""

    name: str
    after_us: int
    origin: LabelMapping
    reported: Column | None


@dataclass(frozen=True, slots=True)
class ScoreColumn:
    """A recorded score with the model that gave it."""

    model: str
    column: Column
    status: StatusMapping | None


@dataclass(frozen=True, slots=True)
class CheckedSource:
    """One file, or several, of one type of event; everything is settled."""

    event: EventType
    files: tuple[Path, ...]
    format: Format
    fields: tuple[Column, ...]
    labels: tuple[LabelColumn, ...] = ()
    received: Column | None = None
    order: Column | None = None
    outcome: OutcomeMapping | None = None
    scores: tuple[ScoreColumn, ...] = ()
    features: tuple[Column, ...] = ()
    money: str = ""
    delimiter: str = ","

    def column_of(self, name: str) -> Column:
        """The column of the field `name`; KeyError where it has none."""
        for column in self.fields:
            if column.field.name == name:
                return column
        raise KeyError(name)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The file's columns that are read, each once."""
        names = [name for column in self.columns for name in column.names]
        names += [label.origin.column for label in self.labels]
        names += [score.status.column for score in self.scores if score.status]
        names += [self.outcome.column] if self.outcome else []
        return tuple(dict.fromkeys(names))

    @property
    def columns(self) -> Iterator[Column]:
        """Every column whose values are read as a type of the language."""
        yield from self.fields
        yield from self.features
        yield from (score.column for score in self.scores)
        yield from (label.reported for label in self.labels if label.reported)
        yield from (column for column in (self.received, self.order) if column)


@dataclass(frozen=True, slots=True)
class CheckedMapping:
    """A mapping that fits the policy.

    `start_us` None: each type of event begins with its first row. `end_us` None: the history ends
    with its last time. `warm_up_us` None: the policy's windows say.
    """

    path: Path
    hash: str
    name: str
    start_us: int | None
    end_us: int | None
    warm_up_us: int | None
    label: str
    sources: tuple[CheckedSource, ...]

    @property
    def events(self) -> tuple[EventType, ...]:
        """The types of event that the history holds, by name."""
        found = {source.event.name: source.event for source in self.sources}
        return tuple(found[name] for name in sorted(found))

    def source_of(self, event: str) -> CheckedSource | None:
        """The source of one type of event; None where the history has none."""
        return next((source for source in self.sources if source.event.name == event), None)


def load_mapping(path: Path, program: Program) -> CheckedMapping:
    """The mapping at `path`, checked; MappingError names everything that is wrong with it."""
    return check_mapping(read_mapping(path), program)


def check_mapping(text: MappingText, program: Program) -> CheckedMapping:
    """The mapping held against the policy."""
    check = _Check(text, program)
    checked = check.run()
    if check.problems:
        raise MappingError(check.problems)
    assert checked is not None
    return checked


class _Check:
    """One check under way; lives for one call."""

    def __init__(self, text: MappingText, program: Program) -> None:
        self.text = text
        self.program = program
        self.problems: list[Problem] = []

    def run(self) -> CheckedMapping | None:
        content = self.text.content
        if not content.sources:
            self.say("sources", "names no file")
        sources = [
            checked
            for index, source in enumerate(content.sources)
            if (checked := _SourceCheck(self, f"sources.{index}", source).run()) is not None
        ]
        for name, number in Counter(source.event for source in content.sources).items():
            if number > 1:
                help_ = "name all its files by one pattern, such as payments_*.parquet"
                self.say("sources", f"`{name}` has {number} sources", help_)
        start_us, end_us = self._moment("start", content.start), self._moment("end", content.end)
        if start_us is not None and end_us is not None and start_us >= end_us:
            self.say("end", "is not after `start`")
        warm_up_us = self._warm_up_us(content.warm_up)
        label = self._label(content.label, sources)
        if self.problems:
            return None
        return CheckedMapping(
            path=self.text.path,
            hash=self.text.hash,
            name=content.history,
            start_us=start_us,
            end_us=end_us,
            warm_up_us=warm_up_us,
            label=label,
            sources=tuple(sources),
        )

    def say(self, key: str, message: str, help_: str = "") -> None:
        self.problems.append(Problem(str(self.text.path), key, message, help_))

    def known(self, key: str, name: str, names: Mapping[str, object], what: str) -> bool:
        if name in names:
            return True
        self.say(key, f"the policy has no {what} `{name}`", nearest(name, names))
        return False

    def _moment(self, key: str, text: str) -> int | None:
        if not text:
            return None
        day = parse_day(text)
        if day is not None:
            return zone_named(self.program.zone).day_start_us(day)
        try:
            return parse_time(text)
        except NotHeldError:
            self.say(key, "is no time", "write a date, or a time with its offset")
            return None

    def _warm_up_us(self, text: str) -> int | None:
        try:
            return max(parse_duration(text), 0) if text else None
        except NotHeldError:
            self.say("warm_up", "is no duration", "write a whole number and a unit, such as 35d")
            return None

    def _label(self, name: str, sources: list[CheckedSource]) -> str:
        decided = {source.event.name for source in sources if source.event.decided}
        labels = {label.name: label for label in self.program.labels if label.event in decided}
        if name:
            self.known("label", name, labels, "label of a decided event of this history called")
            return name
        if len(labels) > 1:
            listed = ", ".join(f"`{label}`" for label in labels)
            self.say("label", "has to say which label measures", f"one of {listed}")
        return next(iter(labels), "")


class _SourceCheck:
    """One source under check."""

    def __init__(self, check: _Check, key: str, source: SourceMapping) -> None:
        self.check = check
        self.key = key
        self.source = source

    def say(self, key: str, message: str, help_: str = "") -> None:
        self.check.say(f"{self.key}.{key}", message, help_)

    def run(self) -> CheckedSource | None:
        source, program = self.source, self.check.program
        events = {event.name: event for event in program.events}
        if not self.check.known(f"{self.key}.event", source.event, events, "event"):
            return None
        event = events[source.event]
        files = self._files()
        return CheckedSource(
            event=event,
            files=files,
            format=source.format or self._format(files),
            fields=tuple(self._fields(event)),
            labels=tuple(self._labels(event)),
            received=self._time("received", source.received),
            order=self._order(),
            outcome=self._outcome(event),
            scores=tuple(self._scores(event)),
            features=tuple(self._features(event)),
            money=self._money(event),
            delimiter=self._delimiter(),
        )

    # files

    def _files(self) -> tuple[Path, ...]:
        path = self.check.text.path.parent / self.source.file
        if path.is_dir():
            help_ = f"name its files by a pattern, such as {Path(self.source.file) / '*.csv'}"
            self.say("file", f"`{path}` is a folder", help_)
            return ()
        found = (path,) if path.is_file() else tuple(sorted(path.parent.glob(path.name)))
        if not found:
            self.say("file", f"there is no file `{path}`")
        return found

    def _format(self, files: tuple[Path, ...]) -> Format:
        endings = {path.suffix.lower() for path in files}
        if endings <= {".parquet"}:
            return "parquet"
        if endings <= {".csv", ".txt"}:
            return "csv"
        self.say("format", "has to be given: parquet or csv")
        return "csv"

    def _delimiter(self) -> str:
        if len(self.source.delimiter) != 1:
            self.say("delimiter", "has to be one character")
        return self.source.delimiter

    # columns

    def _fields(self, event: EventType) -> Iterator[Column]:
        declared = {field.name: field for field in event.fields}
        for name, origin in self.source.fields.items():
            if name in declared:
                yield self._column(f"fields.{name}", declared[name], origin)
            else:
                self.say(
                    f"fields.{name}", f"`{event.name}` has no such field", nearest(name, declared)
                )
        for name, field in declared.items():
            if name not in self.source.fields and not field.optional:
                self.say("fields", f"`{name}` is required and has no column")

    def _column(self, key: str, field: Field, origin: ColumnMapping) -> Column:
        kind = field.type.kind
        units = UNITS.get(kind, ())
        if origin.constant is not None and origin.currency_column:
            self.say(f"{key}.currency_column", "a constant has one currency", "write `currency`")
        if origin.unit and origin.unit not in units:
            help_ = f"one of {', '.join(units)}" if units else "leave `unit` out"
            self.say(f"{key}.unit", f"a {kind.value} is not counted in `{origin.unit}`", help_)
        currency = ""
        if kind is Kind.MONEY:
            currency = self._currency(key, origin)
        elif origin.currency or origin.currency_column:
            self.say(f"{key}.currency", f"a {kind.value} has no currency")
        return Column(field, origin, self._zone(key, origin), currency, self.source.decimal)

    def _currency(self, key: str, origin: ColumnMapping) -> str:
        if not origin.unit:
            self.say(f"{key}.unit", "has to say what amounts are counted in", "major or minor")
        currency = origin.currency or ("" if origin.currency_column else self.source.currency)
        if not currency and not origin.currency_column:
            self.say(f"{key}.currency", "has to name a currency", "`currency` or `currency_column`")
        if currency and currency not in MINOR_DIGITS:
            self.say(
                f"{key}.currency",
                f"`{currency}` is no known currency",
                nearest(currency, MINOR_DIGITS),
            )
        return currency

    def _zone(self, key: str, origin: ColumnMapping) -> str:
        zone = origin.zone or self.source.zone
        if zone and load_zone(zone) is None:
            self.say(f"{key}.zone", f"no zone is called `{zone}`", "such as Europe/Paris or UTC")
            return ""
        return zone

    def _time(self, key: str, origin: ColumnMapping | None) -> Column | None:
        if origin is None:
            return None
        return self._column(key, Field(key, TIME, NOWHERE, optional=True), origin)

    def _order(self) -> Column | None:
        if not self.source.order:
            return None
        return Column(Field("order", COUNT, NOWHERE), ColumnMapping(column=self.source.order))

    # labels, scores, features, outcome

    def _labels(self, event: EventType) -> Iterator[LabelColumn]:
        declared = {
            label.name: label for label in self.check.program.labels if label.event == event.name
        }
        for name, origin in self.source.labels.items():
            key = f"labels.{name}"
            if name in declared and (reports := declared[name].source_event):
                what = f"the policy takes `{name}` from `{reports}`, so no column may tell it"
                help_ = f"map a source of `{reports}`, or leave `from {reports}` out of the label"
                self.say(key, what, help_)
            if self.check.known(f"{self.key}.{key}", name, declared, f"label of `{event.name}`"):
                reported = None
                if origin.reported is not None:
                    field = Field("reported", TIME, NOWHERE, optional=True)
                    reported = self._column(f"{key}.reported", field, origin.reported)
                yield LabelColumn(name, declared[name].after_us, origin, reported)

    def _scores(self, event: EventType) -> Iterator[ScoreColumn]:
        models = {(model := self.check.program.model(n)).score: model for n in event.models}
        for name, origin in self.source.scores.items():
            key = f"scores.{name}"
            if not self.check.known(f"{self.key}.{key}", name, models, f"score on `{event.name}`"):
                continue
            model = models[name]
            if not model.external:
                what = f"model `{model.name}` is scored from what it reads, so no column tells it"
                help_ = "delete it; to decide by recorded scores, declare the model `external`"
                self.say(key, what, help_)
                continue
            # The engine takes a bad score for none at all.
            low, high = model.bounds.low, model.bounds.high
            field = Field(name, NUMBER, NOWHERE, True, minimum=low, maximum=high, lenient=True)
            yield ScoreColumn(model.name, self._column(key, field, origin), origin.status)

    def _features(self, event: EventType) -> Iterator[Column]:
        read = {item.name: item for item in event.inputs if item.source == "feature"}
        for name, origin in self.source.features.items():
            key = f"features.{name}"
            what = f"feature that `{event.name}` reads,"
            if self.check.known(f"{self.key}.{key}", name, read, what):
                declared = read[name]
                field = Field(name, declared.type, NOWHERE, optional=declared.can_be_missing)
                yield self._column(key, field, origin)

    def _outcome(self, event: EventType) -> OutcomeMapping | None:
        if self.source.outcome is not None and not event.decided:
            self.say("outcome", f"`{event.name}` is not decided here")
        return self.source.outcome

    def _money(self, event: EventType) -> str:
        fields = [
            f.name
            for f in event.fields
            if f.type.kind is Kind.MONEY and f.name in self.source.fields
        ]
        named = self.source.money
        if named and named not in fields:
            self.say("money", f"`{named}` is no mapped field of type money", nearest(named, fields))
        if named or len(fields) <= 1:
            return named or "".join(fields)
        if "amount" in fields:
            return "amount"
        if event.decided:
            self.say("money", "has to say which field is summed", f"one of {', '.join(fields)}")
        return ""
