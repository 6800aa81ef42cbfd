"""What comes with an event: numbers as models give them, lists as texts, and every slip at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.scored_policy import payment as scored_payment
from tests.engine.scored_policy import scored_policy
from tests.engine.small_policy import TRUSTED, cards, payment
from tidegate import Engine, EventRefused
from tidegate.engine import Refusal

ENGINE = Engine(cards())
GIVEN: dict[str, Any] = {"features": {"tries": 1}, "scores": {"fraud_score": "0.10"}}


def decide(fields: dict[str, object] | None = None, **given: Any) -> Any:
    """Decide a plain payment with something given otherwise."""
    return ENGINE.decide(payment(**fields or {}), **{**GIVEN, **given})


def refusals(fields: dict[str, object] | None = None, **given: Any) -> list[Refusal]:
    """Why that is refused."""
    with pytest.raises(EventRefused) as refused:
        decide(fields, **given)
    return list(refused.value.refusals)


# --- scores ---


@pytest.mark.parametrize(
    ("score", "recorded"),
    [
        (0.9, "0.9"),
        (np.float64(0.9), "0.9"),
        (0.1 + 0.2, None),
        (round(0.1 + 0.2, 6), "0.3"),
        (1e-07, None),
        (0, "0"),
        (1, "1"),
        (2, None),
        (-0.5, None),
        (Decimal("0.850000"), "0.85"),
        (Decimal("0.1234567"), None),
        (float("nan"), None),
        (float("inf"), None),
        (Decimal("NaN"), None),
        ("0.123456", "0.123456"),
        ("0.1234567", None),
        ("1e-3", None),
        (".5", None),
        ("NaN", None),
        ("-inf", None),
    ],
)
def test_a_number_is_a_score_or_none(score: object, recorded: str | None) -> None:
    """A number that a model gives must never raise, nor be rounded into another one."""
    record = decide(scores={"fraud_score": score}).record
    assert record.inputs["fraud_score"] == recorded
    assert record.missing.get("fraud_score") == (None if recorded else "bad_score")


@pytest.mark.parametrize("score", ["abstaned", "down", "high", "", "0,91", True, [0.5], b"1"])
def test_what_is_no_number_and_no_word_is_refused(score: object) -> None:
    """A misspelt `abstained` would be an outage, and nobody would hear of it."""
    (refusal,) = refusals(scores={"fraud_score": score})
    assert (refusal.code, refusal.path) == ("wrong_type", "fraud_score")
    assert refusal.message == "`fraud_score` is no score"
    assert refusal.help == 'write 0.91, "unavailable" or "abstained"'


def test_no_score_is_an_outage() -> None:
    """A vendor's null would refuse the payment, where `if unavailable` was asked for."""
    record = decide(scores={"fraud_score": None}).record
    assert record.missing["fraud_score"] == "unavailable"


def test_help_names_the_bounds_of_the_score() -> None:
    """Whoever has a score from 0 to 99 would be told to write 0.91."""
    engine = Engine(scored_policy())
    with pytest.raises(EventRefused) as refused:
        engine.decide(scored_payment(), features={"tries": 1}, scores={"vendor_score": "down"})
    assert refused.value.refusals[0].help == (
        'write a number from 0 to 99, "unavailable" or "abstained"'
    )


# --- lists ---


@pytest.mark.parametrize("values", [["cus_1"], ("cus_1",), {"cus_1"}, iter(["cus_1"])])
def test_a_list_is_given_as_texts(values: object) -> None:
    """The command line takes texts; Python would fail deep inside."""
    burst: dict[str, object] = {"amount": "2.00 EUR", "customer": "cus_1"}
    features = {"tries": 9}
    assert decide(burst, features=features).outcome.word == "decline"
    trusted = decide(burst, features=features, lists={"trusted": values})
    assert trusted.outcome.word == "approve"
    given = decide(payment(customer="cus_trusted_1"), features=features, lists={"trusted": TRUSTED})
    assert given.record.lists["trusted"].hash == TRUSTED.hash


@pytest.mark.parametrize(
    ("lists", "code", "said"),
    [
        ({"trustd": []}, "unknown_list", "did you mean `trusted`?"),
        ({"blocked": []}, "list_of_a_file", "change the file"),
        ({"trusted": "cus_1"}, "bad_list", "not given as a list of texts"),
        ({"trusted": b"cus_1"}, "bad_list", "not given as a list of texts"),
        ({"trusted": {"cus_1": True}}, "bad_list", "not given as a list of texts"),
        ({"trusted": 5}, "bad_list", "not given as a list of texts"),
        ({"trusted": [5]}, "bad_list", "value 1"),
        ({"trusted": ["4111111111111111"]}, "bad_list", "card number"),
    ],
)
def test_a_list_that_cannot_be_taken_is_refused(
    lists: dict[str, object], code: str, said: str
) -> None:
    """A misspelt list of trusted customers would trust nobody; a text would be its letters."""
    (refusal,) = refusals(lists=lists)
    assert refusal.code == code
    assert said in f"{refusal.message} {refusal.help}"
    assert "4111" not in str(refusal)


def test_a_list_that_is_left_out_cannot_be_read() -> None:
    """An empty list and an outage are different things."""
    assert decide(lists={}).record.lists["trusted"].hash is None
    assert decide(lists={"trusted": None}).record.lists["trusted"].hash is None
    assert decide().record.lists["trusted"].hash == TRUSTED.hash


# --- every reason at once ---


def test_event_features_scores_and_lists_are_refused_together() -> None:
    """Whoever connects a system would mend one slip a day."""
    found = refusals(
        {"amount": "3"},
        features={"typical": "many", "tris": 1},
        scores={"fraud_score": "high", "other": 1},
        lists={"trustd": []},
    )
    assert [(r.code, r.path) for r in found] == [
        ("unknown_currency", "amount"),
        ("unknown_feature", "tris"),
        ("unknown_currency", "typical"),
        ("missing_feature", "tries"),
        ("unknown_score", "other"),
        ("wrong_type", "fraud_score"),
        ("unknown_list", "trustd"),
    ]


def test_a_feature_that_is_bad_is_not_missing_too() -> None:
    """Two messages about one slip send their reader two ways."""
    assert [(r.code, r.path) for r in refusals(features={"tries": "x"})] == [
        ("wrong_type", "tries")
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"features": [1]}, "`features` is a mapping"),
        ({"scores": 0.5}, "`scores` is a mapping"),
        ({"lists": ["trusted"]}, "`lists` is a mapping"),
    ],
)
def test_what_is_no_mapping_is_told_with_an_example(arguments: dict[str, Any], said: str) -> None:
    """An AttributeError from inside tells nobody what to pass."""
    with pytest.raises(TypeError, match=said):
        decide(**arguments)


@pytest.mark.parametrize("policy", ["shop", Path("shop"), None])
def test_an_engine_is_made_of_a_policy(policy: Any) -> None:
    """The first slip of everybody who embeds it."""
    with pytest.raises(TypeError, match="load_policy"):
        Engine(policy)


# --- names, times and amounts ---


def test_an_unknown_event_is_named_with_a_way_out() -> None:
    """`No such event` alone sends its reader through all files."""
    for name, help_ in (("paymnt", "did you mean `payment`?"), ("x", "there is `payment`")):
        (refusal,) = refusals(event=name)
        assert refusal.message == f"the policy has no event `{name}`"
        assert refusal.help == help_
    (secret,) = refusals(event="4111111111111111")
    assert "4111" not in str(secret)


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 11, 23, 13, tzinfo=UTC),
        datetime(2026, 11, 23, 14, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_a_datetime_with_its_zone_is_a_time(at: datetime) -> None:
    """It is what Python has for one."""
    assert decide({"at": at}).record.event.at == "2026-11-23T13:00:00Z"


def test_a_datetime_without_its_zone_is_refused_with_help() -> None:
    """Its hour would be another one on another machine."""
    (refusal,) = refusals({"at": datetime(2026, 11, 23, 13)})  # noqa: DTZ001 - the slip itself
    assert "without its zone" in refusal.message
    assert "tzinfo=UTC" in refusal.help
    (far,) = refusals({"at": datetime(2200, 1, 1, tzinfo=UTC)})
    assert far.code == "wrong_type"


@pytest.mark.parametrize("amount", ["3", "12.34", "EUR"])
def test_an_amount_without_currency_is_told_how_to_write_it(amount: str) -> None:
    """`No known currency` made its reader look for one."""
    (refusal,) = refusals({"amount": amount})
    assert refusal.message == "`amount` has no currency"
    assert '"12.34 EUR"' in refusal.help
