"""A rule that a person silenced for one event: the same in every evaluator, record and replay."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tests.engine.builders import (
    ALWAYS,
    dear,
    decline,
    does,
    hold,
    policy,
    rule,
    situation_of,
)
from tests.engine.random_programs import random_lists, random_program, random_situation
from tests.engine.small_policy import cards, payment
from tidegate.dsl.program import Rollout
from tidegate.engine.authority import authority
from tidegate.engine.column_batch import collect
from tidegate.engine.column_outcome import OutcomeColumns, settle_columns
from tidegate.engine.decision import Decision, Engine
from tidegate.engine.evaluator import Compiled
from tidegate.engine.explanation_text import render_rule
from tidegate.engine.generated import compile_event
from tidegate.engine.record import SCHEMA, parse_record, plain
from tidegate.engine.situation import Settled
from tidegate.engine.standing import standing

SNOOZE = "01938a0e-0000-7000-8000-000000000000"
FEATURES = {"tries": 7, "typical": "20.00 EUR"}


def _in_columns(columns: OutcomeColumns, place: int) -> Settled:
    row = columns.row(place)
    return Settled(
        row.outcome(), row.evaluation(), row.standing(), row.masked(), row.capped(), row.winners()
    )


def _without_word(settled: Settled) -> Settled:
    """Columns do not say what would have been."""
    return settled._replace(shadow_word="")


@pytest.mark.parametrize("seed", range(700, 730))
def test_every_evaluator_treats_a_snooze_alike(seed: int) -> None:
    """A snooze would hold in one evaluator and not in another, or not in a replay."""
    rng = Random(seed)
    program = random_program(rng, rules=12)
    event, lists = program.events[0], random_lists(rng, program)
    compiled = Compiled(compile_event(program, event, lists))
    defined = authority(program, event)
    every = (1 << len(event.rules)) - 1
    situations = [
        replace(
            random_situation(rng, program, event, lists),
            snoozed=rng.choice((0, rng.getrandbits(len(event.rules)), every)),
        )
        for _ in range(20)
    ]
    columns = settle_columns(program, event, collect(event, situations))
    for row, situation in enumerate(situations):
        wanted = defined.settle(situation)
        assert compiled.settle(situation) == wanted
        assert _in_columns(columns, row) == _without_word(wanted)
        silent = standing(event, situation).snoozed
        assert not wanted.standing.live & silent


def test_a_snoozed_rule_is_shadow_and_an_older_version_stays_so() -> None:
    """Version 1 would come back to life where its successor is snoozed."""
    program = policy(
        rule("r", ALWAYS, does(hold())),
        rule("r", ALWAYS, does(decline()), version=2, replaces=1),
        rule("s", ALWAYS, does(hold())),
    )
    event = program.events[0]
    snoozed = 0b011
    stand = standing(event, replace(situation_of(program), snoozed=snoozed))
    assert (stand.live, stand.shadow, stand.snoozed) == (0b100, 0b011, snoozed)


def test_a_snooze_is_not_taken_for_a_rollout() -> None:
    """What is remembered of one decision would say of the next that nobody snoozed anything."""
    program = policy(rule("r", ALWAYS, does(hold()), rollout=Rollout(0, "card", "w")))
    decide = authority(program, program.events[0])
    situation = situation_of(program, card="c1")
    assert decide.settle(situation).standing.snoozed == 0
    assert decide.settle(replace(situation, snoozed=1)).standing.snoozed == 1


def test_a_snooze_stands_in_the_record_of_an_event_that_no_rule_speaks_of() -> None:
    """Nobody could say later whether the rule was silent or silenced."""
    program = policy(rule("r", dear(), does(hold())))
    event = program.events[0]
    situation = replace(situation_of(program, amount=100), snoozed=1)
    compiled = Compiled(compile_event(program, event, {}))
    for settled in (authority(program, event).settle(situation), compiled.settle(situation)):
        assert not settled.evaluation.fired
        assert settled.standing.snoozed == 1


def test_no_mandatory_rule_is_snoozed() -> None:
    """A person could switch off what no person may."""
    program = policy(rule("r", ALWAYS, does(decline()), mandatory=True))
    event = program.events[0]
    situation = replace(situation_of(program), snoozed=1)
    assert standing(event, situation).live == 1
    settled = authority(program, event).settle(situation)
    assert settled.outcome.word == "decline"
    columns = settle_columns(program, event, collect(event, [situation]))
    assert _in_columns(columns, 0) == _without_word(settled)


def _decide(snoozed: dict[str, str], kind: str = "compiled") -> tuple[Engine, Decision]:
    engine = Engine(cards(), evaluator=kind)  # type: ignore[arg-type]
    return engine, engine.decide(payment(amount="2.00 EUR"), features=FEATURES, snoozed=snoozed)


@pytest.mark.parametrize("kind", ["compiled", "interpreter"])
def test_a_snooze_stands_in_record_explanation_and_replay(kind: str) -> None:
    """Nobody could say later why a rule did not act, and the replay would differ."""
    _, before = _decide({}, kind)
    fired = [r for r in before.record.rules.fired if r not in before.record.rules.shadow]
    assert fired
    name = fired[0].split("@")[0]
    engine, decision = _decide({name: SNOOZE, "no_such_rule": SNOOZE}, kind)
    rules = decision.record.rules
    assert rules.snoozed == {fired[0]: SNOOZE}
    assert fired[0] in rules.fired
    assert fired[0] in rules.shadow
    assert SNOOZE in render_rule(decision.explain_rule(name))
    assert SNOOZE in str(decision.explain())
    parsed = parse_record(decision.record_bytes)
    assert engine.replay(parsed).identical
    assert decision.record.shadow_word == before.outcome.word


def test_records_of_the_schema_before_are_read_and_replayed() -> None:
    """Decisions made before there were snoozes could not be proved any more."""
    engine, decision = _decide({})
    old = replace(decision.record, schema=SCHEMA - 1)
    content = old.to_bytes()
    assert "snoozed" not in plain(old)["rules"]
    assert b"snoozed" not in content
    assert parse_record(content) == old
    result = engine.replay(parse_record(content))
    assert result.identical
    assert result.record.to_bytes() == content
