"""Less authority for models whose validation has ended: they may cause a review and advise.

Which they are is decided by the event's own time, so that a replay comes to the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from tidegate.dsl.model_checks import ceilings_of
from tidegate.dsl.program import Model, Program
from tidegate.rules.models import LoadedModel, StoppedModel

LOWERED_MAY = frozenset({"review", "advise"})
"""What a model may cause at most once its validation has ended."""

Validations = Mapping[str, int]
"""By model, from when on its validation has ended (UTC microseconds)."""


def validations_of(models: Mapping[str, LoadedModel | StoppedModel]) -> dict[str, int]:
    """The models of a policy whose validation ends at some time."""
    return {
        name: model.validated_until_us
        for name, model in models.items()
        if isinstance(model, LoadedModel) and model.validated_until_us is not None
    }


def lowered_at(validations: Validations, at_us: int) -> tuple[str, ...]:
    """The models whose validation has ended at a time, by name."""
    return tuple(sorted(name for name, until_us in validations.items() if until_us <= at_us))


def lowered_program(program: Program, names: Collection[str]) -> Program:
    """The program in which these models may cause less."""
    if not names:
        return program
    models = tuple(_lowered(m) if m.name in names else m for m in program.models)
    return replace(program, models=models)


def _lowered(model: Model) -> Model:
    may = model.may & LOWERED_MAY
    return replace(model, may=may, ceilings=ceilings_of(may))
