"""What scores of a test window are made of: `contributions.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tidegate.models.cards import Window
from tidegate.models.plain_data import PlainDataError, read_plain, write_plain
from tidegate.models.portable import Link

CONTRIBUTIONS_SCHEMA: Final = "tidegate-contributions/1"

ContributionsError = PlainDataError
"""Contributions that cannot be read; the message names the place."""


@dataclass(frozen=True, slots=True)
class ShapeBin:
    """Rows whose input is within `values`, and what the contribution was on average."""

    values: str
    rows: int
    mean: int


@dataclass(frozen=True, slots=True)
class Importance:
    """One contribution over the window: how much it moves scores, and which way.

    `mean_absolute` and the means of `shape` are in 1/unit of the link; `share` is in millionths of
    all contributions. An interaction of two inputs has no `shape`.
    """

    inputs: tuple[str, ...]
    mean_absolute: int
    share: int
    shape: tuple[ShapeBin, ...]


@dataclass(frozen=True, slots=True)
class Contributions:
    """`contributions.json`: what scores of the window are made of, the largest part first."""

    schema: str
    model: str
    version: int
    link: Link
    unit: int
    window: Window
    rows: int
    terms: tuple[Importance, ...]


def read_contributions(content: bytes) -> Contributions:
    """What `contributions.json` holds; ContributionsError says what is wrong with it."""
    found = read_plain(Contributions, content, "the contributions")
    if found.schema != CONTRIBUTIONS_SCHEMA:
        raise ContributionsError(f"the contributions' schema is not `{CONTRIBUTIONS_SCHEMA}`")
    return found


def write_contributions(contributions: Contributions) -> bytes:
    """The bytes of `contributions.json`."""
    return write_plain(contributions)
