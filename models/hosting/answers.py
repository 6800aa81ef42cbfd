"""The lines that go to a worker and come back, and which of those are answers.

Nothing that a worker writes is believed: a line is an answer only where every part of it has the
type, the size and the sum that it must have. Both ways a line is one JSON object; `alarm_s` is how
long the worker may take before the system ends it.

    question  {"n": 7, "alarm_s": 2.1, "values": [2000, null, "FR"]}
    answer    {"n": 7, "status": "ok", "score": 61250, "total": -27, "contributions": [3, -30]}
              {"n": 7, "status": "abstained", "reason": "`amount` is missing"}
              {"n": 7, "status": "failed"}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tidegate.dsl.types import INT64_MAX, Value
from tidegate.models.portable import SCORE_SCALE
from tidegate.models.scored import Scored

MAX_REASON = 400
"""Characters of what an abstaining model says."""

_DIGITS = 24
"""Bytes that an integer and its comma take at most."""


class BadAnswerError(ValueError):
    """A line that is no answer. It says why, and repeats nothing of the line."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What every answer of a model has: `contributions` integers that, with `base`, are its total.

    base: in 1/unit of the model's link. score_of: the score that a total stands for, where that is
    known.
    """

    base: int
    contributions: int
    score_of: Callable[[int], int] | None = None

    @property
    def max_bytes(self) -> int:
        """No good answer is longer; a letter of the reason takes up to 12 bytes as JSON."""
        return 256 + 12 * MAX_REASON + _DIGITS * self.contributions


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back to question `number`; None where the scorer raised."""

    number: int
    scored: Scored | None


def question(number: int, values: Sequence[Value | None], alarm_s: float) -> bytes:
    """The line that asks; TypeError or ValueError where a value is none of the language."""
    if not all(value is None or isinstance(value, int | str) for value in values):
        raise TypeError("a value is none of the language")
    asked = {"n": number, "alarm_s": alarm_s, "values": list(values)}
    return json.dumps(asked, separators=(",", ":")).encode() + b"\n"


def read_answer(line: bytes, shape: Shape) -> Answer:
    """What a worker's line says; `BadAnswerError` where it is no answer of this model."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise BadAnswerError("it is no JSON") from None
    if not isinstance(said, dict):
        raise BadAnswerError("it is no object")
    number = _integer(said.get("n"), "number")
    match said.get("status"):
        case "ok":
            return Answer(number, _scored(said, shape))
        case "abstained":
            return Answer(number, Scored("abstained", None, None, (), _reason(said)))
        case "failed":
            return Answer(number, None)
    raise BadAnswerError("its status is unknown")


def _scored(said: dict[str, object], shape: Shape) -> Scored:
    score = _integer(said.get("score"), "score")
    total = _integer(said.get("total"), "total")
    parts = said.get("contributions")
    if not isinstance(parts, list) or len(parts) != shape.contributions:
        raise BadAnswerError("it has another number of contributions")
    contributions = tuple(_integer(part, "contribution") for part in parts)
    if not 0 <= score <= SCORE_SCALE:
        raise BadAnswerError("its score is out of range")
    if shape.base + sum(contributions) != total:
        raise BadAnswerError("its contributions do not sum to its total")
    if shape.score_of is not None and shape.score_of(total) != score:
        raise BadAnswerError("its score is not that of its total")
    return Scored("ok", score, total, contributions)


def _integer(value: object, what: str) -> int:
    """An int64; true and false are integers to Python and none here."""
    if type(value) is not int or not -INT64_MAX <= value <= INT64_MAX:
        raise BadAnswerError(f"its {what} is no integer")
    return value


def _reason(said: dict[str, object]) -> str:
    reason = said.get("reason")
    if not isinstance(reason, str) or len(reason) > MAX_REASON or not reason.isprintable():
        raise BadAnswerError("its reason is no short text")
    return reason
