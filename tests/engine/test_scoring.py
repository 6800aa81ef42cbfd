"""Models of a policy are scored by the engine from what the rules see, and believed so far only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from tests.engine.scored_policy import BOOSTING, CHALLENGER, TEXT, loaded, payment, scored_policy
from tests.engine.small_policy import SmallPolicy, policy_of
from tidegate.dsl.types import COUNT, Value
from tidegate.engine import Decision, Engine, EventRefused, parse_record
from tidegate.engine.counterfactual import counterfactuals
from tidegate.engine.evaluator import EvaluatorKind
from tidegate.engine.record import ScoreFacts, canonical_bytes
from tidegate.engine.rescoring import Rescored, rescore
from tidegate.engine.score_explanation import rounded_together
from tidegate.engine.scoring import SHOWN_CONTRIBUTIONS, InProcess
from tidegate.engine.values import parse_time
from tidegate.models.portable import Axis, Input, PortableModel, TableTerm
from tidegate.models.scored import Scored, Unavailable
from tidegate.rules.models import StoppedModel

AT = parse_time("2026-11-23T13:00:00Z")
MOTO = {"amount": "1500.00 EUR", "channel": "moto"}
"""2500 + 900 + 700 + 250 + 123.456789 - 2000 thousandths of a logit."""


def decided(engine: Engine, **fields: object) -> Decision:
    """What is decided of the card's sixth payment in ten minutes."""
    return engine.decide(payment(**fields), features={"tries": 5}, scores={"vendor_score": 12})


@dataclass
class Told:
    """A scorer that keeps what it was asked and says what it is told to say."""

    say: Callable[[str, Sequence[Value | None]], Any]
    asked: list[tuple[str, tuple[Value | None, ...], int | None]] = field(default_factory=list)

    def score(self, model: str, values: Sequence[Value | None], within_us: int | None) -> Any:
        self.asked.append((model, tuple(values), within_us))
        return self.say(model, values)


def telling(answer: object) -> Told:
    """Says this for boosting, and what is right for any other model."""
    right = InProcess(scored_policy().models)
    return Told(lambda model, v: answer if model == "boosting" else right.score(model, v, None))


# --- scores ------------------------------------------------------------------------------------


@pytest.mark.parametrize("evaluator", ["compiled", "interpreter"])
def test_the_score_is_worked_out_from_what_the_event_holds(evaluator: EvaluatorKind) -> None:
    """Rules would be decided by a number that nobody gave and nobody can check."""
    decision = decided(Engine(scored_policy(), evaluator=evaluator), **MOTO)
    facts = decision.record.scored["boosting"]
    assert facts.total == 2_473_456_789
    assert facts.score == 922_260
    assert decision.record.inputs["risk"] == "0.92226"
    assert decision.outcome.word == "step_up"
    assert facts.inputs == {
        "amount": "1500.00 EUR", "channel": "moto", "tries": "5", "tip": None, "share": "15",
    }  # fmt: skip
    assert (facts.version, facts.hash) == (3, loaded(BOOSTING).hash)


def test_a_model_is_asked_with_its_own_order_and_the_limit_of_its_declaration() -> None:
    """An amount would be taken for a count, and a slow model would be waited for."""
    scorer = telling(Unavailable("timeout"))
    decision = decided(Engine(scored_policy(), scorer=scorer), **MOTO)
    assert scorer.asked[0] == ("boosting", (150_000, "moto", 5, None, 15_000_000), 20_000)
    assert scorer.asked[1] == ("challenger", (150_000,), None)
    assert decision.record.scores["boosting"] == "failed"
    assert decision.record.missing["risk"] == "timeout"
    assert decision.outcome.reasons == ("down",)


def test_the_recorded_contributions_sum_to_the_total() -> None:
    """An explanation would leave out what decided, and nobody would see that it does."""
    names = [f"n{i:02}" for i in range(14)]
    amounts = [3, -3, 7, 0, 20, -20, 1, 2, -4, 5, 6, -9, 8, 11]
    model = PortableModel(
        "boosting", 3, "additive", "logit", tuple(Input(n, COUNT) for n in names), 100,
        terms=tuple(TableTerm((Axis(i),), (a, 0)) for i, a in enumerate(amounts)), unit=10,
    )  # fmt: skip
    fields = "\n".join(f"  {n} count" for n in names)
    text = TEXT.replace("  tip      money?", f"  tip      money?\n{fields}")
    text = text.replace("reads share, channel, amount, tip, tries", f"reads {', '.join(names)}")
    engine = Engine(scored_policy(text, {"boosting": loaded(model)}))
    facts = decided(engine, **dict.fromkeys(names, 1)).record.scored["boosting"]
    assert len(facts.contributions) == SHOWN_CONTRIBUTIONS
    shown = [(part.inputs[0], part.amount) for part in facts.contributions]
    assert shown[:4] == [("n04", 20), ("n05", -20), ("n13", 11), ("n11", -9)]
    assert facts.total == 100 + sum(amounts)
    assert facts.base + sum(amount for _, amount in shown) + facts.rest == facts.total
    assert facts.rest == sum(amounts) - sum(amount for _, amount in shown) != 0


def test_a_model_outside_its_use_is_not_asked() -> None:
    """It would be scored on payments that it was never meant for, and slow them down."""
    scorer = telling(Unavailable("timeout"))
    decision = decided(Engine(scored_policy(), scorer=scorer), amount="6000.00 EUR")
    assert [model for model, _, _ in scorer.asked] == ["challenger"]
    assert decision.record.missing["risk"] == "outside_use"
    assert decision.record.masked == ("boosting",)
    assert "down" not in decision.outcome.reasons


def test_a_model_past_its_term_is_not_asked() -> None:
    """It would decide after the date that its owners agreed on."""
    scorer = telling(Unavailable("timeout"))
    decision = decided(Engine(scored_policy(), scorer=scorer), at="2027-07-01T00:00:00Z")
    assert [model for model, _, _ in scorer.asked] == ["challenger"]
    assert decision.record.missing["risk"] == "expired"
    assert decision.outcome.reasons == ("down",)


def test_a_model_that_somebody_stopped_is_not_asked() -> None:
    """A model that was disabled would go on deciding until the next release."""
    scorer = telling(Unavailable("timeout"))
    engine = Engine(scored_policy(), scorer=scorer)
    decision = engine.decide(
        payment(**MOTO), features={"tries": 5}, stopped={"boosting": "disabled"}
    )
    assert [model for model, _, _ in scorer.asked] == ["challenger"]
    assert decision.record.missing["risk"] == "disabled"
    assert decision.outcome.reasons == ("down",)


def test_a_policy_of_which_no_version_serves_decides_without_it() -> None:
    """A registry that refuses a file would take the payments with it."""
    stopped = StoppedModel("refused", "model.json is not what was signed")
    engine = Engine(scored_policy(models={"boosting": stopped}))
    decision = decided(engine, **MOTO)
    assert decision.record.missing["risk"] == "refused"
    assert decision.outcome.reasons == ("down",)
    with pytest.raises(EventRefused, match="worked out here"):
        engine.decide(payment(), features={"tries": 1}, scores={"risk": 0.1})


def test_a_model_abstains_beyond_what_it_was_trained_on() -> None:
    """Its guess would be taken for knowledge."""
    decision = decided(Engine(scored_policy()), amount="4500.00 EUR")
    facts = decision.record.scored["boosting"]
    assert (facts.status, facts.score, facts.contributions) == ("abstained", None, ())
    assert "4000.00 EUR" in facts.reason
    assert decision.record.scores["boosting"] == "abstained"
    assert facts.inputs["amount"] == "4500.00 EUR"
    assert "reason" not in facts.inputs


# --- answers that are not believed -------------------------------------------------------------

PARTS = (2_500_000_000, 700_000_000, 900_000_000, 123_456_789, 250_000_000)
GOOD = Scored("ok", 922_260, 2_473_456_789, PARTS)


def _raises(_: str, __: Sequence[Value | None]) -> object:
    raise MemoryError("in the scorer")


class _Sly(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compared")

    __hash__ = str.__hash__


BAD_ANSWERS = [
    None,
    0.5,
    922_260,
    ("ok", 922_260, GOOD.total, GOOD.contributions, ""),
    GOOD._replace(score=922_261),
    GOOD._replace(score=-1),
    GOOD._replace(score=10**6 + 1),
    GOOD._replace(score=True),
    GOOD._replace(score=None),
    GOOD._replace(score=0.92226),  # type: ignore[arg-type]
    GOOD._replace(total=GOOD.total + 1 if GOOD.total else 1),
    GOOD._replace(total=None),
    GOOD._replace(total=10**400, contributions=(10**400 + 2 * 10**9, 0, 0, 0, 0)),
    GOOD._replace(contributions=GOOD.contributions[:-1]),
    GOOD._replace(contributions=[*GOOD.contributions]),  # type: ignore[arg-type]
    GOOD._replace(contributions=(float(2_500_000_000), *GOOD.contributions[1:])),  # type: ignore[arg-type]
    GOOD._replace(contributions=(float("nan"), *GOOD.contributions[1:])),  # type: ignore[arg-type]
    GOOD._replace(status="fine"),  # type: ignore[arg-type]
    GOOD._replace(status=_Sly("ok")),  # type: ignore[arg-type]
    Unavailable("two words"),
    Unavailable("x" * 41),
    Unavailable(""),
    Unavailable(7),  # type: ignore[arg-type]
]


def test_a_good_answer_is_believed() -> None:
    """Each of the bad answers differs from it in one thing."""
    engine = Engine(scored_policy(), scorer=telling(GOOD))
    assert decided(engine, **MOTO).record == decided(Engine(scored_policy()), **MOTO).record


@pytest.mark.parametrize("answer", BAD_ANSWERS, ids=str)
def test_an_answer_that_does_not_hold_together_is_none(answer: object) -> None:
    """A scorer that went wrong would decide payments, or end the process."""
    decision = decided(Engine(scored_policy(), scorer=telling(answer)), **MOTO)
    facts = decision.record.scored["boosting"]
    assert (facts.status, facts.score, facts.total) == ("failed", None, None)
    assert decision.record.missing["risk"] == "bad_answer"
    assert decision.outcome.reasons == ("down",)
    assert parse_record(decision.record_bytes) == decision.record


def test_an_exception_of_a_scorer_is_no_answer() -> None:
    """A model that crashes would take the decision with it."""
    decision = decided(Engine(scored_policy(), scorer=Told(_raises)), **MOTO)
    assert decision.record.missing["risk"] == "scorer_failed"
    assert decision.record.scores["challenger"] == "failed"
    assert decision.outcome.reasons == ("down",)


@pytest.mark.parametrize(
    "reason", ["card 4111111111111111 of Jane", "a\nb", "\ud800", "e\u0301", "x" * 501, 7, None]
)
def test_words_that_no_record_holds_are_left_out(reason: Any) -> None:
    """A decision that cannot be recorded is not answered: an odd word would stop payments."""
    answer = Scored("abstained", None, None, (), reason)
    decision = decided(Engine(scored_policy(), scorer=telling(answer)), **MOTO)
    assert decision.record.scored["boosting"].reason == "abstained"
    assert decision.record.scores["boosting"] == "abstained"


@pytest.mark.parametrize("evaluator", ["compiled", "interpreter"])
@pytest.mark.parametrize(
    ("answer", "word"),
    [(Unavailable("late"), "approve"), (Unavailable("crashed"), "approve"), (7, "approve"),
     (Unavailable("overloaded"), "approve"), (Unavailable("closed"), "decline"),
     (Unavailable("starting"), "decline")],
)  # fmt: skip
def test_a_model_that_fails_causes_no_more_than_it_may(
    answer: object, word: str, evaluator: EvaluatorKind
) -> None:
    """A model that may not decline would, by being late for the payments that it picks."""
    text = TEXT.replace("if unavailable then review before because down",
                        "if unavailable then decline because down")  # fmt: skip
    policy = scored_policy(text)
    engine = Engine(policy, scorer=telling(answer), evaluator=evaluator)
    decision = decided(engine, **MOTO)
    assert decision.outcome.word == word
    assert [c.rung for c in decision.record.capped] == (["decline"] if word == "approve" else [])
    assert engine.replay(decision.record).identical


@pytest.mark.parametrize(
    ("score", "word"),
    [("nan", "approve"), ("100.5", "approve"), ("1.0000001", "approve"),
     ("abstained", "approve"), ("unavailable", "decline")],
)  # fmt: skip
def test_an_external_model_that_sends_no_score_causes_no_more_than_it_may(
    score: str, word: str
) -> None:
    """A vendor that may not decline would, by sending what is no score."""
    text = TEXT.replace('if unavailable then tag "no_vendor"',
                        "if unavailable then decline because risky")  # fmt: skip
    engine = Engine(scored_policy(text))
    said = engine.decide(payment(), features={"tries": 1}, scores={"vendor_score": score})
    assert said.outcome.word == word


# --- scores that are given ---------------------------------------------------------------------


@pytest.mark.parametrize("score", ["risk", "challenged"])
def test_the_score_of_a_model_of_the_policy_is_not_given(score: str) -> None:
    """Whoever sends payments would choose their own score."""
    with pytest.raises(EventRefused) as refused:
        Engine(scored_policy()).decide(payment(), features={"tries": 1}, scores={score: 0.1})
    assert [r.code for r in refused.value.refusals] == ["score_not_given"]
    assert "worked out here by model" in str(refused.value)


def test_what_if_a_score_had_been_another() -> None:
    """Cases could not say what happens at a threshold."""
    engine = Engine(scored_policy(), given_scores=True)
    features = {"tries": 5}
    decision = engine.decide(payment(**MOTO), features=features, scores={"risk": "0.05"})
    facts = decision.record.scored["boosting"]
    assert (facts.given, facts.score, facts.contributions) == (True, 50_000, ())
    assert decision.outcome.word == "approve"
    silent = engine.decide(payment(**MOTO), features=features, scores={"risk": "unavailable"})
    assert silent.outcome.reasons == ("down",)
    computed = engine.decide(payment(**MOTO), features=features)
    assert computed.record.scored["boosting"].given is False
    assert computed.outcome.word == "step_up"


def test_an_external_score_has_the_bounds_that_it_declares() -> None:
    """A vendor's 91 of 99 would be no score, and its rule would never fire."""
    engine = Engine(scored_policy())

    def heard(score: object) -> Decision:
        return engine.decide(payment(), features={"tries": 1}, scores={"vendor_score": score})  # type: ignore[dict-item]

    assert heard(91).record.rules.fired == ("vendor_says@1",)
    assert heard("99").record.inputs["vendor_score"] == "99"
    assert heard(100).record.missing["vendor_score"] == "bad_score"
    assert heard(-0.1).record.missing["vendor_score"] == "bad_score"
    assert "vendor" not in heard(91).record.scored


# --- the shadow --------------------------------------------------------------------------------


def test_a_model_in_the_shadow_is_recorded_and_never_acts() -> None:
    """A challenger that nobody approved would decline payments."""
    decision = decided(Engine(scored_policy()), amount="1500.00 EUR", channel="pos")
    assert decision.record.scored["challenger"].score == 731_059
    assert decision.outcome.disposition == "approve"
    assert decision.record.shadow_word == "decline"


@pytest.mark.parametrize("evaluator", ["compiled", "interpreter"])
def test_the_absence_of_a_shadow_model_counts_in_the_shadow_alone(evaluator: EvaluatorKind) -> None:
    """An outage of the challenger would decline every payment."""
    engine = Engine(scored_policy(), evaluator=evaluator)
    given = {"features": {"tries": 0}, "scores": {"vendor_score": 1}}
    decision = engine.decide(payment(), stopped={"challenger": "disabled"}, **given)  # type: ignore[arg-type]
    assert decision.outcome.word == "approve"
    assert (decision.outcome.points, decision.outcome.reasons) == (0, ())
    assert decision.record.shadow_word == "decline"
    assert decision.record.rules.fired == ("many@1",)
    assert "disposition" not in decision.record.determining
    # The same where no rule hears anything of it.
    quiet = scored_policy(TEXT.replace(", add 50 points", ""))
    engine = Engine(quiet, evaluator=evaluator)
    decision = engine.decide(payment(), stopped={"challenger": "disabled"}, **given)  # type: ignore[arg-type]
    assert (decision.outcome.word, decision.record.rules.fired) == ("approve", ())
    assert decision.record.shadow_word == "decline"


def test_a_shadow_model_that_gave_no_score_is_behind_nothing() -> None:
    """An explanation would blame what never acts."""
    text = TEXT.replace("then decline because risky, add 50 points", "then hold because risky")
    engine = Engine(scored_policy(text), given_scores=True)
    decision = engine.decide(
        payment(amount="4500.00 EUR"),
        features={"tries": 0},
        scores={"risk": "0.15"},
        stopped={"challenger": "disabled"},
    )
    found = decision.record.determining["disposition"]
    assert (found.rules, found.models) == (("dear@1",), ())


# --- less authority ----------------------------------------------------------------------------


def lowering(until_us: int, **kwargs: Any) -> Engine:
    """An engine whose model was validated until then."""
    return Engine(scored_policy(models={"boosting": loaded(BOOSTING, until_us)}), **kwargs)


@pytest.mark.parametrize("evaluator", ["compiled", "interpreter"])
def test_a_validation_that_has_ended_lowers_authority(evaluator: EvaluatorKind) -> None:
    """A model that nobody looks after any more would go on asking customers to authenticate."""
    before = decided(lowering(AT + 1, evaluator=evaluator), **MOTO)
    assert (before.record.lowered, before.outcome.authentication) == ((), "mandated")
    after = decided(lowering(AT, evaluator=evaluator), **MOTO)
    assert after.record.lowered == ("boosting",)
    assert (after.outcome.authentication, after.outcome.review) == ("none", "after")
    assert [(c.rung, c.models) for c in after.record.capped] == [("mandated", ("boosting",))]


@pytest.mark.parametrize("evaluator", ["compiled", "interpreter"])
def test_a_model_that_was_lowered_excepts_nothing(evaluator: EvaluatorKind) -> None:
    """`relax` is authority, too: its score would let payments through."""
    given: dict[str, Any] = {"features": {"tries": 0}, "scores": {"risk": "0.01"}}
    kwargs: dict[str, Any] = {"evaluator": evaluator, "given_scores": True}
    excepted = lowering(AT + 1, **kwargs).decide(payment(amount="4500.00 EUR"), **given)
    assert excepted.outcome.word == "approve"
    held = lowering(AT, **kwargs).decide(payment(amount="4500.00 EUR"), **given)
    assert held.outcome.disposition == "hold"
    (dear,) = held.explain().ladders[0].rules
    assert (dear.rule, dear.state) == ("dear@1", "fired")
    assert dear.exceptions[0].atoms[0].state == "masked"


def test_a_lowered_decision_is_replayed_and_explained_as_it_was() -> None:
    """A replay by the model's authority of another day would find differences that are none."""
    engine = lowering(AT)
    decision = decided(engine, **MOTO)
    again = engine.replay(parse_record(decision.record_bytes))
    assert again.identical
    assert "the validation of boosting has ended" in str(decision.explain())
    assert [c.rung for c in decision.explain_rule("risky").capped] == ["mandated"]
    # The policy alone, loaded again without its registry, comes to the same.
    assert Engine(scored_policy()).replay(decision.record).identical


# --- replay, and asking again ------------------------------------------------------------------


def test_a_record_is_replayed_without_the_model() -> None:
    """A replay would need every file of every model that ever decided."""
    policy = scored_policy()
    decision = decided(Engine(policy), **MOTO)
    bare = replace(policy, models={})
    assert Engine(bare).replay(parse_record(decision.record_bytes)).identical


def test_models_say_again_what_they_said() -> None:
    """A file that was changed behind its hash, or a record, would go unnoticed."""
    policy = scored_policy()
    record = decided(Engine(policy), **MOTO).record

    def again(record: Any = record, policy: SmallPolicy = policy) -> dict[str, Rescored]:
        return {one.model: one for one in rescore(policy.program, policy.models, record)}

    assert {one.result for one in again().values()} == {"identical"}
    abstained = decided(Engine(policy), amount="4500.00 EUR").record
    assert again(abstained)["boosting"].result == "identical"
    facts = record.scored["boosting"]

    def spoiled(**fields: Any) -> Rescored:
        scored = {**record.scored, "boosting": replace(facts, **fields)}
        return again(replace(record, scored=scored))["boosting"]

    assert spoiled(score=922_261).differing == ("score",)
    assert "total" in spoiled(inputs={**facts.inputs, "tries": "1"}).differing
    assert spoiled(rest=1).differing == ("rest",)
    assert spoiled(hash="0" * 64).result == "another_file"
    assert spoiled(given=True).result == "not_asked"
    assert again(policy=replace(policy, models={}))["boosting"].result == "another_file"


# --- explanation -------------------------------------------------------------------------------


def test_the_contributions_that_are_shown_sum_to_the_total() -> None:
    """Whoever adds them up would think that something is hidden."""
    score = decided(Engine(scored_policy()), **MOTO).explain().scores[0]
    shown = [score.base, *(part.shown for part in score.contributions)]
    assert sum(map(Fraction, shown)) == Fraction(score.total) == Fraction("2.473")
    assert (score.contributions[0].inputs, score.contributions[0].values) == (
        ("amount",), ("1500.00 EUR",),
    )  # fmt: skip
    exact = -2_000_000_000 + sum(part.amount for part in score.contributions)
    assert exact == 2_473_456_789


def test_rounding_together_adds_up() -> None:
    """One part in a hundred would make the sum wrong in its last place."""
    rng = Random(7)
    for _ in range(2_000):
        parts = [rng.randint(-3 * 10**9, 3 * 10**9) for _ in range(rng.randint(1, 10))]
        whole = rng.choice((10**9, 100 * 10**9, 7))
        found = rounded_together(parts, whole, 1_000)
        assert sum(found) == round(Fraction(sum(parts) * 1_000, whole))
        for part, steps in zip(parts, found, strict=True):
            assert abs(Fraction(part * 1_000, whole) - steps) < 1


def test_the_customer_hears_nothing_of_models() -> None:
    """Scores and thresholds teach fraud."""
    engine = lowering(AT)
    for decision in (decided(engine, **MOTO), decided(engine, amount="4500.00 EUR")):
        said = repr(decision.explain("customer")) + str(decision.explain("customer"))
        for word in ("boosting", "challenge", "risk", "0.9", "EUR", "logit", "score of"):
            assert word not in said.replace("There was no score", "")


# --- without models ----------------------------------------------------------------------------


def test_a_record_without_models_of_the_policy_holds_no_scores() -> None:
    """Every decision would carry what only scored ones need."""
    text = TEXT.replace(
        'from "models/boosting"\n  reads share, channel, amount, tip, tries', "external"
    )
    text = text.replace('from "models/challenger"\n  reads amount', "external")
    decision = Engine(policy_of(text)).decide(
        payment(), features={"tries": 1}, scores={"risk": 0.9}
    )
    assert (decision.record.scored, decision.record.lowered) == ({}, ())
    assert decision.outcome.word == "step_up"


def test_facts_are_held_by_canonical_bytes() -> None:
    """A record that cannot be written is a payment that is not answered."""
    facts = decided(Engine(scored_policy()), **MOTO).record.scored["challenger"]
    assert isinstance(facts, ScoreFacts)
    assert b'"total":1000000000' in canonical_bytes(facts)
    assert CHALLENGER.base == facts.base


# --- counterfactuals ---------------------------------------------------------------------------


def test_a_counterfactual_says_whose_score_it_held() -> None:
    """The model would say something else of the other payment, and the promise would be empty."""
    engine = Engine(scored_policy(), given_scores=True)
    decision = engine.decide(
        payment(amount="4500.00 EUR"),
        features={"tries": 5},
        scores={"vendor_score": 1, "risk": "0.15"},
    )
    found = counterfactuals(engine.program, decision.record, audience="analyst")
    by_changes = {tuple(c.name for c in one.changes): one.held for one in found.found}
    assert by_changes[("amount",)] == ("challenger",), "the score of boosting was given"
    assert by_changes[("risk",)] == ()
    computed = decided(Engine(scored_policy()), **MOTO).record
    others = counterfactuals(
        engine.program, computed, audience="analyst", keep=("risk",), to="decline"
    )
    assert all(one.held for one in others.found if "amount" in {c.name for c in one.changes})
    text = str(counterfactuals(engine.program, decision.record, audience="analyst"))
    assert "the score of challenger held as it was, though it reads what changes" in text


def test_a_counterfactual_of_a_lowered_decision_stays_lowered() -> None:
    """It would promise what a model may no longer cause."""

    def by_the_score_alone(engine: Engine) -> bool:
        record = engine.decide(payment(), features={"tries": 0}).record
        found = counterfactuals(engine.program, record, audience="analyst", to="step_up")
        return any([c.name for c in one.changes] == ["risk"] for one in found.found)

    assert by_the_score_alone(lowering(AT + 1))
    assert not by_the_score_alone(lowering(AT))
