"""Counterfactuals: each one leads where it says, and no part of it does."""

from functools import cache
from itertools import combinations
from random import Random
from typing import Any

import pytest

from tests.engine.small_policy import SmallPolicy, cards, payment, policy_of
from tests.policies_generated import generated_policy
from tests.situations_generated import generated_lists, generated_situations
from tidegate.dsl.program import Program
from tidegate.dsl.types import COUNTRY, MONEY
from tidegate.engine import Engine
from tidegate.engine.authority import settle
from tidegate.engine.changes import Change, changed
from tidegate.engine.counterfactual import (
    Counterfactual,
    Found,
    NotForCustomersError,
    Search,
    UnknownNameError,
    Word,
    counterfactuals,
)
from tidegate.engine.record import Record
from tidegate.engine.replay import situation_of
from tidegate.engine.situation import Situation

WORDS: tuple[Word, ...] = ("approve", "review", "step_up", "decline")
FEATURES = {"tries": 2, "typical": "10.00 EUR"}
TRUSTED = ["cus_trusted_1"]


def decided(policy: SmallPolicy, **given: Any) -> Record:
    """The record of a payment."""
    fields = {k: v for k, v in given.items() if k not in ("features", "scores")}
    features = {**FEATURES, **given.get("features", {})}
    scores = given.get("scores", {"fraud_score": "0.2"})
    engine = Engine(policy)
    body = payment(**fields)
    return engine.decide(body, features=features, scores=scores, lists={"trusted": TRUSTED}).record


def told(found: tuple[Counterfactual, ...]) -> list[list[tuple[str, str]]]:
    """Names and new values."""
    return [[(c.name, c.after) for c in one.changes] for one in found]


# --- every one holds, on any policy ---


@pytest.mark.parametrize("seed", range(20))
def test_each_leads_there_and_no_part_of_it_does(seed: int) -> None:
    """What an analyst is told must be true, and nothing in it idle."""
    for program, situation, found, to in searched(seed):
        check(program, situation, found, to)


def test_the_property_has_something_to_look_at() -> None:
    """A search that finds nothing would pass it."""
    sizes = [len(found.changes) for seed in range(20) for _, _, found, _ in searched(seed)]
    assert len(sizes) >= 10
    assert max(sizes) >= 2


@cache
def searched(seed: int) -> list[tuple[Program, Situation, Found, Word]]:
    """Everything that is found about some events of one policy."""
    rng, all_ = Random(seed), []
    program = generated_policy(rng).program
    for event in program.events:
        if not event.decided:
            continue
        lists = generated_lists(rng, program)
        for situation in generated_situations(rng, program, event, lists, 2):
            for to in WORDS:
                search = Search(program, situation, to=to, missing=rng.random() < 0.5, trials=120)
                all_ += [(program, situation, found, to) for found in search.found()]
    return all_


def check(program: Program, before: Situation, found: Found, to: str) -> None:
    """Decide again by the definition: the whole leads to `to`, no part does."""
    assert settle(program, before).outcome.word != to
    for size in range(1, len(found.changes)):
        for part in combinations(found.changes, size):
            situation = changed(program, before, part, {})
            assert situation is None or settle(program, situation).outcome.word != to, part
    whole = changed(program, before, found.changes, {})
    assert whole is not None
    assert settle(program, whole).outcome.word == to
    touched = {change.name for change in found.changes}
    for entry, old, new in zip(before.event.inputs, before.values, whole.values, strict=True):
        plain = entry.name.partition(".")[0]
        key = entry.lookup.key if entry.lookup else plain
        followed = entry.source == "score" and before.event.at in touched
        assert old == new or {plain, key} & touched or followed, entry.name


# --- what is changed, and how ---


def test_the_boundary_itself_is_given() -> None:
    """`amount < 5 EUR` stops at 5 EUR and `tries >= 5` at 4, not somewhere beyond."""
    policy = cards()
    record = decided(policy, amount="3.00 EUR", features={"tries": 6})
    found = counterfactuals(policy.program, record, audience="analyst").found
    assert told(found) == [
        [("tries", "4")],
        [("amount", "5.00 EUR")],
        [('"cus_88…" in trusted', "on the list")],
    ]


def test_a_score_is_changed_as_far_as_it_may_cause_the_outcome() -> None:
    """The model may ask for a review or a step-up: no score of it leads to a decline."""
    policy = cards()
    record = decided(policy, amount="100.00 EUR")
    to_step_up = counterfactuals(policy.program, record, audience="analyst", to="step_up").found
    assert [("fraud_score", "0.85")] in told(to_step_up)
    to_decline = counterfactuals(policy.program, record, audience="analyst", to="decline").found
    names = {name for one in told(to_decline) for name, _ in one}
    assert to_decline
    assert "fraud_score" not in names


CLAMPED = """
policy p language 1
  currency EUR
  timezone "UTC"

event payment decided by default approve
  silent review
  id     text key
  at     time
  amount money max 1000 EUR

model m version 1
  from "m"
  reads amount
  score s
  use payment
  may review
  if unavailable then review because r

reason r "r" message "r"

rule points version 1
  when s > 0.5
  then add 50 points

rule sum version 1
  when points >= 50
  then review before because r
"""


def test_a_score_beyond_its_authority_changes_nothing_through_points() -> None:
    """The clamp holds for what might have been as it does for what was."""
    policy = policy_of(CLAMPED.replace("may review", "may review, step_up, hold"))
    record = (
        Engine(policy)
        .decide({"id": "p", "at": "2026-11-23T10:00:00Z", "amount": "5 EUR"}, scores={"s": "0.1"})
        .record
    )
    found = counterfactuals(policy.program, record, audience="analyst", to="review").found
    assert told(found) == [[("s", "0.500001")]]
    policy = policy_of(CLAMPED.replace("may review", "may advise"))
    record = (
        Engine(policy)
        .decide({"id": "p", "at": "2026-11-23T10:00:00Z", "amount": "5 EUR"}, scores={"s": "0.1"})
        .record
    )
    assert not counterfactuals(policy.program, record, audience="analyst", to="review").found


def test_what_is_kept_is_not_changed() -> None:
    """Some things cannot have been otherwise."""
    policy = cards()
    record = decided(policy, amount="3.00 EUR", features={"tries": 6})
    keep = ("tries", "trusted")
    found = counterfactuals(policy.program, record, audience="analyst", keep=keep).found
    assert told(found) == [[("amount", "5.00 EUR")]]
    with pytest.raises(UnknownNameError, match="did you mean `tries`"):
        counterfactuals(policy.program, record, audience="analyst", keep=["tires"])


def test_a_present_input_goes_missing_only_where_asked() -> None:
    """To withhold something is seldom what anybody can do."""
    policy = cards()
    record = decided(policy, amount="100.00 EUR", scores={"fraud_score": "0.9"})
    plain = counterfactuals(policy.program, record, audience="analyst")
    asked = counterfactuals(policy.program, record, audience="analyst", to="review", missing=True)
    assert not [c for one in plain.found for c in one.changes if c.after == "missing"]
    assert all(one.word == "review" for one in asked.found)
    # Without a score nobody is asked to confirm, and the absence asks for a review after it.
    asked = counterfactuals(policy.program, record, audience="analyst", missing=True)
    assert asked.found


def test_an_amount_in_another_currency_is_held() -> None:
    """Its rate is not at hand, so what would follow is not known."""
    policy = cards()
    record = decided(policy, amount="3000.00 EUR")
    from dataclasses import replace

    foreign = replace(record, inputs={**record.inputs, "amount.original": "1"})
    own = counterfactuals(policy.program, record, audience="analyst", to="step_up").found
    found = counterfactuals(policy.program, foreign, audience="analyst", to="step_up").found
    assert any(name == "amount" for one in told(own) for name, _ in one)
    assert not any(name == "amount" for one in told(found) for name, _ in one)


def test_a_set_with_an_idle_change_is_not_whole() -> None:
    """However it was come by: the amount does it alone, the land does nothing."""
    policy = cards()
    record = decided(policy, amount="3.00 EUR", features={"tries": 6})
    event = policy.program.event("payment")
    search = Search(policy.program, situation_of(policy.program, event, record))
    amount = Change("amount", MONEY, 500)
    alone = search.decided([amount])
    both = search.decided([amount, Change("card_country", COUNTRY, "DE")])
    assert alone is not None
    assert both is not None
    assert alone.settled.outcome.word == both.settled.outcome.word == "approve"
    assert search.is_whole(alone)
    assert not search.is_whole(both)


def test_a_search_that_was_cut_short_says_so() -> None:
    """Nothing found within the limit is not the same as nothing to find."""
    policy = cards()
    record = decided(policy, card="tok_blocked_card_1")
    cut = counterfactuals(policy.program, record, audience="analyst", trials=2)
    assert (cut.found, cut.complete, cut.trials) == ((), False, 2)
    assert "the search ended after 2 events" in str(cut)
    whole = counterfactuals(policy.program, record, audience="analyst")
    assert told(whole.found) == [[('"tok_bl…" in blocked', "off the list")]]


def test_no_token_is_shown_whole() -> None:
    """Counterfactuals go into tickets."""
    policy = cards()
    record = decided(policy, card="tok_blocked_card_1")
    text = str(counterfactuals(policy.program, record, audience="analyst"))
    assert "tok_bl…" in text
    assert "tok_blocked_card_1" not in text


def test_it_is_refused_for_a_customer() -> None:
    """What would have been approved teaches fraud."""
    policy = cards()
    record = decided(policy, amount="3.00 EUR", features={"tries": 6})
    with pytest.raises(NotForCustomersError):
        counterfactuals(policy.program, record, audience="customer")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        counterfactuals(policy.program, record)  # type: ignore[call-arg]
