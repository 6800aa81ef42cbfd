"""Training files: read strictly, with everything that is wrong said at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation.tables import DAY_US, TRAINING, scored_policy, written
from tidegate.models.cards import UnitCosts
from tidegate.rules.gate import Segments
from tidegate.simulation.training_file import TrainingError, read_training

TEXT = TRAINING.read_text()


def _problems(path: Path, text: str) -> list[tuple[str, str, str]]:
    with pytest.raises(TrainingError) as raised:
        read_training(written(path / "training.yaml", text), scored_policy().program)
    return [(p.key, p.message, p.help) for p in raised.value.problems]


def test_the_training_of_the_example() -> None:
    training = read_training(TRAINING, scored_policy().program)
    assert training.model.name == "risk"
    assert training.label.name == "fraud"
    assert training.split.delay_us == 14 * DAY_US
    assert training.split.cutoff_us == training.split.test.start_us
    assert training.costs == UnitCosts(10**6, 1_500, 400, 100)
    assert training.segments == (Segments("channel"), Segments("amount", (5_000, 25_000)))


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("model: risk", "model: rsk", "model", "the policy has no model `rsk`"),
        ("model: risk", "", "model", "is missing"),
        ("hist_gradient_boosting", "xgboost", "estimator", "has to be `logistic_regression`, "),
        ("label: fraud", "label: theft", "label", "`payment` has no label `theft`"),
        ("delay: 14d", "delay: 13d", "split.delay", "`fraud` is known only after 2w"),
        ("delay: 14d", "delay: soon", "split.delay", "is no duration"),
        ("delay: 14d", "delay: 15d", "split.test.from", "the test begins before the labels"),
        ("from: 2026-04-20", "from: 2026-04-19", "split.test.from", "the test begins before"),
        ("until: 2026-04-06", "until: 2026-02-16", "split.train.until", "is not after `from`"),
        ("until: 2026-04-06", "until: later", "split.train.until", "is no time"),
        ("by: card", "by: crd", "by", "`payment` has no field `crd`"),
        ("by: card", "by: amount", "by", "`amount` is a money"),
        ("by: card", "by: id", "by", "`id` is the key of `payment`"),
        ("alerts_per_day: 5", "alerts_per_day: 0", "alerts_per_day", "has to be between 1 and"),
        ("missed: 15 EUR", "missed: 15", "costs.missed", "`15` needs its currency"),
        ("missed: 15 EUR", "missed: 15 USD", "costs.missed", "is no amount"),
        ("missed: 15 EUR", "missed: 0.001 EUR", "costs.missed", "is no amount"),
        ("missed_share: 100%", "missed_share: 101%", "costs.missed_share", "is no share"),
        ("{field: channel}", "{field: card}", "segments.0", "`card` is a token"),
        ("{field: channel}", "{field: amount}", "segments.0", "amounts make segments by bands"),
        ("[50 EUR, 250 EUR]", "[50 EUR, 50 EUR]", "segments.1.bands", "bands rise"),
        ("owner: risk@shop.example", "owner: ''", "owner", "has to be said"),
        ("seed: 7", "seed: many", "seed", "has to be a whole number"),
        ("seed: 7", "sede: 7", "sede", "is no key of a training file here"),
        ("seed: 7", "seed: 7\nabstain_outside: [age]", "abstain_outside", "does not read `age`"),
        ("seed: 7", "seed: 7\nseed: 8", "", "`seed` comes twice"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, key: str, message: str) -> None:
    assert TEXT.count(old) == 1
    found = _problems(tmp_path, TEXT.replace(old, new))
    assert [k for k, _, _ in found] == [key]
    assert message in found[0][1]


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = TEXT.replace("by: card", "by: crd").replace("delay: 14d", "delay: 1d")
    assert [key for key, _, _ in _problems(tmp_path, text)] == ["split.delay", "by"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="there is no such file"):
        read_training(tmp_path / "none.yaml", scored_policy().program)


def test_an_external_model_is_not_trained_here(tmp_path: Path) -> None:
    """`give it reads` alone would lead to a policy that does not load."""
    program = scored_policy().program
    (model,) = program.models
    outside = replace(program, models=(replace(model, external=True, reads=(), read_names=()),))
    with pytest.raises(TrainingError) as raised:
        read_training(written(tmp_path / "training.yaml", TEXT), outside)
    (problem,) = raised.value.problems
    assert "is external: its score comes with the event" in problem.message
    assert "instead of `external`" in problem.help


@pytest.mark.parametrize(
    ("until", "wrong", "earliest"),
    [
        ("2026-03-20", "2026-04-03", "2026-04-04"),  # an hour is lost on 2026-03-29
        ("2026-10-20", "2026-11-02", "2026-11-03"),  # one is won on 2026-10-25
        ("2026-05-01", "2026-05-14", "2026-05-15"),
    ],
)
def test_the_earliest_day_of_a_test_is_said(
    tmp_path: Path, until: str, wrong: str, earliest: str
) -> None:
    """`14d` count hours: the day that one would count out is refused after a clock change."""
    text = TEXT.replace("until: 2026-04-06", f"until: {until}")
    text = text.replace("until: 2026-05-23", "until: 2026-12-01")
    (problem,) = _problems(tmp_path, text.replace("from: 2026-04-20", f"from: {wrong}"))
    assert problem[0] == "split.test.from"
    assert problem[2].startswith(f"let it begin on {earliest} or later")
    path = written(tmp_path / "right.yaml", text.replace("from: 2026-04-20", f"from: {earliest}"))
    read_training(path, scored_policy().program)
