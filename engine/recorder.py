"""Writes down a decision: from a situation and what was settled to its record.

What does not change from event to event (which lists are tested where, of which type an advice
is) is worked out once for an event type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tidegate import __version__
from tidegate.dsl.program import Actions, EventType, Expression, InList, Model, Program
from tidegate.dsl.types import TEXT_KINDS, TIME, Type, Value
from tidegate.dsl.unknowns import children
from tidegate.dsl.zones import ZONE_DATA_VERSION
from tidegate.engine.authority import Authority, Evaluate
from tidegate.engine.determining import determining, indices
from tidegate.engine.interpreter import reader_of, value_of
from tidegate.engine.record import (
    SCHEMA,
    EventFacts,
    ListFacts,
    PolicyFacts,
    RatesFacts,
    Record,
    RecordedOutcome,
    RuleFacts,
    ScoreFacts,
)
from tidegate.engine.situation import Outcome, Settled, Situation
from tidegate.engine.values import format_value

ABSENT = "absent"
"""Why an input is missing that simply was not there."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a record holds beyond what an evaluation reads."""

    policy_hash: str
    key: str
    rates: RatesFacts
    list_hashes: Mapping[str, str | None]
    scored: Mapping[str, ScoreFacts] = field(default_factory=dict)
    lowered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes the records of one event type.

    `tests` are the tests of membership in `tested_lists`; `at_slot` is the slot of the event's
    time; `plain_slots` are those whose values are texts already.
    """

    authority: Authority
    tests: tuple[InList, ...]
    tested_lists: tuple[str, ...]
    advice_types: Mapping[str, Type]
    at_slot: int
    plain_slots: frozenset[int]

    def record(
        self, situation: Situation, settled: Settled, provenance: Provenance, evaluate: Evaluate
    ) -> Record:
        """The record of one decision."""
        program, event = self.authority.program, self.authority.event
        return Record(
            schema=SCHEMA,
            engine=__version__,
            language=program.language,
            zone_data=ZONE_DATA_VERSION,
            policy=PolicyFacts(program.name, provenance.policy_hash),
            event=EventFacts(event.name, provenance.key, self._at(situation)),
            inputs=self._inputs(situation),
            missing=_missing(situation),
            scores={m: situation.statuses.get(m, "unavailable") for m in event.models},
            models={m.name: m.version for m in self.authority.models},
            scored=dict(provenance.scored),
            lowered=provenance.lowered,
            lists=self._lists(situation, provenance.list_hashes),
            rates=provenance.rates,
            rules=_rules(event, settled),
            masked=settled.masked,
            capped=settled.capped,
            determining=determining(self.authority, situation, settled, evaluate),
            outcome=self._outcome(settled.outcome),
            shadow_word=settled.shadow_word,
        )

    def _text(self, value: Value, type_: Type) -> str:
        return format_value(value, type_, self.authority.program.currency)

    def _at(self, situation: Situation) -> str:
        at = situation.values[self.at_slot]
        assert at is not None
        return self._text(at, TIME)

    def _inputs(self, situation: Situation) -> dict[str, str | None]:
        texts: dict[str, str | None] = {}
        for slot, entry in enumerate(situation.event.inputs):
            value = situation.values[slot]
            if value is None or (slot in self.plain_slots and isinstance(value, str)):
                texts[entry.name] = value
            else:
                texts[entry.name] = self._text(value, entry.type)
        return texts

    def _lists(
        self, situation: Situation, hashes: Mapping[str, str | None]
    ) -> dict[str, ListFacts]:
        members: dict[str, set[str]] = {name: set() for name in self.tested_lists}
        reader = reader_of(situation) if self.tests else None
        for test in self.tests:
            content = situation.lists.get(test.list)
            value = None if reader is None else value_of(test.operand, reader)
            if content is not None and value is not None and value in content:
                members[test.list].add(self._text(value, test.operand.type))
        return {n: ListFacts(hashes.get(n), tuple(sorted(members[n]))) for n in self.tested_lists}

    def _outcome(self, outcome: Outcome) -> RecordedOutcome:
        return RecordedOutcome(
            word=outcome.word,
            disposition=outcome.disposition,
            authentication=outcome.authentication,
            review=outcome.review,
            step_up=outcome.step_up,
            exemption=outcome.exemption,
            reasons=outcome.reasons,
            tags=outcome.tags,
            advice={name: self._text(v, self.advice_types[name]) for name, v in outcome.advice},
            points=outcome.points,
        )


def recorder(authority: Authority) -> Recorder:
    """The recorder of the authority's event type."""
    tests = dict.fromkeys(_list_tests(authority.event, authority.models))
    return Recorder(
        authority=authority,
        tests=tuple(tests),
        tested_lists=tuple(sorted({test.list for test in tests})),
        at_slot=[entry.name for entry in authority.event.inputs].index(authority.event.at),
        plain_slots=frozenset(
            slot
            for slot, entry in enumerate(authority.event.inputs)
            if entry.type.kind in TEXT_KINDS
        ),
        advice_types={
            one.name: one.type
            for actions in _all_actions(authority.program, authority.event)
            for one in actions.advice
        },
    )


def _missing(situation: Situation) -> dict[str, str]:
    pairs = zip(situation.event.inputs, situation.values, strict=True)
    names = (entry.name for entry, value in pairs if value is None)
    return {name: situation.reasons.get(name, ABSENT) for name in names}


def _rules(event: EventType, settled: Settled) -> RuleFacts:
    rules, found, standing = event.rules, settled.evaluation, settled.standing
    inactive = ((1 << len(rules)) - 1) & ~(standing.live | standing.shadow)

    def ids(bits: int) -> tuple[str, ...]:
        return tuple(rules[i].id for i in indices(bits))

    return RuleFacts(
        fired=ids(found.fired),
        unknown=ids(found.unknown),
        silenced=ids(found.silenced),
        shadow=ids(standing.shadow),
        inactive=ids(inactive),
        meanings={rules[i].id: rules[i].meaning for i in indices(found.fired | found.unknown)},
    )


def _all_actions(program: Program, event: EventType) -> Iterator[Actions]:
    for rule in event.rules:
        yield rule.then
        if rule.unknown is not None:
            yield rule.unknown
    for name in event.models:
        yield program.model(name).unavailable


def _list_tests(event: EventType, models: Iterable[Model]) -> Iterator[InList]:
    for rule in event.rules:
        for condition in (rule.when, *rule.exceptions):
            yield from list_tests(condition)
    for model in models:
        if model.use_when is not None:
            yield from list_tests(model.use_when)
        for read in model.reads:
            yield from list_tests(read)


def list_tests(expression: Expression) -> Iterator[InList]:
    """The tests of list membership within an expression, lets looked into."""
    if isinstance(expression, InList):
        yield expression
    for part in children(expression):
        yield from list_tests(part)
