"""What a model's inputs and scores looked like where it was tested: `reference.json`.

Monitoring compares later events with it. Values are the policy's own integers, so that a value
falls into the same bin on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.models.cards import Window
from tidegate.models.plain_data import PlainDataError, read_plain, write_plain

REFERENCE_SCHEMA = "tidegate-reference/1"

ReferenceFormError = PlainDataError
"""A reference that cannot be read; the message names the place."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many rows fell into each bin.

    Of integers (and flags, 0 and 1): bin i holds the x of which i `edges` are at most x, so there
    are `len(edges) + 1`; edges ascend and are distinct. Of texts: the bins are `categories`, and
    one for every other text. `missing` rows have no value and are in no bin.
    """

    name: str
    edges: tuple[int, ...]
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    missing: int

    @property
    def is_text(self) -> bool:
        """Whether its bins are texts."""
        return bool(self.categories)

    @property
    def rows(self) -> int:
        """All rows, those without a value too."""
        return sum(self.counts) + self.missing


@dataclass(frozen=True, slots=True)
class ContributionShare:
    """How much of the scores one contribution makes.

    `inputs` names what it comes from (one input, or two of an interaction); `mean_absolute` is in
    1/unit of the link, rounded, and `share` its part of all contributions' sum, in millionths.
    """

    inputs: tuple[str, ...]
    mean_absolute: int
    share: int


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference of one model version.

    `rows` are those of `window`, `labelled` those whose label is known and `positives` of them are
    true: the base rate. `abstained` rows got no score; `score` holds the others, its values
    millionths. `epsilon` (millionths) is the share that an empty bin counts as where logarithms
    are taken.
    """

    schema: str
    model: str
    version: int
    model_hash: str
    window: Window
    rows: int
    labelled: int
    positives: int
    abstained: int
    epsilon: int
    inputs: tuple[Distribution, ...]
    score: Distribution
    contributions: tuple[ContributionShare, ...]


def read_reference(content: bytes) -> Reference:
    """The reference in `reference.json`; ReferenceFormError says what is wrong with it."""
    reference = read_plain(Reference, content, "the reference")
    if reference.schema != REFERENCE_SCHEMA:
        raise ReferenceFormError(f"the reference's schema is not `{REFERENCE_SCHEMA}`")
    if not 0 < reference.epsilon < 10**6:
        raise ReferenceFormError("the reference.epsilon has to be between 0 and 1000000")
    for distribution in (*reference.inputs, reference.score):
        _check(distribution)
    return reference


def write_reference(reference: Reference) -> bytes:
    """The bytes of `reference.json`."""
    return write_plain(reference)


def count_bins(edges: tuple[int, ...], values: npt.NDArray[Any]) -> tuple[int, ...]:
    """How many of `values` fall into each bin between `edges`."""
    places = np.searchsorted(np.array(edges, np.int64), values.astype(np.int64), side="right")
    return tuple(np.bincount(places, minlength=len(edges) + 1).tolist())


def _check(found: Distribution) -> None:
    place = f"the reference of `{found.name}`"
    if found.edges and found.categories:
        raise ReferenceFormError(f"{place} has `edges` or `categories`, never both")
    if any(a >= b for a, b in zip(found.edges, found.edges[1:], strict=False)):
        raise ReferenceFormError(f"{place}: `edges` have to ascend")
    if len(set(found.categories)) != len(found.categories):
        raise ReferenceFormError(f"{place}: a category comes twice")
    bins = len(found.edges or found.categories) + 1
    if len(found.counts) != bins:
        raise ReferenceFormError(f"{place}: there have to be {bins} counts")
    if min((*found.counts, found.missing)) < 0:
        raise ReferenceFormError(f"{place}: a count is below 0")
