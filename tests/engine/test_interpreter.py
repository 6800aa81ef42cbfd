"""The definitional meaning: values, conditions, masking, rules."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from tests.engine.builders import (
    ALWAYS,
    AMOUNT,
    AT,
    CARD,
    COUNTRY_OF_IP,
    EMAIL,
    NEVER,
    TRIES,
    bits_of,
    dear,
    decline,
    does,
    euros,
    exempt,
    hold,
    many_tries,
    model,
    policy,
    review,
    rule,
    score_above,
    score_of,
    share,
    situation_of,
    whole,
)
from tests.engine.nodes import (
    absolute,
    arithmetic,
    both,
    calendar,
    case,
    compare,
    constant,
    days_since,
    either,
    field_input,
    in_list,
    in_networks,
    in_set,
    is_missing,
    let,
    negate,
    negation,
    otherwise,
    part,
    points_at_least,
    text_test,
)
from tidegate.dsl.lists import ListContent
from tidegate.dsl.program import Expression, Program
from tidegate.dsl.types import (
    COUNT,
    DURATION,
    FLAG,
    INT64_MAX,
    INT64_MIN,
    IP,
    TEXT,
    TIME_MAX_US,
    Value,
)
from tidegate.engine.interpreter import (
    Missing,
    Reader,
    atom_states,
    condition_states,
    evaluate,
    evaluate_as,
    explain_value,
    masked_everywhere,
    reader_of,
    truth,
    value_of,
)
from tidegate.engine.situation import Evaluation, Standing

FLAG_A = field_input("a", FLAG, optional=True)
FLAG_B = field_input("b", FLAG, optional=True)
RATIO = arithmetic("/", TRIES, TRIES)
EMPTY = policy()


def explained(expression: Expression, **values: Any) -> Value | Missing:
    """The value in an event with these inputs."""
    return explain_value(expression, situation_of(EMPTY, **values))


# --- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (arithmetic("+", whole(2), whole(3)), 5),
        (arithmetic("*", euros(10), share(0.125)), 125),
        (arithmetic("*", constant(COUNT, 5), share(0.5)), 2_500_000),
        (arithmetic("/", euros(1), euros(3)), 333_333),
        (arithmetic("/", whole(1), whole(0)), Missing("division_by_zero")),
        (arithmetic("+", whole(INT64_MAX), whole(1)), Missing("overflow")),
        (negate(whole(INT64_MIN)), Missing("overflow")),
        (negate(whole(5)), -5),
        (absolute(whole(INT64_MIN)), Missing("overflow")),
        (arithmetic("+", AT, constant(DURATION, TIME_MAX_US)), Missing("overflow")),
        (arithmetic("-", AT, constant(DURATION, TIME_MAX_US)), Missing("overflow")),
        (part("before", constant(TEXT, "abc"), "@"), Missing("not_found")),
        (TRIES, Missing("absent")),
        (arithmetic("*", TRIES, arithmetic("/", whole(1), whole(0))), Missing("absent")),
        (otherwise(TRIES, whole(7)), 7),
        (otherwise(whole(1), TRIES), 1),
        (otherwise(RATIO, arithmetic("/", whole(1), whole(0))), Missing("division_by_zero")),
        (case([(many_tries(), whole(1))], whole(0)), Missing("case_unknown")),
        (case([(ALWAYS, whole(1)), (many_tries(), whole(2))], whole(0)), 1),
        (case([(NEVER, whole(1))], whole(0)), 0),
        (compare("=", TRIES, TRIES), Missing("absent")),
        (is_missing(TRIES), True),
        (is_missing(arithmetic("/", whole(1), whole(0))), True),
        (is_missing(AMOUNT), False),
        (in_set(COUNTRY_OF_IP, ["FR"]), Missing("absent")),
        (in_list(CARD, "unreadable"), Missing("unreadable_list")),
        (text_test("starts with", EMAIL, "a"), Missing("absent")),
        (let("twice", arithmetic("+", whole(2), whole(2))), 4),
        (calendar("hour", AT, "Europe/Paris"), 15),
        (days_since(arithmetic("-", AT, constant(DURATION, 86_400 * 10**6)), AT), 1),
    ],
)
def test_values_and_why_they_are_missing(expression: Expression, expected: Value | Missing) -> None:
    """An analyst would read the wrong value, or not learn why there is none."""
    assert explained(expression) == expected


def test_an_input_keeps_its_own_reason() -> None:
    """A lenient field with a bad value would look as if it had been left out."""
    situation = situation_of(EMPTY, reasons={"tries": "not a whole number"})
    assert explain_value(many_tries(), situation) == Missing("not a whole number")


def test_a_time_outside_its_span_is_missing_though_int64_holds_it() -> None:
    """A date beyond 2100 would be read on a clock that the zone tables do not know."""
    later = arithmetic("+", AT, constant(DURATION, TIME_MAX_US))
    assert compare(">", later, AT).can_be_missing
    assert explained(compare(">", later, AT)) == Missing("overflow")
    assert explained(arithmetic("-", AT, AT)) == 0


@pytest.mark.parametrize(
    ("value", "inside"), [(9, False), (10, True), (20, True), (21, False), (40, True)]
)
def test_networks_are_closed_ranges(value: int, inside: bool) -> None:
    """The first or last address of a network would fall out of it."""
    condition = in_networks(field_input("ip", IP), [(10, 20), (40, 40)])
    assert truth(condition, Reader({"ip": value})) is inside


def test_an_expression_is_read_in_the_context_of_any_event() -> None:
    """A feature's `where` could not be evaluated over the events it counts."""
    where = both(compare("=", field_input("kind", TEXT), constant(TEXT, "fraud")), FLAG_A)
    assert truth(where, Reader({"kind": "fraud", "a": True})) is True
    assert truth(where, Reader({"kind": "fraud"})) is None
    assert truth(where, Reader({"kind": "other"})) is False
    assert value_of(AMOUNT, Reader({"amount": 5})) == 5


# --- conditions --------------------------------------------------------------------------------

KLEENE = [
    (True, True, True, True),
    (True, False, False, True),
    (True, None, None, True),
    (False, True, False, True),
    (False, False, False, False),
    (False, None, False, None),
    (None, True, None, True),
    (None, False, False, None),
    (None, None, None, None),
]


@pytest.mark.parametrize(("a", "b", "conjunction", "disjunction"), KLEENE)
def test_conditions_follow_strong_kleene(
    a: bool | None, b: bool | None, conjunction: bool | None, disjunction: bool | None
) -> None:
    """A missing input would decide a condition that does not depend on it, or the reverse."""
    reader = Reader({"a": a, "b": b})
    assert truth(both(FLAG_A, FLAG_B), reader) is conjunction
    assert truth(either(FLAG_A, FLAG_B), reader) is disjunction
    assert truth(negation(FLAG_A), reader) is (None if a is None else not a)
    assert value_of(both(FLAG_A, FLAG_B), reader) is conjunction


@pytest.mark.parametrize(("a", "b"), list(product((True, False, None), repeat=2)))
def test_negation_pushed_inwards_keeps_the_meaning(a: bool | None, b: bool | None) -> None:
    """`not (a and b)` would differ from `not a or not b`."""
    reader = Reader({"a": a, "b": b})
    for condition in (both(FLAG_A, negation(FLAG_B)), either(let("x", FLAG_A), FLAG_B)):
        plain = truth(condition, reader)
        assert truth(negation(condition), reader) is (None if plain is None else not plain)
        assert truth(negation(negation(condition)), reader) is plain


MASKED = frozenset({"m"})


@pytest.mark.parametrize(
    "atom",
    [
        score_above("m"),
        compare("<", arithmetic("+", score_of("m"), share(0.5)), share(1)),
        compare(">", otherwise(score_of("m"), share(1)), share(0)),
        is_missing(score_of("m")),
        compare("=", case([(score_above("m"), whole(1))], whole(0)), whole(0)),
        let("risky", score_above("m")),
        compare(">", arithmetic("*", let("s", score_of("m")), score_of("n")), share(0.1)),
    ],
)
@pytest.mark.parametrize("score", [None, 0, 900_000])
def test_a_masked_atom_is_false_in_both_polarities(atom: Expression, score: int | None) -> None:
    """A model without authority would act through `not`, `otherwise` or `is missing`."""
    reader = Reader({"m": score, "n": 900_000, "amount": 5})
    assert truth(atom, reader, MASKED) is False
    assert truth(negation(atom), reader, MASKED) is False
    assert truth(negation(negation(atom)), reader, MASKED) is False
    assert truth(negation(let("l", both(atom, ALWAYS))), reader, MASKED) is False


def test_masked_is_not_unknown() -> None:
    """A masked score would run `if unknown`, or an unknown input would pass for false."""
    reader = Reader({"m": 900_000, "amount": 5})
    masked, unknown = score_above("m"), many_tries()
    assert truth(either(masked, unknown), reader, MASKED) is None
    assert truth(both(masked, unknown), reader, MASKED) is False
    assert truth(negation(either(masked, unknown)), reader, MASKED) is False
    assert truth(negation(both(masked, unknown)), reader, MASKED) is None
    assert truth(either(negation(masked), ALWAYS), reader, MASKED) is True
    assert truth(both(masked, unknown), reader) is None


def test_the_rest_of_a_condition_is_evaluated_as_usual_under_a_mask() -> None:
    """Masking one model would silence conditions on another one."""
    reader = Reader({"m": 900_000, "n": 900_000})
    assert truth(score_above("n"), reader, MASKED) is True
    assert truth(either(score_above("m"), score_above("n")), reader, MASKED) is True


def test_states_of_atoms() -> None:
    """An explanation would show a masked or unknown atom as false, or lose one."""
    condition = both(
        negation(dear()), let("l", either(score_above("m"), many_tries())), points_at_least(10)
    )
    program = policy(rule("r", condition, does(hold())), models=[model("m", "hold")])
    situation = situation_of(program, amount=50_000, m=0.9)
    (only,) = program.events[0].rules
    states = [state for _, state in atom_states(only, situation, points=10)]
    assert states == [True, True, None, True]
    masked = [state for _, state in atom_states(only, situation, MASKED)]
    assert masked == [True, "masked", None, False]
    atoms = [atom for atom, _ in condition_states(condition, reader_of(situation))]
    assert atoms == [dear(), score_above("m"), many_tries(), points_at_least(10)]


# --- rules -------------------------------------------------------------------------------------


def found(program: Program, **values: Any) -> Evaluation:
    """The unmasked evaluation of one payment."""
    return evaluate(program, situation_of(program, **values))


def test_a_rule_is_fired_unknown_or_neither() -> None:
    """A rule with a missing input would fire, or its `if unknown` would be lost."""
    program = policy(rule("r", many_tries(), does(hold()), unknown=does(review())))
    assert found(program, tries=4) == Evaluation(1, 0, 0, 0, 0)
    assert found(program, tries=3) == Evaluation(0, 0, 0, 0, 0)
    assert found(program) == Evaluation(0, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("tries", "exception", "expected"),
    [
        (4, True, "silenced"),
        (4, False, "fired"),
        (4, None, "fired"),
        (None, True, "silenced"),
        (None, None, "unknown"),
        (0, True, "no"),
    ],
)
def test_only_an_exception_that_holds_silences(
    tries: int | None, exception: bool | None, expected: str
) -> None:
    """An unknown exception would relax a rule, or a true one would leave `if unknown` running."""
    told = compare("=", COUNTRY_OF_IP, constant(COUNTRY_OF_IP.type, "FR"))
    program = policy(rule("r", many_tries(), does(hold()), exceptions=(NEVER, told)))
    country = {True: "FR", False: "DE", None: None}[exception]
    result = found(program, tries=tries, ip_country=country)
    states = {"fired": result.fired, "unknown": result.unknown, "silenced": result.silenced}
    assert {name for name, bits in states.items() if bits} == {expected} - {"no"}


def test_points_add_up_before_rules_read_them() -> None:
    """The order of names would decide whether a rule sees all points."""
    program = policy(
        rule("a_reads", points_at_least(80), does(hold())),
        rule("b_adds", dear(), does(points=50)),
        rule("c_adds", many_tries(), does(points=40), unknown=does(points=30)),
        rule("d_relaxes", compare("<", AMOUNT, euros(200)), does(points=-5)),
        rule("e_is_silenced", ALWAYS, does(points=1000), exceptions=(ALWAYS,)),
    )
    certain = found(program, amount=15_000, tries=4)
    assert (certain.points, certain.fired) == (85, bits_of(program, "a_reads", "b_adds", "c_adds", "d_relaxes"))  # fmt: skip  # noqa: E501
    unknown = found(program, amount=15_000)
    assert (unknown.points, unknown.fired & 1) == (75, 0)
    assert found(program, amount=25_000).points == 80


def test_an_unknown_relaxing_rule_does_not_apply() -> None:
    """A missing input would lower the points."""
    program = policy(
        rule("adds", ALWAYS, does(points=50)),
        rule("relaxes", many_tries(), does(points=-50), unknown=does()),
    )
    assert found(program).points == 50
    assert found(program, tries=4).points == 0


def test_shadow_rules_see_all_points_and_live_rules_their_own() -> None:
    """A shadow rule would act through points, or could not be tried out with its shadow adders."""
    program = policy(
        rule("adds", ALWAYS, does(points=10)),
        rule("also_adds", ALWAYS, does(points=10), shadow=True),
        rule("reads", points_at_least(20), does(hold())),
        rule("reads_in_shadow", points_at_least(20), does(hold()), shadow=True),
    )
    result = found(program)
    assert (result.points, result.all_points) == (10, 20)
    assert result.fired == bits_of(program, "adds", "also_adds", "reads_in_shadow")
    everyone = Standing(live=0b1111, shadow=0)
    assert evaluate_as(program, situation_of(program), frozenset(), everyone).fired == 0b1111


def test_rules_out_of_their_dates_have_no_bit() -> None:
    """A rule of last Christmas would be counted as fired."""
    program = policy(rule("past", ALWAYS, does(hold(), points=5), until_us=1))
    assert found(program) == Evaluation(0, 0, 0, 0, 0)


# --- models ------------------------------------------------------------------------------------


def test_scores_are_masked_outside_use_and_without_an_answer() -> None:
    """A score that the policy does not admit here would be read."""
    models = [model("m", "hold", use_when=dear()), model("n", "hold")]
    program = policy(
        rule("m_high", score_above("m"), does(hold())),
        rule("n_low", negation(score_above("n")), does(hold())),
        models=models,
    )
    inside = situation_of(program, amount=50_000, m=0.9)
    assert masked_everywhere(program, inside) == frozenset()
    assert evaluate(program, inside).fired == 0b11
    outside = situation_of(program, amount=5, m=0.9)
    assert masked_everywhere(program, outside) == {"m"}
    assert evaluate(program, outside).fired == 0b10
    for status in ("unavailable", "abstained"):
        down = situation_of(program, statuses={"n": status}, amount=50_000, m=0.9)
        assert masked_everywhere(program, down) == {"n"}
        assert evaluate(program, down).fired == 0b01
    unheard = replace(inside, statuses={})
    assert masked_everywhere(program, unheard) == {"m", "n"}


def test_who_may_relax_or_exempt_is_still_read_there_inside_the_clamp() -> None:
    """The clamp would take away the very authority that `relax` and `exempt` give."""
    program = policy(
        rule("adds_less", score_above("m"), does(points=-10)),
        rule("exempts", score_above("m"), does(exempt("tra"))),
        rule("held", ALWAYS, does(hold()), exceptions=(score_above("m"),)),
        rule("ordinary", score_above("m"), does(hold())),
        models=[model("m"), model("n")],
    )
    situation = situation_of(program, m=0.9)

    def fired(*may: str) -> set[str]:
        able = replace(program, models=(model("m", *may), model("n")))
        rules, bits = able.events[0].rules, evaluate(able, situation, frozenset({"m"})).fired
        return {r.name for i, r in enumerate(rules) if bits >> i & 1}

    assert fired() == {"held"}
    assert fired("relax") == {"adds_less"}
    assert fired("exempt") == {"exempts", "held"}
    assert fired("relax", "exempt") == {"adds_less", "exempts"}


def test_points_of_an_unavailable_model_count_and_those_of_an_abstention_can_be_clamped() -> None:
    """A model would gain authority by abstaining, or an outage would go unanswered."""
    program = policy(models=[model("m", unavailable=does(points=30))])
    for status, clamped_points in (("ok", 0), ("unavailable", 30), ("abstained", 0)):
        situation = situation_of(program, statuses={"m": status})  # type: ignore[dict-item]
        assert evaluate(program, situation).points == (0 if status == "ok" else 30)
        assert evaluate(program, situation, frozenset({"m"})).points == clamped_points
    outside = policy(models=[model("m", use_when=dear(), unavailable=does(points=30))])
    assert evaluate(outside, situation_of(outside, {"m": "unavailable"})).points == 0


def test_a_mandatory_decline_stands_whatever_the_scores_say() -> None:
    """A rule without a score would depend on a mask."""
    blocked = in_list(CARD, "blocked")
    program = policy(
        rule("blocked", blocked, does(decline()), mandatory=True), models=[model("m", "decline")]
    )
    lists = {"blocked": ListContent(frozenset({"c1"}))}
    situation = situation_of(program, lists=lists, m=0.9)
    assert evaluate(program, situation).fired == 1
    assert evaluate(program, situation, frozenset({"m"})).fired == 1
