"""Small policies by hand: one decided event `payment`, its rules and models, and situations of it.

program = policy(
    rule("large", compare(">", AMOUNT, euros(100)), does(hold("size"))),
    models=[model("boosting", "review")],
)
situation = situation_of(program, amount=5_000, boosting=0.9)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from tests.engine.nodes import compare, constant, field_input, score_input
from tidegate.dsl.lists import ListContent
from tidegate.dsl.program import (
    Actions,
    Advice,
    Ask,
    Authentication,
    Disposition,
    EventType,
    Expression,
    Field,
    Input,
    Ladder,
    Model,
    PointsAtLeast,
    Program,
    Review,
    Rule,
    StepUp,
)
from tidegate.dsl.source import NOWHERE
from tidegate.dsl.types import (
    COUNT,
    COUNTRY,
    MONEY,
    NUMBER,
    NUMBER_SCALE,
    TEXT,
    TIME,
    TOKEN,
    Value,
)
from tidegate.engine.situation import ScoreStatus, Situation

AT_US = 1_795_442_400 * 10**6
"""When payments happen, unless a test says otherwise: 2026-11-23T14:00:00Z."""

AT = field_input("at", TIME)
AMOUNT = field_input("amount", MONEY)
CARD = field_input("card", TOKEN)
TRIES = field_input("tries", COUNT, optional=True)
COUNTRY_OF_IP = field_input("ip_country", COUNTRY, optional=True)
EMAIL = field_input("email", TEXT, optional=True)
FIELDS: tuple[Input, ...] = (field_input("id", TEXT), AT, AMOUNT, CARD, TRIES, COUNTRY_OF_IP, EMAIL)

CEILINGS: dict[str, tuple[Ladder, int]] = {
    "review": ("review", Review.BEFORE),
    "hold": ("disposition", Disposition.HOLD),
    "decline": ("disposition", Disposition.DECLINE),
    "prefer": ("authentication", Authentication.PREFERRED),
    "step_up": ("authentication", Authentication.MANDATED),
}


# --- conditions --------------------------------------------------------------------------------


def euros(amount: int) -> Expression:
    """That many euros."""
    return constant(MONEY, amount * 100)


def whole(number: int) -> Expression:
    """A count."""
    return constant(COUNT, number)


def share(number: float) -> Expression:
    """A number; `float` only so that a test reads well."""
    return constant(NUMBER, round(number * NUMBER_SCALE))


def score_of(model: str) -> Input:
    """The score of a model, called like the model."""
    return score_input(model, model)


def score_above(model: str, cut: float = 0.5) -> Expression:
    """`score > cut`."""
    return compare(">", score_of(model), share(cut))


def dear(above: int = 100) -> Expression:
    """An amount above so many euros: a condition that is never unknown."""
    return compare(">", AMOUNT, euros(above))


def many_tries() -> Expression:
    """More than three tries: unknown where `tries` is missing."""
    return compare(">", TRIES, whole(3))


ALWAYS = compare(">=", AMOUNT, euros(0))
NEVER = compare("<", AMOUNT, euros(0))


# --- actions -----------------------------------------------------------------------------------


def does(
    *asks: Ask, points: int = 0, tags: tuple[str, ...] = (), advice: Mapping[str, int] | None = None
) -> Actions:
    """What a rule does."""
    advised = tuple(Advice(name, value, COUNT) for name, value in (advice or {}).items())
    return Actions(asks=asks, points=points, tags=tags, advice=advised)


def hold(reason: str = "") -> Ask:
    return Ask("disposition", Disposition.HOLD, reason)


def decline(reason: str = "") -> Ask:
    return Ask("disposition", Disposition.DECLINE, reason)


def exempt(kind: str, reason: str = "") -> Ask:
    return Ask("authentication", Authentication.EXEMPT, reason, exemption=kind)


def no_exemption(reason: str = "") -> Ask:
    return Ask("authentication", Authentication.NONE, reason)


def prefer(name: str, reason: str = "") -> Ask:
    return Ask("authentication", Authentication.PREFERRED, reason, step_up=name)


def step_up(name: str, reason: str = "") -> Ask:
    return Ask("authentication", Authentication.MANDATED, reason, step_up=name)


def review(reason: str = "") -> Ask:
    return Ask("review", Review.AFTER, reason)


def review_before(reason: str = "") -> Ask:
    return Ask("review", Review.BEFORE, reason)


# --- declarations ------------------------------------------------------------------------------


def rule(name: str, when: Expression, then: Actions, **rest: Any) -> Rule:
    """A rule; whether it reads points or relaxes is worked out."""
    exempts = any(ask.exemption for ask in then.asks)
    return Rule(
        name=name,
        version=rest.pop("version", 1),
        event="payment",
        when=when,
        then=then,
        span=NOWHERE,
        reads_points=any(isinstance(part, PointsAtLeast) for part in parts_of(when)),
        relaxes=exempts or then.points < 0,
        **rest,
    )


def parts_of(expression: object) -> Iterator[object]:
    """The expression and everything in it."""
    yield expression
    if is_dataclass(expression):
        for declared in fields(expression):
            yield from parts_of(getattr(expression, declared.name))
    elif isinstance(expression, tuple):
        for item in expression:
            yield from parts_of(item)


def model(
    name: str,
    *may: str,
    use_when: Expression | None = None,
    unavailable: Actions | None = None,
) -> Model:
    """A model that may do what the words say."""
    ceilings: dict[Ladder, int] = {}
    for word in may:
        if word in CEILINGS:
            ladder, rung = CEILINGS[word]
            ceilings[ladder] = max(rung, ceilings.get(ladder, -1))
    return Model(
        name=name,
        version=1,
        score=name,
        use_event="payment",
        unavailable=unavailable or Actions(),
        span=NOWHERE,
        use_when=use_when,
        may=frozenset(may),
        ceilings=tuple(sorted(ceilings.items())),
    )


STEP_UPS = tuple(
    StepUp(name, rank, "", ("passkey",), 600 * 10**6, None, None, None, NOWHERE)
    for name, rank in (("also_strong", 2), ("soft", 1), ("strong", 2))
)


def policy(
    *rules: Rule,
    models: Iterable[Model] = (),
    default: Disposition = Disposition.APPROVE,
) -> Program:
    """A program of one event with these rules."""
    ordered = tuple(sorted(models, key=lambda m: m.name))
    event = EventType(
        name="payment",
        fields=tuple(Field(i.name, i.type, NOWHERE, i.can_be_missing) for i in FIELDS),
        key="id",
        at="at",
        span=NOWHERE,
        default=default,
        silent="review",
        rules=tuple(sorted(rules, key=lambda r: (r.name, r.version))),
        inputs=FIELDS + tuple(score_of(m.name) for m in ordered),
        models=tuple(m.name for m in ordered),
    )
    return Program(
        name="small",
        text="",
        language=1,
        currency="EUR",
        minor_digits=2,
        zone="Europe/Paris",
        rates="",
        events=(event,),
        models=ordered,
        step_ups=STEP_UPS,
    )


# --- situations --------------------------------------------------------------------------------


def situation_of(
    program: Program,
    statuses: Mapping[str, ScoreStatus] | None = None,
    lists: Mapping[str, ListContent | None] | None = None,
    reasons: Mapping[str, str] | None = None,
    **values: Value | float | None,
) -> Situation:
    """A payment with these inputs; a score is given as a float, amounts in cents.

    Optional fields that are left out are missing, a score that is left out is 0.
    """
    event = program.events[0]
    given: dict[str, Value | float | None] = {"id": "p1", "at": AT_US, "amount": 0, "card": "c1"}
    answers = {name: (statuses or {}).get(name, "ok") for name in event.models}
    given |= {name: 0 if answers[name] == "ok" else None for name in event.models} | values
    held = tuple(_held(given.get(entry.name)) for entry in event.inputs)
    return Situation(event, held, lists or {}, answers, reasons or {})


def _held(value: Value | float | None) -> Value | None:
    return round(value * NUMBER_SCALE) if isinstance(value, float) else value


def bits_of(program: Program, *names: str) -> int:
    """The mask of the rules with these names or ids."""
    rules = program.events[0].rules
    return sum(1 << i for i, r in enumerate(rules) if r.name in names or r.id in names)
