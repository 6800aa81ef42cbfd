"""What a version has to bring before it is registered: six files, each of which says what it is.

Reviewers look at the page and the plot, programs at the rest. So the page has to be the one that
the card and the contributions make, and the plot holds shapes and words alone.
"""

from __future__ import annotations

import hashlib
import re

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.models.card_page import card_markdown
from tidegate.models.cards import Card, CardError, read_card
from tidegate.models.contributions import Contributions, ContributionsError, read_contributions
from tidegate.models.manifest import (
    CARD_FILE,
    CONTRIBUTIONS_FILE,
    MODEL_FILE,
    PAGE_FILE,
    PLOT_FILE,
    REFERENCE_FILE,
    REQUIRED,
    VersionFiles,
)
from tidegate.models.plain_drawings import why_not_plain
from tidegate.models.problems import Problem
from tidegate.models.reading import read_model
from tidegate.models.refusals import ModelRefused, refuse_file_name

_ZONE = re.compile(rb"^\| times \| by the clock in ([A-Za-z0-9_+/-]{1,64}) \|$", re.MULTILINE)
_TRAIN_HELP = "`tidegate models train` writes all six files; none is edited afterwards"
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
    if further := [name for name in files.digests if name not in REQUIRED]:
        message = "is none of the files that a version has"
        return Problem("not_whole", message, "take it away", f"{version}/{further[0]}")
    if problem := _model_problem(model, version, files):
        return problem
    card = _card(model, version, files)
    if isinstance(card, Problem):
        return card
    contributions = _contributions(model, version, files)
    if isinstance(contributions, Problem):
        return contributions
    return (
        _reference_problem(model, version, files)
        or _page_problem(version, files, card, contributions)
        or _plot_problem(version, files)
    )


def _model_problem(model: str, version: int, files: VersionFiles) -> Problem | None:
    place = f"{version}/{MODEL_FILE}"
    try:
        read = read_model(files.kept[MODEL_FILE])
    except ModelRefused as refused:
        return Problem("not_a_model", refused.problems[0], "", place)
    return _named_otherwise(model, version, read.name, read.version, place)


def _contributions(model: str, version: int, files: VersionFiles) -> Contributions | Problem:
    place = f"{version}/{CONTRIBUTIONS_FILE}"
    try:
        found = read_contributions(files.kept[CONTRIBUTIONS_FILE])
    except ContributionsError as error:
        return Problem("no_contributions", str(error), _TRAIN_HELP, place)
    return _named_otherwise(model, version, found.model, found.version, place) or found


def _reference_problem(model: str, version: int, files: VersionFiles) -> Problem | None:
    # It takes a library of numbers, and only whoever registers needs it.
    from tidegate.models.reference import ReferenceFormError, read_reference

    place = f"{version}/{REFERENCE_FILE}"
    try:
        found = read_reference(files.kept[REFERENCE_FILE])
    except ReferenceFormError as error:
        return Problem("no_reference", str(error), _TRAIN_HELP, place)
    if problem := _named_otherwise(model, version, found.model, found.version, place):
        return problem
    return _of_another_model(found.model_hash, "the reference", files, place)


def _page_problem(
    version: int, files: VersionFiles, card: Card, contributions: Contributions
) -> Problem | None:
    page = files.kept[PAGE_FILE]
    # The page says whose clock it shows times by; all the rest comes from the card.
    zone = _ZONE.search(page)
    try:
        if zone and page == card_markdown(card, contributions, zone[1].decode()):
            return None
    except (ValueError, LookupError, OSError):
        pass  # there is no such zone, or no such moment
    message = f"is not what `{CARD_FILE}` and `{CONTRIBUTIONS_FILE}` say"
    return Problem("page_differs", message, _TRAIN_HELP, f"{version}/{PAGE_FILE}")


def _plot_problem(version: int, files: VersionFiles) -> Problem | None:
    if why := why_not_plain(files.kept[PLOT_FILE]):
        return Problem("plot_not_plain", why, _TRAIN_HELP, f"{version}/{PLOT_FILE}")
    return None


def _of_another_model(said: str, what: str, files: VersionFiles, place: str) -> Problem | None:
    if said == hashlib.sha256(files.kept[MODEL_FILE]).hexdigest():
        return None
    message = f"{what} is of another `{MODEL_FILE}`"
    return Problem("hash_mismatch", message, "train or export both together", place)


def _card(model: str, version: int, files: VersionFiles) -> Card | Problem:
    place = f"{version}/{CARD_FILE}"
    try:
        card = read_card(files.kept[CARD_FILE])
    except CardError as error:
        return Problem("no_card", str(error), _CARD_HELP, place)
    missing = (
        *card.missing_fields,
        *(name for name in ("metrics", "thresholds") if not getattr(card, name)),
        *(() if card.currency in MINOR_DIGITS else ("currency",)),
    )
    if missing:
        said = ", ".join(f"`{name}`" for name in missing)
        return Problem("card_incomplete", f"the card does not say {said}", _CARD_HELP, place)
    if problem := _named_otherwise(model, version, card.model, card.version, place):
        return problem
    return _of_another_model(card.model_hash, "the card", files, place) or card


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
