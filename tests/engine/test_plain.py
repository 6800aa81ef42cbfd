"""Decisions that generated code settles by itself are those of the authority."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tests.engine.builders import AMOUNT, does, euros, policy, rule, situation_of, step_up
from tests.engine.nodes import compare
from tests.engine.random_programs import random_lists, random_program, random_situation
from tidegate.dsl.program import Ask, Disposition, Program, Rule
from tidegate.engine import generated, plain, predicate_index
from tidegate.engine.authority import Authority, settle
from tidegate.engine.generated import CompiledEvent, compile_event
from tidegate.engine.situation import Settled, Situation


def undated(rule: Rule, advises: bool) -> Rule:
    """The rule, standing alike for every event."""
    then = rule.then if advises else replace(rule.then, advice=())
    unknown = rule.unknown and replace(rule.unknown, advice=then.advice and rule.unknown.advice)
    return replace(
        rule, rollout=None, from_us=None, until_us=None, then=then, unknown=unknown
    )  # fmt: skip


def program_of_undated(rng: Random, models: int) -> Program:
    """A random program whose decisions hang on what its rules find."""
    program = random_program(rng, rules=rng.choice((4, 16)), models=models, depth=2)
    event = program.events[0]
    advises = rng.random() < 0.2
    rules = tuple(undated(rule, advises) for rule in event.rules)
    default = rng.choice((Disposition.APPROVE, Disposition.APPROVE, Disposition.HOLD))
    return replace(program, events=(replace(event, rules=rules, default=default),))


LIMITS: dict[str, dict[str, object]] = {
    "few rules": {},
    "long masks": {"_BITS": (0,)},
    "nothing is kept": {"MAX_REMEMBERED": 1},
}


@pytest.mark.parametrize("index_from", [1, generated.INDEX_FROM])
@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("block", range(2))
def test_a_short_cut_decides_what_the_authority_decides(
    block: int, name: str, index_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rung, a reason, its place, a tag, the points or the word of shadow rules would differ."""
    monkeypatch.setattr(predicate_index, "MIN_SHARED", 1)
    for limit, value in LIMITS[name].items():
        monkeypatch.setattr(plain, limit, value)
        monkeypatch.setattr(generated, limit, value, raising=False)
    at_length = 0
    usual = Authority.settle

    def counted(self: Authority, *args: object, **kwargs: object) -> Settled:
        nonlocal at_length
        at_length += 1
        return usual(self, *args, **kwargs)  # type: ignore[arg-type]

    count = 0
    for seed in range(block * 20, block * 20 + 20):
        rng = Random(seed)
        program = program_of_undated(rng, models=seed % 2)
        event, lists = program.events[0], random_lists(rng, program)
        compiled = compile_event(program, event, lists, index_from)
        for _ in range(12):
            situation = random_situation(rng, program, event, lists)
            expected = settle(program, situation)
            with monkeypatch.context() as patched:
                patched.setattr(Authority, "settle", counted)
                for _ in range(2):
                    assert decided(compiled, situation) == expected, f"seed {seed}"
            count += 2
    assert at_length < count * 0.75


def decided(compiled: CompiledEvent, situation: Situation) -> Settled:
    """The decision of the hot path."""
    return compiled.decide_values(situation.values, situation.lists, situation.statuses)


def test_outcomes_are_kept_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the memory of a service that runs for months would grow for ever."""
    monkeypatch.setattr(plain, "MAX_REMEMBERED", 2)
    outcomes = plain._Outcomes(Disposition.APPROVE, {})
    asks = {place: (Ask("review", 0, f"reason_{place}"),) for place in range(5)}
    voices = outcomes.voices(asks)
    for place in (0, 1, 2, 3, 4, 1):
        key = (None, 0, 0, voices[place + 1])
        assert outcomes[key].reasons == (f"reason_{place}",)
        assert len(outcomes) <= 2


def test_what_never_is_unknown_is_not_looked_at() -> None:
    """The generated code would ask for a mask that no rule ever fills."""
    asked = does(step_up("strong"))
    rules = [
        rule(name, compare(">", AMOUNT, euros(limit)), does(step_up("plain")), unknown=asked)
        for name, limit in (("low", 1), ("high", 5))
    ]
    program = policy(*rules)
    event = program.events[0]
    compiled = compile_event(program, event, {})
    for amount in (0, 200, 800):
        situation = situation_of(program, amount=amount)
        assert decided(compiled, situation) == settle(program, situation)
