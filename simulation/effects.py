"""From what was counted about two revisions to the effects of the change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tidegate.simulation.assessment import Assessment
from tidegate.simulation.comparison import (
    DayLoad,
    Effects,
    EventComparison,
    LevelChange,
    LoadChange,
    MissingChange,
    RateChange,
    ScoreChange,
    Segment,
    SourceRows,
    Transition,
    UnknownChange,
)
from tidegate.simulation.hybrids import Hybrids
from tidegate.simulation.mapping import WORDS
from tidegate.simulation.measures import Load, Tally, Volume, total
from tidegate.simulation.paired import rate_change, stopped_change
from tidegate.simulation.pairs import PairTally
from tidegate.simulation.result import EventResult, LevelResult
from tidegate.simulation.speed import Sample
from tidegate.simulation.summary import summarise

_DEPENDENT = (
    "intervals take payments as independent draws: several of one card say less than they seem to"
)


@dataclass(frozen=True, slots=True)
class EventPair:
    """What was counted about one event; each pair is of the revision before and the one after."""

    event: str
    before: Tally
    after: Tally
    ties_before: int
    ties_after: int
    pairs: PairTally
    only: tuple[Volume, Volume]
    own_warm_up_us: tuple[int, int]
    hybrids: Hybrids | None
    no_hybrids: str
    sample: Sample | None
    segments: tuple[Segment, ...] = ()
    scores: tuple[ScoreChange, ...] = ()


def effects_of(old: Assessment, new: Assessment, pairs: list[EventPair]) -> Effects:
    """What the change does, event by event."""
    names = [pair.event for pair in pairs]
    before = _results(
        old, {p.event: p.before for p in pairs}, {p.event: p.ties_before for p in pairs}
    )
    after = _results(new, {p.event: p.after for p in pairs}, {p.event: p.ties_after for p in pairs})
    told = new.told
    return Effects(
        history=told.mapping.name,
        mapping_hash=told.mapping.hash,
        minor_digits=new.policy.program.minor_digits,
        start_us=told.span.start_us,
        end_us=told.span.end_us,
        sources=tuple(_sources(old, new)),
        events=tuple(_event(pair, before[pair.event], after[pair.event]) for pair in pairs),
        notes=tuple(_notes(old, new, names)),
    )


def _results(
    run: Assessment, tallies: Mapping[str, Tally], ties: Mapping[str, int]
) -> dict[str, EventResult]:
    facts = {name: run.facts[name] for name in tallies}
    found = summarise(run.told, tallies, facts, (), ties)
    return {event.event: event for event in found.events}


def _sources(old: Assessment, new: Assessment) -> Iterator[SourceRows]:
    for name, intake in new.told.intakes.items():
        was = old.told.intakes.get(name)
        accepted = was.accepted if was is not None else 0
        yield SourceRows(name, intake.rows, accepted, intake.accepted)


def _notes(old: Assessment, new: Assessment, names: list[str]) -> Iterator[str]:
    said = dict.fromkeys(
        (*new.notes(), *(f"before: {n}" for n in old.notes() if n not in new.notes()))
    )
    yield from said
    yield _DEPENDENT
    for run, when in ((old, "before"), (new, "after")):
        for event in run.events:
            if event.name not in names:
                yield f"`{event.name}` is decided {when} the change only: nothing to compare"
    mine = {label.name: label for label in old.policy.program.labels}
    for name in names:
        label = new.facts[name].label
        if label is not None and mine.get(label.name) != label:
            yield f"label `{label.name}` differs: both are measured by the one after"


# --- one event ---------------------------------------------------------------------------------


def _event(pair: EventPair, before: EventResult, after: EventResult) -> EventComparison:
    transitions = pair.pairs.transitions()
    return EventComparison(
        event=pair.event,
        before=before,
        after=after,
        only_before=pair.only[0],
        only_after=pair.only[1],
        warm_up_until_before_us=pair.own_warm_up_us[0],
        warm_up_until_after_us=pair.own_warm_up_us[1],
        flipped=total(t.all for t in transitions if t.before != t.after),
        transitions=transitions,
        rates=tuple(_rates(pair, after.measured.count)),
        levels=tuple(
            _level(was, now, transitions)
            for was, now in zip(before.levels, after.levels, strict=True)
        ),
        loads=(
            LoadChange("review", *_loads("review", pair, before.review, after.review)),
            LoadChange("step_up", *_loads("step_up", pair, before.step_up, after.step_up)),
        ),
        marginals=pair.hybrids.marginals() if pair.hybrids is not None else (),
        no_marginals=pair.no_hybrids,
        flips=pair.pairs.samples(),
        unknown=tuple(_unknown(before, after)),
        missing=tuple(_missing(before, after)),
        segments=pair.segments,
        scores=pair.scores,
    )


def _level(was: LevelResult, now: LevelResult, transitions: Sequence[Transition]) -> LevelChange:
    fraud, good = (
        stopped_change(
            name, now.words,
            ((t.before, t.after, getattr(t.known, known).count) for t in transitions),
        )
        for name, known in (("recall", "fraud"), ("insults", "good"))
    )  # fmt: skip
    return LevelChange(now.name, now.words, was.detection, now.detection, fraud, good)


def _rates(pair: EventPair, of: int) -> Iterator[RateChange]:
    cells = {(t.before, t.after): t.all.count for t in pair.pairs.transitions()}
    for word in WORDS:
        before = sum(count for (was, _), count in cells.items() if was == word)
        after = sum(count for (_, now), count in cells.items() if now == word)
        yield rate_change(word, before, after, before - cells.get((word, word), 0), of)
    looked = pair.pairs.looked
    kept, lost, gained = (looked.get(cell, 0) for cell in ((1, 1), (1, 0), (0, 1)))
    yield rate_change("looked_at", kept + lost, kept + gained, lost, of)


def _loads(name: str, pair: EventPair, before: Load, after: Load) -> Iterator[DayLoad]:
    for tally, load in ((pair.before, before), (pair.after, after)):
        by_day = tally.review_days if name == "review" else tally.step_up_days
        yield day_load(by_day, load)


def day_load(by_day: Mapping[int, int], load: Load) -> DayLoad:
    """The load with its median over all days, those without any included."""
    counts = sorted([*by_day.values(), *[0] * (load.days - len(by_day))])
    middle = 500 * (counts[(len(counts) - 1) // 2] + counts[len(counts) // 2]) if counts else 0
    return DayLoad(load.total, load.days, load.mean_thousandths, middle, load.peak, load.peak_day)


def _unknown(before: EventResult, after: EventResult) -> Iterator[UnknownChange]:
    was, now = ({r.id.split("@")[0]: 0 for r in e.rules} for e in (before, after))
    for counts, event in ((was, before), (now, after)):
        for rule in event.rules:
            counts[rule.id.split("@")[0]] += rule.unknown.count
    for name in sorted({*was, *now}):
        if was.get(name) or now.get(name):
            yield UnknownChange(name, was.get(name), now.get(name))


def _missing(before: EventResult, after: EventResult) -> Iterator[MissingChange]:
    was, now = ({(m.input, m.reason): m.rows for m in e.missing} for e in (before, after))
    for key in sorted({*was, *now}):
        yield MissingChange(*key, was.get(key, 0), now.get(key, 0))
