"""The windows in columns against the online windows and the contract, on every row."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.window_reference import (
    Decision,
    Event,
    History,
    Share,
    expected,
    full_state,
    random_history,
)
from tidegate.engine.window_columns import (
    NEVER_US,
    REASONS,
    Join,
    Operands,
    WindowColumn,
    first_copies,
    join,
    measure,
    sort_by_key,
    split_by_label,
    times,
    window,
)
from tidegate.engine.window_runs import Int64s
from tidegate.engine.windows import (
    INT64_MAX,
    INT64_MIN,
    SINCE,
    Aggregate,
    NotCounted,
    WindowValue,
)


def ints(values: Iterable[int]) -> Int64s:
    """A column."""
    return np.fromiter(values, dtype=np.int64)


def codes(names: Sequence[str | None], known: dict[str, int]) -> Int64s:
    """Codes in order of appearance, -1 for None."""
    return ints(-1 if name is None else known.setdefault(name, len(known)) for name in names)


class Columns:
    """A history as columns: contributions made by the column helpers, decisions as asked."""

    def __init__(self, history: History) -> None:
        keys: dict[str, int] = {}
        ids: dict[str, int] = {}
        events = list(history.events)
        first = first_copies(codes([event.event_id for event in events], ids))
        events = [event for event, kept in zip(events, first, strict=True) if kept]
        rows, enter, leave, label = _halves(history, events)
        brought: list[Share] = [
            events[row].when_true if labelled else events[row].when_false
            for row, labelled in zip(rows, label, strict=True)
        ]
        counted = [not isinstance(share, NotCounted) for share in brought]
        operands = [share for share in brought if not isinstance(share, NotCounted)]
        rows, self.enter, self.leave = rows[counted], enter[counted], leave[counted]
        self.key = codes([event.key for event in events], keys)[rows]
        self.ids = codes([event.event_id for event in events], ids)[rows]
        self.operands = Operands(
            ints(share if isinstance(share, int) else 7 for share in operands),
            np.array([share is not None for share in operands], dtype=np.bool_),
        )
        texts: dict[str, int] = {}
        dictionary = codes([None if share is None else str(share) for share in operands], texts)
        self.words = Operands(dictionary, dictionary >= 0)
        decisions = history.decisions
        self.t_us = ints(decision.t_us for decision in decisions)
        self.query_key = codes([decision.key for decision in decisions], keys)
        self.query_ids = codes([decision.event_id for decision in decisions], ids)

    def join(self, rows: slice = slice(None)) -> Join:
        """All contributions with some of the decisions."""
        asked = sort_by_key(self.query_key[rows], self.t_us[rows])
        return join(sort_by_key(self.key, self.enter), asked, self.ids, self.query_ids[rows])

    def measure(self, aggregate: Aggregate, rows: slice = slice(None)) -> list[WindowValue]:
        """One aggregate, as the online form has it."""
        operands = self.words if aggregate is Aggregate.DISTINCT else self.operands
        return answers(measure(aggregate, window(self.join(rows), self.leave), operands))


def _halves(
    history: History, events: list[Event]
) -> tuple[Int64s, Int64s, Int64s, np.typing.NDArray[np.bool_]]:
    enter, leave = times(
        ints(event.at_us for event in events),
        ints(event.received_us for event in events),
        history.window_us,
        history.delay_us,
    )
    reported = (event.reported_us for event in events)
    return split_by_label(enter, leave, ints(NEVER_US if r is None else r for r in reported))


def answers(column: WindowColumn) -> list[WindowValue]:
    """The rows of a column; checks on the way that its three parts agree."""
    assert column.value.dtype == np.int64
    assert column.reason.dtype == np.int8
    assert np.array_equal(column.valid, column.reason == 0)
    assert not column.value[~column.valid].any()
    rows = zip(column.value.tolist(), column.reason.tolist(), strict=True)
    return [WindowValue(None if reason else value, REASONS[reason]) for value, reason in rows]


def agree(history: History, aggregate: Aggregate) -> None:
    """Contract, online and columns give the same on every row."""
    columns = Columns(history).measure(aggregate)
    state = full_state(history)
    for decision, column in zip(history.decisions, columns, strict=True):
        key = (decision.key,)
        online = state.read(0, aggregate, key, decision.t_us, decision.event_id)

        assert expected(history, aggregate, decision) == online == column


def histories(*, labels: bool, text: bool = False) -> st.SearchStrategy[History]:
    """The histories of the online tests."""
    seeds = st.integers(0, 2**32)
    return seeds.map(lambda seed: random_history(random.Random(seed), labels=labels, text=text))


@given(st.one_of(histories(labels=False), histories(labels=True)))
def test_all_three_agree_on_every_row(history: History) -> None:
    """Every aggregate over ties, late events, copies, labels, missing keys and operands."""
    for aggregate in Aggregate:
        agree(history, aggregate)


@given(histories(labels=True, text=True))
def test_all_three_agree_on_text(history: History) -> None:
    """Distinct text as dictionary codes."""
    agree(history, Aggregate.DISTINCT)
    agree(history, Aggregate.COUNT)


@given(histories(labels=True), st.integers(1, 20))
def test_decisions_may_come_in_chunks(history: History, length: int) -> None:
    """A chunk of the decisions gives its part of the whole answer."""
    columns = Columns(history)
    for aggregate in Aggregate:
        parts = [
            answer
            for low in range(0, len(history.decisions), length)
            for answer in columns.measure(aggregate, slice(low, low + length))
        ]

        assert columns.measure(aggregate) == parts


@given(histories(labels=True), st.sampled_from([0, INT64_MIN + 500, INT64_MAX - 1500]))
def test_codes_of_any_size_mean_the_same(history: History, shift: int) -> None:
    """Sparse keys and ids, times at both ends of int64: what cannot be multiplied is ranked."""
    small = Columns(history)
    wide = Columns(history)
    wide.key, wide.query_key = _sparse(wide.key), _sparse(wide.query_key)
    wide.ids, wide.query_ids = _sparse(wide.ids), _sparse(wide.query_ids)
    wide.enter, wide.leave = wide.enter + shift, wide.leave + shift
    wide.t_us += shift
    wide.words = Operands(_sparse(wide.words.values) - 2**61, wide.words.valid)

    for aggregate in Aggregate:
        if aggregate not in SINCE:  # the distance from a shifted time is another one
            assert small.measure(aggregate) == wide.measure(aggregate)


def _sparse(code: Int64s) -> Int64s:
    return np.where(code < 0, code, code * (2**61 // 64))


@pytest.mark.parametrize("aggregate", list(Aggregate))
@pytest.mark.parametrize("in_order", [True, False])
def test_a_long_history(aggregate: Aggregate, *, in_order: bool) -> None:
    """Thousands of events under a few keys, so that runs are long and pieces many."""
    rng = random.Random(7)
    events = tuple(
        Event(
            event_id=str(i),
            key=rng.choice("aaab"),
            at_us=3 * i,
            received_us=3 * i + (0 if in_order else rng.choice((0, 0, 500))),
            reported_us=None,
            when_false=(operand := rng.randint(-50, 50)),
            when_true=operand,
        )
        for i in range(1500)
    )
    ask = rng.sample(events, 200)
    decisions = tuple(Decision(e.at_us, e.key, e.event_id) for e in ask)
    history = History(events, decisions, 2000, 10)

    agree(history, aggregate)


@pytest.mark.parametrize(
    "operands",
    [
        [INT64_MAX, INT64_MAX, INT64_MIN],
        [INT64_MIN, INT64_MIN],
        [INT64_MAX, 1],
        [INT64_MIN, -1, 1],
        [INT64_MAX, INT64_MAX, INT64_MAX - 1, 3],
        [2**62, 2**62],
        [-(2**62), -(2**62)],
        [2**31 - 1, 0, 5, 2**30, 7],
        [2**31, 0, 5, -(2**31)],
        [2**28 - 1, 2, 2**28 - 5, 9],
        [0, 0, 0, 1, 0, 0, 0, 3],
    ],
)
@pytest.mark.parametrize(
    "aggregate", [Aggregate.SUM, Aggregate.AVERAGE, Aggregate.DEVIATION, *SINCE]
)
def test_sums_at_the_ends_of_int64(operands: list[int], aggregate: Aggregate) -> None:
    """Overflow is judged on the exact sum of the window, not on the way to it."""
    events = tuple(Event(str(i), "k", i, i, None, o, o) for i, o in enumerate(operands))
    decisions = tuple(Decision(t_us, "k", None) for t_us in range(12))

    agree(History(events, decisions, 5, 0), aggregate)


def test_only_own_contributions_that_are_visible_are_taken_out() -> None:
    """A decision repeated later leaves out its own event, whose aggregates are then recomputed."""
    events = tuple(Event(str(i), "k", i, i, None, i % 3, i % 3) for i in range(30))
    decisions = tuple(
        Decision(at_us, "k", str(own)) for own in range(30) for at_us in range(own, own + 20, 4)
    )
    for aggregate in Aggregate:
        agree(History(events, decisions, 10, 2), aggregate)


def test_no_decisions_and_no_events() -> None:
    """Empty columns give empty answers or empty windows."""
    nobody = History((), (Decision(5, "k", "e"), Decision(5, None, None)), 10, 0)
    nothing = History((Event("e", "k", 0, 0, None, 1, 1),), (), 10, 0)
    for aggregate in Aggregate:
        agree(nobody, aggregate)
        agree(nothing, aggregate)
        agree(replace(nothing, events=()), aggregate)


@pytest.mark.parametrize("aggregate", list(Aggregate))
def test_rows_that_leave_before_they_enter_are_never_seen(aggregate: Aggregate) -> None:
    """An event received after its window has passed counts at no time, as `times` promises."""
    enter, leave = times(ints([0, 0, 5]), ints([0, 40, 5]), 10, 0)
    asked = sort_by_key(ints([0] * 60), ints(range(60)))
    seen = window(join(sort_by_key(ints([0, 0, 0]), enter), asked), leave)
    punctual = window(join(sort_by_key(ints([0, 0]), enter[[0, 2]]), asked), leave[[0, 2]])

    late = measure(aggregate, seen, Operands(ints([3, 4, 5])))

    assert answers(measure(aggregate, punctual, Operands(ints([3, 5])))) == answers(late)


def test_polars_agrees_on_every_row() -> None:
    """The benchmark, small and untimed: a third party computes the same six columns."""
    bench = pytest.importorskip("bench.windows", reason="needs the repository's root on the path")
    events = bench.generate(20_000, 400, 100)

    differing = bench.disagreements(bench.ours(events), bench.frame(events))

    assert set(differing.values()) == {0}


def test_first_copies_are_the_first_rows() -> None:
    """In order of arrival, the first row with an id counts."""
    assert first_copies(ints([4, 2, 4, 9, 2])).tolist() == [True, True, False, True, False]


def test_times_saturate() -> None:
    """Bounds past int64 stay at its end, as online."""
    enter, leave = times(ints([0, INT64_MAX - 3]), None, 10, 2)

    assert enter.tolist() == [2, INT64_MAX - 1]
    assert leave.tolist() == [12, INT64_MAX]


def test_columns_that_do_not_fit_are_refused() -> None:
    """A wrong length or a missing operand is an error of the caller, said at once."""
    one, two = ints([1]), ints([1, 2])
    order = sort_by_key(one, one)
    seen = window(join(order, order), two[:1])

    with pytest.raises(ValueError, match="keys and times must be columns of one length"):
        sort_by_key(one, two)
    with pytest.raises(ValueError, match="`sum` needs operands"):
        measure(Aggregate.SUM, seen)
    with pytest.raises(ValueError, match="operands must be one a contribution"):
        measure(Aggregate.SUM, seen, Operands(two))
    with pytest.raises(ValueError, match="event id is a code from 0"):
        join(order, order, ints([-1]), one)
    with pytest.raises(ValueError, match="cannot be negative"):
        times(one, None, -1, 0)
