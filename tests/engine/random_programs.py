"""Random typed programs, and situations to evaluate them in.

Two evaluators that agree on these agree on every operator of the language, at the edges of int64,
with inputs missing, scores masked, lists unreadable, rules in shadow, in rollouts and out of date.
Everything follows from the `random.Random` that is given: a seed names a case.

    rng = random.Random(seed)
    program = random_program(rng)
    event = program.events[0]
    situation = random_situation(rng, program, event, random_lists(rng, program))
    clamped = random_clamp(rng, event)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from random import Random

from tests.engine import nodes
from tidegate.dsl import program
from tidegate.dsl.lists import ListContent, Lists, of_ranges
from tidegate.dsl.program import (
    Actions,
    Advice,
    Ask,
    Authentication,
    Disposition,
    EventType,
    Expression,
    Feature,
    Field,
    Input,
    Ladder,
    LetRef,
    ListDeclaration,
    Model,
    Program,
    Reason,
    Relation,
    Review,
    Rollout,
    Rule,
    StepUp,
)
from tidegate.dsl.source import NOWHERE
from tidegate.dsl.types import (
    COUNT,
    COUNTRY,
    DURATION,
    FLAG,
    INT64_MAX,
    INT64_MIN,
    INTEGER_KINDS,
    IP,
    MAX_EVENTS_IN_WINDOW,
    MONEY,
    NUMBER,
    NUMBER_SCALE,
    TEXT,
    TIME,
    TIME_MAX_US,
    TOKEN,
    Bounds,
    Kind,
    Type,
    Value,
)
from tidegate.engine.interpreter import used_here
from tidegate.engine.situation import ScoreStatus, Situation

CHANNEL = Type(Kind.WORD, ("ecom", "pos", "moto"))
NOW_US = 1_795_442_400 * 10**6
"""A morning of November 2026, around which times and the dates of rules lie."""
HOUR_US = 3_600 * 10**6
DAY_US = 24 * HOUR_US
ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu")
TEXTS = (
    "",
    "a",
    "ab",
    "a@b",
    "a@b@c",
    "Ärger",
    "ecom",
    "4571",
    "x" * 40,
    "'; raise #",
    '"\\\n{0}',
    "*",
)
REGEXES = ("^a", "b$", "a|Ä", "^[a-z]*$", "(?i)ä", "^$", "\\*", "^.{2}$", "[^a]b")
PATTERNS = ("", "a", "a*", "*b", "*@*", "a*b*", "**", "*a*@*", "Ä*r", "'*#", "\\*", "a*b")
COUNTRIES = ("FR", "DE", "US")
TOKENS = ("t0", "t1", "t2", "t3")
V4 = 0xFFFF << 32
ADDRESSES = (V4, V4 + 10, V4 + 2**32 - 1, 0, 2**128 - 1, 2**127)

FIELDS: tuple[Field, ...] = (
    Field("id", TEXT, NOWHERE),
    Field("at", TIME, NOWHERE),
    Field("amount", MONEY, NOWHERE, minimum=0, maximum=100_000_000),
    Field("balance", MONEY, NOWHERE, optional=True),
    Field("items", COUNT, NOWHERE, optional=True, minimum=0, maximum=1_000),
    Field("units", COUNT, NOWHERE),
    Field("rate", NUMBER, NOWHERE, minimum=-NUMBER_SCALE, maximum=NUMBER_SCALE),
    Field("factor", NUMBER, NOWHERE, optional=True),
    Field("opened", TIME, NOWHERE, optional=True),
    Field("gap", DURATION, NOWHERE, optional=True),
    Field("note", TEXT, NOWHERE, optional=True),
    Field("merchant", TEXT, NOWHERE),
    Field("card", TOKEN, NOWHERE),
    Field("customer", TOKEN, NOWHERE, optional=True),
    Field("card_country", COUNTRY, NOWHERE),
    Field("ip_country", COUNTRY, NOWHERE, optional=True),
    Field("address", IP, NOWHERE, optional=True),
    Field("channel", CHANNEL, NOWHERE),
    Field("verified", FLAG, NOWHERE),
    Field("known", FLAG, NOWHERE, optional=True),
)
FEATURES: tuple[tuple[Feature, Bounds | None], ...] = (
    (
        Feature("tries", "count", "payment", COUNT, NOWHERE, None, (("card", "card"),), HOUR_US),
        Bounds(0, MAX_EVENTS_IN_WINDOW),
    ),
    (
        Feature(
            "typical",
            "average",
            "payment",
            MONEY,
            NOWHERE,
            nodes.field_input("amount", MONEY, bounds=Bounds(0, 100_000_000)),
            (("card", "card"),),
            30 * DAY_US,
        ),
        Bounds(0, 100_000_000),
    ),
    (
        Feature(
            "first_seen",
            "first_at",
            "payment",
            TIME,
            NOWHERE,
            nodes.field_input("at", TIME),
            (("customer", "customer"),),
            30 * DAY_US,
        ),
        None,
    ),
)
LISTS: tuple[ListDeclaration, ...] = (
    ListDeclaration("blocked", TOKEN, NOWHERE, path="lists/blocked.csv"),
    ListDeclaration("networks", IP, NOWHERE, path="lists/networks.csv"),
    ListDeclaration("trusted", TOKEN, NOWHERE),
    ListDeclaration("watched_networks", IP, NOWHERE),
    ListDeclaration("watched_texts", TEXT, NOWHERE),
)
REASONS = tuple(Reason(f"because_{i}", "why", "message", "", NOWHERE) for i in range(4))
STEP_UPS = tuple(
    StepUp(name, rank, "", ("passkey",), 600 * 10**6, None, None, None, NOWHERE)
    for name, rank in (("soft", 1), ("strong", 2))
)
MAY: dict[str, tuple[Ladder, int]] = {
    "review": ("review", Review.BEFORE),
    "hold": ("disposition", Disposition.HOLD),
    "decline": ("disposition", Disposition.DECLINE),
    "prefer": ("authentication", Authentication.PREFERRED),
    "step_up": ("authentication", Authentication.MANDATED),
}


def _input_of_field(declared: Field) -> Input:
    bounds = None
    if declared.minimum is not None and declared.maximum is not None:
        bounds = Bounds(declared.minimum, declared.maximum)
    return nodes.field_input(declared.name, declared.type, declared.optional, bounds)


def _input_of_feature(declared: Feature, bounds: Bounds | None) -> Input:
    optional = declared.aggregate != "count"
    return nodes.feature_input(declared.name, declared.type, optional, bounds)


@dataclass
class Writer:
    """Writes random expressions over `inputs`, and lets as it goes along."""

    rng: Random
    inputs: list[Input]
    lets: list[LetRef] = field(default_factory=list)

    def chance(self, share: float) -> bool:
        """True that often."""
        return self.rng.random() < share

    def sound(self, without_scores: bool, never_missing: bool) -> Writer:
        """A writer over the inputs that are left, with no lets."""
        kept = [
            i
            for i in self.inputs
            if not (without_scores and i.models) and not (never_missing and i.can_be_missing)
        ]
        return Writer(self.rng, kept)

    # --- values ---

    def constant(self, of: Type, near: Bounds | None = None) -> Expression:
        """A literal, for integers often at or beside an edge of `near`."""
        return nodes.constant(of, random_value(self.rng, of, near))

    def leaf(self, of: Type) -> Expression:
        """An input or a let of that type, or a literal."""
        known: list[Expression] = [e for e in (*self.inputs, *self.lets) if e.type == of]
        if known and self.chance(0.85):
            return self.rng.choice(known)
        return self.constant(of)

    def value(self, of: Type, depth: int) -> Expression:
        """Any expression of type `of`."""
        if depth <= 0 or self.chance(0.3):
            return self.leaf(of)
        makers: list[Callable[[Type, int], Expression]] = [self._otherwise, self._case]
        if of.kind in INTEGER_KINDS:
            makers += [self._arithmetic] * 4 + [self._integer_call] * 2
        elif of.kind is Kind.TEXT:
            makers += [self._text_call] * 2
        elif of.kind is Kind.FLAG:
            makers += [lambda _, deep: self.condition(deep)] * 2
        made = self.rng.choice(makers)(of, depth - 1)
        if self.chance(0.15):
            self.lets.append(nodes.let(f"let_{len(self.lets)}", made))
            return self.lets[-1]
        return made

    def _otherwise(self, of: Type, depth: int) -> Expression:
        return nodes.otherwise(self.value(of, depth), self.value(of, depth - 1))

    def _case(self, of: Type, depth: int) -> Expression:
        branches = [
            (self.condition(depth - 1), self.value(of, depth - 1))
            for _ in range(self.rng.randint(1, 2))
        ]
        return nodes.case(branches, self.value(of, depth - 1))

    def _arithmetic(self, of: Type, depth: int) -> Expression:
        if of.kind is not Kind.TIME and self.chance(0.1):
            return nodes.negate(self.value(of, depth))
        rows = [(op, a, b) for (op, a, b), result in nodes.SUMS.items() if result == of]
        rows += [("*", a, b) for (a, b), (result, _) in nodes.PRODUCTS.items() if result == of]
        rows += [("/", a, b) for (a, b), (result, _) in nodes.QUOTIENTS.items() if result == of]
        op, a, b = self.rng.choice(rows)
        return nodes.arithmetic(op, self.value(Type(a), depth), self.value(Type(b), depth))

    def _integer_call(self, of: Type, depth: int) -> Expression:
        zone = self.rng.choice(ZONES)
        calls: list[Callable[[], Expression]] = [
            lambda: nodes.extreme("min", *(self.value(of, depth) for _ in range(2))),
            lambda: nodes.extreme("max", *(self.value(of, depth - 1) for _ in range(3))),
        ]
        if of.kind is Kind.TIME:
            calls.append(lambda: nodes.calendar("date", self.value(TIME, depth), zone))
        else:
            calls.append(lambda: nodes.absolute(self.value(of, depth)))
        if of.kind is Kind.NUMBER:
            places = self.rng.randint(0, 6)
            calls += [lambda: nodes.rounded(self.value(NUMBER, depth), places)] * 2
        if of.kind is Kind.COUNT:
            unit = self.rng.choice(tuple(nodes.CALENDAR_BOUNDS))
            now = next(i for i in self.inputs if i.name == "at")
            calls += [lambda: nodes.calendar(unit, self.value(TIME, depth), zone)] * 2
            calls.append(lambda: nodes.days_since(self.value(TIME, depth), now))
            calls.append(lambda: nodes.length(self.value(TEXT, depth)))
        return self.rng.choice(calls)()

    def _text_call(self, of: Type, depth: int) -> Expression:
        text = self.value(of, depth)
        if self.chance(0.4):
            return nodes.lower(text)
        function = "before" if self.chance(0.5) else "after"
        return nodes.part(function, text, self.rng.choice(("@", "a", "'", "@b")))  # type: ignore[arg-type]

    # --- conditions ---

    def condition(self, depth: int) -> Expression:
        """Any flag expression that does not read points."""
        if depth <= 0 or self.chance(0.35):
            return self.atom(min(depth, 2))
        made = self._connective(depth - 1)
        if self.chance(0.15):
            self.lets.append(nodes.let(f"let_{len(self.lets)}", made))
            return self.lets[-1]
        return made

    def _connective(self, depth: int) -> Expression:
        if self.chance(0.25):
            return nodes.negation(self.condition(depth))
        join = nodes.both if self.chance(0.55) else nodes.either
        return join(*(self.condition(depth) for _ in range(self.rng.randint(2, 3))))

    def atom(self, depth: int) -> Expression:
        """A flag expression that is no connective, or a flag let."""
        makers: list[Callable[[int], Expression]] = [
            *[self._compare] * 5,
            *[self._compare_score] * 2,
            self._in_set,
            self._in_list,
            self._in_networks,
            self._text_test,
            self._is_missing,
            lambda _: self.leaf(FLAG),
            lambda deep: self._otherwise(FLAG, deep - 1),
            lambda deep: self._case(FLAG, deep - 1),
        ]
        return self.rng.choice(makers)(depth)

    def _compare(self, depth: int) -> Expression:
        ordered: tuple[Relation, ...] = ("=", "!=", "<", "<=", ">", ">=")
        of = self.rng.choice(
            (*[COUNT, NUMBER, MONEY] * 2, TIME, DURATION, TEXT, TOKEN, COUNTRY, IP, CHANNEL, FLAG)
        )
        op = self.rng.choice(ordered if of.kind in INTEGER_KINDS else ordered[:2])
        left = self.value(of, depth)
        right = self.constant(of, left.bounds) if self.chance(0.6) else self.value(of, depth - 1)
        return (
            nodes.compare(op, left, right) if self.chance(0.8) else nodes.compare(op, right, left)
        )

    def _compare_score(self, depth: int) -> Expression:
        scores = [i for i in self.inputs if i.source == "score"]
        if not scores:
            return self._compare(depth)
        score: Expression = self.rng.choice(scores)
        if self.chance(0.3):
            score = nodes.arithmetic(self.rng.choice("+-*/"), score, self.value(NUMBER, depth - 1))
        cut = self.constant(NUMBER, Bounds(0, NUMBER_SCALE))
        return nodes.compare(self.rng.choice((">=", "<", ">")), score, cut)

    def _in_set(self, depth: int) -> Expression:
        of = self.rng.choice((COUNT, NUMBER, TEXT, COUNTRY, CHANNEL, TOKEN, IP))
        operand = self.value(of, depth)
        values = {random_value(self.rng, of, operand.bounds) for _ in range(self.rng.randint(1, 3))}
        return nodes.in_set(operand, values)

    def _in_list(self, depth: int) -> Expression:
        declared = self.rng.choice(LISTS)
        return nodes.in_list(self.value(declared.type, depth), declared.name, not declared.path)

    def _in_networks(self, depth: int) -> Expression:
        lows = self.rng.sample(ADDRESSES[:4], self.rng.randint(1, 3))
        return nodes.in_networks(self.value(IP, depth), [(low, low + 255) for low in lows])

    def _text_test(self, depth: int) -> Expression:
        op = self.rng.choice(("starts with", "ends with", "contains", "like", "matches"))
        of = self.rng.choice((TEXT, TEXT, TOKEN))
        patterns = REGEXES if op == "matches" else PATTERNS
        return nodes.text_test(op, self.value(of, depth), self.rng.choice(patterns))

    def _is_missing(self, depth: int) -> Expression:
        of = self.rng.choice((COUNT, NUMBER, MONEY, TIME, DURATION, TEXT, TOKEN, COUNTRY, IP, FLAG))
        test: Expression = nodes.is_missing(self.value(of, depth))
        return nodes.negation(test) if self.chance(0.5) else test


def random_value(rng: Random, of: Type, bounds: Bounds | None = None) -> Value:
    """A value of that type; integers keep to `bounds` and like their edges."""
    if of.kind in INTEGER_KINDS:
        return _random_integer(rng, of, bounds)
    pools: dict[Kind, tuple[Value, ...]] = {
        Kind.FLAG: (True, False),
        Kind.TEXT: TEXTS,
        Kind.TOKEN: TOKENS,
        Kind.COUNTRY: COUNTRIES,
        Kind.IP: ADDRESSES,
        Kind.WORD: of.words,
    }
    return rng.choice(pools[of.kind])


def _random_integer(rng: Random, of: Type, bounds: Bounds | None) -> int:
    interval = bounds or nodes.natural_bounds(of) or Bounds(INT64_MIN, INT64_MAX)
    edges = [interval.low, interval.low + 1, interval.high - 1, interval.high]
    usual = [0, 0, 1, -1, 2, 3, 5, 10, 500, NUMBER_SCALE // 2, NUMBER_SCALE, 5 * NUMBER_SCALE]
    if of.kind is Kind.TIME:
        usual = [NOW_US + rng.randint(-400, 400) * HOUR_US + rng.randint(-1, 1) for _ in range(6)]
        usual += [rng.randint(0, TIME_MAX_US)]
    if of.kind is Kind.DURATION:
        usual = [0, 1, HOUR_US, DAY_US, 30 * DAY_US, -DAY_US]
    pick = rng.choice(usual if rng.random() < 0.7 else edges)
    return min(max(pick, interval.low), interval.high)


# --- programs ----------------------------------------------------------------------------------


def _asks(rng: Random, exempt: bool = False) -> tuple[Ask, ...]:
    if exempt:
        kind = rng.choice(("low_value", "trusted"))
        return (Ask("authentication", Authentication.EXEMPT, exemption=kind),)
    reason = rng.choice(REASONS).name
    step_up = rng.choice(STEP_UPS).name
    choices = (
        Ask("disposition", Disposition.HOLD, reason),
        Ask("disposition", Disposition.DECLINE, reason),
        Ask("authentication", Authentication.NONE, reason),
        Ask("authentication", Authentication.PREFERRED, reason, step_up=step_up),
        Ask("authentication", Authentication.MANDATED, reason, step_up=step_up),
        Ask("review", Review.AFTER, reason),
        Ask("review", Review.BEFORE, reason),
    )
    return tuple(rng.sample(choices, rng.choice((1, 1, 1, 2))))


def random_actions(rng: Random, points: bool = True) -> Actions:
    """What an ordinary rule or an `if unavailable` does."""
    added = rng.choice((0, 0, 10, 30, 80)) if points else 0
    return Actions(
        asks=_asks(rng) if not added or rng.random() < 0.3 else (),
        points=added,
        tags=(rng.choice(("geo", "night")),) if rng.random() < 0.3 else (),
        advice=(Advice("route", rng.choice((1, 2)), COUNT),) if rng.random() < 0.2 else (),
    )


def _unknown_actions(rng: Random, points: bool) -> Actions:
    return Actions() if rng.random() < 0.4 else random_actions(rng, points)


def _ordinary(writer: Writer, name: str, depth: int) -> Rule:
    rng = writer.rng
    when = writer.condition(depth)
    mandatory = writer.chance(0.1)
    exceptions = () if mandatory else _exceptions(writer, depth)
    return Rule(
        name=name,
        version=1,
        event="payment",
        when=when,
        then=random_actions(rng),
        span=NOWHERE,
        mandatory=mandatory,
        exceptions=exceptions,
        unknown=_unknown_actions(rng, points=True) if when.can_be_missing else None,
        **({} if mandatory else _standing(writer)),  # type: ignore[arg-type]
    )


def _exceptions(writer: Writer, depth: int) -> tuple[Expression, ...]:
    if not writer.chance(0.3):
        return ()
    return tuple(writer.condition(depth - 1) for _ in range(writer.rng.randint(1, 2)))


def _standing(writer: Writer) -> dict[str, object]:
    rng = writer.rng
    standing: dict[str, object] = {"shadow": writer.chance(0.15)}
    if writer.chance(0.1):
        standing["from_us"] = NOW_US + rng.choice((-DAY_US, DAY_US))
    if writer.chance(0.1):
        standing["until_us"] = NOW_US + rng.choice((-DAY_US, 0, DAY_US))
    if writer.chance(0.1):
        key = rng.choice(("card", "customer", "address", "merchant"))
        standing["rollout"] = Rollout(rng.choice((0, 300_000, 700_000, 10**6)), key, "wave1")
    return standing


def _relaxing(writer: Writer, name: str, depth: int) -> Rule:
    rng = writer.rng
    when = writer.condition(depth)
    exempt = writer.chance(0.5)
    then = (
        Actions(asks=_asks(rng, exempt=True)) if exempt else Actions(points=rng.choice((-10, -50)))
    )
    return Rule(
        name=name,
        version=1,
        event="payment",
        when=when,
        then=then,
        span=NOWHERE,
        relaxes=True,
        unknown=Actions() if when.can_be_missing else None,
        **_standing(writer),  # type: ignore[arg-type]
    )


def _points_reader(writer: Writer, name: str, depth: int) -> Rule:
    rng = writer.rng
    threshold = nodes.points_at_least(rng.choice((-20, 0, 1, 10, 40, 81, 120)))
    when: Expression = threshold
    if writer.chance(0.5):
        join = nodes.both if writer.chance(0.7) else nodes.either
        when = join(writer.condition(depth - 1), threshold)
    return Rule(
        name=name,
        version=1,
        event="payment",
        when=when,
        then=random_actions(rng, points=False),
        span=NOWHERE,
        exceptions=_exceptions(writer, depth),
        unknown=_unknown_actions(rng, points=False) if when.can_be_missing else None,
        reads_points=True,
        **_standing(writer),  # type: ignore[arg-type]
    )


def _replacement(writer: Writer, old: Rule, depth: int) -> Rule:
    when = writer.condition(depth)
    rollout = Rollout(writer.rng.choice((300_000, 700_000)), "card", "wave2")
    return Rule(
        name=old.name,
        version=old.version + 1,
        event="payment",
        when=when,
        then=random_actions(writer.rng),
        span=NOWHERE,
        rollout=rollout,
        replaces=old.version,
        unknown=_unknown_actions(writer.rng, points=True) if when.can_be_missing else None,
    )


def _random_rules(writer: Writer, count: int, depth: int) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    while len(rules) < count:
        kinds = (*[_ordinary] * 7, *[_points_reader] * 2, _relaxing)
        rule = writer.rng.choice(kinds)(writer, f"r{len(rules):04}", depth)
        rules.append(rule)
        plain = rule.rollout is None and not rule.mandatory and not rule.relaxes
        if plain and writer.chance(0.06) and not rule.reads_points:
            rules.append(_replacement(writer, rule, depth))
    return tuple(sorted(rules, key=lambda r: (r.name, r.version)))


def _random_model(writer: Writer, name: str, score: str) -> Model:
    rng = writer.rng
    sound = writer.sound(without_scores=True, never_missing=True)
    use_when = nodes.compare(">=", sound.leaf(MONEY), sound.constant(MONEY, Bounds(0, 20)))
    words = (*MAY, "exempt", "relax", "advise")
    may = frozenset(rng.sample(words, rng.randint(1, 4)))
    ceilings: dict[Ladder, int] = {}
    for word in may & MAY.keys():
        ladder, rung = MAY[word]
        ceilings[ladder] = max(ceilings.get(ladder, -1), rung)
    return Model(
        name=name,
        version=1,
        score=score,
        use_event="payment",
        unavailable=random_actions(rng),
        span=NOWHERE,
        use_when=use_when if writer.chance(0.4) and not use_when.can_be_missing else None,
        may=may,
        ceilings=tuple(sorted(ceilings.items())),
        shadow=writer.chance(0.2),
    )


def random_program(
    rng: Random, rules: int = 8, models: int | None = None, depth: int = 3
) -> Program:
    """A program with one decided event, `payment`, about `rules` rules and up to three models."""
    count = rng.randint(0, 3) if models is None else models
    names = [f"model_{i}" for i in range(count)]
    inputs = [_input_of_field(f) for f in FIELDS]
    inputs += [_input_of_feature(f, bounds) for f, bounds in FEATURES]
    inputs += [nodes.score_input(f"score_{i}", name) for i, name in enumerate(names)]
    writer = Writer(rng, inputs)
    made = _random_rules(writer, rules, depth)
    event = EventType(
        name="payment",
        fields=FIELDS,
        key="id",
        at="at",
        span=NOWHERE,
        default=rng.choice(tuple(Disposition)) if rng.random() < 0.2 else Disposition.APPROVE,
        silent="review",
        rules=made,
        inputs=tuple(inputs),
        models=tuple(names),
        lets=tuple(writer.lets),
    )
    return Program(
        name="random",
        text="",
        language=1,
        currency="EUR",
        minor_digits=2,
        zone="Europe/Paris",
        rates="",
        events=(event,),
        features=tuple(sorted((f for f, _ in FEATURES), key=lambda f: f.name)),
        lists=LISTS,
        models=tuple(_random_model(writer, name, f"score_{i}") for i, name in enumerate(names)),
        reasons=REASONS,
        step_ups=STEP_UPS,
    )


# --- situations --------------------------------------------------------------------------------


def random_lists(rng: Random, of: Program) -> Lists:
    """Contents for every list; now and then a managed one cannot be read."""
    contents: dict[str, ListContent | None] = {}
    for declared in of.lists:
        if declared.type == IP:
            lows = rng.sample(ADDRESSES[:4], 2)
            contents[declared.name] = of_ranges((low, low + 20) for low in lows)
        else:
            pool = TOKENS if declared.type == TOKEN else TEXTS
            contents[declared.name] = ListContent(values=frozenset(rng.sample(pool, 2)))
        if not declared.path and rng.random() < 0.2:
            contents[declared.name] = None
    return contents


def random_situation(
    rng: Random, of: Program, event: EventType, lists: Lists | None = None
) -> Situation:
    """Values for every input of `event` and an answer of every model of it."""
    answers: tuple[ScoreStatus, ...] = (
        "ok",
        "ok",
        "ok",
        "ok",
        "unavailable",
        "abstained",
        "failed",
    )
    statuses = {name: rng.choice(answers) for name in event.models}
    missing_share = rng.choice((0.0, 0.15, 0.5, 1.0))
    values = tuple(_input_value(rng, i, statuses, missing_share) for i in event.inputs)
    contents = random_lists(rng, of) if lists is None else lists
    situation = Situation(event=event, values=values, lists=contents, statuses=statuses)
    return _without_idle_scores(situation, of) if rng.random() < 0.7 else situation


def _without_idle_scores(situation: Situation, of: Program) -> Situation:
    """Where a model is not used, nobody asks it for a score."""
    used = {model.name for model in used_here(of, situation)}
    pairs = zip(situation.event.inputs, situation.values, strict=True)
    values = tuple(value if entry.models <= used else None for entry, value in pairs)
    return replace(situation, values=values)


def _input_value(
    rng: Random, of: Input, statuses: dict[str, ScoreStatus], missing_share: float
) -> Value | None:
    if any(statuses[m] != "ok" for m in of.models):
        return None
    if of.can_be_missing and rng.random() < missing_share:
        return None
    if of.name == "at":
        return NOW_US + rng.randint(-40, 40) * HOUR_US
    return random_value(rng, of.type, of.bounds)


def random_clamp(rng: Random, event: EventType) -> frozenset[str]:
    """Some of the event's models, clamped for one rung."""
    return frozenset(name for name in event.models if rng.random() < 0.5)


# --- looking into programs ---------------------------------------------------------------------

EXPRESSIONS: frozenset[type[Expression]] = frozenset(
    of for of in vars(program).values() if isinstance(of, type) and of.__base__ is Expression
)
"""Every sort of expression of a typed program."""


def children(expression: Expression) -> Iterator[Expression]:
    """The expressions that this one is made of."""
    for entry in fields(expression):
        yield from _expressions(getattr(expression, entry.name))


def _expressions(part: object) -> Iterator[Expression]:
    if isinstance(part, Expression):
        yield part
    elif isinstance(part, tuple):
        for item in part:
            yield from _expressions(item)
