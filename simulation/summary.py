"""From tallies to the result of a dry run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from tidegate.dsl.program import EventType, Label, Rule
from tidegate.dsl.zones import DAY_US
from tidegate.simulation.advice import fault_counts, invalid_counts
from tidegate.simulation.mapping import WORDS
from tidegate.simulation.measures import (
    CLASSES,
    FRAUD,
    GOOD,
    NOTHING,
    WARM_UP,
    Classed,
    RuleTally,
    Tally,
    added,
    detection,
    load,
    measured,
    rate,
    share,
    total,
)
from tidegate.simulation.result import (
    BacktestResult,
    Change,
    ClassVolumes,
    EventResult,
    LevelName,
    LevelResult,
    MissingInput,
    NamedRow,
    OutcomeResult,
    Overlap,
    RuleResult,
    SourceResult,
    StandingName,
    WeekResult,
)
from tidegate.simulation.rows import Intake
from tidegate.simulation.times import days_of
from tidegate.simulation.told import Told
from tidegate.simulation.warm_up import WarmUp

TOP_OVERLAPS = 10
WEEK_US = 7 * DAY_US
_APPROVE, _REVIEW, _STEP_UP, _DECLINE = range(len(WORDS))
LEVELS: tuple[tuple[LevelName, tuple[int, ...]], ...] = (
    ("declined", (_DECLINE,)),
    ("declined_or_stepped_up", (_DECLINE, _STEP_UP)),
    ("acted_on", (_DECLINE, _STEP_UP, _REVIEW)),
)


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What a dry run knows about a decided event beforehand.

    `label` is what measures, None where the history tells none; `stops` says per rule whether it
    asks for a stop where it fires and where it is unknown; `inputs` are those besides fields.
    """

    event: EventType
    warm_up: WarmUp
    label: Label | None
    money: str
    stops: tuple[tuple[bool, bool], ...]
    inputs: tuple[str, ...]


def summarise(
    history: Told,
    tallies: Mapping[str, Tally],
    facts: Mapping[str, EventFacts],
    notes: tuple[str, ...],
    ties: Mapping[str, int],
) -> BacktestResult:
    """The result of a dry run that has read its history."""
    program, span = history.policy.program, history.span
    events = (
        _Summary(history, tallies[name], facts[name], ties[name]).event() for name in sorted(facts)
    )
    return BacktestResult(
        policy=program.name,
        policy_hash=history.policy.hash,
        mapping_hash=history.mapping.hash,
        history=history.mapping.name,
        minor_digits=program.minor_digits,
        start_us=span.start_us,
        end_us=span.end_us,
        sources=tuple(_source(history, name, intake) for name, intake in history.intakes.items()),
        events=tuple(events),
        notes=notes,
    )


def _source(history: Told, name: str, intake: Intake) -> SourceResult:
    source = history.mapping.source_of(name)
    assert source is not None
    return SourceResult(
        event=name,
        files=tuple(path.name for path in source.files),
        rows=intake.rows,
        accepted=intake.accepted,
        bad=intake.bad,
        after_end=intake.after_end,
        copies=intake.copies,
        ties=intake.ties,
        in_order=name not in history.unordered,
        faults=fault_counts(source, intake),
        named=tuple(
            NamedRow(bad.file, bad.row, bad.key, tuple(_fault(*fault) for fault in bad.faults))
            for bad in intake.named
        ),
        invalid=invalid_counts(intake),
    )


def _fault(field: str, code: str) -> str:
    return f"{field}: {code}" if field else code


def class_volumes(classed: Classed) -> ClassVolumes:
    """By name, without the warm-up."""
    return ClassVolumes(*(classed[place] for place in range(len(CLASSES)) if place != WARM_UP))


class _Summary:
    """The summary of one event under way."""

    def __init__(self, history: Told, tally: Tally, facts: EventFacts, ties: int) -> None:
        self.history = history
        self.program = history.policy.program
        self.tally = tally
        self.facts = facts
        self.ties = ties
        self.everything = _sum(tally.words)
        self.days = self._days()

    def event(self) -> EventResult:
        tally, facts, everything = self.tally, self.facts, self.everything
        after_us = facts.label.after_us if facts.label else 0
        return EventResult(
            event=facts.event.name,
            decided=total(everything),
            warm_up=everything[WARM_UP],
            warm_up_until_us=facts.warm_up.until_us,
            warm_up_of=facts.warm_up.event,
            measured=measured(everything),
            money=facts.money,
            currency=self.program.currency if facts.money else "",
            without_money=tally.without_money,
            label=facts.label.name if facts.label else "",
            label_after_us=after_us,
            labels_due_before_us=self.history.span.end_us - after_us,
            known=class_volumes(everything),
            outcomes=tuple(
                OutcomeResult(word, measured(classed), class_volumes(classed))
                for word, classed in zip(WORDS, tally.words, strict=True)
            ),
            levels=tuple(self._levels()),
            review=load(tally.review_days, self.days),
            step_up=load(tally.step_up_days, self.days),
            rules=tuple(self._rules()),
            overlaps=tuple(self._overlaps()),
            weeks=tuple(self._weeks()),
            changes=tuple(
                Change(WORDS[old], WORDS[new], volume)
                for (old, new), volume in sorted(tally.changes.items())
            ),
            missing=tuple(
                MissingInput(name, reason, rows)
                for (name, reason), rows in sorted(tally.missing.items())
                if rows
            ),
            tied_under_a_key=self.ties,
        )

    def _days(self) -> int:
        """How many local days the measured stretch touches, up to the last decision."""
        first_us, last_us = self.facts.warm_up.until_us, self.tally.last_us
        if first_us > last_us:
            return 0
        first, last = days_of(np.array([first_us, last_us]), self.program.zone).tolist()
        return int(last - first + 1)

    def _levels(self) -> Iterator[LevelResult]:
        for name, places in LEVELS:
            caught = _sum(self.tally.words[place] for place in places)
            words = tuple(WORDS[place] for place in places)
            yield LevelResult(name, words, detection(caught, self.everything))

    def _rules(self) -> Iterator[RuleResult]:
        for rule, tally in zip(self.facts.event.rules, self.tally.rules, strict=True):
            yield self._rule(rule, tally)

    def _rule(self, rule: Rule, tally: RuleTally) -> RuleResult:
        fraud, good = tally.fired[FRAUD].count, tally.fired[GOOD].count
        return RuleResult(
            id=rule.id,
            standing=_standing(rule),
            fired=measured(tally.fired),
            fired_in_warm_up=tally.fired[WARM_UP],
            fired_on=class_volumes(tally.fired),
            unknown=measured(tally.unknown),
            silenced=measured(tally.silenced),
            acted=measured(tally.acted),
            determining=measured(tally.decided),
            alone=measured(tally.alone),
            alone_fraud=tally.alone[FRAUD],
            alone_good=tally.alone[GOOD],
            precision=rate(fraud, fraud + good),
            recall=rate(fraud, self.everything[FRAUD].count),
        )

    def _overlaps(self) -> Iterator[Overlap]:
        rules, both = self.facts.event.rules, self.tally.overlap
        fired = [measured(rule.fired).count for rule in self.tally.rules]
        # Two shadow rules overlap as thresholds of one kind do, and neither acts.
        pairs = [
            (-int(both[left, right]), left, right)
            for left in range(len(both))
            for right in range(left + 1, len(both))
            if both[left, right] and not (rules[left].shadow and rules[right].shadow)
        ]
        for negative, left, right in sorted(pairs)[:TOP_OVERLAPS]:
            rows = -negative
            either = fired[left] + fired[right] - rows
            yield Overlap(rules[left].id, rules[right].id, rows, share(rows, either) or 0)

    def _weeks(self) -> Iterator[WeekResult]:
        start_us = self.facts.warm_up.until_us
        for week, words in sorted(self.tally.weeks.items()):
            everything, declined = _sum(words), words[_DECLINE]
            acted = _sum(words[place] for place in (_DECLINE, _STEP_UP, _REVIEW))
            rows = measured(everything).count
            caught = acted[FRAUD].count
            first_us = np.array([start_us + week * WEEK_US])
            yield WeekResult(
                day=int(days_of(first_us, self.program.zone)[0]),
                whole=int(first_us[0]) + WEEK_US <= self.tally.last_us,
                rows=rows,
                decline=rate(measured(declined).count, rows),
                acted_on=rate(measured(acted).count, rows),
                precision=rate(caught, caught + acted[GOOD].count),
                recall=rate(caught, everything[FRAUD].count),
            )


def _sum(classed: Iterable[Classed]) -> Classed:
    result = NOTHING
    for one in classed:
        result = added(result, one)
    return result


def _standing(rule: Rule) -> StandingName:
    if rule.shadow:
        return "shadow"
    if rule.from_us is not None or rule.until_us is not None:
        return "dated"
    return "rollout" if rule.rollout else "live"
