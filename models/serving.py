"""What a running service holds: for each model the version that serves, replaced as a whole.

`refresh` reads the registries again. Where a log or a file is not what was signed, the version that
served goes on serving and the problem is handed back, for an alert; a model that was disabled,
rolled back or activated by a right entry changes at once. A service that starts on a version that
is not whole has the one before it, as one that ran would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from types import MappingProxyType

from tidegate.models import clock
from tidegate.models.people import People
from tidegate.models.problems import Problem
from tidegate.models.registry import (
    NotServing,
    Serving,
    accepted,
    read_registry,
    serving_of,
    stopped,
    was_taken_back,
)
from tidegate.models.registry_log import Head
from tidegate.models.standing import Standing
from tidegate.models.stop_file import Stop, read_stop


@dataclass(frozen=True, slots=True)
class DeclaredModel:
    """A model as a policy declares it: where its registry lies, and the newest version it takes."""

    folder: Path
    version: int


@dataclass(frozen=True, slots=True)
class ServedModels:
    """A snapshot: by the model's name in the policy, what serves. It never changes.

    `heads` are the heads of the logs that were seen; given back to `ServingModels` when a service
    starts again, they notice a log that was cut short meanwhile.
    """

    models: Mapping[str, Serving | NotServing]
    heads: Mapping[str, Head]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh led to: what serves now, and by name what was found wrong."""

    served: ServedModels
    problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)


class ServingModels:
    """The models of one policy, for many threads: `served` is read without a lock."""

    def __init__(
        self, declared: Mapping[str, DeclaredModel], *, seen: Mapping[str, Head] | None = None
    ) -> None:
        """Nothing serves before the first `refresh`; `seen` are heads that were kept."""
        self._declared = dict(declared)
        self._lock = Lock()
        self._stops: dict[str, Stop] = {}
        nothing = {
            name: NotServing(name, "nothing_active", "the registry was not read yet")
            for name in self._declared
        }
        self._served = ServedModels(MappingProxyType(nothing), MappingProxyType(dict(seen or {})))

    @property
    def served(self) -> ServedModels:
        """The snapshot of the last refresh."""
        return self._served

    def answer(self, folder: Path, declared: int) -> Serving | NotServing:
        """What serves of the model in a folder, by the snapshot; KeyError for another folder.

        This is what `load_policy(…, serving=models.answer)` asks. A policy that declares an older
        version than the one that serves gets none.
        """
        names = (
            n for n, each in self._declared.items() if each.folder.resolve() == folder.resolve()
        )
        name = next(names, None)
        if name is None:
            raise KeyError(f"`{folder}` is the folder of none of these models")
        return accepted(self._served.models[name], declared)

    def refresh(self, people: People, *, now_us: int | None = None) -> Refreshed:
        """Read every registry again and replace the snapshot.

        `now_us` is the moment (UTC microseconds), without it the clock's.
        """
        now = clock.now_us() if now_us is None else now_us
        with self._lock:
            models = dict(self._served.models)
            heads = dict(self._served.heads)
            problems: dict[str, tuple[Problem, ...]] = {}
            for name, declared in self._declared.items():
                registry = read_registry(
                    declared.folder, people, expected=heads.get(name), now_us=now
                )
                standing = None if isinstance(registry, Problem) else registry.standing
                stop = self._stop(name, declared.folder, people, standing, now)
                if isinstance(registry, Problem):
                    problems[name] = (registry,)
                    models[name] = (
                        _kept(models[name], (registry,), people)
                        if stop is None
                        else stopped(models[name].model, stop, heads.get(name), (registry,))
                    )
                    continue
                heads[name] = registry.head
                if found := tuple(p for each in registry.faults.values() for p in each):
                    problems[name] = found
                answer, before = serving_of(registry, declared.version), models[name]
                if stop is not None:
                    answer = stopped(answer.model, stop, registry.head)
                if isinstance(answer, NotServing) and answer.why == "distrusted":
                    problems[name] = (*answer.problems, *problems.get(name, ()))
                wrong = _wrong(answer)
                if wrong and isinstance(before, Serving) and _may_go_on(before, registry.standing):
                    active = registry.standing.activations[-1]
                    answer = replace(before, problems=wrong, instead_of=active)
                models[name] = answer
            self._served = ServedModels(MappingProxyType(models), MappingProxyType(heads))
            return Refreshed(self._served, MappingProxyType(problems))

    def _stop(
        self, name: str, folder: Path, people: People, standing: Standing | None, now_us: int
    ) -> Stop | None:
        """The stop that is in force; one that was seen stays so, though its file is deleted."""
        found = read_stop(folder, people, now_us)
        stops = [s for s in (found, self._stops.pop(name, None)) if isinstance(s, Stop)]
        if standing is not None:
            stops = [s for s in stops if not was_taken_back(s, standing)]
        if not stops:
            return None
        self._stops[name] = max(stops, key=lambda stop: stop.at_us)
        return self._stops[name]


def _kept(
    before: Serving | NotServing, problems: tuple[Problem, ...], people: People
) -> Serving | NotServing:
    """What goes on where the log cannot be believed: as it was, stopped models stay stopped."""
    if isinstance(before, Serving):
        if any(people.owner(bytes.fromhex(key)) is None for key in before.keys):
            said = f"version {before.version} does not serve: who let it is not among the people"
            return NotServing(before.model, "distrusted", said, before.head, problems)
        return replace(before, problems=problems)
    if before.why in ("disabled", "newer_than_declared", "distrusted"):
        return before
    return NotServing(before.model, "refused", str(problems[0]), before.head, problems)


def _wrong(answer: Serving | NotServing) -> tuple[Problem, ...]:
    """What is wrong with the active version, where something is."""
    refused = isinstance(answer, Serving) or answer.why == "refused"
    return answer.problems if refused else ()


def _may_go_on(before: Serving, standing: Standing) -> bool:
    """Whether what served may serve while the active version is not whole.

    It may where it is what a rollback would lead to, or the active version as it was read before;
    a version that was left by a rollback, or withdrawn, may not.
    """
    version = standing.versions.get(before.version)
    return (
        version is not None
        and version.may_serve
        and version.content == before.content
        and before.version in standing.activations
    )
