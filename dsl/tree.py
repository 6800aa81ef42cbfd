"""The syntax tree: what the text says, before anybody asks what it means.

Near the text on purpose: literals keep their spelling, sugar stays, nothing is resolved. Spans are
left out of equality, so that two trees are equal when they say the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal as Choice

from tidegate.dsl.source import Span


@dataclass(frozen=True, slots=True)
class Node:
    """Anything with a place."""

    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name as written, with its place."""

    text: str


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A quoted text; `value` has its escapes resolved."""

    value: str


# --- expressions ---

LiteralKind = Choice[
    "whole", "decimal", "percent", "money", "duration", "date", "time", "text", "flag", "network"
]


@dataclass(frozen=True, slots=True)
class Expr(Node):
    """An expression."""


@dataclass(frozen=True, slots=True)
class Literal(Expr):
    """A literal; `spelling` is the text as written (for texts: the value)."""

    kind: LiteralKind
    spelling: str
    negative: bool = False


@dataclass(frozen=True, slots=True)
class Reference(Expr):
    """A bare name: field, feature, let, param, score, label or `points`."""

    name: str


@dataclass(frozen=True, slots=True)
class Member(Expr):
    """`base.name`."""

    base: str
    name: str


@dataclass(frozen=True, slots=True)
class Lookup(Expr):
    """`table[key].column`."""

    table: Name
    key: Name
    column: Name


@dataclass(frozen=True, slots=True)
class Apply(Expr):
    """A function call."""

    function: Name
    arguments: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Minus(Expr):
    """Unary minus of something that is no literal."""

    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    """`left op right` with op one of `+ - * /`."""

    op: Choice["+", "-", "*", "/"]
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Default(Expr):
    """`left otherwise right`."""

    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Branches(Expr):
    """`case when … then … else … end`."""

    branches: tuple[tuple[Expr, Expr], ...]
    default: Expr


@dataclass(frozen=True, slots=True)
class Comparison(Expr):
    """`left op right`, op one of `= != < <= > >=`."""

    op: Choice["=", "!=", "<", "<=", ">", ">="]
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Between(Expr):
    """`operand [not] between low and high`, both ends included."""

    operand: Expr
    low: Expr
    high: Expr
    negated: bool


@dataclass(frozen=True, slots=True)
class AmongLiterals(Expr):
    """`operand [not] in (…)`."""

    operand: Expr
    items: tuple[Expr, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class AmongNamed(Expr):
    """`operand [not] in list`."""

    operand: Expr
    list: Name
    negated: bool


@dataclass(frozen=True, slots=True)
class AmongNetwork(Expr):
    """`operand [not] in 10.0.0.0/8`."""

    operand: Expr
    network: Literal
    negated: bool


@dataclass(frozen=True, slots=True)
class TextMatch(Expr):
    """`operand [not] starts with "…"` and its sisters."""

    op: Choice["starts with", "ends with", "contains", "like", "matches"]
    operand: Expr
    pattern: Text
    negated: bool


@dataclass(frozen=True, slots=True)
class Presence(Expr):
    """`operand is missing` or `operand is present`."""

    operand: Expr
    present: bool


@dataclass(frozen=True, slots=True)
class Negation(Expr):
    """`not operand`."""

    operand: Expr


@dataclass(frozen=True, slots=True)
class Conjunction(Expr):
    """`a and b and c`."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Disjunction(Expr):
    """`a or b or c`."""

    items: tuple[Expr, ...]


# --- actions ---


@dataclass(frozen=True, slots=True)
class Action(Node):
    """One action. `verb` says which; the other fields are those that the verb uses.

    decline, hold, review (`word`: "", "before", "after"), step_up, prefer, exempt (`name`),
    no_exemption, tag (`value` a text literal), points (`value`), advise (`name`, `value`).
    """

    verb: Choice[
        "decline", "hold", "review", "step_up", "prefer", "exempt", "no_exemption", "tag",
        "points", "advise",
    ]  # fmt: skip
    name: Name | None = None
    word: str = ""
    value: Expr | None = None
    because: Name | None = None


@dataclass(frozen=True, slots=True)
class ActionList(Node):
    """What follows `then`; `skip` for `if unknown then skip`."""

    items: tuple[Action, ...]
    skip: bool = False


# --- declarations ---


@dataclass(frozen=True, slots=True)
class Declaration(Node):
    """Anything a file is made of."""

    name: Name


@dataclass(frozen=True, slots=True)
class TypeName(Node):
    """A type as written: a type word, or `one of` with its words; `?` makes it optional."""

    word: str
    words: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class PolicyDeclaration(Declaration):
    """`policy NAME language N` and its clauses."""

    language: int | None = None
    text: Text | None = None
    currency: Name | None = None
    timezone: Text | None = None
    rates: Text | None = None


@dataclass(frozen=True, slots=True)
class FieldDeclaration(Node):
    """One field of an event."""

    name: Name
    type: TypeName
    key: bool = False
    maximum: Literal | None = None
    minimum: Literal | None = None
    coarse: tuple[int, ...] = ()
    folded: bool = False
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class EventDeclaration(Declaration):
    """`event NAME [decided by default WORD]` with its fields."""

    default: str | None = None
    text: Text | None = None
    silent: str | None = None
    fields: tuple[FieldDeclaration, ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureDeclaration(Declaration):
    """`feature f = AGG by KEY over WINDOW …`; no keys is `by all`.

    The window is a duration, or `calendar PERIOD` (then `period` is set) of a zone that may be
    named.
    In a template the window may be a name, `window_name`, that a use gives its length.
    """

    aggregate: str = ""
    event: Name | None = None
    operand: Name | None = None
    keys: tuple[tuple[Name, Name], ...] = ()
    window: Literal | None = None
    period: Name | None = None
    zone: Text | None = None
    window_name: Name | None = None
    delay: Literal | None = None
    where: Expr | None = None


@dataclass(frozen=True, slots=True)
class LetDeclaration(Declaration):
    """`let NAME = EXPRESSION`."""

    value: Expr | None = None


@dataclass(frozen=True, slots=True)
class ParamDeclaration(Declaration):
    """`param NAME TYPE = VALUE from LOW to HIGH "text"`."""

    type: TypeName | None = None
    value: Literal | None = None
    low: Literal | None = None
    high: Literal | None = None
    text: Text | None = None


@dataclass(frozen=True, slots=True)
class LabelDeclaration(Declaration):
    """`label NAME of EVENT known after D [from EVENT2 matching FIELD [where COND]]`."""

    event: Name | None = None
    after: Literal | None = None
    source: Name | None = None
    matching: Name | None = None
    where: Expr | None = None


@dataclass(frozen=True, slots=True)
class ListDeclarationNode(Declaration):
    """`list NAME of TYPE from "file"` or `managed` (then `path` is None)."""

    type: TypeName | None = None
    path: Text | None = None


@dataclass(frozen=True, slots=True)
class ColumnDeclaration(Node):
    """One column of a table; `default` stands where a key has no row."""

    name: Name
    type: TypeName
    maximum: Literal | None = None
    minimum: Literal | None = None
    default: Literal | None = None


@dataclass(frozen=True, slots=True)
class TableDeclaration(Declaration):
    """`table NAME of TYPE from "file" "text"` with its columns."""

    type: TypeName | None = None
    path: Text | None = None
    text: Text | None = None
    columns: tuple[ColumnDeclaration, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelDeclaration(Declaration):
    """`model NAME version N` and its clauses; `bounds` are those of its score."""

    version: int | None = None
    external: bool = False
    shadow: bool = False
    text: Text | None = None
    path: Text | None = None
    reads: tuple[Name, ...] = ()
    score: Name | None = None
    bounds: tuple[Literal, Literal] | None = None
    use: Name | None = None
    use_when: Expr | None = None
    may: tuple[Name, ...] = ()
    until: Literal | None = None
    within: Literal | None = None
    unavailable: ActionList | None = None


@dataclass(frozen=True, slots=True)
class ReasonDeclaration(Declaration):
    """`reason NAME "text" message "…" retry WORD`."""

    text: Text | None = None
    message: Text | None = None
    retry: Name | None = None


@dataclass(frozen=True, slots=True)
class StepUpDeclaration(Declaration):
    """`step_up NAME rank N "text" try METHOD, … within D if failed then …`."""

    rank: int | None = None
    text: Text | None = None
    methods: tuple[Name, ...] = ()
    within: Literal | None = None
    results: tuple[tuple[str, ActionList], ...] = ()


@dataclass(frozen=True, slots=True)
class RolloutClause(Node):
    """`rollout 10% by FIELD [as WAVE]`."""

    share: Literal
    field: Name
    wave: Name | None = None


@dataclass(frozen=True, slots=True)
class GroupDeclaration(Declaration):
    """`group NAME "text"` with what its rules share."""

    text: Text | None = None
    owner: Name | None = None
    event: Name | None = None
    shadow: bool = False
    exceptions: tuple[Expr, ...] = ()
    unknown: ActionList | None = None


@dataclass(frozen=True, slots=True)
class RuleDeclaration(Declaration):
    """`rule NAME version N … when … then …`."""

    version: int | None = None
    text: Text | None = None
    owner: Name | None = None
    group: Name | None = None
    event: Name | None = None
    shadow: bool = False
    mandatory: bool = False
    rollout: RolloutClause | None = None
    replaces: int | None = None
    from_date: Literal | None = None
    until_date: Literal | None = None
    expires: Literal | None = None
    when: Expr | None = None
    then: ActionList | None = None
    exceptions: tuple[Expr, ...] = ()
    unknown: ActionList | None = None
    origin: str = ""
    """What it was written out of, `apply card_tries` or `decision amounts`; see `Rule.origin`."""


@dataclass(frozen=True, slots=True)
class Cell(Node):
    """What a row demands of a column: a test whose operand is left open; None for `any`."""

    test: Expr | None


@dataclass(frozen=True, slots=True)
class DecisionRow(Node):
    """`row NAME CELL, … then …`."""

    name: Name
    cells: tuple[Cell, ...]
    then: ActionList


@dataclass(frozen=True, slots=True)
class DecisionDeclaration(Declaration):
    """`decision NAME` with columns and rows. `hit`: the first row acts, all do, or one at most."""

    version: int | None = None
    text: Text | None = None
    owner: Name | None = None
    group: Name | None = None
    event: Name | None = None
    shadow: bool = False
    mandatory: bool = False
    columns: tuple[Expr, ...] = ()
    hit: Choice["first", "all", "one"] = "first"
    rows: tuple[DecisionRow, ...] = ()
    rest: ActionList | None = None
    exceptions: tuple[Expr, ...] = ()
    unknown: ActionList | None = None


@dataclass(frozen=True, slots=True)
class LibraryDeclaration(Declaration):
    """`library NAME version N [from "folder"]`."""

    version: int = 0
    path: Text | None = None


@dataclass(frozen=True, slots=True)
class TakesClause(Node):
    """`takes NAME of EVENT TYPE or TYPE = VALUE from LOW to HIGH "text"`.

    Without a value it is a field of the event that is decided, or of the one that is counted.
    """

    name: Name
    event: Name | None = None
    types: tuple[TypeName, ...] = ()
    value: Literal | None = None
    low: Literal | None = None
    high: Literal | None = None
    text: Text | None = None


@dataclass(frozen=True, slots=True)
class TemplateDeclaration(Declaration):
    """`template NAME on EVENT counting EVENT "text"`; what follows it in its file is its body."""

    event: Name | None = None
    counting: Name | None = None
    text: Text | None = None
    takes: tuple[TakesClause, ...] = ()


@dataclass(frozen=True, slots=True)
class ApplyDeclaration(Declaration):
    """`apply LIBRARY.TEMPLATE as NAME` and its clauses; they stand for those of its rules."""

    library: Name | None = None
    template: Name | None = None
    version: int | None = None
    text: Text | None = None
    event: Name | None = None
    counting: Name | None = None
    settings: tuple[tuple[Name, Expr], ...] = ()
    owner: Name | None = None
    group: Name | None = None
    shadow: bool = False
    then: ActionList | None = None
    exceptions: tuple[Expr, ...] = ()
    unknown: ActionList | None = None


@dataclass(frozen=True, slots=True)
class GuaranteeDeclaration(Declaration):
    """`guarantee NAME on EVENT "text" when … always at least WORD or …`."""

    event: Name | None = None
    text: Text | None = None
    when: Expr | None = None
    at_least: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class ScopeClause(Node):
    """`on EVENT [when COND]` of a grant."""

    event: Name
    when: Expr | None = None


@dataclass(frozen=True, slots=True)
class GrantDeclaration(Declaration):
    """`grant client NAME` or `grant role NAME` and its clauses."""

    world: Choice["client", "role"] = "client"
    may: tuple[Name, ...] = ()
    never: tuple[Name, ...] = ()
    on: tuple[ScopeClause, ...] = ()
    sees: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class Comment(Node):
    """A comment with its `#`; `trailing` where code stands before it on its line."""

    text: str
    trailing: bool


@dataclass(frozen=True, slots=True)
class Unread:
    """A name that a declaration opened by `word` has, though the declaration has errors."""

    word: str
    name: str


@dataclass(frozen=True, slots=True)
class File:
    """One parsed file: what could be read of it, in the order of the text.

    `unread` names what could not; a file that is not `whole` holds more than anybody looked at.
    """

    path: str
    declarations: tuple[Declaration, ...]
    comments: tuple[Comment, ...]
    unread: tuple[Unread, ...] = ()
    whole: bool = True
