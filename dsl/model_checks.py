"""Models: their declaration, and what a score may cause (the compile-time half of authority)."""

from __future__ import annotations

from typing import cast

from tidegate.dsl import tree
from tidegate.dsl.action_checks import check_actions, relaxes
from tidegate.dsl.expressions import Typer
from tidegate.dsl.literals import Wrong, duration_us, read_literal
from tidegate.dsl.program import (
    NO_ACTIONS,
    RUNGS,
    Actions,
    Authentication,
    Disposition,
    Expression,
    Input,
    Ladder,
    Model,
    PointsAtLeast,
    Review,
)
from tidegate.dsl.score_bounds import BadBounds, score_bounds
from tidegate.dsl.shared_checks import is_event, no_labels, one_of, text_of
from tidegate.dsl.source import Span
from tidegate.dsl.unknowns import can_be_unknown, walk

CEILINGS: dict[str, tuple[Ladder, int]] = {
    "review": ("review", Review.BEFORE),
    "hold": ("disposition", Disposition.HOLD),
    "decline": ("disposition", Disposition.DECLINE),
    "prefer": ("authentication", Authentication.PREFERRED),
    "step_up": ("authentication", Authentication.MANDATED),
}
AUTHORITY = frozenset({*CEILINGS, "exempt", "relax", "advise"})


def check_model(typer: Typer, declared: tree.ModelDeclaration) -> Model | None:
    """A model with everything that bounds it; what is left out is an error, never a default."""
    complete = [_required(typer, declared, slot, hint) for slot, hint in _REQUIRED]
    complete.append(_source(typer, declared))
    bounds = score_bounds(declared, typer.currency, typer.zone)
    if isinstance(bounds, BadBounds):
        typer.error(bounds.code, bounds.message, bounds.span, bounds.help)
        return None
    for word in declared.may:
        one_of(typer, word, AUTHORITY, "TG501", "thing a model may cause")
    if not all(complete):
        return None
    assert declared.use is not None
    assert declared.score is not None
    event = declared.use.text
    if not is_event(typer, declared.use):
        return None
    reads = tuple(_read(typer, name, event) for name in declared.reads)
    use_when = typer.condition(declared.use_when, event) if declared.use_when is not None else None
    if use_when is not None:
        _check_use(typer, use_when)
    unavailable = check_actions(typer, declared.unavailable)
    if unavailable is not None and relaxes(unavailable):
        typer.error(
            "TG504",
            "`if unavailable` never relaxes",
            cast("tree.ActionList", declared.unavailable).span,
        )
    may = frozenset(word.text for word in declared.may)
    return Model(
        name=declared.name.text,
        version=declared.version or 0,
        score=declared.score.text,
        use_event=event,
        unavailable=unavailable or NO_ACTIONS,
        span=declared.name.span,
        text=text_of(declared.text),
        path=text_of(declared.path),
        reads=tuple(r for r in reads if r is not None),
        read_names=tuple(name.text for name in declared.reads),
        use_when=use_when,
        may=may,
        ceilings=ceilings_of(may),
        until_us=_until(typer, declared),
        within_us=duration_us(declared.within.spelling) if declared.within else None,
        external=declared.external,
        shadow=declared.shadow,
        bounds=bounds,
    )


_REQUIRED = (
    ("version", "add `version N`"),
    ("score", "add `score NAME`, the name that rules read"),
    ("use", "add `use EVENT`; elsewhere the score is masked"),
    (
        "unavailable",
        "add `if unavailable then ACTION`: every dependency says what its absence means",
    ),
)


def _required(typer: Typer, declared: tree.ModelDeclaration, slot: str, hint: str) -> bool:
    if getattr(declared, slot) is not None:
        return True
    word = {"unavailable": "if unavailable"}.get(slot, slot)
    typer.error("TG502", f"model `{declared.name.text}` has no `{word}`", declared.name.span, hint)
    return False


def _source(typer: Typer, declared: tree.ModelDeclaration) -> bool:
    """Whether it says where its score comes from: a file that reads inputs, or the event."""
    name, path, reads = declared.name, declared.path, declared.reads
    if declared.external:
        for wrong, word in ((path, "from"), (reads[0] if reads else None, "reads")):
            if wrong is not None:
                typer.error(
                    "TG507",
                    f"model `{name.text}` is external and has `{word}`",
                    wrong.span,
                    f"its score comes with the event: delete `{word}`, or `external`",
                )
        return path is None and not reads
    if declared.bounds is not None:
        typer.error(
            "TG507",
            f"the score of model `{name.text}` is worked out here and lies between 0 and 1",
            declared.bounds[0].span,
            "delete its bounds; only an `external` score has its own",
        )
    for missing, word, example in (
        (path is None, "from", '`from "models/NAME"`'),
        (not reads, "reads", "`reads NAME, …`, what the model is given"),
    ):
        if missing:
            typer.error(
                "TG502",
                f"model `{name.text}` has no `{word}`",
                name.span,
                f"add {example}; or write `external` where its score comes with the event",
            )
    return path is not None and bool(reads) and declared.bounds is None


def ceilings_of(may: frozenset[str]) -> tuple[tuple[Ladder, int], ...]:
    """The highest rung of each ladder that a model with these words may cause."""
    found: dict[Ladder, int] = {}
    for word in may & CEILINGS.keys():
        ladder, rung = CEILINGS[word]
        found[ladder] = max(found.get(ladder, -1), rung)
    return tuple(sorted((ladder, int(rung)) for ladder, rung in found.items()))


def _until(typer: Typer, declared: tree.ModelDeclaration) -> int | None:
    if declared.until is None:
        return None
    read = read_literal(declared.until, None, typer.currency, typer.zone)
    if isinstance(read, Wrong):
        typer.error(read.code, read.message, declared.until.span, read.help)
        return None
    return cast("int", read.value)


def _read(typer: Typer, name: tree.Name, event: str) -> Expression | None:
    typed = typer.value(tree.Reference(name.span, name.text), event)
    if typed is not None:
        no_labels(typer, typed)
        if typed.models:
            typer.error("TG503", f"a model reads no score, and `{name.text}` does", name.span)
    return typed


def _check_use(typer: Typer, condition: Expression) -> None:
    no_labels(typer, condition)
    if condition.models or any(isinstance(n, PointsAtLeast) for n in walk(condition)):
        typer.error("TG503", "where a model is used does not depend on a score", condition.span)
    elif can_be_unknown(condition):
        names = sorted({n.name for n in walk(condition) if isinstance(n, Input) and n.can_fail})
        typer.error(
            "TG503",
            "where a model is used must be certain, and this can be unknown",
            condition.span,
            f"test `{names[0]} is present` first" if names else "",
        )


def check_shadow(typer: Typer, models: dict[str, Model], condition: Expression) -> None:
    """Report where something that acts reads the score of a shadow model."""
    for name in sorted(condition.models):
        model = models.get(name)
        if model is not None and model.shadow:
            typer.error(
                "TG508",
                f"this reads the score of model `{name}`, which is in the shadow",
                condition.span,
                "only a rule that is `shadow` reads it; take `shadow` off the model to let it act",
                ((model.span, "the model is declared here"),),
            )


def check_authority(
    typer: Typer, models: dict[str, Model], read: frozenset[str], then: Actions, span: Span
) -> None:
    """Report what `then` asks for beyond what each model that the condition reads may cause."""
    for name in sorted(read):
        model = models.get(name)
        if model is None:
            continue  # its own declaration is wrong and reported
        for word in _beyond(model, then):
            have = ", ".join(f"`{w}`" for w in sorted(model.may)) or "nothing"
            typer.error(
                "TG505",
                f"this reads the score of model `{name}`, which may not {word}",
                span,
                f"the model may {have}; ask for no more, or have its authority raised",
                ((model.span, "its authority is declared here"),),
            )


def _beyond(model: Model, then: Actions) -> list[str]:
    words = []
    for ask in then.asks:
        if ask.exemption:
            words += [] if "exempt" in model.may else ["`exempt`"]
        elif model.ceiling(ask.ladder) < ask.rung:
            words.append(f"`{_rung_word(ask.ladder, ask.rung)}`")
    if then.fewest_points < 0 and "relax" not in model.may:
        words.append("`relax` (negative points)")
    if then.advice and "advise" not in model.may:
        words.append("`advise`")
    return list(dict.fromkeys(words))


def _rung_word(ladder: Ladder, rung: int) -> str:
    words: dict[tuple[Ladder, int], str] = {
        ("authentication", Authentication.NONE): "no exemption",
        ("authentication", Authentication.PREFERRED): "prefer step_up",
        ("authentication", Authentication.MANDATED): "step_up",
        ("review", Review.AFTER): "review",
        ("review", Review.BEFORE): "review before",
    }
    return words.get((ladder, rung), RUNGS[ladder](rung).name.lower())
