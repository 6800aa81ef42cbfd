"""What the checks of several declarations share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from tidegate.dsl import tree
from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.expressions import Typer
from tidegate.dsl.literals import Wrong, read_literal
from tidegate.dsl.program import (
    Expression,
    Input,
    LetRef,
)
from tidegate.dsl.source import Span
from tidegate.dsl.types import (
    INTEGER_KINDS,
    Kind,
    Type,
)
from tidegate.dsl.unknowns import children

_WORD_TYPE = "one of"


def value_type(typer: Typer, name: tree.TypeName) -> Type | None:
    """The type that `name` says; an enumeration needs different words."""
    if name.word != _WORD_TYPE:
        return Type(Kind(name.word))
    if len(set(name.words)) < len(name.words):
        typer.error("TG210", "an enumeration lists each word once", name.span)
        return None
    return Type(Kind.WORD, name.words)


def limit(typer: Typer, literal: tree.Literal | None, kind: Type) -> int | None:
    """The value of a limit, of the type that it limits."""
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


def own_fields_only(typer: Typer, node: Expression, place: str) -> None:
    """Report what `place` must not read."""
    for part, span in inputs(node):
        if part.source != "field":
            typer.error(
                "TG605",
                f"{place} reads the event's own fields only; `{part.name}` is a {part.source}",
                span,
            )


def no_labels(typer: Typer, node: Expression) -> None:
    """Report labels in an expression that decides: they are not known yet."""
    for part, span in inputs(node):
        if part.source == "label":
            typer.error(
                "TG606",
                f"label `{part.name}` is not known when a payment is decided",
                span,
                "count it in a feature that is delayed by the time the label takes",
            )


def inputs(node: Expression) -> Iterator[tuple[Input, Span]]:
    """What `node` reads, and the word that reads it: for what is below a let, the let's name."""
    stack = [(node, _let(node))]
    while stack:
        part, place = stack.pop()
        if isinstance(part, Input):
            yield part, place or part.span
        stack += [(child, place or _let(child)) for child in children(part)]


def _let(node: Expression) -> Span | None:
    return node.span if isinstance(node, LetRef) else None


def is_event(typer: Typer, name: tree.Name) -> bool:
    """Whether an event has this name; if not, it is reported."""
    if name.text in typer.fields:
        return True
    if typer.names.is_lost(name.text, "event"):
        return False
    typer.error(
        "TG215", f"no event is called `{name.text}`", name.span, nearest(name.text, typer.fields)
    )
    return False


def no_field(typer: Typer, name: tree.Name, event: str) -> None:
    """Report that `event` has no such field."""
    if typer.names.is_lost(name.text, "field"):
        return
    typer.error(
        "TG204",
        f"event `{event}` has no field `{name.text}`",
        name.span,
        nearest(name.text, typer.fields[event]),
    )


def one_of(typer: Typer, name: tree.Name, known: Iterable[str], code: str, what: str) -> bool:
    """Whether `name` is one of the words `known`; if not, it is reported."""
    words = sorted(known)
    if name.text in words:
        return True
    help_text = nearest(name.text, words) or f"there are {', '.join(words)}"
    typer.error(code, f"`{name.text}` is no {what}", name.span, help_text)
    return False


def text_of(text: tree.Text | None) -> str:
    """What a text says; nothing where there is none."""
    return "" if text is None else text.value
