"""What differs between declarations other than rules: authority first, then what decisions read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from tidegate.dsl.program import (
    LADDERS,
    RUNGS,
    Actions,
    Column,
    EventType,
    Expression,
    Feature,
    Field,
    Grant,
    Guarantee,
    Label,
    Ladder,
    ListDeclaration,
    Model,
    Param,
    Program,
    Reason,
    StepUp,
    Table,
)
from tidegate.dsl.types import NUMBER
from tidegate.engine.differences import Detail, Effect
from tidegate.engine.expression_text import show_actions, show_expression, show_value
from tidegate.engine.narrowing import implies
from tidegate.engine.rule_differences import actions_effect
from tidegate.engine.values import format_duration, format_time

D = TypeVar("D")
Show = Callable[[Any], str]

_SILENT = ("approve", "review", "hold", "decline")
_GUARANTEED = ("review", "step_up", "decline")


class Writer:
    """Parts of one program in the language's words."""

    def __init__(self, program: Program | None) -> None:
        self.currency = program.currency if program else ""

    def condition(self, expression: Expression | None) -> str:
        """A condition; nothing where there is none."""
        return "" if expression is None else show_expression(expression, self.currency)

    def actions(self, actions: Actions | None) -> str:
        """Actions in one line; nothing where there are none."""
        return "" if actions is None else ", ".join(show_actions(actions, self.currency))

    def feature(self, feature: Feature) -> str:
        """A feature's definition."""
        operand = self.condition(feature.operand)
        what = feature.aggregate.replace("_", " ")
        counted = f"{operand} of {feature.event}" if operand and what[-3:] != " at" else ""
        keys = ", ".join(a if a == b else f"{a} = {b}" for a, b in feature.keys) or "all"
        window = f" over {format_duration(feature.window_us)}" if feature.window_us else ""
        if feature.period is not None:
            window = f' over calendar {feature.period} in "{feature.zone}"'
        delay = f" delayed {format_duration(feature.delay_us)}" if feature.delay_us else ""
        where = f" where {self.condition(feature.where)}" if feature.where is not None else ""
        joint = f"{what} {counted}" if what == "distinct" else f"{what} of {counted}"
        body = joint if counted else f"{what} of {feature.event}"
        return f"{body} by {keys}{window}{delay}{where}"

    def label(self, label: Label) -> str:
        """A label's definition."""
        after = f"of {label.event} known after {format_duration(label.after_us)}"
        if not label.source_event:
            return after
        where = f" where {self.condition(label.where)}" if label.where is not None else ""
        return f"{after} from {label.source_event} matching {label.matching}{where}"

    def param(self, param: Param) -> str:
        """A param's value."""
        return show_value(param.value, param.type, self.currency)

    def bounds(self, param: Param) -> str:
        """A param's bounds; nothing where it has none."""
        if param.bounds is None:
            return ""
        ends = param.bounds.low, param.bounds.high
        return " to ".join(show_value(end, param.type, self.currency) for end in ends)

    def field(self, declared: Field) -> str:
        """A field's type and its limits."""
        parts = [declared.form + ("?" if declared.optional else "")]
        for word, bound in (("min", declared.minimum), ("max", declared.maximum)):
            if bound is not None:
                parts.append(f"{word} {show_value(bound, declared.type, self.currency)}")
        return " ".join([*parts, *(["lenient"] if declared.lenient else [])])

    def column(self, declared: Column) -> str:
        """A column's type, its limits and what stands where there is no row."""
        parts = [f"{declared.type}{'?' if declared.optional else ''}"]
        for word, value in (
            ("min", declared.minimum), ("max", declared.maximum), ("default", declared.default)
        ):  # fmt: skip
            if value is not None:
                parts.append(f"{word} {show_value(value, declared.type, self.currency)}")
        return " ".join(parts)


def listed(names: frozenset[str]) -> str:
    """Names in their order."""
    return ", ".join(sorted(names))


def differing(*rows: tuple[str, str, str, Effect]) -> Iterator[Detail]:
    """The rows whose two texts differ: clause, before, after, and what that means."""
    for what, before, after, effect in rows:
        if before != after:
            yield Detail(what, before, after, effect)


# --- authority ---------------------------------------------------------------------------------


def model_details(old: Model, new: Model, before: Writer, after: Writer) -> Iterator[Detail]:
    """What differs between two models, all of it a matter of authority."""
    yield from _granted("may", old.may, new.may)
    for ladder in LADDERS:
        was, now = (ceiling(model, ladder) for model in (old, new))
        if was != now:
            yield Detail(f"ceiling on {ladder}", was, now, "authority")
    yield from differing(
        ("use", use(old, before), use(new, after), "authority"),
        ("until", date(old.until_us), date(new.until_us), "authority"),
    )
    if old.unavailable != new.unavailable:
        texts = before.actions(old.unavailable), after.actions(new.unavailable)
        note = _direction(actions_effect(old.unavailable, new.unavailable))
        yield Detail("if unavailable", *texts, "authority", note)
    yield from differing(
        ("external", _flag(old.external), _flag(new.external), "authority"),
        ("shadow", _flag(old.shadow), _flag(new.shadow), "authority"),
        ("bounds", _bounds(old), _bounds(new), "authority"),
        ("version", str(old.version), str(new.version), "authority"),
        ("from", old.path, new.path, "authority"),
        ("score", old.score, new.score, "authority"),
        ("reads", ", ".join(old.read_names), ", ".join(new.read_names), "authority"),
        ("within", _span(old.within_us), _span(new.within_us), "authority"),
        ("text", old.text, new.text, "none"),
    )


def _flag(value: bool) -> str:
    return "yes" if value else "no"


def _bounds(model: Model) -> str:
    """Between what its score lies."""
    low, high = (show_value(end, NUMBER, "") for end in (model.bounds.low, model.bounds.high))
    return f"{low} to {high}"


def _granted(what: str, old: frozenset[str], new: frozenset[str]) -> Iterator[Detail]:
    if old != new:
        notes = []
        if new - old:
            notes.append(f"{listed(new - old)} more")
        if old - new:
            notes.append(f"{listed(old - new)} no more")
        yield Detail(what, listed(old), listed(new), "authority", ", ".join(notes))


def _direction(effect: Effect) -> str:
    return {"weakens": "asks for less", "strengthens": "asks for more"}.get(effect, "")


def ceiling(model: Model, ladder: Ladder) -> str:
    """The highest rung of a ladder that a model may ask for."""
    rung = model.ceiling(ladder)
    return "nothing" if rung < 0 else RUNGS[ladder](rung).name.lower()


def use(model: Model, writer: Writer) -> str:
    """The events on which a model is used."""
    when = f" when {writer.condition(model.use_when)}" if model.use_when is not None else ""
    return f"{model.use_event}{when}"


def date(at_us: int | None) -> str:
    """A date; nothing where there is none."""
    return "" if at_us is None else format_time(at_us)


def _span(span_us: int | None) -> str:
    return "" if span_us is None else format_duration(span_us)


def grant_details(old: Grant, new: Grant, before: Writer, after: Writer) -> Iterator[Detail]:
    """What differs between two grants."""
    yield from _granted("may", old.may, new.may)
    yield from _granted("never", old.never, new.never)
    yield from differing(("on", scopes(old, before), scopes(new, after), "authority"))
    yield from _granted("sees", old.sees, new.sees)


def scopes(grant: Grant, writer: Writer) -> str:
    """The events that a grant is about."""
    return "; ".join(
        f"{scope.event} when {writer.condition(scope.when)}" if scope.when else scope.event
        for scope in grant.on
    )


def guarantee_details(
    old: Guarantee, new: Guarantee, before: Writer, after: Writer
) -> Iterator[Detail]:
    """What differs between two guarantees."""
    if old.when != new.when:
        effect: Effect = "weakens" if implies(new.when, old.when) else "may_weaken"
        effect = "strengthens" if implies(old.when, new.when) else effect
        effect = effect if before.currency == after.currency else "may_weaken"
        yield Detail("when", before.condition(old.when), after.condition(new.when), effect)
    words = [" or ".join(sorted(g.at_least, key=_GUARANTEED.index)) for g in (old, new)]
    low = [min(map(_GUARANTEED.index, g.at_least), default=0) for g in (old, new)]
    promise: Effect = "weakens" if low[1] < low[0] else "may_weaken"
    # What is declined keeps every promise; a review and a step_up keep each its own.
    promise = "strengthens" if new.at_least == ("decline",) else promise
    yield from differing(
        ("always at least", words[0], words[1], promise),
        ("on", old.event, new.event, "may_weaken"),
        ("text", old.text, new.text, "none"),
    )


# --- what is decided, and of what --------------------------------------------------------------


def policy_details(old: Program, new: Program) -> Iterator[Detail]:
    """What differs between the heads of two policies."""
    yield from differing(
        ("currency", old.currency, new.currency, "may_weaken"),
        ("timezone", old.zone, new.zone, "may_weaken"),
        ("rates", old.rates, new.rates, "may_weaken"),
        ("language", str(old.language), str(new.language), "changes"),
        ("name", old.name, new.name, "none"),
        ("text", old.text, new.text, "none"),
    )


def event_details(
    old: EventType, new: EventType, before: Writer, after: Writer
) -> Iterator[Detail]:
    """What differs between two types of event, their rules and lets apart."""
    was, now = ("" if event.default is None else event.default.name.lower() for event in (old, new))
    effect: Effect
    if old.default != new.default:
        effect = "may_weaken"
        if old.default is not None and new.default is not None:
            effect = "weakens" if new.default < old.default else "strengthens"
        yield Detail("decided by default", was, now, effect)
    if old.silent != new.silent:
        less = _rank(new.silent) < _rank(old.silent)
        yield Detail("silent", old.silent, new.silent, "weakens" if less else "strengthens")
    fields = {f.name: f for f in old.fields}, {f.name: f for f in new.fields}
    for name in sorted({*fields[0], *fields[1]}):
        texts = [
            writer.field(of[name]) if name in of else ""
            for writer, of in zip((before, after), fields, strict=True)
        ]
        if texts[0] != texts[1]:
            one, other = (of.get(name) for of in fields)
            loose = bool(other and other.lenient and not (one and one.lenient))
            note = "a bad value passes as missing" if loose else ""
            effect = "changes" if _is_wider(one, other) else "may_weaken"
            yield Detail(f"field {name}", texts[0], texts[1], effect, note)
    yield from differing(
        ("key", old.key, new.key, "may_weaken"),
        ("time", old.at, new.at, "may_weaken"),
        ("text", old.text, new.text, "none"),
    )


def _is_wider(old: Field | None, new: Field | None) -> bool:
    """Whether all that came in still does, and as it did: an event that is refused meets no rule.

    A field that may be missing now, or pass as missing, is none: rules may be unknown then.
    """
    if old is None or new is None:
        return new is not None and new.optional and not new.lenient
    alike = replace(old, minimum=new.minimum, maximum=new.maximum) == new
    low = new.minimum is None or (old.minimum is not None and new.minimum <= old.minimum)
    high = new.maximum is None or (old.maximum is not None and new.maximum >= old.maximum)
    return alike and low and high


def _rank(word: str) -> int:
    return _SILENT.index(word) if word in _SILENT else -1


def step_up_details(old: StepUp, new: StepUp, before: Writer, after: Writer) -> Iterator[Detail]:
    """What differs between two ways to authenticate."""
    for result in ("failed", "abandoned", "unavailable"):
        was, now = getattr(old, result), getattr(new, result)
        if was != now:
            effect = actions_effect(was, now) if was and now else "may_weaken"
            yield Detail(f"if {result}", before.actions(was), after.actions(now), effect)
    yield from differing(
        ("try", ", ".join(old.methods), ", ".join(new.methods), "may_weaken"),
        ("rank", str(old.rank), str(new.rank), "may_weaken"),
        ("within", format_duration(old.within_us), format_duration(new.within_us), "may_weaken"),
        ("text", old.text, new.text, "none"),
    )


def reason_details(old: Reason, new: Reason, *_: Writer) -> Iterator[Detail]:
    """What differs between two reasons."""
    yield from differing(
        ("message", old.message, new.message, "none"),
        ("retry", old.retry, new.retry, "none"),
        ("text", old.text, new.text, "none"),
    )


def list_details(old: ListDeclaration, new: ListDeclaration, *_: Writer) -> Iterator[Detail]:
    """What differs between the declarations of two lists; of their contents see the policy."""
    # What a managed list holds is not known here.
    held: Effect = "changes" if old.path and new.path else "may_weaken"
    yield from differing(
        ("of", str(old.type), str(new.type), "changes"),
        ("from", old.path or "managed", new.path or "managed", held),
    )


def table_details(old: Table, new: Table, before: Writer, after: Writer) -> Iterator[Detail]:
    """What differs between the declarations of two tables; of their contents see the policy."""
    yield from differing(
        ("by", str(old.key), str(new.key), "changes"),
        ("from", old.path, new.path, "changes"),
        ("text", old.text, new.text, "none"),
    )
    columns = {c.name: c for c in old.columns}, {c.name: c for c in new.columns}
    for name in sorted({*columns[0], *columns[1]}):
        texts = [
            writer.column(of[name]) if name in of else ""
            for writer, of in zip((before, after), columns, strict=True)
        ]
        yield from differing((f"column {name}", texts[0], texts[1], "changes"))


def label_details(old: Label, new: Label, before: Writer, after: Writer) -> Iterator[Detail]:
    """What differs between two labels."""
    yield from differing(("definition", before.label(old), after.label(new), "may_weaken"))


def feature_details(old: Feature, new: Feature, before: Writer, after: Writer) -> Iterator[Detail]:
    """What differs between two features."""
    yield from differing(("definition", before.feature(old), after.feature(new), "changes"))


def param_details(old: Param, new: Param, before: Writer, after: Writer) -> Iterator[Detail]:
    """What differs between two params."""
    yield from differing(
        ("value", before.param(old), after.param(new), "changes"),
        ("from", before.bounds(old), after.bounds(new), "changes"),
        ("type", str(old.type), str(new.type), "changes"),
        ("text", old.text, new.text, "none"),
    )
