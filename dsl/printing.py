"""Declarations as documents: what stands on which line, in the order of the house.

A declaration is a row of units, one a line: its head, then its clauses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from tidegate.dsl import tree
from tidegate.dsl.layout import Break, Doc, group, in_line, ink, joined, listed, row
from tidegate.dsl.nesting import OTHERWISE, SUM
from tidegate.dsl.phrases import print_actions, print_cell, print_expression, print_literal, quote
from tidegate.dsl.words import NAME, RESERVED


@dataclass(frozen=True, slots=True)
class Unit:
    """What stands on one line, if it fits there. `cells` are columns, padded to those near by.

    `key` is the word that opens the clause. Where `joins` is set, the unit stands on the head line.
    """

    key: str
    cells: tuple[str, ...]
    body: Doc
    joins: bool = False

    @property
    def ink(self) -> int:
        """How many of its characters count, see `layout`."""
        return sum(map(ink, self.cells)) + ink(self.body)

    def join(self, other: Unit) -> Unit:
        """This unit and `other` on one line."""
        body = row(self.body, " ", other.body) if self.body else other.body
        return replace(self, body=body)


def print_declaration(declaration: tree.Declaration) -> list[Unit]:
    """The units of `declaration`, in the order of the house; the first is its head."""
    printed = _PRINTERS[type(declaration)](declaration)
    return [printed] if isinstance(printed, Unit) else list(printed)


Value: TypeAlias = tree.Name | tree.Text | tree.Literal | tree.Expr | int | str | bool | None
Names: TypeAlias = tuple[tree.Name, ...]


def _head(word: str, declaration: tree.Declaration) -> Unit:
    return Unit("head", (), f"{word} {declaration.name.text}")


def _clause(words: str, value: Value, *, joins: bool = False) -> Iterator[Unit]:
    """`words value`, or the words alone where the value is true; nothing where it is absent."""
    if value is None or value is False:
        return
    doc = row(f"{words} ", _value(value)) if value is not True else words
    yield Unit(words.partition(" ")[0], (), doc, joins)


def _value(value: Value) -> Doc:
    match value:
        case tree.Name():
            return value.text
        case tree.Text():
            return quote(value.value)
        case tree.Expr():
            return print_expression(value)
        case _:
            return str(value)


def _text(text: tree.Text | None, *, joins: bool = False) -> Iterator[Unit]:
    if text is not None:
        yield Unit("text", (), quote(text.value), joins)


def _names(word: str, names: Names) -> Iterator[Unit]:
    if names:
        yield Unit(word, (), row(f"{word} ", listed(name.text for name in names)))


def _then(words: str, actions: tree.ActionList | None) -> Iterator[Unit]:
    if actions is not None:
        yield Unit(words.partition(" ")[0], (), row(f"{words} ", print_actions(actions)))


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
    words = (w if NAME.fullmatch(w) and w not in RESERVED else quote(w) for w in kind.words)
    text = f"one of ({', '.join(words)})" if kind.words else kind.word
    return f"{text}?" if kind.optional else text


def _modifiers(declared: tree.FieldDeclaration) -> Iterator[str]:
    yield from ("key",) if declared.key else ()
    yield from (f"min {print_literal(declared.minimum)}",) if declared.minimum else ()
    yield from (f"max {print_literal(declared.maximum)}",) if declared.maximum else ()
    yield from (f"coarse {' '.join(f'/{n}' for n in declared.coarse)}",) if declared.coarse else ()
    yield from ("folded",) if declared.folded else ()
    yield from ("lenient",) if declared.lenient else ()


def _feature(feature: tree.FeatureDeclaration) -> Unit:
    delay = f" delayed {print_literal(feature.delay)}" if feature.delay else ""
    window = f" over {_window(feature)}"
    counted = f"= {_aggregate(feature)} by {_keys(feature)}{window}{delay}"
    body = group(counted, *_where(feature.where), fill=True)
    return Unit("head", (f"feature {feature.name.text}",), body)


def _aggregate(feature: tree.FeatureDeclaration) -> str:
    event = feature.event.text if feature.event else ""
    operand = f"{feature.operand.text} of " if feature.operand else ""
    match feature.aggregate:
        case "first_at" | "last_at":
            return f"{feature.aggregate.replace('_', ' ')} of {event}"
        case "since_first" | "since_last":
            return f"{feature.aggregate.replace('_', ' ')} {event}"
        case "distinct":
            return f"distinct {operand}{event}"
        case _:
            return f"{feature.aggregate} of {operand}{event}"


def _window(feature: tree.FeatureDeclaration) -> str:
    if feature.window_name is not None:
        return feature.window_name.text
    if feature.period is None:
        return print_literal(feature.window) if feature.window else ""
    zone = f" in {quote(feature.zone.value)}" if feature.zone else ""
    return f"calendar {feature.period.text}{zone}"


def _keys(feature: tree.FeatureDeclaration) -> str:
    """A key that is named twice the same stays named twice: the author wanted to say it."""
    keys = (
        ours.text if ours.span == theirs.span else f"{ours.text} = {theirs.text}"
        for ours, theirs in feature.keys
    )
    return ", ".join(keys) or "all"


def _where(condition: tree.Expr | None) -> tuple[Doc, ...]:
    return (Break(), row("where ", print_expression(condition))) if condition else ()


def _let(let: tree.LetDeclaration) -> Unit:
    value = print_expression(let.value) if let.value else ""
    return Unit("head", (f"let {let.name.text}",), row("= ", value))


def _param(param: tree.ParamDeclaration) -> Unit:
    value = f"= {print_literal(param.value)}" if param.value else ""
    value += _bounds(param.low, param.high)
    kind = _type(param.type) if param.type else ""
    text = quote(param.text.value) if param.text else ""
    return Unit("head", (f"param {param.name.text}", kind, value), text)


def _bounds(low: tree.Literal | None, high: tree.Literal | None) -> str:
    return f" from {print_literal(low)} to {print_literal(high)}" if low and high else ""


def _label(label: tree.LabelDeclaration) -> Unit:
    event = label.event.text if label.event else ""
    after = f" known after {print_literal(label.after)}" if label.after else ""
    parts: tuple[Doc, ...] = (f"of {event}{after}",)
    if label.source and label.matching:
        parts += (Break(), f"from {label.source.text} matching {label.matching.text}")
    body = group(*parts, *_where(label.where), fill=True)
    return Unit("head", (f"label {label.name.text}",), body)


def _list(declared: tree.ListDeclarationNode) -> Unit:
    kind = f"of {_type(declared.type)}" if declared.type else ""
    source = f"from {quote(declared.path.value)}" if declared.path else "managed"
    return Unit("head", (f"list {declared.name.text}", kind), source)


def _table(table: tree.TableDeclaration) -> Iterator[Unit]:
    kind = f"of {_type(table.type)}" if table.type else ""
    source = f"from {quote(table.path.value)}" if table.path else ""
    yield Unit("head", (f"table {table.name.text}",), f"{kind} {source}")
    yield from _text(table.text)
    for declared in table.columns:
        modifiers = " ".join(_column_modifiers(declared))
        yield Unit("field", (declared.name.text, _type(declared.type)), modifiers)


def _column_modifiers(declared: tree.ColumnDeclaration) -> Iterator[str]:
    yield from (f"min {print_literal(declared.minimum)}",) if declared.minimum else ()
    yield from (f"max {print_literal(declared.maximum)}",) if declared.maximum else ()
    yield from (f"default {print_literal(declared.default)}",) if declared.default else ()


def _model(model: tree.ModelDeclaration) -> Iterator[Unit]:
    yield _head("model", model)
    yield from _clause("version", model.version, joins=True)
    yield from _text(model.text)
    yield from _clause("external", model.external)
    yield from _clause("shadow", model.shadow)
    yield from _clause("from", model.path)
    yield from _names("reads", model.reads)
    if model.score:
        yield Unit(
            "score", (), f"score {model.score.text}{_bounds(*(model.bounds or (None, None)))}"
        )
    if model.use:
        yield Unit("use", (), _scope(f"use {model.use.text}", model.use_when))
    yield from _names("may", model.may)
    yield from _clause("until", model.until)
    yield from _clause("within", model.within)
    yield from _then("if unavailable then", model.unavailable)


def _scope(words: str, condition: tree.Expr | None) -> Doc:
    return row(f"{words} when ", print_expression(condition)) if condition else words


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
        yield Unit("if", (f"if {result}",), row("then ", print_actions(actions)))


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
        text = f"rollout {print_literal(rollout.share)} by {rollout.field.text}{wave}"
        yield Unit("rollout", (), text)


def _decision(decision: tree.DecisionDeclaration) -> Iterator[Unit]:
    yield _head("decision", decision)
    yield from _clause("version", decision.version, joins=True)
    yield from _text(decision.text)
    yield from _clause("mandatory", decision.mandatory)
    yield from _clause("owner", decision.owner)
    yield from _clause("in", decision.group)
    yield from _clause("on", decision.event)
    yield from _clause("shadow", decision.shadow)
    columns = (print_expression(column, OTHERWISE) for column in decision.columns)
    yield Unit("columns", (), row("columns ", listed(columns)))
    yield Unit("rows", (), f"rows {decision.hit}")
    for each in decision.rows:
        cells = [in_line(print_cell(cell)) for cell in each.cells]
        padded = (*(f"{cell}," for cell in cells[:-1]), *cells[-1:])
        then = row("then ", print_actions(each.then))
        yield Unit("row", (f"row {each.name.text}", *padded), group(Break(""), then))
    yield from _then("else", decision.rest)
    yield from _weakened(decision.exceptions, decision.unknown)


def _library(library: tree.LibraryDeclaration) -> Unit:
    source = f" from {quote(library.path.value)}" if library.path else ""
    return Unit("head", (f"library {library.name.text}",), f"version {library.version}{source}")


def _template(template: tree.TemplateDeclaration) -> Iterator[Unit]:
    event = f" on {template.event.text}" if template.event else ""
    counting = f" counting {template.counting.text}" if template.counting else ""
    yield Unit("head", (), f"template {template.name.text}{event}{counting}")
    yield from _text(template.text)
    for takes in template.takes:
        value = f"= {print_literal(takes.value)}" if takes.value else ""
        if takes.low and takes.high:
            value += f" from {print_literal(takes.low)} to {print_literal(takes.high)}"
        kinds = " or ".join(map(_type, takes.types))
        kinds = f"of {takes.event.text} {kinds}" if takes.event else kinds
        text = quote(takes.text.value) if takes.text else ""
        yield Unit("takes", (f"takes {takes.name.text}", kinds, value), text)


def _apply(apply: tree.ApplyDeclaration) -> Iterator[Unit]:
    library = f"{apply.library.text}." if apply.library else ""
    template = apply.template.text if apply.template else ""
    yield Unit("head", (), f"apply {library}{template} as {apply.name.text}")
    yield from _clause("version", apply.version, joins=True)
    yield from _text(apply.text)
    yield from _clause("owner", apply.owner)
    yield from _clause("in", apply.group)
    yield from _clause("on", apply.event)
    yield from _clause("counting", apply.counting)
    yield from _clause("shadow", apply.shadow)
    if apply.settings:
        settings = (row(f"{n.text} = ", print_expression(v, SUM)) for n, v in apply.settings)
        yield Unit("with", (), row("with ", listed(settings)))
    yield from _then("then", apply.then)
    yield from _weakened(apply.exceptions, apply.unknown)


def _guarantee(guarantee: tree.GuaranteeDeclaration) -> Iterator[Unit]:
    yield _head("guarantee", guarantee)
    yield from _clause("on", guarantee.event, joins=True)
    yield from _text(guarantee.text)
    yield from _clause("when", guarantee.when)
    words = joined("or ", (name.text for name in guarantee.at_least))
    yield Unit("always", (), row("always at least ", words))


def _grant(grant: tree.GrantDeclaration) -> Iterator[Unit]:
    yield _head(f"grant {grant.world}", grant)
    yield from _names("may", grant.may)
    yield from _names("never", grant.never)
    for scope in grant.on:
        yield Unit("on", (), _scope(f"on {scope.event.text}", scope.when))
    yield from _names("sees", grant.sees)


_PRINTERS: Mapping[type[tree.Declaration], Callable[[Any], Unit | Iterator[Unit]]] = {
    tree.PolicyDeclaration: _policy,
    tree.EventDeclaration: _event,
    tree.FeatureDeclaration: _feature,
    tree.LetDeclaration: _let,
    tree.ParamDeclaration: _param,
    tree.LabelDeclaration: _label,
    tree.ListDeclarationNode: _list,
    tree.TableDeclaration: _table,
    tree.ModelDeclaration: _model,
    tree.ReasonDeclaration: _reason,
    tree.StepUpDeclaration: _step_up,
    tree.GroupDeclaration: _group_units,
    tree.RuleDeclaration: _rule,
    tree.DecisionDeclaration: _decision,
    tree.LibraryDeclaration: _library,
    tree.TemplateDeclaration: _template,
    tree.ApplyDeclaration: _apply,
    tree.GuaranteeDeclaration: _guarantee,
    tree.GrantDeclaration: _grant,
}
