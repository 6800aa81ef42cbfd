"""Coverage: what the cases show, by meaning, and what a case would have to be."""

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from tests.engine.small_policy import SmallPolicy, policy_of
from tests.policies_generated import generated_policy
from tests.situations_generated import generated_lists, generated_situations
from tidegate.dsl.lists import ListContent
from tidegate.dsl.program import PointsAtLeast
from tidegate.engine import Engine
from tidegate.engine.authority import settle
from tidegate.engine.coverage import Coverage, EventCoverage, Gap, coverage
from tidegate.engine.possible import possible_truths, reachable_points

SHOP = """
policy shop language 1
  currency EUR
  timezone "UTC"

event payment decided by default approve
  silent review
  id      text key
  at      time
  amount  money min 0 EUR max 1000 EUR
  items   count min 1 max 10
  land    country?
  card    token
  channel one of (web, app)

feature tries = count of payment by card over 10m

list blocked of token from "lists/blocked.csv"
list trusted of token managed

reason r "r" message "r"
"""
BLOCKED = ListContent(frozenset({"tok_blocked_1"}))


def shop(rules: str) -> SmallPolicy:
    """A small policy with these rules."""
    return policy_of(SHOP + rules, {"blocked": BLOCKED, "trusted": None})


def covered(policy: SmallPolicy, *cases: Mapping[str, Any]) -> Coverage:
    """What these payments show; each is named by its number."""
    engine, placed = Engine(policy), []
    for number, case in enumerate(cases):
        body = {
            "id": f"p-{number}", "at": "2026-11-23T10:00:00Z", "amount": "5 EUR", "items": 1,
            "land": "FR", "card": "tok_1", "channel": "web",
        }  # fmt: skip
        given = {k: v for k, v in case.items() if k in ("scores", "lists")}
        features = {"tries": case.get("tries", 0)}
        body |= {k: v for k, v in case.items() if k not in ("scores", "lists", "tries")}
        body = {k: v for k, v in body.items() if v is not None}
        situation = engine.situation(body, features=features, **given)
        placed.append((f"case {number}", situation))
    return coverage(policy.program, placed, policy.tables)


def gaps(found: Coverage) -> list[tuple[str, str, str]]:
    """Whose gap, what and in which state."""
    return [(gap.goal.of, gap.goal.what, gap.goal.state) for gap in found.gaps]


OR = """
rule big version 1
  when amount > 300 EUR or items > 5
  then review because r
"""


def test_every_condition_counts_whatever_stands_beside_it() -> None:
    """An `or` that is true already hides nothing: there is no early exit in what is shown."""
    found = covered(shop(OR), {"amount": "400 EUR", "items": 6}, {})
    assert (found.shown, found.demanded, found.percent, gaps(found)) == (6, 6, 100, [])


def test_what_no_case_shows_is_named_in_the_order_of_the_rule() -> None:
    """Each condition in both states, then the rule itself."""
    found = covered(shop(OR), {"amount": "400 EUR"})
    assert gaps(found) == [
        ("big@1", "amount > 300.00 EUR", "false"),
        ("big@1", "items > 5", "true"),
        ("big@1", "", "not fired"),
    ]


def test_a_suggestion_is_the_boundary_and_does_show_it() -> None:
    """The value beside the threshold is the one that tests it."""
    found = covered(shop(OR), {})
    assert [gap.suggestion and gap.suggestion.change for gap in found.gaps] == [
        "amount 300.01 EUR",
        "items 6",
        "amount 300.01 EUR",
    ]
    assert covered(shop(OR), {}, {"amount": "300.01 EUR"}, {"items": 6}).percent == 100


@pytest.mark.parametrize(
    "condition",
    ["amount >= 0 EUR", "items <= 10", 'channel in ("web", "app")', "card is present"],
)
def test_what_bounds_make_impossible_is_not_demanded(condition: str) -> None:
    """A case for what cannot be can never be written."""
    rule = f"rule r version 1\n  when {condition} and amount > 5 EUR\n  then review because r\n"
    states = {state for _, what, state in gaps(covered(shop(rule))) if what and "5.00" not in what}
    assert len(states) == 1


def test_unknown_is_demanded_where_it_can_be_and_only_there() -> None:
    """An optional field can be missing, a required one cannot."""
    rule = """
rule far version 1
  when land = "US" and amount > 5 EUR
  then review because r
  if unknown then skip
"""
    found = covered(shop(rule), {})
    assert [(what, state) for _, what, state in gaps(found) if state == "unknown"] == [
        ('land = "US"', "unknown"),
        ("", "unknown"),
    ]
    suggested = [gap.suggestion for gap in found.gaps if gap.goal.state == "unknown"]
    assert suggested[0] is not None
    assert suggested[0].change == "land missing"


def test_points_that_no_sum_reaches_are_not_demanded() -> None:
    """With one rule that adds 10, no case brings 20."""
    rule = """
rule ten version 1
  when amount > 5 EUR
  then add 10 points

rule sum version 1
  when points >= {}
  then review because r
"""
    wanted = covered(shop(rule.format(10)))
    assert ("sum@1", "points >= 10", "true") in gaps(wanted)
    assert ("sum@1", "points >= 20", "true") not in gaps(covered(shop(rule.format(20))))
    shown = covered(shop(rule.format(10)), {}, {"amount": "6 EUR"})
    assert shown.percent == 100


GROUPED = """
group g
  "g"
  except when card in trusted

rule first version 1
  in g
  when amount > 5 EUR
  then review because r

rule second version 1
  in g
  when items > 5
  then review because r
"""


def test_the_exception_of_a_group_is_one() -> None:
    """It is written once; each rule has to be silenced once all the same."""
    found = covered(shop(GROUPED), {"amount": "6 EUR", "items": 6, "lists": {"trusted": []}})
    assert ("group g", "card in trusted", "true") in gaps(found)
    assert ("group g", "card in trusted", "unknown") in gaps(found)
    assert [of for of, _, state in gaps(found) if state == "silenced"] == ["first@1", "second@1"]
    silenced = {"amount": "6 EUR", "items": 6, "lists": {"trusted": ["tok_1"]}}
    after = covered(shop(GROUPED), silenced, {"lists": {"trusted": []}})
    assert not [state for _, _, state in gaps(after) if state == "silenced"]


def test_what_is_on_a_list_of_the_folder_is_shown_by_a_member() -> None:
    """A case cannot change the file; no member is told in full."""
    rule = "rule b version 1\n  when card in blocked\n  then review because r\n"
    found = covered(shop(rule), {})
    change = next(g.suggestion.change for g in found.gaps if g.suggestion)
    assert change == 'card "tok_bl…"'


MODEL = """
model m version 1
  from "m"
  reads amount
  score s
  use payment when amount <= 100 EUR
  may review
  if unavailable then review because r

rule risky version 1
  when s > 0.5
  then review because r
"""


def test_each_answer_of_a_model_is_demanded() -> None:
    """What happens without a score is half of what a model does."""
    cases: list[dict[str, Any]] = [
        {"scores": {"s": "0.1"}}, {"scores": {"s": "0.9"}}, {"scores": {"s": "abstained"}},
        {"scores": {"s": "unavailable"}}, {"amount": "101 EUR"},
    ]  # fmt: skip
    assert covered(shop(MODEL), *cases).percent == 100
    for left_out, state in ((2, "abstained"), (3, "unavailable"), (4, "outside use")):
        rest = cases[:left_out] + cases[left_out + 1 :]
        assert gaps(covered(shop(MODEL), *rest)) == [("m", "", state)]


def test_a_masked_score_shows_nothing() -> None:
    """A condition that was not allowed to be read is neither true nor false."""
    found = covered(shop(MODEL), {"amount": "101 EUR", "scores": {"s": "0.9"}})
    assert ("risky@1", "s > 0.5", "true") in gaps(found)
    assert ("risky@1", "s > 0.5", "false") in gaps(found)


def test_a_rule_out_of_its_dates_shows_nothing() -> None:
    """What it would have said nobody sees."""
    rule = "rule d version 1\n  until 2026-01-01\n  when amount > 5 EUR\n  then review because r\n"
    found = covered(shop(rule), {"amount": "6 EUR"}, {})
    assert found.shown == 0


def test_percent_is_whole_and_100_only_at_the_end() -> None:
    """199 of 200 is 99, whatever is rounded."""
    none: tuple[Gap, ...] = ()
    assert Coverage(199, 200, none).percent == 99
    assert Coverage(999_999, 1_000_000, none).percent == 99
    assert Coverage(0, 0, none).percent == 100
    assert Coverage(199, 200, none).is_under(100)
    # 2 of 3 is 66.67 %: not under 66, under 67.
    assert not Coverage(2, 3, none).is_under(66)
    assert Coverage(2, 3, none).is_under(67)


@pytest.mark.parametrize("seed", range(12))
def test_what_happens_is_always_held_possible(seed: int) -> None:
    """What is not demanded must not come about: on any policy, with any event."""
    rng = Random(seed)
    program = generated_policy(rng).program
    for event in program.events:
        if not event.decided:
            continue
        points = reachable_points(program, event)
        lists = generated_lists(rng, program)
        one = EventCoverage(program, event, {})
        demanded = set(one.demanded())
        for situation in generated_situations(rng, program, event, lists, 40):
            total = settle(program, situation).evaluation.all_points
            assert points is None or total in points
            assert set(one.shown(situation)) <= demanded


def test_unknown_points_are_never_unknown() -> None:
    """Points are a sum that is always there."""
    rule = "rule sum version 1\n  when points >= 1\n  then review because r\n"
    program = shop(rule).program
    when = program.event("payment").rules[0].when
    assert isinstance(when, PointsAtLeast)
    assert possible_truths(when, frozenset({0})) == (False,)
    assert possible_truths(when, None) == (True, False)
