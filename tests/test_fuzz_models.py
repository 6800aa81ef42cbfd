"""A short run of the search for hostile model files (`make fuzz-models`)."""

from __future__ import annotations

import signal
from collections.abc import Callable
from random import Random

import pytest

from tests import fuzz_models
from tests.fuzz_models import BOMBS, MUTATIONS, Found, run_bomb, run_mutants, search
from tests.models_generated import generated_model
from tidegate.models import reading
from tidegate.models.reading import write_model


def test_mutants_are_refused_or_score() -> None:
    """A hostile file would raise something else, or be accepted and then fail an event."""
    found = run_mutants((71, 0, 400))
    assert not found.failures, found.failures[0]
    assert found.refused > 150
    assert found.accepted_by["unchanged"] == found.by_mutation["unchanged"] > 0
    assert found.answered > 200
    assert set(found.by_mutation) == {mutation.__name__ for mutation in MUTATIONS}


@pytest.mark.parametrize(
    "name",
    [
        "nested lists", "masses of lists", "masses of texts", "a number without end", "many digits",
        "10**9 nodes by their claim", "10**9 trees by their divisor", "a walk of 200,000 steps",
        "a million leaves of many inputs",
        "a walk of 256 steps", "a walk of 257 steps", "larger than any", "a far exponent",
        "a weight beyond all", "too many inputs", "too many trees", "one key a million times",
        "a pickle that runs", "an old pickle that runs", "ONNX", "UTF-16", "nothing",
    ],
)  # fmt: skip
def test_a_bomb_does_nothing(name: str) -> None:
    """A file made to harm would be accepted, or take the process with it."""
    assert not run_bomb(name).failures


def test_bombs_run_under_a_limit_of_memory() -> None:
    """A file could take the machine's memory before it is refused."""
    parts = list(search(0, 71, 1, ("masses of floats", "an array")))
    assert [part.refused for part in parts] == [1, 1]
    assert not [failure for part in parts for failure in part.failures]


def test_a_case_is_the_same_each_time() -> None:
    """A failing seed could not be looked into."""
    first, second = run_mutants((5, 0, 30)), run_mutants((5, 0, 30))
    assert (first.refused, first.events) == (second.refused, second.events)


@pytest.mark.parametrize("guard", ["_check_references", "prove_sums"])
def test_a_guard_that_is_taken_out_is_noticed(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search would pass whatever reading lets through."""
    monkeypatch.setattr(reading, guard, lambda model, problems: None)  # noqa: ARG005 - its shape
    # Without references a cycle may walk for ever: a short alarm stands for it.
    monkeypatch.setattr(fuzz_models, "CPU_SECONDS", 0.5)
    signal.signal(signal.SIGVTALRM, fuzz_models._ring)
    assert run_mutants((71, 0, 400)).failures


def test_a_wrong_column_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search would not see columns that differ from single events."""
    wrong: Callable[..., object] = lambda totals, unit: totals * 0 + unit  # noqa: E731
    monkeypatch.setattr("tidegate.models.columns.logistic_scores", wrong)
    found = Found()
    model = generated_model(Random(3), "additive")
    fuzz_models.run_case("x", write_model(model), Random(3), found)
    assert found.failures


def test_every_bomb_has_its_answer() -> None:
    """A bomb that is neither to be refused nor accepted would show nothing."""
    assert set(BOMBS) > fuzz_models.ACCEPTED_BOMBS
