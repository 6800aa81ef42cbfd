"""LANGUAGE.md section 4, written down a second time as plainly as possible: O(n) a decision.

The tests compare both window kernels with `expected`. It knows nothing of contributions; it goes
over all events and asks of each what the contract asks.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

from tidegate.engine.windows import (
    NOT_COUNTED,
    Aggregate,
    Arrival,
    Contribution,
    Entry,
    NotCounted,
    Operand,
    WindowState,
    WindowValue,
    contributions,
)

Share = Operand | NotCounted | None
TYPE = "payment"


@dataclass(frozen=True, slots=True)
class Event:
    """A counted event; `when_false` and `when_true` are its operand under either label."""

    event_id: str
    key: str | None
    at_us: int
    received_us: int
    reported_us: int | None
    when_false: Share
    when_true: Share


@dataclass(frozen=True, slots=True)
class Decision:
    """A question at `t_us`; `event_id` is None if the deciding event is of another type."""

    t_us: int
    key: str | None
    event_id: str | None


@dataclass(frozen=True, slots=True)
class History:
    """Events in order of arrival, decisions in any order, one window."""

    events: tuple[Event, ...]
    decisions: tuple[Decision, ...]
    window_us: int
    delay_us: int


def expected(history: History, aggregate: Aggregate, decision: Decision) -> WindowValue:
    """The contract, sentence by sentence."""
    if decision.key is None:
        return WindowValue(None, "missing_key")  # "a missing key gives a missing feature"
    operands = []
    for event in first_copies(history.events):
        if event.key != decision.key or event.event_id == decision.event_id:
            continue
        start = decision.t_us - history.window_us - history.delay_us
        end = decision.t_us - history.delay_us
        if not start <= event.at_us < end or not event.received_us < decision.t_us:
            continue
        labelled = event.reported_us is not None and event.reported_us < decision.t_us
        share = event.when_true if labelled else event.when_false
        if not isinstance(share, NotCounted):
            operands.append(share)
    return summary(aggregate, operands, decision.t_us)


def first_copies(events: Sequence[Event]) -> list[Event]:
    """ "An event key counts once per type; later copies change nothing." """
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(event.event_id, event)
    return list(first.values())


def summary(aggregate: Aggregate, operands: list[Operand | None], t_us: int) -> WindowValue:
    """The aggregates of the contract; averages as fractions, which round half to even."""
    present = [operand for operand in operands if operand is not None]
    numbers = [operand for operand in present if isinstance(operand, int)]
    answer: int | None
    match aggregate:
        case Aggregate.COUNT:
            answer = len(operands)
        case Aggregate.DISTINCT:
            answer = len({(type(operand), operand) for operand in present})
        case Aggregate.SUM:
            answer = sum(numbers)
        case Aggregate.AVERAGE:
            answer = round(Fraction(sum(numbers), len(numbers))) if numbers else None
        case Aggregate.DEVIATION:
            if len(numbers) == 1:
                return WindowValue(None, "one_event")
            answer = spread(numbers) if numbers else None
        case Aggregate.SINCE_FIRST:
            answer = t_us - min(numbers) if numbers else None
        case Aggregate.SINCE_LAST:
            answer = t_us - max(numbers) if numbers else None
        case Aggregate.MINIMUM | Aggregate.FIRST_AT:
            answer = min(numbers, default=None)
        case Aggregate.MAXIMUM | Aggregate.LAST_AT:
            answer = max(numbers, default=None)
    if answer is not None and answer not in range(-(2**63), 2**63):
        return WindowValue(None, "overflow")
    return WindowValue(answer, "empty_window" if answer is None else None)


def spread(numbers: list[int]) -> int:
    """The standard deviation of a sample, by its definition and with a hundred digits."""
    mean = Fraction(sum(numbers), len(numbers))
    variance = Fraction(sum((number - mean) ** 2 for number in numbers)) / (len(numbers) - 1)
    with localcontext(prec=100):
        exact = (Decimal(variance.numerator) / Decimal(variance.denominator)).sqrt()
        return int(exact.to_integral_value(ROUND_HALF_EVEN))


def shares(history: History, event: Event, reported_us: int | None) -> tuple[Contribution, ...]:
    """An event's contributions in this history, the label known as `reported_us` says."""
    return contributions(
        event_id=event.event_id,
        at_us=event.at_us,
        received_us=event.received_us,
        reported_us=reported_us,
        window_us=history.window_us,
        delay_us=history.delay_us,
        when_false=event.when_false,
        when_true=event.when_true,
    )


def arrival(history: History, event: Event, reported_us: int | None) -> Arrival:
    """An event as the state takes it, for feature 0."""
    entry = Entry(0, (event.key,), shares(history, event, reported_us))
    return Arrival(TYPE, event.event_id, event.at_us, event.received_us, (entry,))


def full_state(history: History) -> WindowState:
    """The state after all events, in order of arrival, every label known."""
    state = WindowState(history.window_us + history.delay_us)
    for event in history.events:
        state.apply(state.step(arrival(history, event, event.reported_us)))
    return state


def random_history(rng: random.Random, *, labels: bool, text: bool = False) -> History:
    """A crowded history: ties, late and early arrivals, copies, missing keys and operands."""
    span = rng.choice((12, 60, 400))
    length = rng.randint(0, 40)

    def operand() -> Operand | None:
        wide = rng.choice((3, 3, 1000, 2**63 - 1))
        number = rng.randint(-wide, wide)
        return None if rng.random() < 0.1 else str(number % 5) if text else number

    def event() -> Event:
        at_us = rng.randint(0, span)
        first = operand()
        second: Share = rng.choice((operand(), first, NOT_COUNTED)) if labels else first
        return Event(
            event_id=str(rng.randint(0, 2 * length)),
            key=rng.choice(("a", "a", "b", None)),
            at_us=at_us,
            received_us=at_us + rng.choice((0, 0, 0, -2, rng.randint(0, span))),
            reported_us=rng.choice((None, at_us + rng.randint(-3, span))) if labels else None,
            when_false=rng.choice((first, NOT_COUNTED)) if labels else first,
            when_true=second,
        )

    events = tuple(event() for _ in range(length))
    own = [Decision(e.at_us, e.key, e.event_id) for e in events]
    later = [Decision(d.t_us + rng.randint(0, 30), d.key, d.event_id) for d in own]
    others = [
        Decision(rng.randint(-5, 2 * span), rng.choice(("a", "b", "c", None)), None)
        for _ in range(rng.randint(0, 40))
    ]
    decisions = [*own, *later, *others]
    rng.shuffle(decisions)
    window_us, delay_us = rng.choice((0, 1, 5, span)), rng.choice((0, 0, 1, 7))
    return History(events, tuple(decisions), window_us, delay_us)
