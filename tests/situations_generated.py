"""Situations at random for a checked policy: what an evaluator may meet after the door.

Values keep to the bounds that the checker relies on and like their edges, the thresholds of the
policy and what lies beside them; optional inputs are missing now and then; models answer, fail or
abstain; managed lists cannot be read now and then; some situations come twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random

from tidegate.dsl.lists import ListContent, Lists, of_ranges
from tidegate.dsl.program import (
    Constant,
    EventType,
    Expression,
    InNetworks,
    Input,
    InSet,
    Program,
    TextTest,
)
from tidegate.dsl.types import (
    INT64_MAX,
    INT64_MIN,
    INTEGER_KINDS,
    NATURAL_BOUNDS,
    NUMBER_SCALE,
    TEXT_KINDS,
    Bounds,
    Kind,
    Value,
)
from tidegate.dsl.unknowns import walk
from tidegate.engine.situation import ScoreStatus, Situation

HOUR_US = 3_600 * 10**6
NOW_US = 1_795_442_400 * 10**6
TEXTS = (
    "",
    "a",
    "ab",
    "a@b",
    "a@b@c",
    "Ärger",
    "ecom",
    "4571",
    "x y",
    '"',
    "\\",
    "*",
    "{0}",
    "EUR",
)
TOKENS = ("t0", "t1", "t2", "t3")
COUNTRIES = ("FR", "DE", "US")
V4 = 0xFFFF << 32
ADDRESSES = (V4, V4 + (10 << 24) + 1, V4 + 2**32 - 1, V4 + (192 << 24) + 519, 0, 2**128 - 1, 2**127)
USUAL = (0, 0, 1, -1, 2, 3, 5, 10, 100, 500, NUMBER_SCALE // 2, NUMBER_SCALE, HOUR_US, 24 * HOUR_US)
STATUSES: tuple[ScoreStatus, ...] = (
    "ok", "ok", "ok", "ok", "ok", "ok", "unavailable", "abstained", "failed"
)  # fmt: skip


@dataclass(frozen=True)
class Pools:
    """Values that a policy's conditions turn on, by kind."""

    values: Mapping[Kind, tuple[Value, ...]]

    def of(self, kind: Kind) -> tuple[Value, ...]:
        """The values of that kind."""
        return self.values.get(kind, ())


def conditions_of(event: EventType) -> Iterator[Expression]:
    """Every condition that an evaluation of the event looks at."""
    for rule in event.rules:
        yield rule.when
        yield from rule.exceptions


def pools_of(program: Program, event: EventType) -> Pools:
    """The literals and params of the event's conditions, and for integers what lies beside them."""
    found: dict[Kind, set[Value]] = {}
    uses = (program.model(m).use_when for m in event.models)
    for root in (*conditions_of(event), *(u for u in uses if u is not None)):
        for node in walk(root):
            for kind, value in _thresholds(node):
                found.setdefault(kind, set()).add(value)
    wide = {kind: set(_beside(values)) if kind in INTEGER_KINDS else values
            for kind, values in found.items()}  # fmt: skip
    return Pools({kind: tuple(sorted(values, key=repr)) for kind, values in wide.items()})


def _thresholds(node: Expression) -> Iterator[tuple[Kind, Value]]:
    match node:
        case Constant(value=value):
            yield node.type.kind, value
        case InSet(operand=operand, values=values):
            yield from ((operand.type.kind, value) for value in values)
        case InNetworks(ranges=ranges):
            for low, high in ranges:
                yield from ((Kind.IP, edge) for edge in (low - 1, low, high, high + 1)
                            if 0 <= edge < 2**128)  # fmt: skip
        case TextTest(pattern=pattern):
            yield Kind.TEXT, pattern
            yield Kind.TEXT, pattern.replace("*", "xy")
            yield Kind.TEXT, f"a{pattern}b"


def _beside(values: Iterable[Value]) -> Iterator[Value]:
    for value in values:
        if isinstance(value, int):
            yield from (value - 1, value, value + 1)


def generated_lists(rng: Random, program: Program, unreadable: float = 0.2) -> Lists:
    """Contents for every list; now and then a managed one cannot be read."""
    contents: dict[str, ListContent | None] = {}
    for declared in program.lists:
        match declared.type.kind:
            case Kind.IP:
                lows = rng.sample(ADDRESSES[:6], 2)
                contents[declared.name] = of_ranges((low, low + 300) for low in lows)
            case Kind.TOKEN:
                contents[declared.name] = ListContent(frozenset(rng.sample(TOKENS, 2)))
            case Kind.COUNTRY:
                contents[declared.name] = ListContent(frozenset(rng.sample(COUNTRIES, 2)))
            case _:
                contents[declared.name] = ListContent(frozenset(rng.sample(TEXTS, 4)))
        if not declared.path and rng.random() < unreadable:
            contents[declared.name] = None
    return contents


def generated_situations(
    rng: Random, program: Program, event: EventType, lists: Lists, number: int
) -> list[Situation]:
    """So many situations that read the same lists; some of them twice."""
    pools = pools_of(program, event)
    made: list[Situation] = []
    while len(made) < number:
        if made and rng.random() < 0.06:
            made.append(replace(rng.choice(made)))
        else:
            made.append(_situation(rng, pools, event, lists))
    return made


def _situation(rng: Random, pools: Pools, event: EventType, lists: Lists) -> Situation:
    well = rng.random() < 0.5
    statuses = {name: "ok" if well else rng.choice(STATUSES) for name in event.models}
    share = rng.choice((0.0, 0.1, 0.3, 1.0))
    values = tuple(input_value(rng, pools, i, event, statuses, share) for i in event.inputs)
    return Situation(event=event, values=values, lists=lists, statuses=statuses)


def input_value(
    rng: Random,
    pools: Pools,
    of: Input,
    event: EventType,
    statuses: Mapping[str, ScoreStatus],
    missing_share: float,
) -> Value | None:
    """A value for one input, or None where it is missing."""
    if any(statuses[m] != "ok" for m in of.models):
        return None
    if of.can_be_missing and rng.random() < missing_share:
        return None
    if of.name == event.at:
        return NOW_US + rng.choice(
            (0, rng.randint(-40, 40) * HOUR_US, rng.randint(-(10**12), 10**12))
        )
    return present_value(rng, pools, of)


def present_value(rng: Random, pools: Pools, of: Input) -> Value:
    """A value within the bounds that the checker relies on."""
    kind = of.type.kind
    pool = pools.of(kind)
    if kind in INTEGER_KINDS:
        return _integer(rng, pool, of.bounds or NATURAL_BOUNDS[kind], kind)
    if kind is Kind.FLAG:
        return rng.random() < 0.5
    if kind is Kind.WORD:
        return rng.choice(of.type.words)
    if kind is Kind.IP:
        return rng.choice((*pool, *ADDRESSES))
    usual = {Kind.TOKEN: TOKENS, Kind.COUNTRY: COUNTRIES}.get(kind, TEXTS)
    if pool and kind in TEXT_KINDS and rng.random() < 0.4:
        return rng.choice(pool)
    return rng.choice(usual)


def _integer(rng: Random, pool: tuple[Value, ...], bounds: Bounds, kind: Kind) -> int:
    way = rng.random()
    if pool and way < 0.45:
        pick = int(rng.choice(pool))
    elif way < 0.6:
        pick = rng.choice((bounds.low, bounds.low + 1, bounds.high - 1, bounds.high))
    elif way < 0.65:
        pick = rng.choice(
            (INT64_MIN, INT64_MIN + 1, INT64_MAX - 1, INT64_MAX, 2**62, 2**31, 2**53 + 1)
        )
    elif kind is Kind.TIME:
        pick = NOW_US + rng.randint(-400, 400) * HOUR_US + rng.randint(-1, 1)
    else:
        pick = rng.choice(USUAL)
    return min(max(pick, bounds.low), bounds.high)
