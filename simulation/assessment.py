"""What is known about the decisions of a history: classes, money, weeks, and what has to be said.

It needs what the history told once it was read, not the history itself, so that a dry run over
files and one over a snapshot say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from tidegate.dsl.program import (
    Actions,
    Authentication,
    Disposition,
    EventType,
    Ladder,
    Review,
    Rule,
)
from tidegate.engine.column_batch import ABSENT, CodedColumn, Column, IntegerColumn
from tidegate.engine.column_outcome import OutcomeColumns
from tidegate.engine.decision import Policy
from tidegate.engine.values import parse_time
from tidegate.models.cards import Window
from tidegate.simulation.checked_mapping import CheckedSource
from tidegate.simulation.learnt import learnt_from
from tidegate.simulation.lookups import lookups_of
from tidegate.simulation.mapping import WORDS
from tidegate.simulation.measures import (
    FRAUD,
    GOOD,
    MAX_OVERLAP_RULES,
    NOT_YET_KNOWN,
    PAST_DECLINED,
    UNLABELLED,
    WARM_UP,
    Decided,
    Small,
    Tally,
)
from tidegate.simulation.needs import features_read
from tidegate.simulation.rows import Rows
from tidegate.simulation.summary import WEEK_US, EventFacts
from tidegate.simulation.times import Flags, Int64s, days_of
from tidegate.simulation.told import Told
from tidegate.simulation.warm_up import warm_up

_DECLINE = WORDS.index("decline")
_STOPS: dict[Ladder, int] = {
    "disposition": Disposition.HOLD,
    "authentication": Authentication.PREFERRED,
    "review": Review.BEFORE,
}


class Assessment:
    """What a policy's decisions over one history are measured by."""

    def __init__(self, policy: Policy, history: Told) -> None:
        self.policy = policy
        self.told = history
        self.events = tuple(event for event in history.mapping.events if event.decided)
        self.facts = {event.name: self._facts(event) for event in self.events}
        self.own_warm_up_us = {name: f.warm_up.until_us for name, f in self.facts.items()}

    def decided(self, rows: Rows, outcomes: OutcomeColumns) -> Decided:
        """The outcomes of these rows with what is known about them."""
        facts = self.facts[rows.event.name]
        start_us = facts.warm_up.until_us
        return Decided(
            outcomes=outcomes,
            classes=self.classes(rows),
            money=self.money(rows),
            past=rows.past,
            at_us=rows.at_us,
            day=days_of(rows.at_us, self.policy.program.zone),
            week=(rows.at_us - start_us) // WEEK_US,
            stops=facts.stops,
        )

    def count_missing(self, tally: Tally, rows: Rows, inputs: Iterable[str]) -> None:
        """Count, outside the warm-up, inputs without a value and payments without an amount."""
        facts = self.facts[rows.event.name]
        counted = rows.at_us >= facts.warm_up.until_us
        for name in inputs:
            for reason, count in _missing(rows.columns[name], counted):
                key = name, reason
                tally.missing[key] = tally.missing.get(key, 0) + count
        money = rows.columns.get(facts.money)
        if isinstance(money, IntegerColumn) and money.valid is not None:
            tally.without_money += int((counted & ~money.valid).sum())

    # what is known

    def _facts(self, event: EventType) -> EventFacts:
        program, mapping = self.policy.program, self.told.mapping
        source = mapping.source_of(event.name)
        assert source is not None
        given = {column.field.name for column in source.features}
        worked_out = tuple(f for f in features_read(program, event) if f.name not in given)
        label = next(
            (x for x in program.labels if x.name == mapping.label and x.event == event.name), None
        )
        return EventFacts(
            event=event,
            warm_up=warm_up(self.told, event, worked_out),
            label=label if label and label.name in self.told.labels else None,
            money=source.money,
            stops=tuple(stops_of(rule) for rule in event.rules),
            inputs=tuple(item.name for item in event.inputs if item.source != "field"),
        )

    def classes(self, rows: Rows) -> Small:
        """What is known about each row."""
        facts, end_us = self.facts[rows.event.name], self.told.span.end_us
        if facts.label is None:
            classes = np.full(rows.count, UNLABELLED, np.int8)
        else:
            reported = rows.reported_us[facts.label.name]
            due = rows.at_us + facts.label.after_us <= end_us
            true = np.where(reported <= end_us, FRAUD, GOOD)
            classes = np.where(due, true, NOT_YET_KNOWN).astype(np.int8)
        if rows.past is not None:
            classes[rows.past == _DECLINE] = PAST_DECLINED
        classes[rows.at_us < facts.warm_up.until_us] = WARM_UP
        return classes

    def money(self, rows: Rows) -> Int64s:
        """What each row amounts to, in minor units; 0 where there is no amount."""
        column = rows.columns.get(self.facts[rows.event.name].money)
        if not isinstance(column, IntegerColumn):
            return np.zeros(rows.count, np.int64)
        return column.values.astype(np.int64)

    # what has to be said

    def notes(self) -> tuple[str, ...]:
        """What a reader has to know to read the figures right."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        program, history = self.policy.program, self.told
        yield "open loop: customers' reactions to this policy's outcomes are not in the history"
        if program.lists:
            yield "lists are read as they are today: the history does not hold theirs"
        if any(lookups_of(event) for event in self.events):
            yield "tables are read as they are today: the history does not hold theirs"
        for name in history.unordered:
            yield f"the files of `{name}` are not in order of time: read once for every slice"
        for event in self.events:
            source = history.mapping.source_of(event.name)
            assert source is not None
            yield from self._notes_on_labels(source)
            yield from self._notes_on_features(event)
            yield from self._notes_on_models(source)
            yield from self._notes_on_training(source)
            yield from _notes_on_fields(source)
            if len(event.rules) > MAX_OVERLAP_RULES:
                yield (
                    f"`{event.name}` has more than {MAX_OVERLAP_RULES} rules: which of them fire"
                    " together is not counted"
                )

    def _notes_on_labels(self, source: CheckedSource) -> Iterator[str]:
        for label in self.policy.program.labels:
            if label.event != source.event.name:
                continue
            if label.name not in self.told.labels:
                yield f"the history tells no `{label.name}`: it counts as never reported"
            elif any(c.name == label.name and c.reported is None for c in source.labels):
                yield (
                    f"the history does not say when `{label.name}` was reported: it counts as known"
                    " when it is due"
                )

    def _notes_on_features(self, event: EventType) -> Iterator[str]:
        source = self.told.mapping.source_of(event.name)
        given = {column.field.name for column in source.features} if source else set()
        for feature in features_read(self.policy.program, event):
            if feature.name in given:
                yield f"`{feature.name}` is taken from the history, not worked out"
            elif self.told.mapping.source_of(feature.event) is None:
                yield f"`{feature.name}` counts `{feature.event}`, which the history does not hold"

    def _notes_on_models(self, source: CheckedSource) -> Iterator[str]:
        given = {score.model for score in source.scores}
        for name in source.event.models:
            if name not in given and self.policy.program.model(name).external:
                yield f"no recorded scores of `{name}`: it counts as unavailable"

    def _notes_on_training(self, source: CheckedSource) -> Iterator[str]:
        """That a model learnt from a part of this time: what it says of that is too good."""
        for name in source.event.models:
            window = learnt_from(self.policy, name)
            if window is None:
                continue
            start_us, end_us = (parse_time(end) for end in (window.start, window.end))
            span = self.told.span
            if start_us <= span.end_us and span.start_us < end_us:
                yield (
                    f"`{name}` learnt from {_window_words(window)}, which this history holds:"
                    " what its scores do there is better than on new payments"
                )


def _window_words(window: Window) -> str:
    return f"{window.start} to before {window.end}"


def _notes_on_fields(source: CheckedSource) -> Iterator[str]:
    mapped = {column.field.name for column in source.fields}
    absent = [declared.name for declared in source.event.fields if declared.name not in mapped]
    if absent:
        listed = ", ".join(f"`{name}`" for name in absent)
        yield f"missing in every `{source.event.name}` of the history: {listed}"


def stops_of(rule: Rule) -> tuple[bool, bool]:
    """Whether the rule asks for a stop where it fires, and where it is unknown."""
    return _asks_stop(rule.then), rule.unknown is not None and _asks_stop(rule.unknown)


def _asks_stop(actions: Actions) -> bool:
    """Whether it asks for a payment not to pass as it is: a review after it is no stop."""
    return any(ask.rung >= _STOPS[ask.ladder] for ask in actions.asks)


def _missing(column: Column, counted: Flags) -> Iterator[tuple[str, int]]:
    if isinstance(column, CodedColumn):
        gone = counted & (column.codes < 0)
    elif column.valid is None:
        return
    else:
        gone = counted & ~column.valid
    if column.reasons is None:
        yield ABSENT, int(gone.sum())
        return
    for place, count in enumerate(np.bincount(column.reasons[gone]).tolist()):
        if count:
            yield column.reason_names[place], count
