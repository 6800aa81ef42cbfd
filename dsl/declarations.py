"""Checking of everything that is not a rule: events, params, features, labels, lists, models …

Each function takes the typer and a declaration and gives the checked value, or None with the
problem reported.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from tidegate.dsl import tree
from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.expressions import Typer
from tidegate.dsl.literals import Wrong, duration_us, read_literal
from tidegate.dsl.nodes import field_input
from tidegate.dsl.program import (
    Actions,
    Aggregate,
    Disposition,
    EventType,
    Expression,
    Feature,
    Field,
    Grant,
    GrantScope,
    Guarantee,
    Input,
    Label,
    ListDeclaration,
    Param,
    Reason,
    StepUp,
)
from tidegate.dsl.source import Span
from tidegate.dsl.types import (
    COUNT,
    INTEGER_KINDS,
    TEXT,
    TIME,
    Bounds,
    Kind,
    Type,
)
from tidegate.dsl.unknowns import walk

MAX_WINDOW_US = 10 * 366 * 86_400 * 10**6
_WORD_TYPE = "one of"
_KEY_KINDS = {Kind.TEXT, Kind.TOKEN, Kind.COUNTRY, Kind.IP, Kind.WORD, Kind.COUNT, Kind.FLAG}
_SUMMED = {Kind.COUNT, Kind.NUMBER, Kind.MONEY, Kind.DURATION}

METHODS = frozenset({"passkey", "three_ds", "app", "one_time_code"})
RETRIES = frozenset({"never", "after", "with_step_up", "with_new_data"})
MACHINE_VERBS = frozenset({"decide", "report_step_up", "send_events", "read_decisions"})
PEOPLE_VERBS = frozenset(
    {
        "read_decisions",
        "reveal_identifiers",
        "author_release",
        "approve_release",
        "activate_release",
        "view_simulation",
        "stop",
        "disable_model",
        "snooze",
        "read_audit",
        "manage_lists",
    }
)
SEEN = frozenset({"outcome", "reasons", "explanation", "rules", "features", "scores", "record"})
GUARANTEED = frozenset({"step_up", "review", "decline"})


# --- events and params ---


def value_type(typer: Typer, name: tree.TypeName) -> Type | None:
    """The type that `name` says; an enumeration needs different words."""
    if name.word != _WORD_TYPE:
        return Type(Kind(name.word))
    if len(set(name.words)) < len(name.words):
        typer.error("TG210", "an enumeration lists each word once", name.span)
        return None
    return Type(Kind.WORD, name.words)


def check_fields(typer: Typer, event: tree.EventDeclaration) -> dict[str, Field]:
    """The fields of `event` by name, with the key and the time it must have."""
    found: dict[str, Field] = {}
    for declared in event.fields:
        name = declared.name.text
        if name in found:
            typer.error(
                "TG201",
                f"field `{name}` is declared twice",
                declared.name.span,
                "delete one of them",
                ((found[name].span, "first declared here"),),
            )
            continue
        kind = value_type(typer, declared.type)
        if kind is not None:
            found[name] = _field(typer, declared, kind)
    _check_key(typer, event)
    at = found.get("at")
    if at is None or at.type != TIME or at.optional:
        typer.error(
            "TG211",
            f"event `{event.name.text}` needs its time as a field `at time`",
            at.span if at else event.name.span,
        )
    return found


def _check_key(typer: Typer, event: tree.EventDeclaration) -> None:
    keys = [f for f in event.fields if f.key]
    if len(keys) != 1:
        typer.error(
            "TG211",
            f"event `{event.name.text}` needs one field marked `key`, it has {len(keys)}",
            keys[1].span if keys else event.name.span,
            "the key tells one event from another",
        )
    elif keys[0].type.word not in ("text", "token") or keys[0].type.optional:
        typer.error("TG211", "a key is a text or a token and never missing", keys[0].span)


def _field(typer: Typer, declared: tree.FieldDeclaration, kind: Type) -> Field:
    minimum = _limit(typer, declared.minimum, kind)
    maximum = _limit(typer, declared.maximum, kind)
    if minimum is None and maximum is not None and maximum > 0 and kind != TIME:
        minimum = -maximum  # `max` alone bounds the size, so that the overflow proofs go through
    if minimum is not None and maximum is not None and minimum > maximum:
        typer.error("TG212", "`min` is larger than `max`", declared.span)
    _check_modifiers(typer, declared, kind)
    coarse = _coarse(typer, declared)
    return Field(
        name=declared.name.text,
        type=kind,
        span=declared.name.span,
        optional=declared.type.optional,
        minimum=minimum,
        maximum=maximum,
        coarse=coarse,
        folded=declared.folded,
        lenient=declared.lenient,
    )


def _limit(typer: Typer, literal: tree.Literal | None, kind: Type) -> int | None:
    if literal is None:
        return None
    read = read_literal(literal, kind.kind, typer.currency, typer.zone)
    if isinstance(read, Wrong):
        typer.error(read.code, read.message, literal.span, read.help)
        return None
    if read.type != kind or kind.kind not in INTEGER_KINDS:
        typer.error("TG212", f"a {kind} has no limit of type {read.type}", literal.span)
        return None
    return cast("int", read.value)


def _check_modifiers(typer: Typer, declared: tree.FieldDeclaration, kind: Type) -> None:
    if declared.folded and kind != TEXT:
        typer.error("TG212", "only a text is `folded`", declared.span)
    if declared.lenient and not declared.type.optional:
        typer.error(
            "TG212",
            "only an optional field is `lenient`: a bad value becomes missing",
            declared.span,
            f"write `{declared.type.word}?`",
        )


def _coarse(typer: Typer, declared: tree.FieldDeclaration) -> tuple[int, int] | None:
    if not declared.coarse:
        return None
    if declared.type.word != "ip":
        typer.error("TG212", "only an address is `coarse`", declared.span)
        return None
    first, second, *more = (*declared.coarse, 48)
    if len(more) > 1 or not (0 < first <= 32 and 0 < second <= 128):
        typer.error(
            "TG212",
            "`coarse` takes the prefix for IPv4 and, after it, the one for IPv6",
            declared.span,
            "as in `coarse /24 /48`",
        )
        return None
    return first, second


def check_event(typer: Typer, event: tree.EventDeclaration) -> EventType:
    """The event without its rules."""
    decided = event.default is not None
    if decided and event.silent is None:
        typer.error(
            "TG213",
            f"event `{event.name.text}` does not say what a client does when the engine "
            "does not answer",
            event.name.span,
            "add `silent review` (or approve, hold, decline)",
        )
    if not decided and event.silent is not None:
        typer.error("TG213", "only a decided event has a `silent` answer", event.name.span)
    key = next((f.name.text for f in event.fields if f.key), "")
    return EventType(
        name=event.name.text,
        fields=tuple(typer.fields[event.name.text].values()),
        key=key,
        at="at",
        span=event.name.span,
        text=text_of(event.text),
        silent=event.silent or "",
        default=Disposition[event.default.upper()] if event.default else None,
    )


def check_param(typer: Typer, declared: tree.ParamDeclaration) -> Param | None:
    """A param with its value inside its bounds."""
    assert declared.type is not None
    assert declared.value is not None
    kind = value_type(typer, declared.type)
    if kind is None:
        return None
    if declared.type.optional or kind.kind in (Kind.TOKEN, Kind.IP, Kind.FLAG):
        typer.error("TG214", f"a param cannot be a {declared.type.word}", declared.type.span)
        return None
    typed = typer.value(declared.value, "", kind)
    if typed is None:
        return None
    if typed.type != kind:
        typer.error("TG214", f"this is a {typed.type}, the param a {kind}", declared.value.span)
        return None
    value = getattr(typed, "value", 0)
    bounds = _param_bounds(typer, declared, kind, value)
    return Param(
        declared.name.text, kind, value, declared.name.span, bounds, text_of(declared.text)
    )


def _param_bounds(
    typer: Typer, declared: tree.ParamDeclaration, kind: Type, value: int
) -> Bounds | None:
    if kind.kind not in INTEGER_KINDS:
        return None
    if declared.low is None or declared.high is None:
        return Bounds(value, value)
    low, high = _limit(typer, declared.low, kind), _limit(typer, declared.high, kind)
    if low is None or high is None:
        return None
    if not low <= value <= high:
        typer.error(
            "TG214",
            f"the value of `{declared.name.text}` lies outside its bounds",
            declared.value.span if declared.value else declared.span,
        )
    return Bounds(min(low, high), max(low, high))


# --- features and labels ---


def check_label(typer: Typer, declared: tree.LabelDeclaration) -> Label | None:
    """A label with the events that report it."""
    assert declared.event is not None
    assert declared.after is not None
    if not _is_event(typer, declared.event):
        return None
    after = duration_us(declared.after.spelling)
    label = Label(declared.name.text, declared.event.text, after, declared.name.span)
    if declared.source is None or declared.matching is None:
        return label
    if not _is_event(typer, declared.source):
        return None
    matching = typer.fields[declared.source.text].get(declared.matching.text)
    if matching is None:
        _no_field(typer, declared.matching, declared.source.text)
        return None
    _check_matching(typer, declared.matching, matching, declared.event.text)
    where = None
    if declared.where is not None:
        where = typer.condition(declared.where, declared.source.text)
        if where is None:
            return None
        _own_fields_only(typer, where, "the `where` of a label")
    return Label(
        label.name, label.event, after, label.span, declared.source.text, matching.name, where
    )


def _check_matching(typer: Typer, name: tree.Name, matching: Field, event: str) -> None:
    """A label finds its event by the key, so what it matches must be able to equal one."""
    key = next((f for f in typer.names.events[event].fields if f.key), None)
    field = typer.fields[event].get(key.name.text) if key else None
    if field is not None and field.form != matching.form:
        typer.error(
            "TG604",
            f"`{name.text}` ({matching.form}) never equals `{field.name}` ({field.form}), the key "
            f"of `{event}`",
            name.span,
            f"match a {field.type} that holds the key of the event that is labelled",
        )


def check_feature(typer: Typer, declared: tree.FeatureDeclaration) -> Feature | None:
    """A feature: its keys, its window, and what it reads of the counted events."""
    assert declared.event is not None
    assert declared.window is not None
    if not _is_event(typer, declared.event):
        return None
    event = declared.event.text
    keys = [_key(typer, own, counted, event) for own, counted in declared.keys]
    operand = _operand(typer, declared, event)
    where = typer.condition(declared.where, event) if declared.where is not None else None
    window, delay = duration_us(declared.window.spelling), 0
    if declared.delay is not None:
        delay = duration_us(declared.delay.spelling)
    if not 0 < window <= MAX_WINDOW_US or delay > MAX_WINDOW_US:
        typer.error(
            "TG602", "a window is longer than nothing and at most ten years", declared.window.span
        )
    if None in keys or (declared.where is not None and where is None):
        return None
    if declared.aggregate != "count" and operand is None:
        return None
    labels = _labels_read(typer, declared, [e for e in (operand, where) if e is not None], delay)
    return Feature(
        name=declared.name.text,
        aggregate=cast("Aggregate", declared.aggregate),
        event=event,
        type=_feature_type(declared.aggregate, operand),
        span=declared.name.span,
        operand=operand,
        keys=tuple(k for k in keys if k is not None),
        window_us=window,
        delay_us=delay,
        where=where,
        labels=labels,
    )


def _key(typer: Typer, own: tree.Name, counted: tree.Name, event: str) -> tuple[str, str] | None:
    field = typer.fields[event].get(counted.text)
    if field is None:
        _no_field(typer, counted, event)
        return None
    if field.type.kind not in _KEY_KINDS:
        typer.error("TG603", f"a {field.type} is no key", counted.span, "keys are tokens, texts, …")
        return None
    return own.text, counted.text


def _operand(typer: Typer, declared: tree.FeatureDeclaration, event: str) -> Expression | None:
    if declared.aggregate == "count":
        return None
    if declared.aggregate in ("first_at", "last_at"):
        at = typer.fields[event].get("at")
        return None if at is None else field_input(at, declared.span)
    assert declared.operand is not None
    reference = tree.Reference(declared.operand.span, declared.operand.text)
    operand = typer.value(reference, event)
    if operand is None:
        return None
    kind = operand.type.kind
    allowed = kind in _SUMMED or (
        declared.aggregate in ("minimum", "maximum") and kind is Kind.TIME
    )
    if declared.aggregate != "distinct" and not allowed:
        typer.error(
            "TG601", f"there is no {declared.aggregate} of a {operand.type}", declared.operand.span
        )
        return None
    return operand


def _feature_type(aggregate: str, operand: Expression | None) -> Type:
    if aggregate in ("count", "distinct") or operand is None:
        return COUNT
    return TIME if aggregate in ("first_at", "last_at") else operand.type


def _labels_read(
    typer: Typer, declared: tree.FeatureDeclaration, parts: list[Expression], delay: int
) -> tuple[str, ...]:
    """The labels that a feature reads; what else it must not read is reported."""
    labels: set[str] = set()
    for node in (n for part in parts for n in walk(part) if isinstance(n, Input)):
        if node.source == "score":
            typer.error(
                "TG605",
                f"a feature reads the counted event's own fields and its label; `{node.name}` "
                "is a score",
                declared.span,
            )
        if node.source == "label":
            labels.add(node.name)
            _check_delay(typer, declared, node.name, delay)
    return tuple(sorted(labels))


def _check_delay(typer: Typer, declared: tree.FeatureDeclaration, label: str, delay: int) -> None:
    known = typer.names.labels[label]
    assert known.after is not None
    if delay < duration_us(known.after.spelling):
        typer.error(
            "TG606",
            f"label `{label}` is known after {known.after.spelling}, and this feature does "
            "not wait for it",
            declared.span,
            f"add `delayed {known.after.spelling}` after the window",
            ((known.name.span, "the label is here"),),
        )


def _own_fields_only(typer: Typer, node: Expression, place: str) -> None:
    for part in walk(node):
        if isinstance(part, Input) and part.source != "field":
            typer.error(
                "TG605",
                f"{place} reads the event's own fields only; `{part.name}` is a {part.source}",
                within(part.span, node.span),
            )


def within(span: Span, place: Span) -> Span:
    """`span` where it lies inside `place`, else `place`: a let's body stands elsewhere."""
    inside = span.path == place.path and place.start <= span.start and span.end <= place.end
    return span if inside else place


def no_labels(typer: Typer, node: Expression) -> None:
    """Report labels in an expression that decides: they are not known yet."""
    for part in walk(node):
        if isinstance(part, Input) and part.source == "label":
            typer.error(
                "TG606",
                f"label `{part.name}` is not known when a payment is decided",
                within(part.span, node.span),
                "count it in a feature that is delayed by the time the label takes",
            )


def _is_event(typer: Typer, name: tree.Name) -> bool:
    if name.text in typer.fields:
        return True
    typer.error(
        "TG215", f"no event is called `{name.text}`", name.span, nearest(name.text, typer.fields)
    )
    return False


def _no_field(typer: Typer, name: tree.Name, event: str) -> None:
    typer.error(
        "TG204",
        f"event `{event}` has no field `{name.text}`",
        name.span,
        nearest(name.text, typer.fields[event]),
    )


# --- lists, reasons, step-ups ---


def check_list(typer: Typer, declared: tree.ListDeclarationNode) -> ListDeclaration | None:
    """A named list of plain values."""
    assert declared.type is not None
    kind = value_type(typer, declared.type)
    if kind is None:
        return None
    if kind.kind not in (Kind.TEXT, Kind.TOKEN, Kind.COUNTRY, Kind.IP) or declared.type.optional:
        typer.error(
            "TG216",
            f"a list holds texts, tokens, countries or addresses, not {declared.type.word}",
            declared.type.span,
        )
        return None
    path = "" if declared.path is None else declared.path.value
    return ListDeclaration(declared.name.text, kind, declared.name.span, path)


def check_reason(typer: Typer, declared: tree.ReasonDeclaration) -> Reason:
    """A reason with the customer's message."""
    if declared.retry is not None:
        one_of(typer, declared.retry, RETRIES, "TG217", "advice on retrying")
    if declared.message is None:
        typer.warn(
            "TG218",
            f"reason `{declared.name.text}` has no message for the customer",
            declared.name.span,
            'add `message "…"`',
        )
    return Reason(
        declared.name.text,
        text_of(declared.text),
        text_of(declared.message),
        declared.retry.text if declared.retry else "",
        declared.name.span,
    )


def check_step_up(
    typer: Typer, declared: tree.StepUpDeclaration, results: dict[str, Actions]
) -> StepUp | None:
    """A way to authenticate, with an answer for every way it can fail."""
    for method in declared.methods:
        one_of(typer, method, METHODS, "TG219", "method")
    if not declared.methods or declared.within is None:
        typer.error(
            "TG219",
            f"step_up `{declared.name.text}` needs `try METHOD, …` and `within DURATION`",
            declared.name.span,
            f"methods are {', '.join(sorted(METHODS))}",
        )
        return None
    for result in ("failed", "unavailable"):
        if result not in dict(declared.results):
            typer.error(
                "TG219",
                f"step_up `{declared.name.text}` does not say what happens if {result}",
                declared.name.span,
                f"add `if {result} then ACTION`",
            )
    return StepUp(
        name=declared.name.text,
        rank=declared.rank or 0,
        text=text_of(declared.text),
        methods=tuple(m.text for m in declared.methods),
        within_us=duration_us(declared.within.spelling),
        failed=results.get("failed"),
        abandoned=results.get("abandoned", results.get("failed")),
        unavailable=results.get("unavailable"),
        span=declared.name.span,
    )


# --- guarantees and grants ---


def check_guarantee(
    typer: Typer, declared: tree.GuaranteeDeclaration, decided: Iterable[str]
) -> Guarantee | None:
    """A guarantee's condition and words."""
    for word in declared.at_least:
        one_of(typer, word, GUARANTEED, "TG220", "outcome a guarantee can promise")
    event = event_of(typer, declared.event, None, declared.name, decided)
    if event is None or declared.when is None:
        return None
    when = typer.condition(declared.when, event)
    if when is None:
        return None
    no_labels(typer, when)
    words = tuple(sorted(w.text for w in declared.at_least))
    return Guarantee(
        declared.name.text, event, when, words, declared.name.span, text_of(declared.text)
    )


def event_of(
    typer: Typer, own: tree.Name | None, inherited: tree.Name | None, name: tree.Name,
    decided: Iterable[str],
) -> str | None:  # fmt: skip
    """The decided event that a rule or guarantee is about."""
    events = sorted(decided)
    chosen = own or inherited
    if chosen is None:
        if len(events) == 1:
            return events[0]
        typer.error(
            "TG401",
            f"`{name.text}` does not say which event it is about",
            name.span,
            f"add `on EVENT`; decided here: {', '.join(events) or 'none'}",
        )
        return None
    if not _is_event(typer, chosen):
        return None
    if chosen.text not in events:
        typer.error(
            "TG401",
            f"event `{chosen.text}` is not decided here and carries no rules",
            chosen.span,
            f"write `event {chosen.text} decided by default approve`",
        )
        return None
    return chosen.text


def check_grant(typer: Typer, declared: tree.GrantDeclaration) -> Grant:
    """A grant: verbs of its own world, scopes that read the event's own fields."""
    verbs = MACHINE_VERBS if declared.world == "client" else PEOPLE_VERBS
    other = PEOPLE_VERBS if declared.world == "client" else MACHINE_VERBS
    for verb in (*declared.may, *declared.never):
        if verb.text in other - verbs:
            world = "people" if declared.world == "client" else "machines"
            typer.error(
                "TG221",
                f"`{verb.text}` is for {world}; a {declared.world} cannot have it",
                verb.span,
            )
        else:
            one_of(typer, verb, verbs, "TG221", f"verb of a {declared.world}")
    for seen in declared.sees:
        one_of(typer, seen, SEEN, "TG221", "part of an answer")
    scopes = [_scope(typer, scope) for scope in declared.on]
    return Grant(
        world=declared.world,
        name=declared.name.text,
        may=frozenset(v.text for v in declared.may),
        never=frozenset(v.text for v in declared.never),
        on=tuple(s for s in scopes if s is not None),
        sees=frozenset(s.text for s in declared.sees),
        span=declared.name.span,
    )


def _scope(typer: Typer, scope: tree.ScopeClause) -> GrantScope | None:
    if not _is_event(typer, scope.event):
        return None
    when = None
    if scope.when is not None:
        when = typer.condition(scope.when, scope.event.text)
        if when is not None:
            _own_fields_only(typer, when, "a grant")
    return GrantScope(scope.event.text, when)


def one_of(typer: Typer, name: tree.Name, known: Iterable[str], code: str, what: str) -> bool:
    words = sorted(known)
    if name.text in words:
        return True
    help_text = nearest(name.text, words) or f"there are {', '.join(words)}"
    typer.error(code, f"`{name.text}` is no {what}", name.span, help_text)
    return False


def text_of(text: tree.Text | None) -> str:
    return "" if text is None else text.value
