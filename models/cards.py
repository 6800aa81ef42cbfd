"""The card of a model version: what it was made from, how good it is, and what it is not for.

All figures are integers: shares in millionths, money in minor units. Times are UTC instants as
texts, a window holds its start and not its end. A card can be written by hand and be incomplete;
`missing_fields` says what keeps it from being registered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.models.plain_data import PlainDataError, read_plain, write_plain
from tidegate.models.portable import Family

ROUND_THRESHOLDS = tuple(
    step * 10_000 for step in (1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 95, 99)
)
"""Thresholds that people choose, in millionths."""

CARD_SCHEMA = "tidegate-card/2"

CardError = PlainDataError
"""A card that cannot be read; the message names the place."""

Scalar = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` up to, and without, `end`; empty texts where it is not known."""

    start: str = ""
    end: str = ""

    @property
    def is_known(self) -> bool:
        """Whether both ends are."""
        return bool(self.start and self.end)


@dataclass(frozen=True, slots=True)
class Sample:
    """So many rows, and as many of them labelled as true."""

    rows: int
    positives: int


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure over one part of the test rows, with its interval of 95 %.

    `part` is `all`, `week of 2018-08-08` or `channel = ecom`. Value and interval are in millionths,
    None where the part has too little to tell.
    """

    name: str
    part: str
    sample: Sample
    value: int | None
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class ThresholdRow:
    """What a cut at `score >= threshold` would have done on the test rows.

    `flagged` rows reach it, `caught` of them are positives. `caught_minor` is their money,
    `cost_minor` what the declared unit costs make of caught, missed and wrongly flagged rows.
    Shares are in millionths with their Wilson intervals, None where nothing was counted.
    """

    threshold: int
    flagged: int
    caught: int
    precision: int | None
    precision_low: int | None
    precision_high: int | None
    recall: int | None
    recall_low: int | None
    recall_high: int | None
    caught_minor: int
    cost_minor: int


@dataclass(frozen=True, slots=True)
class UnitCosts:
    """What is counted for one row: missed positives cost `missed_share` of their amount (in
    millionths) and `missed_minor`; a wrongly flagged row costs `false_alarm_minor`, and every
    flagged row `review_minor`.
    """

    missed_share: int
    missed_minor: int
    false_alarm_minor: int
    review_minor: int


@dataclass(frozen=True, slots=True)
class Export:
    """How near the portable model is to the library's own: on how many rows it was compared.

    `bound` and `largest_difference` are probabilities as decimal texts; `beyond` rows differ by
    more than the bound (a model with any is not written).
    """

    bound: str
    largest_difference: str
    rows: int
    beyond: int


@dataclass(frozen=True, slots=True)
class Card:
    """Everything that is said of one version of a model.

    `label_cutoff`: labels reported later were not known when the model was trained; `label_delay`
    the time after which a label is due (`7d`). Hashes are SHA-256 in hex: of the history's files
    and mapping (`data_hash`), of what the inputs mean (`features_hash`; `inputs` has one for each
    by name, without the contents of lists and tables), of `model.json`.
    """

    schema: str
    model: str
    version: int
    family: Family
    policy: str
    event: str
    label: str
    owner: str
    intended_use: str
    limits: tuple[str, ...]
    out_of_scope: tuple[str, ...]
    train_window: Window
    test_window: Window
    label_cutoff: str
    label_delay: str
    data_hash: str
    features_hash: str
    inputs: Mapping[str, str]
    model_hash: str
    train: Sample
    test: Sample
    split: Mapping[str, Scalar]
    parameters: Mapping[str, Scalar]
    libraries: Mapping[str, str]
    currency: str
    minor_digits: int
    costs: UnitCosts
    metrics: tuple[Metric, ...]
    thresholds: tuple[ThresholdRow, ...]
    export: Export
    notes: tuple[str, ...]

    @property
    def missing_fields(self) -> tuple[str, ...]:
        """What a card has to say before its model is registered, and this one does not."""
        said = {
            "owner": self.owner.strip(),
            "intended_use": self.intended_use.strip(),
            "limits": [limit for limit in self.limits if limit.strip()],
            "train_window": self.train_window.is_known,
            "label_cutoff": self.label_cutoff,
            "label_delay": self.label_delay,
            "data_hash": self.data_hash,
            "features_hash": self.features_hash,
            "inputs": self.inputs,
            "model_hash": self.model_hash,
        }
        return tuple(name for name, value in said.items() if not value)


def read_card(content: bytes) -> Card:
    """The card in `card.json`; CardError says what is wrong with it."""
    card = read_plain(Card, content, "the card")
    if card.schema != CARD_SCHEMA:
        raise CardError(f"the card's schema is not `{CARD_SCHEMA}`")
    return card


def write_card(card: Card) -> bytes:
    """The bytes of `card.json`."""
    return write_plain(card)
