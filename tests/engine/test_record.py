"""The decision record: its canonical bytes, and what it says led to the decision."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from tests.engine.random_programs import random_lists, random_program, random_situation
from tests.engine.small_policy import CARDS, cards, payment, policy_of
from tidegate.dsl.program import LADDERS, EventType, Program, Rule
from tidegate.dsl.rates import of_quotes
from tidegate.engine.authority import authority, settle
from tidegate.engine.decision import Decision, Engine, EventRefused
from tidegate.engine.determining import indices
from tidegate.engine.interpreter import evaluate
from tidegate.engine.record import (
    RatesFacts,
    Record,
    RecordError,
    canonical_bytes,
    parse_record,
    plain,
    record_hash,
)
from tidegate.engine.recorder import Provenance, recorder
from tidegate.engine.situation import Outcome, Situation

QUIET: dict[str, Any] = {
    "features": {"tries": 1, "typical": "20.00 EUR"},
    "scores": {"fraud_score": "0.10"},
}
ENGINE = Engine(cards())


def _decide(fields: dict[str, object] | None = None, **given: Any) -> Decision:
    return ENGINE.decide(payment(**fields or {}), **{**QUIET, **given})


def test_is_canonical_json() -> None:
    """Two platforms would write the same decision differently."""
    content = _decide().record_bytes
    data = json.loads(content)

    assert content == json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
    assert list(data) == sorted(data)
    assert not [c for c in content.decode() if c.isspace() and c != " "]


def test_inputs_are_canonical_texts() -> None:
    """A reader of the record would need the program to understand a value."""
    inputs = _decide({"ip_country": None}).record.inputs

    assert inputs["amount"] == "20.00 EUR"
    assert inputs["at"] == "2026-11-23T13:00:00Z"
    assert inputs["ip_address"] == "192.0.2.0"
    assert inputs["fraud_score"] == "0.1"
    assert inputs["tries"] == "1"
    assert inputs["ip_country"] is None


def test_missing_inputs_have_a_reason() -> None:
    """Nobody could tell an outage from an event that never had the value."""
    record = ENGINE.decide(
        payment(ip_country=None), features={"tries": 1}, scores={"fraud_score": "1.5"}
    ).record

    assert record.missing == {
        "fraud_score": "bad_score",
        "ip_country": "absent",
        "typical": "not_given",
    }
    assert record.scores == {"boosting": "failed"}


@pytest.mark.parametrize(
    ("score", "at", "status", "reason"),
    [
        ("0.5", "2026-11-23T14:00:00Z", "ok", None),
        ("unavailable", "2026-11-23T14:00:00Z", "unavailable", "unavailable"),
        ("abstained", "2026-11-23T14:00:00Z", "abstained", "abstained"),
        ("NaN", "2026-11-23T14:00:00Z", "failed", "bad_score"),
        ("0.1234567", "2026-11-23T14:00:00Z", "failed", "bad_score"),
        ("0.5", "2027-06-29T21:59:59Z", "ok", None),
        ("0.5", "2027-06-29T22:00:00Z", "unavailable", "expired"),
    ],
)
def test_says_how_each_model_answered(score: str, at: str, status: str, reason: str | None) -> None:
    """A replay would read a score that the decision did not."""
    record = _decide({"at": at}, scores={"fraud_score": score}).record

    assert record.scores == {"boosting": status}
    assert record.missing.get("fraud_score") == reason
    assert record.models == {"boosting": 3}


def test_lists_leave_a_hash_and_the_members_among_the_tested() -> None:
    """A record would need the list's content to be replayed, or give that content away."""
    lists = _decide({"card": "tok_blocked_card_1"}).record.lists

    assert lists["blocked"].members == ("tok_blocked_card_1",)
    assert lists["blocked"].hash == cards().lists["blocked"].hash  # type: ignore[union-attr]
    assert lists["trusted"].members == ()


def test_an_unreadable_list_is_marked() -> None:
    """An outage of a list would look like an empty list."""
    record = _decide(
        {"amount": "2.00 EUR"}, lists={"trusted": None}, features={"tries": 9, "typical": None}
    ).record

    assert (record.lists["trusted"].hash, record.lists["trusted"].members) == (None, ())
    assert record.rules.fired == ("burst@2",)


def test_a_files_list_cannot_be_replaced_by_the_caller() -> None:
    """A caller could take a card off the policy's own block list."""
    with pytest.raises(EventRefused, match="comes from a file"):
        _decide({"card": "tok_blocked_card_1"}, lists={"blocked": [], "trusted": None})
    decision = _decide({"card": "tok_blocked_card_1"}, lists={"trusted": None})

    assert decision.outcome.word == "decline"


def test_conversions_are_kept() -> None:
    """Nobody could check the amount that was decided on."""
    rates = of_quotes("EUR", [(20_780, "USD", 2 * 10**10)])
    decision = Engine(cards(rates)).decide(payment(amount="300.00 USD", channel="pos"), **QUIET)
    (conversion,) = decision.record.rates.conversions

    assert (conversion.original_minor, conversion.minor) == (30_000, 15_000)
    assert decision.record.rates.hash == rates.hash
    assert (decision.outcome.tags, decision.record.outcome.advice) == (
        ("dear",),
        {"acquirer": "us_bank"},
    )


def test_names_the_rules_that_determined_each_ladder() -> None:
    """The explanation would name rules that had nothing to do with it."""
    record = _decide({"amount": "1500.00 EUR", "at": "2026-11-23T03:00:00+01:00"}, scores={}).record
    found = record.determining["review"]

    assert found.rules == ("points_high@1",)
    assert set(found.adders) == {"dear@1", "night@1"}
    assert set(found.alone) == {"points_high@1", "dear@1", "night@1"}
    assert record.determining["disposition"] == found


def test_of_two_rules_for_one_rung_none_decides_alone() -> None:
    """A rule would be blamed for what would have happened without it."""
    record = _decide(
        {"card": "tok_blocked_card_1", "amount": "2.00 EUR"},
        features={"tries": 9, "typical": None},
    ).record

    assert set(record.determining["disposition"].rules) == {"blocked@1", "burst@2"}
    assert record.determining["disposition"].alone == ()


def test_an_absent_model_is_named_where_its_absence_decided() -> None:
    """A review would have no cause."""
    record = _decide(scores={}).record

    assert record.determining["review"].models == ("boosting",)
    assert record.determining["review"].rules == ()


def test_rules_out_of_dates_and_in_the_shadow_are_listed() -> None:
    """Nobody could tell why a rule that was true did not act."""
    rules = _decide({"ip_country": "US", "amount": "99.00 EUR"}).record.rules

    assert rules.inactive == ("spring@1",)
    assert rules.shadow == ("country_gap@1",)
    assert rules.fired == ("country_gap@1",)
    assert set(rules.meanings) == {"country_gap@1"}


@pytest.mark.parametrize("value", [0.5, float("nan"), b"x", {1: 2}, {"x"}, object()])
def test_refuses_what_has_no_canonical_form(value: object) -> None:
    """A float in a record would be another text on another platform."""
    with pytest.raises(RecordError):
        canonical_bytes({"value": (value,)})


@pytest.mark.parametrize("text", ["e\u0301", "\ud800"])
def test_refuses_texts_that_are_not_normal(text: str) -> None:
    """Two texts that look alike would have different bytes."""
    with pytest.raises(RecordError):
        canonical_bytes({"value": text})


def _spoiled(**changes: object) -> bytes:
    data = {**plain(_decide().record), **changes}
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b"{}",
        _spoiled(schema=1),
        _spoiled(schema=2.0),
        _spoiled(language="1"),
        _spoiled(shadow_word=None),
        _spoiled(models={"boosting": True}),
        _spoiled(scores={"boosting": "fine"}),
        _spoiled(extra=1),
        _spoiled(masked=[1]),
        _decide().record_bytes + b"\n",
        _decide().record_bytes.replace(b',"engine"', b', "engine"'),
        _decide().record_bytes.replace(b'"schema":2', b'"schema":2,"schema":2'),
        b"[" * 100_000,
    ],
)
def test_refuses_bytes_that_are_no_record(content: bytes) -> None:
    """A record that was tampered with would be read as if it were whole."""
    with pytest.raises(RecordError):
        parse_record(content)


def test_parses_back() -> None:
    """A kept record could not be read again."""
    decision = _decide({"card": "tok_blocked_card_1", "customer": "Zo\u00eb"})

    assert parse_record(decision.record_bytes) == decision.record
    assert decision.record_hash == record_hash(decision.record_bytes)


# --- on random programs ------------------------------------------------------------------------


def _random_decision(seed: int) -> tuple[Program, Situation, Record]:
    rng = random.Random(seed)
    program = random_program(rng)
    lists = random_lists(rng, program)
    situation = random_situation(rng, program, program.events[0], lists)
    writer = recorder(authority(program, program.events[0]))
    hashes = {name: None if c is None else c.hash for name, c in lists.items()}
    provenance = Provenance("00" * 32, "key", RatesFacts("", ()), hashes)
    settled = writer.authority.settle(situation)
    return program, situation, writer.record(situation, settled, provenance, evaluate)


@pytest.mark.parametrize("seed", range(120))
def test_every_decision_has_canonical_bytes(seed: int) -> None:
    """Some value at the edge of its type would have no text, or two."""
    _, _, record = _random_decision(seed)

    assert parse_record(record.to_bytes()) == record


def _without(program: Program, event: EventType, rule: Rule) -> tuple[Program, EventType]:
    kept = replace(event, rules=tuple(r for r in event.rules if r != rule))
    return replace(program, events=(kept,)), kept


def _outcome_without(program: Program, situation: Situation, rule: Rule) -> Outcome:
    less, event = _without(program, situation.event, rule)
    return settle(less, replace(situation, event=event)).outcome


def _is_replacing(rule: Rule, event: EventType) -> bool:
    return any(r.name == rule.name and r is not rule for r in event.rules)


@pytest.mark.parametrize("seed", range(250))
def test_alone_is_what_deleting_the_rule_shows(seed: int) -> None:
    """`alone` would name a rule whose deletion changes nothing, or miss one."""
    program, situation, record = _random_decision(seed)
    by_id = {rule.id: rule for rule in situation.event.rules}

    for ladder in LADDERS:
        found = record.determining.get(ladder)
        for rule_id in () if found is None else (*found.rules, *found.adders):
            # Deleting a version that replaces another brings that one back to life.
            if _is_replacing(by_id[rule_id], situation.event):
                continue
            after = getattr(_outcome_without(program, situation, by_id[rule_id]), ladder)
            alone = found is not None and rule_id in found.alone

            assert alone == (after != getattr(record.outcome, ladder)), (ladder, rule_id)


def test_the_record_holds_no_more_than_it_needs() -> None:
    """A record would grow with the policy: rules that said nothing would be listed."""
    many = "\n".join(
        f"rule quiet_{i} version 1\n  when amount > {900_000 + i} EUR\n  then decline because burst"
        for i in range(200)
    )
    few = Engine(cards())
    lot = Engine(policy_of(CARDS + many, cards().lists))
    sizes = [len(engine.decide(payment(), **QUIET).record_bytes) for engine in (few, lot)]

    assert sizes[0] == sizes[1]
    assert sizes[0] < 2_000


def test_bits_are_read_from_the_lowest() -> None:
    """Rules would be listed in another order than the policy's."""
    assert list(indices(0b101001)) == [0, 3, 5]
