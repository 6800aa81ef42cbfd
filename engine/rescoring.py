"""Asks the models again from a record alone: whether they say today what they said then.

A replay takes recorded scores as they are. This is the second check: each score once more from the
inputs that the record holds, by the file whose hash it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Literal

from tidegate.dsl.program import Program
from tidegate.dsl.types import TEXT_KINDS, TIME, Value
from tidegate.engine.lowered import lowered_at, validations_of
from tidegate.engine.record import Record, RecordError, ScoreFacts
from tidegate.engine.scoring import InProcess, ScoredModel, Values
from tidegate.engine.situation import Situation
from tidegate.engine.values import NotHeldError, parse_value
from tidegate.models.portable import Input
from tidegate.rules.models import LoadedModel, Models, StoppedModel

Rescoring = Literal["identical", "differs", "another_file", "not_asked"]
Validation = Literal["agrees", "differs", "not_checked", "none"]
"""Whether a model's authority was lowered as its registry says, for the time of the event.

`not_checked`: the registry was not asked, then or now, or it speaks of another file. `none`: the
model was and is under work, and has no validation.
"""


@dataclass(frozen=True, slots=True)
class Rescored:
    """One model asked again.

    `another_file`: the policy has another file of it, or none, so that nothing can be said.
    `not_asked`: the record holds no answer of the model, which was out of use, stopped or did not
    answer, or whose score was given. `differing` names what differs of its `ScoreFacts`.
    `validation` says whether it was lowered as it had to be.
    """

    model: str
    version: int
    result: Rescoring
    differing: tuple[str, ...] = ()
    validation: Validation = "none"


def rescore(program: Program, models: Models, record: Record) -> tuple[Rescored, ...]:
    """Every model of the record once more; `RecordError` where inputs are not of their types."""
    return tuple(
        replace(
            _again(program, models, name, facts),
            validation=_validation(models.get(name), name, facts, record),
        )
        for name, facts in sorted(record.scored.items())
    )


def _validation(
    loaded: LoadedModel | StoppedModel | None, name: str, facts: ScoreFacts, record: Record
) -> Validation:
    """Whether the record lowers the model as the registry does, by the time of the event."""
    lowered = name in record.lowered
    is_served = isinstance(loaded, LoadedModel) and loaded.standing == "serving"
    if not (lowered or is_served or facts.standing == "serving"):
        return "none"
    if not isinstance(loaded, LoadedModel) or not is_served or facts.standing != "serving":
        return "not_checked"
    if loaded.hash != facts.hash:
        return "not_checked"
    at_us = parse_value(record.event.at, TIME, "")
    assert isinstance(at_us, int)
    ended = bool(lowered_at(validations_of({name: loaded}), at_us))
    return "agrees" if ended == lowered else "differs"


def _again(program: Program, models: Models, name: str, facts: ScoreFacts) -> Rescored:
    loaded = models.get(name)
    if facts.given or facts.status in ("unavailable", "failed"):
        return Rescored(name, facts.version, "not_asked")
    if not isinstance(loaded, LoadedModel) or loaded.hash != facts.hash:
        return Rescored(name, facts.version, "another_file")
    asked = ScoredModel(program.model(name), loaded, program.currency, _unread)
    values = tuple(_values(program.currency, loaded, facts))
    answer = asked.answer(values, InProcess(models).score(name, values, None))
    differing = tuple(
        field.name
        for field in fields(ScoreFacts)
        if field.name != "standing"  # how it stands today is another question
        and getattr(answer.facts, field.name) != getattr(facts, field.name)
    )
    return Rescored(name, facts.version, "differs" if differing else "identical", differing)


def _unread(_: Situation) -> Values:
    raise AssertionError("the inputs are those of the record")


def _values(currency: str, loaded: LoadedModel, facts: ScoreFacts) -> Iterator[Value | None]:
    if facts.inputs.keys() != {entry.name for entry in loaded.portable.inputs}:
        raise RecordError(f"the record lacks inputs of model `{loaded.portable.name}`")
    for entry in loaded.portable.inputs:
        yield _value(currency, entry, facts.inputs[entry.name])


def _value(currency: str, entry: Input, text: str | None) -> Value | None:
    if text is None or entry.type.kind in TEXT_KINDS:
        return text
    try:
        return parse_value(text, entry.type, currency)
    except NotHeldError as cause:
        raise RecordError(f"the input `{entry.name}` is not of its type") from cause
