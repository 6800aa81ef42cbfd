"""Mutants: each differs from its rule where it is said to, and what notices it does."""

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.engine.small_policy import SmallPolicy, policy_of
from tests.engine.test_coverage import SHOP
from tests.policies_generated import generated_policy
from tests.situations_generated import generated_lists, generated_situations
from tidegate import Engine, load_policy
from tidegate.dsl.lists import ListContent
from tidegate.engine.cases import run_case, situation_of_case
from tidegate.engine.interpreter import evaluate
from tidegate.engine.mutants import Mutant, mutants_of
from tidegate.engine.mutation import Mutation, mutation
from tidegate.rules.cases import Case, LocatedCase, read_cases

EXAMPLES = Path(__file__).parents[2] / "examples"


def shop(rules: str) -> SmallPolicy:
    """A small policy with these rules."""
    return policy_of(SHOP + rules, {"blocked": ListContent(frozenset({"t"})), "trusted": None})


def rule(condition: str) -> SmallPolicy:
    """One rule with this condition."""
    unknown = "  if unknown then skip\n" if "land" in condition else ""
    text = f"rule big version 1\n  when {condition}\n  then review before because r\n"
    return shop(text + unknown)


def mutants(policy: SmallPolicy) -> list[Mutant]:
    """All mutants of the only event."""
    return list(mutants_of(policy.program, policy.program.event("payment")))


def written(policy: SmallPolicy, *, equivalent: bool = False) -> list[str]:
    """What stands there instead, of mutants that a case can notice or of the others."""
    found = [m for m in mutants(policy) if m.sort != "rung" and m.equivalent == equivalent]
    return [mutant.after for mutant in found]


def case(name: str, expect: dict[str, Any], **fields: Any) -> LocatedCase:
    """A case with a plain payment, some fields otherwise."""
    body = {
        "id": name, "at": "2026-11-23T10:00:00Z", "amount": "5 EUR", "items": 1, "land": "FR",
        "card": "tok_1", "channel": "web", **fields,
    }  # fmt: skip
    whole = {"outcome": "approve", "reasons": [], "fired": [], **expect}
    given = {"name": name, "event": {"payment": body}, "expect": whole, "features": {"tries": 0}}
    return LocatedCase("cases/a.yaml", 1, Case.model_validate(given))


FIRED = {"outcome": "review", "reasons": ["r"], "fired": ["big"], "review": "before"}

# --- what is made ---


def test_a_comparison_is_moved_by_its_smallest_unit_to_either_side() -> None:
    """Each way once: `>= 300` is `> 299.99` in other words."""
    assert written(rule("amount > 300 EUR")) == ["amount >= 300.00 EUR", "amount > 300.01 EUR"]
    assert written(rule("items <= 5")) == ["items < 5", "items <= 6"]
    assert written(rule("300 EUR > amount")) == ["300.00 EUR >= amount", "299.99 EUR > amount"]
    assert written(rule("items = 5")) == ["items != 5", "items = 6", "items = 4"]
    assert written(rule("amount / 10 EUR >= 0.5")) == [
        "amount / 10.00 EUR > 0.5",
        "amount / 10.00 EUR >= 0.499999",
    ]
    assert written(rule("at >= 2026-11-23")) == [
        "at > 2026-11-23T00:00:00Z",
        "at >= 2026-11-22T23:59:59.999999Z",
    ]


def test_what_bounds_prove_to_be_the_same_is_counted_apart() -> None:
    """Items lie between 1 and 10: nothing tells `> 0` from `>= 0`."""
    assert written(rule("items > 0 and amount > 5 EUR"), equivalent=True) == ["items >= 0"]
    assert "items > 1" in written(rule("items > 0 and amount > 5 EUR"))
    assert written(rule("items < 11 and amount > 5 EUR"), equivalent=True) == ["items <= 11"]


def test_points_move_only_where_a_sum_can_tell() -> None:
    """With one rule that adds 10, `>= 10` and `>= 9` are the same."""
    rules = "rule ten version 1\n  when amount > 5 EUR\n  then add 10 points\n"
    rules += "rule sum version 1\n  when points >= 10\n  then review because r\n"
    assert written(shop(rules), equivalent=True) == ["points >= 9"]
    assert "points >= 11" in written(shop(rules))


def test_members_connectives_and_parts() -> None:
    """A set loses each member, `and` becomes `or`, each part is dropped."""
    assert written(rule('land in ("DE", "FR", "US")')) == [
        'land in ("FR", "US")',
        'land in ("DE", "US")',
        'land in ("DE", "FR")',
    ]
    found = written(rule('items > 5 and channel = "web"'))
    assert found[:3] == [
        'items > 5 or channel = "web"',
        'channel = "web"',
        "items > 5",
    ]


def test_between_loses_an_end_and_is_never_made_an_or() -> None:
    """It is one thing on the page: the mutant is written as what is left of it."""
    found = written(rule("items between 2 and 5"))
    assert found[:2] == ["items <= 5", "items >= 2"]
    assert not [text for text in found if " or " in text]


def test_a_long_set_says_what_it_is_without() -> None:
    """Its beginning would look the same."""
    found = written(rule('land in ("AT", "BE", "DE", "ES", "FR", "IT", "US")'))
    assert found[-1].endswith('without "US"')


def test_a_let_is_wrong_in_every_rule_that_reads_it() -> None:
    """It is written once."""
    rules = "let much = amount > 5 EUR\n"
    for name in ("a", "b"):
        rules += f"rule {name} version 1\n  when much and items > 2\n  then review because r\n"
    moved = [m for m in mutants(shop(rules)) if m.after == "amount >= 5.00 EUR"]
    assert [m.rules for m in moved] == [("a@1", "b@1")]


def test_what_would_not_compile_is_no_mutant() -> None:
    """The guard `is present` may not be dropped: the checker would ask for `if unknown`."""
    guarded = shop(
        'rule big version 1\n  when land is present and land = "US"\n  then review because r\n'
    )
    assert written(guarded) == ["land is present", 'land != "US"']


def test_a_shadow_rule_asks_for_nothing_that_could_be_lower() -> None:
    """Nobody sees what it would ask for."""
    live = shop("rule big version 1\n  when items > 2\n  then decline because r\n")
    shadow = shop("rule big version 1\n  shadow\n  when items > 2\n  then decline because r\n")
    assert [m.after for m in mutants(live) if m.sort == "rung"] == ["then hold"]
    assert not [m for m in mutants(shadow) if m.sort == "rung"]


@pytest.mark.parametrize("seed", range(16))
def test_equivalent_mutants_say_the_same_everywhere(seed: int) -> None:
    """What is left out as the same must never differ, on any policy with any event."""
    rng = Random(seed)
    program = generated_policy(rng).program
    for event in program.events:
        if not event.decided:
            continue
        found = list(mutants_of(program, event))
        assert all(m.rules and m.event != event for m in found)
        lists = generated_lists(rng, program)
        situations = generated_situations(rng, program, event, lists, 15)
        before = [evaluate(program, situation) for situation in situations]
        for mutant in [m for m in found if m.equivalent]:
            other = mutant.program(program)
            after = [evaluate(other, replace(s, event=mutant.event)) for s in situations]
            assert after == before, mutant.after


# --- what is noticed ---


def survivors(found: Mutation) -> list[tuple[str, str]]:
    """What nobody notices, and the case that would."""
    return [
        (s.mutant.after, "" if s.suggestion is None else s.suggestion.change)
        for s in found.survivors
    ]


def test_cases_on_both_sides_of_the_threshold_notice_everything() -> None:
    """That is what mutation asks for, and all it asks for."""
    policy = rule("amount > 300 EUR")
    cases = [case("at", {}, amount="300 EUR"), case("above", FIRED, amount="300.01 EUR")]
    found = mutation(policy, cases)
    assert (found.noticed, found.percent, survivors(found)) == (3, 100, [])
    assert not found.is_under(100)


def test_a_case_that_is_missing_is_named() -> None:
    """The value beside the threshold, tried on the rule and on the mutant."""
    policy = rule("amount > 300 EUR")
    found = mutation(policy, [case("at", {}, amount="300 EUR")])
    assert survivors(found) == [
        ("amount > 300.01 EUR", "amount 300.01 EUR"),
        ("then review", "amount 300.01 EUR"),
    ]
    assert (found.noticed, found.total, found.percent) == (1, 3, 33)
    assert found.is_under(34)
    assert not found.is_under(33)


def test_two_changes_are_found_where_one_does_not_do() -> None:
    """The second one is looked for at the boundaries as they lie after the first."""
    policy = rule('items > 5 and channel = "app"')
    found = dict(survivors(mutation(policy, [case("plain", {})])))
    assert found["items >= 5"] == 'channel "app" and items 5'


def test_a_case_that_states_more_may_do() -> None:
    """The lower rung has the same word: only the review tells."""
    policy = shop("rule big version 1\n  when items > 2\n  then step_up s because r\n" + STEP_UP)
    told = {"outcome": "step_up", "reasons": ["r"], "fired": ["big"]}
    cases = [case("at", {}, items=2), case("above", told, items=3)]
    assert survivors(mutation(policy, cases)) == [
        ("then prefer step_up s", "authentication mandated stated")
    ]
    stated = case("above", {**told, "authentication": "mandated"}, items=3)
    assert survivors(mutation(policy, [cases[0], stated])) == []


STEP_UP = """
step_up s rank 1
  "s"
  try three_ds
  within 10m
  if failed then decline because r
  if unavailable then review because r
"""


@pytest.mark.parametrize("example", ["first", "card"])
def test_every_suggestion_tells_the_mutant_from_the_rule(example: str) -> None:
    """Noticed means that a case fails with the compiled engine too; survivors pass them all."""
    policy = load_policy(EXAMPLES / example)
    cases = read_cases(EXAMPLES / example).cases
    engine = Engine(policy)
    assert all(run_case(engine, one).passed for one in cases)
    found = mutation(policy, cases)
    assert found.survivors
    for survivor in found.survivors[::7]:
        mutated = Engine(replace(policy, program=survivor.mutant.program(policy.program)))
        assert all(run_case(mutated, one).passed for one in cases), survivor.mutant.after
    suggested = [s for s in found.survivors if s.suggestion is not None]
    assert len(suggested) * 10 >= len(found.survivors) * 9
    names = {one.case.name for one in cases}
    assert {s.suggestion.like for s in suggested if s.suggestion} <= names


def test_a_case_that_is_refused_notices_nothing() -> None:
    """Its event is decided by no rule."""
    policy = rule("items > 5")
    refused = case("bad", {"refused": ["missing_field"]}, items=1)
    body = {k: v for k, v in refused.case.event["payment"].items() if k != "items"}
    refused = replace(refused, case=refused.case.model_copy(update={"event": {"payment": body}}))
    assert situation_of_case(Engine(policy), refused) is None
    found = mutation(policy, [refused])
    assert (found.noticed, found.percent) == (0, 0)
    assert all(survivor.suggestion is None for survivor in found.survivors)
