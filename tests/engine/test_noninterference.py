"""No score changes more than its model may; `make noninterference` is the same at full size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from tests.engine import noninterference
from tests.engine.noninterference import (
    ANSWERS,
    SCORES,
    Difference,
    Tally,
    answered,
    by_columns,
    differences,
    generated_batch,
    one_by_one,
    situations_of,
    stays_within,
    subsets,
)
from tests.engine.noninterference_policy import POLICY
from tests.engine.small_policy import policy_of
from tests.fuzz_noninterference import run_policies
from tests.situations_generated import generated_lists
from tidegate.dsl.program import Disposition, EventType, Program
from tidegate.engine import authority, column_outcome
from tidegate.engine.column_batch import Batch, collect
from tidegate.engine.interpreter import NOBODY

ROWS, SAMPLE = 3_000, 25
NO_DECLINE = frozenset({"looks", "steps"})


@pytest.fixture(scope="module")
def shop() -> Program:
    """The policy with four models."""
    return policy_of(POLICY).program


def batch_of(program: Program, rows: int) -> tuple[EventType, Batch]:
    """So many payments, with all lists readable."""
    event, rng = program.event("payment"), Random(5)
    return event, generated_batch(rng, program, event, generated_lists(rng, program, 0.0), rows)


def test_the_scores_are_those_that_are_promised() -> None:
    """The figure in the note would be of fewer scores."""
    assert list(SCORES) == [50_000 * step for step in range(21)]
    assert set(ANSWERS) == {*SCORES, "abstained", "failed", "unavailable"}


def test_no_score_moves_what_its_model_may_not(shop: Program) -> None:
    """A model that may only recommend would decline a payment, or let one pass."""
    event, batch = batch_of(shop, ROWS)
    tally = Tally()
    assert list(differences(shop, event, batch, tally)) == []
    assert tally.decisions == ROWS * len(ANSWERS) * len(list(subsets(shop, event)))
    assert 0 < tally.declined < ROWS * len(list(subsets(shop, event)))


def test_no_score_moves_it_in_production_code(shop: Program) -> None:
    """The compiled evaluator would let through what the columns hold."""
    event, batch = batch_of(shop, SAMPLE)
    assert list(differences(shop, event, batch, Tally(), one_by_one)) == []


def test_the_set_of_declined_payments_is_one_for_all_scores(shop: Program) -> None:
    """Said once more without all the rest: who is declined does not hang on such a score."""
    event, batch = batch_of(shop, ROWS)
    settle = by_columns(shop, event)
    declined = {
        (settle(answered(shop, batch, NO_DECLINE, a))["disposition"] == Disposition.DECLINE)
        .tobytes()
        for a in ANSWERS
    }  # fmt: skip
    assert len(declined) == 1
    blocks = frozenset({"blocks"})
    able = {
        (settle(answered(shop, batch, blocks, score))["disposition"] == Disposition.DECLINE)
        .tobytes()
        for score in SCORES
    }  # fmt: skip
    assert len(able) == 3  # below 0.5, below 0.9, and from there on


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("looks", {"authentication": 1}),
        ("steps", {"disposition": 1, "review": 1}),
        ("blocks", {"authentication": 1}),
    ],
)
def test_a_ceiling_leaves_the_other_ladders_alone(
    shop: Program, name: str, fields: dict[str, int]
) -> None:
    """A model that may have payments reviewed would step them up, or the other way about."""
    event, batch = batch_of(shop, ROWS)
    settle = by_columns(shop, event)
    for ladder in fields:
        rungs = {
            settle(answered(shop, batch, frozenset({name}), a))[ladder].tobytes()  # type: ignore[index]
            for a in ("abstained", "failed", *SCORES)
        }
        assert len(rungs) == 1, ladder
    assert len({str(settle(answered(shop, batch, frozenset({name}), a))) for a in SCORES}) > 1


def test_an_outage_is_the_authors_act() -> None:
    """The promise would be claimed of what an author writes for an outage, which is not capped."""
    text = POLICY.replace("if unavailable then review because no_score",
                          "if unavailable then decline because no_score")  # fmt: skip
    program = policy_of(text).program
    assert [m.name for m in program.models if not m.shadow and not stays_within(m)] == ["looks"]
    event, batch = batch_of(program, ROWS)
    assert list(differences(program, event, batch, Tally())) == []
    settle = by_columns(program, event)

    def declined(answer: noninterference.Answer) -> int:
        rungs = settle(answered(program, batch, frozenset({"looks"}), answer))
        return int((rungs["disposition"] == Disposition.DECLINE).sum())

    assert declined("unavailable") == ROWS
    assert declined("abstained") == declined("failed") == declined(0) < ROWS


def test_a_model_in_the_shadow_moves_nothing_whatever_it_does(shop: Program) -> None:
    """A model on trial would decline, or its outage would."""
    event, batch = batch_of(shop, ROWS)

    def outcomes(program: Program) -> set[bytes]:
        settle = by_columns(program, event)
        found = (settle(answered(program, batch, frozenset({"challenger"}), a)) for a in ANSWERS)
        return {b"".join(rungs.tobytes() for rungs in one.values()) for one in found}

    assert len(outcomes(shop)) == 1
    acting = (replace(m, shadow=False) if m.name == "challenger" else m for m in shop.models)
    assert len(outcomes(replace(shop, models=tuple(acting)))) > 1


def test_generated_policies_hold_as_well() -> None:
    """The promise would hold for one policy that was written for it."""
    found = run_policies(8, seed=11, rows=120, processes=1)
    assert found.failures == []
    assert found.tally.comparisons > 0


# --- that it can fail ----------------------------------------------------------------------------


def no_clamp(*_: object) -> frozenset[str]:
    """Nobody is ever masked."""
    return NOBODY


def sides(found: Iterable[Difference]) -> set[tuple[frozenset[str], str, str]]:
    """Who moved what to which side."""
    return {(one.models, one.rung, one.side) for one in found}


def test_without_the_clamp_there_are_differences(
    shop: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check would pass whatever the engine does."""
    event, batch = batch_of(shop, ROWS)
    monkeypatch.setattr(column_outcome, "clamped", no_clamp)
    found = sides(differences(shop, event, batch, Tally()))
    assert (NO_DECLINE, "decline", "above") in found
    assert (frozenset({"looks"}), "mandated", "above") in found
    assert (frozenset({"steps"}), "hold", "above") in found


def test_without_the_clamp_production_code_differs_too(
    shop: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for the compiled evaluator, which has its clamp from elsewhere."""
    event, batch = batch_of(shop, 2 * SAMPLE)
    monkeypatch.setattr(authority, "clamped", no_clamp)
    found = sides(differences(shop, event, batch, Tally(), one_by_one))
    assert (NO_DECLINE, "decline", "above") in found


def test_a_model_that_loses_relax_lowers_nothing_any_more(
    shop: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other side of the check, on a policy that no longer compiles: the clamp holds alone."""
    models = (replace(m, may=frozenset()) if m.name == "eases" else m for m in shop.models)
    program = replace(shop, models=tuple(models))
    event, batch = batch_of(program, ROWS)
    assert list(differences(program, event, batch, Tally())) == []
    monkeypatch.setattr(column_outcome, "clamped", no_clamp)
    found = sides(differences(program, event, batch, Tally()))
    assert (frozenset({"eases"}), "mandated", "below") in found


def test_rows_are_read_back_as_they_were(shop: Program) -> None:
    """The two evaluators would be asked about other payments."""
    event, batch = batch_of(shop, SAMPLE)
    rows = situations_of(event, batch)
    assert situations_of(event, collect(event, rows)) == rows
    assert len({one.values for one in rows}) == SAMPLE
    assert np.all(by_columns(shop, event)(batch)["review"] >= -1)
