"""The files of a policy's models: read, checked and held against what is declared.

Who works on a policy reads the version that it declares, whole or not at all. What serves asks the
registry, which hands on the bytes that it verified: `load_policy(folder, serving=registry(…))`.
Either way its card says what its inputs meant when it learnt, and `hold_against_cards` whether they
still do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tidegate.dsl import tree
from tidegate.dsl.diagnostics import Diagnostic, Severity
from tidegate.dsl.program import Model, Program
from tidegate.dsl.signatures import ModelSignature
from tidegate.dsl.source import Span
from tidegate.models.manifest import CARD_FILE, MAX_FILE_BYTES, MODEL_FILE
from tidegate.models.ordinary_files import read_ordinary
from tidegate.models.portable import PortableModel
from tidegate.models.refusals import ModelRefused
from tidegate.models.scored import ModelStanding
from tidegate.models.signature import signature_of
from tidegate.rules.files import outside, unreadable
from tidegate.rules.input_meanings import changed_inputs, input_meanings
from tidegate.rules.model_logs import standing_in_log

if TYPE_CHECKING:
    # A policy without models loads nothing of what reads and scores them, which takes longer.
    from tidegate.models.cards import Card
    from tidegate.models.problems import Problem
    from tidegate.models.registry import NotServing, Serving
    from tidegate.models.scoring import Scorer

WhatServes: TypeAlias = "Callable[[Path, int], Serving | NotServing]"
"""What serves of the model in a folder, where a policy declares this version: the registry's word.

`tidegate.registry("shop/models/people.yaml")` is one.
"""


def none_serves(folder: Path, _version: int) -> NotServing:
    """Serves nothing: for a policy whose models are yet to be trained."""
    from tidegate.models.registry import NotServing

    return NotServing(folder.name, "nothing_active", "its files are not read")


@dataclass(frozen=True)
class LoadedModel:
    """A model that can be scored. `hash` is the SHA-256 (hex) of its `model.json`.

    From `validated_until_us` (UTC microseconds) on its validation has ended, and it has less
    authority; None for a model under work. `standing` says which of the two it is. `card` is its
    card, a sentence where that cannot be read, None where there is none.
    """

    portable: PortableModel
    hash: str
    validated_until_us: int | None = None
    standing: ModelStanding = "unapproved"
    card: Card | str | None = field(default=None, repr=False)

    @cached_property
    def scorer(self) -> Scorer:
        """Its scorer, made when it is first needed."""
        from tidegate.models.scoring import compile_scorer

        return compile_scorer(self.portable)


@dataclass(frozen=True, slots=True)
class StoppedModel:
    """A model of which no version may serve: one word for the record, and a sentence for people."""

    reason: str
    said: str


Models = Mapping[str, LoadedModel | StoppedModel]
"""By the name that the policy declares; external models are none of them."""


def read_models(
    root: Path, files: Sequence[tree.File], serving: WhatServes | None
) -> tuple[dict[str, LoadedModel | StoppedModel], list[Diagnostic]]:
    """The models of files, by name; what is wrong with one is said at its `from`."""
    models: dict[str, LoadedModel | StoppedModel] = {}
    problems: list[Diagnostic] = []
    for declared in (d for file in files for d in file.declarations):
        if not isinstance(declared, tree.ModelDeclaration) or declared.external:
            continue
        if declared.path is None or declared.version is None or declared.name.text in models:
            continue  # said by the checker
        found, said = _Declared(root, declared, declared.path, declared.version).read(serving)
        problems += said
        if found is not None:
            models[declared.name.text] = found
    return models, problems


def hold_against_cards(
    program: Program, models: Models, *, serves: bool
) -> tuple[dict[str, LoadedModel | StoppedModel], list[Diagnostic]]:
    """The models, and what is said of those whose inputs mean something else than they learnt.

    Where `serves`, such a model gives no scores: it would answer a question that nobody put to it.
    Who works on the policy is warned, and may try it.
    """
    held = dict(models)
    said: list[Diagnostic] = []
    for declared in program.models:
        model = models.get(declared.name)
        why = _why_not_comparable(program, declared, model)
        if why is None:
            continue
        help_ = "bring the definitions back, or raise the version and train it again"
        if serves:
            held[declared.name] = StoppedModel("inputs_changed", why)
            help_ = f"its `if unavailable` happens until then: {help_}"
        message = f"model `{declared.name}` {why}"
        said.append(Diagnostic("TG768", message, declared.span, help_, Severity.WARNING))
    return held, said


def _why_not_comparable(
    program: Program, declared: Model, model: LoadedModel | StoppedModel | None
) -> str | None:
    """Why a model's answers mean nothing by this policy; None where they do, or nothing tells."""
    if not isinstance(model, LoadedModel) or model.card is None:
        return None
    version = model.portable.version
    if isinstance(model.card, str):
        return f"version {version} does not tell what its inputs meant: {model.card}"
    return why_changed(program, declared, model.card)


def why_changed(program: Program, declared: Model, card: Card) -> str | None:
    """Which inputs of a model mean something else by this policy than its card says; None: none."""
    changed = changed_inputs(card.inputs, input_meanings(program, declared))
    if not changed:
        return None
    names = ", ".join(f"`{name}`" for name in changed)
    means = "means" if len(changed) == 1 else "mean"
    return f"version {card.version} learnt from other inputs: {names} {means} something else now"


def signatures_of(models: Models) -> dict[str, ModelSignature]:
    """What the checker holds `reads` against."""
    return {
        name: signature_of(model.portable)
        for name, model in models.items()
        if isinstance(model, LoadedModel)
    }


_Found = tuple[LoadedModel | StoppedModel | None, list[Diagnostic]]

DOES_NOT_FIT = "does_not_fit"
"""Why a model gives no scores whose serving version is not what the policy declares."""


def stop_misfits(
    models: Models,
    files: Sequence[tree.File],
    said_of: Callable[[Mapping[str, ModelSignature]], Sequence[Diagnostic]],
) -> tuple[dict[str, LoadedModel | StoppedModel], list[Diagnostic]]:
    """The models without those whose serving version reads something else than is declared.

    A registry that went back to a version before takes the model out of use; the policy goes on.
    The declared version itself has to fit, or the policy is refused. `said_of` checks the policy
    with the signatures of some models.
    """
    kept: dict[str, LoadedModel | StoppedModel] = dict(models)
    problems: list[Diagnostic] = []
    for declared in (d for file in files for d in file.declarations):
        if not isinstance(declared, tree.ModelDeclaration):
            continue
        model = kept.get(declared.name.text)
        if not isinstance(model, LoadedModel) or declared.version is None:
            continue
        if model.portable.version >= declared.version:
            continue
        found = said_of({declared.name.text: signature_of(model.portable)})
        misfit = next((d for d in found if d.code == "TG509"), None)
        if misfit is not None:
            out, said = stopped(declared, model.portable.version, misfit.message)
            assert out is not None
            kept[declared.name.text] = out
            problems += said
    return kept, problems


def stopped(declared: tree.ModelDeclaration, version: int, why: str) -> _Found:
    """A model of which a version serves that cannot be used here."""
    said = f"version {version} serves and does not fit version {declared.version}: {why}"
    warning = Diagnostic(
        "TG764",
        f"model `{declared.name.text}` gives no scores: {said}",
        (declared.path or declared.name).span,
        f"activate a version that fits, or declare `version {version}` and what it reads",
        Severity.WARNING,
    )
    return StoppedModel(DOES_NOT_FIT, said), [warning]


@dataclass(frozen=True, slots=True)
class _Declared:
    """One model of the policy, and where its files lie."""

    root: Path
    declared: tree.ModelDeclaration
    path: tree.Text
    version: int

    def read(self, serving: WhatServes | None) -> _Found:
        """The model that serves or, where nobody is asked, the declared version."""
        folder = self.root / self.path.value
        try:
            is_inside = folder.resolve().is_relative_to(self.root.resolve())
        except (OSError, RuntimeError):
            is_inside = False  # a name that is too long, links in a circle
        if not is_inside or Path(self.path.value).is_absolute():
            return None, [outside(self.path.value, self.path.span)]
        return self._under_work(folder) if serving is None else self._serving(serving, folder)

    def _serving(self, serving: WhatServes, folder: Path) -> _Found:
        from tidegate.models.registry import NotServing

        answer = serving(folder, self.version)
        if isinstance(answer, NotServing):
            said = Diagnostic(
                "TG764",
                f"model `{self._name}` gives no scores: {answer.said}",
                self.path.span,
                "what its `if unavailable` says happens until a version serves",
                Severity.WARNING,
            )
            return StoppedModel(answer.why, answer.said), [said]
        model, problems = self._model(answer.model_json, answer.card_json, answer.version)
        if model is None and answer.version < self.version:
            # A rollback takes a model out of use and no more: decisions go on.
            return stopped(self.declared, answer.version, problems[0].message)
        if answer.problems:
            problems.append(self._serves_though(answer))
        if isinstance(model, LoadedModel):
            until_us = answer.validated_until_us
            model = replace(model, validated_until_us=until_us, standing="serving")
        return model, problems

    def _serves_though(self, answer: Serving) -> Diagnostic:
        problem = answer.problems[0]
        return Diagnostic(
            "TG766",
            f"version {answer.version} of model `{self._name}` serves, though its registry is not "
            f"as it was signed: {problem}",
            self.path.span,
            problem.help,
            Severity.WARNING,
        )

    def _under_work(self, folder: Path) -> _Found:
        file = folder / str(self.version) / MODEL_FILE
        if not file.is_file():
            return None, [self._absent(folder)]
        try:
            if not file.resolve().is_relative_to(self.root.resolve()):
                return None, [outside(f"{self.path.value}/{self.version}", self.path.span)]
            content = read_ordinary(file, MAX_FILE_BYTES)
            card = _card_beside(file, self.root)
        except OSError as error:
            return None, [unreadable(f"{self.path.value}/{self.version}/{MODEL_FILE}", error)]
        model, problems = self._model(content, card, self.version)
        if not isinstance(model, LoadedModel):
            return model, problems
        found = standing_in_log(folder, self.version)
        if found.problem is not None:
            problems.append(self._not_as_signed(found.problem))
        elif found.standing == "unapproved":
            problems.append(self._unapproved())
        return replace(model, standing=found.standing), problems

    def _not_as_signed(self, problem: Problem) -> Diagnostic:
        return Diagnostic(
            "TG767",
            f"version {self.version} of model `{self._name}` is not as its registry has it: "
            f"{problem}",
            self.path.span,
            problem.help,
            Severity.WARNING,
        )

    @property
    def _name(self) -> str:
        return self.declared.name.text

    def _absent(self, folder: Path) -> Diagnostic:
        versions = sorted(_versions(folder))
        there = f"; there is version {', '.join(map(str, versions))}" if versions else ""
        return Diagnostic(
            "TG761",
            f"model `{self._name}` has no file `{self.path.value}/{self.version}/{MODEL_FILE}`"
            f"{there}",
            self.path.span,
            "train it with `tidegate models train`, or write `external` where the score comes with "
            "the event",
        )

    def _unapproved(self) -> Diagnostic:
        return Diagnostic(
            "TG765",
            f"no log approves version {self.version} of model `{self._name}`: it can be tried, and "
            "does not serve",
            self.path.span,
            severity=Severity.NOTE,
        )

    def _model(self, content: bytes, card: bytes | None, version: int) -> _Found:
        try:
            portable = _parsed(content)
        except ModelRefused as refused:
            return None, list(self._refused(version, refused))
        if (portable.name, portable.version) != (self._name, version):
            return None, [
                Diagnostic(
                    "TG763",
                    f"`{self.path.value}/{version}/{MODEL_FILE}` is version {portable.version} of "
                    f"model `{portable.name}`, not version {version} of `{self._name}`",
                    self.path.span,
                    "a file's name and version are part of what was reviewed: do not move it",
                )
            ]
        digest = hashlib.sha256(content).hexdigest()
        read = None if card is None else _card_of(card, digest)
        return LoadedModel(portable, digest, card=read), []

    def _refused(self, version: int, refused: ModelRefused) -> Iterator[Diagnostic]:
        file = Span(f"{self.path.value}/{version}/{MODEL_FILE}", 0, 0)
        for problem in refused.problems:
            yield Diagnostic(
                "TG762", f"the file of model `{self._name}` is refused: {problem}", file
            )


@lru_cache(maxsize=8)
def _parsed(content: bytes) -> PortableModel:
    """An editor reads the same files at every stroke."""
    from tidegate.models.reading import read_model

    return read_model(content)


def _card_beside(file: Path, root: Path) -> bytes | None:
    """The card that lies beside a model under work, None where none does."""
    path = file.with_name(CARD_FILE)
    if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        return None
    return read_ordinary(path, MAX_FILE_BYTES)


@lru_cache(maxsize=8)
def _card_of(content: bytes, model_hash: str) -> Card | str:
    """The card of this model, or why it is none."""
    from tidegate.models.cards import CardError, read_card

    try:
        card = read_card(content)
    except CardError as error:
        return str(error)
    return card if card.model_hash == model_hash else f"the card is of another `{MODEL_FILE}`"


def _versions(folder: Path) -> Iterator[int]:
    try:
        for entry in folder.iterdir():
            if entry.name.isascii() and entry.name.isdecimal() and (entry / MODEL_FILE).is_file():
                yield int(entry.name)
    except OSError:
        return
