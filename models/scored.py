"""What a model says of one event, and of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from tidegate.dsl.types import Value

if TYPE_CHECKING:
    # One event is scored without it, and so decided without loading it.
    import numpy as np
    import numpy.typing as npt

ScoredStatus = Literal["ok", "abstained"]
ModelStanding = Literal["serving", "approved", "unapproved", "changed", "log_broken"]
"""How a model stood when it was loaded: `serving` where the registry was asked and let it serve.

All else is under work: `approved` in its log, though nobody asked what serves; `unapproved`;
`changed` since it was registered; of a log that is not right (`log_broken`).
"""
Int64s: TypeAlias = "npt.NDArray[np.int64]"


class Scored(NamedTuple):
    """One event's score.

    score: millionths, 0 to 10**6; total and contributions: 1/unit of the link, `total` is the
    model's base and all contributions, exactly. A model that abstains has a `reason` for people
    ("`amount` is above 5000.00 EUR, the most it was trained on") and nothing else.
    """

    status: ScoredStatus
    score: int | None
    total: int | None
    contributions: tuple[int, ...]
    reason: str = ""


NOT_THE_MODELS_ACT = frozenset({"starting", "unknown_model", "closed", "bad_question"})
"""The words of `Unavailable` that tell of who asks the model; all others are its own act."""


class Unavailable(NamedTuple):
    """No answer at all, and why: one word for the record, such as `timeout` or `crashed`.

    What follows stays within what the model may cause, unless `NOT_THE_MODELS_ACT` has the word: by
    being late or crashing its author would pick payments.
    """

    reason: str


class ModelScorer(Protocol):
    """Scores the loaded models of one policy, each by the name that the policy declares."""

    def score(
        self, model: str, values: Sequence[Value | None], within_us: int | None
    ) -> Scored | Unavailable:
        """One event's score of `model`, or why there is none.

        values: the policy's values in the order of the model's inputs, None where one is missing.
        within_us: the longest that the policy waits for it, None where it does not say. Whatever
        goes wrong is an `Unavailable`; an exception that escapes counts as one too.
        """
        ...


@dataclass(frozen=True, slots=True)
class InputColumn:
    """One input of many events: codes (see `portable.Input`) and which of them are there.

    `valid` is None where all are; where it is False the code is 0 and means nothing.
    """

    codes: Int64s
    valid: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class ScoredColumns:
    """Scores of many events, as `Scored` has them.

    `answered` is False where the model abstains (score and total are 0 there). `contributions` is
    (rows, contributions), or None where they were not asked for. `abstained_by` counts rows by the
    first reason for which the model abstains, as `Scored.reason` says it.
    """

    scores: Int64s
    totals: Int64s
    answered: npt.NDArray[np.bool_]
    contributions: npt.NDArray[Any] | None = None
    abstained_by: Mapping[str, int] = field(default_factory=dict)
