"""The typed program: what the checker makes of a policy and every evaluator reads.

It is the meaning of a policy without its spelling: names are resolved, sugar is gone, literals are
integers in the scale of their type, and every expression carries its place, its type, the models
whose scores it depends on and, for integers, the interval its value lies in. Nothing in here can
be built from an unchecked tree: the checker alone makes it.

Values are held as `tidegate.dsl.types` says. A missing value is `None`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from tidegate.dsl.source import Span
from tidegate.dsl.types import SCORE_BOUNDS, Bounds, Type, Value

# --- expressions ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """What every expression carries.

    `models` names the models whose scores it depends on, straight or through lets.
    `bounds` is set for integer kinds. `can_be_missing` says whether the value may be missing when
    no score is masked (for a flag: unknown); it is sound and may be wider than the truth.
    `can_fail`: it may be missing by itself, though all below it is present.
    """

    type: Type
    span: Span = field(compare=False)
    models: frozenset[str] = frozenset()
    bounds: Bounds | None = field(default=None, compare=False)
    can_be_missing: bool = False
    can_fail: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(Expression):
    """A literal, or a param with its current value (then `param` names it)."""

    value: Value
    param: str = ""


@dataclass(frozen=True, slots=True)
class Lookup:
    """What an input reads in a table: the cell of `column` in the row that the field `key` names.

    `default` stands where no row has the key; None where the value is missing then. `optional`:
    a cell may be empty. `minimum` and `maximum` are in the scale of the column's type.
    """

    table: str
    key: str
    column: str
    key_type: Type
    optional: bool = False
    minimum: int | None = None
    maximum: int | None = None
    default: Value | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Expression):
    """A value that comes with the event: looked up by `name` in its `Situation`.

    `source` says where from. A label stands only in the `where` and the operand of a feature.
    For `amount.original` and `amount.currency` the name holds the dot; what is read in a table is
    named as it is written, `limits[merchant].cut`. `coarse` and `folded` say what the door makes
    of a field's value.
    """

    name: str
    source: Literal["field", "feature", "lookup", "score", "label"]
    coarse: tuple[int, int] | None = field(default=None, compare=False)
    folded: bool = field(default=False, compare=False)
    lookup: Lookup | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LetRef(Expression):
    """A let of the event in whose context the expression stands; `body` is its meaning."""

    name: str
    body: Expression = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic(Expression):
    """Exact integer arithmetic, rounded once, half to even.

    `+`: a + b; `-`: a - b; `*`: a * b / down; `/`: a * up / b. Division by zero is missing with
    reason `division_by_zero`, a result outside int64 (for a time: outside its span) is missing
    with reason `overflow`; both sides must be present.
    """

    op: Literal["+", "-", "*", "/"]
    left: Expression
    right: Expression
    up: int = 1
    down: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Negate(Expression):
    """Unary minus of an integer kind; `overflow` for the smallest int64."""

    operand: Expression


Function = Literal[
    "hour",
    "minute",
    "weekday",
    "day",
    "month",
    "date",
    "days_since",
    "abs",
    "min",
    "max",
    "round",
    "floor",
    "ceiling",
    "modulo",
    "distance",
    "length",
    "before",
    "after",
    "lower",
    "upper",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Expression):
    """A function of the language; missing when any argument is.

    Calendar functions (`hour minute weekday day month date`) carry the zone's name; `weekday` is
    1 for Monday to 7 for Sunday, `date` the start of that day in the zone, `days_since(t)` whole
    days from `t` to the decided event's time (arguments: `t` and that time). `round` rounds half to
    even to `places` decimals. `before(t, "@")` is the part before the first occurrence, `after` the
    part after it; missing with reason `not_found` when there is none. `distance` takes latitude and
    longitude of two places, numbers of degrees, and gives kilometres, to the metre; missing with
    reason `out_of_range` where one is no place.
    """

    function: Function
    arguments: tuple[Expression, ...]
    zone: str = ""
    places: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Otherwise(Expression):
    """The left value, or the right one where the left is missing."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Expression):
    """The value of the first branch whose condition is true; missing when one before is unknown."""

    branches: tuple[tuple[Expression, Expression], ...]
    default: Expression


# Conditions: expressions of type flag. `And`, `Or`, `Not` and a flag `LetRef` around them are the
# connectives; every other flag expression is an *atom*: what masking makes false in both
# polarities, what evidence and coverage are kept for.


@dataclass(frozen=True, slots=True, kw_only=True)
class And(Expression):
    """Strong Kleene conjunction."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Or(Expression):
    """Strong Kleene disjunction."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Not(Expression):
    """Strong Kleene negation; for masking it is pushed inwards to the atoms first."""

    operand: Expression


Relation = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare(Expression):
    """Two values of one type; unknown when a side is missing."""

    op: Relation
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class InSet(Expression):
    """Membership in literal values (equality)."""

    operand: Expression
    values: frozenset[Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class InList(Expression):
    """Membership in a named list; unknown when a managed list cannot be read."""

    operand: Expression
    list: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InNetworks(Expression):
    """Whether an address lies in one of the closed ranges (128-bit integers)."""

    operand: Expression
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTest(Expression):
    """`starts with`, `ends with`, `contains`, `like` against a literal (`*` is any run).

    For `matches` the literal is a pattern of RE2 that was checked (see `dsl.patterns`).
    """

    op: Literal["starts with", "ends with", "contains", "like", "matches"]
    operand: Expression
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IsMissing(Expression):
    """Whether the operand is missing; never unknown. `is present` is `Not` of it."""

    operand: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsAtLeast(Expression):
    """`points >= threshold`, after all rules that add; never unknown.

    Where the text names a param, `param` is it, and the threshold its value plus `above`.
    """

    threshold: int
    param: Constant | None = None
    above: int = 0


CONNECTIVES = (And, Or, Not)


# --- ladders and actions ---


class Disposition(IntEnum):
    """What happens to the payment."""

    APPROVE = 0
    HOLD = 1
    DECLINE = 2


class Authentication(IntEnum):
    """What is asked of the customer."""

    EXEMPT = 0
    NONE = 1
    PREFERRED = 2
    MANDATED = 3


class Review(IntEnum):
    """What a person looks at. No review is the default and no rung: it stands where nobody asks."""

    AFTER = 0
    BEFORE = 1


Ladder = Literal["disposition", "authentication", "review"]
LADDERS: tuple[Ladder, ...] = ("disposition", "authentication", "review")
RUNGS: dict[Ladder, type[IntEnum]] = {
    "disposition": Disposition,
    "authentication": Authentication,
    "review": Review,
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One rung of one ladder, with the step_up or exemption kind it names and its reason."""

    ladder: Ladder
    rung: int
    reason: str = ""
    step_up: str = ""
    exemption: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """`advise NAME = VALUE`: never changes an outcome. `param` is the one whose value it is."""

    name: str
    value: Value
    type: Type
    reason: str = ""
    param: Constant | None = None


@dataclass(frozen=True, slots=True)
class Actions:
    """What follows a `then`. `points` is the sum of `add N points`; order never matters.

    `points_params` are the params in that sum; `fewest_points` is what it may be at least, whatever
    values a release gives them.

    `tag_reasons` pairs a tag with a reason for it. Only what is asked for on a ladder gives the
    outcome its reasons; those of points, tags and advice are for explanations.
    """

    asks: tuple[Ask, ...] = ()
    points: int = 0
    points_reasons: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tag_reasons: tuple[tuple[str, str], ...] = ()
    advice: tuple[Advice, ...] = ()
    points_params: tuple[Constant, ...] = ()

    @property
    def fixed_points(self) -> int:
        """The part of `points` that no release changes."""
        return self.points - sum(int(param.value) for param in self.points_params)

    @property
    def fewest_points(self) -> int:
        lows = (param.bounds.low for param in self.points_params if param.bounds)
        return self.fixed_points + sum(lows)


NO_ACTIONS = Actions()


# --- declarations ---


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an event. `minimum` and `maximum` are in the scale of the type.

    `coarse` holds the IPv4 and the IPv6 prefix length that an address is rounded to.
    """

    name: str
    type: Type
    span: Span = field(compare=False)
    optional: bool = False
    minimum: int | None = None
    maximum: int | None = None
    coarse: tuple[int, int] | None = None
    folded: bool = False
    lenient: bool = False

    @property
    def form(self) -> str:
        """The form of its values in the language's words; others never equal them."""
        coarse = f" coarse /{self.coarse[0]} /{self.coarse[1]}" if self.coarse else ""
        return f"{self.type}{coarse}{' folded' if self.folded else ''}"


Aggregate = Literal[
    "count", "sum", "average", "deviation", "minimum", "maximum", "distinct", "first_at", "last_at",
    "since_first", "since_last",
]  # fmt: skip
Period = Literal["day", "week", "month", "year"]
"""What a calendar window holds the begun one of."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A windowed aggregate of the events `event` that share keys with the deciding one.

    `keys` pairs a field of the deciding event with one of the counted event. The window at t is
    `[t - window_us - delay_us, t - delay_us)`. `operand` and `where` are typed in the context of
    the counted event; `operand` is absent for `count`; for `first at`, `last at`, `since first` and
    `since last` it is the counted event's time field.

    Where `period` is set, the window at t holds the events of the day, week, month or year of
    `zone` in which t - delay_us lies, up to that instant; `window_us` is longer than any of them.
    """

    name: str
    aggregate: Aggregate
    event: str
    type: Type
    span: Span = field(compare=False)
    operand: Expression | None = None
    keys: tuple[tuple[str, str], ...] = ()
    window_us: int = 0
    delay_us: int = 0
    where: Expression | None = None
    labels: tuple[str, ...] = ()
    period: Period | None = None
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """What later turns out about an event; due `after_us` after its time.

    From a column of a history, or from events `source_event` whose `matching` field holds the
    labelled event's key, where `where` (in the context of `source_event`) is true.
    """

    name: str
    event: str
    after_us: int
    span: Span = field(compare=False)
    source_event: str = ""
    matching: str = ""
    where: Expression | None = None


@dataclass(frozen=True, slots=True)
class Param:
    """A named constant that a release may change within its bounds."""

    name: str
    type: Type
    value: Value
    span: Span = field(compare=False)
    bounds: Bounds | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class ListDeclaration:
    """A named list: from a file of the folder, or `managed` outside it (`path` is empty then)."""

    name: str
    type: Type
    span: Span = field(compare=False)
    path: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `minimum` and `maximum` are in the scale of the type.

    `default` stands where a key has no row; None where the value is missing then.
    """

    name: str
    type: Type
    span: Span = field(compare=False)
    optional: bool = False
    minimum: int | None = None
    maximum: int | None = None
    default: Value | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A reference table: a file of the folder with one row a key."""

    name: str
    key: Type
    path: str
    columns: tuple[Column, ...]
    span: Span = field(compare=False)
    text: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """A model and its authority. `ceilings` is the highest rung it may cause on each ladder.

    A ladder without an entry: it may cause nothing there. `use_event` with `use_when` says where it
    is used; elsewhere its score is masked. `unavailable` are the actions of `if unavailable`.
    `external`: the score comes with the event, within `bounds`; else `reads` are what the model at
    `path` is given, by `read_names`. `shadow`: only shadow rules read it, and nothing that it or
    its absence asks for acts.
    """

    name: str
    version: int
    score: str
    use_event: str
    unavailable: Actions
    span: Span = field(compare=False)
    text: str = ""
    path: str = ""
    reads: tuple[Expression, ...] = ()
    read_names: tuple[str, ...] = ()
    use_when: Expression | None = None
    may: frozenset[str] = frozenset()
    ceilings: tuple[tuple[Ladder, int], ...] = ()
    until_us: int | None = None
    within_us: int | None = None
    external: bool = False
    shadow: bool = False
    bounds: Bounds = SCORE_BOUNDS

    def ceiling(self, ladder: Ladder) -> int:
        """The highest rung this model may cause on `ladder`; -1 for none at all."""
        return dict(self.ceilings).get(ladder, -1)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a decision fell: for the analyst (`text`) and for the customer (`message`)."""

    name: str
    text: str
    message: str
    retry: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class StepUp:
    """A way to authenticate; of several on the winning rung the highest `rank` serves."""

    name: str
    rank: int
    text: str
    methods: tuple[str, ...]
    within_us: int
    failed: Actions | None
    abandoned: Actions | None
    unavailable: Actions | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Rollout:
    """Live for the share of keys whose SHA-256 (of `wave` and the key) falls below it."""

    share: int
    """In millionths: 10 % is 100 000."""
    field: str
    wave: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one event.

    `exceptions` are its own and its group's, joined by or; each keeps its place. `unknown` is what
    happens where `when` is unknown: None where it never is, empty actions for `skip`.
    `relaxes`: it asks `exempt` or adds negative points (then an unknown rule does not apply).
    """

    name: str
    version: int
    event: str
    when: Expression
    then: Actions
    span: Span = field(compare=False)
    text: str = ""
    owner: str = ""
    group: str = ""
    mandatory: bool = False
    shadow: bool = False
    rollout: Rollout | None = None
    replaces: int | None = None
    from_us: int | None = None
    until_us: int | None = None
    expires_us: int | None = None
    exceptions: tuple[Expression, ...] = ()
    unknown: Actions | None = None
    reads_points: bool = False
    relaxes: bool = False
    meaning: str = ""
    """SHA-256 (hex) of what `version` covers."""
    origin: str = field(default="", compare=False)
    """The `apply` or `decision` it was written out of, which gives its rules one version."""

    @property
    def id(self) -> str:
        """`name` and version, as records and tables show it."""
        return f"{self.name}@{self.version}"

    @property
    def models(self) -> frozenset[str]:
        """The models that `when` reads; exceptions have their own."""
        return self.when.models


@dataclass(frozen=True, slots=True)
class EventType:
    """An event; `decided` events carry rules. `default` is its disposition where nobody asks more.

    `rules` are sorted by name and version: the position in the tuple is the rule's bit in every
    mask. `inputs` are the names an evaluation of this event reads beyond nothing else: every
    field, then every feature, lookup and score that a rule, exception, `use` condition or model of
    this event reads, in this order; the position is the input's slot.
    """

    name: str
    fields: tuple[Field, ...]
    key: str
    at: str
    span: Span = field(compare=False)
    text: str = ""
    default: Disposition | None = None
    silent: str = ""
    rules: tuple[Rule, ...] = ()
    inputs: tuple[Input, ...] = ()
    models: tuple[str, ...] = ()
    """Models used on this event, sorted; only their scores can be read here."""
    lets: tuple[LetRef, ...] = ()
    """Lets that rules of this event read, each after the ones it reads."""

    @property
    def decided(self) -> bool:
        """Whether this event is decided here."""
        return self.default is not None

    def field(self, name: str) -> Field:
        """The field called `name`; KeyError where there is none."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Guarantee:
    """A promise that `prove` will answer; listed as not proved until then."""

    name: str
    event: str
    when: Expression
    at_least: tuple[str, ...]
    span: Span = field(compare=False)
    text: str = ""


@dataclass(frozen=True, slots=True)
class GrantScope:
    """Where a grant holds: an event and, where given, a condition on its own fields."""

    event: str
    when: Expression | None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client (machine) or role (people) may do; default deny, `never` beats `may`."""

    world: Literal["client", "role"]
    name: str
    may: frozenset[str]
    never: frozenset[str]
    on: tuple[GrantScope, ...]
    sees: frozenset[str]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Program:
    """A whole checked policy. Every tuple is sorted by name: file and declaration order are gone.

    `currency` is the money unit, `minor_digits` its decimals (2 for EUR); `zone` names the zone of
    calendar functions and date literals.
    """

    name: str
    text: str
    language: int
    currency: str
    minor_digits: int
    zone: str
    rates: str
    events: tuple[EventType, ...]
    params: tuple[Param, ...] = ()
    features: tuple[Feature, ...] = ()
    labels: tuple[Label, ...] = ()
    lists: tuple[ListDeclaration, ...] = ()
    tables: tuple[Table, ...] = ()
    models: tuple[Model, ...] = ()
    reasons: tuple[Reason, ...] = ()
    step_ups: tuple[StepUp, ...] = ()
    guarantees: tuple[Guarantee, ...] = ()
    grants: tuple[Grant, ...] = ()

    def event(self, name: str) -> EventType:
        """The event called `name`; KeyError where there is none."""
        for event in self.events:
            if event.name == name:
                return event
        raise KeyError(name)

    def model(self, name: str) -> Model:
        """The model called `name`; KeyError where there is none."""
        for model in self.models:
            if model.name == name:
                return model
        raise KeyError(name)

    def feature(self, name: str) -> Feature:
        """The feature called `name`; KeyError where there is none."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(name)
