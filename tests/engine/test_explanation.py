"""Explanations: why a rule fired or did not, and what each audience may see."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.engine.random_programs import random_lists, random_program, random_situation
from tests.engine.small_policy import CARDS, cards, payment, policy_of
from tidegate.dsl.program import Constant, Program
from tidegate.dsl.types import TOKEN
from tidegate.dsl.unknowns import walk
from tidegate.engine.authority import authority
from tidegate.engine.decision import Decision, Engine
from tidegate.engine.explanation import (
    CUSTOMER_MESSAGES_MAX,
    AtomExplanation,
    UnknownRuleError,
    explain,
    explain_rule,
)
from tidegate.engine.explanation_text import render_explanation, render_rule
from tidegate.engine.expression_text import short_token, show_expression, show_value
from tidegate.engine.interpreter import evaluate
from tidegate.engine.record import RatesFacts, Record
from tidegate.engine.recorder import Provenance, recorder
from tidegate.engine.values import format_value

ENGINE = Engine(cards())


def _decide(
    fields: dict[str, object] | None = None, tries: int = 1, score: str = "0.10", **features: object
) -> Decision:
    return ENGINE.decide(
        payment(**fields or {}),
        features={"tries": tries, "typical": "20.00 EUR", **features},
        scores={"fraud_score": score},
    )


def _atom(decision: Decision, rule: str, index: int = 0) -> AtomExplanation:
    return decision.explain_rule(rule).atoms[index]


def test_shows_the_whole_decision() -> None:
    """An analyst would not find why a payment was held."""
    decision = _decide(
        {"amount": "1500.00 EUR", "at": "2026-11-23T03:00:00+01:00", "ip_country": "US"}
    )

    assert (
        render_explanation(decision.explain())
        == """\
payment p-1: review
  reason unusual: Several unusual signs
disposition: hold
  points_high@1 fired, alone
    yes points >= 80   [points is 85, 5 above 80]
    then review before because unusual
  dear@1 fired, alone
    yes amount > 1000.00 EUR   [amount is 1500.00 EUR, 500.00 EUR above 1000.00 EUR]
    then add 70 points
  night@1 fired, alone
    yes hour(at) >= 1   [hour(at) is 3, 2 above 1, at is 2026-11-23T02:00:00Z]
    yes hour(at) <= 5   [hour(at) is 3, 2 below 5, at is 2026-11-23T02:00:00Z]
    then add 15 points
review: before
  points_high@1 fired, alone
    yes points >= 80   [points is 85, 5 above 80]
    then review before because unusual
  dear@1 fired, alone
    yes amount > 1000.00 EUR   [amount is 1500.00 EUR, 500.00 EUR above 1000.00 EUR]
    then add 70 points
  night@1 fired, alone
    yes hour(at) >= 1   [hour(at) is 3, 2 above 1, at is 2026-11-23T02:00:00Z]
    yes hour(at) <= 5   [hour(at) is 3, 2 below 5, at is 2026-11-23T02:00:00Z]
    then add 15 points
score not read: boosting, for the event is outside of its use
in the shadow:
  country_gap@1 fired, in the shadow
    yes ip_country != card_country   [ip_country is "US", card_country is "FR"]
    yes (ratio otherwise 1) > 3   [ratio otherwise 1 is 75, 72 above 3, typical is 20.00 EUR, \
amount is 1500.00 EUR]
    would hold because unusual"""
    )


def test_shows_which_exception_silenced_a_rule() -> None:
    """An analyst would look for the rule that did not act in vain."""
    decision = _decide({"amount": "4.50 EUR", "customer": "cus_trusted_1"}, tries=7)
    (silenced,) = decision.explain().silenced

    assert decision.outcome.word == "approve"
    assert (
        render_rule(silenced)
        == """\
burst@2 is silenced by an exception
  Small payments in a burst look like card testing
  yes tries >= burst_limit   [tries is 7, 2 above 5]
  yes amount < 5.00 EUR   [amount is 4.50 EUR, 0.50 EUR below 5.00 EUR]
  except when customer in trusted: true
    yes customer in trusted   [customer is "cus_tr…"]
  would then decline because burst"""
    )


@pytest.mark.parametrize(
    ("rule", "index", "expected"),
    [
        ("burst", 0, ("tries >= burst_limit", False, "5", "4", "below")),
        ("burst", 1, ("amount < 5.00 EUR", False, "5.00 EUR", "15.00 EUR", "above")),
        ("risky", 0, ("fraud_score >= 0.85", False, "0.85", "0.75", "below")),
        ("night", 0, ("hour(at) >= 1", True, "1", "13", "above")),
        ("points_high", 0, ("points >= 80", False, "80", "80", "below")),
        ("spring", 0, ("amount > 1.00 EUR", True, "1.00 EUR", "19.00 EUR", "above")),
        ("blocked", 0, ("card in blocked", False, "", "", "")),
        ("dollars", 1, ('channel != "ecom"', False, "", "", "")),
    ],
)
def test_measures_the_distance_to_the_threshold(
    rule: str, index: int, expected: tuple[str, bool, str, str, str]
) -> None:
    """An analyst could not see how near a payment came."""
    atom = _atom(_decide(), rule, index)

    assert (atom.condition, atom.met, atom.threshold, atom.distance, atom.side) == expected


def test_says_why_a_condition_is_unknown() -> None:
    """An analyst could not tell a missing value from a false condition."""
    decision = _decide({"ip_country": None}, typical=None)
    gap, ratio = decision.explain_rule("country_gap").atoms

    assert (gap.state, gap.met) == ("unknown", False)
    assert (gap.readings[0].text, gap.readings[0].reason) == (None, "absent")
    assert ratio.state == "false"
    assert [r.name for r in ratio.readings] == ["ratio otherwise 1", "typical", "amount"]
    assert decision.explain().missing == (("ip_country", "absent"), ("typical", "absent"))


def test_says_why_a_score_was_not_read() -> None:
    """An outage would look like a low score."""
    outage = _decide({"amount": "99.00 EUR"}, score="unavailable").explain()
    outside = _decide({"amount": "1001.00 EUR"}, score="0.9").explain()

    assert outage.masked == (("boosting", "unavailable"),)
    assert outside.masked == (("boosting", "outside_use"),)
    assert [ladder.models for ladder in outage.ladders] == [("boosting",)]
    assert "because boosting gave no score" in render_explanation(outage)


def test_a_masked_condition_is_not_met_either_way() -> None:
    """An analyst would read a score that the rule was not allowed to."""
    atom = _atom(_decide({"amount": "1001.00 EUR"}, score="0.9"), "risky")

    assert (atom.state, atom.met) == ("masked", False)


CAPPED = """
policy capped language 1
  currency EUR
  timezone "UTC"
event payment decided by default approve
  silent review
  id text key
  at time
  amount money
model weak version 1
  from "models/weak"
  reads amount
  score weak_score
  use payment
  may review
  if unavailable then review because odd
reason odd "It looks odd" message "We are checking this payment."
rule adds version 1
  when weak_score > 0.5
  then add 50 points
rule acts version 1
  when points >= 50
  then decline because odd, review because odd
"""


def test_shows_what_authority_capped() -> None:
    """An analyst would not see that a model was held back."""
    decision = Engine(policy_of(CAPPED)).decide(
        {"id": "p", "at": "2026-11-23T14:00:00Z", "amount": "5 EUR"}, scores={"weak_score": "0.9"}
    )
    shown = decision.explain()

    assert (decision.outcome.word, decision.outcome.review) == ("approve", "after")
    assert [(c.ladder, c.rung, c.models) for c in shown.capped] == [
        ("disposition", "decline", ("weak",))
    ]
    assert "capped: disposition decline is beyond what weak may cause" in render_explanation(shown)
    assert decision.explain_rule("acts").capped == shown.capped


BYSTANDERS = """
rule cautious version 1
  when amount > 100 EUR or tip > 1 EUR
  then decline because odd
  if unknown then review because odd
rule settled version 1
  when amount > 1 EUR or tip > 1 EUR
  then review because odd
  if unknown then decline because odd
rule watching version 1
  shadow
  when amount > 1 EUR
  then decline because odd
"""


def test_only_who_asked_in_vain_is_capped() -> None:
    """A rule that never asked for the rung, or never acts, would seem held back."""
    text = CAPPED.replace("amount money", "amount money\n  tip money?") + BYSTANDERS
    decision = Engine(policy_of(text)).decide(
        {"id": "p", "at": "2026-11-23T14:00:00Z", "amount": "5 EUR"}, scores={"weak_score": "0.9"}
    )
    rules = ("acts", "cautious", "settled", "watching")

    assert [(rule, decision.explain_rule(rule).state) for rule in rules] == [
        ("acts", "fired"), ("cautious", "unknown"), ("settled", "fired"), ("watching", "fired"),
    ]  # fmt: skip
    assert [bool(decision.explain_rule(rule).capped) for rule in rules] == [True, *[False] * 3]


def test_a_decision_is_evaluated_once_for_all_its_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explaining five hundred unknown rules would take seconds."""
    clamps = []

    def counted(program: Program, situation: Any, clamp: frozenset[str]) -> Any:
        clamps.append(clamp)
        return evaluate(program, situation, clamp)

    monkeypatch.setattr("tidegate.engine.explanation.interpret", counted)
    decision = _decide({"amount": "60.00 EUR", "ip_country": None}, tries=9, score="0.999")

    assert decision.explain().ladders
    assert len(clamps) == len(set(clamps))


SPOKEN = """
reason speed "Faster than people type" message "Please try again."
reason place "An unlikely place" message "Please try again."
rule speaks version 1
  when amount > 1 EUR
  then add 30 points because speed, add 20 points because place, tag "x" because speed, tag "y",
    advise route = "slow" because place
"""


def test_the_reasons_of_points_stand_where_points_decide() -> None:
    """An author's reason for points, a tag or advice would be checked and never seen again."""
    decision = Engine(policy_of(CAPPED + SPOKEN)).decide(
        {"id": "p", "at": "2026-11-23T14:00:00Z", "amount": "5 EUR"}, scores={"weak_score": "0.1"}
    )
    shown = (
        'then add 50 points because place and speed, tag "x" because speed, tag "y", '
        'advise route = "slow" because place'
    )

    assert decision.outcome.reasons == ("odd",)
    assert shown in render_explanation(decision.explain())


@pytest.mark.parametrize(("share", "live"), [("0.0001%", "dear@1"), ("100%", "dear@2")])
def test_prefers_the_live_version_of_a_rule(share: str, live: str) -> None:
    """An analyst would read about the version that does not act."""
    newer = f"""
rule dear version 2
  rollout {share} by card as wave1 replaces version 1
  when amount > 2000 EUR
  then add 70 points
"""
    engine = Engine(policy_of(CARDS + newer, cards().lists))
    decision = engine.decide(payment(), features={"tries": 1})

    assert decision.explain_rule("dear").rule == live
    assert decision.explain_rule("dear").live
    assert decision.explain_rule("dear@2").rule == "dear@2"


def test_an_unknown_rule_is_named_with_the_nearest() -> None:
    """A slip of the pen would end in a bare KeyError."""
    with pytest.raises(UnknownRuleError, match="did you mean `burst`"):
        _decide().explain_rule("bursts")


# --- tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "shown"),
    [("tok_4kX9pQ2mLw", "tok_4k…"), ("abcdefgh", "abcd…"), ("ab", "a…"), ("a", "…")],
)
def test_a_token_is_never_shown_whole(token: str, shown: str) -> None:
    """A token on a screen could be used by whoever sees it."""
    assert short_token(token) == shown
    assert show_value(token, TOKEN, "EUR") == f'"{shown}"'


def test_a_key_that_is_a_token_is_not_shown_whole() -> None:
    """The first line of an explanation would give the token away."""
    engine = Engine(policy_of(CAPPED.replace("id text key", "id token key")))
    body = {"id": "tok_4kX9pQ2mLw", "at": "2026-11-23T14:00:00Z", "amount": "5 EUR"}
    shown = engine.decide(body, scores={"weak_score": "0.1"}).explain()

    assert shown.key == "tok_4k…"
    assert render_explanation(shown).startswith("payment tok_4k…: approve")


def test_no_token_is_in_any_text() -> None:
    """A token would leak by one of the ways a value is shown."""
    body = payment(card="tok_blocked_card_1", customer="cus_trusted_1")
    decision = ENGINE.decide(body, features={"tries": 9})
    texts = [render_explanation(decision.explain())]
    texts += [render_rule(decision.explain_rule(r.id)) for r in _rules(decision)]

    assert "tok_blocked_card_1" not in "".join(texts)
    assert "cus_trusted_1" not in "".join(texts)


def _rules(decision: Decision) -> Any:
    return decision.program.event("payment").rules


# --- customers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "tries", "score", "messages", "retry"),
    [
        ({}, 1, "0.1", (), ""),
        ({"amount": "2.00 EUR"}, 9, "0.1", ("We could not accept this card right now.",), "never"),
        ({"amount": "99.00 EUR"}, 1, "0.9", ("Please confirm this payment.",), ""),
        # The review that follows is our business.
        ({"amount": "99.00 EUR"}, 1, "0.995", ("Please confirm this payment.",), ""),
        ({"amount": "99.00 EUR"}, 1, "unavailable", (), ""),
    ],
)
def test_a_customer_sees_messages_only(
    fields: dict[str, object], tries: int, score: str, messages: tuple[str, ...], retry: str
) -> None:
    """A fraudster would learn what to change, or a customer nothing."""
    shown = _decide(fields, tries, score).explain("customer")

    assert (shown.messages, shown.retry) == (messages, retry)


def test_a_customer_sees_four_messages_at_most() -> None:
    """Nobody reads more, and each one tells something."""
    extra = "\n".join(
        f'reason r{i} "text" message "Message {i}."\n'
        f"rule extra_{i} version 1\n  when amount > 1 EUR\n  then decline because r{i}\n"
        for i in range(6)
    )
    engine = Engine(policy_of(CARDS + extra, cards().lists))
    shown = engine.decide(payment(), features={"tries": 1}).explain("customer")

    assert shown.messages == tuple(f"Message {i}." for i in range(CUSTOMER_MESSAGES_MAX))


def _secrets(program: Program) -> set[str]:
    """Every rule's name and every constant of the policy, as they could be shown."""
    event = program.event("payment")
    conditions = [c for rule in event.rules for c in (rule.when, *rule.exceptions)]
    constants = {
        format_value(node.value, node.type, program.currency)
        for condition in conditions
        for node in walk(condition)
        if isinstance(node, Constant)
    }
    return constants | {rule.name for rule in event.rules} | {r.name for r in program.reasons}


def test_a_customer_sees_no_threshold_rule_or_score() -> None:
    """A fraudster would read the policy off its answers."""
    decision = _decide({"amount": "99.00 EUR", "card": "tok_blocked_card_1"}, 9, "0.995")
    text = render_explanation(decision.explain("customer"))

    assert text
    # `dear`, `risky` and the like are words that a message might hold; none does here.
    assert [secret for secret in _secrets(decision.program) if secret in text] == []
    assert not any(char.isdigit() for char in text)


# --- on random programs ------------------------------------------------------------------------


def _random_record(seed: int) -> tuple[Program, Record]:
    rng = random.Random(seed)
    program = random_program(rng)
    lists = random_lists(rng, program)
    situation = random_situation(rng, program, program.events[0], lists)
    writer = recorder(authority(program, program.events[0]))
    hashes = {name: None if c is None else c.hash for name, c in lists.items()}
    provenance = Provenance("00", "key", RatesFacts("", ()), hashes)
    settled = writer.authority.settle(situation)
    return program, writer.record(situation, settled, provenance, evaluate)


@pytest.mark.parametrize("seed", range(60))
def test_every_decision_can_be_explained(seed: int) -> None:
    """Some expression would have no words, or a rule another state than the record says."""
    program, record = _random_record(seed)
    analyst = explain(program, record, "analyst")
    states = {rule.id: explain_rule(program, record, rule.id) for rule in program.events[0].rules}

    assert render_explanation(analyst)
    assert render_explanation(explain(program, record, "customer")) is not None
    for ladder in analyst.ladders:
        assert {rule.state for rule in ladder.rules} <= {"fired", "unknown"}
    assert {i for i, r in states.items() if r.state == "fired"} == set(record.rules.fired)
    assert {i for i, r in states.items() if r.state == "unknown"} == set(record.rules.unknown)
    assert {i for i, r in states.items() if r.state == "silenced"} == set(record.rules.silenced)
    assert all(render_rule(rule) for rule in states.values())


EXPRESSIONS = [
    "amount > 5.00 EUR and (tries >= 3 or not (card_country = ip_country))",
    "ip_country is missing or customer is present",
    "(ratio otherwise 2) * 3 + 1 > 7",
    "(tries - 1) * -2 < 4",
    "customer in trusted and customer not in trusted",
    'id starts with "a" or lower(id) like "*b"',
    "not (tries = 3 and amount > 1.00 EUR)",
]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_conditions_are_shown_as_they_are_written(text: str) -> None:
    """An analyst would not recognise the rule; its shown text would mean something else."""

    def shown(condition: str) -> str:
        rule = f'\nrule probe version 1\n  when {condition}\n  then tag "x"\n'
        for unknown in ("", "  if unknown then skip\n"):
            try:
                program = policy_of(CARDS + rule + unknown, cards().lists).program
            except AssertionError:
                continue
            found = next(r for r in program.event("payment").rules if r.name == "probe")
            return show_expression(found.when, "EUR")
        raise AssertionError(f"`{condition}` does not compile")

    assert shown(text) == text


def test_names_the_params_of_actions_and_of_points() -> None:
    """An analyst would look for a number in the rules that stands in a param."""
    decision = Engine(
        policy_of(
            """
policy small language 1 currency EUR timezone "UTC"
event payment decided by default approve
  silent review
  id text key
  at time
param bonus count = 50 from 1 to 90
param bar count = 40 from 1 to 90
param cap money = 5 EUR from 1 EUR to 9 EUR
reason odd "Odd" message "Wait."
rule adds version 1 when id != "" then add bonus points, add 3 points, advise cap_at = cap
rule at_bar version 1 when points >= bar then review because odd
rule above version 1 when points > bar then review because odd
"""
        )
    ).decide({"id": "p", "at": "2026-11-23T14:00:00Z"})

    actions = ("add 3 + bonus (50) points", "advise cap_at = cap (5.00 EUR)")
    assert decision.explain_rule("adds").actions == actions
    shown = [decision.explain_rule(name).condition for name in ("at_bar", "above")]
    assert shown == ["points >= bar", "points > bar"]


# --- standing ----------------------------------------------------------------------------------

STANDING = """
rule half version 1
  rollout 50% by card as wave1
  when amount > 1 EUR
  then hold because unusual

rule next version 1
  when amount > 1 EUR
  then hold because unusual

rule next version 2
  rollout 100% by card as wave2 replaces version 1
  when amount > 2 EUR
  then hold because unusual
"""


@pytest.mark.parametrize(
    ("rule", "fields", "first_line"),
    [
        ("half", {"card": "tok_b"},
         "half@1 fired, in the shadow: outside the rollout 50% by card (wave1)"),
        ("half", {"card": "tok_a"}, "half@1 fired"),
        ("next@1", {}, "next@1 fired, in the shadow: version 2 stands in its place"),
        ("next", {}, "next@2 fired"),
        ("spring", {}, "spring@1 is out of its dates: it ended, until 2026-06-01"),
        ("spring", {"at": "2026-02-28T22:59:59Z"},
         "spring@1 is out of its dates: not yet, it acts from 2026-03-01"),
        ("spring", {"at": "2026-02-28T23:00:00Z"}, "spring@1 fired"),
        ("country_gap", {}, "country_gap@1 did not fire, in the shadow"),
    ],
)  # fmt: skip
def test_says_why_a_rule_did_not_act(rule: str, fields: dict[str, object], first_line: str) -> None:
    """A rule that fired and did nothing looks like a defect."""
    engine = Engine(policy_of(CARDS + STANDING, cards().lists))
    decision = engine.decide(payment(**fields), features={"tries": 1})
    assert str(decision.explain_rule(rule)).splitlines()[0] == first_line


def test_a_heading_stands_once() -> None:
    """Each shadow rule would look like a list of its own."""
    engine = Engine(policy_of(CARDS + STANDING, cards().lists))
    text = str(engine.decide(payment(card="tok_b"), features={"tries": 1}).explain())
    assert text.count("in the shadow:\n") == 1
    assert "half@1" in text
    assert "next@1" in text


def test_an_explanation_prints_as_text() -> None:
    """Whoever embeds the engine would see a tuple of tuples."""
    decision = _decide({"amount": "2.00 EUR"}, 9)
    assert str(decision.explain()) == render_explanation(decision.explain())
    assert str(decision.explain("customer")) == render_explanation(decision.explain("customer"))
    assert str(decision.explain_rule("burst")) == render_rule(decision.explain_rule("burst"))
