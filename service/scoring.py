"""Who works out the scores of a policy's models: this process, or a walled process a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tidegate.rules.models import LoadedModel
from tidegate.service.settings import ModelSettings, SettingsError

if TYPE_CHECKING:
    from tidegate.models.scored import ModelScorer
    from tidegate.rules.policy import Policy

_READY_S = 30.0


@contextmanager
def scorer_of(policy: Policy, settings: ModelSettings) -> Iterator[ModelScorer | None]:
    """Who is asked for scores while the block runs; None where the engine scores them itself.

    `SettingsError` where a model's process does not start.
    """
    if settings.scoring == "in_process":
        yield None
        return
    from tidegate.models.host import ModelHost, hosted

    models = [
        hosted(model.portable, name)
        for name, model in policy.models.items()
        if isinstance(model, LoadedModel)
    ]
    with ModelHost(models) as host:
        if not host.wait_ready(_READY_S):
            troubles = "; ".join(f"{name}: {said}" for name, said in host.troubles.items())
            raise SettingsError(f"models.scoring: a model's process does not start; {troubles}")
        yield host
