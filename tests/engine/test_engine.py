"""The engine as an application embeds it."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import tidegate.engine
from tests.engine.small_policy import CARDS, TRUSTED, cards, payment, policy_of
from tidegate.dsl.rates import of_quotes
from tidegate.engine.decision import Engine, EventRefused
from tidegate.engine.evaluator import EvaluatorKind
from tidegate.rules import load_policy

FEATURES: dict[str, object] = {"tries": 1, "typical": "20.00 EUR"}
SCORES = {"fraud_score": "0.10"}
EVALUATORS: tuple[EvaluatorKind, ...] = ("compiled", "interpreter")

TWO_EVENTS = """
policy two language 1
  currency EUR
  timezone "UTC"
event payment decided by default approve
  silent review
  id text key
  at time
  amount money
event refund decided by default hold
  silent review
  id text key
  at time
event login
  id text key
  at time
"""


CARD = "4111111111111111"


def _codes(call: Any) -> list[tuple[str, str]]:
    with pytest.raises(EventRefused) as refused:
        call()
    return [(refusal.code, refusal.path) for refusal in refused.value.refusals]


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize(
    ("fields", "features", "scores", "word"),
    [
        ({}, FEATURES, SCORES, "approve"),
        ({"amount": "4.99 EUR"}, {**FEATURES, "tries": 5}, SCORES, "decline"),
        ({"amount": "5.00 EUR"}, {**FEATURES, "tries": 5}, SCORES, "approve"),
        ({"amount": "4.99 EUR"}, {**FEATURES, "tries": 4}, SCORES, "approve"),
        (
            {"amount": "4.99 EUR", "customer": "cus_trusted_1"},
            {**FEATURES, "tries": 5},
            SCORES,
            "approve",
        ),
        ({"card": "tok_blocked_card_1"}, FEATURES, SCORES, "decline"),
        ({"amount": "50.01 EUR"}, FEATURES, {"fraud_score": "0.85"}, "step_up"),
        ({"amount": "50.01 EUR"}, FEATURES, {"fraud_score": "0.849999"}, "approve"),
        ({"amount": "1000.01 EUR"}, FEATURES, {"fraud_score": "0.99"}, "approve"),
        ({"amount": "1000.01 EUR", "at": "2026-11-23T01:00:00Z"}, FEATURES, SCORES, "review"),
        ({"at": "2026-04-01T12:00:00Z"}, FEATURES, SCORES, "review"),
    ],
)
def test_decides(
    evaluator: EvaluatorKind,
    fields: dict[str, object],
    features: dict[str, object],
    scores: dict[str, str],
    word: str,
) -> None:
    """A rule would not do what its text says."""
    engine = Engine(cards(), evaluator=evaluator)
    decision = engine.decide(payment(**fields), features=features, scores=scores)

    assert decision.outcome.word == word
    assert decision.record.outcome.word == word


def test_both_evaluators_write_the_same_record() -> None:
    """The compiled rules would mean something else than the definition says."""
    first, second = (
        Engine(cards(), evaluator=kind).decide(
            payment(amount="60.00 EUR"), features=FEATURES, scores={"fraud_score": "0.995"}
        )
        for kind in EVALUATORS
    )

    assert first.record_bytes == second.record_bytes


def test_all_refusals_of_an_event_are_carried() -> None:
    """A caller would see one mistake at a time."""
    engine = Engine(cards())

    assert _codes(lambda: engine.decide({"id": "x", "card": 5, "colour": "red"})) == [
        ("missing_field", "at"),
        ("missing_field", "amount"),
        ("wrong_type", "card"),
        ("missing_field", "card_country"),
        ("missing_field", "channel"),
        ("unknown_field", "colour"),
        ("missing_feature", "tries"),
    ]


def test_a_card_number_never_reaches_the_exception() -> None:
    """A log of the exception would hold the card number."""
    engine = Engine(cards())

    with pytest.raises(EventRefused) as refused:
        engine.decide(payment(card=CARD))
    assert "4111" not in f"{refused.value!s} {refused.value!r} {refused.value.refusals!r}"


@pytest.mark.parametrize("given", [{"features": {CARD: 1}}, {"scores": {CARD: "0.5"}}])
def test_a_card_number_as_a_name_never_reaches_the_exception(given: dict[str, Any]) -> None:
    """The door would hide a card number in the event and repeat it beside it."""
    with pytest.raises(EventRefused) as refused:
        Engine(cards()).decide(payment(), **given)
    assert "4111" not in f"{refused.value!s} {refused.value!r} {refused.value.refusals!r}"


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        ({"features": FEATURES, "scores": {"fraud_scor": "0.5"}},
         [("unknown_score", "fraud_scor")]),
        ({"features": {"trie": 1}}, [("missing_feature", "tries"), ("unknown_feature", "trie")]),
        ({"features": FEATURES | {"x\u202ey": 1}}, [("unknown_feature", "x\ufffdy")]),
        ({"features": FEATURES | {"4111111111111111": 1}}, [("card_number", "")]),
        ({"features": FEATURES, "scores": {"4111 1111 1111 1111": "0.5"}}, [("card_number", "")]),
        ({"features": {"tries": "many", "typical": 5}},
         [("wrong_type", "tries"), ("wrong_type", "typical")]),
        ({"features": {"tries": -1}}, [("out_of_range", "tries")]),
        ({"features": {"tries": 1, "typical": "5 USD"}}, [("no_rate", "typical")]),
        ({"features": {"typical": "5 EUR"}}, [("missing_feature", "tries")]),
        ({"features": {"tries": None}}, [("missing_feature", "tries")]),
    ],
)  # fmt: skip
def test_refuses_bad_features_and_scores(
    given: dict[str, Any], codes: list[tuple[str, str]]
) -> None:
    """A misspelt feature would be missing, and its rules silently off."""
    engine = Engine(cards())

    assert sorted(_codes(lambda: engine.decide(payment(), **given))) == codes


def test_a_feature_may_be_left_out_where_rules_say_what_happens_then() -> None:
    """A caller without windows could not decide at all."""
    decision = Engine(cards()).decide(payment(), features={"tries": 1}, scores=SCORES)

    assert decision.record.missing == {"typical": "not_given"}


def test_features_as_windows_give_them() -> None:
    """A service would have to write features as text first."""
    engine = Engine(cards())
    admitted = engine.admit(payment())
    decision = engine.decide_admitted(
        admitted, features={"tries": (3, None), "typical": (None, "empty_window")}, scores=SCORES
    )

    assert decision.record.inputs["tries"] == "3"
    assert decision.record.missing == {"typical": "empty_window"}


def test_the_event_is_named_where_several_are_decided() -> None:
    """An event would be decided by the rules of another."""
    engine = Engine(policy_of(TWO_EVENTS))
    body = {"id": "r-1", "at": "2026-11-23T14:00:00Z"}

    assert engine.events == ("payment", "refund")
    assert engine.decide(body, "refund").outcome.word == "review"
    assert _codes(lambda: engine.decide(body)) == [("unknown_event", "")]
    assert _codes(lambda: engine.decide(body, "refunds")) == [("unknown_event", "")]
    assert _codes(lambda: engine.decide(body, "login")) == [("not_decided", "")]
    assert engine.admit(body, "login").key == "r-1"


def test_tokens_are_hashed_before_anything_reads_them() -> None:
    """A record would hold the raw token."""
    decision = Engine(cards()).decide(
        payment(), features=FEATURES, scores=SCORES, hash_token=lambda field, _: f"hashed_{field}"
    )

    assert decision.record.inputs["card"] == "hashed_card"
    assert b"tok_" not in decision.record_bytes


def test_the_stamp_is_the_time_that_rules_see() -> None:
    """The sender could choose the hour it is judged at."""
    stamped = Engine(cards()).decide(
        payment(at=None), features=FEATURES, scores=SCORES, at_us=1_795_424_400_000_000
    )

    assert stamped.record.event.at == "2026-11-23T09:00:00Z"


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_threads_share_one_engine(evaluator: EvaluatorKind) -> None:
    """A decision would depend on what another thread decides at the same time."""
    engine = Engine(cards(), evaluator=evaluator)
    jobs = [
        (payment(id=f"p-{i}", amount=f"{i * 7}.00 EUR"), {"tries": i % 9}, f"0.{i:02}")
        for i in range(99)
    ]

    def decide(job: tuple[dict[str, object], dict[str, int], str]) -> bytes:
        body, features, score = job
        scores = {"fraud_score": score}
        return engine.decide(body, features=features, scores=scores).record_bytes

    expected = [Engine(cards()).decide(b, features=f, scores={"fraud_score": s}).record_bytes
                for b, f, s in jobs]  # fmt: skip
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            results = [list(pool.map(decide, jobs)) for _ in range(3)]
    finally:
        sys.setswitchinterval(before)

    assert results == [expected] * 3


def test_decides_by_a_policy_folder(tmp_path: Path) -> None:
    """What `load_policy` gives would not fit the engine."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "lists").mkdir()
    (tmp_path / "rates").mkdir()
    (tmp_path / "rules" / "cards.tide").write_text(CARDS)
    (tmp_path / "lists" / "blocked.csv").write_text("value\ntok_blocked_card_1\n")
    (tmp_path / "rates" / "ecb.csv").write_text("date,currency,rate\n2026-11-20,USD,2\n")
    policy = load_policy(tmp_path)
    engine = Engine(policy)
    # The managed list was not given: that the customer is trusted is unknown, and does not relax.
    burst = engine.decide(
        payment(amount="9.00 USD", customer="cus_trusted_1"), features={"tries": 9}
    )
    trusted = engine.decide(
        payment(amount="9.00 USD", customer="cus_trusted_1"),
        features={"tries": 9},
        lists={"trusted": TRUSTED},
    )

    assert burst.record.policy.hash == policy.hash
    assert (burst.outcome.word, trusted.outcome.word) == ("decline", "approve")
    assert burst.record.inputs["amount"] == "4.50 EUR"
    assert engine.decide(
        payment(card="tok_blocked_card_1"), features={"tries": 1}
    ).outcome.reasons == ("stolen", "model_down")


def test_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    """An application's output would hold ours."""
    Engine(cards()).decide(payment(), features=FEATURES, scores=SCORES).explain()

    assert capfd.readouterr() == ("", "")


def test_the_body_is_left_as_it_was() -> None:
    """A caller's own event would change under its hands."""
    body = payment()
    before = dict(body)
    Engine(cards()).decide(body, features=FEATURES, scores=SCORES)

    assert body == before


@pytest.mark.parametrize("name", tidegate.engine.__all__)
def test_every_public_name_resolves(name: str) -> None:
    """A name that moved would fail at its first use only."""
    assert getattr(tidegate.engine, name).__name__ == name
    assert name in dir(tidegate.engine)


def test_an_unknown_name_is_no_attribute() -> None:
    """`hasattr` would raise something else than AttributeError."""
    assert not hasattr(tidegate.engine, "nothing")


def test_rules_read_the_original_amount_and_its_currency() -> None:
    """A rule on `amount.original` would compare minor units, or the converted amount."""
    rule = """
rule yen version 1
  when amount.currency = "JPY" and amount.original = 16350
  then tag "yen"
"""
    rates = of_quotes("EUR", [(20_780, "JPY", 1635 * 10**9)])
    engine = Engine(policy_of(CARDS + rule, cards().lists, rates))
    decision = engine.decide(payment(amount="16350 JPY"), features=FEATURES, scores=SCORES)

    assert decision.record.inputs["amount"] == "100.00 EUR"
    assert decision.outcome.tags == ("yen",)
    assert engine.replay(decision.record).identical
