"""Keeps the engine on the models that the registry says serve, while decisions go on.

A rollback, a stop or an activation takes effect within `models.refresh_seconds`, as a whole: each
decision is made by one set of models. The rules stay those that the service began with, whatever
happens to the policy's folder meanwhile. A registry that cannot be believed changes nothing, and is
said in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.engine import Engine
from tidegate.models.registry import Serving
from tidegate.models.serving import DeclaredModel, ServedModels, ServingModels
from tidegate.rules.models import LoadedModel, StoppedModel
from tidegate.service.scoring import scorer_of

if TYPE_CHECKING:
    from tidegate.models.people import People
    from tidegate.models.registry import NotServing
    from tidegate.rules.policy import Policy
    from tidegate.service.decider import Decider
    from tidegate.service.policy_shelf import PolicyShelf
    from tidegate.service.settings import ModelSettings

_LOG = logging.getLogger("tidegate.models")


class ModelRefresh:
    """One policy's models. `folder` is the policy's own, in which the registries lie."""

    def __init__(
        self,
        decider: Decider,
        policy: Policy,
        folder: Path,
        people: People,
        *,
        shelf: PolicyShelf,
        settings: ModelSettings,
        readers: Executor | None = None,
    ) -> None:
        self._decider = decider
        self._people = people
        self._shelf = shelf
        self._settings = settings
        self._readers = readers
        self._folder = folder
        self._lists = policy.lists
        self._copy = shelf.folder_of(policy.hash)
        self._models = ServingModels(
            {
                model.name: DeclaredModel(folder / model.path, model.version)
                for model in policy.program.models
                if not model.external
            }
        )
        self._served: object = None
        self._loaded = _what_is_loaded(policy)
        self._told: frozenset[str] = frozenset()
        self._hosts = ExitStack()

    async def keep_fresh(self) -> None:
        """Look again every so often; ends when it is cancelled."""
        while True:
            await asyncio.sleep(self._settings.refresh_seconds)
            try:
                await self.refresh()
            except Exception:  # noqa: BLE001 - what serves goes on serving
                _LOG.exception("what serves of the models could not be found out")

    async def refresh(self) -> bool:
        """Look once; whether another set of models decides from now on."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._readers, self._models.refresh, self._people)
        self._tell(found.problems)
        served = _what_serves(found.served)
        if served == self._served:
            return False
        policy = await loop.run_in_executor(self._readers, self._policy)
        self._served = served
        if _what_is_loaded(policy) == self._loaded:
            return False
        hosts = ExitStack()
        engine = await loop.run_in_executor(self._readers, self._engine, policy, hosts)
        self._decider.use(engine)
        self._loaded = _what_is_loaded(policy)
        before, self._hosts = self._hosts, hosts
        await loop.run_in_executor(self._readers, before.close)
        return True

    def close(self) -> None:
        """End what was started for models."""
        self._hosts.close()

    def _policy(self) -> Policy:
        """On a thread: the rules as they were at the start, with what serves now."""
        from tidegate.rules import load_policy

        loaded = load_policy(self._copy, serving=self._answer)
        policy = replace(loaded, lists={**loaded.lists, **self._lists})
        self._shelf.put(policy)
        return policy

    def _answer(self, place: Path, declared: int) -> Serving | NotServing:
        return self._models.answer(self._folder / place.relative_to(self._copy), declared)

    def _engine(self, policy: Policy, hosts: ExitStack) -> Engine:
        """On a thread: the engine, made before anybody waits for it."""
        return Engine(policy, scorer=hosts.enter_context(scorer_of(policy, self._settings)))

    def _tell(self, problems: Mapping[str, Sequence[object]]) -> None:
        """Say each problem once, for as long as it lasts."""
        found = frozenset(f"{name}: {each}" for name, some in problems.items() for each in some)
        for said in sorted(found - self._told):
            _LOG.warning("a registry cannot be believed, and what served goes on: %s", said)
        self._told = found


def _what_serves(served: ServedModels) -> object:
    """By model, the version and content that serves, or why none does."""
    return {
        name: (each.version, each.content) if isinstance(each, Serving) else each.why
        for name, each in served.models.items()
    }


def _what_is_loaded(policy: Policy) -> object:
    """All that tells two engines of these rules apart."""
    stopped = {n: m.reason for n, m in policy.models.items() if isinstance(m, StoppedModel)}
    ends = {n: m.validated_until_us for n, m in policy.models.items() if isinstance(m, LoadedModel)}
    return policy.hash, stopped, ends
