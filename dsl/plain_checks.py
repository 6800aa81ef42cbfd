"""Checking of params, lists, reasons and step-ups."""

from __future__ import annotations

from tidegate.dsl import tree
from tidegate.dsl.expressions import Typer
from tidegate.dsl.literals import duration_us
from tidegate.dsl.program import (
    Actions,
    ListDeclaration,
    Param,
    Reason,
    StepUp,
)
from tidegate.dsl.shared_checks import limit, one_of, text_of, value_type
from tidegate.dsl.types import (
    INTEGER_KINDS,
    Bounds,
    Kind,
    Type,
)

METHODS = frozenset({"passkey", "three_ds", "app", "one_time_code"})
RETRIES = frozenset({"never", "after", "with_step_up", "with_new_data"})


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
    low, high = limit(typer, declared.low, kind), limit(typer, declared.high, kind)
    if low is None or high is None:
        return None
    if not low <= value <= high:
        typer.error(
            "TG214",
            f"the value of `{declared.name.text}` lies outside its bounds",
            declared.value.span if declared.value else declared.span,
        )
    return Bounds(min(low, high), max(low, high))


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
