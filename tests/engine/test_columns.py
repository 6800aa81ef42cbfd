"""The columnar evaluator: row by row what the interpreter and the authority say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from tests.engine.builders import (
    ALWAYS,
    AMOUNT,
    AT_US,
    CARD,
    COUNTRY_OF_IP,
    EMAIL,
    TRIES,
    decline,
    does,
    euros,
    exempt,
    hold,
    many_tries,
    model,
    parts_of,
    policy,
    review,
    review_before,
    rule,
    score_above,
    situation_of,
)
from tests.engine.nodes import (
    absolute,
    arithmetic,
    both,
    calendar,
    case,
    compare,
    constant,
    either,
    field_input,
    in_list,
    in_set,
    lower,
    negate,
    negation,
    otherwise,
    points_at_least,
    rounded,
    text_test,
)
from tests.engine.random_programs import (
    random_clamp,
    random_lists,
    random_program,
    random_situation,
)
from tidegate.dsl.lists import ListContent
from tidegate.dsl.program import Expression, Input, PointsAtLeast, Program, Rollout
from tidegate.dsl.types import (
    COUNT,
    COUNTRY,
    DURATION,
    FLAG,
    INT64_MAX,
    INT64_MIN,
    MONEY,
    NUMBER,
    TEXT,
    TIME,
    Type,
    Value,
)
from tidegate.dsl.zones import DAY_US, load_zone
from tidegate.engine.authority import settle
from tidegate.engine.column_batch import Batch, CodedColumn, Column, IntegerColumn, collect, encode
from tidegate.engine.column_outcome import OutcomeColumns, compile_settler, settle_columns
from tidegate.engine.columns import (
    RuleMasks,
    compile_columns,
    evaluate_condition,
    evaluate_expression,
)
from tidegate.engine.functions import HOUR_US
from tidegate.engine.interpreter import (
    Missing,
    Reader,
    evaluate,
    explain_value,
    value_of,
)
from tidegate.engine.situation import Evaluation, Situation

EDGES = (INT64_MIN, INT64_MIN + 1, -(2**62), -3_037_000_500, -7, -2, -1, 0, 1, 2, 3, 5, 10**6,
         3_037_000_499, 3_037_000_500, 2**53 + 1, 2**62, INT64_MAX - 1, INT64_MAX)  # fmt: skip


# --- reading columns back ----------------------------------------------------------------------


def values_in(column: Column, rows: int) -> list[Value | None]:
    """A column as plain values."""
    if isinstance(column, CodedColumn):
        return [None if code < 0 else column.dictionary[code] for code in column.codes.tolist()]
    valid = [True] * rows if column.valid is None else column.valid.tolist()
    return [
        value if there else None for value, there in zip(column.values.tolist(), valid, strict=True)
    ]


def row_of(masks: RuleMasks, row: int) -> Evaluation:
    """One row of masks as the scalar evaluators give it."""

    def mask(rows: Iterable[Any]) -> int:
        return sum(1 << index for index, flags in enumerate(rows) if flags[row])

    rules = range(len(masks.fired))
    return Evaluation(
        mask(map(masks.fired_rows, rules)),
        mask(map(masks.unknown_rows, rules)),
        mask(map(masks.silenced_rows, rules)),
        int(masks.points[row]),
        int(masks.all_points[row]),
    )


def evaluations(masks: RuleMasks) -> list[Evaluation]:
    """Every row."""
    return [row_of(masks, row) for row in range(masks.rows)]


def assert_rows_settled(columns: OutcomeColumns, situations: Sequence[Situation]) -> None:
    """Each row is what `settle` says of its situation."""
    for row, situation in enumerate(situations):
        settled = settle(columns.plan.plan.program, situation)
        read = columns.row(row)

        assert settled.outcome == read.outcome()
        assert settled.evaluation == read.evaluation()
        assert settled.standing == read.standing()
        assert settled.masked == read.masked()
        assert settled.capped == read.capped()
        assert settled.winners == read.winners()
        assert settled.outcome.reasons[:1] == main_reason(columns, row)


def main_reason(columns: OutcomeColumns, row: int) -> tuple[str, ...]:
    """What the array of main reasons says."""
    place = columns.main_reason[row]
    return () if place < 0 else (columns.plan.reasons[place],)


def random_case(seed: int, rules: int = 10) -> tuple[Random, Program, list[Situation]]:
    """A program and up to 40 situations that read the same lists."""
    rng = Random(seed)
    program = random_program(rng, rules=rng.randint(1, rules), depth=rng.randint(1, 4))
    lists = random_lists(rng, program)
    count = rng.choice((1, 7, 8, 9, 40))
    event = program.events[0]
    return rng, program, [random_situation(rng, program, event, lists) for _ in range(count)]


def assert_same(expression: Expression, inputs: dict[Input, Sequence[Value | None]]) -> None:
    """The column of `expression` is what the interpreter says of every row."""
    rows = len(next(iter(inputs.values())))
    batch = Batch(rows, {item.name: encode(item.type, list(inputs[item])) for item in inputs})
    expected = [
        value_of(expression, Reader({item.name: inputs[item][row] for item in inputs}))
        for row in range(rows)
    ]

    assert expected == values_in(evaluate_expression(expression, batch), rows)


# --- one meaning -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(60))
def test_rules_are_found_as_by_the_interpreter(seed: int) -> None:
    """Columns and the interpreter disagree about a rule of a random program."""
    rng, program, situations = random_case(seed)
    event = program.events[0]
    batch = collect(event, situations)
    for clamped in (frozenset[str](), random_clamp(rng, event)):
        masks = compile_columns(program, event).evaluate(batch, clamped)

        assert [evaluate(program, s, clamped) for s in situations] == evaluations(masks)


@pytest.mark.parametrize("seed", range(1000, 1050))
def test_decisions_are_settled_as_by_the_authority(seed: int) -> None:
    """A backtest says other outcomes than the service."""
    _, program, situations = random_case(seed, rules=14)
    event = program.events[0]

    assert_rows_settled(settle_columns(program, event, collect(event, situations)), situations)


@pytest.mark.parametrize("seed", range(2000, 2030))
def test_every_expression_has_its_value_and_its_reason(seed: int) -> None:
    """A value in a column is missing for another reason than the record says."""
    rng, program, situations = random_case(seed, rules=3)
    event = program.events[0]
    names = [item.name for item in event.inputs]
    situations = [
        replace(s, reasons={name: rng.choice(("bad", "late")) for name in names[::3]})
        for s in situations
    ]
    batch = collect(event, situations)
    for expression in expressions_of(program):
        column = evaluate_expression(expression, batch, reasons=True)
        assert column.reasons is not None
        reasons = [column.reason_names[place] for place in column.reasons]
        read = [
            Missing(reason) if value is None else value
            for value, reason in zip(values_in(column, len(situations)), reasons, strict=True)
        ]

        assert [explain_value(expression, s) for s in situations] == read


def expressions_of(program: Program) -> set[Expression]:
    """Everything that the rules' conditions are made of, but for what reads points."""
    parts = {
        part
        for declared in program.events[0].rules
        for part in parts_of(declared.when)
        if isinstance(part, Expression)
    }
    return {p for p in parts if not any(isinstance(q, PointsAtLeast) for q in parts_of(p))}


@pytest.mark.parametrize("seed", range(3000, 3020))
def test_any_split_of_a_batch_gives_the_same_rows(seed: int) -> None:
    """What a row decides depends on the rows beside it."""
    rng = Random(seed)
    program = random_program(rng)
    event = program.events[0]
    lists = random_lists(rng, program)
    situations = [random_situation(rng, program, event, lists) for _ in range(50)]
    settler, evaluator = compile_settler(program, event), compile_columns(program, event)
    whole = collect(event, situations)
    cut = rng.randint(1, 49)
    parts = [collect(event, situations[:cut]), collect(event, situations[cut:])]

    expected = evaluations(evaluator.evaluate(whole))
    assert expected == evaluations(evaluator.evaluate(whole, chunk_rows=8))
    assert expected == [e for part in parts for e in evaluations(evaluator.evaluate(part))]
    assert_rows_settled(settler.settle(whole, chunk_rows=16), situations)


def test_no_rows_are_no_decisions() -> None:
    """An empty day stops a backtest."""
    program = policy(rule("large", ALWAYS, does(hold("size"), tags=("t",))))
    event = program.events[0]
    batch = collect(event, [])

    assert settle_columns(program, event, batch).rows == 0
    assert compile_columns(program, event).evaluate(batch).fired_counts() == [0]


@pytest.mark.parametrize("seed", range(4000, 4020))
def test_what_is_missing_everywhere_is_missing_everywhere(seed: int) -> None:
    """A column without one value is read as zeros."""
    _, program, situations = random_case(seed)
    event = program.events[0]
    bare = [
        replace(s, values=tuple(v if not i.can_be_missing else None
                                for i, v in zip(event.inputs, s.values, strict=True)))
        for s in situations
    ]  # fmt: skip
    masks = compile_columns(program, event).evaluate(collect(event, bare))

    assert [evaluate(program, s) for s in bare] == evaluations(masks)


# --- exact integers ----------------------------------------------------------------------------

PAIRS = [(a, b) for a in EDGES for b in EDGES]


@pytest.mark.parametrize(
    ("op", "left", "right"),
    [
        ("+", COUNT, COUNT),
        ("-", COUNT, COUNT),
        ("*", COUNT, COUNT),
        ("*", NUMBER, NUMBER),
        ("*", MONEY, NUMBER),
        ("/", COUNT, COUNT),
        ("/", MONEY, COUNT),
        ("/", COUNT, NUMBER),
        ("/", DURATION, DURATION),
    ],
)
def test_arithmetic_is_exact_at_the_edges_of_int64(op: str, left: Type, right: Type) -> None:
    """A product or a quotient wraps, or is rounded on the way."""
    a, b = field_input("a", left), field_input("b", right)
    firsts, seconds = zip(*PAIRS, strict=True)

    assert_same(arithmetic(op, a, b), {a: firsts, b: seconds})


@pytest.mark.parametrize("divisor", [-7, -2, 1, 2, 4, 10, 2**62 + 2, INT64_MAX, INT64_MIN])
def test_ties_go_to_the_even_neighbour(divisor: int) -> None:
    """Half a cent is rounded away from the even cent, for columns or for one divisor alone."""
    a, b = field_input("a", MONEY), field_input("b", COUNT)
    around = [k * abs(divisor) // 2 + d for k in range(-9, 10) for d in (-1, 0, 1)]
    values = [value for value in around if INT64_MIN <= value <= INT64_MAX]
    columns: dict[Input, Sequence[Value | None]] = {a: values, b: [divisor] * len(values)}

    assert_same(arithmetic("/", a, b), columns)
    assert_same(arithmetic("/", a, constant(COUNT, divisor)), columns)


def test_the_smallest_integer_has_no_opposite() -> None:
    """The distance of the smallest int64 from zero comes out negative."""
    a = field_input("a", NUMBER)
    for expression in (negate(a), absolute(a), *(rounded(a, places) for places in range(7))):
        assert_same(expression, {a: EDGES})


def test_times_end_where_the_scalar_ones_end() -> None:
    """A time far outside its span is compared as if it were one."""
    t, d = field_input("t", TIME), field_input("d", DURATION)
    times = [0, AT_US, 4_102_444_800 * 10**6] * 3
    spans = [10**17] * 3 + [-(10**17)] * 3 + [INT64_MAX] * 3
    for op in "+-":
        assert_same(arithmetic(op, t, d), {t: times, d: spans})


@pytest.mark.parametrize("op", ["=", "!=", "<", "<=", ">", ">="])
def test_a_literal_outside_the_column_s_width_compares(op: Any) -> None:
    """A narrow column wraps a literal that it cannot hold."""
    a = field_input("a", COUNT, optional=True)
    held = [-128, -1, 0, 1, 127, None]
    for literal in (INT64_MIN, -129, -128, 0, 127, 128, 40_000, INT64_MAX):
        assert_same(compare(op, a, constant(COUNT, literal)), {a: held})
        assert_same(compare(op, constant(COUNT, literal), a), {a: held})
        assert_same(in_set(a, {literal, 1}), {a: held})


def test_columns_are_as_narrow_as_their_values() -> None:
    """A count of a few is read eight bytes a row; what stands in missing rows widens it."""
    narrow = IntegerColumn.of([1, 2, 10**12], [True, True, False])

    assert narrow.values.dtype == np.int8
    assert narrow.values.tolist() == [1, 2, 0]
    assert IntegerColumn.of([1, 2**40]).values.dtype == np.int64


# --- the calendar ------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("function", ["hour", "minute", "weekday", "day", "month", "date"])
def test_clocks_are_read_as_the_scalar_ones(zone: str, function: Any) -> None:
    """The hour around a change of clocks, or over many years, is another one in columns."""
    t = field_input("t", TIME, optional=True)
    table = load_zone(zone)
    assert table is not None
    changes = [start + d for start in table.starts_us[-9:] for d in (-1, 0, 1, HOUR_US) if start]
    years = [k * 400 * DAY_US + 12_345_678 for k in range(118)]
    for times in (years, [*changes, AT_US], [AT_US, None, AT_US + HOUR_US]):
        assert_same(calendar(function, t, zone), {t: times})


# --- texts -------------------------------------------------------------------------------------


def test_columns_with_dictionaries_of_their_own_compare() -> None:
    """Two columns are compared by their codes though the codes mean different words."""
    a, b = field_input("a", COUNTRY, optional=True), field_input("b", COUNTRY, optional=True)
    left: list[Value | None] = ["FR", "DE", None, "US", None, "FR"]
    right: list[Value | None] = ["DE", "DE", "US", "FR", None, "FR"]
    same = compare("=", a, b)
    assert_same(same, {a: left, b: right})
    shared = CodedColumn.of([*left, *right])
    halves = {"a": shared.codes[:6], "b": shared.codes[6:]}
    columns = {name: CodedColumn(codes, shared.dictionary) for name, codes in halves.items()}
    batch = Batch(6, columns)

    true, unknown = evaluate_condition(same, batch)
    assert true.tolist() == [False, True, False, False, False, True]
    assert unknown.tolist() == [False, False, True, False, True, False]


def test_many_questions_about_one_text_do_not_mix() -> None:
    """The ninth question about a column is answered with the first one's bit."""
    words: list[Value | None] = [f"w{i:02}" for i in range(40)]
    a = field_input("a", TEXT, optional=True)
    sets = [in_set(a, [f"w{i:02}" for i in range(k, 40, 4)]) for k in range(4)]
    tests = [text_test("contains", a, str(k)) for k in range(8)]
    for condition in (*sets, *tests, either(both(*sets[:2]), both(*tests)), negation(sets[0])):
        assert_same(condition, {a: [*words, None]})
    assert_same(either(*(both(one, test) for one in sets for test in tests)), {a: [*words, None]})


def test_texts_made_of_texts_are_texts() -> None:
    """A lower-cased or chosen text is read in the dictionary of another."""
    a, b = field_input("a", TEXT, optional=True), field_input("b", TEXT, optional=True)
    left: list[Value | None] = ["A", "b", None, "Ä", None, "A"]
    right: list[Value | None] = ["a", None, "B", "a", None, "x"]
    chosen = case([(compare("=", lower(a), b), b)], otherwise(lower(a), constant(TEXT, "none")))

    assert_same(chosen, {a: left, b: right})
    assert_same(in_set(chosen, {"a", "none"}), {a: left, b: right})


def test_a_list_that_cannot_be_read_is_unknown_for_all() -> None:
    """A block list that is away lets everybody pass."""
    program = policy(rule("blocked", in_list(CARD, "blocked", managed=True), does(decline())))
    event = program.events[0]
    lists = {"blocked": ListContent(frozenset({"c1"}))}
    for contents, fired, unknown in ((lists, 1, 0), ({"blocked": None}, 0, 2), ({}, 0, 2)):
        situations = [situation_of(program, lists=contents, card=card) for card in ("c1", "c2")]
        masks = compile_columns(program, event).evaluate(collect(event, situations))

        assert [fired] == masks.fired_counts()
        assert [unknown] == masks.unknown_counts()


# --- standing, points, models ------------------------------------------------------------------


@pytest.mark.parametrize("key", [CARD, AMOUNT, TRIES, EMAIL, COUNTRY_OF_IP, field_input("f", FLAG)])
def test_a_share_is_the_same_share_in_columns(key: Input) -> None:
    """A backtest of a rollout covers other cards than the rollout itself."""
    rollout = Rollout(400_000, key.name, "wave")
    program = policy(
        rule("burst", many_tries(), does(hold()), version=1),
        rule("burst", ALWAYS, does(decline()), version=2, rollout=rollout, replaces=1),
    )
    if key.type == FLAG:
        event = program.events[0]
        field = replace(event.fields[0], name="f", type=FLAG)
        inputs, fields = (*event.inputs, key), (*event.fields, field)
        program = replace(program, events=(replace(event, inputs=inputs, fields=fields),))
    given: dict[str, list[Value | None]] = {
        "card": [f"c{i}" for i in range(40)],
        "amount": list(range(40)),
        "tries": [None, *range(39)],
        "email": [None, *(f"{i % 7}@x" for i in range(39))],
        "ip_country": ["FR", "DE", None, "US"] * 10,
        "f": [True, False] * 20,
    }
    rows: list[dict[str, Any]] = [{name: given[name][i] for name in given} for i in range(40)]
    situations = [situation_of(program, **row) for row in rows]
    event = program.events[0]

    assert_rows_settled(settle_columns(program, event, collect(event, situations)), situations)


def test_rules_stand_within_their_dates() -> None:
    """A rule acts in a backtest before its first day or after its last."""
    program = policy(
        rule("dated", ALWAYS, does(hold()), from_us=AT_US, until_us=AT_US + 5),
        rule("watching", ALWAYS, does(decline()), shadow=True, until_us=AT_US + 3),
    )
    situations = [situation_of(program, at=AT_US + d) for d in range(-2, 8)]
    event = program.events[0]
    columns = settle_columns(program, event, collect(event, situations))

    assert_rows_settled(columns, situations)
    assert columns.disposition.tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0, 0]


def test_points_are_read_live_or_with_the_shadow_ones() -> None:
    """A rule that is live in one row and shadow in the next reads the same points in both."""
    share = Rollout(500_000, "card", "w")
    program = policy(
        rule("adds", ALWAYS, does(points=30)),
        rule("watches", ALWAYS, does(points=50), shadow=True),
        rule("sum", points_at_least(40), does(review()), rollout=share),
        rule("most", points_at_least(80), does(review_before()), rollout=share),
    )
    situations = [situation_of(program, card=f"c{i}") for i in range(30)]
    event = program.events[0]

    assert_rows_settled(settle_columns(program, event, collect(event, situations)), situations)


def test_points_past_int64_are_still_counted() -> None:
    """Absurd points wrap into a discount."""
    program = policy(
        rule("one", ALWAYS, does(points=INT64_MAX)),
        rule("two", ALWAYS, does(points=INT64_MAX)),
        rule("sum", points_at_least(2 * INT64_MAX), does(decline())),
    )
    situations = [situation_of(program)]
    event = program.events[0]

    assert_rows_settled(settle_columns(program, event, collect(event, situations)), situations)


def test_a_model_without_a_status_is_not_read() -> None:
    """A table without a status column lets every score through."""
    risky = rule("risky", score_above("m"), does(decline()))
    program = policy(risky, models=[model("m", "decline")])
    event = program.events[0]
    batch = collect(event, [situation_of(program, m=0.9)])
    silent = replace(batch, statuses={})

    assert compile_columns(program, event).evaluate(batch).fired_counts() == [1]
    assert compile_columns(program, event).evaluate(silent).fired_counts() == [0]


def test_a_score_above_its_ceiling_is_capped_row_by_row() -> None:
    """One row's authority decides for its neighbours."""
    program = policy(
        rule("both", either(score_above("m"), compare(">", AMOUNT, euros(9))), does(decline("r"))),
        rule("mild", score_above("m", 0.2), does(review("s"))),
        models=[model("m", "review", unavailable=does(review("down")))],
    )
    rows: list[tuple[float | None, int, Any]] = [
        (0.9, 100, "ok"), (0.9, 5_000, "ok"), (0.3, 100, "ok"), (None, 5_000, "unavailable"),
        (None, 0, "abstained"), (0.1, 0, "ok"),
    ]  # fmt: skip
    situations = [
        situation_of(program, {"m": status}, amount=amount, m=score)
        for score, amount, status in rows
    ]
    event = program.events[0]
    columns = settle_columns(program, event, collect(event, situations))

    assert_rows_settled(columns, situations)
    assert columns.capped["disposition"].tolist() == [2, -1, -1, -1, -1, -1]
    assert columns.disposition.tolist() == [0, 2, 0, 2, 0, 0]


def test_a_score_that_may_exempt_is_read_by_rules_that_exempt() -> None:
    """An exemption that a model may cause is capped in columns alone, or one it may not is not."""
    for may, ends in (("exempt", "exempt"), ("review", "none")):
        program = policy(
            rule("low", score_above("m"), does(exempt("low_value", "r"))), models=[model("m", may)]
        )
        situations = [situation_of(program, m=score) for score in (0.9, 0.1)]
        event = program.events[0]
        columns = settle_columns(program, event, collect(event, situations))

        assert_rows_settled(columns, situations)
        assert ends == columns.row(0).outcome().authentication
