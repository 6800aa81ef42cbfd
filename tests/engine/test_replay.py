"""Replay: the same decision from the record alone, anywhere, and what differs otherwise."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.engine.random_programs import random_lists, random_program, random_situation
from tests.engine.small_policy import (
    BLOCKED,
    CARDS,
    TRUSTED,
    SmallPolicy,
    cards,
    payment,
    policy_of,
)
from tidegate.dsl.lists import ListContent
from tidegate.engine.authority import authority
from tidegate.engine.decision import Engine
from tidegate.engine.interpreter import evaluate
from tidegate.engine.record import RatesFacts, RecordError, parse_record
from tidegate.engine.recorder import Provenance, recorder
from tidegate.engine.replay import replay

CASES: list[tuple[dict[str, object], dict[str, object], dict[str, str]]] = [
    ({}, {"tries": 1, "typical": "20.00 EUR"}, {"fraud_score": "0.10"}),
    ({"amount": "2.00 EUR"}, {"tries": 7}, {}),
    ({"amount": "2.00 EUR", "customer": None}, {"tries": 7}, {"fraud_score": "abstained"}),
    ({"amount": "2.00 EUR", "customer": "cus_trusted_1"}, {"tries": 7}, {}),
    ({"card": "tok_blocked_card_1", "ip_country": "US"}, {"tries": 1}, {"fraud_score": "0.995"}),
    ({"amount": "1500 EUR", "at": "2026-11-23T03:00:00+01:00"}, {"tries": 1}, {}),
    ({"ip_country": None, "ip_address": None, "customer": None}, {"tries": 1}, {}),
    ({"amount": "300.01 EUR", "channel": "pos"}, {"tries": 0}, {"fraud_score": "0.85"}),
]  # fmt: skip


def _without_contents(policy: SmallPolicy) -> SmallPolicy:
    """The policy as it is years later: none of the lists can be read any more."""
    return replace(policy, lists={name: ListContent() for name in policy.lists})


@pytest.mark.parametrize(("fields", "features", "scores"), CASES)
def test_the_record_is_enough(
    fields: dict[str, object], features: dict[str, object], scores: dict[str, str]
) -> None:
    """A replay would need the lists, rates or models of the day."""
    decision = Engine(cards()).decide(payment(**fields), features=features, scores=scores)
    replayed = Engine(_without_contents(cards())).replay(parse_record(decision.record_bytes))

    assert replayed.identical, replayed.differences
    assert replayed.differences == ()
    assert replayed.record.to_bytes() == decision.record_bytes


@pytest.mark.parametrize("seed", range(150))
def test_every_random_decision_replays(seed: int) -> None:
    """Some corner of the language would read what the record does not hold."""
    rng = random.Random(seed)
    program = random_program(rng)
    # A score of a model of the policy has facts of its own; these come with the event.
    external = tuple(replace(model, external=True) for model in program.models)
    program = replace(program, models=external)
    lists = random_lists(rng, program)
    event = program.events[0]
    situation = random_situation(rng, program, event, lists)
    writer = recorder(authority(program, event))
    hashes = {name: None if c is None else c.hash for name, c in lists.items()}
    provenance = Provenance("00", "key", RatesFacts("", ()), hashes)
    record = writer.record(situation, writer.authority.settle(situation), provenance, evaluate)

    assert replay(program, "00", parse_record(record.to_bytes())).identical


ELSEWHERE = """
import sys
from tests.engine.small_policy import cards, payment
from tests.engine.test_replay import CASES
from tidegate.engine.decision import Engine
for fields, features, scores in CASES:
    decision = Engine(cards()).decide(payment(**fields), features=features, scores=scores)
    sys.stdout.write(decision.record_bytes.hex() + "\\n")
"""


def _elsewhere(hash_seed: str, folder: Path) -> list[bytes]:
    """The records of another process, in another folder, zone and locale."""
    environment = os.environ | {
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "C",
    }
    finished = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return [bytes.fromhex(line) for line in finished.stdout.split()]


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_another_process_writes_the_same_bytes(hash_seed: str, tmp_path: Path) -> None:
    """The order of a set, the machine's zone or its locale would get into a record."""
    engine = Engine(cards())
    here = [
        engine.decide(payment(**fields), features=features, scores=scores).record_bytes
        for fields, features, scores in CASES
    ]

    assert _elsewhere(hash_seed, tmp_path) == here


def _record(**given: Any) -> Any:
    quiet = {"features": {"tries": 1, "typical": "20.00 EUR"}, "scores": {"fraud_score": "0.9"}}
    return Engine(cards()).decide(payment(amount="99.00 EUR"), **{**quiet, **given}).record


def test_says_what_another_engine_would_change() -> None:
    """A difference of versions would look like a forged record."""
    record = replace(_record(), engine="0.0.9", zone_data="2020a")
    replayed = Engine(cards()).replay(record)

    assert not replayed.identical
    assert replayed.same_outcome
    assert [(d.path, d.recorded) for d in replayed.differences] == [
        ("engine", "0.0.9"),
        ("zone_data", "2020a"),
    ]


def test_says_what_another_policy_would_decide() -> None:
    """Nobody could try a changed rule on a recorded decision."""
    changed = policy_of(
        CARDS.replace("fraud_score >= 0.85", "fraud_score >= 0.95").replace(
            "rule risky version 4", "rule risky version 5"
        ),
        {"blocked": BLOCKED, "trusted": TRUSTED},
    )
    replayed = Engine(changed).replay(_record())

    assert not replayed.same_outcome
    assert {"policy.hash", "outcome.word", "rules.fired"} <= {d.path for d in replayed.differences}
    word = next(d for d in replayed.differences if d.path == "outcome.word")
    assert (word.recorded, word.replayed) == ("step_up", "approve")


def test_a_changed_input_shows() -> None:
    """A record whose input was altered afterwards would pass for the decision's own."""
    record = _record()
    altered = replace(record, inputs={**record.inputs, "fraud_score": "0.1"})
    replayed = Engine(cards()).replay(altered)

    assert not replayed.identical
    assert not replayed.same_outcome


@pytest.mark.parametrize(
    "inputs",
    [{"amount": "99.00 USD"}, {"tries": "many"}, {"tries": "01"}, {"at": "2026-11-23"}],
)
def test_refuses_a_record_that_does_not_fit_its_policy(inputs: dict[str, str]) -> None:
    """A value that the policy cannot read would be replayed as missing."""
    record = _record()

    with pytest.raises(RecordError):
        Engine(cards()).replay(replace(record, inputs={**record.inputs, **inputs}))


def test_refuses_a_record_without_an_input_of_its_policy() -> None:
    """A record that lost an input would be replayed without it."""
    record = _record()
    inputs = {name: text for name, text in record.inputs.items() if name != "tries"}

    with pytest.raises(RecordError):
        Engine(cards()).replay(replace(record, inputs=inputs))


def test_refuses_an_event_that_the_policy_does_not_decide() -> None:
    """A record of another event would be replayed by the rules of this one."""
    record = _record()

    with pytest.raises(RecordError):
        Engine(cards()).replay(replace(record, event=replace(record.event, type="refund")))


def test_no_difference_reads_the_same_on_both_sides() -> None:
    """`none -> none` says that something differs, and not what."""
    fewer = CARDS.replace("  except when customer in trusted\n", "")
    replayed = Engine(policy_of(fewer, cards().lists)).replay(_record())

    lists = {d.path: d.replayed for d in replayed.differences if d.path.startswith("lists.trusted")}
    assert lists == {"lists.trusted.hash": "absent", "lists.trusted.members": "absent"}
    assert [d for d in replayed.differences if d.recorded == d.replayed] == []
