"""The predicate index says what the interpreter says; its rows are exact however they are kept."""

from __future__ import annotations

import re
from bisect import bisect_right
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine import nodes
from tests.engine.random_programs import (
    random_clamp,
    random_lists,
    random_program,
    random_situation,
)
from tests.engine.test_generated import agree, program_of
from tidegate.dsl.program import Expression, Input
from tidegate.dsl.types import COUNT, Bounds
from tidegate.engine import predicate_index
from tidegate.engine.formulas import Among, AtLeast
from tidegate.engine.generated import INDEX_FROM, compile_event
from tidegate.engine.index_rows import (
    Demand,
    SparseNames,
    SparseRows,
    integer_rows,
    named_rows,
)
from tidegate.engine.situation import Situation

BITS = 9
FULL = (1 << BITS) - 1
VALUES = range(-12, 13)


@pytest.fixture(autouse=True)
def _every_test_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small policies share little; their tests are to be asked by the index all the same."""
    monkeypatch.setattr(predicate_index, "MIN_SHARED", 1)


# --- rows --------------------------------------------------------------------------------------

integer_demands = st.lists(
    st.builds(
        Demand,
        st.integers(0, BITS - 1),
        st.one_of(
            st.builds(lambda least: AtLeast("v0", least), st.integers(-10, 10)),
            st.builds(
                lambda values: Among("v0", values),
                st.frozensets(st.integers(-10, 10), min_size=1, max_size=4),
            ),
        ),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)
name_demands = st.lists(
    st.builds(
        Demand,
        st.integers(0, BITS - 1),
        st.builds(
            lambda values: Among("v0", values),
            st.frozensets(st.sampled_from("abcdefg"), min_size=1, max_size=4),
        ),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


def standing(demands: list[Demand], value: int | str) -> int:
    """The conjunctions that violate nothing, one demand after the other."""
    row = FULL
    for bit, meaning, positive in demands:
        if isinstance(meaning, AtLeast):
            assert isinstance(value, int)
            holds = value >= meaning.least
        else:
            holds = value in meaning.values
        if holds != positive:
            row &= ~(1 << bit)
    return row


@given(integer_demands, st.sampled_from([1, 12, 1 << 20]))
def test_an_integers_row_is_what_its_tests_leave(demands: list[Demand], max_bytes: int) -> None:
    """A threshold would be off by one, or a row that is not kept be made wrong."""
    table = integer_rows(demands, FULL, max_bytes)
    for value in VALUES:
        row = table.rows[bisect_right(table.bounds, value)]
        assert row == standing(demands, value), value
    for value, row in enumerate(table.small()):
        assert row == standing(demands, value), value


@given(name_demands, st.sampled_from([1, 1 << 20]))
def test_a_names_row_is_what_its_tests_leave(demands: list[Demand], max_bytes: int) -> None:
    """A word would be taken for another, or for one that no test names."""
    table = named_rows(demands, FULL, max_bytes)
    for value in "abcdefgxyz":
        assert table.get(value, table.other) == standing(demands, value), value


def test_many_thresholds_stay_within_their_memory() -> None:
    """Ten thousand rules with thresholds of their own would take gigabytes."""
    count, max_bytes = 4_000, 1 << 20
    full = (1 << count) - 1
    demands = [Demand(bit, AtLeast("v0", 7 * bit), bit % 3 > 0) for bit in range(count)]
    table = integer_rows(demands, full, max_bytes)
    assert isinstance(table.rows, SparseRows)
    assert len(table.rows.kept) * (count // 8) <= 2 * max_bytes
    assert len(table.rows) == count + 1
    rng = Random(3)
    for value in (rng.randrange(-10, 7 * count + 10) for _ in range(50)):
        expected = sum(1 << d.bit for d in demands if (value >= 7 * d.bit) == d.positive)
        assert table.rows[bisect_right(table.bounds, value)] == expected


def test_many_names_stay_within_their_memory() -> None:
    """As above, for words."""
    demands = [Demand(bit, Among("v0", frozenset({f"w{bit}"})), True) for bit in range(2_000)]
    table = named_rows(demands, (1 << 2_000) - 1, max_bytes=1 << 10)
    assert isinstance(table.get.__self__, SparseNames)  # type: ignore[attr-defined]
    assert table.get("w77", table.other) == 1 << 77
    assert table.get("w", table.other) == 0


# --- normal form -------------------------------------------------------------------------------


def fields(count: int) -> tuple[Input, ...]:
    """Counts that may be missing."""
    bounds = Bounds(0, 1_000)
    return tuple(nodes.field_input(f"f{n}", COUNT, True, bounds) for n in range(count))


def above(entry: Input, value: int) -> Expression:
    """A threshold."""
    return nodes.compare(">", entry, nodes.constant(COUNT, value))


@pytest.mark.parametrize("pairs", [2, 3, 4])
def test_a_condition_that_grows_stays_branching_code(pairs: int) -> None:
    """A condition of `or`s within an `and` would double the index with every pair."""
    inputs = fields(2 * pairs)
    tests = [above(entry, 5) for entry in inputs]
    condition = nodes.both(*(nodes.either(tests[2 * n], tests[2 * n + 1]) for n in range(pairs)))
    program = program_of([condition, tests[0]], inputs)
    compiled = compile_event(program, program.events[0], {}, index_from=1)
    rng = Random(pairs)
    for _ in range(200):
        values = tuple(rng.choice((None, 5, 6)) for _ in inputs)
        agree(compiled, Situation(program.events[0], values, {}, {}), frozenset())
    body = compiled._generated(False, compiled.authority.roster.fixed)
    assert bool(re.search(r"m \|= 0x1\b", body.source)) is (2**pairs > 8)


def test_a_condition_of_many_ors_stays_branching_code() -> None:
    """As above, for a list of alternatives."""
    inputs = fields(9)
    condition = nodes.either(*(above(entry, 5) for entry in inputs))
    program = program_of([condition, above(inputs[0], 7)], inputs)
    compiled = compile_event(program, program.events[0], {}, index_from=1)
    body = compiled._generated(False, compiled.authority.roster.fixed)
    assert re.search(r"m \|= 0x1\b", body.source)


# --- decisions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_the_index_means_what_the_interpreter_means(seed: int) -> None:
    """A policy would decide otherwise once it has many rules."""
    rng = Random(seed)
    program = random_program(rng)
    lists = random_lists(rng, program)
    event = program.events[0]
    compiled = compile_event(program, event, lists, index_from=1)
    for _ in range(40):
        situation = random_situation(rng, program, event, lists)
        agree(compiled, situation, random_clamp(rng, event))
        agree(compiled, situation, frozenset())


def test_small_integers_are_looked_up_by_themselves() -> None:
    """A count just below nought, or at the last bound, would get the row of another."""
    (count,) = inputs = fields(1)
    program = program_of([above(count, n) for n in (0, 2, 5)], inputs)
    compiled = compile_event(program, program.events[0], {}, index_from=1)
    assert " if -1 < " in compiled._generated(False, compiled.authority.roster.fixed).source
    for value in range(-8, 9):
        agree(compiled, Situation(program.events[0], (value,), {}, {}), frozenset())


def test_few_rules_are_branching_code_and_many_an_index() -> None:
    """The slower of the two would be taken."""
    inputs = fields(3)
    for count, indexed in ((INDEX_FROM - 1, False), (INDEX_FROM, True)):
        conditions = [above(inputs[n % 3], n) for n in range(count)]
        program = program_of(conditions, inputs)
        compiled = compile_event(program, program.events[0], {})
        source = compiled._generated(False, compiled.authority.roster.fixed).source
        assert ("i &= " in source) is indexed


@pytest.mark.parametrize("shared_by", [1, 3])
def test_a_rule_with_a_test_of_its_own_stays_branching_code(
    shared_by: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four hundred comparisons of two inputs would each be asked about at every decision."""
    monkeypatch.setattr(predicate_index, "MIN_SHARED", 2)
    inputs = fields(2)
    differ = nodes.compare("<", *inputs)
    conditions = [nodes.both(differ, above(inputs[0], n)) for n in range(shared_by)]
    program = program_of([*conditions, *(above(inputs[1], n) for n in range(4))], inputs)
    compiled = compile_event(program, program.events[0], {}, index_from=1)
    for values in ((1, 2), (2, 1), (None, 2), (3, None), (3, 9)):
        agree(compiled, Situation(program.events[0], values, {}, {}), frozenset())
    source = compiled._generated(False, compiled.authority.roster.fixed).source
    assert bool(re.search(r"m \|= 0x1\b", source)) is (shared_by == 1)


def test_a_large_set_is_asked_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row for each of a thousand values would be kept for one test."""
    monkeypatch.setattr(predicate_index, "MAX_NAMED", 1)
    rng = Random(5)
    program = random_program(rng)
    event, lists = program.events[0], random_lists(rng, program)
    compiled = compile_event(program, event, lists, index_from=1)
    for _ in range(100):
        agree(compiled, random_situation(rng, program, event, lists), random_clamp(rng, event))
