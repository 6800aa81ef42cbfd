"""Training files: read strictly, with everything that is wrong said at once."""

from __future__ import annotations

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
