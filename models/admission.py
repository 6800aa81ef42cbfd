"""What a version has to bring before it is registered: a model that can be read, a whole card."""

from __future__ import annotations

import hashlib

from tidegate.models.cards import CardError, read_card
from tidegate.models.manifest import CARD_FILE, MODEL_FILE, REQUIRED, VersionFiles
from tidegate.models.problems import Problem
from tidegate.models.reading import read_model
from tidegate.models.refusals import ModelRefused, refuse_file_name

_CARD_HELP = "`tidegate models train` writes a card; what only people know is given to it"


def why_not_admitted(model: str, version: int, files: VersionFiles) -> Problem | None:
    """Why the files of a version are not registered; None where they are fine."""
    for name in files.digests:
        try:
            refuse_file_name(name)
        except ModelRefused as refused:
            return Problem("not_a_model", refused.problems[0], "", f"{version}/{name}")
    if absent := [name for name in REQUIRED if name not in files.digests]:
        message = f"the folder lacks {', '.join(f'`{name}`' for name in absent)}"
        return Problem("not_whole", message, _CARD_HELP, f"{version}/")
    return _model_problem(model, version, files) or _card_problem(model, version, files)


def _model_problem(model: str, version: int, files: VersionFiles) -> Problem | None:
    place = f"{version}/{MODEL_FILE}"
    try:
        read = read_model(files.kept[MODEL_FILE])
    except ModelRefused as refused:
        return Problem("not_a_model", refused.problems[0], "", place)
    return _named_otherwise(model, version, read.name, read.version, place)


def _card_problem(model: str, version: int, files: VersionFiles) -> Problem | None:
    place = f"{version}/{CARD_FILE}"
    try:
        card = read_card(files.kept[CARD_FILE])
    except CardError as error:
        return Problem("no_card", str(error), _CARD_HELP, place)
    missing = (*card.missing_fields, *(() if card.metrics else ("metrics",)))
    if missing:
        said = ", ".join(f"`{name}`" for name in missing)
        return Problem("card_incomplete", f"the card does not say {said}", _CARD_HELP, place)
    if problem := _named_otherwise(model, version, card.model, card.version, place):
        return problem
    if card.model_hash != hashlib.sha256(files.kept[MODEL_FILE]).hexdigest():
        message = f"the card is of another `{MODEL_FILE}`"
        return Problem("hash_mismatch", message, "train or export both together", place)
    return None


def _named_otherwise(
    model: str, version: int, said: str, said_version: int, place: str
) -> Problem | None:
    if (said, said_version) == (model, version):
        return None
    return Problem(
        "named_otherwise",
        f"says it is `{said}` version {said_version}, and lies as `{model}` version {version}",
        "a version lies in the folder of its number, below the folder of its model",
        place,
    )
