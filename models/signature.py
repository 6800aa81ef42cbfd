"""What the checker is told of a model."""

from __future__ import annotations

from tidegate.dsl.signatures import ModelInput, ModelSignature
from tidegate.models.portable import PortableModel


def signature_of(model: PortableModel) -> ModelSignature:
    """The signature that `reads` is held against."""
    return ModelSignature(
        model.name,
        model.version,
        tuple(
            ModelInput(
                entry.name,
                entry.type,
                entry.currency,
                entry.categories,
                takes_missing=entry.takes_missing,
                takes_unknown=entry.takes_unknown,
            )
            for entry in model.inputs
        ),
    )
