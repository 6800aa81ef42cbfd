"""A record that contradicts itself about scores is found, without any model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.engine.scored_policy import payment, scored_policy
from tests.engine.small_policy import SmallPolicy
from tests.engine.test_scoring import AT, MOTO, decided, telling
from tidegate.engine.decision import Engine
from tidegate.engine.record import Record, parse_record
from tidegate.engine.rescoring import rescore
from tidegate.models.scored import Unavailable
from tidegate.rules.models import LoadedModel

POLICY = scored_policy()
BARE = Engine(replace(POLICY, models={}))
"""Years later: the policy, and none of its models."""


def facts(record: Record, **changes: Any) -> Record:
    """The record with other facts of `boosting`."""
    spoiled = replace(record.scored["boosting"], **changes)
    return replace(record, scored={**record.scored, "boosting": spoiled})


def followed(record: Record) -> Record:
    """A forged record as whoever forged it would finish it: with the outcome that follows."""
    return parse_record(BARE.replay(record).record.to_bytes())


def found(record: Record) -> set[str]:
    """The places at which the record contradicts itself."""
    again = BARE.replay(record)
    assert again.identical == (not again.contradictions and not again.differences)
    return {one.path for one in again.contradictions}


def honest(**fields: Any) -> Record:
    return decided(Engine(POLICY), **(fields or MOTO)).record


@pytest.mark.parametrize(
    "record",
    [
        honest(),
        honest(amount="4500.00 EUR"),  # abstains
        honest(amount="6000.00 EUR"),  # outside its use
        decided(Engine(POLICY, scorer=telling(Unavailable("late"))), **MOTO).record,
        decided(Engine(POLICY, scorer=telling(Unavailable("starting"))), **MOTO).record,
        decided(Engine(POLICY, scorer=telling(7)), **MOTO).record,
        decided(Engine(POLICY), at="2027-12-01T10:00:00Z", **MOTO).record,
    ],
)
def test_an_honest_record_agrees_with_itself(record: Record) -> None:
    """Every replay would be a false alarm."""
    assert found(parse_record(record.to_bytes())) == set()


def with_scores(engine: Engine, **scores: str) -> Record:
    return engine.decide(payment(**MOTO), features={"tries": 5}, scores=scores).record


FORGERIES: list[tuple[str, Callable[[Record], Record]]] = [
    ("inputs.risk", lambda r: replace(r, inputs={**r.inputs, "risk": "0.01"})),
    ("scored.boosting.inputs.tries", lambda r: replace(r, inputs={**r.inputs, "tries": "1"})),
    (
        "scored.boosting.inputs.share",
        lambda r: replace(r, inputs={**r.inputs, "amount": "5.00 EUR"}),
    ),
    ("scored.boosting.total", lambda r: facts(r, total=-5)),
    ("scored.boosting.score", lambda r: facts(r, score=10_000)),
    ("scored.boosting.total", lambda r: facts(r, rest=1)),
    ("scored.boosting.score", lambda r: facts(r, unit=1)),
    ("scored.boosting.score", lambda r: facts(r, unit=0)),
    ("scored.boosting.score", lambda r: facts(r, unit=2**70)),
    ("scored.boosting.score", lambda r: facts(r, link="probability", divisor=2)),
    ("scored.boosting.score", lambda r: facts(r, status="abstained")),
    ("scored.boosting.total", lambda r: facts(r, given=True)),
    ("scored.boosting.reason", lambda r: facts(r, reason="outside_use")),
    ("scored.boosting.version", lambda r: facts(r, version=4)),
    ("scores.boosting", lambda r: replace(r, scores={**r.scores, "boosting": "abstained"})),
    ("scored.vendor", lambda r: replace(r, scored={**r.scored, "vendor": r.scored["boosting"]})),
    ("scores.boosting", lambda r: replace(r, scored={})),
    (
        "missing.risk",
        lambda r: replace(
            r, inputs={**r.inputs, "risk": None}, missing={**r.missing, "risk": "crashed"}
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("path", "forge"), FORGERIES)
def test_a_forged_score_is_found(path: str, forge: Callable[[Record], Record]) -> None:
    """Rules would have read another score than the explanation tells of, and replay would agree."""
    forged = followed(forge(honest()))
    assert path in found(forged)


def test_a_score_that_was_given_does_not_pass_for_one_of_the_model() -> None:
    """A what-if would be kept as what the model said."""
    true = honest()
    what_if = Engine(POLICY, given_scores=True)
    given = with_scores(what_if, risk="0.01")
    assert found(given) == set()
    assert "scored.boosting.total" in found(followed(facts(given, given=False)))
    assert "inputs.risk" in found(followed(replace(given, scored=true.scored)))


@pytest.mark.parametrize("word", ["late", "starting"])
def test_a_failure_does_not_pass_for_an_outage(word: str) -> None:
    """What follows would no longer stay within what the model may cause, or would without need."""
    record = decided(Engine(POLICY, scorer=telling(Unavailable(word))), **MOTO).record
    other: Any = {"failed": "unavailable", "unavailable": "failed"}[record.scores["boosting"]]
    forged = facts(replace(record, scores={**record.scores, "boosting": other}), status=other)
    assert found(followed(forged)) == {"scored.boosting.status"}


@pytest.mark.parametrize(
    ("score", "status"), [("nan", "unavailable"), ("abstained", "unavailable"), ("7", "failed")]
)
def test_an_external_score_has_the_status_that_follows(score: str, status: Any) -> None:
    """The same of a score that came with the event."""
    record = with_scores(Engine(POLICY), vendor_score=score)
    assert found(record) == set()
    forged = replace(record, scores={**record.scores, "vendor": status})
    assert found(followed(forged)) == {"scores.vendor"}


def test_authority_that_was_not_lowered_is_found_where_the_registry_is_asked() -> None:
    """Whoever keeps records could give a model back what it had lost."""
    boosting = POLICY.models["boosting"]
    assert isinstance(boosting, LoadedModel)
    ended = replace(boosting, validated_until_us=AT, standing="serving")
    serving = replace(POLICY, models={**POLICY.models, "boosting": ended})
    record = decided(Engine(serving), **MOTO).record
    forged = replace(record, lowered=())

    def said(record: Record, policy: SmallPolicy) -> str:
        found = rescore(policy.program, policy.models, record)
        return next(one.validation for one in found if one.model == "boosting")

    assert record.lowered == ("boosting",)
    assert (said(record, serving), said(forged, serving)) == ("agrees", "differs")
    assert said(record, POLICY) == said(forged, POLICY) == "not_checked"
    assert said(honest(), POLICY) == "none"
