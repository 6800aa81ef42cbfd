"""The short way to what serves: `load_policy("shop", serving=registry("shop/models/people.yaml"))`.

What `registry` gives remembers. A policy that is loaded again by it gets what the registries say by
then; where a log or a file is not right meanwhile, what served before goes on.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Lock

from tidegate.dsl.diagnostics import Diagnostic, render
from tidegate.dsl.source import Span
from tidegate.models.people import People
from tidegate.models.problems import Problem
from tidegate.models.registry import NotServing, Serving, accepted
from tidegate.models.registry_log import MAX_VERSION
from tidegate.models.serving import DeclaredModel, ServingModels
from tidegate.rules.people import CODE, PEOPLE_FILE, read_people


class PeopleRefused(ValueError):  # noqa: N818 - the word of the field, as in PolicyRefused
    """A people's file cannot be used; `diagnostics` holds everything that is wrong with it."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("\n\n".join(render(found, {}) for found in diagnostics))
        self.diagnostics = diagnostics


class RegistryReader:
    """Answers what serves of a model's folder, for a policy that declares a version."""

    def __init__(self, people: People | None) -> None:
        """Trust these people; without any, those of `people.yaml` beside each model's folder."""
        self._people = people
        self._known: dict[Path, People] = {}
        self._models: dict[Path, ServingModels] = {}
        self._lock = Lock()

    def __call__(self, folder: Path, declared: int) -> Serving | NotServing:
        """What serves there now; nothing that is newer than the declared version."""
        place = folder.resolve()
        people, wrong = self._people, None
        if people is None:
            beside = place.parent / PEOPLE_FILE
            found = _read(beside)
            if isinstance(found, People):
                people = self._known[place] = found
            else:
                wrong = Problem("people_refused", f"of its people: {found[0].message}")
                if place not in self._known:
                    return NotServing(place.name, "refused", str(wrong))
                people = self._known[place]  # what served goes on, by who was known
        with self._lock:
            if place not in self._models:
                # The newest that a policy accepts is its own word, and may change.
                newest = DeclaredModel(place, MAX_VERSION)
                self._models[place] = ServingModels({place.name: newest})
            models = self._models[place]
        models.refresh(people)
        answer = accepted(models.served.models[place.name], declared)
        if wrong is not None and isinstance(answer, Serving):
            return replace(answer, problems=(wrong, *answer.problems))
        return answer


def registry(people: str | Path | People | None = None) -> RegistryReader:
    """What the registries of a policy's models let serve, for `load_policy(…, serving=…)`.

    `people` is the file that says who may do what, in production one that authors of models cannot
    write; left out, it is `people.yaml` beside each model's folder. `PeopleRefused` where the file
    cannot be used.
    """
    if people is None or isinstance(people, People):
        return RegistryReader(people)
    found = _read(Path(people))
    if not isinstance(found, People):
        raise PeopleRefused(found)
    return RegistryReader(found)


def _read(path: Path) -> People | tuple[Diagnostic, ...]:
    if path.is_file():
        return read_people(path)
    help_ = "it lists who may register, approve and activate models"
    return (Diagnostic(CODE, f"`{path}` is no file", Span(path.name, 0, 0), help_),)
