"""What is said of the text under a cursor: the name's declaration, and the value's type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from tidegate.dsl import tree
from tidegate.dsl.program import Constant, Expression, LetRef, Program, Rule
from tidegate.dsl.source import Source, Span
from tidegate.dsl.standing import Standing
from tidegate.dsl.types import Kind

_MAX_SHOWN = 80


def describe(one: Standing, source: Source) -> str:
    """A declaration in Markdown: what it is, how `source` words it, and its description."""
    node = one.node
    lines = [f"**{one.word}** `{one.name}`"]
    if isinstance(node, tree.FieldDeclaration):
        lines[0] += f": {_type(node.type)}"
        limits = [
            f"{word} {limit.spelling}"
            for word, limit in (("min", node.minimum), ("max", node.maximum))
            if limit is not None
        ]
        lines += [", ".join(["the key of its event"] * node.key + limits)]
    elif isinstance(node, tree.ParamDeclaration) and node.type is not None:
        value = node.value.spelling if node.value is not None else ""
        lines[0] += f": {_type(node.type)}" + (f" = {value}" if value else "")
    if isinstance(node, tree.ModelDeclaration):
        lines += _model(node)
    if isinstance(node, tree.FeatureDeclaration | tree.LetDeclaration | tree.LabelDeclaration):
        lines.append(f"```tidegate\n{source.slice(node.span).strip()}\n```")
    for slot in ("text", "message"):
        said = getattr(node, slot, None)
        if isinstance(said, tree.Text):
            lines.append(said.value if slot == "text" else f"The customer reads: {said.value}")
    return "\n\n".join(line for line in lines if line)


def _model(node: tree.ModelDeclaration) -> Iterator[str]:
    """Where the score comes from, and that it is read in the shadow alone."""
    if node.external:
        low, high = (_number(end) for end in node.bounds) if node.bounds else ("0", "1")
        yield f"Its score comes with the event, from {low} to {high}."
    elif node.path is not None and node.version is not None:
        yield f"Its file is `{node.path.value}/{node.version}/model.json`."
    if node.shadow:
        yield "It is in the shadow: only shadow rules read its score."


def _number(literal: tree.Literal) -> str:
    return f"{'-' if literal.negative else ''}{literal.spelling}"


def _type(written: tree.TypeName) -> str:
    words = f" ({', '.join(written.words)})" if written.words else ""
    return f"{written.word}{words}{', may be missing' if written.optional else ''}"


def expression_at(program: Program, path: str, offset: int) -> Expression | None:
    """The smallest typed expression that covers the character at `offset` of a file."""
    found = [
        one
        for one in _expressions(program, path, offset)
        if not one.span.use and one.span.start <= offset < one.span.end
    ]
    return min(found, key=lambda e: e.span.end - e.span.start, default=None)


def _expressions(value: Any, path: str, offset: int) -> Iterator[Expression]:
    if isinstance(value, tuple):
        for item in value:
            yield from _expressions(item, path, offset)
    elif isinstance(value, Expression):
        if _covers(value.span, path, offset):
            yield value
        if isinstance(value, LetRef) and _covers(value.body.span, path, offset):
            yield from _expressions(value.body, path, offset)
        elif not isinstance(value, LetRef) and _covers(value.span, path, offset):
            for slot in fields(value):
                yield from _expressions(getattr(value, slot.name), path, offset)
    elif is_dataclass(value) and not isinstance(value, Span):
        for slot in fields(value):
            yield from _expressions(getattr(value, slot.name), path, offset)


def _covers(span: Span, path: str, offset: int) -> bool:
    return span.path == path and span.start <= offset < span.end


def describe_expression(one: Expression, source: Source, program: Program) -> str:
    """The type of a value in Markdown, its unit, and whether it can be missing."""
    text = " ".join(source.slice(one.span).split())
    if len(text) > _MAX_SHOWN:
        text = text[: _MAX_SHOWN - 1] + "…"
    unit = f" in {program.currency}" if one.type.kind is Kind.MONEY else ""
    state = "unknown" if one.type.kind is Kind.FLAG else "missing"
    missing = f"can be {state}" if one.can_be_missing else f"is never {state}"
    param = f", the param `{one.param}`" if isinstance(one, Constant) and one.param else ""
    models = f"; depends on {', '.join(sorted(one.models))}" if one.models else ""
    return f"`{text}`: {one.type}{unit}{param}; {missing}{models}"


def rules_named(program: Program, name: str) -> Sequence[Rule]:
    """The rules of this name, of every version and event."""
    return [rule for event in program.events for rule in event.rules if rule.name == name]
