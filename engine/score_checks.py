"""Whether a record agrees with itself about scores: what rules read, what models said, and of what.

A replay takes scores as they were recorded, so it alone would follow a record whose parts tell of
different scores. Nothing but the record and the program is read here; whether a model says the same
again is `rescoring`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tidegate.dsl.program import Model, Program
from tidegate.dsl.types import NUMBER, TEXT_KINDS
from tidegate.engine.differences_of_records import Difference
from tidegate.engine.given import ABSTAINED, BAD_SCORE
from tidegate.engine.interpreter import reader_of, truth, value_of
from tidegate.engine.record import Record, ScoreFacts
from tidegate.engine.scoring import OUTSIDE_USE
from tidegate.engine.situation import OWN_ACTS, Situation
from tidegate.engine.values import format_value
from tidegate.models.logistic import logistic_score, share_score
from tidegate.models.portable import SCORE_SCALE
from tidegate.models.scored import NOT_THE_MODELS_ACT

_MOST = 2**63
_STATUS_OF = {ABSTAINED: "abstained", BAD_SCORE: "failed"}


def check_scores(
    program: Program, situation: Situation, record: Record, *, same_policy: bool
) -> Iterator[Difference]:
    """Every place at which the record contradicts itself: what stands there, what would follow.

    same_policy: whether `program` is the one that decided; only then its models say what was read.
    """
    models = {name: program.model(name) for name in situation.event.models}
    for name, facts in sorted(record.scored.items()):
        model = models.get(name)
        yield from _sums(f"scored.{name}", facts)
        if model is not None:
            yield from _one_score(model, facts, record)
        if same_policy:
            yield from _origin(program, model, name, facts, situation)
    for name, model in models.items():
        if name not in record.scored:
            yield from _no_facts(model, record, same_policy=same_policy)


# --- within the facts ---------------------------------------------------------------------------


def _sums(path: str, facts: ScoreFacts) -> Iterator[Difference]:
    """Base + contributions + rest = total, and the score is that of the total."""
    if (facts.score is not None) != (facts.status == "ok"):
        yield _differs(f"{path}.score", facts.score, "a score where the status is ok, alone")
        return
    parts = bool(facts.contributions or facts.rest or facts.total is not None)
    if facts.given or facts.status != "ok":
        if parts:
            yield _differs(f"{path}.total", facts.total, None)
        return
    total = facts.base + sum(part.amount for part in facts.contributions) + facts.rest
    if total != facts.total:
        yield _differs(f"{path}.total", facts.total, total)
    score = _score_of(facts, total)
    if score != facts.score:
        yield _differs(f"{path}.score", facts.score, "no score" if score is None else score)


def _score_of(facts: ScoreFacts, total: int) -> int | None:
    if min(facts.unit, facts.divisor) < 1 or abs(total) >= _MOST:
        return None
    if facts.unit * facts.divisor >= _MOST:
        return None
    if facts.link == "logit":
        return logistic_score(total, facts.unit)
    score = share_score(total, facts.unit * facts.divisor)
    return score if 0 <= score <= SCORE_SCALE else None


# --- between the facts and what rules read ------------------------------------------------------


def _one_score(model: Model, facts: ScoreFacts, record: Record) -> Iterator[Difference]:
    """Status, score and why there is none are the same wherever they stand."""
    name, score = model.name, model.score
    status = record.scores.get(name)
    if status != facts.status:
        yield _differs(f"scores.{name}", status, facts.status)
    told = None if facts.score is None else format_value(facts.score, NUMBER, "")
    if score in record.inputs and record.inputs[score] != told:
        yield _differs(f"inputs.{score}", record.inputs[score], told)
    why = None if facts.score is not None else facts.reason
    if facts.status == "abstained":
        why = ABSTAINED
    if score in record.inputs and record.missing.get(score) != why:
        yield _differs(f"missing.{score}", record.missing.get(score), why)


def _no_facts(model: Model, record: Record, *, same_policy: bool) -> Iterator[Difference]:
    """What an external model said, or one of which no version serves."""
    status = record.scores.get(model.name)
    if same_policy and not model.external and status not in (None, "unavailable"):
        yield _differs(f"scores.{model.name}", status, "unavailable")
    if model.score not in record.inputs:
        return
    said = record.inputs[model.score] is not None
    if said and status != "ok":
        yield _differs(f"scores.{model.name}", status, "ok")
    wanted = _STATUS_OF.get(record.missing.get(model.score, ""))
    if wanted is not None and status != wanted:
        yield _differs(f"scores.{model.name}", status, wanted)


# --- between the facts and the event ------------------------------------------------------------


def _origin(
    program: Program, model: Model | None, name: str, facts: ScoreFacts, situation: Situation
) -> Iterator[Difference]:
    """The model is used here, and was asked of this event and no other."""
    path = f"scored.{name}"
    if model is None or model.external:
        yield _differs(path, "a model's score", "absent")
        return
    reader = reader_of(situation)
    outside = model.use_when is not None and not truth(model.use_when, reader)
    if outside != (facts.reason == OUTSIDE_USE):
        yield _differs(f"{path}.reason", facts.reason, OUTSIDE_USE if outside else "within its use")
        return
    if facts.version > model.version:
        yield _differs(f"{path}.version", facts.version, f"at most {model.version}")
    asked = dict[str, str | None]()
    for entry, read in zip(model.read_names, model.reads, strict=True):
        value = value_of(read, reader)
        if value is None or (read.type.kind in TEXT_KINDS and isinstance(value, str)):
            asked[entry] = value
        else:
            asked[entry] = format_value(value, read.type, program.currency)
    yield from _inputs(path, facts, asked)


def _inputs(path: str, facts: ScoreFacts, asked: Mapping[str, str | None]) -> Iterator[Difference]:
    heard = facts.status == "ok" or facts.status in OWN_ACTS
    if facts.given or (not heard and not facts.inputs):
        asked = {}
    elif heard == (facts.reason in NOT_THE_MODELS_ACT):
        # A model that was asked and gave nothing failed, unless whoever asked it did.
        yield _differs(f"{path}.status", facts.status, "unavailable" if heard else "failed")
    for name in sorted({*facts.inputs, *asked}):
        recorded, found = facts.inputs.get(name, _ABSENT), asked.get(name, _ABSENT)
        if recorded != found:
            yield _differs(f"{path}.inputs.{name}", recorded, found)


_ABSENT = "absent"


def _differs(path: str, recorded: object, follows: object) -> Difference:
    shown = ("none" if value is None else str(value) for value in (recorded, follows))
    return Difference(path, *shown)
