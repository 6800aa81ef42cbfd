"""The windows are a function of the set of events: any order, any copies, any crash point."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.builders import POLICY, write_policy
from tidegate.dsl.program import Program
from tidegate.dsl.types import Value
from tidegate.engine.features import Counted
from tidegate.engine.features import read as read_features
from tidegate.engine.windows import EventName, WindowState
from tidegate.rules import load_policy
from tidegate.service.recorded import EventForms, Payload, PayloadError, read_payload, write_payload
from tidegate.service.window_snapshot import (
    WindowSnapshot,
    read_snapshot,
    windows_meaning,
    write_snapshot,
)
from tidegate.service.windows import Windows
from tidegate.vault.memory import MemoryKeys

HOUR_US = 3_600 * 10**6


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Give the program of the small policy."""
    return load_policy(write_policy(tmp_path_factory.mktemp("policy"), POLICY)).program


def some_events(seed: int, number: int = 40) -> list[Counted]:
    """Payments of few cards, and chargebacks of some of them, spread over three days."""
    dice = random.Random(seed)
    values: dict[str, Value | None]
    events = []
    for index in range(number):
        at_us = dice.randrange(72 * HOUR_US)
        received_us = at_us + dice.choice((0, 0, 5, HOUR_US))
        if dice.random() < 0.3:
            payment = f"p-{dice.randrange(number)}"
            values = {"id": f"c-{index}", "at": at_us, "payment": payment}
            events.append(Counted("chargeback", f"c-{index}", at_us, received_us, values))
        else:
            values = {
                "id": f"p-{index}",
                "at": at_us,
                "amount": dice.randrange(10_000),
                "card": f"tok_{dice.randrange(3)}",
                "origin": dice.choice(("FR", "DE", None)),
            }
            events.append(Counted("payment", f"p-{index}", at_us, received_us, values))
    return events


def in_order(events: list[Counted]) -> list[Counted]:
    """As they would have come."""
    return sorted(events, key=lambda counted: (counted.received_us, counted.key))


class Taking:
    """Windows, with a memory of what they took that stands for the ledger."""

    def __init__(self, program: Program) -> None:
        self.windows = Windows(program)
        self.known: dict[EventName, Counted] = {}

    def take(self, counted: Counted) -> object:
        """Take one event in."""
        self.known.setdefault((counted.event, counted.key), counted)
        return self.windows.take(counted, {}, self.known.get)

    def all(self, events: list[Counted]) -> Windows:
        """Take them all in."""
        for counted in events:
            self.take(counted)
        return self.windows


def same(one: Windows, other: Windows) -> bool:
    """Whether two windows are equal in all that a decision or a later event can see."""
    return (
        one.state.buckets == other.state.buckets
        and one.state.seen == other.state.seen
        and one.reported == other.reported
    )


@given(seed=st.integers(0, 10**6), order=st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_copies_and_disorder_change_nothing(
    program: Program, seed: int, order: random.Random
) -> None:
    """Shuffled with a fifth of copies, they lead to the once-in-order state."""
    events = some_events(seed)
    once = Taking(program).all(in_order(events))
    mixed = [*events, *order.sample(events, len(events) // 5)]
    order.shuffle(mixed)
    assert same(Taking(program).all(mixed), once)
    assert once.state.buckets
    if any(c.event == "chargeback" for c in events):
        assert once.reported


@given(seed=st.integers(0, 10**6), data=st.data())
@settings(max_examples=60)
def test_what_is_taken_out_again_was_never_there(
    program: Program, seed: int, data: st.DataObject
) -> None:
    """Any events are reverted in between; what is left equals the rest alone."""
    events = in_order(some_events(seed))
    lost = data.draw(st.sets(st.integers(0, len(events) - 1)))
    taking = Taking(program)
    for index, counted in enumerate(events):
        taken = taking.take(counted)
        if index in lost:
            taking.windows.revert(taken, {}, taking.known.get)  # type: ignore[arg-type]
    rest = [counted for index, counted in enumerate(events) if index not in lost]
    assert same(taking.windows, Taking(program).all(rest))


@given(seed=st.integers(0, 10**6), data=st.data())
@settings(max_examples=25)
def test_a_snapshot_at_any_moment_and_the_ledger_since_give_the_same(
    program: Program, seed: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Even where the ledger is read from before the snapshot: copies change nothing."""
    events = in_order(some_events(seed))
    crash = data.draw(st.integers(0, len(events)))
    begin = data.draw(st.integers(0, crash))
    keys = MemoryKeys()
    path = tmp_path_factory.mktemp("snapshot") / "windows.snapshot"
    before = Taking(program)
    before.all(events[:crash])
    meaning = windows_meaning(program)
    saved = WindowSnapshot(crash, 7, meaning, before.windows.state, before.windows.reported)
    write_snapshot(path, saved, keys.source)
    found = read_snapshot(path, program, keys.source)
    assert (found.start, found.latest_us) == (crash, 7)
    after = Taking(program)
    after.known = dict(before.known)
    after.windows = Windows(program, found.state, found.reported, found.latest_us)
    after.windows.latest_us = 0
    assert same(after.all(events[begin:]), Taking(program).all(events))


def test_a_label_counts_from_its_first_report(program: Program) -> None:
    """Before the payment, after it, twice: the payment is a fraud from the first report on."""
    payment = Counted("payment", "p", 10, 10, {"id": "p", "at": 10, "amount": 5, "card": "t"})
    early, late = (
        Counted("chargeback", key, at, at, {"id": key, "at": at, "payment": "p"})
        for key, at in (("c1", 20), ("c2", 30))
    )
    first = Taking(program).all([payment, early, late])
    assert first.reported == {("payment", "p"): {"fraud": 20}}
    for events in ([late, payment, early], [late, early, payment], [early, payment, late]):
        assert same(Taking(program).all(events), first)


def test_reading_is_what_the_engine_defines(program: Program) -> None:
    """The plan that is made ahead reads the same features of the same buckets."""
    windows = Taking(program).all(in_order(some_events(7)))
    event = program.event("payment")
    for counted in some_events(8):
        if counted.event == "payment":
            found = windows.read(event, counted.values)
            assert found == read_features(program, windows.state, event, counted.values)
            assert found


def test_pruning_keeps_what_a_decision_can_see(program: Program) -> None:
    """The sweep drops whole buckets of cards that nobody uses any more."""
    windows = Taking(program).all(in_order(some_events(3)))
    windows.latest_us = 1_000 * HOUR_US
    names = list(windows.state.buckets)
    windows.prune(names[: len(names) // 2])
    assert windows.state.buckets.keys() == set(names[len(names) // 2 :])
    windows.prune(names)
    assert windows.state.buckets == {}


def test_a_snapshot_says_nothing_without_its_key(program: Program, tmp_path: Path) -> None:
    """Keys and events are encrypted; a changed byte is noticed wherever it is."""
    keys, path = MemoryKeys(), tmp_path / "windows.snapshot"
    state: WindowState = Taking(program).all(some_events(1)).state
    write_snapshot(path, WindowSnapshot(0, 0, windows_meaning(program), state, {}), keys.source)
    content = path.read_bytes()
    assert b"tok_" not in content
    assert b"p-1" not in content
    read_snapshot(path, program, keys.source)
    for place in range(0, len(content), 97):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(bytes(changed))
        with pytest.raises(ValueError, match=r"damaged|something else"):
            read_snapshot(path, program, keys.source)


def test_events_come_back_from_their_payloads(program: Program) -> None:
    """Of the form without a record: all values, in the canonical form of their types."""
    forms = EventForms(program)
    for counted in some_events(5):
        content = write_payload({"form": 1, "event": forms.full(counted)})
        back = forms.counted(read_payload(content))
        assert back is not None
        assert (back.event, back.key) == (counted.event, counted.key)
        assert (back.at_us, back.received_us) == (counted.at_us, counted.received_us)
        kept = {name: value for name, value in back.values.items() if value is not None}
        assert kept == {n: v for n, v in counted.values.items() if v is not None}


def test_a_payload_of_another_form_is_refused(program: Program) -> None:
    """A newer release may write one; this one does not guess."""
    for content in (b"", b"[]\n", b"{}\n", b'{"form":2}\n', b"\xff\n"):
        with pytest.raises(PayloadError):
            read_payload(content)
    assert EventForms(program).counted(Payload({"form": 1}, b"")) is None
    gone = {"form": 1, "event": {"type": "other", "key": "k", "at": 1, "received": 1, "values": {}}}
    assert EventForms(program).counted(Payload(gone, b"")) is None
