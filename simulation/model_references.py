"""What the models of a policy were trained on: `reference.json` beside each declared version."""

from __future__ import annotations

from tidegate.dsl.program import Model
from tidegate.models.manifest import MAX_FILE_BYTES
from tidegate.models.ordinary_files import read_ordinary
from tidegate.models.reference import Reference, ReferenceFormError, read_reference
from tidegate.rules.policy import Policy
from tidegate.simulation.mapping import MappingError, Problem
from tidegate.simulation.model_scores import model_hash, portable_of

REFERENCE_FILE = "reference.json"


def read_references(policy: Policy) -> dict[str, Reference]:
    """By model, its reference, of those that have one.

    MappingError names each that cannot be read, or that is of another file than the model's.
    """
    found: dict[str, Reference] = {}
    problems: list[Problem] = []
    for model in policy.program.models:
        portable = portable_of(policy, model)
        if portable is None:
            continue
        file = policy.folder / model.path / str(portable.version) / REFERENCE_FILE
        try:
            found[model.name] = read_reference(read_ordinary(file, MAX_FILE_BYTES))
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(Problem(str(file), "", f"cannot be read: {error.strerror}"))
        except ReferenceFormError as error:
            problems.append(Problem(str(file), "", str(error)))
        else:
            problems += _strange(policy, model, found[model.name], str(file))
    if problems:
        raise MappingError(problems)
    return found


def _strange(policy: Policy, model: Model, reference: Reference, file: str) -> list[Problem]:
    if reference.model_hash == model_hash(policy, model):
        return []
    message = f"is of another file than `model.json` of `{model.name}`"
    help_ = "train it again, or delete the reference: the reference week stands in"
    return [Problem(file, "model_hash", message, help_)]
