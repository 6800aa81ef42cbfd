"""Declarations as text: what stands on which line, and where a long line may break.

A declaration is a row of units, one a line: its head, then its clauses in the order of the house.
Comments are not known here; `formatter` puts them back, led by `Line.start` and `Line.end`, which
count the characters that formatting never changes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from tidegate.dsl import tree
from tidegate.dsl.nesting import (
    AND,
    ATOM,
    BINDING,
    COMPARISON,
    MINUS,
    NOT,
    OR,
    OTHERWISE,
    SUM,
)
from tidegate.dsl.words import NAME, RESERVED

WIDTH = 100
_UNCOUNTED = str.maketrans("", "", ' \t\r\n()"')

# --- documents -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Break:
    """A place where its group may go on in a new line, `back` columns further left."""

    flat: str = " "
    back: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Breaks at all its places or at none; where it `fill`s, only where a line is full."""

    items: tuple[Doc, ...]
    indent: int
    fill: bool
    width: int
    ink: int


Doc: TypeAlias = str | Break | Group


class Line(NamedTuple):
    """A finished line and the characters of its unit that it holds, `[start, end)`."""

    text: str
    start: int
    end: int


def ink(doc: Doc) -> int:
    """How many characters there are that formatting never adds, drops or moves about."""
    if isinstance(doc, Group):
        return doc.ink
    return len(doc.translate(_UNCOUNTED)) if isinstance(doc, str) else 0


def lay_out(prefix: str, doc: Doc, marks: Sequence[int]) -> list[Line]:
    """The lines of a unit that begins with `prefix`; a group with a mark inside breaks."""
    indent = len(prefix) - len(prefix.lstrip())
    layout = _Layout(sorted(marks), prefix)
    layout.put(doc, indent, 0)
    layout.end_line(0)
    return layout.lines


class _Layout:
    """The line at hand and the lines before it."""

    def __init__(self, marks: Sequence[int], prefix: str) -> None:
        self.marks, self.text = marks, prefix
        self.ink, self.start = ink(prefix), 0
        self.lines: list[Line] = []

    def put(self, doc: Doc, indent: int, tail: int) -> None:
        """Write `doc`; `tail` columns follow it before the next place to break."""
        if isinstance(doc, Group):
            self._group(doc, indent + doc.indent, tail)
        elif isinstance(doc, str):
            self.text += doc
            self.ink += ink(doc)

    def end_line(self, indent: int) -> None:
        self.lines.append(Line(self.text.rstrip(), self.start, self.ink))
        self.text, self.start = " " * indent, self.ink

    def _group(self, group: Group, indent: int, tail: int) -> None:
        broken = self._marked(group) or len(self.text) + group.width + tail > WIDTH
        tails = _tails(group.items, tail)
        for item, after in zip(group.items, tails, strict=True):
            if not isinstance(item, Break):
                self.put(item, indent, after)
            elif broken and (not group.fill or self._full(item, after)):
                self.end_line(indent - item.back)
            else:
                self.text += item.flat

    def _marked(self, group: Group) -> bool:
        following = bisect_right(self.marks, self.ink)
        return following < len(self.marks) and self.marks[following] < self.ink + group.ink

    def _full(self, item: Break, after: int) -> bool:
        return self.ink in self.marks or len(self.text) + len(item.flat) + after > WIDTH


def _tails(items: Sequence[Doc], tail: int) -> list[int]:
    """For each item the columns from its end to the next place to break."""
    tails = []
    for item in reversed(items):
        tails.append(tail)
        tail = 0 if isinstance(item, Break) else tail + _width(item)
    return tails[::-1]


def _width(doc: Doc) -> int:
    if isinstance(doc, Group):
        return doc.width
    return len(doc) if isinstance(doc, str) else len(doc.flat)


def _group(*items: Doc, indent: int = 2, fill: bool = False) -> Group:
    width, count = sum(map(_width, items)), sum(map(ink, items))
    return Group(items, indent, fill, width, count)


def _row(*items: Doc) -> Doc:
    """`items` one after the other, with no place to break between them."""
    return _group(*items, indent=0)


def _listed(items: Iterable[Doc], *, fill: bool = True) -> Doc:
    parts: list[Doc] = []
    for item in items:
        parts += (",", Break(), item) if parts else (item,)
    return _group(*parts, fill=fill)


# --- expressions ---------------------------------------------------------------------------------


def print_expression(expr: tree.Expr, binding: int = OR) -> Doc:
    """`expr` in a place that takes what binds at least as tightly as `binding`."""
    doc = _bare(expr)
    return doc if _binding(expr) >= binding else _row("(", doc, ")")


def _binding(expr: tree.Expr) -> int:
    match expr:
        case tree.Disjunction():
            return OR
        case tree.Conjunction():
            return AND
        case tree.Negation():
            return NOT
        case tree.Default():
            return OTHERWISE
        case tree.Binary():
            return BINDING[expr.op]
        case tree.Minus():
            return MINUS
        case tree.Literal():
            return MINUS if expr.negative else ATOM
        case tree.Reference() | tree.Member() | tree.Apply() | tree.Branches():
            return ATOM
        case _:
            return COMPARISON


def _bare(expr: tree.Expr) -> Doc:
    match expr:
        case tree.Literal():
            return _literal(expr)
        case tree.Reference():
            return expr.name
        case tree.Member():
            return f"{expr.base}.{expr.name}"
        case tree.Apply():
            return _row(
                f"{expr.function.text}(", _listed(map(print_expression, expr.arguments)), ")"
            )
        case tree.Minus():
            return _row("-", print_expression(expr.operand, ATOM))
        case tree.Binary():
            return _chain(expr)
        case tree.Default():
            left, right = print_expression(expr.left, SUM), print_expression(expr.right, OTHERWISE)
            return _group(left, Break(), "otherwise ", right)
        case tree.Branches():
            return _branches(expr)
        case tree.Negation():
            return _row("not ", print_expression(expr.operand, NOT))
        case tree.Conjunction():
            return _joined("and ", (print_expression(item, NOT) for item in expr.items))
        case tree.Disjunction():
            return _joined("or ", (print_expression(item, AND) for item in expr.items))
        case _:
            return _comparison(expr)


def _joined(word: str, items: Iterable[Doc]) -> Doc:
    parts: list[Doc] = []
    for item in items:
        parts += (Break(), word, item) if parts else (item,)
    return _group(*parts)


def _chain(expr: tree.Binary) -> Doc:
    """`a + b - c`, which is `(a + b) - c`, as one group."""
    binding, parts = BINDING[expr.op], list[Doc]()
    left: tree.Expr = expr
    while isinstance(left, tree.Binary) and BINDING[left.op] == binding:
        parts[:0] = (Break(), f"{left.op} ", print_expression(left.right, binding + 1))
        left = left.left
    return _group(print_expression(left, binding), *parts)


def _branches(expr: tree.Branches) -> Doc:
    parts: list[Doc] = ["case"]
    for condition, value in expr.branches:
        row = _row("when ", print_expression(condition), " then ", print_expression(value))
        parts += (Break(), row)
    return _group(*parts, Break(), "else ", print_expression(expr.default), Break(back=2), "end")


def _comparison(expr: tree.Expr) -> Doc:
    match expr:
        case tree.Comparison():
            return _row(_side(expr.left), f" {expr.op} ", _side(expr.right))
        case tree.Between():
            word = _perhaps_not(expr.negated, "between")
            return _row(_side(expr.operand), word, _side(expr.low), " and ", _side(expr.high))
        case tree.AmongLiterals():
            word = _perhaps_not(expr.negated, "in")
            return _row(_side(expr.operand), f"{word}(", _listed(map(_bare, expr.items)), ")")
        case tree.AmongNamed():
            return _row(_side(expr.operand), _perhaps_not(expr.negated, "in"), expr.list.text)
        case tree.AmongNetwork():
            return _row(
                _side(expr.operand), _perhaps_not(expr.negated, "in"), expr.network.spelling
            )
        case tree.TextMatch():
            word = _perhaps_not(expr.negated, expr.op)
            return _row(_side(expr.operand), word, _quoted(expr.pattern.value))
        case tree.Presence():
            return _row(_side(expr.operand), " is present" if expr.present else " is missing")
        case _:
            raise AssertionError(type(expr))


def _side(expr: tree.Expr) -> Doc:
    """A side of a comparison. `otherwise` gets parentheses for the reader's sake."""
    return print_expression(expr, SUM)


def _perhaps_not(negated: bool, word: str) -> str:
    return f" not {word} " if negated else f" {word} "


def _literal(literal: tree.Literal) -> str:
    if literal.kind == "text":
        return _quoted(literal.spelling)
    spelling = literal.spelling
    if literal.kind == "money":
        spelling = f"{spelling[:-3].rstrip()} {spelling[-3:]}"
    return f"-{spelling}" if literal.negative else spelling


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# --- actions -------------------------------------------------------------------------------------


def _actions(actions: tree.ActionList) -> Doc:
    return "skip" if actions.skip else _listed(map(_action, actions.items), fill=False)


def _action(action: tree.Action) -> Doc:
    doc = _act(action)
    return _row(doc, f" because {action.because.text}") if action.because else doc


def _act(action: tree.Action) -> Doc:
    name = action.name.text if action.name else ""
    value = print_expression(action.value, SUM) if action.value else ""
    match action.verb:
        case "review":
            return f"review {action.word}".rstrip()
        case "step_up" | "exempt":
            return f"{action.verb} {name}"
        case "prefer":
            return f"prefer step_up {name}"
        case "no_exemption":
            return "no exemption"
        case "tag":
            return _row("tag ", value)
        case "points":
            return _row("add ", value, " points")
        case "advise":
            return _row(f"advise {name} = ", value)
        case _:
            return action.verb


# --- declarations --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unit:
    """What stands on one line, if it fits there. `cells` are columns, padded to those near by.

    `key` is the word that opens the clause. Where `joins` is set, the unit stands on the head line.
    """

    key: str
    cells: tuple[str, ...]
    body: Doc
    joins: bool = False

    def join(self, other: Unit) -> Unit:
        """This unit and `other` on one line."""
        body = _row(self.body, " ", other.body) if self.body else other.body
        return replace(self, body=body)


def print_declaration(declaration: tree.Declaration) -> list[Unit]:
    """The units of `declaration`, in the order of the house; the first is its head."""
    return list(_units(declaration))


def _units(declaration: tree.Declaration) -> Iterator[Unit]:
    match declaration:
        case tree.PolicyDeclaration():
            return _policy(declaration)
        case tree.EventDeclaration():
            return _event(declaration)
        case tree.FeatureDeclaration():
            return iter((_feature(declaration),))
        case tree.LetDeclaration():
            return iter((_let(declaration),))
        case tree.ParamDeclaration():
            return iter((_param(declaration),))
        case tree.LabelDeclaration():
            return iter((_label(declaration),))
        case tree.ListDeclarationNode():
            return iter((_list(declaration),))
        case tree.ModelDeclaration():
            return _model(declaration)
        case tree.ReasonDeclaration():
            return _reason(declaration)
        case tree.StepUpDeclaration():
            return _step_up(declaration)
        case tree.GroupDeclaration():
            return _group_units(declaration)
        case tree.RuleDeclaration():
            return _rule(declaration)
        case tree.GuaranteeDeclaration():
            return _guarantee(declaration)
        case tree.GrantDeclaration():
            return _grant(declaration)
        case _:
            raise AssertionError(type(declaration))


Value: TypeAlias = tree.Name | tree.Text | tree.Literal | tree.Expr | int | str | bool | None
Names: TypeAlias = tuple[tree.Name, ...]


def _head(word: str, declaration: tree.Declaration) -> Unit:
    return Unit("head", (), f"{word} {declaration.name.text}")


def _clause(words: str, value: Value, *, joins: bool = False) -> Iterator[Unit]:
    """`words value`, or the words alone where the value is true; nothing where it is absent."""
    if value is None or value is False:
        return
    doc = _row(f"{words} ", _value(value)) if value is not True else words
    yield Unit(words.partition(" ")[0], (), doc, joins)


def _value(value: Value) -> Doc:
    match value:
        case tree.Name():
            return value.text
        case tree.Text():
            return _quoted(value.value)
        case tree.Expr():
            return print_expression(value)
        case _:
            return str(value)


def _text(text: tree.Text | None, *, joins: bool = False) -> Iterator[Unit]:
    if text is not None:
        yield Unit("text", (), _quoted(text.value), joins)


def _names(word: str, names: Names) -> Iterator[Unit]:
    if names:
        yield Unit(word, (), _row(f"{word} ", _listed(name.text for name in names)))


def _then(words: str, actions: tree.ActionList | None) -> Iterator[Unit]:
    if actions is not None:
        yield Unit(words.partition(" ")[0], (), _row(f"{words} ", _actions(actions)))


def _policy(policy: tree.PolicyDeclaration) -> Iterator[Unit]:
    yield _head("policy", policy)
    yield from _clause("language", policy.language, joins=True)
    yield from _text(policy.text)
    yield from _clause("currency", policy.currency)
    yield from _clause("timezone", policy.timezone)
    yield from _clause("rates", policy.rates)


def _event(event: tree.EventDeclaration) -> Iterator[Unit]:
    yield _head("event", event)
    yield from _clause("decided by default", event.default, joins=True)
    yield from _text(event.text)
    if event.silent is not None:
        yield Unit("silent", ("silent", event.silent), "")
    for declared in event.fields:
        modifiers = " ".join(_modifiers(declared))
        yield Unit("field", (declared.name.text, _type(declared.type)), modifiers)


def _type(kind: tree.TypeName) -> str:
    words = (w if NAME.fullmatch(w) and w not in RESERVED else _quoted(w) for w in kind.words)
    text = f"one of ({', '.join(words)})" if kind.words else kind.word
    return f"{text}?" if kind.optional else text


def _modifiers(declared: tree.FieldDeclaration) -> Iterator[str]:
    yield from ("key",) if declared.key else ()
    yield from (f"min {_literal(declared.minimum)}",) if declared.minimum else ()
    yield from (f"max {_literal(declared.maximum)}",) if declared.maximum else ()
    yield from (f"coarse {' '.join(f'/{n}' for n in declared.coarse)}",) if declared.coarse else ()
    yield from ("folded",) if declared.folded else ()
    yield from ("lenient",) if declared.lenient else ()


def _feature(feature: tree.FeatureDeclaration) -> Unit:
    delay = f" delayed {_literal(feature.delay)}" if feature.delay else ""
    window = f" over {_literal(feature.window)}" if feature.window else ""
    counted = f"= {_aggregate(feature)} by {_keys(feature)}{window}{delay}"
    return Unit("head", (f"feature {feature.name.text}",), _group(counted, *_where(feature.where)))


def _aggregate(feature: tree.FeatureDeclaration) -> str:
    event = feature.event.text if feature.event else ""
    operand = f"{feature.operand.text} of " if feature.operand else ""
    match feature.aggregate:
        case "first_at" | "last_at":
            return f"{feature.aggregate.replace('_', ' ')} of {event}"
        case "distinct":
            return f"distinct {operand}{event}"
        case _:
            return f"{feature.aggregate} of {operand}{event}"


def _keys(feature: tree.FeatureDeclaration) -> str:
    """A key that is named twice the same stays named twice: the author wanted to say it."""
    keys = (
        ours.text if ours.span == theirs.span else f"{ours.text} = {theirs.text}"
        for ours, theirs in feature.keys
    )
    return ", ".join(keys) or "all"


def _where(condition: tree.Expr | None) -> tuple[Doc, ...]:
    return (Break(), "where ", print_expression(condition)) if condition else ()


def _let(let: tree.LetDeclaration) -> Unit:
    value = print_expression(let.value) if let.value else ""
    return Unit("head", (f"let {let.name.text}",), _row("= ", value))


def _param(param: tree.ParamDeclaration) -> Unit:
    value = f"= {_literal(param.value)}" if param.value else ""
    if param.low and param.high:
        value += f" from {_literal(param.low)} to {_literal(param.high)}"
    kind = _type(param.type) if param.type else ""
    text = _quoted(param.text.value) if param.text else ""
    return Unit("head", (f"param {param.name.text}", kind, value), text)


def _label(label: tree.LabelDeclaration) -> Unit:
    event = label.event.text if label.event else ""
    after = f" known after {_literal(label.after)}" if label.after else ""
    parts: tuple[Doc, ...] = (f"of {event}{after}",)
    if label.source and label.matching:
        parts += (Break(), f"from {label.source.text} matching {label.matching.text}")
    return Unit("head", (f"label {label.name.text}",), _group(*parts, *_where(label.where)))


def _list(declared: tree.ListDeclarationNode) -> Unit:
    kind = f"of {_type(declared.type)}" if declared.type else ""
    source = f"from {_quoted(declared.path.value)}" if declared.path else "managed"
    return Unit("head", (f"list {declared.name.text}", kind), source)


def _model(model: tree.ModelDeclaration) -> Iterator[Unit]:
    yield _head("model", model)
    yield from _clause("version", model.version, joins=True)
    yield from _text(model.text)
    yield from _clause("from", model.path)
    yield from _names("reads", model.reads)
    yield from _clause("score", model.score)
    if model.use:
        yield Unit("use", (), _scope(f"use {model.use.text}", model.use_when))
    yield from _names("may", model.may)
    yield from _clause("until", model.until)
    yield from _clause("within", model.within)
    yield from _then("if unavailable then", model.unavailable)


def _scope(words: str, condition: tree.Expr | None) -> Doc:
    return _row(f"{words} when ", print_expression(condition)) if condition else words


def _reason(reason: tree.ReasonDeclaration) -> Iterator[Unit]:
    yield Unit("head", (f"reason {reason.name.text}",), "")
    yield from _text(reason.text, joins=True)
    yield from _clause("message", reason.message)
    yield from _clause("retry", reason.retry)


def _step_up(step_up: tree.StepUpDeclaration) -> Iterator[Unit]:
    yield _head("step_up", step_up)
    yield from _clause("rank", step_up.rank, joins=True)
    yield from _text(step_up.text)
    yield from _names("try", step_up.methods)
    yield from _clause("within", step_up.within)
    for result, actions in step_up.results:
        yield Unit("if", (f"if {result}",), _row("then ", _actions(actions)))


def _group_units(group: tree.GroupDeclaration) -> Iterator[Unit]:
    yield _head("group", group)
    yield from _text(group.text)
    yield from _clause("owner", group.owner)
    yield from _clause("on", group.event)
    yield from _clause("shadow", group.shadow)
    yield from _weakened(group.exceptions, group.unknown)


def _weakened(exceptions: tuple[tree.Expr, ...], unknown: tree.ActionList | None) -> Iterator[Unit]:
    for condition in exceptions:
        yield from _clause("except when", condition)
    yield from _then("if unknown then", unknown)


def _rule(rule: tree.RuleDeclaration) -> Iterator[Unit]:
    yield _head("rule", rule)
    yield from _clause("version", rule.version, joins=True)
    yield from _text(rule.text)
    yield from _clause("mandatory", rule.mandatory)
    yield from _clause("owner", rule.owner)
    yield from _clause("in", rule.group)
    yield from _clause("on", rule.event)
    yield from _clause("shadow", rule.shadow)
    yield from _rollout(rule.rollout)
    yield from _clause("replaces version", rule.replaces)
    yield from _clause("from", rule.from_date)
    yield from _clause("until", rule.until_date)
    yield from _clause("expires", rule.expires)
    yield from _clause("when", rule.when)
    yield from _then("then", rule.then)
    yield from _weakened(rule.exceptions, rule.unknown)


def _rollout(rollout: tree.RolloutClause | None) -> Iterator[Unit]:
    if rollout is not None:
        wave = f" as {rollout.wave.text}" if rollout.wave else ""
        text = f"rollout {_literal(rollout.share)} by {rollout.field.text}{wave}"
        yield Unit("rollout", (), text)


def _guarantee(guarantee: tree.GuaranteeDeclaration) -> Iterator[Unit]:
    yield _head("guarantee", guarantee)
    yield from _clause("on", guarantee.event, joins=True)
    yield from _text(guarantee.text)
    yield from _clause("when", guarantee.when)
    words = _joined("or ", (name.text for name in guarantee.at_least))
    yield Unit("always", (), _row("always at least ", words))


def _grant(grant: tree.GrantDeclaration) -> Iterator[Unit]:
    yield _head(f"grant {grant.world}", grant)
    yield from _names("may", grant.may)
    yield from _names("never", grant.never)
    for scope in grant.on:
        yield Unit("on", (), _scope(f"on {scope.event.text}", scope.when))
    yield from _names("sees", grant.sees)
