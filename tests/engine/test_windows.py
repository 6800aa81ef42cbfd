"""The online windows against the contract of LANGUAGE.md section 4, and their state as a value."""

from __future__ import annotations

import copy
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.window_reference import (
    TYPE,
    Decision,
    Event,
    History,
    arrival,
    expected,
    first_copies,
    full_state,
    random_history,
    shares,
)
from tidegate.engine.window_bytes import BucketBytesError, decode, encode
from tidegate.engine.windows import (
    INT64_MAX,
    INT64_MIN,
    NOT_COUNTED,
    Aggregate,
    Bucket,
    Changes,
    Contribution,
    Operand,
    WindowState,
    WindowValue,
    advance,
    bucket_of,
    contributions,
    prune,
    value,
    without,
)

NUMERIC = [aggregate for aggregate in Aggregate if aggregate is not Aggregate.DISTINCT]
A_DAY, A_WEEK = 86_400_000_000, 604_800_000_000


def ask(state: WindowState, aggregate: Aggregate, decision: Decision) -> WindowValue:
    """What the state answers for feature 0."""
    return state.read(0, aggregate, (decision.key,), decision.t_us, decision.event_id)


def histories(*, labels: bool, text: bool = False) -> st.SearchStrategy[History]:
    """Histories that shrink through their seed only: whole ones are cheap to read."""
    seeds = st.integers(0, 2**32)
    return seeds.map(lambda seed: random_history(random.Random(seed), labels=labels, text=text))


def spread(bucket: Bucket | None, items: tuple[Contribution, ...]) -> Bucket | None:
    """The bucket after several contributions."""
    for item in items:
        bucket = advance(bucket, item)
    return bucket


# --- the contract ---------------------------------------------------------------------------------


@given(st.one_of(histories(labels=False), histories(labels=True)))
def test_every_aggregate_meets_the_contract(history: History) -> None:
    """Ties, late events, copies, labels: the state answers what the contract says, row by row."""
    state = full_state(history)

    for aggregate in Aggregate:
        for decision in history.decisions:
            assert expected(history, aggregate, decision) == ask(state, aggregate, decision)


@given(histories(labels=True, text=True))
def test_distinct_and_count_take_text(history: History) -> None:
    """Text operands are told apart as they are."""
    state = full_state(history)

    for aggregate in (Aggregate.COUNT, Aggregate.DISTINCT):
        for decision in history.decisions:
            assert expected(history, aggregate, decision) == ask(state, aggregate, decision)


@given(histories(labels=True))
def test_what_is_not_known_yet_changes_nothing(history: History) -> None:
    """Events and labels that come only when they come give the answers of full hindsight.

    Each event is stepped when it is received, its label reported later by `revise`, the state
    forgets on the way, and every decision is asked at its own time.
    """
    # 0: decisions last among equals, so that the strict bounds are what hides a tie
    agenda: list[tuple[int, int, int]] = []
    known = first_copies(history.events)
    for index, event in enumerate(known):
        agenda.append((event.received_us, 0, index))
        if event.reported_us is not None and event.reported_us > event.received_us:
            agenda.append((event.reported_us, 1, index))
    agenda += [(d.t_us, 2, index) for index, d in enumerate(history.decisions)]
    state = WindowState(history.window_us + history.delay_us)

    for now_us, kind, index in sorted(agenda):
        if kind == 2:
            decision = history.decisions[index]
            for aggregate in Aggregate:
                assert expected(history, aggregate, decision) == ask(state, aggregate, decision)
            state.apply(state.forget(now_us))
            continue
        event = known[index]
        reported = event.reported_us
        if kind == 0 and reported is not None and reported > event.received_us:
            reported = None
        take = state.revise if kind == 1 else state.step
        state.apply(take(arrival(history, event, reported), now_us))


@pytest.mark.parametrize(
    ("t_us", "seen"),
    [
        (A_DAY, 0),  # at = t - D: the end is excluded
        (A_DAY + 1, 1),
        (A_DAY + A_WEEK, 1),  # at = t - W - D: the start is included
        (A_DAY + A_WEEK + 1, 0),
    ],
)
def test_the_start_is_included_and_the_end_excluded(t_us: int, seen: int) -> None:
    """The window is [t - W - D, t - D), to the microsecond; the event is at 0."""
    history = History((Event("e", "k", 0, 0, None, 5, 5),), (), A_WEEK, A_DAY)

    assert WindowValue(seen, None) == ask(
        full_state(history), Aggregate.COUNT, Decision(t_us, "k", None)
    )


@pytest.mark.parametrize(("t_us", "seen"), [(50, 0), (51, 1), (100, 1), (101, 0)])
def test_an_event_is_seen_once_received(t_us: int, seen: int) -> None:
    """At 0 but received at 50: seen strictly after, and it leaves as if it had been on time."""
    history = History((Event("e", "k", 0, 50, None, 5, 5),), (), 100, 0)

    assert seen == ask(full_state(history), Aggregate.COUNT, Decision(t_us, "k", None)).value


@pytest.mark.parametrize(
    ("reported_us", "t_us", "amount"),
    [
        (50, 50, 1),  # reported at t is not yet seen
        (50, 51, 2),
        (50, 101, None),
        (-7, 1, 2),  # known before the event
        (100, 100, 1),
        (101, 101, None),  # known only after the event left
        (None, 100, 1),  # never reported means false
    ],
)
def test_only_labels_reported_before_t_are_seen(
    reported_us: int | None, t_us: int, amount: int | None
) -> None:
    """An event at 0 in a window of 100 brings 1 while its label is false and 2 once it is true."""
    history = History((Event("e", "k", 0, 0, reported_us, 1, 2),), (), 100, 0)

    assert amount == ask(full_state(history), Aggregate.MAXIMUM, Decision(t_us, "k", None)).value


def test_where_may_hold_for_one_half_only() -> None:
    """`where fraud` counts nothing before the report, `where not fraud` nothing after it."""
    fraud = History((Event("e", "k", 0, 0, 50, NOT_COUNTED, 7),), (), 100, 0)
    clean = History((Event("e", "k", 0, 0, 50, 7, NOT_COUNTED),), (), 100, 0)

    assert (Contribution(50, 100, 7, "e"),) == shares(fraud, fraud.events[0], 50)
    assert (Contribution(0, 50, 7, "e"),) == shares(clean, clean.events[0], 50)
    assert shares(fraud, fraud.events[0], None) == ()


def test_a_copy_changes_nothing() -> None:
    """An id counts once per type, whatever the copy says; another type has its own ids."""
    history = History((), (), 100, 0)
    state = WindowState(100)
    first = arrival(history, Event("e", "k", 0, 0, None, 5, 5), None)
    state.apply(state.step(first))

    copied = arrival(history, Event("e", "other", 1, 1, None, 9, 9), None)

    assert Changes() == state.step(copied)
    assert Changes() != state.step(
        type(first)("refund", "e", 0, 0, first.entries)  # the same id of another type
    )


def test_an_event_is_never_in_its_own_window() -> None:
    """A decision repeated later for the same event does not count it; any other does."""
    state = full_state(History((Event("e", "k", 0, 0, None, 5, 5),), (), 100, 0))

    assert state.read(0, Aggregate.COUNT, ("k",), 10, "e").value == 0
    assert state.read(0, Aggregate.COUNT, ("k",), 10, "f").value == 1
    assert state.read(0, Aggregate.COUNT, ("k",), 10, None).value == 1


@pytest.mark.parametrize("aggregate", list(Aggregate))
def test_a_missing_key_part_is_missing_and_kept_out(aggregate: Aggregate) -> None:
    """Events without a key enter no window, and a decision without one has no feature."""
    state = full_state(History((Event("e", None, 0, 0, None, 5, 5),), (), 100, 0))

    assert WindowValue(None, "missing_key") == state.read(0, aggregate, ("k", None), 10, None)
    assert not state.buckets


@pytest.mark.parametrize(
    ("aggregate", "empty"),
    [(a, 0 if a in {"count", "sum", "distinct"} else None) for a in Aggregate],
)
def test_an_empty_window(aggregate: Aggregate, empty: int | None) -> None:
    """0 for count, sum and distinct, missing with its reason for the rest."""
    answer = WindowValue(empty, None if empty == 0 else "empty_window")

    assert answer == value(aggregate, None, 10, None)
    assert answer == value(aggregate, Bucket(), 10, None)


@pytest.mark.parametrize(
    ("operands", "spread"),
    [
        ([0, 0, 0, 1], 0),  # exactly 1/2, to even
        ([0, 0, 0, 3], 2),  # exactly 3/2, to even
        ([0, 0, 0, -5], 2),  # exactly 5/2, to even
        ([5, 5, 5], 0),
        ([1, None, 2], 1),
        ([0, 2**62], 3_260_954_456_333_195_553),
        ([INT64_MAX, INT64_MAX - 1, INT64_MAX - 2], 1),
        ([4, None], "one_event"),
        ([INT64_MIN, INT64_MAX], "overflow"),
    ],
)
def test_deviations_are_exact(operands: list[Operand | None], spread: int | str) -> None:
    """Sums of squares far beyond int64, rounded once, half to even; one event has no spread."""
    bucket = bucket_of([Contribution(0, 9, o, str(i)) for i, o in enumerate(operands)])
    answer = value(Aggregate.DEVIATION, bucket, 5, None)

    assert (answer.value if answer.reason is None else answer.reason) == spread


@pytest.mark.parametrize(
    ("operands", "total", "average"),
    [
        ([INT64_MAX, 0], WindowValue(INT64_MAX, None), 2**62),  # 2**62 - 1/2, to even
        ([INT64_MAX, 1], WindowValue(None, "overflow"), 2**62),
        ([INT64_MAX, 1, -1], WindowValue(INT64_MAX, None), (2**63 - 1) // 3),
        ([INT64_MIN, -1], WindowValue(None, "overflow"), -(2**62)),
        ([INT64_MIN, 0], WindowValue(INT64_MIN, None), -(2**62)),
        ([1, 2], WindowValue(3, None), 2),
        ([2, 3], WindowValue(5, None), 2),
        ([-1, -2], WindowValue(-3, None), -2),
        ([-2, -3], WindowValue(-5, None), -2),
        ([None, 4], WindowValue(4, None), 4),
    ],
)
def test_sums_and_averages_are_exact(
    operands: list[Operand | None], total: WindowValue, average: int
) -> None:
    """A sum beyond int64 is missing, an average never; halves go to the even neighbour."""
    bucket = bucket_of([Contribution(0, 9, o, str(i)) for i, o in enumerate(operands)])

    assert total == value(Aggregate.SUM, bucket, 5, None)
    assert WindowValue(average, None) == value(Aggregate.AVERAGE, bucket, 5, None)


def test_times_saturate_and_negative_lengths_are_refused() -> None:
    """Windows that reach past int64 keep their meaning; a negative window has none."""
    history = History((), (), INT64_MAX, 5)
    event = Event("e", "k", 10, 10, None, 5, 5)

    assert (Contribution(15, INT64_MAX, 5, "e"),) == shares(history, event, None)
    with pytest.raises(ValueError, match="cannot be negative"):
        shares(History((), (), 1, -1), event, None)


# --- the state as a value -------------------------------------------------------------------------


@given(histories(labels=True), st.randoms(use_true_random=False))
def test_a_bucket_does_not_remember_the_order_of_arrival(
    history: History, rng: random.Random
) -> None:
    """The same contributions in any order are the same bucket, flag and bytes included."""
    items = [c for event in history.events for c in shares(history, event, event.reported_us)]
    shuffled = rng.sample(items, len(items))

    assert (spread(None, tuple(shuffled)) or Bucket()) == bucket_of(items)


@given(histories(labels=True), st.integers(-5, 500))
def test_pruning_changes_no_later_answer(history: History, before_us: int) -> None:
    """What is pruned was invisible from there on, and all that is invisible is pruned."""
    items = [c for event in history.events for c in shares(history, event, event.reported_us)]
    whole, pruned = bucket_of(items), prune(bucket_of(items), before_us)

    assert bucket_of([c for c in items if c.leave_us >= before_us]) == pruned
    for decision in history.decisions:
        t_us = max(decision.t_us, before_us)
        for aggregate in NUMERIC:
            assert value(aggregate, whole, t_us, None) == value(aggregate, pruned, t_us, None)


def test_pruning_keeps_what_is_still_visible_at_the_bound() -> None:
    """A contribution that leaves at 10 is seen by a decision at 10."""
    bucket = bucket_of([Contribution(0, 10, 1, "e"), Contribution(0, 9, 1, "f")])

    assert tuple(c.event_id for c in prune(bucket, 10).contributions) == ("e",)
    assert prune(bucket, 9) is bucket


@given(histories(labels=True))
def test_a_step_changes_nothing_until_it_is_applied(history: History) -> None:
    """`step`, `revise`, `forget` and `read` are pure; `apply` does exactly what they said."""
    state = WindowState(history.window_us + history.delay_us)
    for event in history.events:
        before = copy.deepcopy(state)
        coming = arrival(history, event, event.reported_us)
        changes = state.step(coming)
        state.revise(coming)
        state.forget(event.at_us)
        state.read(0, Aggregate.SUM, (event.key,), event.at_us, None)
        assert before == state

        state.apply(changes)

        assert dict(changes.buckets).items() <= state.buckets.items()
        assert Changes() == state.step(coming)


def test_revising_an_unknown_event_changes_nothing() -> None:
    """A label for an event that never came, or is forgotten, alters no window."""
    history = History((), (), 100, 0)
    event = Event("e", "k", 0, 0, 50, NOT_COUNTED, 7)
    state = WindowState(100)

    assert Changes() == state.revise(arrival(history, event, 50))

    state.apply(state.step(arrival(history, event, None)))
    assert not state.buckets
    state.apply(state.revise(arrival(history, event, 50)))
    assert state.read(0, Aggregate.SUM, ("k",), 60, None).value == 7
    state.apply(state.revise(arrival(history, event, None)))
    assert not state.buckets


def test_ids_and_buckets_are_forgotten_after_the_horizon() -> None:
    """An id is kept as long as a window could still see its event, and not longer."""
    history = History((Event("e", "k", 0, 20, None, 5, 5),), (), 100, 0)
    state = full_state(history)

    state.apply(state.forget(120))
    assert state.seen == {(TYPE, "e"): 120}
    assert not state.buckets

    state.apply(state.forget(121))
    assert not state.seen


def test_by_all_is_one_key() -> None:
    """A feature `by all` has the empty key, which has no missing part."""
    state = WindowState(100)
    event = arrival(History((), (), 100, 0), Event("e", "k", 0, 0, None, 5, 5), None)
    (entry,) = event.entries
    for_all = type(entry)(0, (), entry.contributions)
    state.apply(state.step(type(event)(TYPE, "e", 0, 0, (for_all,))))

    assert state.read(0, Aggregate.COUNT, (), 10, None).value == 1


def test_without_takes_one_event_out() -> None:
    """Both halves of an event go, the others stay; nothing to do gives the bucket itself."""
    bucket = bucket_of(
        [Contribution(0, 5, 1, "e"), Contribution(5, 9, 2, "e"), Contribution(0, 9, 3, "f")]
    )

    assert bucket_of([Contribution(0, 9, 3, "f")]) == without(bucket, "e")
    assert without(bucket, "x") is bucket


# --- bytes ----------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
times = st.integers(INT64_MIN, INT64_MAX)
items = st.builds(Contribution, times, times, st.one_of(st.none(), times, texts), texts)


@given(st.lists(items, max_size=12), st.randoms(use_true_random=False))
def test_a_bucket_survives_its_bytes(content: list[Contribution], rng: random.Random) -> None:
    """Bytes depend on the content alone and give it back, missing and text operands included."""
    data = encode(bucket_of(content))

    assert bucket_of(content) == decode(data)
    assert data == encode(bucket_of(rng.sample(content, len(content))))


@given(st.lists(items, max_size=4), st.data())
def test_damaged_bytes_are_refused_or_read_as_written(
    content: list[Contribution], data: st.DataObject
) -> None:
    """No byte string is read as a bucket that would be written differently."""
    written = encode(bucket_of(content))
    place = data.draw(st.integers(0, len(written) - 1))
    broken = written[:place] + bytes([data.draw(st.integers(0, 255))]) + written[place + 1 :]

    for damaged in (broken, written[:place], written + b"\0"):
        try:
            assert damaged == encode(decode(damaged))
        except BucketBytesError:
            assert damaged != written


def test_the_format_is_pinned() -> None:
    """Bytes that a store holds today are read tomorrow: format 1 does not move."""
    bucket = bucket_of([Contribution(1, 9, -2, "e"), Contribution(1, 8, "é", "f")])
    written = bytes.fromhex(
        "01 00000002 0000000000000001 0000000000000001 0000000000000008 0000000000000009"
        "0201 fffffffffffffffe 00000002 00000001 00000001 c3a9 66 65"
    )

    assert written == encode(bucket)
    with pytest.raises(BucketBytesError, match="it has format 2, this reads format 1"):
        decode(b"\2" + written[1:])
    with pytest.raises(BucketBytesError, match="the contributions are not in order"):
        decode(written.replace(b"\0\0\x08", b"\0\0\x0a"))
    with pytest.raises(BucketBytesError, match="cut short or goes on after its end"):
        decode(written + b"\0")
    with pytest.raises(BucketBytesError, match="of a kind that this format does not know"):
        decode(written.replace(b"\2\1", b"\3\1"))
    with pytest.raises(BucketBytesError, match="cannot be written"):
        encode(bucket_of([Contribution(0, 1, 2**63, "e")]))


def test_a_long_bucket_answers_from_a_contiguous_run() -> None:
    """The flag says that leaves are in order; a late arrival clears it, pruning restores it."""
    in_order = bucket_of([Contribution(i, i + 10, 1, str(i)) for i in range(50)])
    late = contributions(
        event_id="late", at_us=0, received_us=30, reported_us=None, window_us=35, delay_us=0,
        when_false=1, when_true=1,
    )  # fmt: skip
    mixed = advance(in_order, late[0])

    assert (in_order.leaves_in_order, mixed.leaves_in_order) == (True, False)
    assert prune(mixed, 36).leaves_in_order
    assert value(Aggregate.COUNT, mixed, 33, None).value == 11
