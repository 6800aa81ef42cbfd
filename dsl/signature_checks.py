"""What a model's file says of itself, held against its declaration: inputs by name and type."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.dsl import tree
from tidegate.dsl.diagnostics import Diagnostic, Severity, nearest
from tidegate.dsl.expressions import Typer
from tidegate.dsl.program import Expression, Model
from tidegate.dsl.signatures import ModelInput, ModelSignature
from tidegate.dsl.source import Span
from tidegate.dsl.types import Kind


def check_signature(
    typer: Typer, declared: tree.ModelDeclaration, model: Model, signature: ModelSignature
) -> None:
    """Report what `model` reads otherwise than its file does, and a version that is too new."""
    typer.problems += _version(model, signature)
    if len(model.reads) != len(declared.reads):
        return  # one of them is wrong and reported
    wanted = {entry.name: entry for entry in signature.inputs}
    typer.problems += _names(model, declared, wanted)
    for name, value in zip(declared.reads, model.reads, strict=True):
        if name.text in wanted:
            typer.problems += _input(typer.currency, model, name.span, value, wanted[name.text])


def _version(model: Model, signature: ModelSignature) -> Iterator[Diagnostic]:
    if signature.version > model.version:
        yield Diagnostic(
            "TG509",
            f"the file of model `{model.name}` has version {signature.version}, newer than "
            f"version {model.version} here",
            model.span,
            f"write `version {signature.version}` once it was reviewed",
        )


def _names(
    model: Model, declared: tree.ModelDeclaration, wanted: dict[str, ModelInput]
) -> Iterator[Diagnostic]:
    read = [name.text for name in declared.reads]
    seen: set[str] = set()
    for name in declared.reads:
        if name.text in seen:
            yield Diagnostic(
                "TG509", f"model `{model.name}` reads `{name.text}` twice", name.span,
                "keep one of them",
            )  # fmt: skip
        elif name.text not in wanted:
            unread = sorted(wanted.keys() - set(read))
            yield Diagnostic(
                "TG509",
                f"the file of model `{model.name}` has no input `{name.text}`",
                name.span,
                nearest(name.text, unread) or f"it reads {', '.join(sorted(wanted))}",
            )
        seen.add(name.text)
    missing = [name for name in wanted if name not in read]
    if missing:
        listed = ", ".join(f"`{name}`" for name in missing)
        yield Diagnostic(
            "TG509",
            f"the file of model `{model.name}` reads {listed} too",
            model.span,
            f"write `reads {', '.join(wanted)}`",
        )


def _input(
    currency: str, model: Model, span: Span, value: Expression, wanted: ModelInput
) -> Iterator[Diagnostic]:
    if value.type.kind is not wanted.type.kind:
        yield Diagnostic(
            "TG509",
            f"`{wanted.name}` is a {value.type} here, and a {wanted.type} in the file of model "
            f"`{model.name}`",
            span,
            f"give it a {wanted.type}, or train the model on what it is here",
        )
        return
    if value.type.kind is Kind.MONEY and currency and wanted.currency != currency:
        yield Diagnostic(
            "TG509",
            f"the policy is in {currency}, and `{wanted.name}` is in {wanted.currency} in the file "
            f"of model `{model.name}`",
            span,
            "a model is trained on the currency that it reads",
        )
    unknown = [word for word in value.type.words if word not in wanted.categories]
    if value.type.kind is Kind.WORD and unknown and not wanted.takes_unknown:
        listed = ", ".join(f"`{word}`" for word in unknown)
        yield Diagnostic(
            "TG510",
            f"model `{model.name}` never saw {listed} of `{wanted.name}`, and abstains there",
            span,
            "train it on a history that has such payments, or leave them out of its `use`",
            Severity.WARNING,
        )
    if value.can_be_missing and not wanted.takes_missing:
        yield Diagnostic(
            "TG510",
            f"`{wanted.name}` may be missing, and then model `{model.name}` abstains",
            span,
            f"`use … when {wanted.name} is present` leaves such payments out",
            Severity.NOTE,
        )
