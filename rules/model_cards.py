"""The cards beside the versions of models that a policy declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from tidegate.models.cards import Card, CardError, read_card
from tidegate.models.manifest import CARD_FILE, MAX_FILE_BYTES
from tidegate.rules.models import LoadedModel
from tidegate.rules.policy import Policy

Cards: TypeAlias = Mapping[str, Card]
"""By the name that the policy declares."""
NO_CARDS: Final[Cards] = {}


def read_cards(policy: Policy) -> dict[str, Card]:
    """The card of each loaded model, of those whose card can be read and is of that very file.

    A version under work may have none; what is registered never lacks one.
    """
    found: dict[str, Card] = {}
    for model in policy.program.models:
        loaded = policy.models.get(model.name)
        if not isinstance(loaded, LoadedModel):
            continue
        file = policy.folder / model.path / str(loaded.portable.version) / CARD_FILE
        try:
            with file.open("rb") as stream:
                card = read_card(stream.read(MAX_FILE_BYTES))
        except (OSError, CardError):
            continue
        if card.model_hash == loaded.hash:
            found[model.name] = card
    return found
