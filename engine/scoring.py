"""What the loaded models say of one event: their inputs, their scores, and what of it is recorded.

A scorer is believed as far as its answer can be checked: whatever it raises, and an answer that
does not hold together, counts as no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple
from unicodedata import is_normalized

from tidegate.dsl.card_numbers import holds_card_number
from tidegate.dsl.program import EventType, Expression, Input, Model, Program
from tidegate.dsl.types import TEXT_KINDS, Value
from tidegate.engine.interpreter import reader_of, value_of
from tidegate.engine.record import ScoreContribution, ScoreFacts
from tidegate.engine.situation import ScoreStatus, Situation
from tidegate.engine.values import format_value
from tidegate.models.logistic import logistic_score, share_score
from tidegate.models.portable import SCORE_SCALE, PortableModel
from tidegate.models.scored import NOT_THE_MODELS_ACT, ModelScorer, Scored, Unavailable
from tidegate.rules.models import LoadedModel, StoppedModel

SHOWN_CONTRIBUTIONS = 8
"""So many contributions are recorded, the largest first; the rest is one sum."""

OUTSIDE_USE = "outside_use"
"""Why a model was not asked that is not used on this event."""
SCORER_FAILED = "scorer_failed"
"""Why there is no score of a scorer that raised an exception."""
BAD_ANSWER = "bad_answer"
"""Why there is no score of a scorer whose answer does not hold together."""
GIVEN = "given"
"""Why a score has no contributions: it was given in the place of what the model would say."""

Values = tuple[Value | None, ...]


class InProcess:
    """Scores where the decision is made; a limit of time is not kept, for there is no clock here.

    Portable models take a bounded number of steps; who wants a wall and a limit gives a scorer
    that has them.
    """

    def __init__(self, models: Mapping[str, LoadedModel | StoppedModel]) -> None:
        self._models = {n: m for n, m in models.items() if isinstance(m, LoadedModel)}

    def score(
        self,
        model: str,
        values: Sequence[Value | None],
        within_us: int | None,  # noqa: ARG002 - there is no clock
    ) -> Scored | Unavailable:
        """The score of a model of the policy."""
        return self._models[model].scorer.score(values)


class ModelAnswer(NamedTuple):
    """What a model said of one event: its score (millionths), or why there is none."""

    status: ScoreStatus
    score: int | None
    reason: str
    facts: ScoreFacts


@dataclass(frozen=True, slots=True)
class ScoredModel:
    """A loaded model of one event type, ready to be asked.

    `read` gives the model's inputs in its own order, from what the event holds.
    """

    model: Model
    loaded: LoadedModel
    currency: str
    read: Callable[[Situation], Values]

    @property
    def portable(self) -> PortableModel:
        """The model itself."""
        return self.loaded.portable

    def ask(self, scorer: ModelScorer, situation: Situation) -> ModelAnswer:
        """What it says of the event; whatever goes wrong is no answer, and never an exception."""
        values = self.read(situation)
        try:
            answer = scorer.score(self.model.name, values, self.model.within_us)
        except Exception:  # noqa: BLE001 - a scorer never takes the decision with it
            answer = Unavailable(SCORER_FAILED)
        return self.answer(values, answer)

    def answer(self, values: Values, answer: object) -> ModelAnswer:
        """What an answer is worth, and what is recorded of it."""
        portable = self.portable
        if type(answer) is Scored and _is_text(answer.status) and answer.status == "abstained":
            return self._without(values, "abstained", "abstained", _sentence(answer.reason))
        if type(answer) is Unavailable and _is_word(answer.reason):
            outage = answer.reason in NOT_THE_MODELS_ACT
            status: ScoreStatus = "unavailable" if outage else "failed"
            return self._without(values, status, answer.reason, "")
        if type(answer) is not Scored or not holds_together(portable, answer):
            return self._without(values, "failed", BAD_ANSWER, "")
        shown, rest = largest(portable, answer.contributions)
        facts = self._facts(
            values, status="ok", score=answer.score, total=answer.total,
            contributions=shown, rest=rest,
        )  # fmt: skip
        return ModelAnswer("ok", answer.score, "", facts)

    def given(self, score: int | None, status: ScoreStatus, reason: str) -> ModelAnswer:
        """What stands in the place of what the model would say."""
        facts = self._facts((), status=status, score=score, reason=reason, given=True)
        return ModelAnswer(status, score, reason, facts)

    def unasked(self, reason: str) -> ModelAnswer:
        """No answer of a model that was not asked."""
        facts = self._facts((), status="unavailable", reason=reason)
        return ModelAnswer("unavailable", None, reason, facts)

    def _without(self, values: Values, status: ScoreStatus, word: str, said: str) -> ModelAnswer:
        facts = self._facts(values, status=status, reason=said or word)
        return ModelAnswer(status, None, word, facts)

    def _facts(
        self,
        values: Values,
        *,
        status: ScoreStatus,
        reason: str = "",
        score: int | None = None,
        total: int | None = None,
        contributions: tuple[ScoreContribution, ...] = (),
        rest: int = 0,
        given: bool = False,
    ) -> ScoreFacts:
        portable = self.portable
        return ScoreFacts(
            version=portable.version,
            hash=self.loaded.hash,
            standing=self.loaded.standing,
            status=status,
            reason=reason,
            given=given,
            score=score,
            link=portable.link,
            unit=portable.unit,
            divisor=portable.divisor,
            base=portable.base,
            total=total,
            contributions=contributions,
            rest=rest,
            inputs=self._texts(values),
        )

    def _texts(self, values: Values) -> dict[str, str | None]:
        return {
            entry.name: value
            if value is None or (entry.type.kind in TEXT_KINDS and isinstance(value, str))
            else format_value(value, entry.type, self.currency)
            for entry, value in zip(self.portable.inputs, values, strict=False)
        }


def scored_models(
    program: Program, event: EventType, models: Mapping[str, LoadedModel | StoppedModel]
) -> dict[str, ScoredModel]:
    """The loaded models of an event, by name."""
    found: dict[str, ScoredModel] = {}
    for name in event.models:
        loaded = models.get(name)
        if isinstance(loaded, LoadedModel):
            model = program.model(name)
            read = _reader(event, model, loaded.portable)
            found[name] = ScoredModel(model, loaded, program.currency, read)
    return found


def _reader(
    event: EventType, model: Model, portable: PortableModel
) -> Callable[[Situation], Values]:
    """Gives a model its inputs. Most are inputs of the event too, and are only looked up."""
    by_name = dict(zip(model.read_names, model.reads, strict=True))
    reads = [by_name[entry.name] for entry in portable.inputs]
    slots = {entry.name: slot for slot, entry in enumerate(event.inputs)}
    if all(isinstance(read, Input) for read in reads):
        return _looked_up([slots[read.name] for read in reads if isinstance(read, Input)])
    return _worked_out(tuple(reads))


def _looked_up(slots: list[int]) -> Callable[[Situation], Values]:
    if len(slots) == 1:
        only = slots[0]
        return lambda situation: (situation.values[only],)
    take = itemgetter(*slots)
    return lambda situation: take(situation.values)


def _worked_out(reads: tuple[Expression, ...]) -> Callable[[Situation], Values]:
    def read(situation: Situation) -> Values:
        reader = reader_of(situation)
        return tuple(value_of(expression, reader) for expression in reads)

    return read


# --- whether an answer holds together ----------------------------------------------------------


def holds_together(portable: PortableModel, answer: Scored) -> bool:
    """Whether score, total and contributions of an answer are what such a model can say."""
    contributions, total = answer.contributions, answer.total
    if not (
        type(contributions) is tuple and len(contributions) == len(portable.contribution_names)
    ):
        return False
    if not (_is_text(answer.status) and answer.status == "ok"):
        return False
    if any(type(part) is not int for part in (total, answer.score, *contributions)):
        return False
    assert total is not None  # an integer, as was seen
    assert answer.score is not None
    if not -_MOST < total < _MOST:
        return False
    if not 0 <= answer.score <= SCORE_SCALE or portable.base + sum(contributions) != total:
        return False
    return answer.score == score_of(portable, total)


def score_of(portable: PortableModel, total: int) -> int:
    """The score (millionths) that a total stands for."""
    if portable.link == "logit":
        return logistic_score(total, portable.unit)
    return share_score(total, portable.unit * portable.divisor)


_MOST = 2**63
_LONGEST_WORD = 40
_LONGEST_SENTENCE = 500


def _is_text(value: object) -> bool:
    """Whether it is a text and nothing that only looks like one."""
    return type(value) is str


def _is_word(reason: object) -> bool:
    return type(reason) is str and reason.isidentifier() and len(reason) <= _LONGEST_WORD


def _sentence(said: object) -> str:
    """What a model says of itself, as far as a record can hold it."""
    fits = type(said) is str and len(said) <= _LONGEST_SENTENCE and said.isprintable()
    if not (fits and isinstance(said, str) and is_normalized("NFC", said)):
        return ""
    return "" if holds_card_number(said) else said


def largest(
    portable: PortableModel, contributions: Sequence[int]
) -> tuple[tuple[ScoreContribution, ...], int]:
    """The contributions with the largest amounts, ties by name, and the sum of all others.

    Those that move nothing are left out.
    """
    named = sorted(
        (
            (-abs(amount), names, amount)
            for names, amount in zip(portable.contribution_names, contributions, strict=True)
            if amount
        ),
    )
    shown = named[:SHOWN_CONTRIBUTIONS]
    rest = sum(amount for _, _, amount in named[SHOWN_CONTRIBUTIONS:])
    return tuple(ScoreContribution(names, amount) for _, names, amount in shown), rest
